"""How a row's numbers went: a bar for each of the last pictures. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from qasino_cli.watch.diff import Key, Picture, Row, RowState

NR_BARS = 8
"""Bars of a cell."""
_BARS = {True: "▁▂▃▄▅▆▇█", False: "_.-:=+*#"}


def trails(past: Sequence[Picture], rows: Iterable[RowState]) -> dict[Key, list[Row | None]]:
    """What stood in each of these rows in each of those pictures, the newest last; None where it
    was not there, or rows had other columns or another key."""
    newest = past[-1]
    found: dict[Key, list[Row | None]] = {row.key: [None] * len(past) for row in rows}
    for n, picture in enumerate(past):
        if (picture.names, picture.key) != (newest.names, newest.key):
            continue
        for row in picture.rows:
            trail = found.get(row.key)
            if trail is not None and (row.status != "gone" or picture is newest):
                trail[n] = row.cells
    return found


def rates(values: Sequence[Any], past: Sequence[Picture]) -> list[float | None]:
    """By how much each differed from the one before, a second, in pictures that are these; None
    where either is no number."""
    numbers = [picture.generation_number for picture in past]
    return [
        (now - then) / max(at - before, 1) if _is_number(then) and _is_number(now) else None
        for (then, now), (before, at) in zip(pairwise(values), pairwise(numbers), strict=True)
    ]


def bars(values: Sequence[Any], unicode: bool) -> str:
    """At most `NR_BARS` values as bars between their least and their greatest, so wide; a blank
    where there is no number. Values that are all alike are at the bottom."""
    numbers = [v for v in values if _is_number(v)]
    if not numbers:
        return " " * NR_BARS
    least = min(numbers) / 2  # halves, since the whole of two may be more than a number can say
    spread = max(numbers) / 2 - least
    levels = _BARS[unicode]

    def bar(value: Any) -> str:
        if not _is_number(value):
            return " "
        share = (value / 2 - least) / spread if spread else 0.0
        return levels[min(int(share * len(levels)), len(levels) - 1)]

    return "".join(bar(value) for value in values).rjust(NR_BARS)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
