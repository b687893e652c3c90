"""Memory that clients make a server hold: how much in all, and how much for one of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from qasino_server.errors import Busy

SMALL_BYTES = 1 << 18
"""An answer up to that goes out whatever else of its asker's is not read yet."""


class Share:
    """Bytes held for clients, by who made us hold them; used by one thread."""

    def __init__(self, total_bytes: int, of: str) -> None:
        """At most `total_bytes` for all, and half of it for one; `of` says what it is."""
        self._total_bytes = total_bytes
        self._of = of
        self._held: defaultdict[str, int] = defaultdict(int)
        self.held_bytes = 0

    def has_room(self, who: str, more_bytes: int = 0) -> bool:
        """Whether so much more is within the bounds."""
        theirs = self._held.get(who, 0) + more_bytes
        return (
            theirs <= self._total_bytes // 2 and self.held_bytes + more_bytes <= self._total_bytes
        )

    def check(self, who: str, more_bytes: int = 0) -> None:
        """Raise Busy where so much more would be too much."""
        if not self.has_room(who, more_bytes):
            raise self.busy

    @property
    def busy(self) -> Busy:
        """What they are told then."""
        return Busy(f"busy: the server holds as much as it may of {self._of}; try again")

    @contextmanager
    def holding(self, who: str) -> Iterator[Callable[[int], None]]:
        """A function that holds more bytes; when this ends, all of them are given back."""
        held_bytes = 0

        def hold(more_bytes: int) -> None:
            nonlocal held_bytes
            self.check(who, more_bytes)
            self.take(who, more_bytes)
            held_bytes += more_bytes

        try:
            yield hold
        finally:
            self.give_back(who, held_bytes)

    def take(self, who: str, size_bytes: int) -> None:
        """Hold so much more."""
        self._held[who] += size_bytes
        self.held_bytes += size_bytes

    def give_back(self, who: str, size_bytes: int) -> None:
        """Hold it no longer."""
        self.held_bytes -= size_bytes
        self._held[who] -= size_bytes
        if not self._held[who]:
            del self._held[who]


def unread_results(max_result_bytes: int) -> Share:
    """Of results that their askers have not read: eight times the largest one."""
    return Share(8 * max_result_bytes, "results that have not been read yet")
