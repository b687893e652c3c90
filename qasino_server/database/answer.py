"""One statement on one connection -> a Result, or rows as a stream.

A statement is examined first: SQLite must call it read-only, with columns, alone, and at
most an EXPLAIN QUERY PLAN. Then, where the rows are wanted as JSON, SQLite builds the JSON
itself, in one step without the GIL (two threads that fetch rows slow each other down):

    WITH q(c0, c1, ..) AS (<the statement>) SELECT json_group_array(json_array(c0, ..)) ..

Where that cannot work (EXPLAIN, hundreds of columns, BLOBs, of which json_array would turn
some into JSON silently, infinities, more than the server returns) the rows are fetched and
encoded here: slower, the same answer. That is also how a statement begins that a connection
has not seen before: most have few rows, and preparing the wrapping costs more than they do.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from typing import Any

import apsw
import msgspec

from qasino_server.database.sandbox import is_table_function
from qasino_server.database.snapshot import SnapshotConnection
from qasino_server.errors import Cancelled, NotReading, QasinoError, SqlError
from qasino_server.render import json_cell, text_cell
from qasino_server.table import Result

_WRAPPED_COLUMNS_MAX = 300
_FEW_ROWS = 100
_AT_ONCE_S = 0.002
_REMEMBERED = 200
_CELL_BYTES = 32
_REMEMBERED_CHARS = 2000
_INFINITY = b"9.0e+999"  # how SQLite writes an infinity in JSON, which no parser reads back


class Limits(msgspec.Struct, frozen=True):
    """How much of a result is returned at once."""

    max_rows: int
    max_bytes: int


class Examined(msgspec.Struct, frozen=True):
    """A statement SQLite has agreed to, and what it will give."""

    sql: str
    """As it came."""
    bindings: tuple[str, ...]
    names: tuple[str, ...]
    types: tuple[str, ...]
    computed: tuple[int, ...]
    """Columns that are expressions, or of a table function: only those can hold a BLOB, since
    tables are made of JSON, which has none."""
    alone: str
    """Without a `;` at its end, to stand in another statement."""
    wrappable: bool
    repeatable: bool = False
    """Whether the same snapshot, views and static tables give the same answer again."""
    seen: bool = False
    """Whether it was examined on this connection before."""


def examine(on: SnapshotConnection, sql: str, bindings: tuple[str, ...]) -> Examined:
    """Ask SQLite what the statement is; refuse all but one reading statement.

    A connection remembers what it was told of short statements, as long as its schema and
    its views stay what they are. Raises SqlError with SQLite's message and the place.
    """
    remembered: Examined | None = on.examined.get(sql)
    if remembered is not None and remembered.bindings == bindings:
        on.sandbox.running = True
        return remembered
    examined = _examine(on, sql, bindings)
    if len(sql) <= _REMEMBERED_CHARS:
        if len(on.examined) >= _REMEMBERED:
            on.examined.clear()
        on.examined[sql] = msgspec.structs.replace(examined, seen=True)
    return examined


class _Details(msgspec.Struct, frozen=True):
    """What SQLite says of the first statement of a text."""

    sql: str
    has_vdbe: bool
    is_explain: int
    is_readonly: bool
    columns: tuple[tuple[str | None, ...], ...]


def _look(on: SnapshotConnection, sql: str, bindings: tuple[str, ...] = ()) -> _Details:
    """Prepare the first statement of the text, without running it. Raises apsw.Error.

    `apsw.ext.query_info` tells the same and more, and takes half as long again.
    """
    found: list[_Details] = []

    def tell(cursor: apsw.Cursor, first: str, bound: Any) -> bool:
        found.append(
            _Details(
                sql=first,
                has_vdbe=cursor.has_vdbe,
                is_explain=cursor.is_explain,
                is_readonly=cursor.is_readonly,
                columns=cursor.description_full or (),
            )
        )
        return False

    cursor = on.connection.cursor()
    cursor.exec_trace = tell
    try:
        # Not one that was kept: of a static table that was replaced it would tell what was.
        cursor.execute(sql, bindings, can_cache=False)
    except apsw.ExecTraceAbort:
        pass
    return found[0] if found else _Details(sql, False, 0, True, ())


def _examine(on: SnapshotConnection, sql: str, bindings: tuple[str, ...]) -> Examined:
    on.sandbox.running = False
    on.sandbox.changing = False
    try:
        details = _look(on, sql, bindings)
    except apsw.BindingsError:
        raise SqlError(
            "the statement has parameters (?, :name), and no values come with it"
        ) from None
    except apsw.Error as error:
        raise in_words(error, on, sql) from None
    except (ValueError, UnicodeError):
        raise SqlError("the statement has a NUL character or half a surrogate pair") from None
    if not details.has_vdbe:
        raise SqlError("there is no statement to run")
    if details.is_explain == 1 or not details.is_readonly or not details.columns:
        raise NotReading(
            "Unrecognized statement: only reading is possible here, by SELECT, WITH, VALUES,"
            " EXPLAIN QUERY PLAN, SHOW and DESC"
        )
    _refuse_more(on, sql[len(details.sql) :])
    on.sandbox.running = True
    columns = details.columns
    return Examined(
        sql=sql,
        bindings=bindings,
        names=tuple(str(column[0]) for column in columns),
        types=tuple(column[1] or "" for column in columns),
        computed=tuple(n for n, column in enumerate(columns) if not _of_table(column[3])),
        alone=details.sql.rstrip().removesuffix(";"),
        wrappable=not details.is_explain and len(columns) <= _WRAPPED_COLUMNS_MAX,
        repeatable=not on.sandbox.changing,
    )


def _of_table(origin: str | None) -> bool:
    return origin is not None and not is_table_function(origin)


def _refuse_more(on: SnapshotConnection, remaining: str) -> None:
    """Nothing but blanks, comments and ; may follow the statement."""
    while remaining:
        try:
            details = _look(on, remaining)
            more, remaining = details.has_vdbe, remaining[len(details.sql) :]
        except (apsw.Error, ValueError):
            more = True
        if more:
            raise SqlError("there are two statements; send one at a time")


def in_words(error: apsw.Error, on: SnapshotConnection, sql: str) -> QasinoError:
    """SQLite's error as one of ours, with the place in the statement."""
    message = str(error)
    if isinstance(error, apsw.InterruptError):
        return Cancelled("the query was stopped")
    if isinstance(error, apsw.AuthError):
        return NotReading(f"not authorized: {on.sandbox.refused or message}; queries only read")
    if isinstance(error, apsw.TooBigError):
        return SqlError("a value of the result is larger than this server builds (--max-result)")
    if isinstance(error, apsw.NoMemError):
        return SqlError("the statement needs more memory than there is")
    if isinstance(error, apsw.CantOpenError | apsw.FullError | apsw.IOError):
        return SqlError(f"no room for the query's temporary files: {message}")
    if message == "incomplete input":
        message = "Incomplete sql statement"
    for name in on.shadows:
        message = message.replace(f"no such table: main.{name}", f"no such table: {name}")
    if on.static_fault and message.startswith("no such table"):
        message += f" (the static tables cannot be read: {on.static_fault})"
    return SqlError(message, _offset_chars(sql, getattr(error, "error_offset", -1)))


