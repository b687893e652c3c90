"""Ranges of rowids: which rows they are, in their order, however they are cut and joined."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qasino_server.database.ranges import Ranges, RowRange, count_rows, joined, split


def in_ranges(ranges: Ranges) -> list[int]:
    """The rowids, each range having one at least."""
    assert all(r.first <= r.last for r in ranges)
    rowids = [rowid for r in ranges for rowid in range(r.first, r.last + 1)]
    assert count_rows(ranges) == sum(r.count for r in ranges) == len(rowids)
    return rowids


@st.composite
def some_ranges(draw: st.DrawFn, begins: int = 1) -> Ranges:
    """In a table's order, of which some follow one another."""
    ranges: list[RowRange] = []
    for gap, more in draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=4)):
        first = begins + gap
        ranges.append(RowRange(first, first + more))
        begins = first + more + 1
    return tuple(ranges)


@given(some_ranges(), st.integers(0, 16))
def test_the_first_so_many_rows_and_the_rest_are_all_of_them(ranges: Ranges, at_most: int) -> None:
    rowids = in_ranges(ranges)
    first, rest = split(ranges, at_most)
    assert in_ranges(first) == rowids[:at_most]
    assert in_ranges(rest) == rowids[at_most:]


@given(st.data(), some_ranges())
def test_what_follows_at_once_is_one_range_with_what_was_there(
    data: st.DataObject, before: Ranges
) -> None:
    new = data.draw(some_ranges(before[-1].last + 1 if before else 1))
    both = joined(before, new)
    assert in_ranges(both) == in_ranges(before) + in_ranges(new)
    follows = bool(before and new) and before[-1].last + 1 == new[0].first
    assert len(both) == len(before) + len(new) - follows
