"""The readers there are: the express, the others, and those that were given up.

Used under the lock that assigns queries.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from qasino_server.store.job import Job
from qasino_server.store.reader import Reader

log = logging.getLogger("qasino.store")

READERS = 4
GIVEN_UP_MAX = 4


class Crew:
    """Who reads."""

    def __init__(self, hire: Callable[[bool], Reader]) -> None:
        """`hire` makes a reader, the express or another."""
        self._hire = hire
        self.readers: list[Reader] = []
        self.given_up: list[Reader] = []
        """They may still hold a query, which counts for its asker."""

    def __iter__(self) -> Iterator[Reader]:
        return iter(self.readers)

    def sign_on(self) -> None:
        """Take on as many as there are to be; they are not started."""
        self.readers = [self._hire(nth == 0) for nth in range(READERS)]

    def dismiss(self) -> None:
        """Interrupt what they read, and let them go."""
        for reader in self.readers:
            reader.stopping.set()
            reader.interrupt()

    def interrupt(self, job: Job) -> None:
        """Interrupt whoever has that job."""
        for reader in self.readers:
            if reader.job is job:
                reader.interrupt()

    def somebody_comes(self, now: float) -> bool:
        """Whether one is about to look for work by itself."""
        return any(reader.comes_soon(now) for reader in self.readers)

    def somebody_sleeps(self) -> bool:
        """Whether one other than the express has to be woken to come."""
        return any(not reader.awake and not reader.express for reader in self.readers)

    def may_have_one(self, asker: str) -> bool:
        """Whether the asker has less than half of the readers."""
        return self.held_by(asker) < READERS // 2

    def held_by(self, asker: str) -> int:
        """How many the asker has, those that were given up with their queries included; the
        express is not counted."""
        return sum(
            reader.job is not None and reader.job.asker == asker
            for reader in (*self.readers, *self.given_up)
            if not reader.express
        )

    def replace_express(self, reader: Reader) -> bool:
        """The express does not let go of its query: it keeps it, and another is the express.

        False where there are too many already.
        """
        if len(self.readers) >= READERS + GIVEN_UP_MAX:
            return False
        reader.express = False
        reader.retiring = True
        reader.forget_interrupt()
        self._add(express=True)
        return True

    def retire(self, reader: Reader) -> None:
        """It has let go of it after all, and its place is taken."""
        reader.stopping.set()
        if reader in self.readers:
            self.readers.remove(reader)

    def give_up(self, reader: Reader) -> bool:
        """Let a reader that does not hear go its own way, and put a new one in its place.

        False where too many have gone so that are not back.
        """
        self.given_up = [given for given in self.given_up if not given.join(0)]
        if len(self.given_up) >= GIVEN_UP_MAX:
            return False
        sql = "" if reader.job is None else reader.job.sql
        log.warning("reader given up: a query does not hear its interrupt: %s", sql[:200])
        reader.stopping.set()
        self.given_up.append(reader)
        self.readers.remove(reader)
        if not reader.retiring:
            self._add(reader.express)
        return True

    def _add(self, express: bool) -> None:
        reader = self._hire(express)
        self.readers.append(reader)
        reader.start()
