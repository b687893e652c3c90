"""Columns of cells -> their types, their values, and why. Nothing is lost.

A column of text becomes numbers only if every cell could be written back as it was, in a sense
a person would agree with:
- INTEGER: whole numbers of 64 bits without leading zeros or a plus sign;
- REAL: decimal numbers of up to 15 digits, where no two different cells become the same value
  (1.1 and 1.10 are one number, but two versions);
- everything else stays TEXT: `007`, telephone numbers, 20-digit ids, mixed columns.
JSON values keep their own type; numbers and text in one column make it TEXT.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from qasino_cli.readers.draft import BadPlace, Cell, Draft, Inferred, Typed
from qasino_server.errors import BadRequest
from qasino_server.table import Columns, check_columns, shown

_WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,18})")
_DECIMAL = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?")
_ZEROS = re.compile(r"[-+]?0\d+")
_MAX = (1 << 63) - 1
_EXACT = 1 << 53
"""A double holds every whole number up to that."""
TYPES_REMEDY = "--types {}=text keeps it as it is"


class Guess(msgspec.Struct, frozen=True):
    """What a column is taken to be."""

    type: str
    why: str
    values: list[Any]


def typed_columns(
    draft: Draft, names: list[str], wanted: dict[str, str], skip_bad_rows: bool
) -> tuple[Columns, list[list[Any]], list[Inferred]]:
    """The columns, the rows as values, and why. Raises BadPlace.

    `wanted` has types by column name, in lower case. With `skip_bad_rows` a row with a cell
    that does not fit its wanted type is put among the draft's rejects.
    """
    if skip_bad_rows:
        _drop_misfits(draft, names, wanted)
    guesses = []
    for n, name in enumerate(names):
        cells = [row[n] for row in draft.rows]
        wish = wanted.get(name.lower())
        guesses.append(
            guess(cells, draft.empty_is_null)
            if wish is None
            else _as_wished(draft, n, name, cells, wish)
        )
    columns = check_columns(tuple(names), tuple(g.type for g in guesses))
    rows = [list(row) for row in zip(*(g.values for g in guesses), strict=True)]
    inferred = [
        Inferred(column.name, column.type, g.why)
        for column, g in zip(columns, guesses, strict=True)
    ]
    return columns, rows, inferred


def guess(cells: list[Cell], empty_is_null: bool) -> Guess:
    """The type of a column of cells."""
    if any(isinstance(cell, Typed) for cell in cells):
        return _of_typed(cells)
    texts = [cell for cell in cells if isinstance(cell, str) and cell != ""]
    return _whole(cells, texts) or _decimal(cells, texts) or _text(cells, texts, empty_is_null)


def _whole(cells: list[Cell], texts: list[str]) -> Guess | None:
    if not texts or not all(map(_WHOLE.fullmatch, texts)):
        return None
    values = [int(cell) if cell else None for cell in cells]  # type: ignore[arg-type]  # all text
    if any(abs(v) > _MAX for v in values if v is not None) or "-0" in texts:
        return None
    return Guess("integer", _all(texts, "whole numbers"), values)


def _decimal(cells: list[Cell], texts: list[str]) -> Guess | None:
    if not texts or not all(map(_DECIMAL.fullmatch, texts)) or _loss(texts) is not None:
        return None
    values = [float(cell) if cell else None for cell in cells]  # type: ignore[arg-type]  # all text
    return Guess("real", _all(texts, "numbers"), values)


def _loss(texts: list[str]) -> str | None:
    """Why decimal numbers would not come back as they were."""
    seen: dict[float, str] = {}
    for text in dict.fromkeys(texts):
        digits = re.split("[eE]", text)[0].lstrip("-").replace(".", "").lstrip("0")
        value = float(text)
        if len(digits) > 15 or value in (float("inf"), float("-inf")):
            return f"{shown(text)} has more digits than a number keeps"
        if text.startswith("-") and value == 0:
            return f"{shown(text)} would lose its sign"
        other = seen.setdefault(value, text)
        if other != text:
            return f"{shown(other)} and {shown(text)} would be the same number"
    return None


def _text(cells: list[Cell], texts: list[str], empty_is_null: bool) -> Guess:
    values: list[Any] = []
    for cell in cells:
        plain = None if cell is None else str(cell)
        values.append(plain)
    return Guess("text", _why_text(texts), values)


def _why_text(texts: list[str]) -> str:
    """The first cell that is no number, or why those that are were not taken for some."""
    if not texts:
        return "it is empty"
    for text in texts:
        if _ZEROS.fullmatch(text):
            return f"{shown(text)} has a leading zero"
        if not _DECIMAL.fullmatch(text):
            return f"{shown(text, 40)} is no number"
    return _loss(texts) or "a number is larger than 64 bits"


def _all(texts: list[str], what: str) -> str:
    return f"all {len(texts)} cells are {what}" if len(texts) > 1 else f"its cell is a {what[:-1]}"


# --- JSON --------------------------------------------------------------------------------------


def _of_typed(cells: list[Cell]) -> Guess:
    """Values that came with a type."""
    values = [cell.value if isinstance(cell, Typed) else cell for cell in cells]
    kinds = {type(value) for value in values if value is not None}
    whole = [v for v in values if isinstance(v, int)]
    if kinds <= {int, bool} and all(abs(v) <= _MAX for v in whole):
        return Guess("integer", "all are whole numbers", [_bare(v) for v in values])
    if kinds <= {int, bool, float} and all(abs(v) <= _EXACT for v in whole):
        return Guess("real", "all are numbers", [None if v is None else float(v) for v in values])
    why = "all are text" if kinds == {str} else "text and other values are mixed"
    if not kinds & {str}:
        nested = kinds & {dict, list}
        why = "arrays and objects are kept as JSON" if nested else "a number is over 64 bits"
    return Guess("text", why, [_as_text(value) for value in values])


def _bare(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


# --- Types that are told -----------------------------------------------------------------------

_READ: dict[str, Callable[[str], Any]] = {"TEXT": str, "INTEGER": int, "REAL": float}


def check_type(name: str, wish: str) -> str:
    """INTEGER, REAL or TEXT for a type as users may call it. Raises BadRequest."""
    return check_columns((name,), (wish,))[0].type


def _as_wished(draft: Draft, n: int, name: str, cells: list[Cell], wish: str) -> Guess:
    kind = check_type(name, wish)
    values = []
    for row, cell in enumerate(cells):
        try:
            values.append(_converted(cell, kind))
        except (ValueError, OverflowError):
            raise _misfit(draft, row, name, cell, kind) from None
    return Guess(kind.lower(), "as --types says", values)


def _converted(cell: Cell, kind: str) -> Any:
    value = cell.value if isinstance(cell, Typed) else cell
    if kind == "TEXT" or value is None:
        return _as_text(value)
    if value == "":
        return None
    if isinstance(value, str):
        if "_" in value or value.strip().lower().lstrip("+-") == "nan":
            raise ValueError("no number in SQL")
        return _READ[kind](value.strip())
    if isinstance(value, dict | list) or (kind == "INTEGER" and value != int(value)):
        raise ValueError("no whole number")
    return _READ[kind](value)


def _misfit(draft: Draft, row: int, name: str, cell: Cell, kind: str) -> BadPlace:
    value = cell.value if isinstance(cell, Typed) else cell
    return BadPlace(
        draft.line_of(row),
        f"column {name}: {shown(value)} is no {kind}",
        raw=draft.raw_of(row),
        remedy=TYPES_REMEDY.format(name),
    )


def _drop_misfits(draft: Draft, names: list[str], wanted: dict[str, str]) -> None:
    """Rows with a cell that does not fit go to the rejects."""
    kinds = [
        (n, name, wanted[name.lower()]) for n, name in enumerate(names) if name.lower() in wanted
    ]
    kept: list[int] = []
    for row, cells in enumerate(draft.rows):
        bad = None
        for n, name, wish in kinds:
            kind = check_type(name, wish)
            try:
                _converted(cells[n], kind)
            except (ValueError, OverflowError):
                bad = _misfit(draft, row, name, cells[n], kind)
                break
        if bad is None:
            kept.append(row)
        else:
            draft.rejects.append(bad.reject())
    draft.rows = [draft.rows[row] for row in kept]
    draft.lines = [draft.lines[row] for row in kept]


__all__ = ["BadRequest", "Guess", "check_type", "guess", "typed_columns"]
