"""What is known of the generation being collected, in memory: tables, and who sent which rows.

The ledger belongs to whoever is at the writer's desk. What a publication changes is staged
while its transaction is open and becomes the ledger at `commit`; `rollback` forgets it, so
that the ledger never knows more than the file, nor less. All values in it are frozen and are
replaced.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Container, Iterable, Iterator, KeysView, Sequence
from typing import TypeVar

import msgspec

from qasino_server.database.ranges import Ranges, count_rows
from qasino_server.interpreter import empty
from qasino_server.store.descriptions import Descriptions
from qasino_server.table import Columns

Pair = tuple[str, str]
"""(table key, identity): the unit in which rows are published, replaced and carried."""


class TableState(msgspec.Struct, frozen=True, kw_only=True):
    """A table of this generation."""

    name: str
    columns: Columns
    shapes: tuple[Columns, ...] = ()
    """The different sets of columns that were sent; most tables have one."""
    has_all: bool = False
    """Whether the last of them stands for every column, since there were too many."""
    only_carried: frozenset[int] = frozenset()
    """Which of them nobody has sent in this generation."""
    nr_updates: int = 0
    last_update_epoch: float = 0.0
    upserted: bool = False
    descriptions: Descriptions = Descriptions()

    def sent_columns(self, carried: Container[int]) -> Columns:
        """The columns somebody sent for this generation, or that its `carried` rows have, by their
        shapes; in the table's order."""
        sent = {
            column.key
            for place, shape in enumerate(self.shapes)
            if place not in self.only_carried or place in carried
            for column in shape
        }
        return tuple(column for column in self.columns if column.key in sent)


