"""One publication into the open generation: which rule applies, then the statements.

Of a pair (table, identity) the first publication of a generation counts, and a repeat changes
nothing, unless it says `replace`, or one of the two lives on (persist, ttl): then its rows are
the pair's. An update is merged with the pair's rows by its key columns.

Everything that can be refused is refused before the first write, so that a batch needs no
savepoint for each publication: what fails after that is the disk, and then the whole batch is
rolled back and tried one by one.

Runs at the writer's desk only, inside a transaction that was begun there.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from qasino_server.database.cells import CELLS_MAX_BYTES, read_cells
from qasino_server.database.generation import Generation
from qasino_server.database.ranges import Ranges, count_rows, joined, split
from qasino_server.database.sqltext import rowid_name
from qasino_server.database.upsert import Upsert
from qasino_server.errors import Refused
from qasino_server.merge import Plan, plan_merge
from qasino_server.quota import Quota
from qasino_server.store.ledger import Arrears, Ledger, Pair, Source, TableState
from qasino_server.store.room_left import RoomLeft
from qasino_server.store.shapes import Shapes, union
from qasino_server.table import Columns, Publication, Receipt

CARRY_ROWS, CARRY_PAIRS, CARRY_S = 20_000, 500, 0.005
"""Rows carried in one go, of so many pairs, and after how long no other statement is begun; 6.5 ms
at most, so that publications get in between."""

BRIEF_ROWS, BRIEF_RANGES = 1_000, 10
"""The most rows, and ranges of them, that a brief publication deletes."""
BRIEF_NEW_ROWS, BRIEF_NEW_COLUMNS = 10_000, 200
"""The most rows that it stores, and columns of a table that it makes."""
BRIEF_BYTES = 4 * BRIEF_NEW_ROWS
"""JSON that is no longer than this has no more rows than that, however short they are."""
_MEASURE_EVERY = 16
_PLANNED_COLUMNS_MAX = 500_000
REPEAT = (
    "this identity has published this table in this generation already; nothing changed"
    " (send replace to have the newest rows count)"
)
_TTL_IDLE = (
    "ttl_s has no effect on rows that persist already (send them without update to end that)"
)


class _Part(NamedTuple):
    """What one portion carries of a pair."""

    pair: Pair
    owed: Arrears
    rows: Ranges
    left: Ranges


class CarryFirst(Exception):
    """The pair's rows cannot be carried yet: the publication has to wait a moment."""


