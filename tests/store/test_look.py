"""Looks into the generation being collected, and what is not there."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from handed_in import publication
from hypothesis import given
from hypothesis import strategies as st
from wire import until

from qasino_server.errors import (
    Busy,
    Cancelled,
    QasinoError,
    QueryTimeout,
    ServerFault,
    SqlError,
)
from qasino_server.render import CsvStream
from qasino_server.store import QueryRequest, lookout
from qasino_server.store import looks as looks_room
from qasino_server.store.job import Job
from qasino_server.store.looks import LOOKS_LEAVE, Look, Looks
from qasino_server.table import Receipt, Result


@pytest.mark.parametrize(
    "sql",
    ["show info", "SHOW tables", "show connections", "select * from main.qasino_server_sources"],
)
def test_who_looks_for_a_table_of_the_servers_is_told_where_it_is(bench: Any, sql: str) -> None:
    outcome = bench.ask(sql, use_write_db=True)
    assert isinstance(outcome, SqlError)
    assert outcome.sentence.startswith("no such table: ")
    assert "has no tables of the server's own yet; ask the snapshot" in outcome.hint
    assert bench.rows(sql) is not None


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from prev.t",
        'select * from t join "PREV".[t] using (x)',
        "desc prev.t",
        "select * from pragma_table_info('t', 'prev')",
    ],
)
def test_who_looks_for_the_snapshot_before_is_told_where_it_is(bench: Any, sql: str) -> None:
    for _ in range(2):
        bench.publish("a", "t", "x int", [[1]])
        bench.rotate()
    bench.publish("a", "t", "x int", [[1]])
    outcome = bench.ask(sql, use_write_db=True)
    assert isinstance(outcome, SqlError)
    assert "has no prev beside it; ask the snapshot" in outcome.hint
    assert bench.rows(sql)


def test_of_other_tables_nothing_is_said(bench: Any) -> None:
    for keys in ({"use_write_db": True}, {}):
        outcome = bench.ask("select * from nope", **keys)
        assert (outcome.sentence, outcome.hint) == ("no such table: nope", "")


@given(st.lists(st.sampled_from("aaabbc-"), max_size=40))
def test_looks_wait_within_their_bounds_and_who_looked_last_comes_after_all_others(
    steps: list[str],
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(looks_room, "LOOKS", 6)
        looks, waiting, last = Looks(), list[Look](), ""
        for step in steps:
            if step == "-":
                look = looks.take()
                theirs = [one for one in waiting if look is None or one.asker == look.asker]
                assert [look] == (theirs[:1] or [None])
                if look is not None:
                    assert look.asker != last or len(theirs) == len(waiting)
                    waiting.remove(look)
                    last = look.asker
            elif len(waiting) == 6 or sum(one.asker == step for one in waiting) == 3:
                with pytest.raises(Busy, match="too many queries wait to look"):
                    looks.put(Look(step, print))
            else:
                waiting.append(Look(step, print))
                looks.put(waiting[-1])
            assert len(looks) == len(waiting)
            assert looks.due_in_s() == (0.0 if waiting else None)


def test_after_a_look_those_who_publish_come_first_for_longer_than_it_took() -> None:
    looks = Looks()
    looks.ended(1000.0, kept_waiting=True)
    assert looks.due_in_s() is None
    looks.put(Look("a", print))
    due_in_s = looks.due_in_s()
    assert due_in_s is not None
    assert 0 < LOOKS_LEAVE * 1000 - due_in_s < 100


def test_one_look_after_the_other_leaves_a_while_to_those_who_publish(bench: Any) -> None:
    began: list[float] = []
    ended: list[float] = []
    receipts: list[Receipt | QasinoError] = []

    def look(path: Path) -> None:
        began.append(time.monotonic())
        if not ended:
            bench.store.publish(publication("a", "t", "x int", [[1]]), "test", receipts.append)
        while time.monotonic() < began[0] + 0.05:
            pass
        ended.append(time.monotonic())

    for _ in range(2):
        bench.store._writer.look(look)
    until(lambda: len(ended) == 2)
    assert began[1] - ended[0] >= LOOKS_LEAVE * (ended[0] - began[0])
    assert len(receipts) == 1


def test_one_look_after_the_other_waits_for_nobody_where_nobody_publishes(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one that took its whole second it was four."""
    monkeypatch.setattr(looks_room, "LOOKS_LEAVE", 10**9)
    looked: list[Path] = []
    for _ in range(2):
        bench.store._writer.look(looked.append)
    until(lambda: len(looked) == 2)


@contextmanager
def another_is_looking(bench: Any) -> Iterator[None]:
    """Those that come meanwhile wait."""
    looking, may_end = threading.Event(), threading.Event()

    def look(path: Path) -> None:
        looking.set()
        assert may_end.wait(20)

    bench.store._writer.look(look)
    assert looking.wait(20)
    try:
        yield
    finally:
        may_end.set()


def begin(bench: Any, sql: str, **keys: Any) -> list[Result | QasinoError]:
    """Start a look that is not waited for; its outcome once there is one."""
    answers: list[Result | QasinoError] = []
    request = QueryRequest(sql=sql, port="test", peer="test", use_write_db=True, **keys)
    bench.store.query(request, answers.append)
    return answers


