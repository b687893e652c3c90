"""The widest cell of each column, read off a result's JSON. Pure: text in, numbers out.

SQLite needs two calls for each cell to tell (`max(length(c))`): as long as it takes to make the
JSON. A regular expression that knows some widths skips whole rows that have no wider cell, a
third of that; the rows it stops at are looked at one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
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

_SLICE_CHARS = 131_072
"""So much is looked at in one go: others wait for the GIL that long, some 0.3 ms."""

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
    return _count(rows_json, _SPECIAL) == quotes and _count_ends(rows_json) == nr_rows - 1


def _count(text: bytes, characters: bytes) -> int:
    parts = (text[n : n + _SLICE_CHARS] for n in _slices(text))
    return sum(len(part) - len(part.translate(None, characters)) for part in parts)


def _count_ends(text: bytes) -> int:
    return sum(text.count(b"],[", n, n + _SLICE_CHARS + 2) for n in _slices(text))


def _slices(text: bytes) -> range:
    return range(0, len(text), _SLICE_CHARS)


def widths_of(rows_json: str, nr_rows: int, nr_columns: int) -> Widths | None:
    """The characters of the widest cell of each column; `is_plain` must be true of the text.

    None where there are too many columns, or the widths of their cells are all over the place.
    """
    widths = (0,) * nr_columns
    if nr_rows * nr_columns <= _AT_ONCE_CELLS:
        return _wider(widths, rows_json[3:-3].split(_AFTER_ROW))
    if nr_columns > _WIDEST:
        return None
    widths = _wider(widths, _samples(rows_json, nr_rows))
    guess, guesses, nr_wider = widths, 1, 0
    begins = 1
    while begins < len(rows_json):
        found = _rows_no_wider(guess).match(rows_json, begins, begins + _SLICE_CHARS)
        begins = found.end() if found is not None else begins
        if begins == len(rows_json):
            break
        ends = rows_json.find(_AFTER_ROW, begins)
        widths = _wider(widths, [rows_json[begins + 2 : ends if ends >= 0 else -3]])
        begins = ends + 3 if ends >= 0 else len(rows_json)
        nr_wider += widths != guess
        if nr_wider == _WIDER_ROWS:
            guess, guesses, nr_wider = widths, guesses + 1, 0
            if guesses > _GUESSES:
                return None
    return widths


def _samples(rows_json: str, nr_rows: int) -> Iterator[str]:
    """Some rows from here and there, of the beginning and the end among them."""
    length = 1 + len(rows_json) * (_STRETCH_ROWS + 1) // nr_rows
    for n in range(_STRETCHES):
        begins = n * (len(rows_json) - length) // (_STRETCHES - 1)
        begins = rows_json.find(_AFTER_ROW, begins, begins + length)
        ends = rows_json.rfind(_AFTER_ROW, begins, begins + length)
        if 0 <= begins < ends:
            yield from rows_json[begins + len(_AFTER_ROW) : ends].split(_AFTER_ROW)


def _wider(widths: Widths, rows: Iterable[str]) -> Widths:
    """The widths with those of some rows, without the quotes at both ends."""
    return tuple(map(max, widths, widths, *[map(len, row.split('","')) for row in rows]))


@lru_cache(maxsize=64)
def _rows_no_wider(widths: Widths) -> re.Pattern[str]:
    """As many rows as there are with cells of those widths at most."""
    cells = '","'.join([rf'[^"]{{0,{width}}}+' for width in widths])
    return re.compile(rf'(?:\["{cells}"\][,\]])*+')
