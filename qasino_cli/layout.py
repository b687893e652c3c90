"""Result -> the lines of a table or of records, fitted to a width. Pure: no terminal is asked.

One formatter draws short and long results, so that they look alike. rich, which could draw the
short ones, takes 30 ms to import, 27 ms for 50 rows and 4.5 s for 10,000; this takes 40 ms for
10,000 rows of 8 (python -m tests.bench.render).

What gives way, in this order, where a table is wider than the screen:
1. the widest text columns are cut, evenly, and what is cut ends in `…` (with few rows the text
   goes on below instead); headers of numbers give way too, numbers never do;
2. where that is not enough, columns are left out from the right, and said to be;
3. with `expanded` "auto" records are drawn instead, a line for each cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from qasino_cli.cells import CHARS_A_COLUMN, ELLIPSIS, NULL, clip, is_numeric, pad, shown_cell
from qasino_server.render import visible, width
from qasino_server.table import Result

Expanded = bool | Literal["auto"]

MIN_TEXT = 8
MIN_HEADER = 4
SEPARATOR = "  "
BEFORE_CELL = " | "
"""Between the name of a column and its cell in a record."""
LEAST_COLUMNS = MIN_TEXT
"""On a screen narrower than that lines are longer than it."""
WRAPPED_ROWS = 5
"""A result of so few rows is wrapped rather than cut: there is room below."""
WRAPPED_LINES = 100


class Look(msgspec.Struct, frozen=True):
    """How lines are dressed."""

    colours: bool = False
    theme: str = "dark"
    unicode: bool = True
    breaks_lines: bool = False
    """Whether a text of several lines stands in as many in a record: where somebody reads it."""
    shown_by: str = ""
    """What shows the columns of a table there is no room for."""

    @property
    def ellipsis(self) -> str:
        """What stands where something is missing."""
        return ELLIPSIS if self.unicode else "~"

    @property
    def line_end(self) -> str:
        """What stands where a text goes on in a line of its own."""
        return "↵" if self.unicode else "\\n"

    @property
    def rule(self) -> str:
        """What rules are drawn with."""
        return "─" if self.unicode else "-"

    def dressed(self, kind: str, text: str) -> str:
        """The text in the colour of its kind: header, null, number or faint."""
        if not self.colours or not text:
            return text
        return f"\x1b[{_CODES[self.theme][kind]}m{text}\x1b[0m"


_CODES = {
    "dark": {"header": "1", "null": "2;3", "number": "36", "faint": "2"},
    "light": {"header": "1", "null": "2;3", "number": "34", "faint": "2"},
}


class _Column(msgspec.Struct):
    """A column as text."""

    head: str
    given: list[Any]
    """The cells as they came."""
    cells: list[str]
    widths: list[int]
    """Of each cell."""
    nulls: set[int]
    """Where the cell is NULL."""
    numeric: bool
    width: int = 0

    @property
    def natural(self) -> int:
        return max(width(self.head), self.cell_width)

    @property
    def cell_width(self) -> int:
        return max(self.widths, default=0)

    @property
    def least(self) -> int:
        """What it takes at least: all of a number, some of a text."""
        if self.numeric:
            return max(self.cell_width, min(self.natural, MIN_HEADER))
        return min(self.natural, MIN_TEXT)


def lay_out(
    result: Result,
    columns: int,
    lines: int | None = None,
    expanded: Expanded = False,
    look: Look | None = None,
    whole_records: bool = False,
) -> list[str]:
    """The lines of a result for a screen `columns` wide.

    With `lines`, of more rows than that the first and the last are shown, and between them
    how many are not; of records only where they are not to be `whole_records`. No line is
    longer than `columns`, if those are LEAST_COLUMNS or more, but for a number that is too long
    beside a name of MIN_HEADER columns.
    """
    look = look or Look()
    head, tail = _shown_rows(result.nr_rows, lines)
    rows = [*result.rows[:head], *(result.rows[-tail:] if tail else ())]
    made = [
        _column(name, kind, [row[n] for row in rows])
        for n, (name, kind) in enumerate(zip(result.column_names, result.column_types, strict=True))
    ]
    hidden = result.nr_rows - head - tail
    if expanded is True or (expanded == "auto" and rows and not _fits(made, columns)):
        if hidden and whole_records:
            return lay_out(result, columns, expanded=True, look=look)
        return _records(made, len(rows), head, hidden, columns, look)
    return _table(made, len(rows), head, hidden, columns, look)


def shows_all(result: Result, lines: int | None) -> bool:
    """Whether `lay_out` shows every row."""
    return sum(_shown_rows(result.nr_rows, lines)) == result.nr_rows


def _shown_rows(nr_rows: int, lines: int | None) -> tuple[int, int]:
    """How many rows from the beginning and from the end."""
    if lines is None or nr_rows <= max(lines, 2):
        return nr_rows, 0
    room = max(lines - 1, 2)  # a line says how many are missing
    return room - room // 2, room // 2


def _fits(made: Sequence[_Column], columns: int) -> bool:
    return sum(column.natural for column in made) + len(SEPARATOR) * (len(made) - 1) <= columns


# --- Cells -------------------------------------------------------------------------------------


def _column(name: str, declared: str, cells: list[Any]) -> _Column:
    """A column's text; fast where it is plain, which it nearly always is."""
    kinds = set(map(type, cells))
    nulls = {n for n, cell in enumerate(cells) if cell is None} if type(None) in kinds else set()
    texts = _texts(cells, kinds)
    joined = "".join(texts)
    widths = list(map(len if joined.isascii() else width, texts))
    return _Column(visible(name), cells, texts, widths, nulls, is_numeric(kinds, declared))


