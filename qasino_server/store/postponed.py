"""Publications that wait until the rows of their pair can be carried, and those that come after."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from qasino_server.store.ledger import Pair
from qasino_server.table import Publication


class Waiting(msgspec.Struct, frozen=True):
    """A publication that is to be stored."""

    publication: Publication
    peer: str
    size_bytes: int
    done: Callable[[Any], None]


class Postponed:
    """In the order in which they came; for whoever is at the writer's desk."""

    def __init__(self) -> None:
        self._waiting: deque[Waiting] = deque()
        self._pairs: Counter[Pair] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def holds(self, pair: Pair) -> bool:
        """Whether something for that pair waits, so that what comes later has to wait as well."""
        return pair in self._pairs

    def add(self, more: Iterable[Waiting]) -> None:
        """Put them at the end."""
        for waiting in more:
            self._waiting.append(waiting)
            self._pairs[waiting.publication.pair] += 1

    def take(self, at_most: int) -> list[Waiting]:
        """The first ones, which wait no longer."""
        taken: list[Waiting] = []
        while self._waiting and len(taken) < at_most:
            waiting = self._waiting.popleft()
            taken.append(waiting)
            pair = waiting.publication.pair
            self._pairs[pair] -= 1
            if not self._pairs[pair]:
                del self._pairs[pair]
        return taken
