"""A result's rows as lines of text, for streams of many rows.

SQLite joins the cells of a row, with bytes between them that no UTF-8 has; here whole chunks of
rows are made lines, at some nanoseconds a cell. Fetching five cells and writing them down in
Python takes eight times as long as fetching the row. `render` writes the same lines, for
whatever cannot come this way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from itertools import islice
from random import SystemRandom

import apsw

from qasino_server.database.built import INFINITY
from qasino_server.database.examine import Examined
from qasino_server.database.snapshot import SnapshotConnection

_CHUNK_BYTES = 65_536
_ROW_BYTES = 32
"""What a row takes up beside its text."""
_CELL_END, _ROW_END = b"\xff", b"\xfd"
_NULL = b"\xfe" + bytes(SystemRandom().choices(range(0x80, 0xFD), k=12))
"""Nothing that can be counted tells a cell of those bytes from a NULL: nobody knows them."""

Lines = tuple[bytes, int]
"""Whole lines, with their ends, and how many rows they are."""


class NotLines(Exception):
    """The next row cannot come this way: `render` has to write it, and what follows."""


def lines_of(
    on: SnapshotConnection, query: Examined, form: str, names: Sequence[str]
) -> Generator[Lines, None, None]:
    """The rows as csv, tsv or ndjson, some kilobytes at a time; UTF-8.

    `names` are the keys of an object. Raises NotLines, and apsw.Error.
    """
    if not query.wrappable:
        raise NotLines
    made = _objects(on, query, names) if form == "ndjson" else _tables(on, query, form)
    with closing(made):
        for text, nr_rows in made:
            if not text.isascii():
                _check_utf8(text)
            yield text, nr_rows


def _check_utf8(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError:
        raise NotLines from None  # of a BLOB the hex, of a text U+FFFD


def _rows(
    on: SnapshotConnection, query: Examined, line: str, source: str = '"=q"', skip: int = 0
) -> Generator[list[bytes], None, None]:
    """What the expression `line` gives for each row, as many rows as make a chunk."""
    columns = ", ".join(_columns(query))
    sql = f'WITH "=q"({columns}) AS ({query.alone}) SELECT CAST({line} AS BLOB) FROM {source}'
    try:
        cursor = on.connection.execute(sql, query.bindings)
    except apsw.SQLError:
        # Ours has one expression around it, which may be one too many; what is wrong with the
        # statement itself is told by whoever runs it alone.
        raise NotLines from None
    try:
        rows: list[bytes] = []
        size_bytes = 0
        for _ in islice(cursor, skip):
            pass
        for (row,) in cursor:
            if row is None:
                raise NotLines
            rows.append(row)
            size_bytes += len(row) + _ROW_BYTES
            if size_bytes > _CHUNK_BYTES:
                yield rows
                rows, size_bytes = [], 0
        if rows:
            yield rows
    finally:
        # A reader that is done must not hold a transaction on the static tables open.
        cursor.close(True)


def _columns(query: Examined) -> list[str]:
    return [f"c{n}" for n in range(len(query.names))]


# --- CSV and TSV ----------------------------------------------------------------------------


def _tables(on: SnapshotConnection, query: Examined, form: str) -> Generator[Lines, None, None]:
    nr_columns = len(query.names)
    cells = ", ".join(f"coalesce({c}, x'{_NULL.hex()}')" for c in _columns(query))
    write = _WRITERS[form]
    with closing(_rows(on, query, f"concat_ws(x'{_CELL_END.hex()}', {cells})")) as chunks:
        for rows in chunks:
            text = b"%b%b%b" % (_ROW_END, _ROW_END.join(rows), _ROW_END)
            _check_ends(text, len(rows), nr_columns)
            yield write(text), len(rows)


def _check_ends(text: bytes, nr_rows: int, nr_columns: int) -> None:
    """Make sure that our bytes are nowhere but where we have put them. Raises NotLines."""
    nr_ends = nr_rows * (nr_columns - 1)
    if text.count(_CELL_END) != nr_ends or text.count(_ROW_END) != nr_rows + 1:
        raise NotLines


def _csv(text: bytes) -> bytes:
    """`text` are the rows, each with a row's end before and after it."""
    if any(mark in text for mark in _CSV_SPECIAL) or _EMPTY in text.translate(_ALIKE):
        text = _quoted(text.replace(b'"', b'""'))
    return text.replace(_NULL, b"").translate(_CSV_ENDS)[1:]


