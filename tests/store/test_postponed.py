"""Updates that come between an exchange and the end of the old file, and what comes after them."""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Callable
from itertools import pairwise, takewhile
from typing import Any

import apsw
import pytest
from handed_in import publication
from hypothesis import given
from hypothesis import strategies as st
from wire import until

from qasino_server.errors import Busy, Full
from qasino_server.store import batch as batch_room
from qasino_server.store.carrying import CARRY_ROWS, Carrying
from qasino_server.store.postponed import Drop, Postponed, Waiting
from qasino_server.table import Publication, Receipt

UPDATE = {"update": 1, "keycols": "id"}


def of_t(rows: Any, identity: str = "p", **flags: Any) -> Publication:
    return publication(identity, "t", "id int, v text", rows, **flags)


WAITING = st.builds(
    lambda key, identity, n: Waiting(publication(identity, key, "a int", []), str(n), 1, print),
    st.sampled_from("tu"),
    st.sampled_from("ab"),
    st.integers(0, 99),
)
DROPS = st.builds(lambda key: Drop(1, key.upper(), None, print), st.sampled_from("tu"))


@given(
    st.lists(
        st.tuples(st.just("add"), st.lists(WAITING | WAITING | DROPS, max_size=4))
        | st.tuples(st.just("put_back"), st.lists(WAITING, max_size=2))
        | st.tuples(st.just("take"), st.integers(1, 4)),
        max_size=12,
    )
)
def test_what_waits_is_taken_in_its_order_and_holds_what_comes_later_until_then(
    steps: list[tuple[str, Any]],
) -> None:
    postponed, wanted = Postponed(), list[Waiting | Drop]()
    for step, what in steps:
        if step == "add":
            postponed.add(what)
            wanted += what
        elif step == "put_back":
            postponed.put_back(what)
            wanted = what + wanted
        else:
            portion = list(takewhile(lambda one: isinstance(one, Waiting), wanted[:what]))
            pairs = [one.publication.pair for one in portion if isinstance(one, Waiting)]
            assert postponed.first_pairs(what) == pairs
            alone = wanted[0] if wanted and not portion else portion
            assert postponed.take(what) == alone
            del wanted[: 1 if isinstance(alone, Drop) else len(portion)]
        assert len(postponed) == len(wanted)
        dropped = {one.tablename.lower() for one in wanted if isinstance(one, Drop)}
        waiting = {one.publication.pair for one in wanted if isinstance(one, Waiting)}
        for key in "tu":
            for identity in "ab":
                pair = (key, identity)
                assert postponed.holds(pair) == (key in dropped or pair in waiting)
            some = key in dropped or key in {key for key, _ in waiting}
            assert postponed.holds_some_of(key) == some


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


def test_what_comes_after_it_comes_after_it_where_their_batch_fails(bench: Any, held: Any) -> None:
    """Tried one by one the replacement was stored at once, and the update's row came on top."""
    bench.hand_in(of_t([[1, "old"]], persist=1))
    sealed = bench.exchange()
    told: list[Any] = []
    things = [
        of_t([[2, "updated"]], **UPDATE),
        publication("q", "full", "a int", [[1]]),
        of_t([[3, "newest"]], persist=1),
        of_t([[4, "other"]], "p2", persist=1),
    ]

    def no_room(cursor: Any, sql: str, bound: Any) -> bool:
        if "INTO main.full" in sql.replace('"', ""):
            raise apsw.FullError("full")
        return True

    def hand_in() -> None:
        bench.store._writer._intake.generation._connection.exec_trace = no_room
        for n, thing in enumerate(things):
            bench.store.publish(thing, "test", lambda outcome, n=n: told.append((n, outcome)))

    held(hand_in)
    assert isinstance(bench.hand_in(of_t([], "r")), Receipt)
    assert [n for n, _ in told] == [1, 3]
    bench.carry(sealed)
    until(lambda: len(told) == 4)
    outcomes = [outcome for _, outcome in sorted(told, key=lambda each: each[0])]
    assert [type(outcome) for outcome in outcomes] == [Receipt, Full, Receipt, Receipt]
    assert collected(bench) == [[3, "newest"], [4, "other"]]


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
        return len(told) + len(bench.store._writer._arrivals.queue) > 20

    until(hand_in_more)
    assert told == []
    assert bench.store.state().waiting_bytes > 200_000
    bench.carry(sealed)
    until(lambda: bench.store.state().waiting_bytes == 0)
    assert {type(outcome) for outcome in told} == {Receipt}
    assert len(collected(bench)) == 50


