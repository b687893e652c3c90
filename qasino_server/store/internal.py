"""The server's own tables: what a sealed generation says about itself.

The seed's tables keep exactly the seed's columns, since people `select *` from them; what
Qasino knows besides is in tables of its own. Epochs are seconds, rounded to hundredths.
All is computed from the books of the generation, at rotation, beside the writer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from qasino_server.database.durable import StaticTable
from qasino_server.store.job import Job
from qasino_server.store.ledger import Ledger
from qasino_server.table import Column, Columns

Rows = list[tuple[Any, ...]]


class InternalTable(msgspec.Struct, frozen=True):
    """A table of the server's, with its rows."""

    name: str
    columns: Columns
    rows: Rows


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the internal tables tell besides the books."""

    server_identity: str
    duration_s: int
    epoch: float
    """When the generation becomes the snapshot."""
    statics: Mapping[str, StaticTable]
    nr_views: int
    sql_counts: tuple[int, ...]
    """Queries received, completed, failed while the generation was collected."""
    update_counts: tuple[int, ...]
    """Updates received, completed, failed then; inserts received, completed."""
    missing: Rows
    rejects: Rows
    ports: Rows


class TableSummary(msgspec.Struct, frozen=True):
    """A line of qasino_server_tables, and what else is known of a table at a glance."""

    name: str
    nr_rows: int
    nr_updates: int
    last_update_epoch: float
    static: bool = False
    nr_columns: int = 0
    nr_identities: int = 1
    persistent: bool = False
    """Whether rows of it live on in the next generation."""


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


def _columns(text: str) -> Columns:
    kinds = {"int": "INTEGER", "text": "TEXT", "real": "REAL"}
    words = (part.split() for part in text.split(","))
    return tuple(Column(name, kinds[kind]) for name, kind in words)


def summarize(ledger: Ledger) -> list[TableSummary]:
    """The live tables of a generation."""
    nr_rows: Counter[str] = Counter()
    nr_identities: Counter[str] = Counter()
    for (table_key, _), source in ledger.sources.items():
        nr_rows[table_key] += source.nr_rows
        nr_identities[table_key] += 1
    persistent = ledger.living_tables()
    return [
        TableSummary(
            table.name,
            nr_rows[key],
            table.nr_updates,
            table.last_update_epoch,
            nr_columns=len(table.columns),
            nr_identities=nr_identities[key],
            persistent=key in persistent,
        )
        for key, table in ledger.tables.items()
    ]


def compose(
    ledger: Ledger, live: Sequence[TableSummary], facts: Facts
) -> tuple[list[InternalTable], list[TableSummary]]:
    """Every internal table but qasino_server_views, which each reader makes for itself.

    With them the summaries of all that is not static: the live tables and these.
    """
    rows: dict[str, Rows] = {
        "qasino_server_info": [(ledger.number, facts.duration_s, round(facts.epoch, 2))],
        "qasino_server_connections": _connections(ledger, facts),
        "qasino_server_sql_stats": [facts.sql_counts],
        "qasino_server_update_stats": [facts.update_counts],
        "qasino_server_sources": _sources(ledger),
        "qasino_server_columns": _column_rows(ledger, facts.statics.values()),
        "qasino_server_missing": facts.missing,
        "qasino_server_rejects": facts.rejects,
        "qasino_server_ports": facts.ports,
    }
    static = static_summaries(facts.statics.values())
    counts = {name: len(r) for name, r in rows.items()}
    counts[_VIEWS] = facts.nr_views
    counts[_TABLES] = len(live) + len(static) + len(counts) + 1
    known = [*live, *(_own_summary(name, n, facts.epoch) for name, n in counts.items())]
    rows[_TABLES] = _table_rows([*known, *static])
    made = [InternalTable(name, _columns(_COLUMNS[name]), r) for name, r in rows.items()]
    return made, known


def _own_summary(name: str, nr_rows: int, epoch: float) -> TableSummary:
    columns = _columns(_VIEWS_COLUMNS if name == _VIEWS else _COLUMNS[name])
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


def _connections(ledger: Ledger, facts: Facts) -> Rows:
    nr_tables: Counter[str] = Counter()
    last: dict[str, float] = {}
    for (_, identity), source in ledger.sources.items():
        nr_tables[identity] += 1
        last[identity] = max(last.get(identity, 0.0), source.update_epoch)
    nr_tables[facts.server_identity] += len(_COLUMNS) + 1
    last[facts.server_identity] = facts.epoch
    return [(identity, n, round(last[identity], 2)) for identity, n in nr_tables.items()]


def _sources(ledger: Ledger) -> Rows:
    return [
        (table.name, identity, r.first, r.last, r.count, round(source.update_epoch, 2))
        for (table_key, identity), source in ledger.sources.items()
        if not (table := ledger.tables[table_key]).upserted
        for r in source.ranges
    ]


def _column_rows(ledger: Ledger, statics: Iterable[StaticTable]) -> Rows:
    """Which columns there are, who many identities sent each, and what they mean."""
    shapes = Counter((pair[0], source.shape) for pair, source in ledger.sources.items())
    nr_identities: Counter[tuple[str, str]] = Counter()
    for (table_key, shape), count in shapes.items():
        for column in ledger.tables[table_key].shapes[shape]:
            nr_identities[table_key, column.key] += count
    rows: Rows = []
    for key, table in ledger.tables.items():
        words = dict(table.descriptions)
        rows += [
            (table.name, n, c.name, c.type, nr_identities[key, c.key], words.get(c.key))
            for n, c in enumerate(table.columns, start=1)
        ]
    for static in statics:
        sentences = static.descriptions or (None,) * len(static.columns)
        pairs = enumerate(zip(static.columns, sentences, strict=True), start=1)
        rows += [(static.name, n, c.name, c.type, 1, text) for n, (c, text) in pairs]
    for name, text in {**_COLUMNS, _VIEWS: _VIEWS_COLUMNS}.items():
        pairs_own = enumerate(_columns(text), start=1)
        rows += [(name, n, c.name, c.type, 1, None) for n, c in pairs_own]
    return rows


QUERIES_COLUMNS = ("query_id", "seconds", "port", "peer", "sql")


def query_rows(jobs: Iterable[Job], now: float) -> list[tuple[str, float, str, str, str]]:
    """SHOW queries: those that run or wait, the longest first; `now` is monotonic."""
    return [(j.query_id, round(now - j.began, 3), j.port, j.peer, j.sql) for j in jobs]