class Intake:
    """The open generation: its file and its books."""

    def __init__(self, generation: Generation, ledger: Ledger, quota: Quota) -> None:
        self.generation = generation
        self.ledger = ledger
        self._room_left = RoomLeft(quota, ledger, generation.size_bytes)
        self._begun = 0
        self.can_carry = False
        """Whether the generation before is sealed and attached."""
        self._rows_to_carry = CARRY_ROWS
        """How many updates may still carry in this transaction."""
        self._plans: dict[tuple[str, Columns], tuple[Columns, Plan]] = {}
        self._planned_columns = 0
        """In the headers of the plans that are remembered."""
        self._shapes = Shapes()

    # --- Publications -----------------------------------------------------------------------

    def begin(self) -> None:
        """A transaction has begun: see now and then how much room the file has left."""
        if self._begun % _MEASURE_EVERY == 0:
            self._room_left.measure()
        self._begun += 1
        self._rows_to_carry = CARRY_ROWS

    def is_brief(self, publication: Publication) -> bool:
        """Whether it takes some milliseconds at most to store.

        An update searches the rows of its pair, a larger table is left to SQLite without the
        GIL, what replaces many rows has to delete them first, and SQLite reads the whole table's
        definition for each column that is added, or its rows.
        """
        columns, size_bytes = publication.columns, len(publication.rows_json)
        if publication.update or publication.static or size_bytes > CELLS_MAX_BYTES:
            return False
        if size_bytes > BRIEF_BYTES and _most_rows(size_bytes, len(columns)) > BRIEF_NEW_ROWS:
            return False
        pair = publication.pair
        # What is planned added none when it was, which is near enough here.
        if (pair[0], columns) not in self._plans and self._adds_many(pair[0], columns):
            return False
        present = self.ledger.sources.get(pair)
        if present is None:
            return True
        return len(present.ranges) <= BRIEF_RANGES and present.nr_rows <= BRIEF_ROWS

    def _adds_many(self, key: str, columns: Columns) -> bool:
        """Whether these add columns to a table, or make one of many."""
        if self.ledger.table(key) is None:
            return len(columns) + len(self.ledger.inherited(key)) > BRIEF_NEW_COLUMNS
        return self._adds_columns(key, columns)

    def _adds_columns(self, key: str, columns: Columns) -> bool:
        table = self.ledger.table(key)
        known = {column.key for column in table.columns} if table is not None else set()
        return any(column.key not in known for column in columns)

    def adds(self, publication: Publication) -> bool:
        """Whether it may add columns to its table, or makes it."""
        key, columns = publication.table_key, publication.columns
        table, remembered = self.ledger.table(key), self._plans.get((key, columns))
        # It may have been made for a table that is dropped by now, or rolled back.
        if table is not None and remembered is not None and remembered[0] is table.columns:
            return False
        return self._adds_columns(key, columns)

    def store(self, publication: Publication) -> Receipt:
        """Store it by the rules; the receipt holds once the transaction is committed.

        Raises BadRequest, Refused or Full, having changed nothing, or CarryFirst.
        """
        pair = publication.pair
        present = self.ledger.source(pair)
        owed = self.ledger.owed(pair)
        if publication.update:
            return self._update(publication, pair, present, owed)
        if _is_repeat(publication, present):
            nr_rows = present.nr_rows if present else 0
            return Receipt(self.ledger.number, nr_rows, applied=False, message=REPEAT)
        return self._replace(publication, pair, present, owed)

    def store_alike(self, publications: Sequence[Publication]) -> list[Receipt] | None:
        """Store publications that are `alike` together; the receipt of each.

        None, having changed nothing, where some of them may have to be refused: then each is
        to be stored alone, and told what is wrong with it.
        """
        first = publications[0]
        key = first.table_key
        try:
            plan = self._plan(key, first.columns)
        except Refused:
            return None
        rows_jsons = [publication.rows_json for publication in publications]
        rows = read_cells(rows_jsons, len(first.columns))
        if rows is None:
            return None
        nr_rows = sum(rows.counts)
        if not self._room_left.take_alike(publications, nr_rows):
            return None
        table = self._ensure_table(key, first.tablename, plan)
        ranges = self.generation.insert_alike(table.name, plan.targets, rows)
        self._book_alike(key, publications, plan, table, ranges, nr_rows)
        return self._receipts(plan, rows.counts)

    def _replace(
        self, publication: Publication, pair: Pair, present: Source | None, owed: Arrears | None
    ) -> Receipt:
        """The rows of this pair are these, whatever they were before."""
        rows = self.generation.check_rows(publication.rows_json, len(publication.columns))
        plan = self._plan(pair[0], publication.columns)
        new_rows = rows.nr_rows - (present.nr_rows if present else 0)
        self._room_left.take(publication, pair, new_rows)
        table = self._ensure_table(pair[0], publication.tablename, plan)
        table = _uncarried(table, present, owed)
        if owed is not None:
            self.ledger.put_arrears(pair, None)
        if present is not None:
            self.generation.delete((table.name, table.columns), present.ranges)
        ranges = self.generation.insert(table.name, plan.targets, rows)
        self._book(publication, pair, plan, table, ranges, None)
        return self._receipt(publication, plan, rows.nr_rows)

    def _update(
        self, publication: Publication, pair: Pair, present: Source | None, owed: Arrears | None
    ) -> Receipt:
        """Upsert among the rows of this pair."""
        if publication.name_value:
            _refuse_name_value(publication, present, owed)
        rows = self.generation.check_rows(publication.rows_json, len(publication.columns))
        plan = self._plan(pair[0], publication.columns)
        if owed is not None:
            self._carry_at_once(pair, owed)
            present = self.ledger.source(pair)
            plan = self._plan(pair[0], publication.columns)
        keys = _own_names(publication, plan)
        before = present.ranges if present is not None else ()
        existing = self.ledger.table(pair[0])
        name = existing.name if existing else self._new_name(pair[0], publication.tablename)
        wanted = Upsert(name, plan.columns, plan.targets, keys, rows, before)
        there = existing.columns if existing is not None else ()
        self._room_left.take(publication, pair, self._most_appended(wanted, there))
        table = self._ensure_table(pair[0], name, plan)
        new = self.generation.upsert(wanted)
        self._book(publication, pair, plan, table, joined(before, new), present)
        idle = [_TTL_IDLE] if _asks_an_end(publication, present) else []
        return self._receipt(publication, plan, rows.nr_rows, idle)

    def _carry_at_once(self, pair: Pair, owed: Arrears) -> None:
        """Carry all that a pair is owed, if that is not more than a portion with what was carried
        so in this transaction. Raises CarryFirst."""
        nr_rows = count_rows(owed.left)
        if not self.can_carry or nr_rows > self._rows_to_carry:
            raise CarryFirst
        self._rows_to_carry -= nr_rows
        self._carry([_Part(pair, owed, owed.left, ())])

    def _most_appended(self, wanted: Upsert, there: Columns) -> int:
        """How many rows an update appends, exactly where that decides whether there is room."""
        nr_rows = wanted.rows.nr_rows
        if self._room_left.has_rows(nr_rows):
            return nr_rows
        return self.generation.count_unmatched(wanted, there)

    def _receipts(self, plan: Plan, counts: Sequence[int]) -> list[Receipt]:
        """Of publications that nothing else is to be said of; one for all of the same size."""
        number, message = self.ledger.number, "; ".join(plan.notes) or None
        receipts = {count: Receipt(number, count, message=message) for count in set(counts)}
        return [receipts[count] for count in counts]

    def _receipt(
        self, publication: Publication, plan: Plan, nr_rows: int, more: Sequence[str] = ()
    ) -> Receipt:
        notes = plan.notes if publication.note is None else (*plan.notes, publication.note)
        return Receipt(self.ledger.number, nr_rows, message="; ".join([*notes, *more]) or None)

    # --- Tables -----------------------------------------------------------------------------

    def _plan(self, key: str, columns: Columns) -> Plan:
        """The merge plan; remembered, since a fleet sends one header over and over."""
        table = self.ledger.table(key)
        existing = table.columns if table is not None else None
        remembered = self._plans.get((key, columns))
        if remembered is not None and remembered[0] is existing:
            return remembered[1]
        plan = plan_merge(existing, self.ledger.inherited(key), columns)
        rowid_name(plan.columns)
        if existing is not None and not plan.add:
            self._planned_columns += len(columns)
            if self._planned_columns > _PLANNED_COLUMNS_MAX:
                self._plans.clear()
                self._planned_columns = len(columns)
            self._plans[key, columns] = (existing, plan)
        return plan

    def _new_name(self, key: str, tablename: str) -> str:
        """What a table that is made is called: as it was, whoever comes first this time."""
        before = self.ledger.before(key)
        return before.name if before is not None else tablename

    def _ensure_table(self, key: str, tablename: str, plan: Plan) -> TableState:
        """Create the table, which somebody calls so, or add what it lacks."""
        table = self.ledger.table(key)
        if plan.create or table is None:
            name = self._new_name(key, tablename)
            self.generation.create_table(name, plan.columns)
            return TableState(name=name, columns=plan.columns)
        if plan.add:
            self.generation.add_columns(table.name, table.columns, plan.add)
            return msgspec.structs.replace(table, columns=plan.columns)
        return table

    def _book(
        self,
        publication: Publication,
        pair: Pair,
        plan: Plan,
        table: TableState,
        ranges: Ranges,
        before: Source | None,
    ) -> None:
        """Enter it in the books; `before` is what an update adds to."""
        epoch = time.time()
        sent = plan.sent
        if before is not None:
            sent = union(table.shapes[before.shape], sent)
        table, shape = self._shapes.add(table, sent)
        source = _source(publication, ranges, shape, epoch)
        if before is not None:
            source = _living_on(source, before)
        self.ledger.put_source(pair, source)
        self.ledger.put_table(
            pair[0],
            msgspec.structs.replace(
                table,
                nr_updates=table.nr_updates + 1,
                last_update_epoch=epoch,
                upserted=table.upserted or source.upserted,
                descriptions=table.descriptions.give(publication),
            ),
        )

    def _book_alike(
        self,
        key: str,
        publications: Sequence[Publication],
        plan: Plan,
        table: TableState,
        ranges: Sequence[Ranges],
        nr_rows: int,
    ) -> None:
        """Enter them all, and what they have in common once."""
        epoch = time.time()
        table, shape = self._shapes.add(table, plan.sent)
        descriptions = table.descriptions
        sources = []
        for publication, rows in zip(publications, ranges, strict=True):
            source = _source(publication, rows, shape, epoch)
            sources.append(((key, publication.identity), source))
            if publication.descriptions:
                descriptions = descriptions.give(publication)
        self.ledger.put_new_sources(sources, nr_rows)
        self.ledger.put_table(
            key,
            msgspec.structs.replace(
                table,
                nr_updates=table.nr_updates + len(publications),
                last_update_epoch=epoch,
                descriptions=descriptions,
            ),
        )

    # --- Carrying ---------------------------------------------------------------------------

    def owes_any(self, pairs: Iterable[Pair]) -> bool:
        """Whether rows of one of them are still to be carried."""
        return any(pair in self.ledger.arrears for pair in pairs)

    def carry_some(self, first: Iterable[Pair] = ()) -> None:
        """Carry one portion of what is owed, of these pairs before others; `ledger.arrears` is not
        empty."""
        ends = time.monotonic() + CARRY_S
        for parts in self._next_parts(first):
            self._carry(parts)
            if time.monotonic() > ends:
                return

    def _next_parts(self, first: Iterable[Pair]) -> Iterable[list[_Part]]:
        """One portion, in lists of what takes one statement: of one table, the same columns."""
        together: dict[tuple[str, int], list[_Part]] = {}
        rows_left = CARRY_ROWS
        for pair, owed in self.ledger.next_owed(CARRY_PAIRS, first):
            rows, left = split(owed.left, rows_left)
            parts = together.setdefault((pair[0], owed.source.shape), [])
            parts.append(_Part(pair, owed, rows, left))
            rows_left -= count_rows(rows)
            if not rows_left:
                break
        return together.values()

    def _carry(self, parts: Sequence[_Part]) -> None:
        """Copy them from the generation before."""
        before, sent = parts[0].owed.table, _columns_owed(parts[0].owed)
        plan, table = self._table_for(parts[0].pair[0], parts[0].owed)
        names = list(zip([column.name for column in sent], plan.targets, strict=True))
        source, rows = (before.name, before.columns), [part.rows for part in parts]
        self._book_carried(
            parts, plan, table, self.generation.carry(source, table.name, names, rows)
        )

    def _table_for(self, key: str, owed: Arrears) -> tuple[Plan, TableState]:
        """The table that rows of the generation before go into, made if it is not there."""
        existing = self.ledger.table(key)
        columns = existing.columns if existing is not None else None
        plan = plan_merge(columns, self.ledger.inherited(key), _columns_owed(owed))
        return plan, self._ensure_table(key, owed.table.name, plan)

    def _book_carried(
        self, parts: Sequence[_Part], plan: Plan, table: TableState, carried: Sequence[Ranges]
    ) -> None:
        """Enter what the pairs have now, and what is still owed."""
        ledger, before = self.ledger, parts[0].owed.table
        table, shape = self._shapes.carry(table, plan.sent)
        nr_done, epoch, upserted = 0, table.last_update_epoch, table.upserted
        for (pair, owed, _, left), ranges in zip(parts, carried, strict=True):
            present = ledger.source(pair)
            if present is not None:
                ranges = joined(present.ranges, ranges)
            ledger.put_source(
                pair, msgspec.structs.replace(owed.source, ranges=ranges, shape=shape, fresh=False)
            )
            ledger.put_arrears(pair, msgspec.structs.replace(owed, left=left) if left else None)
            nr_done += not left
            epoch = max(epoch, owed.source.update_epoch)
            upserted = upserted or owed.source.upserted
        ledger.put_table(
            parts[0].pair[0],
            msgspec.structs.replace(
                table,
                nr_updates=table.nr_updates + nr_done,
                last_update_epoch=epoch,
                upserted=upserted,
                descriptions=table.descriptions.carry(before.descriptions, plan.sent),
            ),
        )

    # --- Dropping ---------------------------------------------------------------------------

    def end_persistence(self, table_key: str, identity: str | None) -> list[Pair]:
        """Remove the rows that live on, of that identity or of all; the pairs that had any."""
        ended = []
        for pair in self.ledger.pairs_of(table_key):
            present, owed = self.ledger.source(pair), self.ledger.owed(pair)
            lives_on = owed is not None or (present is not None and present.lives_on)
            if not lives_on or identity not in (None, pair[1]):
                continue
            ended.append(pair)
            self._remove(pair, present, owed)
        if ended:
            self._drop_if_empty(table_key)
        return ended

    def _remove(self, pair: Pair, present: Source | None, owed: Arrears | None) -> None:
        table = self.ledger.table(pair[0])
        if table is None and owed is not None:
            _, table = self._table_for(pair[0], owed)
        assert table is not None, "a pair without rows here is owed some"
        if present is not None:
            self.generation.delete((table.name, table.columns), present.ranges)
        self.ledger.put_table(pair[0], _uncarried(table, present, owed))
        self.ledger.put_source(pair, None)
        self.ledger.put_arrears(pair, None)

    def _drop_if_empty(self, table_key: str) -> None:
        """A table nobody has sent is no table."""
        for pair in self.ledger.pairs_of(table_key):
            if self.ledger.source(pair) is not None or self.ledger.owed(pair) is not None:
                return
        table = self.ledger.table(table_key)
        if table is not None:
            self.generation.drop_table(table.name)
            self.ledger.put_table(table_key, None)


