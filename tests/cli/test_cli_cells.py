"""Text cut to columns of a terminal."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qasino_cli.cells import CHARS_A_COLUMN, clip, pad, shown_cell, visible_pieces
from qasino_server.render import visible, width

FAMILY = "👩🏽\u200d👩🏿\u200d👧🏽\u200d👦🏽"
WHOLE = ["日", "a", "e\u0301", "🇩🇪", FAMILY, "👍🏽", "❤\ufe0f"]


@pytest.mark.parametrize(
    ("text", "columns", "clipped"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("abcdef", 1, "…"),
        ("abcdef", 0, ""),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("🇩🇪🇫🇷🇩🇪", 4, "🇩🇪…"),
        ("👍🏽👍🏽👍🏽", 4, "👍🏽…"),
        (FAMILY * 3, 4, FAMILY + "…"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
        ("ab\\ncdef", 4, "ab…"),
        ("ab\\ncdef", 5, "ab\\n…"),
        ("日\\u202ecdef", 8, "日…"),
        ("日\\u202ecdef", 9, "日\\u202e…"),
        ("\\\\x1bcdef", 5, "\\…"),
        ("\\xyzabc", 3, "\\x…"),
        ("\\u202ecdef", 5, "\\u20…"),
    ],
)
def test_a_text_is_cut_between_pictures(text: str, columns: int, clipped: str) -> None:
    assert clip(text, columns) == clipped


@example(["❤️", "日"], 2)
@given(st.lists(st.sampled_from(WHOLE), max_size=20), st.integers(0, 45))
def test_no_picture_is_halved_and_no_column_exceeded(pictures: list[str], columns: int) -> None:
    clipped = clip("".join(pictures), columns)
    assert width(clipped) <= columns
    beginnings = ["".join(pictures[:n]) for n in range(len(pictures) + 1)]
    assert clipped.removesuffix("…") in beginnings


@given(st.text(alphabet=st.characters(exclude_categories=["C", "Z"])), st.integers(0, 20))
def test_any_visible_text_is_cut_to_its_columns(text: str, columns: int) -> None:
    assert width(clip(text, columns)) <= columns
    assert width(clip(text, columns, "~")) <= columns


@pytest.mark.parametrize("columns", [3, 10, 80])
@pytest.mark.parametrize(
    "text", ["\U0001f3ff" * 300, "a" + "\U0001f3ff" * 300, "ab" + "\u200d" * 9]
)
def test_what_joins_nothing_is_cut_like_other_text(text: str, columns: int) -> None:
    clipped = clip(text, columns)
    assert width(clipped) <= columns
    assert clipped == text or len(clipped) > columns // 4


def test_a_heap_of_combining_marks_is_cut_like_other_text() -> None:
    """Cut one mark after the other it once took 26 s, for a cell that anybody can publish."""
    hostile = "x" * 20 + "\u0301" * 100_000 + "y" * 100
    clipped = clip(hostile, 60)
    assert clipped.endswith("…")
    assert len(clipped) <= 60 * CHARS_A_COLUMN + 1


@pytest.mark.parametrize(
    ("text", "columns"),
    [("o\u200dk" * 15, 30), ("a\u200d日", 3), (FAMILY, 2), ("❤\ufe0f\u200d🔥", 2), ("क्\u200dष", 2)],
)
def test_a_joiner_makes_one_picture_of_pictures_alone(text: str, columns: int) -> None:
    assert width(text) == columns


def test_padding_counts_columns_not_characters() -> None:
    assert pad("日本", 6) == "日本  "
    assert pad("日本", 6, right=True) == "  日本"
    assert pad("too long", 3) == "too long"


def test_a_cell_is_shown_as_sqlite_writes_it() -> None:
    cells = [None, "NULL", "", 2**62, 1.5e300, 0.1 + 0.2, b"ab", b"\xff\x00"]
    assert [shown_cell(cell) for cell in cells] == [
        "NULL",
        "'NULL'",
        "",
        "4611686018427387904",
        "1.5e+300",
        "0.30000000000000004",
        "ab",
        "ff00",
    ]


@given(st.text(), st.integers(1, 5))
def test_a_stream_is_made_visible_wherever_its_pieces_end(text: str, size: int) -> None:
    body = text.encode()
    pieces = [body[n : n + size] for n in range(0, len(body), size)]
    shown = "".join(visible_pieces(pieces))
    assert shown == "".join(visible_pieces([text]))
    assert all(visible(cell) == cell for cell in shown.replace("\t", "\n").split("\n"))
