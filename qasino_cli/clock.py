"""When something is to be done again: beats, and the clock that has them every so many seconds."""

from __future__ import annotations

import math
import threading
import time
from typing import Protocol

import msgspec


class Beat(msgspec.Struct, frozen=True):
    """It is time; where generations are followed, one has begun, or should have."""

    generation_number: int | None
    """The number the server signalled; None where this is our own clock's beat."""
    duration_s: float
    """How long it is to be until the next."""


class Clock(Protocol):
    """Has the beats. It belongs to one thread, but for `wake`."""

    @property
    def duration_s(self) -> float:
        """How long from one beat to the next, as far as is known."""

    def begin(self) -> None:
        """From now on no beat is missed."""

    def wait(self, timeout_s: float | None = None) -> Beat | None:
        """The next beat; None where the time passes or somebody calls `wake` first.

        Those that passed while nobody waited count as one.
        """

    def wake(self) -> None:
        """End the present or next `wait` early; any thread."""

    def close(self) -> None:
        """No more beats."""


def next_due(due: float, period_s: float, now: float) -> float:
    """When it is time again after what was `due` and is done `now`; all on one clock, seconds.

    Every `period_s` from `due` on it is; what has passed is skipped, not made up for, and what
    comes late moves nothing that follows.
    """
    nr_passed = max(0.0, (now - due) // period_s)
    return due + (nr_passed + 1) * period_s


DEAF_MOST_S = 10.0
"""No sleep is longer. A signal that comes in the microseconds before one begins does not end it:
its handler runs when it is over, and with `--every 1h` that was an hour later."""


class IntervalClock:
    """Beats every so many seconds from when it was made, whatever the server does."""

    def __init__(self, interval_s: float) -> None:
        self.duration_s = interval_s
        self._woken = threading.Event()
        self._due = time.monotonic() + interval_s

    def begin(self) -> None:
        """It has begun."""

    def wait(self, timeout_s: float | None = None) -> Beat | None:
        """The next beat, at once if it is past; None where time passes or `wake` is called."""
        now = time.monotonic()
        give_up_at = math.inf if timeout_s is None else now + timeout_s
        while now < self._due:
            if now >= give_up_at:
                return None
            if self._woken.wait(min(self._due, give_up_at, now + DEAF_MOST_S) - now):
                self._woken.clear()
                return None
            now = time.monotonic()
        self._due = next_due(self._due, self.duration_s, now)
        return Beat(None, self.duration_s)

    def wake(self) -> None:
        """End the present or next `wait` early; any thread."""
        self._woken.set()

    def close(self) -> None:
        """Nothing is open."""
