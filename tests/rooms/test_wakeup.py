"""Bells and chores: what a thread does when it has nothing more at hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from qasino_server import wakeup, way
from qasino_server.wakeup import Bells, Turn, moment, ring, take_on
from qasino_server.way import right_of_way, turn_begins


def in_a_thread(act: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def body() -> None:
        try:
            act()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join(10)
    assert not failures, failures
    assert not thread.is_alive()


def test_others_are_woken_before_the_chores_and_for_what_comes_of_them() -> None:
    done: list[str] = []

    def chore() -> bool:
        done.append("chore")
        ring(answer)
        return False

    def bell() -> None:
        done.append("bell")

    def answer() -> None:
        done.append("answer")

    def act() -> None:
        turn = Turn()
        turn.carry()
        assert take_on(chore)
        assert take_on(chore)
        ring(bell)
        ring(bell)
        assert not done
        assert turn
        assert turn.end() is False
        assert not turn

    in_a_thread(act)
    assert done == ["bell", "chore", "answer"]


def test_what_is_quick_goes_before_what_came_first() -> None:
    done: list[str] = []

    def chore(name: str) -> Callable[[], bool]:
        def act() -> bool:
            done.append(name)
            return False

        return act

    def act() -> None:
        turn = Turn()
        turn.carry()
        quick = chore("quick")
        take_on(chore("long"))
        take_on(quick, before_others=True)
        take_on(chore("last"))
        take_on(quick, before_others=True)
        turn.end()

    in_a_thread(act)
    assert done == ["quick", "long", "last"]


def test_a_chore_that_is_not_done_comes_again_in_the_next_turn() -> None:
    left = [3]
    scheduled: list[int] = []

    def chore() -> bool:
        left[0] -= 1
        return left[0] > 0

    def act() -> None:
        turn = Turn(on_first=lambda: scheduled.append(left[0]))
        turn.carry()
        take_on(chore)
        assert scheduled == [3]
        assert turn.end()
        assert scheduled == [3, 2]
        assert turn.end()
        assert scheduled == [3, 2, 1]
        assert not turn.end()
        assert scheduled == [3, 2, 1]

    in_a_thread(act)


def test_who_only_carries_bells_takes_on_no_chore() -> None:
    def act() -> None:
        assert not take_on(lambda: False)
        Bells().carry()
        assert not take_on(lambda: False)

    in_a_thread(act)


def test_what_arrives_in_one_turn_counts_as_arrived_at_once() -> None:
    """And what comes after its answers does not: a view may have been changed in between."""

    def act() -> None:
        assert moment() < moment()
        turn = Turn()
        turn.carry()
        first = turn.moment(100.0)
        assert (first, turn.moment(100.0005)) == (100.0, 100.0)
        turn.end()
        assert turn.moment(100.0006) == 100.0006
        assert turn.moment(100.1) == 100.1  # a long turn

    in_a_thread(act)


def test_chores_without_end_leave_time_for_who_is_served_without_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wakeup, "REST", 1e6)
    done: list[str] = []
    scheduled: list[None] = []

    def chore() -> bool:
        done.append("chore")
        return True

    def act() -> None:
        turn = Turn(on_first=lambda: scheduled.append(None))
        turn.carry()
        take_on(chore)
        assert turn.end(nr_answers=1)  # the first of them need not wait
        ring(lambda: done.append("bell"))
        scheduled.clear()
        assert turn.end()
        assert turn.end(nr_answers=1)
        assert len(scheduled) == 2  # it comes again
        assert done == ["chore", "bell"]
        assert turn.end()  # nobody was served
        assert done == ["chore", "bell", "chore"]

    in_a_thread(act)


def serve() -> None:
    """A bell that says somebody has an answer."""


def test_a_crowd_that_asks_has_all_of_the_time_that_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of it sends the next when it has its answer, when a turn has nobody to serve."""
    monkeypatch.setattr(wakeup, "REST", 1e6)
    monkeypatch.setattr(wakeup, "REST_MOST_S", 60.0)
    done: list[str] = []
    scheduled: list[None] = []
    rests: list[float] = []

    def chore() -> bool:
        done.append("chore")
        return True

    def act() -> None:
        turn = Turn(on_first=lambda: scheduled.append(None), on_rest=rests.append)
        turn.carry()
        take_on(chore)
        for _ in range(wakeup.CROWD):
            ring(serve)
        assert turn.end()
        assert (done, rests) == (["chore"], [])
        assert turn.end()  # nobody was served
        assert (done, len(rests)) == (["chore"], 1)
        scheduled.clear()
        ring(lambda: done.append("bell"))
        assert scheduled  # the bell does not wait for the end of the rest
        assert turn.end()
        assert done == ["chore", "bell"]
        assert len(rests) == 1
        turn.rested()  # a little early, as a loop's clock may be
        assert (done, len(rests)) == (["chore", "bell"], 2)
        assert 0 < rests[1] < rests[0] <= 60.0
        left = [True, False]

        def quick() -> bool:
            done.append("quick")
            return left.pop(0)

        take_on(quick, before_others=True)
        for _ in range(wakeup.CROWD):
            ring(serve)
        assert turn.end()  # those have their answers first
        assert turn.end()
        assert turn.end()  # what came again does not wait either
        turn.rested()  # of a time that was over before
        assert done[-4:] == ["quick", "chore", "quick", "chore"]

    in_a_thread(act)


