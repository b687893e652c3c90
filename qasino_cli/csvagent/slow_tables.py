"""Tables that get no answer though others do, and when each of them is tried again.

A large one on a slow link takes longer than the timeout, and behind a router that drops large
packets without a word it never arrives. The others cannot wait for it: such a table goes aside,
when nothing else is to be sent, and after each failure later. What is no smaller than one that
failed is expected to fail as well until one that is no smaller got through: it was not the size.

No threads, no sockets; time is counted in beats.
"""

from __future__ import annotations

from collections.abc import Hashable, Set
from typing import Generic, TypeVar

import msgspec
from msgspec.structs import replace

K = TypeVar("K", bound=Hashable)

PAUSE_MOST = 32


class _Failure(msgspec.Struct, frozen=True):
    """The last that was heard of a table, which is nothing."""

    size_bytes: int
    """Of its message."""
    pause: int
    """For so many beats it is left alone."""
    due: int
    disproved: bool = False
    """One that is no smaller got through since: it says nothing of other tables."""


class SlowTables(Generic[K]):
    """What goes aside, each with a key to tell it by."""

    def __init__(self) -> None:
        self._failures: dict[K, _Failure] = {}
        self._waiting: dict[K, int] = {}
        """How large the message of each was when it went aside."""
        self._beat = 0

    def begin_beat(self, sendable: Set[K]) -> None:
        """Everything is to be sent; of what cannot be sent any more nothing is remembered: it
        would keep others aside and could never get through."""
        self._beat += 1
        for table in self._failures.keys() - sendable:
            del self._failures[table]

    def forget(self) -> None:
        """Try all as if nothing had failed."""
        self._failures.clear()
        self._waiting.clear()

    def takes(self, table: K, size_bytes: int) -> bool:
        """Whether it goes aside; then it is tried there once it is due."""
        if not self._is_expected_to_fail(table, size_bytes):
            self._waiting.pop(table, None)
            return False
        failure = self._failures.get(table)
        if failure is None or failure.due <= self._beat:
            self._waiting[table] = size_bytes
        return True

    def pop(self) -> K | None:
        """The next to be tried; None where none is due."""
        table = next(iter(self._waiting), None)
        if table is not None:
            del self._waiting[table]
        return table

    def failed(self, table: K, size_bytes: int) -> None:
        """It got no answer, and another did."""
        before = self._failures.get(table)
        pause = 1 if before is None else min(PAUSE_MOST, before.pause * 2)
        self._failures[table] = _Failure(size_bytes, pause, self._beat + pause)

    def answered(self, table: K, size_bytes: int) -> list[K]:
        """It got through; those that no longer wait aside now, as they are expected to, too."""
        self._failures.pop(table, None)
        for other, failure in self._failures.items():
            if failure.size_bytes <= size_bytes:
                self._failures[other] = replace(failure, disproved=True)
        freed = [k for k, size in self._waiting.items() if not self._is_expected_to_fail(k, size)]
        for waiting in freed:
            del self._waiting[waiting]
        return freed

    def _is_expected_to_fail(self, table: K, size_bytes: int) -> bool:
        return any(
            size_bytes >= failure.size_bytes and (failed == table or not failure.disproved)
            for failed, failure in self._failures.items()
        )
