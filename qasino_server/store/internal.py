"""The server's own tables: what a sealed generation says about itself.

The ancestor's tables keep exactly its columns, since people `select *` from them; what Qasino
knows besides is in tables of its own. Epochs are seconds, rounded to hundredths.

All is made of the books of the generation, at rotation, beside the writer. What there is of
each pair is put together by SQLite, without the GIL: in Python 60,000 of them kept it busy for
0.4 s, in which everybody else took turns with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from qasino_server.database.durable import StaticTable
from qasino_server.database.generation import Generation
from qasino_server.store.ledger import Ledger
from qasino_server.store.tally import Counted
from qasino_server.table import Figures, TableSummary, columns_of

Rows = list[tuple[Any, ...]]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the internal tables tell besides the books."""

    server_identity: str
    duration_s: int
    epoch: float
    """When the generation becomes the snapshot."""
    statics: Mapping[str, StaticTable]
    nr_views: int
    counted: Counted
    missing: Rows
    rejects: Rows
    ports: Rows


_COLUMNS: dict[str, str] = {
    "qasino_server_info": "generation_number int, generation_duration_s int,"
    " generation_start_epoch real",
    "qasino_server_tables": "tablename text, nr_rows int, nr_updates int,"
    " last_update_epoch real, static int",
    "qasino_server_connections": "identity text, nr_tables int, last_update_epoch real",
    "qasino_server_sql_stats": "sql_received int, sql_completed int, sql_errors int",
    "qasino_server_update_stats": "updates_received int, updates_completed int,"
    " update_errors int, inserts_received int, inserts_completed int",
    "qasino_server_sources": "tablename text, identity text, first_rowid int, last_rowid int,"
    " nr_rows int, update_epoch real",
    "qasino_server_columns": "tablename text, position int, column_name text, column_type text,"
    " nr_identities int, description text",
    "qasino_server_missing": "identity text, tablename text, last_update_epoch real,"
    " generations_missed int",
    "qasino_server_rejects": "epoch real, identity text, peer text, tablename text, reason text",
    "qasino_server_ports": "name text, address text, port int",
}
_TABLES = "qasino_server_tables"
_VIEWS = "qasino_server_views"
_VIEWS_COLUMNS = "viewname text, loaded int, errormsg text, view text"
_OWN = (*_COLUMNS, _VIEWS)

_PARTS, _NAMES, _SELF = "=parts", "=names", "=self"
"""TEMP tables, named as nobody can name a table."""
_PART_COLUMNS = ("table_no", "identity", "shape", "epoch", "first", "last", "part")
"""A row for each range of a pair's rows, one without rows for a pair that has none: the place of
its table in the books, the pair's, the range, and which part of the pair's rows it is."""


def write_internal(generation: Generation, ledger: Ledger, facts: Facts) -> Figures:
    """Write every internal table but qasino_server_views, which each reader makes for itself.

    In the generation's last transaction.
    """
    _stage(generation, ledger)
    shapes = _shapes(generation)
    live = _summarize(ledger, shapes)
    counts = {
        "qasino_server_connections": _write_connections(generation, facts),
        "qasino_server_sources": _write_sources(generation),
    }
    rows: dict[str, Rows] = {
        "qasino_server_info": [(ledger.number, facts.duration_s, round(facts.epoch, 2))],
        "qasino_server_sql_stats": [facts.counted.queries],
        "qasino_server_update_stats": [facts.counted.updates],
        "qasino_server_columns": _column_rows(ledger, shapes, facts.statics.values()),
        "qasino_server_missing": facts.missing,
        "qasino_server_rejects": facts.rejects,
        "qasino_server_ports": facts.ports,
    }
    counts |= {name: len(r) for name, r in rows.items()}
    counts[_VIEWS] = facts.nr_views
    static = static_summaries(facts.statics.values())
    counts[_TABLES] = len(live) + len(static) + len(counts) + 1
    known = [*live, *(_own_summary(name, counts[name], facts.epoch) for name in _OWN)]
    rows[_TABLES] = _table_rows([*known, *static])
    for name, its_rows in rows.items():
        generation.write_table(name, columns_of(_COLUMNS[name]), its_rows)
    return Figures(
        tables=known,
        nr_rows=sum(table.nr_rows for table in live),
        nr_rows_published=facts.counted.nr_rows,
        nr_identities=ledger.nr_identities,
        nr_missing=len(facts.missing),
        nr_identities_missing=len({identity for identity, *_ in facts.missing}),
        nr_queries=facts.counted.queries[0],
    )


def _stage(generation: Generation, ledger: Ledger) -> None:
    """What the books hold of each pair, and where its rows are, as TEMP tables."""
    generation.stage_table(_PARTS, _PART_COLUMNS, _parts(ledger))
    names = ((n, table.name, table.upserted) for n, table in enumerate(ledger.tables.values()))
    generation.stage_table(_NAMES, ("table_no INTEGER PRIMARY KEY", "name", "upserted"), names)


