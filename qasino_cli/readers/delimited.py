"""CSV and its kin: fields between `,` tab `;` or `|`, the first record the header.

Quotes are those of RFC 4180. A field that is empty is no value, one that is quoted and empty
is an empty text, as PostgreSQL's COPY and our own writer have it. `csv.reader` cannot tell the
two, so a record that has both is looked at again, field by field, by `_fields`, which also
knows where in its line a field stands (all of 300,000 rows of 8 that way: 2 s, else 0.3 s).

A blank line says nothing, unless there is one column: then it is a cell that is empty. At the end
of the text it may be either, and only a writer who has said so, by a \\N, is taken to mean it.

In TSV nothing is quoted: \\N is no value, \\t \\n \\r \\\\ stand for what they name. A text with a
backslash before anything else escapes nothing (C:\\Users), and quotes are quotes where every
header stands in them, or where only they make its rows alike: spreadsheets write such.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator, Sequence

import msgspec

from qasino_cli.console import counted
from qasino_cli.readers.draft import (
    NOT_TEXT,
    SKIP_LINES_REMEDY,
    SKIP_REMEDY,
    BadPlace,
    Cell,
    Draft,
    Faults,
    Row,
)
from qasino_cli.readers.unpack import first_line, line_at, place

csv.field_size_limit(sys.maxsize)  # the input is in memory as a whole already

DELIMITERS = "\t,;|"
"""A tab comes first: one in every line is no accident, a comma in every name may be."""
SAMPLE_CHARS = 65536

_UNCLOSED_MAX = 10
"""One after another, each of which was read to the end of the input: then no quotes are meant. 64
KiB of such lines took minutes to be told apart, and longer to be passed over."""

_NEVER_CLOSED = "the quote that opens here is never closed"
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}
_OTHER_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\(?![\\tnrN])")
_NULL = re.compile(r"(?:^|\t)\\N(?:$|[\t\r\n])", re.MULTILINE)
_QUOTE = re.compile('^"', re.MULTILINE)
_SAID = re.compile(r"sep=([\t,;|])\r?\n")
"""How spreadsheets are told the delimiter, in a line before the header."""
_PLAIN_HEADER = re.compile(r"[A-Za-z_][A-Za-z0-9_. %/-]*")


class Dialect(msgspec.Struct, frozen=True):
    """How the fields of one text are told apart."""

    delimiter: str
    quotes: bool = True
    escapes: bool = False


class _Record(msgspec.Struct):
    line: int
    begins: int
    cells: list[Cell]


def read_delimited(
    text: str, delimiter: str, faults: Faults, given: Sequence[str] | None = None
) -> Draft:
    """Read the header, unless names are `given` and the first record is a row; and the rows when
    asked for them. Raises BadPlace."""
    dialect = _dialect(text, delimiter)
    starts, comments = _skip_comments(text, dialect)
    first = next(_records(text, starts, dialect, Faults(skip=given is not None)), None)
    if first is None and given is None:
        raise BadPlace(1, "there is no header in it")
    header = first if given is None else None
    begins = [] if first is None else _begins(text, first.begins, dialect)
    all_quoted = all(text.startswith('"', at) for at in begins)
    names, above = given or (), "first row"
    if header is not None:
        Faults(skip=False).is_text(header.line, line_at(text, header.begins))
        names, above = [(cell or "").strip() for cell in header.cells], "header"
        all_quoted = all_quoted and all(map(_PLAIN_HEADER.fullmatch, names))
    notes = [f"passed over before the {above}: {comment}" for comment in comments]
    return Draft(
        headers=names,
        rows=lambda: _rows(text, starts, dialect, len(names), faults, header),
        decimal_commas=delimiter == ";",
        empty_is_text=_empty_is_text(text, dialect, all_quoted),
        header_line=1 if header is None else header.line,
        header_columns=[] if header is None else [place(text, at)[1] for at in begins],
        raw=lambda at: _raw(text, at, dialect),
        column=lambda at, n: _column(text, at, n, dialect),
        notes=[*notes, *(_blank_end(text, dialect) if len(names) == 1 else ())],
    )


def _blank_end(text: str, dialect: Dialect) -> list[str]:
    """A note on the lines at the end of one column that may have been cells."""
    blank = text.count("\n", len(text.rstrip("\r\n"))) - 1
    if blank < 1 or _says_empty(text, dialect):
        return []
    return ["passed over at its end: " + ("a blank line" if blank == 1 else f"{blank} blank lines")]


def _says_empty(text: str, dialect: Dialect) -> bool:
    """Whether an empty field of TSV is known to be an empty text."""
    return not dialect.quotes and _empty_is_text(text, dialect, all_quoted=False)


def _column(text: str, begins: int, n: int, dialect: Dialect) -> int:
    return place(text, _begins(text, begins, dialect)[n], begins=begins)[1]


def _dialect(text: str, delimiter: str) -> Dialect:
    if delimiter != "\t":
        return Dialect(delimiter)
    return Dialect(delimiter, not _is_plain(text), _OTHER_ESCAPE.search(text) is None)


def _is_plain(text: str) -> bool:
    """Whether tabs alone separate (https://www.iana.org/assignments/media-types/text/
    tab-separated-values)."""
    sample = sample_of(text)
    if '"' not in sample:
        return True
    at, _ = _skip_comments(sample, Dialect("\t"))
    sample = sample[at:]
    header = sample.split("\n", 1)[0].rstrip("\r").split("\t")
    if all(_in_quotes(name) for name in header):
        return False
    plain = {len(line.split("\t")) for line in sample.split("\n") if line.strip("\r")}
    if len(plain) <= 1:
        return True
    widths, whole = _widths(sample, Dialect("\t"))
    return not whole or len(set(widths)) > 1


def _in_quotes(header: str) -> bool:
    """Whether a header stands in quotes it does not need, as only those who quote all do."""
    return (
        len(header) > 2
        and header[0] == header[-1] == '"'
        and _PLAIN_HEADER.fullmatch(header[1:-1]) is not None
    )


def _empty_is_text(text: str, dialect: Dialect, all_quoted: bool) -> bool:
    """Whether an empty cell is said to be one: by quotes, unless all is quoted; beside a \\N."""
    if not dialect.quotes:
        return dialect.escapes and _NULL.search(text) is not None
    return not all_quoted


def _skip_comments(text: str, dialect: Dialect) -> tuple[int, list[str]]:
    """Where the header begins, and the lines with # before it, which are narrower than it; empty
    lines may stand between."""
    at, hashed = first_line(text), []
    said = _SAID.match(text, at)
    at = said.end() if said is not None else at
    while text.startswith("#", at):
        hashed.append(at)
        end = text.find("\n", at)
        at = len(text) if end < 0 else end + 1
        while text.startswith(("\n", "\r"), at):
            at += 1
    if hashed and at == len(text):  # the last line is no comment on anything
        at = hashed.pop()
    width = len(_split(text, at, dialect))
    while hashed and len(_split(text, hashed[-1], dialect)) >= width:
        at = hashed.pop()
    return at, [line_at(text, begins) for begins in hashed]


def _split(text: str, at: int, dialect: Dialect) -> list[str]:
    return line_at(text, at).split(dialect.delimiter)


def _rows(
    text: str, at: int, dialect: Dialect, columns: int, faults: Faults, header: _Record | None
) -> Iterator[Row]:
    """The rows that have so many fields; after the header, where that is the first record."""
    records = _records(text, at, dialect, faults, blank_too=columns == 1)
    if header is not None:
        next(record for record in records if record.begins == header.begins)
    if columns == 1 and not _says_empty(text, dialect):
        records = _without_blank_end(records, text)
    dirty = NOT_TEXT.search(text) is not None
    for record in records:
        if dirty and not faults.is_text(record.line, _raw(text, record.begins, dialect)):
            continue
        if len(record.cells) == columns:
            yield record.line, record.begins, record.cells
        else:
            what = "--header" if header is None else "the header"
            fault = _ragged(text, record, dialect, columns, what)
            if (
                header is not None
                and record.line == header.line + 1
                and _above_a_header(columns, len(record.cells))
            ):
                fault.remedy = f"{SKIP_LINES_REMEDY}; {SKIP_REMEDY}"
            faults.bad_row(fault)


def _without_blank_end(records: Iterator[_Record], text: str) -> Iterator[_Record]:
    blank: list[_Record] = []
    for record in records:
        if text.startswith(("\n", "\r\n"), record.begins):
            blank.append(record)
            continue
        yield from blank
        blank.clear()
        yield record


def _above_a_header(columns: int, below: int) -> bool:
    """Whether a line of so many fields may be a title, by those of the line below it."""
    return below > columns or (below == 1 and columns > 2)  # `w`: 10:15 up 3 days, 2 users, ..


def _ragged(text: str, record: _Record, dialect: Dialect, columns: int, what: str) -> BadPlace:
    """The fault of a row, at its first field too many, or where one is missing."""
    width = len(record.cells)
    raw = _raw(text, record.begins, dialect)
    if width > columns:
        at = _begins(text, record.begins, dialect)[columns]
    else:
        at = record.begins + len(raw)
    line, column = place(text, at, record.line, record.begins)
    reason = f"the row has {counted(width, 'field')}, {what} {columns}"
    if line != record.line:
        column = 1
    return BadPlace(record.line, reason, column, raw)


# --- Records -----------------------------------------------------------------------------------


def _records(
    text: str, at: int, dialect: Dialect, faults: Faults, blank_too: bool = False
) -> Iterator[_Record]:
    """Every record that can be told apart; blank lines, as one empty field, if they are wanted."""
    if dialect.quotes:
        return _csv_records(text, at, dialect, faults, blank_too)
    return _tsv_records(text, at, dialect, blank_too)


def _tsv_records(text: str, at: int, dialect: Dialect, blank_too: bool) -> Iterator[_Record]:
    """A line a row, nothing quoted."""
    lines = _Lines(text, at)
    for line in lines:
        bare = line.rstrip("\n").removesuffix("\r")
        if not bare and not blank_too:
            continue
        cells: list[Cell] = bare.split("\t")  # type: ignore[assignment]  # lists are invariant
        if dialect.escapes and "\\" in bare:
            cells = [_unescaped(cell or "") for cell in cells]
        yield _Record(lines.number, lines.begins, cells)


def _unescaped(field: str) -> Cell:
    if "\\" not in field:
        return field
    if field == "\\N":
        return None
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[0]), field)


class _Lines:
    """The lines of a text with their ends, and which one is at hand."""

    def __init__(self, text: str, at: int) -> None:
        self._text = text
        self.next_begins = at
        self.begins = at
        self.number = text.count("\n", 0, at)

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        self.begins = self.next_begins
        end = self._text.find("\n", self.begins) + 1 or len(self._text)
        if end == self.begins:
            raise StopIteration
        self.next_begins = end
        self.number += 1
        return self._text[self.begins : end]

    def back_to(self, begins: int, number: int) -> None:
        """Go on after the line of that number, which begins there."""
        self.next_begins = self._text.find("\n", begins) + 1 or len(self._text)
        self.number = number


def _csv_records(
    text: str, at: int, dialect: Dialect, faults: Faults, blank_too: bool
) -> Iterator[_Record]:
    """After a record with a bad quote the next line is tried, so that no row is lost unseen.

    Raises BadPlace where that finds quotes that are never closed, again and again.
    """
    lines = _Lines(text, at)
    nr_unclosed = 0
    quoted_empty = text.find('""', at) >= 0
    reader = csv.reader(lines, delimiter=dialect.delimiter, strict=True)
    while True:
        begins, number = lines.next_begins, lines.number + 1
        try:
            found = next(reader)
        except StopIteration:
            return
        except csv.Error:
            fault = _bad_quote(text, begins, number, dialect)
            nr_unclosed = nr_unclosed + 1 if fault.reason == _NEVER_CLOSED else 0
            if nr_unclosed > _UNCLOSED_MAX:
                fault.reason += f", nor is one in the {_UNCLOSED_MAX} rows above"
                raise fault from None
            faults.bad_row(fault)
            lines.back_to(begins, number)
            reader = csv.reader(lines, delimiter=dialect.delimiter, strict=True)
            continue
        nr_unclosed = 0
        if not found and not blank_too:
            continue
        found = found or [""]
        cells: list[Cell] = found  # type: ignore[assignment]  # lists are invariant
        if "" in found:
            if quoted_empty and '""' in text[begins : lines.next_begins]:
                cells = [value for _, value in _fields(text, begins, dialect, number)]
            else:
                cells = [cell or None for cell in found]
        yield _Record(number, begins, cells)


def _fields(
    text: str, begins: int, dialect: Dialect, line: int | None = None
) -> Iterator[tuple[int, Cell]]:
    """The fields of one record: where each begins, and what it holds.

    Raises BadPlace at a quote that is not closed, or that has something after it; `line` is the
    record's, counted from the top for the error where it is not told.
    """
    d = re.escape(dialect.delimiter)
    quoted = r'"((?:[^"]|"")*)"|' if dialect.quotes else "(?!)()|"
    match = re.compile(rf"(?:{quoted}([^{d}\r\n]*))({d}|\r?\n|\Z)").match
    at = begins
    while True:
        found = match(text, at)
        if found is None or (dialect.quotes and found[1] is None and text.startswith('"', at)):
            raise _bad_field(text, at, begins, line or place(text, begins)[0])
        yield at, found[2] or None if found[1] is None else found[1].replace('""', '"')
        if found[3] != dialect.delimiter:
            return
        at = found.end()


def _begins(text: str, begins: int, dialect: Dialect) -> list[int]:
    """Where each field of a record begins."""
    return [at for at, _ in _fields(text, begins, dialect)]


def _raw(text: str, begins: int, dialect: Dialect) -> str:
    """A whole record as it stands, without its line end."""
    try:
        *_, (last, _) = _fields(text, begins, dialect)
    except BadPlace:
        return line_at(text, begins)
    ends = last
    if dialect.quotes and text.startswith('"', last):
        found = re.compile(r'"(?:[^"]|"")*"').match(text, last)
        ends = found.end() if found else last
    stop = text.find("\n", ends)
    return text[begins : len(text) if stop < 0 else stop].rstrip("\r")


def _bad_quote(text: str, begins: int, number: int, dialect: Dialect) -> BadPlace:
    """What `csv.reader` refused, with its place; a reject of one line, whatever it swallowed."""
    raw = line_at(text, begins)
    try:
        for _ in _fields(text, begins, dialect, number):
            pass
    except BadPlace as error:
        column = error.column if error.line == number else None
        return BadPlace(number, error.reason, column, raw)
    return BadPlace(number, "a carriage return stands within a field that has no quotes", None, raw)


def _bad_field(text: str, at: int, begins: int, record_line: int) -> BadPlace:
    """The fault of the field at an offset, in the record that begins on a line."""
    line, column = place(text, at, record_line, begins)
    if not text.startswith('"', at):
        stop = re.compile(r"[\r\n]").search(text, at)
        column += (stop.start() if stop else at) - at
        reason = "a carriage return stands within a field that has no quotes"
        return BadPlace(line, reason, column, line_at(text, at))
    closing = re.compile(r'"(?:[^"]|"")*"').match(text, at)
    if closing is None:
        reason = _NEVER_CLOSED
    elif "\n" in closing[0]:
        last, _ = place(text, closing.end(), record_line, begins)
        reason = f"the quote that opens here is closed on line {last}, within a field"
    else:
        line, column = place(text, closing.end(), record_line, begins)
        reason = 'after the closing quote there is more text; a quote inside is written ""'
    return BadPlace(line, reason, column, line_at(text, at))


# --- Which delimiter ---------------------------------------------------------------------------


def sample_of(text: str) -> str:
    """The first lines of a text, enough to tell its form by."""
    if len(text) <= SAMPLE_CHARS:
        return text
    return text[: text.rfind("\n", 0, SAMPLE_CHARS) + 1] or text[:SAMPLE_CHARS]


def find_delimiter(text: str) -> str | None:
    """The delimiter that splits the first records alike; None where none does.

    The one most records agree on, then the one that makes most columns. Where the header has
    one that half of the records do not follow it is still the delimiter, and they are ragged.
    """
    said = _SAID.match(text, first_line(text))
    if said is not None:
        return said[1]
    sample = sample_of(text)
    best, best_score = None, (0.0, 0)
    for delimiter in DELIMITERS:
        score = _score(sample, delimiter)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def is_one_tsv_column(text: str) -> bool:
    """Whether a text without a delimiter is TSV all the same: in a line of it is a \\N alone, and
    none of its cells stand in quotes."""
    if "\t" in text or _NULL.search(text) is None or _OTHER_ESCAPE.search(text):
        return False
    return _QUOTE.search(text) is None or not _widths(sample_of(text), Dialect("\t"))[1]


def are_as_wide(text: str, delimiter: str, width: int) -> bool:
    """Whether the delimiter makes so many fields of each of the first records."""
    widths, whole = _first_widths(sample_of(text), delimiter)
    return whole and set(widths) == {width}


def parts_all(text: str, delimiter: str) -> bool:
    """Whether the delimiter makes several fields of each of the first records it can read."""
    widths, _ = _first_widths(sample_of(text), delimiter)
    return min(widths, default=1) > 1


def _score(sample: str, delimiter: str) -> tuple[float, int]:
    """How many of the records are as wide as the header, and how wide that is."""
    widths, _ = _first_widths(sample, delimiter)
    if not widths or widths[0] < 2:
        return 0.0, 0
    if delimiter == "\t" and widths[0] not in widths[1:] and _is_padded(sample):
        return 0.0, 0
    alike = round(widths.count(widths[0]) / len(widths), 1)
    if alike == 1.0 and delimiter == "\t":
        return 2.0, widths[0]
    return alike, widths[0]


def _is_padded(sample: str) -> bool:
    """Whether tabs align the header, several between two names, as in /proc/swaps."""
    at, _ = _skip_comments(sample, Dialect("\t"))
    return "\t\t" in line_at(sample, at).strip()


def _first_widths(sample: str, delimiter: str) -> tuple[list[int], bool]:
    """`_widths` of the records below the comments."""
    dialect = _dialect(sample, delimiter)
    at, _ = _skip_comments(sample, dialect)
    return _widths(sample[at:], dialect)


def _widths(sample: str, dialect: Dialect) -> tuple[list[int], bool]:
    """How many fields each record has, and whether all of them could be read."""
    faults = Faults(skip=True)
    widths: list[int] = []
    try:
        widths += (len(record.cells) for record in _records(sample, 0, dialect, faults))
    except BadPlace:
        return widths, False
    return widths, not faults.rejects()