_CSV_SPECIAL = (b'"', b",", b"\n", b"\r")
_ALIKE = bytes.maketrans(_ROW_END, _CELL_END)
_EMPTY = _CELL_END * 2
_CSV_ENDS = bytes.maketrans(_CELL_END + _ROW_END, b",\n")
_TO_QUOTE = re.compile(rb'([\xff\xfd])((?=[\xff\xfd])|[^\xff\xfd",\r\n]*+[",\r\n][^\xff\xfd]*+)')
"""The end before a cell, and the cell, if it is empty or has a special character."""


def _quoted(text: bytes) -> bytes:
    """Cells that need it in quotes; split and joined, since a call for each took twice as long."""
    found = _TO_QUOTE.split(text)
    parts = [b'"'] * (5 * (len(found) // 3) + 1)
    parts[0::5], parts[1::5], parts[3::5] = found[0::3], found[1::3], found[2::3]
    return b"".join(parts)


def _tsv(text: bytes) -> bytes:
    for character, escape in _TSV_ESCAPES:
        text = text.replace(character, escape)
    return text.translate(_TSV_ENDS)[1:]


_TSV_ESCAPES = (
    (b"\\", b"\\\\"),
    (b"\t", b"\\t"),
    (b"\r", b"\\r"),
    (b"\n", b"\\n"),
    (_NULL, b"\\N"),
)
_TSV_ENDS = bytes.maketrans(_CELL_END + _ROW_END, b"\t\n")

_WRITERS: dict[str, Callable[[bytes], bytes]] = {"csv": _csv, "tsv": _tsv}


# --- NDJSON ---------------------------------------------------------------------------------


def _objects(
    on: SnapshotConnection, query: Examined, names: Sequence[str]
) -> Generator[Lines, None, None]:
    """Infinities are looked for in the finished lines, and once there is one, before."""
    done = 0
    if query.repeatable:
        with closing(_chunks(on, query, names, _columns(query))) as chunks:
            for text, nr_rows in chunks:
                if INFINITY in text:
                    break
                yield text, nr_rows
                done += nr_rows
            else:
                return
    yield from _chunks(on, query, names, [_finite(c) for c in _columns(query)], done)


def _chunks(
    on: SnapshotConnection,
    query: Examined,
    names: Sequence[str],
    cells: Sequence[str],
    skip: int = 0,
) -> Generator[Lines, None, None]:
    if query.unpacks:
        cells = [_as_text(c) for c in cells]
    pairs = ", ".join(f"{_string(k)}, {c}" for k, c in zip(names, cells, strict=True))
    line, source = f"json_object({pairs})", '"=q"'
    if query.computed:
        blobs = " OR ".join(f"typeof(c{n}) = 'blob'" for n in query.computed)
        # The offset has each expression worked out once: with it SQLite keeps the select by itself.
        line, source = f"iif({blobs}, NULL, {line})", '(SELECT * FROM "=q" LIMIT -1 OFFSET 0)'
    with closing(_rows(on, query, line, source, skip)) as chunks:
        for rows in chunks:
            yield b"%b\n" % b"\n".join(rows), len(rows)


def _finite(column: str) -> str:
    infinite = f"typeof({column}) = 'real' AND abs({column}) = 9e999"
    return f"CASE WHEN {infinite} THEN NULL ELSE {column} END"


def _as_text(cell: str) -> str:
    """A text that SQLite knows for JSON would go into the object as what it stands for."""
    return f"iif(typeof({cell}) = 'text', {cell} || '', {cell})"


def _string(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
