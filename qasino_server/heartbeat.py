"""The clock: rotate, then hand the new generation's number to whoever spreads it.

It keeps its cadence: the next beat is counted from the first, not from the last. Beats that
could not be kept (the machine slept) are skipped, not made up for; so is one that would come
less than half a generation after a late one, since few would have published in between.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

from qasino_server.errors import QasinoError
from qasino_server.service import OnDeath, Service

log = logging.getLogger("qasino.heartbeat")


def next_number(last: int) -> int:
    """The number of a generation that begins now: the epoch second, but always larger."""
    return max(int(time.time()), last + 1)


def beats_to_skip(due: float, duration_s: float, began: float, ended: float) -> int:
    """How many of the beats after the one that was `due` are not to be kept, that one having
    taken from `began` to `ended`; all of them on one clock, seconds."""
    earliest = max(ended, began + duration_s / 2)
    return max(0, math.ceil((earliest - due) / duration_s) - 1)


class Heartbeat(Service):
    """Rotates every `duration_s` seconds."""

    def __init__(
        self,
        duration_s: float,
        last_number: int,
        rotate: Callable[[int], tuple[int, int]],
        publish: Callable[[int], None],
        on_death: OnDeath,
        rotated: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """`rotate` takes the next number and returns that of the new snapshot, and its rows.

        `rotated` is told how long it took.
        """
        super().__init__("heartbeat", on_death)
        self._duration_s = duration_s
        self._last_number = last_number
        self._rotate = rotate
        self._publish = publish
        self._rotated = rotated

    def run(self) -> None:
        """Beat until stopped."""
        due = time.monotonic() + self._duration_s
        while not self.stopping.wait(max(0.0, due - time.monotonic())):
            began = time.monotonic()
            self.beat()
            skipped = beats_to_skip(due, self._duration_s, began, time.monotonic())
            if skipped:
                log.warning("rotation late seconds=%.3f beats_skipped=%d", began - due, skipped)
            due += (1 + skipped) * self._duration_s

    def beat(self) -> None:
        """One rotation and its signal; where the disk fails it, the old snapshot stays."""
        number = self._last_number = next_number(self._last_number)
        started = time.perf_counter()
        try:
            sealed, rows = self._rotate(number)
        except (QasinoError, OSError) as error:
            log.error("rotation failed, the last snapshot stays: %s", error)
            return
        seconds = time.perf_counter() - started
        log.info("rotation generation=%d rows=%d seconds=%.3f", sealed, rows, seconds)
        self._rotated(seconds)
        self._publish(number)