def _texts(cells: list[Any], kinds: set[type]) -> list[str]:
    if kinds == {int}:
        return list(map(str, cells))
    if kinds == {str} and "".join(cells).isprintable() and NULL not in cells:
        return cells
    return [_text(cell) for cell in cells]


def _text(cell: Any) -> str:
    """A cell as it is shown."""
    return visible(shown_cell(cell))


# --- The table ---------------------------------------------------------------------------------


def _table(
    made: list[_Column], nr: int, head: int, hidden: int, columns: int, look: Look
) -> list[str]:
    shown, left_out = _fit(made, columns)
    total = sum(column.width for column in shown) + len(SEPARATOR) * (len(shown) - 1)
    heads = [
        look.dressed("header", pad(clip(c.head, c.width, look.ellipsis), c.width, c.numeric))
        for c in shown
    ]
    lines = [SEPARATOR.join(heads).rstrip(), look.dressed("faint", look.rule * max(total, 1))]
    wraps = nr <= WRAPPED_ROWS and not hidden
    body = _wrapped(shown, nr, look) if wraps else _clipped(shown, nr, look)
    if hidden:
        body.insert(head, look.dressed("faint", _hidden_line(hidden, total, columns, look)))
    lines += body
    if left_out:
        names = ", ".join(column.head for column in left_out)
        many = f"{_many_more(len(left_out), look)}: {names}"
        lines.append(look.dressed("faint", clip(many, columns, look.ellipsis)))
    return lines


def _many_more(nr: int, look: Look) -> str:
    """How many columns there is no room for, and what shows them where something does."""
    many, them = ("1 more column", "it") if nr == 1 else (f"{nr} more columns", "them")
    return f"{many} ({look.shown_by} shows {them})" if look.shown_by else many


def _hidden_line(hidden: int, total: int, columns: int, look: Look) -> str:
    """How many rows are not shown, in the middle of the table's own width."""
    dots = "· · ·" if look.unicode else ". . ."
    rows = "1 row" if hidden == 1 else f"{hidden:,} rows"
    told = clip(f"{dots} {rows} not shown {dots}", columns, look.ellipsis)
    return told.center(total).rstrip()


def _fit(made: list[_Column], columns: int) -> tuple[list[_Column], list[_Column]]:
    """Give every column its width; those there is no room for come back apart."""
    shown = made[: _room_for([column.least for column in made], columns)]
    room = columns - len(SEPARATOR) * (len(shown) - 1)
    cap = _cap(shown, room)
    for column in shown:
        column.width = max(column.least, min(column.natural, cap))
    spare = room - sum(column.width for column in shown)
    for column in shown:  # what the even cut has left over
        more = min(max(spare, 0), column.natural - column.width)
        column.width += more
        spare -= more
    return shown, made[len(shown) :]


def _room_for(widths: Sequence[int], columns: int) -> int:
    """How many of the columns fit, from the left; one at least."""
    taken = -len(SEPARATOR)
    for n, wanted in enumerate(widths):
        taken += len(SEPARATOR) + wanted
        if n and taken > columns:
            return n
    return len(widths)


def _cap(shown: Sequence[_Column], room: int) -> int:
    """The widest any cut column may be so that all of them fit."""
    low, high = 1, max((column.natural for column in shown), default=1)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(max(c.least, min(c.natural, middle)) for c in shown) <= room:
            low = middle
        else:
            high = middle - 1
    return low


def _clipped(shown: Sequence[_Column], nr: int, look: Look) -> list[str]:
    """One line a row."""
    dressed = [_column_lines(column, look) for column in shown]
    return [SEPARATOR.join(cells).rstrip() for cells in zip(*dressed, strict=True)] if nr else []


