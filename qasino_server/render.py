"""Result -> text table, CSV, TSV, NDJSON, HTML fragment. Pure: values in, text out.

A text table needs every row for its widths. The others are streams: `Stream.head`, then
`Stream.rows` for each batch, whole lines each time, in memory that does not grow.

Cells arrive as SQLite's own values: None, int, float, str, bytes. A REAL as text is what
SQLite's CAST gives, on every path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import msgspec

from qasino_server.errors import QasinoError
from qasino_server.real import real_text

Cell = None | int | float | str | bytes
Row = Sequence[Any]

_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\ufff9-\ufffb]"
)
"""Controls, marks that turn the reading direction, and what cannot be seen. U+200C and U+200D stay:
scripts and pictures of several characters are made with them."""
_PICTURE = "\u2190-\u2bff\U0001f000-\U0001faff"
_JOINS_NOTHING = re.compile(f"(?<![{_PICTURE}\ufe0f])\u200d|\u200d(?![{_PICTURE}])")
"""A joiner that does not stand between pictures: what follows it takes columns of its own."""
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    """The text with control characters made visible, so that no cell drives a terminal.

    Line ends and tabs become \\n, \\r and \\t; others \\xNN or \\uNNNN, the marks that turn
    the reading direction among them.
    """
    if text.isprintable():
        return text
    return _CONTROL.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _ESCAPES.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def width(text: str) -> int:
    """Terminal cells a visible text takes up."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth  # 15 ms, for what hardly any table holds

    cells = wcswidth(_JOINS_NOTHING.sub("", text))
    return cells if cells >= 0 else len(text)


def text_cell(cell: Cell) -> str:
    """A cell as the ancestor's clients read it: a string, NULL as ''."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return str(cell)
    if cell is None:
        return ""
    if isinstance(cell, bytes):
        return blob_text(cell)
    return real_text(cell)


def blob_text(blob: bytes) -> str:
    """A BLOB is its text where it is UTF-8, else its bytes in hex."""
    try:
        return blob.decode()
    except UnicodeDecodeError:
        return blob.hex()


def text_table(column_names: Sequence[str], rows: Iterable[Row]) -> str:
    """The ancestor's table: right-aligned, two blanks between, a rule of =, a count of rows."""
    heads = [visible(name) for name in column_names]
    lines = [[visible(text_cell(cell)) for cell in row] for row in rows]
    widths = [width(head) for head in heads]
    for line in lines:
        for n, cell in enumerate(line):
            widths[n] = max(widths[n], width(cell))
    out = [_aligned(heads, widths), "  ".join("=" * w for w in widths)]
    out += [_aligned(line, widths) for line in lines]
    out.append(f"{len(lines)} rows returned")
    return "\n".join(out) + "\n"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    pairs = zip(cells, widths, strict=True)
    return "  ".join(" " * (w - width(cell)) + cell for cell, w in pairs)


def error_text(error: QasinoError) -> str:
    """The error as a terminal shows it: one line, and one more where there is a hint."""
    lines = [f"SQL error: {error.sentence}", *([error.hint] if error.hint else [])]
    return "".join(f"{visible(' '.join(line.splitlines()))}\n" for line in lines)


TRUNCATED_LINE = "(cut: the result has more rows or bytes than the server returns at once)\n"
"""What a text answer says in words where JSON says "truncated": true."""


class Stream(Protocol):
    """A format whose rows can be written as they come."""

    form: str
    media_type: str
    keys: Sequence[str]
    """What the columns are called in each row, once `head` was called; where they are."""

    def head(self, column_names: Sequence[str]) -> str:
        """What stands before the rows; to be called first."""

    def rows(self, rows: Iterable[Row]) -> str:
        """The lines of these rows."""


class CsvStream:
    """RFC 4180 with a header and \\n; NULL is empty, an empty string is quoted."""

    form = "csv"
    media_type = "text/csv; charset=utf-8"
    keys: Sequence[str] = ()
    _special = re.compile(r'[",\r\n]')

    def head(self, column_names: Sequence[str]) -> str:
        return ",".join(self._field(name) for name in column_names) + "\n"

    def rows(self, rows: Iterable[Row]) -> str:
        field = self._field
        return "".join([",".join([field(cell) for cell in row]) + "\n" for row in rows])

    def _field(self, cell: Cell) -> str:
        if cell is None:
            return ""
        text = cell if isinstance(cell, str) else text_cell(cell)
        if not text or self._special.search(text):
            return '"' + text.replace('"', '""') + '"'
        return text


_TSV_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\r": "\\r", "\n": "\\n"}


class TsvStream:
    """One line a row; tab, line ends and backslash escaped, NULL as \\N, nothing quoted."""

    form = "tsv"
    media_type = "text/tab-separated-values; charset=utf-8"
    keys: Sequence[str] = ()
    _special = re.compile(r"[\\\t\r\n]")

    def head(self, column_names: Sequence[str]) -> str:
        return "\t".join(self._field(name) for name in column_names) + "\n"

    def rows(self, rows: Iterable[Row]) -> str:
        field = self._field
        return "".join(["\t".join([field(cell) for cell in row]) + "\n" for row in rows])

    def _field(self, cell: Cell) -> str:
        if cell is None:
            return "\\N"
        text = cell if isinstance(cell, str) else text_cell(cell)
        if self._special.search(text):
            return self._special.sub(lambda found: _TSV_ESCAPES[found[0]], text)
        return text


class NdjsonStream:
    """A JSON object a line, typed; NULL and infinities are null."""

    form = "ndjson"
    media_type = "application/x-ndjson"

    def __init__(self) -> None:
        self.keys: Sequence[str] = ()

    def head(self, column_names: Sequence[str]) -> str:
        self.keys = distinct(column_names)
        return ""

    def rows(self, rows: Iterable[Row]) -> str:
        names = self.keys
        objects = [dict(zip(names, map(json_cell, row), strict=True)) for row in rows]
        return msgspec.json.Encoder().encode_lines(objects).decode()


def json_cell(cell: Cell) -> Any:
    """A cell as JSON has it; msgspec writes an infinity as null by itself."""
    return blob_text(cell) if isinstance(cell, bytes) else cell


def distinct(names: Sequence[str]) -> list[str]:
    """Column names as object keys: a second `a` becomes `a:1`, as SQLite names it in subqueries."""
    taken: set[str] = set()
    out = []
    for name in names:
        n, candidate = 0, name
        while candidate in taken:
            n += 1
            candidate = f"{name}:{n}"
        taken.add(candidate)
        out.append(candidate)
    return out


def html_fragment(column_names: Sequence[str], rows: Iterable[Row]) -> str:
    """A bare <table>; NULL is marked by a class, everything else is escaped text."""
    from html import escape  # 2 ms, for what no command line needs

    heads = "".join(f"<th>{escape(visible(name))}</th>" for name in column_names)
    body = "".join(
        f"<tr>{''.join([_html_cell(cell, escape) for cell in row])}</tr>\n" for row in rows
    )
    return f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"


def _html_cell(cell: Cell, escape: Callable[[str], str]) -> str:
    if cell is None:
        return '<td class="null"></td>'
    return f"<td>{escape(visible(text_cell(cell)))}</td>"


STREAMS: dict[str, type[CsvStream | TsvStream | NdjsonStream]] = {
    made.form: made for made in (CsvStream, TsvStream, NdjsonStream)
}
"""The formats whose rows can be written as they come, by name."""


def stream_for(name: str) -> Stream | None:
    """The stream of a format, or None where the format is no stream."""
    made = STREAMS.get(name)
    return made() if made else None
