"""Columns of cells -> their types, the JSON of their rows, and why. Nothing is lost.

A column of text becomes numbers only if each cell could be written back as a person wrote it:

INTEGER  whole numbers of 64 bits: no leading zeros, no plus sign, no -0
REAL     decimal numbers that a double tells apart from all others of as many digits (15 always,
         16 and 17 where they are how a double is written), in columns where either all have the
         same number of decimals (12.50 and 3.00) or none is padded with zeros (2.0, 12.25, 3);
         whole numbers have none.
         Whole numbers beside them have to be kept as well (9007199254740993 would not be).
         1.9 and 1.10 stay text: they may be versions. So does 1.10 in a column of that name
         and 1e5 (a hash?); 1.5e+20 and 1e-07 are how programs write numbers.
TEXT     everything else: 007, telephone numbers, 20-digit ids, NaN, mixed columns

Where commas stand before decimals, points part thousands: there 1.234 is 1234, and stays text. A
table between semicolons, which spreadsheets put where commas are taken, is known as one of those
by a column that is text since it has a cell like 0,5 or 1.234,50, if no column of numbers has a
point elsewhere (0.125, 1.5). Then all columns are text whose points part groups of three digits.

What is sent is the cell's own text in either case, so not even 12.50 is rewritten on the way.
JSON values keep their own type; numbers and text in one column make it TEXT.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from json.encoder import encode_basestring
from typing import Protocol

import msgspec

from qasino_cli.readers.draft import BadPlace, Cell, Draft, Faults, Inferred, Row
from qasino_server.table import Columns, check_columns, shown

_BATCH_ROWS = 4096
_SHORT_WHOLE = re.compile(r"(?:0|-?[1-9][0-9]{0,14})?")
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?)[0-9]{1,4})?")
_ZEROS = re.compile(r"[-+]?0[0-9]+(\.[0-9]*)?")
_VERSIONS = re.compile(r"version|(?:^|_)(?:ver|release|rev|revision)(?:_|$)", re.I)
_MIN, _MAX = -(1 << 63), (1 << 63) - 1
_GROUPED = re.compile(r"-?[1-9][0-9]{0,2}(?:\.[0-9]{3})+")
_DECIMAL_COMMA = re.compile(r"-?[0-9]+(?:\.[0-9]{3})*,[0-9]+(?:\s?[%€])?")
_EXACT_DIGITS = 15
"""So many digits a double always keeps."""
_EXACT_INTEGER = 1 << 53
TYPES_REMEDY = "--types {}=text keeps it as it is"


class Guess(msgspec.Struct, frozen=True):
    """What a column is taken to be, and why."""

    type: str
    why: str
    is_doubtful: bool = False


class Guesser(Protocol):
    """Looks at all cells of a column, batch by batch, and then says what it is."""

    def look(self, cells: Sequence[Cell], first_row: int) -> None:
        """Take these cells into account; rows are counted from 1."""

    def guess(self) -> Guess:
        """The type of what was seen."""


Encode = Callable[[Sequence[Cell]], list[str]]
"""The cells of a column -> the JSON of each."""


class Misfit(Exception):
    """A cell that is not of the type that --types says."""


def typed_columns(
    draft: Draft, names: list[str], wanted: dict[str, str], faults: Faults
) -> tuple[Columns, str, list[Inferred]]:
    """The columns, the JSON of the rows, and why. Raises BadPlace.

    `wanted` has types by column name, in lower case.
    """
    wishes = {
        n: check_type(name, wanted[name.lower()])
        for n, name in enumerate(names)
        if name.lower() in wanted
    }
    guesses = _guesses(draft, names, wishes, faults)
    columns = check_columns(tuple(names), tuple(g.type for g in guesses))
    encoders = [
        _wished_encoder(column.type, draft.typed)
        if n in wishes
        else _encoder(column.type, draft.typed)
        for n, column in enumerate(columns)
    ]
    inferred = [
        Inferred(column.name, column.type, g.why, g.is_doubtful)
        for column, g in zip(columns, guesses, strict=True)
    ]
    return columns, _rows_json(_fitting(draft, names, wishes, faults), encoders), inferred


def _guesses(draft: Draft, names: list[str], wishes: dict[int, str], faults: Faults) -> list[Guess]:
    if draft.types:
        return [
            Guess(wishes[n], "as --types says") if n in wishes else Guess(*known)
            for n, known in enumerate(draft.types)
        ]
    guessers: dict[int, Guesser] = {
        n: _JsonColumn() if draft.typed else _TextColumn(name, draft.empty_is_text)
        for n, name in enumerate(names)
        if n not in wishes or draft.decimal_commas
    }
    seen = 0
    for batch in _fitting(draft, names, wishes, faults):
        columns = list(zip(*batch, strict=True))
        for n, guesser in guessers.items():
            guesser.look(columns[n], seen + 1)
        seen += len(batch)
    if draft.decimal_commas:
        _doubt_points([g for g in guessers.values() if isinstance(g, _TextColumn)])
    return [
        Guess(wishes[n], "as --types says") if n in wishes else guessers[n].guess()
        for n in range(len(names))
    ]


def _doubt_points(columns: Sequence[_TextColumn]) -> None:
    """Make text of what may be thousands; columns that --types names are signs like the others."""
    has_commas = any(column.has_decimal_comma for column in columns)
    if has_commas and not any(column.has_decimal_point for column in columns):
        for column in columns:
            column.doubt_points()


def _rows_json(batches: Iterator[list[list[Cell]]], encoders: Sequence[Encode]) -> str:
    parts: list[str] = []
    for batch in batches:
        columns = zip(*batch, strict=True)
        encoded = [encode(cells) for encode, cells in zip(encoders, columns, strict=True)]
        parts.append("],[".join(map(",".join, zip(*encoded, strict=True))))
    return f"[[{'],['.join(parts)}]]" if parts else "[]"


def _fitting(
    draft: Draft, names: list[str], wishes: dict[int, str], faults: Faults
) -> Iterator[list[list[Cell]]]:
    """The cells of all rows, in batches, without those that --types has no use for."""
    rows = draft.rows()
    while batch := list(islice(rows, _BATCH_ROWS)):
        if wishes:
            batch = [row for row in batch if _fits(draft, names, wishes, faults, row)]
        if batch:
            yield [cells for _, _, cells in batch]


def _fits(draft: Draft, names: list[str], wishes: dict[int, str], faults: Faults, row: Row) -> bool:
    line, begins, cells = row
    for n, kind in wishes.items():
        try:
            _wished(cells[n], kind, draft.typed)
        except Misfit as error:
            reason = f"column {names[n]}: {error} is no {kind}"
            place = draft.column(begins, n)
            remedy = TYPES_REMEDY.format(names[n])
            faults.bad_row(BadPlace(line, reason, place, draft.raw(begins), remedy), begins)
            return False
    return True


# --- Text --------------------------------------------------------------------------------------


class _TextColumn:
    """Whether cells without a type are numbers."""

    def __init__(self, name: str, empty_is_text: bool) -> None:
        self._name = name
        self._versions = _VERSIONS.search(name) is not None
        self._empty_is_text = empty_is_text
        self._kind = "INTEGER"
        self._why_text = ""
        self._filled = 0
        self._empty: str | None = None
        """Why it is text if it holds anything at all: an empty text stands among its cells."""
        self._decimals: set[int] = set()
        """How many of them there are in a cell; none in a whole number."""
        self._padded: tuple[int, str] | None = None
        """The first cell with zeros at its end that say something, and its row."""
        self._wide: tuple[int, str] | None = None
        """The first whole number whose digits a double would not keep, and its row."""
        self._grouped: tuple[int, str] | None = None
        """The first cell whose points may part thousands, and its row."""
        self._pointed = False
        """Whether a point stands before decimals for sure."""
        self._points_are_doubted = False
        self.has_decimal_comma = False
        """Whether a comma before decimals is why it is text."""

    def look(self, cells: Sequence[Cell], first_row: int) -> None:
        if self._kind == "TEXT":
            return
        texts = [cell or "" for cell in cells]
        self._filled += len(texts) - texts.count("")
        if self._empty_is_text and self._empty is None and "" in cells:
            self._empty = f"row {first_row + cells.index('')}: an empty text is no number"
        if self._kind == "INTEGER" and all(map(_SHORT_WHOLE.fullmatch, texts)):
            if any(texts):
                self._decimals.add(0)
            return
        for cell in dict.fromkeys(texts):
            if cell and not self._take(cell, texts, first_row):
                return

    def _take(self, cell: str, texts: list[str], first_row: int) -> bool:
        """Take one cell into account; False once the column can only be text."""
        whole = _is_whole(cell)
        fault = "" if whole else self._decimal_fault(cell)
        if not fault and not whole:
            self._kind = "REAL"
        if whole and self._wide is None and not _is_kept(cell):
            self._wide = (first_row + texts.index(cell), cell)
        if fault:
            self._kind = "TEXT"
            self._why_text = f"row {first_row + texts.index(cell)}: {fault}"
            self.has_decimal_comma = _DECIMAL_COMMA.fullmatch(cell) is not None
            return False
        if whole:
            self._decimals.add(0)
        elif "." in cell:
            self._note_decimals(cell, texts, first_row)
        return True

    def _decimal_fault(self, cell: str) -> str:
        """Why a cell is no number, '' if it is one."""
        found = _DECIMAL.fullmatch(cell)
        if found is None:
            return _shape_fault(cell)
        if cell == "-0":
            return "'-0' would lose its sign"
        if not _is_kept(cell):
            return f"{shown(cell, 40)} has more digits than a number keeps"
        if found[2] is None and "e" in cell.lower() and not found[3]:
            return f"{shown(cell)} may be no number: one would have a point or a signed exponent"
        return f"{shown(cell)} is a version, by its column's name" if self._versions else ""

    def _note_decimals(self, cell: str, texts: list[str], first_row: int) -> None:
        decimals = re.split("[.eE]", cell)[1]
        self._decimals.add(len(decimals))
        if self._padded is None and len(decimals) > 1 and decimals.endswith("0"):
            self._padded = (first_row + texts.index(cell), cell)
        if self._pointed:
            return
        if _GROUPED.fullmatch(cell) is None:
            self._pointed = True
        elif self._grouped is None:
            self._grouped = (first_row + texts.index(cell), cell)

    @property
    def has_decimal_point(self) -> bool:
        """Whether it is of numbers that have one for sure."""
        return self._pointed and self.guess().type == "REAL"

    def doubt_points(self) -> None:
        """Its points may part thousands, unless one of them cannot."""
        self._points_are_doubted = not self._pointed

    def guess(self) -> Guess:
        if self._kind == "TEXT":
            return Guess("TEXT", self._why_text)
        if not self._filled:
            return Guess("TEXT", "it is empty")
        if self._empty is not None:
            return Guess("TEXT", self._empty)
        if self._points_are_doubted and self._grouped is not None:
            row, cell = self._grouped
            why = f"row {row}: {shown(cell)} may be thousands; --types {self._name}=real if not"
            return Guess("TEXT", why, is_doubtful=True)
        if self._padded is not None and len(self._decimals) > 1:
            row, cell = self._padded
            return Guess("TEXT", f"row {row}: {shown(cell)} beside cells with other decimals")
        if self._wide is not None and self._kind == "REAL":
            row, cell = self._wide
            return Guess("TEXT", f"row {row}: {cell} beside decimal numbers would lose digits")
        what = "whole number" if self._kind == "INTEGER" else "number"
        return Guess(self._kind, _all(self._filled, what))


def _is_whole(cell: str) -> bool:
    return _WHOLE.fullmatch(cell) is not None and _MIN <= int(cell) <= _MAX


def _shape_fault(cell: str) -> str:
    if _ZEROS.fullmatch(cell):
        return f"{shown(cell, 40)} has a leading zero"
    if cell != cell.strip() and _DECIMAL.fullmatch(cell.strip()):
        return f"{shown(cell, 40)} has blanks around it"
    return f"{shown(cell, 40)} is no number"


def _is_kept(cell: str) -> bool:
    """Whether a double keeps the digits of a decimal number."""
    value = float(cell)
    digits = _digits(cell)
    if math.isinf(value) or (value == 0) != (digits == ""):
        return False
    if value == 0:
        return True  # -0.00 too: so programs print a small number
    if len(digits) <= _EXACT_DIGITS and abs(value) > 1e-300:
        return True
    return digits in (_digits(repr(value)), _digits(f"{value:.17g}")) or _is_sqlites(cell, value)


def _digits(number: str) -> str:
    """The digits that count."""
    return re.split("[eE]", number)[0].replace(".", "").lstrip("-0").rstrip("0")


def _is_sqlites(cell: str, value: float) -> bool:
    """Whether it is how our own answers have this number."""
    from qasino_server.real import real_text  # 3 ms, for what hardly any cell needs

    return cell == real_text(value)


def _all(count: int, what: str) -> str:
    return f"all {count} cells are {what}s" if count > 1 else f"its cell is a {what}"


# --- JSON --------------------------------------------------------------------------------------

_KINDS = {'"': "text", "t": "bool", "f": "bool", "{": "nested", "[": "nested"}


class _JsonColumn:
    """What the values of a column have in common; cells are their JSON."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._lossy: str | None = None
        self._wide = False

    def look(self, cells: Sequence[Cell], first_row: int) -> None:
        firsts = {cell[0] for cell in cells if cell is not None}
        self._kinds |= {_KINDS.get(first, "number") for first in firsts}
        if "number" in self._kinds and self._lossy is None:
            for cell in dict.fromkeys(cells):
                if cell is not None and cell[0] not in _KINDS:
                    self._take(cell)

    def _take(self, cell: str) -> None:
        if _SHORT_WHOLE.fullmatch(cell):
            return
        if _is_whole(cell):
            self._wide |= abs(int(cell)) > _EXACT_INTEGER
            return
        self._kinds.add("real")
        if not _is_kept(cell):
            self._lossy = cell

    def guess(self) -> Guess:
        kinds = self._kinds
        if not kinds:
            return Guess("TEXT", "no row has a value")
        if kinds == {"text"}:
            return Guess("TEXT", "all are text")
        if kinds == {"nested"}:
            return Guess("TEXT", "arrays and objects are kept as their JSON")
        if kinds & {"text", "nested"}:
            return Guess("TEXT", "text and other values are mixed")
        if self._lossy is not None:
            return Guess("TEXT", f"{shown(self._lossy, 40)} has more digits than a number keeps")
        if "real" not in kinds:
            return Guess("INTEGER", "all are whole numbers" if "number" in kinds else "true is 1")
        if self._wide:
            return Guess("TEXT", "whole numbers beside decimal ones would lose digits")
        return Guess("REAL", "all are numbers")


