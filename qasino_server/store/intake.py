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
from collections.abc import Sequence

import msgspec

from qasino_server.database.cells import CELLS_MAX_BYTES, read_cells
from qasino_server.database.generation import Generation
from qasino_server.database.ranges import Ranges, joined
from qasino_server.database.upsert import Upsert
from qasino_server.errors import Refused
from qasino_server.merge import Plan
from qasino_server.quota import Quota
from qasino_server.request_rows import UnreadRows
from qasino_server.store.carrying import Carrying, columns_owed
from qasino_server.store.ledger import Arrears, Ledger, Pair, Source, TableState
from qasino_server.store.room_left import RoomLeft
from qasino_server.store.schemas import Schemas
from qasino_server.store.shapes import Shapes, union
from qasino_server.table import Columns, Publication, Receipt

BRIEF_ROWS, BRIEF_RANGES = 1_000, 10
"""The most rows, and ranges of them, that a brief publication deletes."""
BRIEF_NEW_ROWS, BRIEF_NEW_COLUMNS = 10_000, 200
"""The most rows that it stores, and columns of a table that it makes."""
BRIEF_BYTES = 4 * BRIEF_NEW_ROWS
"""JSON that is no longer than this has no more rows than that, however short they are."""
_MEASURE_EVERY = 16
REPEAT = (
    "this identity has published this table in this generation already; nothing changed"
    " (send replace to have the newest rows count)"
)
_TTL_IDLE = (
    "ttl_s has no effect on rows that persist already (send them without update to end that)"
)


class Intake:
    """The open generation: its file and its books."""

    def __init__(self, generation: Generation, ledger: Ledger, quota: Quota) -> None:
        self.generation = generation
        self.ledger = ledger
        self._room_left = RoomLeft(quota, ledger, generation.size_bytes)
        self._begun = 0
        self._shapes = Shapes()
        self.schemas = Schemas(generation, ledger)
        self.carrying = Carrying(generation, ledger, self.schemas, self._shapes)

    # --- Publications -----------------------------------------------------------------------

    def begin(self) -> None:
        """A transaction has begun: see now and then how much room the file has left."""
        if self._begun % _MEASURE_EVERY == 0:
            self._room_left.measure()
        self._begun += 1
        self.carrying.begin()

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
        if not self.schemas.is_planned(pair[0], columns) and self._adds_many(pair[0], columns):
            return False
        present = self.ledger.sources.get(pair)
        if present is None:
            return True
        return len(present.ranges) <= BRIEF_RANGES and present.nr_rows <= BRIEF_ROWS

    def _adds_many(self, key: str, columns: Columns) -> bool:
        """Whether these add columns to a table, or make one of many."""
        if self.ledger.table(key) is None:
            return self.schemas.nr_of_new(key, columns) > BRIEF_NEW_COLUMNS
        return self.schemas.adds_columns(key, columns)

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
            if isinstance(publication.rows_json, UnreadRows):
                publication.rows_json.read()  # no JSON is not passed over, but refused
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
            plan = self.schemas.plan(key, first.columns)
        except Refused:
            return None
        rows_jsons = [publication.rows_json for publication in publications]
        rows = read_cells(rows_jsons, len(first.columns))
        if rows is None:
            return None
        nr_rows = sum(rows.counts)
        if not self._room_left.take_alike(publications, nr_rows):
            return None
        table = self.schemas.ensure_table(key, first.tablename, plan)
        ranges = self.generation.insert_alike(table.name, plan.targets, rows)
        self._book_alike(key, publications, plan, table, ranges, nr_rows)
        return self._receipts(plan, rows.counts)

    def _replace(
        self, publication: Publication, pair: Pair, present: Source | None, owed: Arrears | None
    ) -> Receipt:
        """The rows of this pair are these, whatever they were before."""
        rows = self.generation.check_rows(publication.rows_json, len(publication.columns))
        plan = self.schemas.plan(pair[0], publication.columns)
        new_rows = rows.nr_rows - (present.nr_rows if present else 0)
        self._room_left.take(publication, pair, new_rows)
        table = self.schemas.ensure_table(pair[0], publication.tablename, plan)
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
        plan = self.schemas.plan(pair[0], publication.columns)
        if owed is not None:
            self.carrying.carry_at_once(pair, owed)
            present = self.ledger.source(pair)
            plan = self.schemas.plan(pair[0], publication.columns)
        keys = _own_names(publication, plan)
        before = present.ranges if present is not None else ()
        existing = self.ledger.table(pair[0])
        name = existing.name if existing else self.schemas.new_name(pair[0], publication.tablename)
        wanted = Upsert(name, plan.columns, plan.targets, keys, rows, before)
        there = existing.columns if existing is not None else ()
        self._room_left.take(publication, pair, self._most_appended(wanted, there))
        table = self.schemas.ensure_table(pair[0], name, plan)
        new = self.generation.upsert(wanted)
        self._book(publication, pair, plan, table, joined(before, new), present)
        idle = [_TTL_IDLE] if _asks_an_end(publication, present) else []
        return self._receipt(publication, plan, rows.nr_rows, idle)

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

    # --- Books ------------------------------------------------------------------------------

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
            self.schemas.drop_if_unsent(table_key)
        return ended

    def _remove(self, pair: Pair, present: Source | None, owed: Arrears | None) -> None:
        table = self.ledger.table(pair[0])
        if table is None and owed is not None:
            _, table = self.carrying.table_for(pair[0], owed)
        assert table is not None, "a pair without rows here is owed some"
        if present is not None:
            self.generation.delete((table.name, table.columns), present.ranges)
        self.ledger.put_table(pair[0], _uncarried(table, present, owed))
        self.ledger.put_source(pair, None)
        self.ledger.put_arrears(pair, None)


def _uncarried(table: TableState, present: Source | None, owed: Arrears | None) -> TableState:
    """The table without the rows that a pair has from the generation before, carried or owed.

    Which of the two is a matter of milliseconds, and must not be seen: they count for nothing any
    more, and the words that came with them stay, as does that some were updated.
    """
    if owed is not None:
        words = table.descriptions.carry(owed.table.descriptions, columns_owed(owed))
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