def _parts(ledger: Ledger) -> Iterator[tuple[Any, ...]]:
    numbers = {key: n for n, key in enumerate(ledger.tables)}
    for (key, identity), source in ledger.sources.items():
        of_pair = (numbers[key], identity, source.shape, source.update_epoch)
        if not source.ranges:
            yield (*of_pair, None, None, 0)
        for part, rows in enumerate(source.ranges):
            yield (*of_pair, rows.first, rows.last, part)


class _Shape(msgspec.Struct, frozen=True):
    """What came for a table in one of its shapes."""

    table_no: int
    shape: int
    nr_identities: int
    nr_rows: int


def _shapes(generation: Generation) -> list[_Shape]:
    counted = generation.ask(
        "SELECT table_no, shape, count(*) FILTER (WHERE part = 0), total(last - first + 1)"
        f' FROM temp."{_PARTS}" GROUP BY table_no, shape'
    )
    return [_Shape(table, shape, pairs, int(rows)) for table, shape, pairs, rows in counted]


def _summarize(ledger: Ledger, shapes: Iterable[_Shape]) -> list[TableSummary]:
    """The live tables of a generation."""
    nr_identities: Counter[int] = Counter()
    nr_rows: Counter[int] = Counter()
    for shape in shapes:
        nr_identities[shape.table_no] += shape.nr_identities
        nr_rows[shape.table_no] += shape.nr_rows
    persistent = ledger.living_tables()
    return [
        TableSummary(
            table.name,
            nr_rows[n],
            table.nr_updates,
            table.last_update_epoch,
            nr_columns=len(table.columns),
            nr_identities=nr_identities[n],
            persistent=key in persistent,
        )
        for n, (key, table) in enumerate(ledger.tables.items())
    ]


def _own_summary(name: str, nr_rows: int, epoch: float) -> TableSummary:
    columns = columns_of(_VIEWS_COLUMNS if name == _VIEWS else _COLUMNS[name])
    return TableSummary(name, nr_rows, 1, epoch, nr_columns=len(columns))


def static_summaries(statics: Iterable[StaticTable]) -> list[TableSummary]:
    """The static tables, as qasino_server_tables has them."""
    return [
        TableSummary(
            t.name, t.nr_rows, t.nr_updates, t.last_update_epoch, True, nr_columns=len(t.columns)
        )
        for t in statics
    ]


def _table_rows(summaries: Iterable[TableSummary]) -> Rows:
    return [
        (t.name, t.nr_rows, t.nr_updates, round(t.last_update_epoch, 2), int(t.static))
        for t in sorted(summaries, key=lambda t: t.name)
    ]


def _write_connections(generation: Generation, facts: Facts) -> int:
    """How many rows; the server is one of its publishers, of its own tables."""
    own = [(facts.server_identity, len(_OWN), facts.epoch)]
    generation.stage_table(_SELF, ("identity", "tables", "epoch"), own)
    return _write_select(
        generation,
        "qasino_server_connections",
        "SELECT identity, sum(tables), round(max(epoch), 2)"
        f' FROM (SELECT identity, part = 0 AS tables, epoch FROM temp."{_PARTS}"'
        f' UNION ALL SELECT * FROM temp."{_SELF}") GROUP BY identity',
    )


def _write_sources(generation: Generation) -> int:
    """How many rows. Of a table with updates nobody knows any more whose each row is."""
    return _write_select(
        generation,
        "qasino_server_sources",
        "SELECT name, identity, first, last, last - first + 1, round(epoch, 2)"
        f' FROM temp."{_PARTS}" CROSS JOIN temp."{_NAMES}" USING (table_no)'
        " WHERE NOT upserted AND first IS NOT NULL",
    )


def _write_select(generation: Generation, name: str, select: str) -> int:
    generation.write_select(name, columns_of(_COLUMNS[name]), select)
    ((nr_rows,),) = generation.ask(f'SELECT count(*) FROM main."{name}"')
    return int(nr_rows)


def _column_rows(ledger: Ledger, shapes: Iterable[_Shape], statics: Iterable[StaticTable]) -> Rows:
    """Which columns there are, how many identities sent each, and what they mean."""
    tables = list(ledger.tables.values())
    nr_identities: Counter[tuple[str, str]] = Counter()
    for found in shapes:
        table = tables[found.table_no]
        for column in table.shapes[found.shape]:
            nr_identities[table.name, column.key] += found.nr_identities
    rows: Rows = []
    for table in tables:
        words = table.descriptions.of_columns
        rows += [
            (table.name, n, c.name, c.type, nr_identities[table.name, c.key], words.get(c.key))
            for n, c in enumerate(table.columns, start=1)
        ]
    for static in statics:
        sentences = static.descriptions or (None,) * len(static.columns)
        pairs = enumerate(zip(static.columns, sentences, strict=True), start=1)
        rows += [(static.name, n, c.name, c.type, 1, text or None) for n, (c, text) in pairs]
    for name, text in {**_COLUMNS, _VIEWS: _VIEWS_COLUMNS}.items():
        pairs_own = enumerate(columns_of(text), start=1)
        rows += [(name, n, c.name, c.type, 1, None) for n, c in pairs_own]
    return rows