def _columns_owed(owed: Arrears) -> Columns:
    return owed.table.shapes[owed.source.shape]


def _uncarried(table: TableState, present: Source | None, owed: Arrears | None) -> TableState:
    """The table without the rows that a pair has from the generation before, carried or owed.

    Which of the two is a matter of milliseconds, and must not be seen: they count for nothing any
    more, and the words that came with them stay, as does that some were updated.
    """
    if owed is not None:
        words = table.descriptions.carry(owed.table.descriptions, _columns_owed(owed))
        upserted = table.upserted or owed.source.upserted
        return msgspec.structs.replace(table, descriptions=words, upserted=upserted)
    if present is not None and not present.fresh:
        return msgspec.structs.replace(table, nr_updates=table.nr_updates - 1)
    return table


def _source(publication: Publication, ranges: Ranges, shape: int, epoch: float) -> Source:
    """What the books say of a publication that is all its pair has."""
    expires = None
    if publication.ttl_s is not None and not publication.persist:
        expires = time.monotonic() + publication.ttl_s
    return Source(
        ranges=ranges,
        shape=shape,
        update_epoch=epoch,
        persist=publication.persist,
        expires_s=expires,
        upserted=publication.update,
    )


def _living_on(source: Source, before: Source) -> Source:
    """An update keeps what its pair had of a longer life."""
    persist = source.persist or before.persist
    expires = source.expires_s if source.expires_s is not None else before.expires_s
    return msgspec.structs.replace(source, persist=persist, expires_s=None if persist else expires)


