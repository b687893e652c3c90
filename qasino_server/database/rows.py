"""A publication's rows: checked, and put into a table.

Plain ones become values that are bound (`cells`). The others go from JSON text to table cells
inside SQLite, in statements that hold no GIL, but walk what they are given from its start for
every cell: of wide rows only those go this way that no other way takes, and in pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import apsw
import msgspec

from qasino_server.database.cells import CELLS_MAX_BYTES, Cells, read_any_cells, read_cells
from qasino_server.database.ranges import Ranges, RowRange
from qasino_server.errors import BadRequest
from qasino_server.remembered import remembered
from qasino_server.request_rows import UnreadRows

_PORTIONS = (32, 8, 2, 1)
"""Rows bound to one statement; each is prepared and kept.

Of 64, 16, 4 and 1 ten rows took four statements and 1.2 times as long; and a fleet of a hundred
headers 1.1 times, since what a statement is prepared into is as large as what is bound to it.
"""
_BOUND_MAX = 960
"""Values bound to one statement, unless one row has more: as many as a connection has room for
(`heap`)."""
_JSON_MAX_COLUMNS = 30
"""Of 12 MB by JSON and bound: 0.6 and 0.3 s of rows of 30 columns, 1.4 and 0.3 of 100, 17 and 0.2
of 2000."""

_LONG = 10_000
"""Of the names of columns: apsw prepares a statement of more than 16 KiB for each row anew, which
takes 3 ms for 2000 columns."""

_PIECE_COLUMNS = 40
"""Of rows that SQLite reads: 4 MB of 2000, 500 and 100 columns with a nested cell in each row took
3.3, 0.7 and 0.25 s whole, and 0.28, 0.2 and 0.18 in pieces; in those of 20 or 80 no less."""
_entries = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode

Execute = Callable[[str, Sequence[Any]], object]


class CheckedRows(msgspec.Struct, frozen=True):
    """Rows that have been read, each of the right length, in one of two forms."""

    nr_rows: int
    jsonb: bytes = b""
    """As SQLite has parsed them."""
    cells: Cells | None = None


def check_rows(connection: apsw.Connection, rows_json: str, nr_columns: int) -> CheckedRows:
    """Read the rows, to be inserted; each must be an array of `nr_columns` cells.

    Raises BadRequest with the number of the first row that is not, counted from 1, or where unread
    ones are no JSON.
    """
    cells = read_cells((rows_json,), nr_columns)
    if cells is not None:
        return CheckedRows(nr_rows=cells.counts[0], cells=cells)
    if isinstance(rows_json, UnreadRows):
        return check_rows(connection, rows_json.read(), nr_columns)
    return parse_rows(connection, rows_json, nr_columns)


def parse_rows(connection: apsw.Connection, rows_json: str, nr_columns: int) -> CheckedRows:
    """As `check_rows`, by SQLite."""
    try:
        jsonb = connection.execute("SELECT jsonb(?)", (rows_json,)).get
    except apsw.SQLError:
        # msgspec has found it well formed; what SQLite minds besides is depth (1000).
        raise BadRequest("table.rows is nested too deeply for SQLite") from None
    bad = connection.execute(
        "SELECT key, type, CASE type WHEN 'array' THEN json_array_length(value) END"
        " FROM jsonb_each(?) WHERE type <> 'array' OR json_array_length(value) <> ? LIMIT 1",
        (jsonb, nr_columns),
    ).get
    if bad is not None:
        row, kind, length = bad
        found = f"has {length} cells" if kind == "array" else f"is of type {kind}"
        raise BadRequest(
            f"row {row + 1} {found}; every row is an array of {nr_columns} cells, one a column"
        )
    nr_rows = connection.execute("SELECT json_array_length(?)", (jsonb,)).get
    return CheckedRows(nr_rows=nr_rows, jsonb=jsonb)


def insert_rows(connection: apsw.Connection, into: str, nr_columns: int, rows: CheckedRows) -> None:
    """Append the rows; `into` is the table, and its columns if need be, as in SQL."""
    if rows.cells is not None:
        bind_values(connection.execute, into, nr_columns, rows.cells.values)
    elif nr_columns <= _JSON_MAX_COLUMNS:
        connection.execute(_from_json(into, nr_columns), (rows.jsonb,))
    else:
        for portion in _in_portions(connection, rows.jsonb):
            cells = read_any_cells((portion,), nr_columns)
            if cells is not None:
                bind_values(connection.execute, into, nr_columns, cells.values)
            else:
                _insert_in_pieces(connection.execute, into, nr_columns, portion)


def appended(connection: apsw.Connection, count: int) -> Ranges:
    """The range of the rows the last INSERT appended: rowids grow by one, we alone write."""
    if not count:
        return ()
    last = connection.last_insert_rowid()
    return (RowRange(last - count + 1, last),)


def _insert_in_pieces(execute: Execute, into: str, nr_columns: int, rows_json: str) -> None:
    """Append rows that SQLite has to read, cut into pieces that are short to walk."""
    pieces = [
        _encode(cells[begins : begins + _PIECE_COLUMNS]).decode()
        for cells in map(_entries, _entries(rows_json))  # not all at once, since it holds the GIL
        for begins in range(0, nr_columns, _PIECE_COLUMNS)
    ]
    nr_pieces = -(-nr_columns // _PIECE_COLUMNS)
    execute(f"CREATE TEMP TABLE pieces ({', '.join(f'p{n}' for n in range(nr_pieces))})", ())
    bind_values(execute, "temp.pieces", nr_pieces, pieces)
    execute(_from_pieces(into, nr_columns, _PIECE_COLUMNS), ())
    execute("DROP TABLE temp.pieces", ())


def bind_values(execute: Execute, into: str, nr_columns: int, values: Sequence[Any]) -> None:
    """Append rows, whose cells these are, one row's after the other's."""
    nr_rows = len(values) // nr_columns
    if nr_rows > 1 and len(into) > _LONG:
        _bind_nameless(execute, into, nr_columns, values)
        return
    begins = 0
    for portion in _portions(nr_rows, nr_columns):
        ends = begins + portion * nr_columns
        execute(_from_values(into, nr_columns, portion), values[begins:ends])
        begins = ends


def _bind_nameless(execute: Execute, into: str, nr_columns: int, values: Sequence[Any]) -> None:
    """By way of a table whose columns need not be named for each row."""
    execute(f"CREATE TEMP TABLE nameless ({', '.join(f'c{n}' for n in range(nr_columns))})", ())
    bind_values(execute, "temp.nameless", nr_columns, values)
    execute(f"INSERT INTO {into} SELECT * FROM temp.nameless ORDER BY rowid", ())
    execute("DROP TABLE temp.nameless", ())


def json_cells(count: int) -> str:
    """The cells of a row that json_each has found, as in SQL."""
    return ", ".join(f"value->>'$[{n}]'" for n in range(count))


def _in_portions(connection: apsw.Connection, jsonb: bytes) -> Iterator[str]:
    """The same rows as JSON, each portion little longer than what may be read with the GIL held.

    SQLite tells where the rows end in the text that it makes of them, without the GIL.
    """
    ends: list[tuple[Any, ...]] = connection.execute(
        "SELECT max(ends) FROM"
        " (SELECT sum(length(value) + 1) OVER (ORDER BY key) AS ends FROM json_each(?))"
        " GROUP BY ends / ? ORDER BY 1",
        (jsonb, CELLS_MAX_BYTES),
    ).fetchall()
    text = connection.execute("SELECT json(?)", (jsonb,)).get
    for (begins,), (follows,) in pairwise([(0,), *ends]):
        yield f"[{text[begins + 1 : follows]}]"


@lru_cache(maxsize=64)
def _from_json(into: str, nr_columns: int) -> str:
    return f"INSERT INTO {into} SELECT {json_cells(nr_columns)} FROM jsonb_each(?)"


@lru_cache(maxsize=64)
def _from_pieces(into: str, nr_columns: int, piece_columns: int) -> str:
    where = (divmod(n, piece_columns) for n in range(nr_columns))
    cells = ", ".join(f"p{piece}->>{place}" for piece, place in where)
    return f"INSERT INTO {into} SELECT {cells} FROM temp.pieces ORDER BY rowid"


@lru_cache(maxsize=1024)
def _portions(nr_rows: int, nr_columns: int) -> tuple[int, ...]:
    """In how many rows at a time so many are bound."""
    portions: list[int] = []
    for portion in _PORTIONS:
        if portion == 1 or portion * nr_columns <= _BOUND_MAX:
            times, nr_rows = divmod(nr_rows, portion)
            portions += [portion] * times
    return tuple(portions)


@remembered(256)
def _from_values(into: str, nr_columns: int, nr_rows: int) -> str:
    # Without blanks: apsw looks a statement up by all of its text, each time.
    row = f"({','.join('?' * nr_columns)})"
    return f"INSERT INTO {into} VALUES {','.join([row] * nr_rows)}"
