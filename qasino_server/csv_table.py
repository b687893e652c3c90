"""The Qasino CSV table format -> Publication.

    1[,identity=..][,persist=yes][,static=1][,update=1,keycols=a;b][,replace=1][,ttl_s=90]
    tablename
    column names
    column types
    column descriptions
    data rows ..

The format is the ancestor's (its README, "CSV File Format"); the options on line 1 are the
keys of a JSON publication. An empty cell is NULL in a numeric column and '' in a text one.
A spreadsheet fills all lines up to the widest one with empty cells. At the end of lines 1 and 2
they count for nothing; where one of those has some, nor do they beyond the column names.
Errors name the line; lines are counted from 1 and a quoted cell may span several.
"""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from qasino_server.errors import BadRequest, Cancelled
from qasino_server.publication_rules import encode_rows, make_publication
from qasino_server.table import (
    Column,
    Columns,
    Publication,
    blame,
    check_columns,
    check_identity,
    check_tablename,
    shown,
)

csv.field_size_limit(sys.maxsize)  # the size of a message is bounded before it gets here

Rows = Iterator[tuple[int, list[str]]]

_OPTIONS = ("identity", "persist", "static", "update", "keycols", "replace", "ttl_s")


def read_csv_table(
    body: bytes, identity: str | None = None, given_up: Callable[[], bool] = lambda: False
) -> Publication:
    """Read a table in the Qasino CSV format; `identity` serves where line 1 names none.

    Raises BadRequest with the line, the column and the reason, Cancelled once it is given up.
    """
    sender = _Sender(identity)
    try:
        _check_utf8(body)
        return _read_table(_numbered_rows(body, given_up), sender)
    except BadRequest as error:
        blame(error, sender.identity, sender.tablename)
        raise


class _Sender(msgspec.Struct):
    """Whose table it is, and which, as far as it has been read."""

    identity: str | None
    tablename: str | None = None


def _check_utf8(body: bytes) -> None:
    try:
        body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise BadRequest(
            f"line {line}: byte 0x{body[error.start]:02x} at byte {error.start} is not UTF-8"
        ) from None


def _read_table(lines: Rows, sender: _Sender) -> Publication:
    version = _header(lines, 1, "the version number")
    options = _read_options(_without_padding(version))
    named = options.pop("identity", None)
    sender.identity = named or sender.identity
    table = _header(lines, 2, "the table name")
    tablename = sender.tablename = _read_tablename(_without_padding(table))
    if not version[-1] or not table[-1]:
        lines = _within_names(lines)
    names = _header(lines, 3, "the column names")
    types = _header(lines, 4, "the column types")
    with _on("lines 3 and 4"):
        columns = check_columns(tuple(n.strip() for n in names), tuple(t.strip() for t in types))
    descriptions = _read_descriptions(_header(lines, 5, "the column descriptions"), columns)
    rows_json = encode_rows(_read_rows(lines, columns))
    identity = named or check_identity(sender.identity)
    with _on("line 1"):
        return make_publication(
            identity=identity,
            tablename=tablename,
            columns=columns,
            rows_json=rows_json,
            descriptions=descriptions,
            options=options,
        )


@contextmanager
def _on(lines: str) -> Iterator[None]:
    """Within it what is wrong is on those lines."""
    try:
        yield
    except BadRequest as error:
        raise BadRequest(f"{lines}: {error.sentence}") from None


def _numbered_rows(body: bytes, given_up: Callable[[], bool]) -> Rows:
    """Each record with the line it begins on."""
    text = io.TextIOWrapper(io.BytesIO(body), "utf-8-sig", newline="")
    reader = csv.reader(text, strict=True)
    begins = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadRequest(f"line {begins}: not well-formed CSV: {error}") from None
        if given_up():
            raise Cancelled("nobody waits for the table any more")
        yield begins, row
        begins = reader.line_num + 1


def _header(lines: Rows, number: int, what: str) -> list[str]:
    found = next(lines, None)
    if found is None:
        raise BadRequest(
            f"line {number} is missing, it holds {what}; a CSV table has five header lines:"
            " version, table name, column names, column types, column descriptions"
        )
    return found[1]


def _without_padding(cells: list[str], width: int = 0) -> list[str]:
    """The cells without the empty ones at their end, of which those up to a width are meant."""
    end = len(cells)
    while end > width and not cells[end - 1]:
        end -= 1
    return cells[:end]


def _within_names(lines: Rows) -> Rows:
    """The lines from that of the column names on, padded to no more than those."""
    width = 0
    for line, cells in lines:
        cells = _without_padding(cells, width)
        width = width or len(cells)
        yield line, cells


def _read_options(cells: list[str]) -> dict[str, str]:
    first = cells[0] if cells else ""
    version, semicolon, _ = first.partition(";")
    if semicolon and version.strip() == "1":
        raise BadRequest(
            f"line 1: {shown(first)} has semicolons, a Qasino CSV table has commas between its"
            " cells; save it with commas"
        )
    if first.strip() != "1":
        raise BadRequest(f"line 1: {shown(first)} is not a version this server knows; it knows 1")
    options = {}
    for cell in cells[1:]:
        name, equals, value = (part.strip() for part in cell.partition("="))
        if not equals or name not in _OPTIONS:
            raise BadRequest(
                f"line 1: {shown(cell)} is not an option; the options are name=value with a name"
                f" of {', '.join(_OPTIONS)}"
            )
        options[name] = value
    return options


def _read_tablename(cells: list[str]) -> str:
    if len(cells) != 1:
        raise BadRequest(f"line 2 holds the table name alone, not {len(cells)} cells")
    return check_tablename(cells[0].strip(), "line 2: tablename")


def _read_descriptions(cells: list[str], columns: Columns) -> tuple[str, ...]:
    if len(cells) > len(columns):
        raise BadRequest(f"line 5: {len(cells)} descriptions for {len(columns)} columns")
    padding = [""] * (len(columns) - len(cells))
    return tuple(cells + padding)


def _read_rows(lines: Rows, columns: Columns) -> Iterator[list[Any]]:
    readers = [_CELL_READERS[column.type] for column in columns]
    for line, cells in lines:
        if len(cells) != len(columns):
            raise BadRequest(
                f"line {line}: the row has {len(cells)} cells, the table has"
                f" {len(columns)} columns: {shown(','.join(cells))}"
            )
        yield [
            _read_cell(read, cell, line, column)
            for read, cell, column in zip(readers, cells, columns, strict=True)
        ]


def _read_cell(read: Callable[[str], Any], cell: str, line: int, column: Column) -> Any:
    try:
        return read(cell)
    except ValueError:
        raise BadRequest(
            f"line {line}, column {column.name}: {shown(cell)} is not a number"
            f" ({column.type.lower()})"
        ) from None


def _read_integer(cell: str) -> int | float | None:
    text = cell.strip()
    if "_" in text:
        raise ValueError("Python's digit groups are not a number elsewhere")
    try:
        return int(text) if text else None
    except ValueError:
        if text.lstrip("+-").isdecimal():
            return float(text)  # Python makes no int of more than 4,300 digits
        raise


def _read_real(cell: str) -> float | None:
    text = cell.strip()
    if not text:
        return None
    value = float(text)
    if "_" in text or math.isnan(value):
        raise ValueError("not a number SQLite can hold")
    return value


_CELL_READERS: dict[str, Callable[[str], Any]] = {
    "TEXT": str,
    "INTEGER": _read_integer,
    "REAL": _read_real,
}