def _most_rows(size_bytes: int, nr_columns: int) -> int:
    """As many as that much JSON may hold: a cell takes a byte and a comma, a row two more."""
    return size_bytes // (2 * nr_columns + 2)


def _is_repeat(publication: Publication, present: Source | None) -> bool:
    """Whether it is passed over: the pair counts once, and neither side says otherwise."""
    if present is None or present.lives_on:  # as all that is carried does
        return False
    return not (publication.replace or publication.carried)


def _refuse_name_value(
    publication: Publication, present: Source | None, owed: Arrears | None
) -> None:
    source = owed.source if owed is not None else present
    if source is None or source.persist:
        return
    if source.expires_s is not None:
        how = f"{publication.identity} has rows of {publication.tablename} that end (ttl_s)"
    else:
        how = (
            f"{publication.identity} has published {publication.tablename} as a plain table in"
            " this generation"
        )
    raise Refused(f"{how}; name_value_update works on persistent ones only")


def _asks_an_end(publication: Publication, before: Source | None) -> bool:
    """Whether an update gives a time to rows that live on without an end."""
    if publication.ttl_s is None or publication.persist:
        return False
    return before is not None and before.persist


def _own_names(publication: Publication, plan: Plan) -> list[str]:
    """The table's names of the key columns; all columns where none are named."""
    if not publication.keycols:
        return list(plan.targets)
    own = dict(zip((c.name for c in publication.columns), plan.targets, strict=True))
    return [own[name] for name in publication.keycols]
