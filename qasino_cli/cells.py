"""Cells of a result as text of a certain width: what every drawing of rows stands on.

Widths are terminal cells, not characters: a CJK character takes two, a combining mark none.
Text is made visible first (`shown_cell`, `visible`); nothing here passes a control character.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wcwidth import wcswidth

from qasino_server.render import text_cell, visible, width
from qasino_server.table import Result

ELLIPSIS = "…"
NULL = "NULL"


def shown_cell(cell: Any) -> str:
    """A typed cell for eyes, before its control characters are made visible: NULL is named."""
    return NULL if cell is None else text_cell(cell)


def right_aligned(result: Result) -> list[bool]:
    """Which columns hold numbers alone; one without any cell goes by its declared type."""
    columns = list(zip(*result.rows, strict=True)) or [()] * len(result.column_names)
    return [_numeric(cells, kind) for cells, kind in zip(columns, result.column_types, strict=True)]


def _numeric(cells: Sequence[Any], declared: str) -> bool:
    present_cells = [cell for cell in cells if cell is not None]
    if not present_cells:
        return declared.upper() in ("INTEGER", "REAL")
    return all(isinstance(cell, int | float) for cell in present_cells)


def pad(text: str, columns: int, right: bool = False) -> str:
    """Fill up with blanks to so many columns; a longer text stays as it is."""
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks


def clip(text: str, columns: int, ellipsis: str = ELLIPSIS) -> str:
    """The text in at most so many columns; where something is missing it ends in the ellipsis.

    A character that is two columns wide is never halved, nor a sequence joined to one picture.
    """
    if width(text) <= columns:
        return text
    room = columns - len(ellipsis)
    if room <= 0:
        return ellipsis[: max(columns, 0)]
    if text.isascii():
        return text[:room] + ellipsis
    cut = min(len(text), room)
    while cut and wcswidth(text[:cut]) > room:
        cut -= 1
    while cut < len(text) and wcswidth(text[: cut + 1]) <= room:
        cut += 1
    return text[:cut] + ellipsis


__all__ = ["ELLIPSIS", "NULL", "clip", "pad", "right_aligned", "shown_cell", "visible", "width"]
