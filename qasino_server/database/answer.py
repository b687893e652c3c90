"""One statement on one connection -> a Result, or rows as a stream.

A statement is examined before it runs: SQLite must call it read-only, with columns, alone, and
at most an EXPLAIN QUERY PLAN. One that is new to its connection goes on from there, prepared
once; its rows are fetched and encoded here, since most statements give few. Where they are
many, or the statement was seen before, SQLite builds the JSON itself (`built`), in one step
without the GIL: two threads that fetch rows slow each other down.

Where that cannot work (EXPLAIN, hundreds of columns, BLOBs, of which json_array would turn
some into JSON silently, infinities, more than the server returns) the rows are fetched and
encoded here: slower, the same answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from typing import Any

import apsw
import msgspec

from qasino_server.database.built import Built, NotBuilt, forms_of, read_built, wrapped
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
    unfit: frozenset[str] = frozenset()
    """Forms in which SQLite has built something else than this gives."""
    repeatable: bool = False
    """Whether the same snapshot, views and static tables give the same answer again."""


class Begun(msgspec.Struct, frozen=True):
    """A statement that runs: it has come as far as its first row."""

    cursor: apsw.Cursor
    since_s: float
    """When it began, on the clock of `time.perf_counter`."""


def examine(on: SnapshotConnection, sql: str, bindings: tuple[str, ...]) -> Examined:
    """Ask SQLite what the statement is; refuse all but one reading statement.

    A connection remembers what it was told of short statements, as long as its schema and
    its views stay what they are. Raises SqlError with SQLite's message and the place.
    """
    return _remembered(on, sql, bindings) or _examine(on, sql, bindings)[0]


def begin(
    on: SnapshotConnection, sql: str, bindings: tuple[str, ...], may_run: Callable[[], None]
) -> tuple[Examined, Begun | None]:
    """As `examine`; a statement that is new to the connection is begun with it.

    So it is prepared once. None for one that is not new: there are better ways to run it.
    `may_run` is called when it has been looked at, and may raise. Raises as `examine` does,
    and what is wrong with its first row.
    """
    remembered = _remembered(on, sql, bindings)
    if remembered is not None:
        may_run()
        return remembered, None
    return _examine(on, sql, bindings, may_run)


def _remembered(on: SnapshotConnection, sql: str, bindings: tuple[str, ...]) -> Examined | None:
    remembered: Examined | None = on.examined.get(sql)
    if remembered is None or remembered.bindings != bindings:
        return None
    on.sandbox.running = True
    return remembered


def _remember(on: SnapshotConnection, examined: Examined) -> None:
    if len(examined.sql) <= _REMEMBERED_CHARS:
        if len(on.examined) >= _REMEMBERED:
            on.examined.clear()
        on.examined[examined.sql] = examined


def _examine(
    on: SnapshotConnection,
    sql: str,
    bindings: tuple[str, ...],
    may_run: Callable[[], None] | None = None,
) -> tuple[Examined, Begun]:
    """Prepare the statement, look at it, and let it go on where it may run."""
    on.sandbox.running = False
    on.sandbox.watch()
    found: list[Examined] = []
    since_s = 0.0

    def look(cursor: apsw.Cursor, first: str, bound: Any) -> bool:
        nonlocal since_s
        if not found:  # what may follow are blanks and comments
            found.append(_told(on, sql, bindings, cursor, first))
            on.sandbox.running = True
            if may_run is not None:
                may_run()
                since_s = time.perf_counter()
        return may_run is not None

    cursor = on.connection.cursor()
    cursor.exec_trace = look
    try:
        # Not one that was kept: of a static table that was replaced it would tell what was.
        cursor.execute(sql, bindings, can_cache=False)
    except apsw.ExecTraceAbort:
        pass
    except apsw.BindingsError:
        raise SqlError(
            "the statement has parameters (?, :name), and no values come with it"
        ) from None
    except apsw.Error as error:
        raise in_words(error, on, sql) from None
    except (ValueError, UnicodeError):
        raise SqlError("the statement has a NUL character or half a surrogate pair") from None
    if not found:
        raise _nothing_to_run()
    _remember(on, found[0])
    return found[0], Begun(cursor, since_s)


def _told(
    on: SnapshotConnection, sql: str, bindings: tuple[str, ...], cursor: apsw.Cursor, first: str
) -> Examined:
    """What SQLite says of a statement it has prepared and not begun. Raises QasinoError."""
    if not cursor.has_vdbe:
        raise _nothing_to_run()
    columns = cursor.description_full
    is_explain = cursor.is_explain
    if is_explain == 1 or not cursor.is_readonly or not columns:
        raise NotReading(
            "Unrecognized statement: only reading is possible here, by SELECT, WITH, VALUES,"
            " EXPLAIN QUERY PLAN, SHOW and DESC"
        )
    sandbox = on.sandbox
    repeatable, nested = not sandbox.changing, sandbox.nr_selects > 1
    if len(first) < len(sql):
        _refuse_more(on, sql[len(first) :])
    names, types, computed = _columns(columns, nested)
    return Examined(
        sql=sql,
        bindings=bindings,
        names=names,
        types=types,
        computed=computed,
        alone=first.rstrip().removesuffix(";"),
        wrappable=not is_explain and len(columns) <= _WRAPPED_COLUMNS_MAX,
        repeatable=repeatable,
    )


def _nothing_to_run() -> SqlError:
    return SqlError("there is no statement to run")


@lru_cache(maxsize=256)
def _columns(
    columns: tuple[tuple[str | None, ...], ...], nested: bool
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]]:
    """Their names, declared types, and which of them may hold BLOBs.

    Of selects within selects, UNION and views SQLite tells the origin of one part alone.
    """
    return (
        tuple(str(column[0]) for column in columns),
        tuple(column[1] or "" for column in columns),
        tuple(n for n, column in enumerate(columns) if nested or not _of_table(column[3])),
    )


def _of_table(origin: str | None) -> bool:
    return origin is not None and not is_table_function(origin)


def _refuse_more(on: SnapshotConnection, remaining: str) -> None:
    """Nothing but blanks, comments and ; may follow the statement."""
    more: list[bool] = []

    def look(cursor: apsw.Cursor, first: str, bound: Any) -> bool:
        more.append(cursor.has_vdbe)
        return not cursor.has_vdbe

    if not remaining.strip(" \t\n\f\r;"):
        return
    cursor = on.connection.cursor()
    cursor.exec_trace = look
    try:
        cursor.execute(remaining, can_cache=False)
    except (apsw.Error, ValueError):
        more.append(True)
    if any(more):
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


def answer(
    on: SnapshotConnection,
    query: Examined,
    typed: bool,
    limits: Limits,
    begun: Begun | None = None,
) -> Result:
    """The whole result as JSON: typed, or all strings with the widths of the columns.

    `begun` is what `begin` gave.
    """
    if query.wrappable and begun is None:
        built = _build_in_sqlite(on, query, typed, limits)
        if built is not None:
            return built
    return _build_here(on, query, typed, limits, begun)


def _build_in_sqlite(
    on: SnapshotConnection, query: Examined, typed: bool, limits: Limits
) -> Result | None:
    """None where SQLite cannot, or where what it built is not what we promise.

    A form that did not do is not tried again for that statement.
    """
    built = None
    unfit = set(query.unfit)
    for form in forms_of(typed):
        if form in unfit:
            continue
        try:
            built = _built(on, query, form, limits)
        except NotBuilt:
            unfit.update(forms_of(typed))
        if built is not None:
            break
        unfit.add(form)
    if len(unfit) > len(query.unfit) and query.sql in on.examined:
        on.examined[query.sql] = msgspec.structs.replace(query, unfit=frozenset(unfit))
    if built is None:
        return None
    return Result(
        column_names=query.names,
        column_types=query.types,
        nr_rows=built.nr_rows,
        rows_json=built.rows_json,
        max_widths=_with_headings(query.names, built.widths),
        truncated=built.truncated,
    )


def _built(on: SnapshotConnection, query: Examined, form: str, limits: Limits) -> Built | None:
    nr_columns = len(query.names)
    sql = wrapped(query.alone, nr_columns, query.computed, form, limits.max_rows + 1)
    try:
        found = on.connection.execute(sql, query.bindings).fetchall()[0]
    except (apsw.InterruptError, apsw.AuthError):
        raise
    except apsw.Error:
        raise NotBuilt from None
    return read_built(form, found, nr_columns, limits.max_rows, limits.max_bytes)


def _with_headings(names: Sequence[str], widths: Sequence[int]) -> tuple[int, ...]:
    return tuple(max(len(name), w) for name, w in zip(names, widths, strict=True)) if widths else ()


def _build_here(
    on: SnapshotConnection,
    query: Examined,
    typed: bool,
    limits: Limits,
    begun: Begun | None = None,
) -> Result:
    """Fetch row by row, up to the limits on rows and bytes.

    A statement that was begun, gave its first rows at once and has more is begun anew in SQLite.
    """
    widths = [len(name) for name in query.names]
    encoded: list[bytes] = []
    size_bytes = 0
    truncated = False
    with closing(rows_of(on, query, begun)) as rows:
        for row in rows:
            cells = _typed_row(row) if typed else _string_row(row)
            line = _encode(cells)
            size_bytes += len(line) + 1
            if len(encoded) == limits.max_rows or size_bytes > limits.max_bytes:
                truncated = True
                break
            encoded.append(line)
            if not typed:
                widths = list(map(max, widths, map(len, cells)))
            if len(encoded) == _FEW_ROWS and query.wrappable and begun is not None:
                built = None
                if time.perf_counter() < begun.since_s + _AT_ONCE_S:
                    built = _build_in_sqlite(on, query, typed, limits)
                if built is not None:
                    return built
    return Result(
        column_names=query.names,
        column_types=query.types,
        nr_rows=len(encoded),
        rows_json=b"[%b]" % b",".join(encoded),
        max_widths=() if typed else tuple(widths),
        truncated=truncated,
    )


_encode = msgspec.json.Encoder().encode


def _typed_row(row: Sequence[Any]) -> list[Any]:
    return [json_cell(cell) if type(cell) is bytes else cell for cell in row]


def _string_row(row: Sequence[Any]) -> list[str]:
    return [cell if type(cell) is str else text_cell(cell) for cell in row]


# --- Rows -----------------------------------------------------------------------------------


def rows_of(
    on: SnapshotConnection, query: Examined, begun: Begun | None = None
) -> Generator[tuple[Any, ...], None, None]:
    """The rows as Python values, fetched as they are asked for.

    Raises apsw.Error; text that is not UTF-8 comes with U+FFFD in it.
    """
    cursor = begun.cursor if begun is not None else on.connection.execute(query.sql, query.bindings)
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


def collect(
    on: SnapshotConnection, query: Examined, limits: Limits, begun: Begun | None = None
) -> Result:
    """The whole result as Python rows, up to the limits: for a text table."""
    rows: list[tuple[Any, ...]] = []
    size_bytes = 0
    truncated = False
    for row in rows_of(on, query, begun):
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
