"""Rows that are merged into a table by key columns, among rows that are there.

By way of TEMP tables: of the rows that are sent, and of which row there each of them meets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import apsw
import msgspec

from qasino_server.database.ranges import Ranges
from qasino_server.database.rows import CheckedRows, appended, insert_rows
from qasino_server.database.sqltext import quoted, quoted_all, rowid_name
from qasino_server.table import Columns

_INDEXED_KEYS = 8
"""Of an update: with an index of 2000 columns SQLite took 2.4 s to find one row of 2000."""
_UNMATCHED = "WHERE rowid NOT IN (SELECT source FROM temp.matched)"


class Upsert(msgspec.Struct, frozen=True):
    """What is to be merged into which table."""

    name: str
    columns: Columns
    """The table's, all of them."""
    targets: Sequence[str]
    """The table's name for each cell of a row."""
    keys: Sequence[str]
    """Those of them by which rows are the same."""
    rows: CheckedRows
    among: Ranges
    """The rows of the table that they may meet."""


def upsert(connection: apsw.Connection, wanted: Upsert) -> Ranges:
    """Update the rows `among` that match on `keys`, append the others; the new rows.

    Keys are compared with IS after the affinity of the table's columns, the last of
    duplicates wins, and columns that are not among `targets` are left alone.
    """
    with _matched(connection, wanted):
        if wanted.among:
            _update_matched(connection, wanted)
        return _append_unmatched(connection, wanted)


def count_unmatched(connection: apsw.Connection, wanted: Upsert) -> int:
    """How many rows `upsert` would append."""
    with _matched(connection, wanted):
        return int(connection.execute(f"SELECT count(*) FROM temp.staged {_UNMATCHED}").get)


@contextmanager
def _matched(connection: apsw.Connection, wanted: Upsert) -> Iterator[None]:
    """Within it there are TEMP tables of the rows, and of those `among` they match."""
    _stage(connection, wanted)
    try:
        _match(connection, wanted)
        yield
    finally:
        if connection.in_transaction:
            connection.execute("DROP TABLE IF EXISTS temp.staged")
            connection.execute("DROP TABLE IF EXISTS temp.matched")


def _stage(connection: apsw.Connection, wanted: Upsert) -> None:
    targets, keys = wanted.targets, wanted.keys
    types = {column.name: column.type for column in wanted.columns}
    body = ", ".join(f"c{n} {types[name]}" for n, name in enumerate(targets))
    connection.execute(f"CREATE TEMP TABLE staged ({body})")
    insert_rows(connection, "temp.staged", len(targets), wanted.rows)
    connection.execute(
        "DELETE FROM temp.staged WHERE rowid NOT IN"
        f" (SELECT max(rowid) FROM temp.staged GROUP BY {_staged(keys, targets)})"
    )
    indexed = _staged(keys[:_INDEXED_KEYS], targets)
    connection.execute(f"CREATE INDEX temp.staged_keys ON staged ({indexed})")


def _staged(keys: Sequence[str], targets: Sequence[str]) -> str:
    return ", ".join(f"c{targets.index(key)}" for key in keys)


def _match(connection: apsw.Connection, wanted: Upsert) -> None:
    """Pair the rows of those ranges with the staged rows of the same key."""
    rowid, targets = rowid_name(wanted.columns), wanted.targets
    same = _all_of([f's.c{targets.index(key)} IS "=t".{quoted(key)}' for key in wanted.keys])
    connection.execute("CREATE TEMP TABLE matched (target INTEGER PRIMARY KEY, source INTEGER)")
    connection.executemany(
        f'INSERT INTO temp.matched SELECT "=t".{rowid}, s.rowid'
        f' FROM main.{quoted(wanted.name)} AS "=t" CROSS JOIN temp.staged AS s'
        f' WHERE "=t".{rowid} BETWEEN ? AND ? AND {same}',
        [(r.first, r.last) for r in wanted.among],
    )


def _all_of(conditions: Sequence[str]) -> str:
    """The conditions joined by AND, as a tree: a chain of 1,001 is too deep for SQLite."""
    if len(conditions) <= 100:
        return " AND ".join(conditions)
    middle = len(conditions) // 2
    return f"({_all_of(conditions[:middle])}) AND ({_all_of(conditions[middle:])})"


def _update_matched(connection: apsw.Connection, wanted: Upsert) -> None:
    changes = ", ".join(
        f"{quoted(target)} = s.c{n}"
        for n, target in enumerate(wanted.targets)
        if target not in wanted.keys
    )
    if changes:
        rowid = f'"=t".{rowid_name(wanted.columns)}'
        # Of two tables in its FROM, SQLite makes a select of all their columns, and takes 2000.
        connection.execute(
            f'UPDATE main.{quoted(wanted.name)} AS "=t" SET {changes} FROM temp.staged AS s'
            f" WHERE {rowid} IN (SELECT target FROM temp.matched)"
            f" AND s.rowid = (SELECT source FROM temp.matched WHERE target = {rowid})"
        )


def _append_unmatched(connection: apsw.Connection, wanted: Upsert) -> Ranges:
    cells = ", ".join(f"c{n}" for n in range(len(wanted.targets)))
    connection.execute(
        f"INSERT INTO main.{quoted(wanted.name)} ({quoted_all(wanted.targets)})"
        f" SELECT {cells} FROM temp.staged {_UNMATCHED} ORDER BY rowid"
    )
    return appended(connection, connection.changes())
