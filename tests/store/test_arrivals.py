"""What waits to be stored: in its order, in bounded batches, and no more than there may be."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from handed_in import publication
from wire import until

from qasino_server.errors import Busy
from qasino_server.store.arrivals import BATCH_BYTES, BATCH_PUBLICATIONS, Arrivals
from qasino_server.store.postponed import Drop, Waiting


def arrivals(max_waiting_bytes: int = 1 << 30) -> Arrivals:
    return Arrivals(max_waiting_bytes, threading.Event(), lambda: False)


def waiting(identity: str, size_bytes: int = 10, **flags: Any) -> Waiting:
    one = publication(identity, "t", "a int", [[1]], **flags)
    return Waiting(one, "peer", size_bytes, lambda outcome: None)


def drop() -> Drop:
    return Drop(10, "t", None, lambda outcome: None)


def taken(batch: list[Waiting] | Drop) -> list[str]:
    if isinstance(batch, Drop):
        return ["drop"]
    return [one.publication.identity for one in batch]


def test_a_static_table_and_a_drop_go_alone_and_in_their_turn() -> None:
    queue = arrivals()
    static = waiting("s", static=True)
    for item in (waiting("a"), waiting("b"), static, waiting("c"), drop(), waiting("d")):
        queue.put(item)
    batches = [taken(queue.next_batch()) for _ in range(5)]
    assert batches == [["a", "b"], ["s"], ["c"], ["drop"], ["d"]]
    assert queue.waiting_bytes == 0


def test_a_batch_is_bounded_in_bytes_and_in_publications() -> None:
    queue = arrivals()
    for item in [waiting("large", BATCH_BYTES // 2) for _ in range(3)]:
        queue.put(item)
    assert [len(taken(queue.next_batch())) for _ in range(2)] == [2, 1]
    for _ in range(BATCH_PUBLICATIONS + 1):
        queue.put(waiting("small"))
    assert [len(taken(queue.next_batch())) for _ in range(2)] == [BATCH_PUBLICATIONS, 1]


def test_only_what_is_brief_is_taken_after_the_first() -> None:
    queue = arrivals()
    for identity in ("long", "a", "b", "long", "c"):
        queue.put(waiting(identity))
    batch = queue.next_batch(is_brief=lambda one: one.identity != "long")
    assert taken(batch) == ["long", "a", "b"]


def test_there_is_room_as_long_as_another_one_is_taken() -> None:
    queue = arrivals(max_waiting_bytes=20)
    while queue.has_room():
        queue.put(waiting("a", 10))
    with pytest.raises(Busy):
        queue.put(waiting("a", 10))
    assert queue.waiting_bytes == 30


def test_what_waits_elsewhere_counts_until_it_is_released() -> None:
    queue = arrivals(max_waiting_bytes=15)
    called: list[bool] = []
    for identity in "ab":
        queue.put(waiting(identity))
    queue.when_room(lambda: called.append(True))
    with pytest.raises(Busy):
        queue.put(waiting("c"))
    batch = queue.next_batch()
    assert isinstance(batch, list)
    queue.hold(batch)
    queue.tell_of_room()
    assert not queue.has_room()
    assert called == []
    queue.release(batch)
    for _ in range(2):
        queue.tell_of_room()
    assert queue.has_room()
    assert called == [True]


def test_who_asks_for_room_that_there_is_does_not_wait_for_the_next_publication(bench: Any) -> None:
    """It may have come in the moment before."""
    until(lambda: bench.store._writer._arrivals.asleep)
    called = threading.Event()
    bench.store.when_room(called.set)
    assert called.wait(10)


def test_what_there_was_no_time_for_is_the_first_again() -> None:
    queue = arrivals()
    for identity in "abc":
        queue.put(waiting(identity))
    batch = queue.next_batch()
    assert isinstance(batch, list)
    queue.put(drop())
    queue.put_back(batch[1:])
    assert queue.waiting_bytes == 30
    assert [taken(queue.next_batch()) for _ in range(2)] == [["b", "c"], ["drop"]]
    assert queue.waiting_bytes == 0
