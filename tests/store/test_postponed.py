"""Updates that come between an exchange and the end of the old file, and what comes after them."""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from handed_in import publication
from wire import until

from qasino_server.errors import Busy
from qasino_server.table import Publication, Receipt

UPDATE = {"update": 1, "keycols": "id"}


def of_t(rows: Any, identity: str = "p", **flags: Any) -> Publication:
    return publication(identity, "t", "id int, v text", rows, **flags)


def collected(bench: Any) -> list[list[Any]]:
    return bench.rows("select * from t order by id", use_write_db=True)


@pytest.fixture
def held(bench: Any) -> Callable[..., None]:
    """Keep the writer from its queue while something is done, so that it finds one batch."""

    def hold(act: Callable[[], None]) -> None:
        began, go_on = threading.Event(), threading.Event()
        bench.store._writer.look(lambda path: (began.set(), go_on.wait(20))[0])
        assert began.wait(20)
        act()
        go_on.set()

    return hold


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_what_comes_after_an_update_that_waits_comes_after_it(
    bench: Any, held: Any, in_one_batch: bool
) -> None:
    bench.hand_in(of_t([[1, "old"]], persist=1))
    sealed = bench.exchange()
    told: list[Any] = []
    things = [
        of_t([[2, "updated"]], **UPDATE),
        of_t([[3, "newest"]], replace=1),
        of_t([[3, "newer still"], [4, "added"]], **UPDATE),
    ]

    def hand_in() -> None:
        for n, thing in enumerate(things):
            bench.store.publish(thing, "test", lambda outcome, n=n: told.append((n, outcome)))
            if not in_one_batch:
                assert bench.hand_in(of_t([[n, "other"]], f"other {n}", replace=1))

    if in_one_batch:
        held(hand_in)
    else:
        hand_in()
    assert isinstance(bench.hand_in(of_t([], "q")), Receipt)
    assert told == []
    bench.carry(sealed)
    until(lambda: len(told) == 3)
    assert [(n, outcome.applied) for n, outcome in told] == [(0, True), (1, True), (2, True)]
    mine = [row for row in collected(bench) if row[1] != "other"]
    assert mine == [[3, "newer still"], [4, "added"]]


def test_what_waits_for_its_rows_is_within_the_bound_of_what_may_wait(make_bench: Any) -> None:
    bench = make_bench(max_body_bytes=100_000)
    bench.hand_in(of_t([[1, "old"]], persist=1))
    sealed = bench.exchange()
    update = of_t([[n, "x" * 1000] for n in range(50)], **UPDATE)
    told: list[Any] = []

    def hand_in_more() -> bool:
        try:
            bench.store.publish(update, "test", told.append)
        except Busy:
            return True
        return len(told) + len(bench.store._writer._queue) > 20

    until(hand_in_more)
    assert told == []
    assert bench.store.state().waiting_bytes > 200_000
    bench.carry(sealed)
    until(lambda: bench.store.state().waiting_bytes == 0)
    assert {type(outcome) for outcome in told} == {Receipt}
    assert len(collected(bench)) == 50


def test_others_get_in_between_those_that_waited(bench: Any) -> None:
    count = 200
    for n in range(count):
        bench.hand_in(of_t([[n, "old"]], f"h{n}", persist=1))
    sealed = bench.exchange()
    told: list[Any] = []
    for n in range(count):
        bench.store.publish(of_t([[n, "new"]], f"h{n}", **UPDATE), "test", told.append)
    assert isinstance(bench.hand_in(of_t([[-1, "other"]], "other")), Receipt)
    begun: list[str] = []
    connection = bench.store._writer._intake.generation._connection
    connection.exec_trace = lambda cursor, sql, bound: begun.append(sql) or True
    bench.carry(sealed)
    until(lambda: len(told) == count)
    connection.exec_trace = None
    assert begun.count("BEGIN IMMEDIATE") >= 5
    assert collected(bench) == [[-1, "other"], *([n, "new"] for n in range(count))]


@pytest.mark.skipif(sys.platform != "linux", reason="only root makes such a file elsewhere")
def test_rows_whose_file_cannot_be_opened_just_now_are_carried_later(
    bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a descriptor left it is the same error as without a file."""
    bench.hand_in(of_t([[1, "old"]], persist=1))
    sealed = bench.exchange()
    moved = sealed.rename(sealed.with_name("moved"))
    os.mknod(sealed, stat.S_IFSOCK | 0o600)  # it is there, and cannot be opened
    bench.store._writer.carry_from(sealed)
    until(lambda: "carrying waits" in caplog.text)
    sealed.unlink()
    moved.rename(sealed)
    assert bench.store._writer.carried.wait(20)
    assert collected(bench) == [[1, "old"]]


def test_rows_whose_file_is_gone_are_lost_and_who_waited_for_them_is_served(
    bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bench.hand_in(of_t([[1, "old"]], persist=1))
    sealed = bench.exchange()
    told: list[Any] = []
    bench.store.publish(of_t([[2, "new"]], **UPDATE), "test", told.append)
    bench.hand_in(of_t([], "q"))
    sealed.unlink()
    bench.carry(sealed)
    (outcome,) = until(lambda: told)
    assert isinstance(outcome, Receipt)
    assert "persistent rows are lost, their file is gone" in caplog.text
    assert collected(bench) == [[2, "new"]]