def _column_lines(column: _Column, look: Look) -> list[str]:
    """Every cell of a column, cut and filled up to its width."""
    room, right = column.width, column.numeric
    most = max(room, 1) * CHARS_A_COLUMN
    if right:
        cells = [
            " " * (room - w) + cell for cell, w in zip(column.cells, column.widths, strict=True)
        ]
    else:
        cells = [
            cell + " " * (room - w)
            if w <= room and len(cell) <= most
            else pad(clip(cell, room, look.ellipsis), room)
            for cell, w in zip(column.cells, column.widths, strict=True)
        ]
    if not look.colours:
        return cells
    if right:
        cells = [look.dressed("number", cell) for cell in cells]
    for n in column.nulls:
        plain = pad(NULL, room, right) if room >= len(NULL) else clip(NULL, room, look.ellipsis)
        cells[n] = look.dressed("null", plain)
    return cells


def _wrapped(shown: Sequence[_Column], nr: int, look: Look) -> list[str]:
    """A row takes as many lines as its longest cell needs."""
    lines: list[str] = []
    for row in range(nr):
        pieces = [_pieces(column, row, look) for column in shown]
        for n in range(max(map(len, pieces), default=0)):
            cells = [
                piece[n] if n < len(piece) else " " * column.width
                for piece, column in zip(pieces, shown, strict=True)
            ]
            lines.append(SEPARATOR.join(cells).rstrip())
    return lines


def _pieces(column: _Column, row: int, look: Look) -> list[str]:
    """A cell in lines of the column's width; one that goes on ends in the ellipsis."""
    text = column.cells[row]
    kind = "null" if row in column.nulls else "number" if column.numeric else None
    parts = wrapped(text, column.width, look.ellipsis, WRAPPED_LINES)
    filled = [pad(part, column.width, column.numeric) for part in parts]
    return filled if kind is None else [look.dressed(kind, part) for part in filled]


def wrapped(text: str, columns: int, ellipsis: str, most: int) -> list[str]:
    """The text in lines of so many columns, each but the last ending in the ellipsis."""
    lines: list[str] = []
    begins, window = 0, (columns + 1) * CHARS_A_COLUMN
    while len(lines) < most - 1 and columns > len(ellipsis):
        rest = text[begins : begins + window]  # all of it each time takes 6 s for 300,000 chars
        first = clip(rest, columns, ellipsis)
        if first == rest or len(first) <= len(ellipsis):  # it fits, or nothing does
            break
        lines.append(first)
        begins += len(first) - len(ellipsis)
    return [*lines, clip(text[begins:], columns, ellipsis)]


# --- Records -----------------------------------------------------------------------------------


def _records(
    made: Sequence[_Column], nr: int, head: int, hidden: int, columns: int, look: Look
) -> list[str]:
    """A line for each cell, a longer text wrapped under itself."""
    label = _label_width(made, columns)
    room = max(columns - label - len(BEFORE_CELL), 1)
    lines: list[str] = []
    for row in range(nr):
        if hidden and row == head:
            lines.append(look.dressed("faint", _hidden_line(hidden, columns, columns, look)))
        number = row + 1 if row < head or not hidden else row + 1 + hidden
        title = f"-[ {number} ]"
        title += "-" * max(label + len(BEFORE_CELL) - len(title), 1)
        lines.append(look.dressed("faint", clip(title, columns, look.ellipsis)))
        for column in made:
            lines += _record_lines(column, row, label, room, look)
    return lines


def _label_width(made: Sequence[_Column], columns: int) -> int:
    """How wide the names beside cells are: half the screen, and less where cells need it."""
    room = columns - len(BEFORE_CELL)
    for_numbers = max((column.cell_width for column in made if column.numeric), default=0)
    most = min(columns // 2, max(room - for_numbers, MIN_HEADER), room - MIN_TEXT)
    return max(min(max((width(column.head) for column in made), default=0), most), 1)


def _record_lines(column: _Column, row: int, label: int, room: int, look: Look) -> list[str]:
    kind = "null" if row in column.nulls else "number" if column.numeric else None
    name = look.dressed("header", pad(clip(column.head, label, look.ellipsis), label))
    lines = []
    for n, part in enumerate(_parts(column, row, room, look)):
        text = part if kind is None else look.dressed(kind, part)
        lines.append(f"{name if not n else ' ' * label}{BEFORE_CELL}{text}".rstrip())
    return lines


def _parts(column: _Column, row: int, room: int, look: Look) -> list[str]:
    """A cell in lines of the room there is; each line of a text begins one, where wanted."""
    cell = column.cells[row]
    if column.numeric:
        return [cell]
    lines = [cell]
    if look.breaks_lines and "\\n" in cell:
        *before, last = map(visible, shown_cell(column.given[row]).split("\n"))
        lines = [*(line + look.line_end for line in before), last]
    return [part for line in lines for part in wrapped(line, room, look.ellipsis, 1 << 20)]