def test_who_waits_for_room_that_carrying_makes_keeps_no_thread_busy(make_bench: Any) -> None:
    """The writer's looked for room all the while, and for nothing else."""
    bench = make_bench(max_body_bytes=100_000)
    bench.hand_in(of_t([[1, "old"]], persist=1))
    sealed = bench.exchange()
    update = of_t([[n, "x" * 1000] for n in range(50)], **UPDATE)
    arrivals, room = bench.store._writer._arrivals, threading.Event()
    while arrivals.has_room():
        bench.store.publish(update, "test", lambda outcome: None)
    bench.store.when_room(room.set)
    until(lambda: arrivals.asleep and not arrivals.queue)
    assert not room.is_set()
    bench.carry(sealed)
    assert room.wait(10)


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


def test_others_get_in_between_the_rows_that_an_update_waits_for(bench: Any) -> None:
    """All were carried in one step, a quarter of a second for a million."""
    count = 10 * CARRY_ROWS
    bench.hand_in(of_t([[n, "old"] for n in range(count)], persist=1))
    bench.hand_in(of_t([[n, "old"] for n in range(count)], "q", persist=1))
    sealed = bench.exchange()
    told: list[Any] = []

    def tell(outcome: Any) -> None:
        told.append((type(outcome), len(bench.store._writer._intake.ledger.arrears)))

    for n in range(3):
        update = of_t([[n, f"new {n}"], [-1, f"new {n}"]], **UPDATE)
        bench.store.publish(update, "test", tell)
    assert isinstance(bench.hand_in(of_t([], "other")), Receipt)
    steps: list[int] = []
    connection = bench.store._writer._intake.generation._connection
    changes = connection.total_changes
    connection.exec_trace = lambda cursor, sql, bound: (
        sql != "COMMIT" or steps.append(connection.total_changes()) or True
    )
    before = changes()
    bench.store._writer.carry_from(sealed)
    until(lambda: len(told) == 3)
    assert bench.store._writer.carried.wait(20)
    connection.exec_trace = None
    assert max(after - first for first, after in pairwise([before, *steps])) <= CARRY_ROWS + 100
    assert told == [(Receipt, 1)] * 3, "the other's rows are carried when nobody waits"
    mine = bench.rows("select id, v from t where v like 'new%' order by 1", use_write_db=True)
    assert mine == [[-1, "new 2"], [0, "new 0"], [1, "new 1"], [2, "new 2"]]
    assert bench.rows("select count(*) from t", use_write_db=True) == [[2 * count + 1]]


def test_a_table_is_dropped_after_the_updates_that_came_before(bench: Any) -> None:
    for identity in "pq":
        bench.hand_in(of_t([[1, "old"]], identity, persist=1))
    sealed = bench.exchange()
    told: list[Any] = []
    bench.store.publish(of_t([[2, "updated"]], persist=1, **UPDATE), "test", told.append)
    bench.store.drop_table("T", None, told.append)
    bench.store.publish(of_t([[3, "after"]], "q", persist=1), "test", told.append)
    bench.store.drop_table("t", "q", told.append)
    bench.store.publish(of_t([[4, "last"]], "r", persist=1), "test", told.append)
    assert isinstance(bench.hand_in(publication("p", "other", "a int", [[1]])), Receipt)
    assert told == []
    assert bench.store.state().waiting_bytes > 1000
    bench.carry(sealed)
    until(lambda: len(told) == 5)
    assert [type(outcome) for outcome in told] == [Receipt, str, Receipt, str, Receipt]
    assert collected(bench) == [[4, "last"]]
    assert bench.store.state().waiting_bytes == 0
    assert bench.store._writer._intake.ledger.living_tables() == {"t"}


