"""Publications that wait until the rows of their pair can be carried, and what comes after them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

import msgspec

from qasino_server.errors import QasinoError
from qasino_server.store.ledger import Pair
from qasino_server.table import Publication, Receipt

Outcome = Receipt | QasinoError
_K = TypeVar("_K")


class Waiting(msgspec.Struct, frozen=True):
    """A publication that is to be stored."""

    publication: Publication
    peer: str
    size_bytes: int
    done: Callable[[Outcome], None]


class Dropped(NamedTuple):
    """What was ended."""

    sentence: str
    pairs: Sequence[Pair]
    """Whose rows that were."""
    generation_number: int
    """The first that goes without them."""


class Drop(msgspec.Struct, frozen=True):
    """A table that is to end, or the rows of one identity in it."""

    size_bytes: int
    tablename: str
    identity: str | None
    done: Callable[[Dropped | QasinoError], None]

    @property
    def table_key(self) -> str:
        """The table's name as SQLite compares it."""
        return self.tablename.lower()


class Postponed:
    """In the order in which they came; for whoever is at the writer's desk."""

    def __init__(self) -> None:
        self._waiting: deque[Waiting | Drop] = deque()
        self._pairs: Counter[Pair] = Counter()
        self._dropped: Counter[str] = Counter()
        """By the table's key."""

    def __len__(self) -> int:
        return len(self._waiting)

    def holds(self, pair: Pair) -> bool:
        """Whether something for that pair waits, so that what comes later has to wait as well."""
        return pair in self._pairs or pair[0] in self._dropped

    def holds_some_of(self, table_key: str) -> bool:
        """Whether something for that table waits, so that a drop of it has to wait as well."""
        return table_key in self._dropped or any(key == table_key for key, _ in self._pairs)

    def add(self, more: Iterable[Waiting | Drop]) -> None:
        """Put them at the end."""
        for item in more:
            self._waiting.append(item)
            self._count(item)

    def put_back(self, taken: Sequence[Waiting]) -> None:
        """They wait again, before all others."""
        self._waiting.extendleft(reversed(taken))
        for item in taken:
            self._count(item)

    def _count(self, item: Waiting | Drop) -> None:
        if isinstance(item, Drop):
            self._dropped[item.table_key] += 1
        else:
            self._pairs[item.publication.pair] += 1

    def first(self, at_most: int) -> list[Waiting] | Drop:
        """Those that are to be stored first; a drop alone."""
        batch: list[Waiting] = []
        for item in islice(self._waiting, at_most):
            if isinstance(item, Drop):
                return batch or item
            batch.append(item)
        return batch

    def first_pairs(self, at_most: int) -> list[Pair]:
        """Whose rows those have to find."""
        batch = self.first(at_most)
        return [] if isinstance(batch, Drop) else [item.publication.pair for item in batch]

    def take(self, at_most: int) -> list[Waiting] | Drop:
        """The first ones, which wait no longer."""
        taken = self.first(at_most)
        if isinstance(taken, Drop):
            self._waiting.popleft()
            _less(self._dropped, taken.table_key)
            return taken
        for waiting in taken:
            self._waiting.popleft()
            _less(self._pairs, waiting.publication.pair)
        return taken


def _less(counts: Counter[_K], key: _K) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
