"""What `qasino sql --format text` prints: a rule of `=` below each name, as wide as its column.

    host  load
    ====  ====
    web1   0.5
     db1
    2 rows returned

The rule says where each column stands, so that neither blanks in names and cells nor empty cells
leave a doubt. Of one column alone the count at its end has to be there as well: a title in a text
is underlined like that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import dropwhile

import msgspec

from qasino_cli.readers.draft import BadPlace, Cell, Draft, Faults, Row
from qasino_cli.readers.footers import nr_at_end
from qasino_cli.readers.gutters import Line

_BEGINS = re.compile(r"\s*\S[^\n]*\n *=+(?:  =+)*\r?(?:\n|\Z)")
_COUNT = re.compile(r"([0-9]+) rows? returned\s*")
_WORD = re.compile(r"[^ \r]+")  # other blanks are a cell's own
_BLANKS = " \r"


class Underlined(msgspec.Struct, frozen=True):
    """A text whose columns its rule tells."""

    header: Line
    names: Sequence[str]
    columns: Sequence[tuple[int, int]]
    """The places where each begins and ends, of a terminal's."""
    rule: Line
    rows: Sequence[Line]
    count: Line | None


def underlined(text: str) -> Underlined | None:
    """The header, rows and count of such a text, None for any other."""
    if not _BEGINS.match(text):
        return None
    header, rule, *rows = dropwhile(lambda line: not _is_filled(line), _lines(text))
    while rows and not _is_filled(rows[-1]):
        rows.pop()
    columns = [found.span() for found in re.finditer("=+", rule.text)]
    try:
        names = [name or "" for name in _cells(header, columns)]
    except BadPlace:
        return None
    count = rows.pop() if rows and _COUNT.fullmatch(rows[-1].text) else None
    rows = _counted(rows, count)
    found = Underlined(header, names, columns, rule, rows, count)
    return found if _is_whole(found) else None


def read_underlined(found: Underlined, faults: Faults) -> Draft:
    """Read it. Raises BadPlace at the first row that cannot be divided."""
    rows = [line for line in found.rows if faults.is_text(line.number, line.text)]

    def divided() -> Iterator[Row]:
        for line in rows:
            try:
                cells = _cells(line, found.columns)
            except BadPlace as error:
                faults.bad_row(error)
            else:
                yield line.number, line.begins, cells

    by_offset = {line.begins: line.text for line in rows}
    notes = [f"passed over below the header: {found.rule.text.strip()}"]
    if found.count is not None:
        notes.append(f"passed over at its end: {found.count.text.strip()}")
    return Draft(
        headers=found.names,
        rows=divided,
        header_line=found.header.number,
        header_columns=_begin(found.header, found.columns),
        raw=by_offset.__getitem__,
        notes=notes,
        renaming=_renaming(found),
    )


def _renaming(found: Underlined) -> str:
    """With --header the count would be a row."""
    if found.count is not None:
        return "ask for one of them under another name: select .. as NAME"
    above = found.rows[0].number - 1 if found.rows else found.rule.number
    return f"--skip-lines {above} --header A,B names them, if blanks are in last cells alone"


def _lines(text: str) -> Iterator[Line]:
    """All lines: one that is blank may be a row of empty cells."""
    begins = 0
    for number, line in enumerate(text.split("\n"), start=1):
        yield Line(number, begins, line, len(line))
        begins += len(line) + 1


def _is_filled(line: Line) -> bool:
    return line.text.strip(_BLANKS) != ""


def _counted(rows: list[Line], count: Line | None) -> list[Line]:
    """The rows, blank lines among them where the count at the end has counted these."""
    filled = [line for line in rows if _is_filled(line)]
    return rows if _nr_counted(count) == len(rows) else filled


def _nr_counted(count: Line | None) -> int | None:
    found = _COUNT.fullmatch(count.text) if count is not None else None
    return int(found[1]) if found is not None else None


def _is_whole(found: Underlined) -> bool:
    """Whether all of it is one such table. Without a count, other commands may have written it:
    then each row has to stand within the columns."""
    if _nr_counted(found.count) == len(found.rows):
        return True
    if any(line.text.strip() == found.rule.text.strip() for line in found.rows):
        return False  # a second one below
    if found.count is not None:
        return True
    return (
        len(found.columns) > 1
        and not nr_at_end([line.text for line in found.rows])
        and all(_fits(line, found.columns) for line in found.rows)
    )


def _fits(line: Line, columns: Sequence[tuple[int, int]]) -> bool:
    try:
        _cells(line, columns)
    except BadPlace:
        return False
    return True


def _cells(line: Line, columns: Sequence[tuple[int, int]]) -> list[Cell]:
    """What stands within each column. Raises BadPlace for a word that stands in none."""
    return [None if span is None else line.text[slice(*span)] for span in _spans(line, columns)]


def _begin(line: Line, columns: Sequence[tuple[int, int]]) -> list[int]:
    """Where in its line, from 1, each cell begins."""
    spans = zip(_spans(line, columns), columns, strict=True)
    return [(column if span is None else span)[0] + 1 for span, column in spans]


def _spans(line: Line, columns: Sequence[tuple[int, int]]) -> list[tuple[int, int] | None]:
    """From which character to which each cell is."""
    spans: list[tuple[int, int] | None] = [None] * len(columns)
    n = more = 0  # places than characters, up to the word
    for word in _WORD.finditer(line.text):
        begins = word.start() + more
        more += _width(word[0]) - len(word[0])
        while n < len(columns) and columns[n][1] < word.end() + more:
            n += 1
        if n == len(columns) or begins < columns[n][0]:
            reason = f"it cannot be told which column {word[0]!r} belongs to"
            raise BadPlace(line.number, reason, word.start() + 1, line.text)
        first, _ = spans[n] or word.span()
        spans[n] = (first, word.end())
    return spans


def _width(word: str) -> int:
    if word.isascii():
        return len(word)
    from qasino_server.render import width  # 15 ms, for what hardly any table holds

    return width(word)
