"""The widths read off a JSON text are those of its cells."""

from __future__ import annotations

import json
import random
import sys
import threading
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from qasino_server.database.widths import is_plain, widths_of
from qasino_server.interpreter import SWITCH_INTERVAL_S

CELL = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.sampled_from(["", "],[", ",", "[", "]", '","', '"],["', "]]", "é😀", "\\", "\n", "\0"]),
)
ROWS = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1)
)


def joined(rows: list[list[str]]) -> str:
    """As SQLite joins them: whatever is in the cells."""
    return '[["' + '"],["'.join('","'.join(row) for row in rows) + '"]]'


def widest(rows: list[list[str]]) -> tuple[int, ...]:
    return tuple(max(map(len, column)) for column in zip(*rows, strict=True))


@settings(max_examples=300, deadline=None)
@given(ROWS)
def test_a_text_is_plain_if_it_is_the_json_of_its_rows(rows: list[list[str]]) -> None:
    text = joined(rows)
    plain = is_plain(text.encode(), len(rows), len(rows[0]))
    if plain:
        assert json.loads(text) == rows
        assert widths_of(text, len(rows), len(rows[0])) == widest(rows)
    is_json = text == json.dumps(rows, separators=(",", ":"), ensure_ascii=False)
    assert plain == (is_json and not any("],[" in cell for row in rows for cell in row))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(), width=st.integers(1, 12), most=st.sampled_from([1, 3, 30, 300]))
def test_the_widths_of_many_rows_are_exact_or_not_told(seed: int, width: int, most: int) -> None:
    dice = random.Random(seed)
    kinds = [dice.randrange(4) for _ in range(width)]

    def cell(kind: int, row: int) -> str:
        if kind == 0:
            return str(row)
        if kind == 1:
            return "é" * dice.randrange(most)
        return dice.choice(["[", ",", "]", "x" * (row == 777), "😀"]) if kind == 2 else ""

    rows = [[cell(kind, row) for kind in kinds] for row in range(4000 // width)]
    text = joined(rows)
    assert is_plain(text.encode(), len(rows), width)
    assert widths_of(text, len(rows), width) in (widest(rows), None)


def test_widths_that_are_alike_are_told_of_any_number_of_rows() -> None:
    rows = [[str(n), f"name-{n}", "é" * (n % 9), ""] for n in range(50_000)]
    assert widths_of(joined(rows), len(rows), 4) == widest(rows)


def test_others_get_a_turn_while_widths_are_read() -> None:
    rows = [[str(n), f"name-{n}", "é" * (n % 9), "x" * 30] for n in range(200_000)]
    text, expected = joined(rows), widest(rows)
    turns, done = [0], threading.Event()

    def look() -> None:
        while not done.is_set():
            turns[0] += 1
            time.sleep(0)

    before_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    thread = threading.Thread(target=look)
    thread.start()
    try:
        widths = widths_of(text, len(rows), 4)
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(before_s)
    assert widths == expected
    assert turns[0] > 15, "it was one call for all rows"


def test_a_bracket_in_a_cell_is_told_from_a_rows_end_in_every_place() -> None:
    rows = [[f"[{n}]", "x" * (n % 23)] for n in range(30_000)]
    for before in range(4):  # so that each character of an end is the first of a slice once
        rows[0][1] = "x" * before
        assert is_plain(joined(rows).encode(), len(rows), 2)
        assert not is_plain(joined([*rows, ["],[", ""]]).encode(), len(rows) + 1, 2)


def test_widths_that_grow_all_the_time_are_not_told() -> None:
    alike = [["x" * 10]] * 30_000  # which is where the samples come from
    growing = [["x" * n] for n in range(11, 600)]
    rows = [*alike, *growing, *alike]
    assert widths_of(joined(rows), len(rows), 1) is None
    rows = [*alike, *growing[:100], *alike]
    assert widths_of(joined(rows), len(rows), 1) == widest(rows)


def test_widths_of_very_many_columns_are_not_told() -> None:
    wide = [[str(n)] * 70 for n in range(100)]
    assert widths_of(joined(wide), len(wide), 70) is None
