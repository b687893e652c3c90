"""Rows that are merged into a table by key columns, among rows that are there.

By way of TEMP tables: of the rows that are sent, and of which row there each of them meets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager

import apsw
import msgspec

from qasino_server.database.ranges import Ranges, ranges_json
from qasino_server.database.rows import CheckedRows, appended, insert_rows
from qasino_server.database.sqltext import quoted, quoted_all, rowid_name
from qasino_server.table import Columns

_INDEXED_KEYS = 8
"""Of an update: with an index of 2000 columns SQLite took 2.4 s to find one row of 2000."""
_ALIKE_MOST = 16
"""Rows that may have those first keys in common. Where 10,000 processes of one host had, each was
compared with each, for 45 s; found by a text made of all keys, they took 0.1 s. That text takes
longer to look up than eight columns, up to seven times for REALs."""
_TEXT_CELLS = 50
"""What one call puts together, half of its arguments: older SQLite takes 127 of them."""
_LEAST = "-9223372036854775808"
"""An integer that is the same by IS as a REAL whose text is another."""
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
    with _matched(connection, wanted, wanted.columns):
        if wanted.among:
            _update_matched(connection, wanted)
        return _append_unmatched(connection, wanted)


def count_unmatched(connection: apsw.Connection, wanted: Upsert, there: Columns) -> int:
    """How many rows `upsert` would append to a table that is to get the columns which are not yet
    `there`, the table itself where none are."""
    with _matched(connection, wanted, there):
        return int(connection.execute(f"SELECT count(*) FROM temp.staged {_UNMATCHED}").get)


@contextmanager
def _matched(connection: apsw.Connection, wanted: Upsert, there: Columns) -> Iterator[None]:
    """Within it there are TEMP tables of the rows, and of those `among` they match."""
    _stage(connection, wanted)
    try:
        _match(connection, wanted, frozenset(column.name for column in there))
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


def _staged(keys: Sequence[str], targets: Sequence[str]) -> str:
    return ", ".join(f"c{targets.index(key)}" for key in keys)


def _match(connection: apsw.Connection, wanted: Upsert, there: Set[str]) -> None:
    """Pair the rows of those ranges with the staged rows of the same key; a column that is not
    `there` is NULL in all of them."""
    connection.execute("CREATE TEMP TABLE matched (target INTEGER PRIMARY KEY, source INTEGER)")
    if not wanted.among:
        return
    rowid, keys = rowid_name(wanted.columns), wanted.keys
    theirs = [f'"=t".{quoted(key)}' if key in there else "NULL" for key in keys]
    ours = [f"s.c{wanted.targets.index(key)}" for key in keys]
    same = _all_of([f"{our} IS {their}" for our, their in zip(ours, theirs, strict=True)])
    indexed = _staged(keys[:_INDEXED_KEYS], wanted.targets)
    if len(keys) > _INDEXED_KEYS and _most_alike(connection, indexed) > _ALIKE_MOST:
        same = f"{_as_text(ours)} = {_as_text(theirs)} AND {same}"
        indexed = _as_text([our.removeprefix("s.") for our in ours])
    connection.execute(f"CREATE INDEX temp.staged_keys ON staged ({indexed})")
    connection.execute(
        f'INSERT INTO temp.matched SELECT "=t".{rowid}, s.rowid FROM json_each(?) AS "=r"'
        f' CROSS JOIN main.{quoted(wanted.name)} AS "=t" CROSS JOIN temp.staged AS s'
        f' WHERE "=t".{rowid} BETWEEN "=r".value->>0 AND "=r".value->>1 AND {same}',
        (ranges_json(wanted.among),),
    )


def _most_alike(connection: apsw.Connection, columns: str) -> int:
    """How many of the staged rows have the same in these columns, at most."""
    alike = f"SELECT count(*) AS nr_rows FROM temp.staged GROUP BY {columns}"
    return int(connection.execute(f"SELECT coalesce(max(nr_rows), 0) FROM ({alike})").get)


def _as_text(cells: Sequence[str]) -> str:
    """Cells as one text, in SQL: the same for rows that match, and for few others."""
    return _concat([f"nullif({cell}, {_LEAST})" for cell in cells])


def _concat(texts: Sequence[str]) -> str:
    if len(texts) > _TEXT_CELLS:
        begins = range(0, len(texts), _TEXT_CELLS)
        return _concat([_concat(texts[begin : begin + _TEXT_CELLS]) for begin in begins])
    with_commas = ", ',', ".join(texts)
    return f"concat({with_commas})"


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
