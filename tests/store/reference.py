"""What publications must leave behind, worked out one by one in plain Python.

The rules told once more, without regard to time or memory: rows are dictionaries, everything that
lives on is carried at once, and SQLite is asked for nothing but what a column makes of a value.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec

from qasino_server.table import TYPE_NAMES, Publication

Row = dict[str, Any]
"""Column key -> cell; a column that was not sent is missing."""


@dataclass
class Pair:
    """What one identity has in one table."""

    rows: list[Row]
    keys: set[str]
    """The columns that were sent for them."""
    life: str = ""
    """Whether they live on: "persist", "ttl", or not."""
    fresh: bool = True
    upserted: bool = False


@dataclass
class Table:
    """A table of one generation."""

    name: str
    columns: dict[str, tuple[str, str]]
    """Key -> name and type, in order."""
    pairs: dict[str, Pair] = field(default_factory=dict)
    """By identity."""
    sent: set[str] = field(default_factory=set)
    nr_updates: int = 0
    upserted: bool = False
    """Whether it may be that nobody knows any more whose each row is."""
    said: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Column key -> what it means, and who said so."""
    said_before: dict[str, str] = field(default_factory=dict)

    @property
    def words(self) -> dict[str, str]:
        """What its columns mean."""
        return self.said_before | {key: text for key, (text, _) in self.said.items()}


@dataclass
class Snapshot:
    """A finished generation."""

    tables: dict[str, Table]
    missing: dict[tuple[str, str], int]
    """(identity, table key) -> for how many generations."""


class Reference:
    """A server of one thread that forgets nothing and hurries for nobody."""

    def __init__(self) -> None:
        self._tables: dict[str, Table] = {}
        self._before: dict[str, Table] = {}
        self._reported: set[tuple[str, str]] = set()
        """(identity, table key) that had rows in the last snapshot, and that nobody dropped."""
        self._missing: dict[tuple[str, str], int] = {}

    def publish(self, publication: Publication) -> tuple[bool, int] | None:
        """Whether it is applied, and its rows as the receipt has them; None where it is refused."""
        rows = _rows_of(publication)
        key, identity = publication.pair
        table = self._tables.get(key)
        before = table.pairs.get(identity) if table is not None else None
        if not publication.update and _counts_already(before, publication):
            assert before is not None
            return False, len(before.rows)
        if rows is None:
            return None
        table = self._merged(publication)
        cells = [
            {key: _stored(table.columns[key][1], cell) for key, cell in row.items()} for row in rows
        ]
        pair = Pair(cells, {column.key for column in publication.columns}, _life(publication))
        if publication.update:
            _upsert(pair, before, [name.lower() for name in publication.keycols])
        elif before is not None and not before.fresh:
            table.nr_updates -= 1  # it counts for nothing any more
        table.pairs[identity] = pair
        table.sent |= pair.keys
        table.upserted |= pair.upserted
        table.nr_updates += 1
        self._describe(table, publication)
        return True, len(rows)

    def drop(self, key: str, identity: str | None) -> bool:
        """End what lives on of a table, or of one identity in it; whether there was any."""
        table = self._tables.get(key)
        ended = [
            who
            for who, pair in (table.pairs if table is not None else {}).items()
            if pair.life and identity in (None, who)
        ]
        for who in ended:
            assert table is not None
            if not table.pairs[who].fresh:
                table.nr_updates -= 1
            del table.pairs[who]
            self._missing.pop((who, key), None)
            self._reported.discard((who, key))
        if table is not None and not table.pairs:
            del self._tables[key]
        return bool(ended)

    def rotate(self) -> Snapshot:
        """Finish the generation; the next one begins with what lives on."""
        self._note_missing()
        finished = Snapshot(self._tables, dict(self._missing))
        self._before, self._tables = finished.tables, {}
        for key, table in finished.tables.items():
            for identity, pair in table.pairs.items():
                if pair.life:
                    self._carry(key, identity, table, pair)
        return finished

    def _carry(self, key: str, identity: str, before: Table, pair: Pair) -> None:
        table = self._begun(key, before.name)
        rows = [dict(row) for row in pair.rows]
        table.pairs[identity] = Pair(rows, pair.keys, pair.life, False, pair.upserted)
        table.upserted |= pair.upserted
        table.nr_updates += 1
        for column in pair.keys:
            if column in before.words:
                table.said_before[column] = before.words[column]

    def _begun(self, key: str, name: str) -> Table:
        """The table, which begins with the columns that were sent for the last snapshot."""
        table = self._tables.get(key)
        if table is None:
            before = self._before.get(key)
            columns = dict(_sent_columns(before)) if before is not None else {}
            table = Table(before.name if before is not None else name, columns)
            self._tables[key] = table
        return table

    def _merged(self, publication: Publication) -> Table:
        table = self._begun(publication.table_key, publication.tablename)
        for column in publication.columns:
            table.columns.setdefault(column.key, (column.name, column.type))
        return table

    def _describe(self, table: Table, publication: Publication) -> None:
        for column, text in zip(publication.columns, publication.descriptions, strict=False):
            _, giver = table.said.get(column.key, ("", publication.identity))
            if text and giver == publication.identity:
                table.said[column.key] = (text, giver)

    def _note_missing(self) -> None:
        present = {(who, key) for key, table in self._tables.items() for who in table.pairs}
        missed = {who: nr + 1 for who, nr in self._missing.items() if who not in present}
        self._missing = missed | dict.fromkeys(self._reported - present, 1)
        self._reported = present