def _offset_chars(sql: str, offset_bytes: int) -> int | None:
    if offset_bytes < 0:
        return None
    return len(sql.encode()[:offset_bytes].decode(errors="ignore"))


# --- Whole answers --------------------------------------------------------------------------


def answer(on: SnapshotConnection, query: Examined, typed: bool, limits: Limits) -> Result:
    """The whole result as JSON: typed, or all strings with the widths of the columns."""
    if query.wrappable and query.seen:
        built = _build_in_sqlite(on, query, typed, limits)
        if built is not None:
            return built
    return _build_here(on, query, typed, limits)


def _build_in_sqlite(
    on: SnapshotConnection, query: Examined, typed: bool, limits: Limits
) -> Result | None:
    """None where SQLite cannot, or where what it built is not what we promise."""
    found: tuple[Any, ...]
    wrapped = _wrapped(query.alone, len(query.names), query.computed, typed, limits.max_rows + 1)
    try:
        found = on.connection.execute(wrapped, query.bindings).fetchall()[0]
    except (apsw.InterruptError, apsw.AuthError):
        raise
    except apsw.Error:
        return None
    rows_json, nr_rows, blobs, *widths = found
    if blobs or len(rows_json) > limits.max_bytes or (typed and _INFINITY in rows_json):
        return None
    truncated = nr_rows > limits.max_rows
    if truncated:
        kept = msgspec.json.decode(rows_json, type=list[msgspec.Raw])[: limits.max_rows]
        rows_json, nr_rows = msgspec.json.encode(kept), limits.max_rows
    return Result(
        column_names=query.names,
        column_types=query.types,
        nr_rows=nr_rows,
        rows_json=_utf8(rows_json),
        max_widths=() if typed else _widths(query.names, widths),
        truncated=truncated,
    )


@lru_cache(maxsize=256)
def _wrapped(sql: str, width: int, computed: tuple[int, ...], typed: bool, most_rows: int) -> str:
    columns = [f"c{n}" for n in range(width)]
    cells = columns if typed else [f"coalesce(CAST({c} AS TEXT), '')" for c in columns]
    widths = "" if typed else "".join(f", max(length({c}))" for c in columns)
    blobs = " OR ".join(f"typeof(c{n}) = 'blob'" for n in computed)
    # AS BLOB, since a text that is not UTF-8 could not be fetched at all. A line end before
    # the parenthesis, since the statement may end in a comment. The limit is no parameter:
    # SQLite prepares a statement anew when one in a LIMIT changes (5 us became 56).
    return (
        f'WITH "=q"({", ".join(columns)}) AS ({sql}\n)'
        f" SELECT CAST(json_group_array(json_array({', '.join(cells)})) AS BLOB), count(*),"
        f" {f'max({blobs})' if blobs else '0'}{widths}"
        f' FROM (SELECT * FROM "=q" LIMIT {most_rows})'
    )


