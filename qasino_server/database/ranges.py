"""Where rows are: ranges of rowids, in the order in which the rows came."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class RowRange(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Consecutive rows of a table: rowids `first` to `last`, both included."""

    first: int
    last: int

    @property
    def count(self) -> int:
        """How many rows."""
        return self.last - self.first + 1


Ranges = tuple[RowRange, ...]


def count_rows(ranges: Ranges) -> int:
    """How many rows."""
    rows = 0
    for r in ranges:
        rows += r.last - r.first + 1
    return rows


def ranges_json(ranges: Iterable[RowRange]) -> str:
    """As SQLite reads them: arrays of the first rowid and the last."""
    return msgspec.json.encode(ranges).decode()


def joined(before: Ranges, new: Ranges) -> Ranges:
    """Ranges with the new ones, a seam closed where they follow one another."""
    if before and new and before[-1].last + 1 == new[0].first:
        return (*before[:-1], RowRange(before[-1].first, new[0].last), *new[1:])
    return before + new


def split(ranges: Ranges, at_most: int) -> tuple[Ranges, Ranges]:
    """The first `at_most` rows of the ranges, and the rest."""
    taken: list[RowRange] = []
    for place, r in enumerate(ranges):
        if not at_most:
            return tuple(taken), ranges[place:]
        if r.count > at_most:
            last = r.first + at_most - 1
            taken.append(RowRange(r.first, last))
            return tuple(taken), (RowRange(last + 1, r.last), *ranges[place + 1 :])
        taken.append(r)
        at_most -= r.count
    return tuple(taken), ()