def test_a_generation_ends_in_between_the_updates_of_a_batch(
    bench: Any, held: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waited for 256 of them, each of which reads all rows of its pair; what is plain in between
    waits for no other batch."""
    monkeypatch.setattr(batch_room, "UPDATES_S", -1.0)
    writer = bench.store._writer
    told: list[Any] = []

    def tell(outcome: Any) -> None:
        told.append(outcome)
        until(lambda: len(told) > 1 or writer._exchange is not None)

    first = bench.hand_in(of_t([[0, "old"]]))
    batch = [of_t([[n, "new"]], **UPDATE) for n in range(5)]
    batch.insert(1, of_t([[9, "plain"]], "q"))
    held(lambda: [bench.store.publish(one, "test", tell) for one in batch])
    bench.carry(bench.exchange())
    until(lambda: len(told) == len(batch))
    began, after = first.generation_number, bench.number
    assert [outcome.generation_number for outcome in told] == [began] * 2 + [after] * 4
    assert collected(bench) == [[n, "new"] for n in range(1, 5)]


@pytest.mark.parametrize("waits", [True, False])
def test_what_there_was_no_time_for_keeps_its_order(
    bench: Any, held: Any, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    monkeypatch.setattr(batch_room, "UPDATES_S", -1.0)
    for identity in "pq":
        bench.hand_in(of_t([[0, "old"]], identity, persist=1))
    sealed = bench.exchange() if waits else None
    told: list[Any] = []
    publish = bench.store.publish

    def hand_in() -> None:
        n = 0
        for turn in range(6):
            for identity in "pq":
                flags = {"replace": 1, "persist": 1} if turn == 3 else UPDATE
                thing = of_t([[turn % 3, str(n)], [10 + turn, str(n)]], identity, **flags)
                publish(thing, "test", lambda outcome, n=n, of=identity: told.append((of, n)))
                n += 1
            if turn == 4:
                bench.store.drop_table("t", "q", lambda outcome, n=n: told.append(("q", n)))
                n += 1

    held(hand_in)
    if sealed is not None:
        bench.carry(sealed)
    until(lambda: len(told) == 13)
    assert sorted(told, key=lambda one: one[0]) == sorted(told)
    found = bench.rows("select id, v from t order by cast(v as int), id", use_write_db=True)
    assert found == [[0, "6"], [13, "6"], [1, "8"], [14, "8"], [2, "11"], [15, "11"], *LAST_OF_Q]
    assert bench.store.state().waiting_bytes == 0


LAST_OF_Q = [[2, "12"], [15, "12"]]
"""After its rows were dropped."""


def test_drops_that_wait_are_answered_by_a_server_that_stops(bench: Any) -> None:
    bench.hand_in(of_t([[1, "old"]], persist=1))
    bench.exchange()
    told: list[Any] = []
    bench.store.publish(of_t([[2, "updated"]], **UPDATE), "test", told.append)
    bench.store.drop_table("t", None, told.append)
    bench.store.stop(5.0)
    assert [type(outcome) for outcome in told] == [Busy, Busy]


def test_who_waits_for_rows_that_cannot_be_written_is_told_so(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.hand_in(of_t([[1, "old"]], persist=1))
    sealed = bench.exchange()
    told: list[Any] = []
    bench.store.publish(of_t([[2, "updated"]], **UPDATE), "test", told.append)
    assert isinstance(bench.hand_in(of_t([], "other")), Receipt)

    def full(carrying: Carrying, first: Any) -> None:
        raise apsw.FullError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Carrying, "carry_some", full)
        bench.store._writer.carry_from(sealed)
        until(lambda: told)
    assert [type(outcome) for outcome in told] == [Full]
    assert bench.store._writer.carried.wait(20)
    assert collected(bench) == [[1, "old"]]


@pytest.mark.skipif(sys.platform != "linux", reason="only root makes such a file elsewhere")
def test_rows_whose_file_cannot_be_opened_just_now_are_carried_later(
    bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a descriptor left it is the same error as without a file; who waits, waits on."""
    bench.hand_in(of_t([[1, "old"]], persist=1))
    sealed = bench.exchange()
    told: list[Any] = []
    bench.store.publish(of_t([[2, "new"]], **UPDATE), "test", told.append)
    assert isinstance(bench.hand_in(of_t([], "q")), Receipt)
    moved = sealed.rename(sealed.with_name("moved"))
    os.mknod(sealed, stat.S_IFSOCK | 0o600)  # it is there, and cannot be opened
    bench.store._writer.carry_from(sealed)
    until(lambda: "carrying waits" in caplog.text)
    sealed.unlink()
    moved.rename(sealed)
    assert bench.store._writer.carried.wait(20)
    assert [type(outcome) for outcome in told] == [Receipt]
    assert collected(bench) == [[1, "old"], [2, "new"]]


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
