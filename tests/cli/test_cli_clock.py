"""Every so many seconds: without drift, and without making up for what was missed."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qasino_cli.clock import Beat, IntervalClock, next_due

EIGHTHS = st.integers(0, 10**9).map(lambda number: number / 8)  # exact as floats


@given(due=EIGHTHS, period_s=EIGHTHS.filter(bool), late_s=EIGHTHS | st.integers(-80, 80))
def test_what_is_due_next_is_the_first_on_the_grid_that_is_still_to_come(
    due: float, period_s: float, late_s: float
) -> None:
    now = due + late_s
    following = next_due(due, period_s, now)
    assert (following - due) % period_s == 0
    assert following > now
    assert following == due + period_s or following - period_s <= now


@pytest.fixture
def at_hand(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock of the machine that stands still but for sleeping; [now, *how long was slept]."""
    times = [100.0]

    def wait(event: threading.Event, timeout: float | None = None) -> bool:
        assert timeout is not None
        if not event.is_set():
            times[0] += timeout
            times.append(round(timeout, 6))
        return event.is_set()

    monkeypatch.setattr("time.monotonic", lambda: times[0])
    monkeypatch.setattr("threading.Event.wait", wait)
    return times


def test_an_interval_does_not_drift_and_leaves_out_what_it_missed(at_hand: list[float]) -> None:
    clock = IntervalClock(10.0)
    slept: list[list[float]] = []
    for work_s in (1, 9.5, 10.5, 35, 1):
        at_hand[:] = [at_hand[0] + work_s]
        assert clock.wait() == Beat(None, 10.0)
        slept.append(at_hand[1:])
    # Rounds begin at 100, 110, 120, 130.5 (it was late), 165.5 (four were due, one is made up for).
    assert slept == [[9.0], [0.5], [], [], [3.5]]


def test_no_sleep_is_long_for_a_signal_that_came_just_before_it_began(at_hand: list[float]) -> None:
    clock = IntervalClock(3599.0)
    assert clock.wait() == Beat(None, 3599.0)
    assert at_hand[1:] == [10.0] * 359 + [9.0]


def test_a_wait_for_an_interval_ends_when_its_time_is_up(at_hand: list[float]) -> None:
    clock = IntervalClock(10.0)
    assert clock.wait(4.0) is None
    assert clock.wait(0.0) is None
    assert clock.wait(7.0) == Beat(None, 10.0)
    assert at_hand[0] == 110.0


def test_a_wait_for_an_interval_ends_when_somebody_wakes_it() -> None:
    clock = IntervalClock(600.0)
    threading.Timer(0.05, clock.wake).start()
    assert clock.wait() is None
    clock.wake()
    assert clock.wait() is None
    assert clock.wait(0.01) is None
