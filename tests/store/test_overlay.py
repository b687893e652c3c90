"""Views taken on by a connection while the query that came for it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import apsw
import pytest
from server_process import ENDLESS
from wire import until

from qasino_server.database.snapshot import SnapshotConnection
from qasino_server.errors import Cancelled, QasinoError, QueryTimeout
from qasino_server.store.job import Job
from qasino_server.store.reader import Reader
from qasino_server.table import Result

NR_VIEWS = 20
BROKEN = "select viewname, errormsg from qasino_server_views where not loaded"
ALL_OF_THEM = "select " + " + ".join(f"(select x from v{n})" for n in range(NR_VIEWS))


def write_views(path: Path, x: int) -> None:
    """Views that each give x."""
    path.write_text(
        "".join(
            f"- {{viewname: v{n}, view: create view v{n} as select {x} as x}}\n"
            for n in range(NR_VIEWS)
        )
    )


def connections_of(bench: Any) -> list[SnapshotConnection]:
    """Those that no reader has come for yet."""
    found: list[SnapshotConnection] = bench.store._snapshot._connections
    return found


def at_step(connections: list[SnapshotConnection], step: int, act: Callable[[], object]) -> None:
    """Act, once, when one of the connections has come to that step of SQLite's machine."""
    steps = count()

    def look() -> bool:
        if next(steps) == step:
            act()
        return False

    for on in connections:
        on.connection.set_progress_handler(look, 1)


@pytest.mark.parametrize("step", [0, 20, 400, 900])
@pytest.mark.parametrize("late", [False, True])
def test_a_query_stopped_while_views_are_made_breaks_none(
    make_bench: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, step: int, late: bool
) -> None:
    bench = make_bench(query_timeout_s=0.2 if late else 20.0)

    def stop() -> None:
        (job,) = bench.store._readers.running()
        if late:
            until(lambda: job.stop_reason is not None)
        else:
            bench.store.cancel(job.query_id)

    at_step(connections_of(bench), step, stop)
    write_views(tmp_path / "views.conf", 5)
    outcome = bench.ask("select x from v0")
    assert isinstance(outcome, QueryTimeout if late else Cancelled)
    assert outcome.sentence.startswith("the query did not end" if late else "the query was canc")
    for n in range(6):  # each of the readers, none of them from memory
        assert bench.rows(f"{BROKEN} -- {n}") == []
        assert bench.rows(f"{ALL_OF_THEM} -- {n}") == [[5 * NR_VIEWS]]
    assert not [record for record in caplog.records if record.exc_info]


def test_a_query_that_leaves_the_express_while_views_are_made_sees_them_all(
    bench: Any, tmp_path: Path
) -> None:
    asked = [
        threading.Thread(target=bench.ask, args=(ENDLESS,), kwargs={"query_id": name})
        for name in ("one", "two")
    ]
    for thread in asked:
        thread.start()
    running = bench.store._readers.running
    until(lambda: [job.attempt is not None for job in running()] == [True, True])

    def wait_for_the_warden() -> None:
        (job,) = (job for job in running() if job.query_id == "mine")
        until(lambda: job.demoted)

    at_step(connections_of(bench), 400, wait_for_the_warden)
    write_views(tmp_path / "views.conf", 5)
    outcomes: list[Any] = []
    mine = threading.Thread(target=lambda: outcomes.append(bench.ask(ALL_OF_THEM, query_id="mine")))
    mine.start()
    until(lambda: [job.slow for job in running() if job.query_id == "mine"] == [True])
    for name in ("one", "two"):
        assert bench.store.cancel(name)
    for thread in (*asked, mine):
        thread.join(20)
    assert isinstance(outcomes[0], Result), outcomes
    assert outcomes[0].rows_json == b"[[%d]]" % (5 * NR_VIEWS)


def test_views_are_whole_or_not_taken_on_at_whatever_step_it_stops(
    bench: Any, tmp_path: Path
) -> None:
    (on, *_) = connections_of(bench)
    for step in range(0, 1500, 23):
        write_views(tmp_path / "views.conf", 5 + step)
        overlay = bench.store.overlay()
        at_step([on], step, on.connection.interrupt)
        try:
            on.apply(overlay)
        except apsw.InterruptError:
            assert on.overlay_version != overlay.version
            on.apply(overlay)
        assert on.connection.execute(BROKEN).fetchall() == []
        assert on.connection.execute(ALL_OF_THEM).fetchall() == [((5 + step) * NR_VIEWS,)]


@pytest.mark.parametrize("late", [False, True])
def test_who_is_stopped_as_it_leaves_the_express_is_told_why(
    make_bench: Any, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """The reason came after the interrupt was heard, and before somebody asked for it."""
    monkeypatch.setattr("qasino_server.store.readers.EXPRESS_S", 0.1)
    bench = make_bench()
    readers = bench.store._readers
    job_done = readers.job_done

    def stopped_first(reader: Reader, job: Job, outcome: Result | QasinoError) -> None:
        if job.demoted and late:
            job.deadline = 0.0
            readers.keep_time()
        elif job.demoted:
            assert bench.store.cancel("mine")
        job_done(reader, job, outcome)

    monkeypatch.setattr(readers, "job_done", stopped_first)
    asked = [
        threading.Thread(target=bench.ask, args=(ENDLESS,), kwargs={"query_id": name})
        for name in ("one", "two")
    ]
    for thread in asked:
        thread.start()
    until(lambda: [job.attempt is not None for job in readers.running()] == [True, True])
    outcome = bench.ask(ENDLESS, query_id="mine")
    for name in ("one", "two"):
        assert bench.store.cancel(name)
    for thread in asked:
        thread.join(20)
    assert isinstance(outcome, QueryTimeout if late else Cancelled)
    assert outcome.sentence.startswith("the query did not end" if late else "the query was canc")


def test_a_late_look_puts_no_old_views_in_force_again(
    make_bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    write_views(tmp_path / "views.conf", 1)
    assert bench.rows("select x from v0") == [[1]]
    current = bench.store._views.current
    looked, go_on = threading.Event(), threading.Event()

    def late(asked_at: float | None = None) -> Any:
        found = current(asked_at)
        if threading.current_thread() is looker and not looked.is_set():
            looked.set()
            assert go_on.wait(10)
        return found

    monkeypatch.setattr(bench.store._views, "current", late)
    looker = threading.Thread(target=bench.store.overlay)
    looker.start()
    assert looked.wait(10)
    write_views(tmp_path / "views.conf", 2)
    assert bench.rows("select x from v0") == [[2]]
    before = bench.store._overlay
    go_on.set()
    looker.join(10)
    assert bench.store._overlay is before
