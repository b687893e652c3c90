"""One examined statement on one connection -> a Result, or rows as a stream.

Of a statement that was begun when it was examined the rows are fetched and encoded here, since
most give few. Where they are many, or the statement was seen before, SQLite builds the JSON
itself (`built`), in one step without the GIL: two threads that fetch rows slow each other down.

Where that cannot work (EXPLAIN, hundreds of columns, BLOBs, of which json_array would turn
some into JSON silently, infinities, more than the server returns) the rows are fetched and
encoded here: slower, the same answer.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import chain
from math import isinf
from typing import Any

import apsw
import msgspec

from qasino_server.database.built import Built, NotBuilt, forms_of, read_built, wrapped
from qasino_server.database.examine import Begun, Examined, remember_unfit
from qasino_server.database.snapshot import SnapshotConnection
from qasino_server.real import real_texts
from qasino_server.render import json_cell, text_cell
from qasino_server.table import Result

_FEW_ROWS = 100
_FEW_BYTES = 1 << 20
_AT_ONCE_S = 0.002
_CELL_BYTES = 32


class Limits(msgspec.Struct, frozen=True):
    """How much of a result is returned at once."""

    max_rows: int
    max_bytes: int


class BrokenText(Exception):
    """A text that is no UTF-8 came after other rows of a statement that may give others again."""


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

    A form that did not do is not tried again for that statement, nor for those that differ from
    it in values alone.
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
    if len(unfit) > len(query.unfit):
        remember_unfit(on, query, frozenset(unfit))
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
    try:
        return _fetch_here(on, query, typed, limits, begun)
    except BrokenText:
        return _fetch_here(on, query, typed, limits, anew=True)


def _fetch_here(
    on: SnapshotConnection,
    query: Examined,
    typed: bool,
    limits: Limits,
    begun: Begun | None = None,
    anew: bool = False,
) -> Result:
    """Fetch row by row, up to the limits on rows and bytes.

    A statement that was begun, gave its first rows at once and has more is begun anew in SQLite.
    """
    widths = [len(name) for name in query.names]
    encoded: list[bytes] = []
    infinities: list[bytes] = []
    size_bytes = 0
    truncated = False
    with closing(rows_of(on, query, begun, anew)) as rows:
        first = _first_of(rows, limits)
        many = len(first) == _FEW_ROWS <= limits.max_rows
        if many and query.wrappable and begun is not None:
            built = None
            if time.thread_time() < begun.since_s + _AT_ONCE_S:
                built = _build_in_sqlite(on, query, typed, limits)
            if built is not None:
                return built
        for row in chain(first, rows):
            cells = _typed_row(row) if typed else _string_row(row)
            line = _encode(cells)
            told = _infinities(len(encoded), row) if typed and b"null" in line else []
            size_bytes += len(line) + 1 + sum(map(len, told))
            if len(encoded) == limits.max_rows or size_bytes > limits.max_bytes:
                truncated = True
                break
            encoded.append(line)
            infinities += told
            if not typed:
                widths = list(map(max, widths, map(len, cells)))
    return Result(
        column_names=query.names,
        column_types=query.types,
        nr_rows=len(encoded),
        rows_json=b"[%b]" % b",".join(encoded),
        max_widths=() if typed else tuple(widths),
        infinities_json=b",".join(infinities),
        truncated=truncated,
    )


def _infinities(place: int, row: Sequence[Any]) -> list[bytes]:
    """Which cells of that row JSON has no number for, as the result tells them."""
    return [
        _encode((place, n, text_cell(cell)))
        for n, cell in enumerate(row)
        if type(cell) is float and isinf(cell)
    ]


def _first_of(rows: Iterator[tuple[Any, ...]], limits: Limits) -> list[tuple[Any, ...]]:
    """The first rows as they come, before any is encoded: in vain where SQLite is to do it.

    No more than tell that the answer ends at its limits: the next may take long, or fail.
    """
    most_rows = min(_FEW_ROWS, limits.max_rows + 1)
    most_bytes = min(_FEW_BYTES, limits.max_bytes)
    first = []
    size_bytes = 0
    for row in rows:
        first.append(row)
        size_bytes += size_of(row)
        if len(first) == most_rows or size_bytes > most_bytes:
            break
    return first


_encode = msgspec.json.Encoder().encode


def _typed_row(row: Sequence[Any]) -> list[Any]:
    """Its cells as JSON has them, a REAL with the digits that SQLite gives it in JSON."""
    reals = [cell for cell in row if type(cell) is float and not isinf(cell)]
    if not reals:
        return [json_cell(cell) if type(cell) is bytes else cell for cell in row]
    texts = iter(real_texts(reals))
    return [
        msgspec.Raw(next(texts).encode())
        if type(cell) is float and not isinf(cell)
        else json_cell(cell)
        for cell in row
    ]


def _string_row(row: Sequence[Any]) -> list[str]:
    return [cell if type(cell) is str else text_cell(cell) for cell in row]


# --- Rows -----------------------------------------------------------------------------------


def rows_of(
    on: SnapshotConnection, query: Examined, begun: Begun | None = None, anew: bool = False
) -> Generator[tuple[Any, ...], None, None]:
    """The rows as Python values, fetched as they are asked for.

    Text that is not UTF-8 comes with U+FFFD in it. Raises apsw.Error, and BrokenText where that
    was found too late; to begin `anew` finds it in time.
    """
    if anew and not query.plan:
        yield from _rows_with_bad_text(on, query, 0)
        return
    cursor = begun.cursor if begun is not None else on.connection.execute(query.sql, query.bindings)
    fetched = 0
    try:
        for row in cursor:
            yield row
            fetched += 1
    except UnicodeDecodeError:
        cursor.close(True)
        if fetched and not query.repeatable:
            raise BrokenText from None
        yield from _rows_with_bad_text(on, query, fetched)
    finally:
        # A reader that is done must not hold a transaction on the static tables open.
        cursor.close(True)


def _rows_with_bad_text(
    on: SnapshotConnection, query: Examined, skip: int
) -> Iterator[tuple[Any, ...]]:
    """As rows_of, for what cannot be fetched as text: every text is fetched as bytes.

    The first tells what they are, since a result has no room for a second column for each.
    """
    columns = [f"c{n}" for n in range(len(query.names))]
    cells = [
        f"CASE typeof({c}) WHEN 'text' THEN CAST('t' || {c} AS BLOB)"
        f" WHEN 'blob' THEN CAST('b' || {c} AS BLOB) ELSE {c} END"
        for c in columns
    ]
    cursor = on.connection.execute(
        f'WITH "=q"({", ".join(columns)}) AS ({query.alone}) SELECT {", ".join(cells)}'
        f' FROM (SELECT * FROM "=q" LIMIT -1 OFFSET {skip})',
        query.bindings,
    )
    for row in cursor:
        yield tuple(_unmarked(cell) if type(cell) is bytes else cell for cell in row)


def _unmarked(cell: bytes) -> str | bytes:
    return cell[1:].decode(errors="replace") if cell.startswith(b"t") else cell[1:]


def size_of(row: Sequence[Any]) -> int:
    """Bytes a row takes up in memory, near enough to bound an answer; an empty cell does too."""
    return sum(len(cell) for cell in row if isinstance(cell, str | bytes)) + _CELL_BYTES * len(row)


def collect(
    on: SnapshotConnection, query: Examined, limits: Limits, begun: Begun | None = None
) -> Result:
    """The whole result as Python rows, up to the limits: for a text table."""
    try:
        return _collect(query, limits, rows_of(on, query, begun))
    except BrokenText:
        return _collect(query, limits, rows_of(on, query, anew=True))


def _collect(query: Examined, limits: Limits, found: Iterator[tuple[Any, ...]]) -> Result:
    rows: list[tuple[Any, ...]] = []
    size_bytes = 0
    truncated = False
    for row in found:
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
