"""The widest cell of each column, read off a result's JSON. Pure: text in, numbers out.

SQLite needs two calls for each cell to tell (`max(length(c))`): as long as it takes to make the
JSON. A regular expression that knows some widths skips whole rows that have no wider cell, a
third of that; the rows it stops at are looked at one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

_AT_ONCE_CELLS = 3000
"""So many are split as fast as an expression is compiled."""
_STRETCHES, _STRETCH_ROWS = 4, 8
"""Where the first guess comes from: the beginning alone would say little of what is sorted."""
_WIDER_ROWS = 16
"""So many rows are looked at by hand before a new expression is compiled."""
_GUESSES = 8
_WIDEST = 64
"""Columns; compiling takes 20 microseconds for each."""

_SPECIAL = bytes(range(32)) + b'"\\'
_AFTER_ROW = '"],["'

Widths = tuple[int, ...]


def is_plain(rows_json: bytes, nr_rows: int, nr_columns: int) -> bool:
    """Whether what stands between the `"` of `[["a","b"],["c","d"]]` is the cells as they are.

    That is so if no cell has a character that JSON writes otherwise, which the number of all
    such characters tells; and whether `"],["` is the end of a row wherever it stands.
    """
    quotes = 2 * nr_rows * nr_columns
    if _count(rows_json, _SPECIAL + b"[") == quotes + nr_rows + 1:
        return True
    return _count(rows_json, _SPECIAL) == quotes and rows_json.count(b"],[") == nr_rows - 1


def _count(text: bytes, characters: bytes) -> int:
    return len(text) - len(text.translate(None, characters))


def widths_of(rows_json: str, nr_rows: int, nr_columns: int) -> Widths | None:
    """The characters of the widest cell of each column; `is_plain` must be true of the text.

    None where there are too many columns, or the widths of their cells are all over the place.
    """
    if nr_rows * nr_columns <= _AT_ONCE_CELLS:
        return _widest(rows_json[3:-3], nr_columns)
    if nr_columns > _WIDEST:
        return None
    widths = _wider((0,) * nr_columns, _stretches(rows_json, nr_rows), nr_columns)
    begins = 1
    for _ in range(_GUESSES):
        no_wider = _rows_no_wider(widths)
        for _ in range(_WIDER_ROWS):
            found = no_wider.match(rows_json, begins)
            begins = found.end() if found is not None else begins
            if begins == len(rows_json):
                return widths
            ends = rows_json.find(_AFTER_ROW, begins)
            row = rows_json[begins + 2 : ends if ends >= 0 else -3]
            widths = _wider(widths, [row], nr_columns)
            if ends < 0:
                return widths
            begins = ends + 3
    return None


def _stretches(rows_json: str, nr_rows: int) -> Iterator[str]:
    """Some rows from here and there, of the beginning and the end among them."""
    length = 1 + len(rows_json) * (_STRETCH_ROWS + 1) // nr_rows
    for n in range(_STRETCHES):
        begins = n * (len(rows_json) - length) // (_STRETCHES - 1)
        begins = rows_json.find(_AFTER_ROW, begins, begins + length)
        ends = rows_json.rfind(_AFTER_ROW, begins, begins + length)
        if 0 <= begins < ends:
            yield rows_json[begins + len(_AFTER_ROW) : ends]


def _wider(widths: Widths, stretches: Iterator[str] | list[str], nr_columns: int) -> Widths:
    found = [widths, *(_widest(rows, nr_columns) for rows in stretches)]
    return tuple(map(max, zip(*found, strict=True)))


def _widest(rows: str, nr_columns: int) -> Widths:
    """Of some rows, without the quotes at both ends."""
    cells = rows.replace(_AFTER_ROW, '","').split('","')
    return tuple(max(map(len, cells[n::nr_columns])) for n in range(nr_columns))


@lru_cache(maxsize=64)
def _rows_no_wider(widths: Widths) -> re.Pattern[str]:
    """As many rows as there are with cells of those widths at most."""
    cells = '","'.join([rf'[^"]{{0,{width}}}+' for width in widths])
    return re.compile(rf'(?:\["{cells}"\][,\]])*+')
