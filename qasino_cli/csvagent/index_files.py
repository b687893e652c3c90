"""The ancestor's files that name other files: index files, index lists and table lists.

    1                       the version
    stats.csv,app_stats     a file, relative to the index's folder, and the table it becomes
    queues                  queues.csv, table queues

Blank lines and lines that begin with # say nothing. A line that cannot be used is a flaw; the
others count. Pure: bytes in, values out.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable

import msgspec

from qasino_cli.csvagent.followed import Flaw, Judgement
from qasino_cli.csvagent.landmarks import absolute
from qasino_server.errors import BadRequest
from qasino_server.table import check_tablename, shown

Listed = tuple[str, ...]


class Entry(msgspec.Struct, frozen=True):
    """A file that an index names, and its table."""

    path: str
    tablename: str


Entries = tuple[Entry, ...]


def read_index(index_path: str, body: bytes) -> Judgement[Entries]:
    """The entries of an index file."""
    try:
        lines = _lines(body)
        _check_version(lines)
    except Flaw as flaw:
        return Judgement(flaw=flaw)
    folder = os.path.dirname(index_path)
    entries, first_flaw = [], None
    for number, line in lines[1:]:
        try:
            entries.append(_entry(folder, number, line))
        except Flaw as flaw:
            first_flaw = first_flaw or flaw
    return Judgement(tuple(entries), first_flaw)


def _check_version(lines: list[tuple[int, str]]) -> None:
    if not lines:
        raise Flaw("it is empty; the first line of an index is its version, 1", 1)
    number, version = lines[0]
    if version.strip() != "1":
        raise Flaw(
            f"{shown(version)} is no version of an index that is known; the first line is 1", number
        )


def _entry(folder: str, number: int, line: str) -> Entry:
    cells = [cell.strip() for cell in _cells(line, number)]
    if len(cells) > 2:
        raise Flaw(f"{shown(line)} has {len(cells)} fields; give FILE,TABLE or TABLE", number)
    filename, tablename = cells if len(cells) == 2 else (f"{cells[0]}.csv", cells[0])
    if not filename or "\0" in filename:
        raise Flaw(f"{shown(line)} names no file", number)
    try:
        check_tablename(tablename, "the table")
    except BadRequest as error:
        raise Flaw(error.sentence, number) from None
    return Entry(absolute(filename, folder), tablename)


def _cells(line: str, number: int) -> list[str]:
    """A quoted file name may hold a comma."""
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as error:
        raise Flaw(f"not well-formed CSV: {error}", number) from None


def read_index_list(list_path: str, body: bytes) -> Judgement[Listed]:
    """The paths of the index files that a list names, one a line."""
    folder = os.path.dirname(list_path)
    return _names(body, lambda line: absolute(line, folder))


def read_table_list(body: bytes) -> Judgement[Listed]:
    """The table names of a list, one a line, as they are compared."""
    return _names(body, str.lower)


def _names(body: bytes, made: Callable[[str], str]) -> Judgement[Listed]:
    try:
        lines = _lines(body)
    except Flaw as error:
        return Judgement(flaw=error)
    bad = next((number for number, line in lines if "\0" in line), None)
    flaw = None if bad is None else Flaw("a NUL character stands there, names have none", bad)
    return Judgement(tuple(made(line.strip()) for _, line in lines if "\0" not in line), flaw)


def _lines(body: bytes) -> list[tuple[int, str]]:
    """The lines that say something, with their numbers."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise Flaw(f"byte 0x{body[error.start]:02x} is not UTF-8", line) from None
    numbered = enumerate(text.replace("\r\n", "\n").split("\n"), start=1)
    return [(n, line) for n, line in numbered if line.strip() and not line.lstrip().startswith("#")]