def test_who_waits_for_its_sockets_itself_is_told_for_how_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without an end where there is nothing to do, not at all where there is, and in between
    while a crowd has its time."""
    monkeypatch.setattr(wakeup, "REST", 1e6)
    monkeypatch.setattr(wakeup, "REST_MOST_S", 60.0)
    left = [True, False]

    def chore() -> bool:
        return left.pop(0)

    def brief() -> bool:
        return False

    def act() -> None:
        turn = Turn()
        turn.carry()
        assert turn.patience_s() is None
        take_on(chore)
        assert turn.patience_s() == 0.0
        assert turn.end(nr_answers=wakeup.CROWD)  # those were a crowd, and are told by number
        patience_s = turn.patience_s()
        assert patience_s is not None
        assert 0.0 < patience_s <= 60.0
        ring(serve)
        assert turn.patience_s() == 0.0
        assert turn.end()
        take_on(brief, before_others=True)
        assert turn.patience_s() == 0.0
        assert not turn.end()
        assert not left
        assert turn.patience_s() is None
        ring(serve)
        assert turn.patience_s() == 0.0

    in_a_thread(act)


def test_the_rest_of_a_crowd_has_an_end_and_few_who_ask_have_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[int] = []
    rests: list[float] = []

    def chore() -> bool:
        done.append(len(done))
        return True

    def act(asked: int, most_s: float) -> None:
        monkeypatch.setattr(wakeup, "REST", 1e6)
        monkeypatch.setattr(wakeup, "REST_MOST_S", most_s)
        turn = Turn(on_rest=rests.append)
        turn.carry()
        take_on(chore)
        for _ in range(asked):
            ring(serve)
        for _ in range(3):
            turn.end()
            assert turn.patience_s() == 0.0  # less is no end for who waits for sockets

    for asked, most_s in ((wakeup.CROWD, 0.0), (wakeup.CROWD - 1, 60.0)):
        done.clear()
        in_a_thread(partial(act, asked, most_s))
        assert (done, rests) == ([0, 1, 2], [])


def test_others_have_as_much_time_as_the_chores_took(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeup, "REST_MOST_S", 60.0)
    took_s: list[float] = []

    def chore() -> bool:
        began_s = time.monotonic()
        while time.monotonic() < began_s + 0.01:
            pass
        took_s.append(time.monotonic() - began_s)
        return False

    def act() -> None:
        turn = Turn()
        turn.carry()
        take_on(chore)
        began_s = time.monotonic()
        turn.end()
        assert turn._rest_until_s >= began_s + 2 * took_s[0]

    in_a_thread(act)


def test_those_that_the_chores_answer_and_a_few_in_each_turn_are_no_crowd(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wakeup, "REST", 1e6)
    done: list[int] = []
    rests: list[float] = []

    def chore() -> bool:
        done.append(len(done))
        for _ in range(wakeup.CROWD):
            ring(serve)
        return True

    def act() -> None:
        turn = Turn(on_rest=rests.append)
        turn.carry()
        take_on(chore)
        for most_s in (0.0, 0.0, 60.0):
            monkeypatch.setattr(wakeup, "REST_MOST_S", most_s)
            turn.end(nr_answers=wakeup.CROWD - 1)
        assert done == [0, 1, 2]
        turn.end()
        assert (done, rests) == ([0, 1, 2, 3], [])

    in_a_thread(act)


def test_a_turn_that_fails_is_followed_by_another() -> None:
    """A loop ends none but those it is told of: all that is taken on later would wait for ever."""
    done: list[str] = []
    scheduled: list[None] = []

    def fails() -> bool:
        raise MemoryError

    def bell() -> None:
        raise MemoryError

    def chore() -> bool:
        done.append("chore")
        return False

    def act() -> None:
        turn = Turn(on_first=lambda: scheduled.append(None), at_end=lambda: done.append("end"))
        turn.carry()
        for make_it_fail in (lambda: ring(bell), lambda: take_on(fails)):
            make_it_fail()
            take_on(chore)
            scheduled.clear()
            with pytest.raises(MemoryError):
                turn.end()
            assert scheduled
            assert not turn.end()
        assert done == ["chore", "end", "chore", "end"]

    in_a_thread(act)


def test_whoever_receives_makes_way_for_a_rotation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "WAY_MOST_S", 60)
    first, ended = threading.Event(), threading.Event()

    def receive() -> None:
        turn = Turn()
        turn.carry()
        ring(first.set)
        turn.end()
        ring(ended.set)
        turn.end()

    thread = threading.Thread(target=receive)
    with right_of_way():
        with right_of_way():
            thread.start()
        assert not first.wait(0.05)
    assert ended.wait(10)
    thread.join(10)


def test_whoever_receives_makes_way_for_a_turn_that_is_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(way, "LATE_S", 0)
    begun, may_end, is_over, may_go = (threading.Event() for _ in range(4))

    def wait_for_the_gil() -> None:
        turn = Turn()
        turn_begins()
        begun.set()
        may_end.wait(10)
        turn.end()
        is_over.set()
        may_go.wait(20)  # another thread would be known by the same number

    def receive() -> None:
        turn = Turn()
        turn_begins()
        began_s = time.monotonic()
        turn.end()
        rested_s.append(time.monotonic() - began_s)

    rested_s: list[float] = []
    late = threading.Thread(target=wait_for_the_gil)
    late.start()
    begun.wait(10)
    monkeypatch.setattr(way, "LATE_WAY_MOST_S", 0.05)
    in_a_thread(receive)
    monkeypatch.setattr(way, "LATE_WAY_MOST_S", 60)
    may_end.set()  # one that goes on alone, or has nothing at hand, is in nobody's way
    assert is_over.wait(10)
    in_a_thread(receive)
    may_go.set()
    late.join(10)
    assert rested_s[0] >= 0.05
    assert len(rested_s) == 2


def test_the_way_is_free_again_after_a_rotation_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(way, "WAY_MOST_S", 60)

    def fail() -> int:
        raise OSError("full")

    def receive() -> None:
        turn = Turn()
        turn.carry()
        turn.end()

    with pytest.raises(OSError, match="full"), right_of_way():
        fail()
    in_a_thread(receive)