class Source(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The rows of one pair."""

    ranges: Ranges
    shape: int
    """Which of the table's shapes its columns are."""
    update_epoch: float
    persist: bool = False
    expires_s: float | None = None
    """When its time is up, on the monotonic clock: setting the other makes no rows live longer."""
    fresh: bool = True
    """Published in this generation, not only carried into it."""
    upserted: bool = False
    """Some of the rows came by an update."""

    @property
    def nr_rows(self) -> int:
        """How many rows."""
        return count_rows(self.ranges)

    @property
    def lives_on(self) -> bool:
        """Whether it is to be carried into the next generation, its time permitting."""
        return self.persist or self.expires_s is not None


class Arrears(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Rows of the generation before that are still to be carried into this one."""

    table: TableState
    source: Source
    left: Ranges


class Ledger:
    """The books of one generation."""

    def __init__(self, number: int, previous: Ledger | None = None) -> None:
        """Begin a generation after `previous`, whose living rows are this one's arrears."""
        self.number = number
        self.tables: dict[str, TableState] = {}
        self.sources: dict[Pair, Source] = {}
        self.arrears: dict[Pair, Arrears] = {}
        self.nr_rows = 0
        """Rows in the file, those of the staged changes included; likewise the next three."""
        self.nr_tables = 0
        self.nr_sources = 0
        self.described_bytes = 0
        """Of descriptions: they are in the file at its end, and in memory now."""
        self._committed = (0, 0, 0, 0)
        self._pairs_of: dict[str, int] = {}
        """Identity -> how many pairs; none has 0."""
        self._living: set[Pair] = set()
        self._nr_carried: dict[str, Counter[int]] = {}
        """How many pairs of a table have carried rows, by their shape."""
        self._carried_before = {} if previous is None else previous._nr_carried
        self._before: dict[str, TableState] = {} if previous is None else previous.tables
        self._inherited: dict[str, Columns] = {}
        """Of those, as far as they were asked for."""
        self._staged_tables: dict[str, TableState | None] = {}
        self._staged_sources: dict[Pair, Source | None] = {}
        self._staged_arrears: dict[Pair, Arrears | None] = {}
        if previous is not None:
            self.arrears = dict(previous._owed_to_the_next())
        self._in_turn = list(self.arrears)
        """What `next_owed` takes from the end, where that is quick; a dictionary that is emptied
        from its front looks at all that was in it each time."""

    def _owed_to_the_next(self) -> Iterator[tuple[Pair, Arrears]]:
        """The pairs whose rows live on in the next generation."""
        now = time.monotonic()
        for pair in self._living:
            source = self.sources[pair]
            if source.persist or (source.expires_s is not None and source.expires_s > now):
                table = self.tables[pair[0]]
                yield pair, Arrears(table=table, source=source, left=source.ranges)

    def inherited(self, table_key: str) -> Columns:
        """The columns a table of that name begins with: those of the generation before."""
        known = self._inherited.get(table_key)
        if known is None:
            before = self.before(table_key)
            carried = +self._carried_before.get(table_key, Counter())
            known = before.sent_columns(carried) if before is not None else ()
            self._inherited[table_key] = known
        return known

    def before(self, table_key: str) -> TableState | None:
        """The table of that name in the generation before."""
        return self._before.get(table_key)

    # --- Reading, the staged first ----------------------------------------------------------

    def table(self, key: str) -> TableState | None:
        """The table of that key."""
        if key in self._staged_tables:
            return self._staged_tables[key]
        return self.tables.get(key)

    def source(self, pair: Pair) -> Source | None:
        """The rows of that pair in this generation."""
        if pair in self._staged_sources:
            return self._staged_sources[pair]
        return self.sources.get(pair)

    def owed(self, pair: Pair) -> Arrears | None:
        """The rows of that pair that are still to be carried."""
        if pair in self._staged_arrears:
            return self._staged_arrears[pair]
        return self.arrears.get(pair)

    def next_owed(self, at_most: int, first: Iterable[Pair]) -> list[tuple[Pair, Arrears]]:
        """Some of the pairs that are owed rows, those of `first` before others, the same ones until
        they are carried; nothing is staged."""
        turn, arrears = self._in_turn, self.arrears
        while turn and turn[-1] not in arrears:
            turn.pop()
        pairs = dict.fromkeys((*first, *reversed(turn[-at_most:])))
        return [(pair, arrears[pair]) for pair in pairs if pair in arrears][:at_most]

    def known_among(self, pairs: KeysView[Pair]) -> set[Pair]:
        """Those that have rows in this generation or are owed some; nothing is staged."""
        return (pairs & self.sources.keys()) | (pairs & self.arrears.keys())

    def pairs_of(self, table_key: str) -> list[Pair]:
        """Every pair of a table, carried yet or not; committed ones only."""
        return [pair for pair in {**self.sources, **self.arrears} if pair[0] == table_key]

    @property
    def nr_identities(self) -> int:
        """How many have rows, or an empty table, in this generation."""
        return len(self._pairs_of)

    def knows(self, identity: str) -> bool:
        """Whether it has a table in this generation."""
        return identity in self._pairs_of

    def living_tables(self) -> set[str]:
        """The keys of the tables with rows that live on."""
        return {pair[0] for pair in self._living}

    # --- Writing ----------------------------------------------------------------------------

    def put_table(self, key: str, table: TableState | None) -> None:
        """Stage a table's new state; None where it is gone."""
        before = self.table(key)
        self.nr_tables += (table is not None) - (before is not None)
        if before is None or table is None or table.descriptions is not before.descriptions:
            self.described_bytes += _described_bytes(table) - _described_bytes(before)
        self._staged_tables[key] = table

    def put_source(self, pair: Pair, source: Source | None) -> None:
        """Stage a pair's new state; None where it is gone."""
        before = self.source(pair)
        if before is not None:
            self.nr_rows -= before.nr_rows
        if source is not None:
            self.nr_rows += source.nr_rows
        if (before is None) != (source is None):
            self._count_pair(pair[1], 1 if before is None else -1)
        self._staged_sources[pair] = source

    def put_new_sources(self, sources: Sequence[tuple[Pair, Source]], nr_rows: int) -> None:
        """Stage pairs that are not there yet, and how many rows they have together."""
        pairs_of = self._pairs_of
        for (_, identity), _ in sources:
            pairs_of[identity] = pairs_of.get(identity, 0) + 1
        self._staged_sources.update(sources)
        self.nr_sources += len(sources)
        self.nr_rows += nr_rows

    def _count_pair(self, identity: str, change: int) -> None:
        self.nr_sources += change
        pairs = self._pairs_of.get(identity, 0) + change
        if pairs:
            self._pairs_of[identity] = pairs
        else:
            del self._pairs_of[identity]

    def put_arrears(self, pair: Pair, arrears: Arrears | None) -> None:
        """Stage what is still owed to a pair; None where that is nothing."""
        self._staged_arrears[pair] = arrears

    def commit(self) -> None:
        """The file has it: what was staged is true now."""
        _apply(self._staged_tables, self.tables)
        if self._staged_arrears:
            _apply(self._staged_arrears, self.arrears)
            # Emptied, it still has the places of all that was in it, and `known_among` passes over
            # each of them.
            self.arrears = self.arrears or {}
        sources, living = self.sources, self._living
        for pair, source in self._staged_sources.items():
            if living and pair in living:
                living.remove(pair)
                self._count_carried(pair, sources[pair], -1)
            if source is None:
                sources.pop(pair, None)
                continue
            sources[pair] = source
            if source.persist or source.expires_s is not None:
                living.add(pair)
                self._count_carried(pair, source, 1)
        self._committed = (self.nr_rows, self.nr_tables, self.nr_sources, self.described_bytes)
        self._clear()

    def _count_carried(self, pair: Pair, source: Source, change: int) -> None:
        if not source.fresh:
            self._nr_carried.setdefault(pair[0], Counter())[source.shape] += change

    def rollback(self) -> None:
        """The file does not have it: forget what was staged."""
        for pair, staged in self._staged_sources.items():
            change = (pair in self.sources) - (staged is not None)
            if change:
                self._count_pair(pair[1], change)
        self.nr_rows, self.nr_tables, self.nr_sources, self.described_bytes = self._committed
        self._clear()

    def write_off(self) -> None:
        """What is owed cannot be carried any more: its file is gone. Nothing is staged."""
        self.arrears.clear()

    def forget(self) -> None:
        """The generation is sealed and told of: let go of its sources."""
        empty(self.sources)
        empty(self._pairs_of)
        self._living.clear()

    def _clear(self) -> None:
        self._staged_tables.clear()
        self._staged_sources.clear()
        self._staged_arrears.clear()


def _described_bytes(table: TableState | None) -> int:
    return 0 if table is None else table.descriptions.size_bytes


_K = TypeVar("_K")
_V = TypeVar("_V")


def _apply(staged: dict[_K, _V | None], onto: dict[_K, _V]) -> None:
    for key, value in staged.items():
        if value is None:
            onto.pop(key, None)
        else:
            onto[key] = value