# --- Cells -> JSON -----------------------------------------------------------------------------


def _encoder(kind: str, typed: bool) -> Encode:
    """How the cells of a column are sent once its type is known."""
    if typed:
        return _typed_text if kind == "TEXT" else _typed_numbers
    return _texts if kind == "TEXT" else _numbers


def _numbers(cells: Sequence[Cell]) -> list[str]:
    return [cell or "null" for cell in cells]


def _texts(cells: Sequence[Cell]) -> list[str]:
    return ["null" if cell is None else encode_basestring(cell) for cell in cells]


_BOOLS = {"true": "1", "false": "0"}


def _typed_numbers(cells: Sequence[Cell]) -> list[str]:
    return ["null" if cell is None else _BOOLS.get(cell, cell) for cell in cells]


def _typed_text(cells: Sequence[Cell]) -> list[str]:
    return [
        "null" if cell is None else cell if cell[0] == '"' else encode_basestring(cell)
        for cell in cells
    ]


# --- Types that are told -----------------------------------------------------------------------


def check_type(name: str, wish: str) -> str:
    """INTEGER, REAL or TEXT for a type as users may call it. Raises BadRequest."""
    return check_columns((name,), (wish,))[0].type


def _wished_encoder(kind: str, typed: bool) -> Encode:
    return lambda cells: [_wished(cell, kind, typed) for cell in cells]


def _wished(cell: Cell, kind: str, typed: bool) -> str:
    """The JSON of a cell as the type that is told. Raises Misfit."""
    if cell is None:
        return "null"
    if kind == "TEXT":
        return (_typed_text if typed else _texts)((cell,))[0]
    text = _bare(cell) if typed else cell
    if not text.strip():
        return "null"
    try:
        return _wished_integer(text) if kind == "INTEGER" else _wished_real(text)
    except (ValueError, OverflowError):
        raise Misfit(shown(text, 80)) from None


def _bare(cell: str) -> str:
    """A JSON value as the text it would be in a file."""
    return msgspec.json.decode(cell, type=str) if cell[0] == '"' else _BOOLS.get(cell, cell)


def _wished_integer(text: str) -> str:
    value = int(text)
    if "_" in text or not _MIN <= value <= _MAX:
        raise ValueError("no number of 64 bits")
    return str(value)


def _wished_real(text: str) -> str:
    value = float(text)
    if "_" in text or math.isnan(value):
        raise ValueError("no number in SQL")
    if math.isinf(value):
        return "9e999" if value > 0 else "-9e999"
    return repr(value)
