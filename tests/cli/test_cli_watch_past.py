"""Looking back in `qasino watch`: the generations that were seen, and how numbers went."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from terminal_screen import Terminal
from watch_house import QUERY, result_of

from qasino_cli.layout import Look
from qasino_cli.watch import past
from qasino_cli.watch.diff import compare
from qasino_cli.watch.frame import frame, plain
from qasino_cli.watch.query import Update
from qasino_cli.watch.screen import taken
from qasino_cli.watch.trend import NR_BARS, bars
from qasino_cli.watch.view import View, pressed
from qasino_server.table import Result

NAMES = ("host", "used")
FIRST_NUMBER = 1000


def result(number: int, names: tuple[str, ...] = NAMES, **used: Any) -> Result:
    rows = [(host, *(cell if isinstance(cell, tuple) else (cell,))) for host, cell in used.items()]
    return result_of(names, rows, number)


def told(view: View, now: Result, sql: str = "select * from disks", unknown: str = "") -> View:
    return taken(view, Update(result=now, sql=sql, unknown=unknown or None), ("host",), 2000.0)


def watched(*generations: dict[str, Any]) -> View:
    """A screen that has seen these, 30 s apart."""
    view = View(sql="select * from disks")
    for n, used in enumerate(generations):
        view = told(view, result(FIRST_NUMBER + 30 * n, **used))
    return view


def after(view: View, keys: str) -> View:
    for key in keys:
        view = pressed(view, key)
    return view


def drawn(view: View, unicode: bool = True) -> str:
    return plain(frame(view, 100, 20, 2000.0, Look(unicode=unicode)))


def said(view: View) -> str:
    """What is drawn, blanks and line ends alike."""
    return " ".join(drawn(view).split())


# --- Back and forth ------------------------------------------------------------------------------


def test_the_generations_before_are_looked_at_one_by_one() -> None:
    view = watched({"a": 1}, {"a": 2, "b": 9}, {"a": 5})
    back = after(view, "[")
    assert "generation 1030" in drawn(back)
    assert "paused, 1 newer" in drawn(back)
    assert "a 2▲ + b 9" in said(back), "what had changed and come then is marked"
    first = after(back, "[")
    assert "generation 1000" in drawn(first)
    end = after(first, "[")
    assert (end.picture, end.back) == (first.picture, first.back)
    assert drawn(end).splitlines()[2] == "nothing before this is kept"
    assert after(end, "]").picture == back.picture


@pytest.mark.parametrize("keys", ["]", " ", "["])
def test_forward_from_the_last_but_one_goes_on_and_so_does_space(keys: str) -> None:
    back = after(watched({"a": 1}, {"a": 2}), "[")
    assert back.paused
    if keys != "[":
        live = after(back, keys)
        assert not live.paused
        assert told(live, result(1060, a=3)).picture.generation_number == 1060
    else:
        assert told(back, result(1060, a=3)).picture.generation_number == 1000


def test_what_comes_meanwhile_is_counted_and_can_be_stepped_through() -> None:
    view = after(watched({"a": 1}, {"a": 2}), " ")
    for number, used in ((1060, 3), (1090, 4)):
        view = told(view, result(number, a=used))
    assert "paused, 2 newer" in drawn(view)
    assert after(view, "]").picture.generation_number == 1060
    assert after(view, "[").picture.generation_number == 1000
    live = after(view, "]]")
    assert (live.picture.generation_number, live.paused) == (1090, False)


def test_forward_without_having_looked_back_is_nothing() -> None:
    view = watched({"a": 1}, {"a": 2})
    assert after(view, "]") == view


def test_a_picture_tells_what_was_to_be_said_of_it_then() -> None:
    view = told(watched({"a": 1, "b": 1}), result(1030, a=2), unknown="missing: b (disks)")
    view = told(view, result(1060, a=3, b=4))
    assert "missing" not in drawn(view)
    back = after(view, "[")
    assert "missing: b (disks) paused, 1 newer" in said(back)
    lost = taken(back, Update(unknown="lost: nothing listens there"), (), 2000.0)
    assert "missing: b (disks) paused, 1 newer now lost: nothing" in said(lost)
    assert "missing" not in drawn(after(back, "["))


def test_columns_that_were_not_there_yet_are_not_sorted_by() -> None:
    view = told(watched({"a": 1}), result(1030, ("host", "used", "free"), a=(2, 3)))
    back = after(msgspec.structs.replace(view, sort=2, left=1), "[")
    assert (back.sort, back.left) == (None, 0)
    assert "free" not in drawn(back)


def test_another_statement_begins_anew() -> None:
    view = told(watched({"a": 1}, {"a": 2}), result(1060, a=3), sql="select 2")
    assert "nothing before" in drawn(after(view, "["))


def test_an_answer_that_says_the_same_is_no_step() -> None:
    view = watched({"a": 1}, {"a": 2})
    view = told(view, result(1030, a=2))
    assert after(view, "[").picture.generation_number == 1000


# --- Bounds --------------------------------------------------------------------------------------


def test_so_many_generations_are_kept() -> None:
    view = watched(*({"a": n} for n in range(past.MAX_SEEN + 5)))
    assert len(view.past) == past.MAX_SEEN
    oldest = after(view, "[" * (past.MAX_SEEN + 9))
    assert oldest.picture.generation_number == FIRST_NUMBER + 30 * 5


def test_what_is_looked_at_stays_though_it_is_kept_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(past, "MAX_SEEN", 3)
    view = after(watched({"a": 1}, {"a": 2}), "[")
    for n in range(5):
        view = told(view, result(1060 + 30 * n, a=n))
    assert view.picture.generation_number == 1000
    assert "paused, 3 newer" in drawn(view)
    assert after(view, "]").picture.generation_number == 1120, "the oldest that is kept"


@given(st.lists(st.integers(0, 40), min_size=1, max_size=12), st.integers(0, 120))
def test_no_more_cells_are_kept_than_may_be(sizes: list[int], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(past, "MAX_CELLS", most)
        kept: tuple[past.Seen, ...] = ()
        for n, size in enumerate(sizes):
            picture = compare(None, result(n, **{f"h{row}": row for row in range(size)}))
            kept = past.added(kept, past.Seen("select", picture, 0.0))
            cells = [len(one.picture.rows) * len(NAMES) for one in kept]
            assert kept[-1].picture is picture
            assert len(kept) == 1 or sum(cells) <= most
        room = most - sum(cells)
        assert len(kept) == len(sizes) or sizes[-1 - len(kept)] * len(NAMES) > room


# --- Trends --------------------------------------------------------------------------------------


def test_a_number_is_shown_with_how_it_went() -> None:
    view = after(watched(*({"a": n, "b": 7} for n in (1, 2, 3, 8))), "t")
    lines = drawn(view).splitlines()
    assert lines[2].endswith("1 changed, bars   ? help")
    assert lines[-2].split("  a")[1].strip() == "8     ▁▂▃█▲"
    assert lines[-1].split("  b")[1].strip() == "7     ▁▁▁▁"
    assert drawn(view, unicode=False).isascii()
    assert "▂" not in drawn(after(view, "t"))


def test_a_trend_ends_where_one_has_looked_back_to() -> None:
    view = after(watched(*({"a": n} for n in (1, 5, 9))), "t[")
    assert "5       ▁█▲" in drawn(view)


def test_a_row_that_was_not_there_has_a_gap_and_one_that_has_gone_its_past() -> None:
    view = after(watched({"a": 1, "b": 1}, {"b": 9}, {"a": 3, "b": 1}, {"a": 3}), "t")
    assert "a     3     ▁ ██" in drawn(view)
    assert "- b     1     ▁█▁▁" in drawn(view)


def test_a_row_that_is_shown_no_longer_leaves_the_trends_of_the_others() -> None:
    view = after(watched({"a": 1, "b": 1}, {"a": 2}, {"a": 3}), "t")
    assert "a     3      ▁▅█▲" in drawn(view)
    assert " b " not in drawn(view)


def test_at_most_so_many_bars_and_only_of_what_had_the_same_columns() -> None:
    view = watched(*({"a": n} for n in range(20)))
    assert f" {bars(range(12, 20), True)}" in drawn(after(view, "t"))
    view = told(view, result(5000, ("host", "free"), a=4))
    assert f"4 {' ' * (NR_BARS - 1)}▁" in drawn(after(view, "t"))


@pytest.mark.parametrize("key", ["D", "R"])
def test_bars_of_differences_tell_how_fast_a_counter_went(key: str) -> None:
    view = after(watched(*({"a": n} for n in (0, 10, 20, 60, 60))), f"t{key}")
    assert "0     ▃▃█▁" in drawn(view)
    assert " deltas, bars " in drawn(after(watched({"a": 1}, {"a": 2}), "Dt"))


def test_a_generation_that_was_missed_makes_no_counter_faster() -> None:
    view = watched({"a": 0}, {"a": 30})
    view = told(told(view, result(FIRST_NUMBER + 90, a=90)), result(FIRST_NUMBER + 120, a=150))
    assert "+60      ▁▁█▲" in drawn(after(view, "tD"))


NUMBERS = st.one_of(
    st.integers(-(1 << 63), (1 << 63) - 1), st.floats(), st.none(), st.text(max_size=3)
)


@given(st.lists(NUMBERS, max_size=NR_BARS), st.booleans())
@example([1.0, math.inf, math.nan, -math.inf, 2], True)
def test_bars_are_as_wide_as_ever_and_greater_numbers_no_lower(
    values: list[Any], unicode: bool
) -> None:
    made = bars(values, unicode)
    assert len(made) == NR_BARS
    levels = "▁▂▃▄▅▆▇█" if unicode else "_.-:=+*#"
    seen = [
        (value, levels.index(bar))
        for value, bar in zip(values, made[NR_BARS - len(values) :], strict=True)
        if bar != " "
    ]
    for one, low in seen:
        for other, high in seen:
            assert one > other or low <= high


# --- On a terminal -------------------------------------------------------------------------------


def test_on_a_terminal(screen: Callable[..., Terminal], rotate: Callable[..., None]) -> None:
    rotate(a=1)
    terminal = screen(QUERY)
    terminal.see("a 1")
    rotate(a=7)
    terminal.type("n")
    terminal.see("a 7▲")
    terminal.type("t")
    terminal.see("7 ▁█▲")
    terminal.type("[")
    terminal.see("paused, 1 newer", "1 ▁")
    terminal.type("]")
    terminal.see("7 ▁█▲")
    terminal.type("q")
    assert terminal.wait() == 0
