"""A Qasino CSV table, read by the server's own rules, with places as the other forms have them.

Where bad rows are skipped the server's reader is asked about parts of the table, halved until
the bad rows are found: its rules stay in one place, and a good table is read once.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from qasino_cli.readers.draft import NOT_TEXT, SKIP_REMEDY, BadPlace, Faults, Reading
from qasino_cli.readers.unpack import line_at
from qasino_server.csv_table import read_csv_table
from qasino_server.errors import BadRequest
from qasino_server.table import TYPE_NAMES, Publication

_Part = tuple[int, str]
"""A record as it stands, and its line."""

_PLACE = re.compile(r"line (\d+)(?:, (column ([A-Za-z_]\w*)))?: (.*)", re.DOTALL)
_HEADER_RECORDS = 5

_ANY_VERSION = r"\"?(?:v(?:ersion)?[ \t]*)?\d[\d.]*\"?[ \t]*"
_LINE_2 = r"[ \t]*\"?[A-Za-z_][A-Za-z0-9_]*\"?[ \t]*"
_TYPE = r"[ \t]*\"?(?:" + "|".join(TYPE_NAMES) + r")\"?[ \t]*"


def _head(delimiter: str) -> str:
    """The first four lines as a spreadsheet may have saved them: quoted, and padded."""
    padding = rf"(?:{delimiter}(?:\"\")?)*\r?\n"
    return (
        rf"{_ANY_VERSION}(?:{delimiter}[^\r\n]*)?\r?\n{_LINE_2}{padding}[^\r\n]+\r?\n"
        rf"{_TYPE}(?:{delimiter}{_TYPE})*{padding}"
    )


_TABLE = re.compile(
    rf"1[ \t]*(?:,[^\r\n]*)?\r?\n{_LINE_2}\r?\n|{_head(',')}|{_head(';')}", re.IGNORECASE
)
"""Version 1 and a table's name; or any version, where line 4 is all types. One that is not known,
as `2`, `1.0` or `v1`, and semicolons are for the reader to refuse: as any other CSV the head would
become rows."""

_VERSION = re.compile(
    rb"(?:\xef\xbb\xbf)?"
    rb'(?:1[ \t]*(?:,[^\n]*)?|"1"(?:,(?:"")?)*(?:,"?[a-z_]+=[^\n]*)?)(?:\r?\n|$)'
)
"""Line 1, where no more may be written yet. Other names in quotes are those of a plain CSV."""


def is_qasino_csv(text: str, at: int = 0) -> bool:
    """Whether the text is a Qasino CSV table, by its first lines, which begin there."""
    return _TABLE.match(text, at) is not None


def may_become_qasino_csv(body: bytes) -> bool:
    """Whether a file that is being written may become one, by its first line."""
    return _VERSION.match(body) is not None


def read_qasino_csv(text: str, identity: str | None, faults: Faults) -> Reading:
    """The table. Raises BadPlace, or BadRequest where the fault has no place."""
    try:
        if NOT_TEXT.search(text):
            raise BadRequest("it is not text throughout")
        publication = _read(text, identity)
    except BadRequest as error:
        if not faults.skip:
            raise _placed(text, error) or error from None
        publication = _read_without_bad_rows(text, identity, faults, error)
    return Reading(publication, "qasino-csv", rejects=faults.rejects())


def _read(text: str, identity: str | None) -> Publication:
    return read_csv_table(text.encode(errors="surrogateescape"), identity)


def _placed(text: str, error: BadRequest, row: _Part | None = None) -> BadPlace | None:
    """The server's `line 6, column frobs: reason` as a place; None where it has none.

    `row` is the record that was read alone: its line need not be looked for from the top.
    """
    found = _PLACE.fullmatch(error.sentence)
    if found is None:
        return None
    number, raw = row or (int(found[1]), _line(text, int(found[1])))
    reason = f"{found[2]}: {found[4]}" if found[2] else found[4]
    column = _column(text, line_at(raw, 0), found[3]) if found[3] else None
    return BadPlace(number, reason, column, raw, SKIP_REMEDY if number > _HEADER_RECORDS else "")


def _line(text: str, number: int) -> str:
    at = 0
    for _ in range(number - 1):
        at = text.find("\n", at) + 1
    return line_at(text, at)


def _column(text: str, raw: str, name: str) -> int | None:
    """Where the cell of a column begins in its line, if the record is one line."""
    names = [header.strip().lower() for header in next(csv.reader([_line(text, 3)]))]
    position = names.index(name.lower()) if name.lower() in names else 0
    at = 0
    for _ in range(position):
        found = re.compile(r'(?:"(?:[^"]|"")*"|[^,]*),').match(raw, at)
        if found is None:
            return None
        at = found.end()
    return at + 1


# --- Bad rows ----------------------------------------------------------------------------------


def _read_without_bad_rows(
    text: str, identity: str | None, faults: Faults, error: BadRequest
) -> Publication:
    parts = _parts(text)
    header = "".join(raw for _, raw in parts[:_HEADER_RECORDS])
    if len(parts) < _HEADER_RECORDS or NOT_TEXT.search(header):
        raise _placed(text, error) or error
    try:
        _read(header, identity)
    except BadRequest as wrong:
        raise _placed(text, wrong) or wrong from None
    rows = [(line, raw) for line, raw in parts[_HEADER_RECORDS:] if faults.is_text(line, raw)]
    return _read(header + "".join(_good_rows(text, header, rows, faults)), identity)


def _good_rows(text: str, header: str, rows: Sequence[_Part], faults: Faults) -> list[str]:
    """The records that can be read; the others go to the faults."""
    try:
        if rows:
            _read(header + "".join(raw for _, raw in rows), "anybody")
        return [raw for _, raw in rows]
    except BadRequest as error:
        if len(rows) == 1:
            line, raw = rows[0]
            place = _placed(text, error, rows[0]) or BadPlace(line, error.sentence)
            place.raw = raw.rstrip("\r\n")
            faults.bad_row(place)
            return []
    half = len(rows) // 2
    first = _good_rows(text, header, rows[:half], faults)
    return first + _good_rows(text, header, rows[half:], faults)


def _parts(text: str) -> list[_Part]:
    """The records of a table as they stand; a line with a bad quote stands alone."""
    lines = io.StringIO(text, newline="").readlines()
    parts: list[_Part] = []
    at = 0
    while at < len(lines):
        count = _record_lines(lines, at)
        parts.append((at + 1, "".join(lines[at : at + count])))
        at += count
    return parts


def _record_lines(lines: list[str], at: int) -> int:
    """How many lines the record has that begins there; 1 where it is no record."""
    if '"' not in lines[at]:
        return 1
    reader = csv.reader(map(lines.__getitem__, range(at, len(lines))), strict=True)
    try:
        next(reader)
    except csv.Error:
        return 1
    return reader.line_num