def _utf8(encoded: bytes) -> str:
    return encoded.decode(errors="replace")


def _widths(names: Sequence[str], widths: Sequence[int | None]) -> tuple[int, ...]:
    return tuple(max(len(name), w or 0) for name, w in zip(names, widths, strict=True))


def _build_here(on: SnapshotConnection, query: Examined, typed: bool, limits: Limits) -> Result:
    """Fetch row by row, up to the limits on rows and bytes.

    A statement that was not seen before and turns out to have many rows, and gave the first
    of them at once, is begun anew in SQLite.
    """
    encode = _typed_row if typed else _string_row
    widths = [len(name) for name in query.names]
    encoded: list[bytes] = []
    size_bytes = 0
    truncated = False
    began = time.perf_counter()
    with closing(rows_of(on, query)) as rows:
        for row in rows:
            line = msgspec.json.encode(encode(row))
            size_bytes += len(line) + 1
            if len(encoded) == limits.max_rows or size_bytes > limits.max_bytes:
                truncated = True
                break
            encoded.append(line)
            if not typed:
                widths = [max(w, len(text_cell(c))) for w, c in zip(widths, row, strict=True)]
            if len(encoded) == _FEW_ROWS and query.wrappable and not query.seen:
                built = None
                if time.perf_counter() < began + _AT_ONCE_S:
                    built = _build_in_sqlite(on, query, typed, limits)
                if built is not None:
                    return built
    return Result(
        column_names=query.names,
        column_types=query.types,
        nr_rows=len(encoded),
        rows_json=(b"[" + b",".join(encoded) + b"]").decode(),
        max_widths=() if typed else tuple(widths),
        truncated=truncated,
    )


def _typed_row(row: Sequence[Any]) -> list[Any]:
    return [json_cell(cell) for cell in row]


def _string_row(row: Sequence[Any]) -> list[str]:
    return [text_cell(cell) for cell in row]


# --- Rows -----------------------------------------------------------------------------------


def rows_of(on: SnapshotConnection, query: Examined) -> Generator[tuple[Any, ...], None, None]:
    """The rows as Python values, fetched as they are asked for.

    Raises apsw.Error; text that is not UTF-8 comes with U+FFFD in it.
    """
    cursor = on.connection.execute(query.sql, query.bindings)
    fetched = 0
    try:
        for row in cursor:
            if len(row) != len(query.names):
                raise SqlError("a static table was replaced while the query began; ask again")
            yield row
            fetched += 1
    except UnicodeDecodeError:
        cursor.close(True)
        yield from _rows_with_bad_text(on, query, fetched)
    finally:
        # A reader that is done must not hold a transaction on the static tables open.
        cursor.close(True)


def _rows_with_bad_text(
    on: SnapshotConnection, query: Examined, skip: int
) -> Iterator[tuple[Any, ...]]:
    """As rows_of, for what cannot be fetched as text: every text is fetched as bytes."""
    columns = [f"c{n}" for n in range(len(query.names))]
    cells = [f"typeof({c}), iif(typeof({c}) = 'text', CAST({c} AS BLOB), {c})" for c in columns]
    cursor = on.connection.execute(
        f'WITH "=q"({", ".join(columns)}) AS ({query.alone}\n) SELECT {", ".join(cells)}'
        f' FROM (SELECT * FROM "=q" LIMIT -1 OFFSET {skip})',
        query.bindings,
    )
    for row in cursor:
        pairs = zip(row[::2], row[1::2], strict=True)
        yield tuple(c.decode(errors="replace") if kind == "text" else c for kind, c in pairs)


def size_of(row: Sequence[Any]) -> int:
    """Bytes a row takes up in memory, near enough to bound an answer; an empty cell does too."""
    return sum(len(cell) for cell in row if isinstance(cell, str | bytes)) + _CELL_BYTES * len(row)


def collect(on: SnapshotConnection, query: Examined, limits: Limits) -> Result:
    """The whole result as Python rows, up to the limits: for a text table."""
    rows: list[tuple[Any, ...]] = []
    size_bytes = 0
    truncated = False
    for row in rows_of(on, query):
        size_bytes += size_of(row)
        if len(rows) == limits.max_rows or size_bytes > limits.max_bytes:
            truncated = True
            break
        rows.append(row)
    return Result(
        column_names=query.names,
        column_types=query.types,
        nr_rows=len(rows),
        rows=rows,
        truncated=truncated,
    )