def _sent_columns(table: Table) -> list[tuple[str, tuple[str, str]]]:
    carried = [pair.keys for pair in table.pairs.values() if not pair.fresh]
    sent = table.sent.union(*carried)
    return [(key, column) for key, column in table.columns.items() if key in sent]


def _rows_of(publication: Publication) -> list[Row] | None:
    """None where one has not a cell for each column."""
    keys = [column.key for column in publication.columns]
    rows = msgspec.json.decode(publication.rows_json)
    if any(len(row) != len(keys) for row in rows):
        return None
    return [dict(zip(keys, map(_plain, row), strict=True)) for row in rows]


def _plain(cell: Any) -> Any:
    """What is nested is kept as its JSON."""
    return msgspec.json.encode(cell).decode() if isinstance(cell, list | dict) else cell


def _life(publication: Publication) -> str:
    if publication.persist:
        return "persist"
    return "ttl" if publication.ttl_s is not None else ""


def _counts_already(before: Pair | None, publication: Publication) -> bool:
    """Whether a repeat is passed over."""
    if before is None or not before.fresh or before.life:
        return False
    return not (publication.replace or _life(publication))


def _upsert(pair: Pair, before: Pair | None, keycols: Sequence[str]) -> None:
    """Make the pair what it was, with its rows merged by those columns, by all of them if none."""
    keys = keycols or sorted(pair.keys)
    sent = {tuple(map(_comparable, _cells(row, keys))): row for row in pair.rows}
    kept = [dict(row) for row in before.rows] if before is not None else []
    met = set()
    for row in kept:
        key = tuple(map(_comparable, _cells(row, keys)))
        if key in sent:
            met.add(key)
            row |= {name: cell for name, cell in sent[key].items() if name not in keys}
    pair.rows = kept + [row for key, row in sent.items() if key not in met]
    pair.upserted = True
    if before is not None:
        pair.keys = pair.keys | before.keys
        if pair.life != "persist":
            pair.life = "persist" if before.life == "persist" else pair.life or before.life


def _cells(row: Row, keys: Sequence[str]) -> list[Any]:
    return [row.get(key) for key in keys]


def _comparable(cell: Any) -> Any:
    """What is the same for cells that SQL calls the same (IS)."""
    return ("text", cell) if isinstance(cell, str) else cell


@lru_cache(maxsize=4096, typed=True)
def _stored(kind: str, cell: Any) -> Any:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE t (c {kind})")
        connection.execute("INSERT INTO t VALUES (?)", (cell,))
        (stored,) = connection.execute("SELECT c FROM t").fetchone()
    return stored


assert set(TYPE_NAMES.values()) == {"TEXT", "INTEGER", "REAL"}, "what `_stored` asks SQLite for"
