"""CSV and its kin: fields between `,` tab `;` or `|`, the first record the header.

Quotes are those of RFC 4180. A field that is empty is no value, one that is quoted and empty
is an empty text, as PostgreSQL's COPY and our own writer have it; `csv.reader` cannot tell the
two, so fields are found by a regular expression (2 s for 300,000 rows of 8, it 0.3 s). Our own
TSV is told by its escapes: \\N is no value, \\t \\n \\r \\\\ stand for what they name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from qasino_cli.readers.draft import SKIP_REMEDY, BadPlace, Cell, Draft
from qasino_cli.readers.unpack import line_at, place

DELIMITERS = {",": "a comma", "\t": "a tab", ";": "a semicolon", "|": "a bar"}
SAMPLE_CHARS = 65536

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}


def read_delimited(text: str, delimiter: str, skip_bad_rows: bool) -> Draft:
    """Read a whole text. Raises BadPlace at the first bad row, unless those are skipped."""
    records = _tsv(text) if delimiter == "\t" and _is_plain(text) else _csv(text, delimiter)
    draft = Draft([], [], [], empty_is_null=delimiter != "\t", text=text)
    try:
        for offset, cells in records:
            _take(draft, text, offset, cells, skip_bad_rows)
    except BadPlace as error:  # an open quote: nothing after it can be told apart
        if not skip_bad_rows or not draft.headers:
            raise
        draft.rejects.append(error.reject())
    return draft


def _take(draft: Draft, text: str, offset: int, cells: list[Cell], skip_bad_rows: bool) -> None:
    if not draft.headers:
        draft.header_line = place(text, offset)[0]
        draft.headers = [
            (cell or "").strip() if isinstance(cell, str | None) else "" for cell in cells
        ]
    elif len(cells) == len(draft.headers):
        draft.rows.append(cells)
        draft.lines.append(offset)
    else:
        error = _ragged(text, offset, len(cells), len(draft.headers))
        if not skip_bad_rows:
            raise error
        draft.rejects.append(error.reject())


def _ragged(text: str, offset: int, cells: int, columns: int) -> BadPlace:
    line, _ = place(text, offset)
    fields = "1 field" if cells == 1 else f"{cells} fields"
    return BadPlace(
        line,
        f"the row has {fields}, the header {columns}",
        raw=line_at(text, offset),
        remedy=SKIP_REMEDY,
    )


def _is_plain(text: str) -> bool:
    """Whether TSV is read without quotes: always, unless only quotes make its rows alike.

    Tabs are escaped in TSV, not quoted (https://www.iana.org/assignments/media-types/text/
    tab-separated-values); spreadsheets quote all the same.
    """
    if '"' not in text or len({len(cells) for _, cells in _tsv(text)}) <= 1:
        return True
    try:
        return len({len(cells) for _, cells in _csv(text, "\t")}) > 1
    except BadPlace:
        return True


def _tsv(text: str) -> Iterator[tuple[int, list[Cell]]]:
    """A line a row, nothing quoted."""
    offset = 0
    for line in text.split("\n"):
        bare = line.removesuffix("\r")
        if bare:
            yield offset, [_unescaped(field) for field in bare.split("\t")]
        offset += len(line) + 1


def _unescaped(field: str) -> Cell:
    if "\\" not in field:
        return field
    if field == "\\N":
        return None
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[0]), field)


def _csv(text: str, delimiter: str) -> Iterator[tuple[int, list[Cell]]]:
    """Records with the offset each begins at; blank lines are none."""
    d = re.escape(delimiter)
    field = re.compile(rf'(?:"((?:[^"]|"")*)"|([^{d}\r\n]*))({d}|\r\n|\n|\r|\Z)')
    at, begins, ends = 0, 0, len(text)
    cells: list[Cell] = []
    match = field.match
    while at < ends or cells:
        found = match(text, at)
        if found is None or (found[1] is None and text.startswith('"', at)):
            raise _bad_quote(text, at)
        quoted, plain, after = found.groups()
        cells.append(_Quoted(quoted.replace('""', '"')) if quoted is not None else plain or None)
        at = found.end()
        if after == delimiter:
            continue
        if len(cells) > 1 or cells[0] is not None:
            yield begins, cells
        cells, begins = [], at


class _Quoted(str):
    """A field that stood in quotes: text, even if it is empty."""

    __slots__ = ()


def _bad_quote(text: str, at: int) -> BadPlace:
    line, column = place(text, at)
    closing = re.compile(r'"(?:[^"]|"")*"').match(text, at)
    if closing is None:
        reason = "the quote that opens here is never closed"
    else:
        line, column = place(text, closing.end())
        reason = 'after the closing quote there is more text; a quote inside is written ""'
    return BadPlace(line, reason, column, line_at(text, at), SKIP_REMEDY)


def find_delimiter(text: str) -> str | None:
    """The delimiter that splits the first records alike; None where none does."""
    sample = text[:SAMPLE_CHARS]
    if len(text) > SAMPLE_CHARS:
        sample = sample[: sample.rfind("\n") + 1] or sample
    best, best_score = None, (0.0, 0)
    for delimiter in DELIMITERS:
        score = _score(sample, delimiter)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _score(sample: str, delimiter: str) -> tuple[float, int]:
    """How many of the records are as wide as the header, and how wide that is."""
    first = sample.lstrip("\r\n").split("\n", 1)[0]
    if delimiter not in first:
        return 0.0, 0
    widths: list[int] = []
    try:
        for _, cells in _csv(sample, delimiter):
            widths.append(len(cells))
    except BadPlace:
        pass  # an open quote, or the sample's end in a quoted field
    if not widths or widths[0] < 2:
        return 0.0, 0
    share = widths.count(widths[0]) / len(widths)
    return (round(share, 1), widths[0]) if share > 0.5 or len(widths) <= 3 else (0.0, 0)