@pytest.mark.parametrize(
    ("late", "told"),
    [(False, Cancelled("the query was cancelled")), (True, QueryTimeout("did not end within 0.2"))],
)
def test_a_look_that_waits_is_told_of_its_end_when_it_comes(
    make_bench: Any, monkeypatch: pytest.MonkeyPatch, late: bool, told: QasinoError
) -> None:
    """It heard of it when it was its turn, up to minutes later."""
    monkeypatch.setattr(looks_room, "LOOKS_LEAVE", 0)
    ran: list[str] = []
    monkeypatch.setattr(Job, "run", lambda job, *given: ran.append(job.sql))
    bench = make_bench(query_timeout_s=0.2 if late else 20.0)
    with another_is_looking(bench):
        answers = begin(bench, "select 1", query_id="mine")
        assert [row[0] for row in bench.rows("show queries")] == ["mine"]
        assert late or bench.rows("kill mine") == [["mine"]]
        (outcome,) = until(lambda: answers)
        assert type(outcome) is type(told)
        assert told.sentence in outcome.sentence
        assert bench.rows("show queries") == []
    until(lambda: not bench.store._writer._looks)
    bench.rotate()  # who was looking has ended
    assert not ran
    monkeypatch.undo()
    counted = bench.rows("select sql_received, sql_errors from qasino_server_sql_stats")
    assert (len(answers), counted) == (1, [[1, 1]])


@pytest.mark.parametrize(
    ("late", "told"),
    [(False, Cancelled("the query was cancelled")), (True, QueryTimeout("did not end within 0.2"))],
)
def test_a_look_that_runs_is_ended_when_nobody_wants_it_any_more(
    make_bench: Any, monkeypatch: pytest.MonkeyPatch, late: bool, told: QasinoError
) -> None:
    """It went on for its second, in which nobody could publish, and told its rows."""
    monkeypatch.setattr(lookout, "LOOK_S", 600.0)
    bench = make_bench(query_timeout_s=0.2 if late else 600.0)
    endless = (
        "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    )
    answers = begin(bench, endless, query_id="mine")
    until(lambda: bench.store._writer._desk.locked())
    assert late or bench.rows("kill mine") == [["mine"]]
    (outcome,) = until(lambda: answers)
    assert type(outcome) is type(told)
    assert told.sentence in outcome.sentence
    assert bench.publish("a", "t", "x int", [[1]])
    assert bench.store._lookout._deaf == []


class Blocked:
    """A sink that takes nothing, whatever one says, until it is let go."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def begin(self, media_type: str) -> None:
        assert self.go_on.wait(20)

    def write(self, chunk: bytes, deadline: float) -> None: ...

    def stop(self) -> None: ...


def test_looks_that_do_not_hear_are_few_and_leave_when_they_end(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks_room, "LOOKS_LEAVE", 0)
    monkeypatch.setattr(lookout, "LOOK_S", 0.05)
    monkeypatch.setattr(lookout, "_GRACE_S", 0.01)
    monkeypatch.setattr(lookout, "DEAF_MAX", 2)
    sinks = [Blocked() for _ in range(3)]
    told = [
        bench.ask("select 1", use_write_db=True, stream=CsvStream(), sink=sink) for sink in sinks
    ]
    assert [type(outcome) for outcome in told] == [QueryTimeout, QueryTimeout, Busy]
    assert "queries that do not end still look" in told[2].sentence
    monkeypatch.undo()
    deaf = list(bench.store._lookout._deaf)
    for sink in sinks:
        sink.go_on.set()
    for looker in deaf:
        looker.join(20)
    assert bench.rows("select 1", use_write_db=True) == [[1]]
    assert (len(deaf), bench.store._lookout._deaf) == (2, [])


def test_a_look_is_told_as_one_of_the_generation_that_is_collected(bench: Any) -> None:
    now = bench.ask("select 1", use_write_db=True)
    assert now.generation_number == bench.number
    assert 0 <= now.generation_age_s <= time.time() - bench.number
    bench.number += 1000  # the clock was set back since
    bench.rotate()
    ahead = bench.ask("select 1", use_write_db=True)
    assert (ahead.generation_number, ahead.generation_age_s) == (bench.number, 0.0)


def test_a_look_has_the_limits_of_any_query(make_bench: Any) -> None:
    bench = make_bench(max_rows=10)
    bench.publish("a", "t", "x int", [[n] for n in range(11)])
    outcome = bench.ask("select x from t", use_write_db=True)
    assert (outcome.nr_rows, outcome.truncated) == (10, True)


def test_a_look_leaves_the_file_to_be_compressed_later(make_bench: Any) -> None:
    """As long as somebody is counted who has it open, it is not."""
    bench = make_bench(compress_from_bytes=1)
    bench.publish("a", "t", "x int", [[1]])
    assert bench.rows("select x from t", use_write_db=True) == [[1]]
    for _ in range(2):
        bench.rotate()
    file = bench.store._snapshot.place.previous
    until(lambda: file._pieces_bytes)


def test_where_the_open_file_was_removed_a_look_says_so(bench: Any, tmp_path: Path) -> None:
    shutil.rmtree(next((tmp_path / "db").glob("run-*")))
    outcome = bench.ask("select 1", use_write_db=True)
    assert isinstance(outcome, ServerFault)
    assert outcome.sentence.startswith("the open generation cannot be read now: ")
