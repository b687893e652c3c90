"""The warden: looks at the clock for the readers, while there is anything to look at."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from qasino_server.service import OnDeath, Service

_WATCH_S = 0.001
_CALM_WATCHES = 20
"""So many looks that found nothing end the watch."""
_TICK_S = 0.05
_TICK_CROWDED_S = 0.01


class Watched(Protocol):
    """What the warden looks after."""

    lock: threading.Condition

    def look_after(self) -> bool:
        """Call a reader for what waits if none has come; whether anybody waits for anything."""

    def keep_time(self) -> None:
        """Interrupt, refuse and give up what is over its time."""

    @property
    def crowded(self) -> bool:
        """Whether somebody waits behind the express."""


class Warden(Service):
    """Looks at the clock for the readers, while there is anything to look at."""

    def __init__(self, readers: Watched, on_death: OnDeath) -> None:
        super().__init__("warden", on_death)
        self._readers = readers
        self._alarm = threading.Event()
        self._watching = False

    def watch(self) -> None:
        """Look closely until nothing waits any more; under the readers' lock."""
        if not self._watching:
            self._watching = True
            self._alarm.set()

    def wake(self) -> None:
        self._alarm.set()

    def run(self) -> None:
        """Twenty times a second, so well is a deadline kept; oftener where many wait."""
        next_tick = time.monotonic() + _TICK_S
        while not self.stopping.is_set():
            self._alarm.wait(max(0.0, next_tick - time.monotonic()))
            self._alarm.clear()
            if self._watching:
                self._watch(next_tick)
            if time.monotonic() >= next_tick:
                self._readers.keep_time()
                next_tick = time.monotonic() + (
                    _TICK_CROWDED_S if self._readers.crowded else _TICK_S
                )

    def _watch(self, until: float) -> None:
        """Look every millisecond until all is calm, or until the clock has to be looked at."""
        calm = 0
        while calm < _CALM_WATCHES:
            if time.monotonic() >= until or self.stopping.wait(_WATCH_S):
                self._alarm.set()  # go on with it afterwards
                return
            calm = 0 if self._readers.look_after() else calm + 1
        with self._readers.lock:
            self._watching = False
        self._readers.look_after()  # what came while we looked away
