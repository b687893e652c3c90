"""How `qasino watch` finds the columns that tell rows apart, and for how long it looks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qasino_cli.watch import diff
from qasino_cli.watch.diff import choose_key


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 5), min_size=2, max_size=9))
def test_a_key_is_found_where_there_is_one_and_no_shorter_one_tells_rows_apart(
    rows: list[tuple[Any, ...]],
) -> None:
    def apart(columns: tuple[int, ...]) -> bool:
        return len({tuple(row[n] for n in columns) for row in rows}) == len(rows)

    found = [c for size in (1, 2, 3) for c in combinations(range(5), size) if apart(c)]
    assert choose_key("abcde", rows, ()) == next(iter(found), ())


def test_another_key_is_found_in_the_one_of_before() -> None:
    """Else a row would be taken for that of another host: (/) tells these two apart as well."""
    names, rows = ("host", "mountpoint", "used_pct"), [("web-2", "/", 99), ("web-2", "/var", 97)]
    assert choose_key(names, rows, ()) == (1,)
    assert choose_key(names, rows, (), (0,)) == (0, 1)


class Looked(tuple[Any, ...]):
    """A row that counts how often a cell of any of them is looked at."""

    looks = 0

    def __getitem__(self, n: Any) -> Any:
        Looked.looks += 1
        return super().__getitem__(n)


def late_twins(rows: int) -> Iterator[tuple[int, ...]]:
    """Every three of eight columns have two rows, near the end, that are alike in no other."""
    yield from ((n,) * 8 for n in range(rows))
    for count, columns in enumerate(combinations(range(8), 3), 1):
        one = [-1000 * count - n for n in range(8)]
        yield tuple(one)
        yield tuple(cell if n in columns else cell - 500 for n, cell in enumerate(one))


@pytest.mark.parametrize(
    "rows",
    [
        [(n % 50, n % 7, n % 5, n % 3, n % 4, n % 2, 1, n % 9) for n in range(20_000)],
        list(late_twins(20_000)),
    ],
    ids=["many alike", "late twins"],
)
def test_where_no_key_is_it_is_not_sought_for_long(
    monkeypatch: pytest.MonkeyPatch, rows: list[tuple[int, ...]]
) -> None:
    """The screen hears no key meanwhile."""
    monkeypatch.setattr(diff, "MAX_LOOKS", 30_000)
    Looked.looks = 0
    assert choose_key("abcdefgh", [Looked(row) for row in rows], ()) == ()
    in_each_column, in_all_of_them, in_three = len(rows) * 8, len(rows) * 8, len(rows) * 3
    assert Looked.looks <= in_each_column + in_all_of_them + in_three + 3 * 30_000
