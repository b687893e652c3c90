"""Tables and records as lines, whole, at several widths."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qasino_cli.layout import LEAST_COLUMNS, Look, lay_out, shows_all, wrapped
from qasino_server.render import width
from qasino_server.table import Result


def result(names: tuple[str, ...], rows: list[tuple[Any, ...]], types: str = "") -> Result:
    kinds = tuple(types.split()) or ("",) * len(names)
    return Result(column_names=names, column_types=kinds, nr_rows=len(rows), rows=rows)


HOSTS = result(
    ("host", "note", "free_bytes"),
    [
        ("web-01.example.com", "the quick brown fox jumps over the lazy dog", 1234567890123),
        ("db-1", None, None),
        ("db-2", "NULL", 7),
    ],
)


def test_a_table_that_fits_stands_as_it_is() -> None:
    assert lay_out(HOSTS, 100) == [
        "host                note                                            free_bytes",
        "─" * 78,
        "web-01.example.com  the quick brown fox jumps over the lazy dog  1234567890123",
        "db-1                NULL                                                  NULL",
        "db-2                'NULL'                                                   7",
    ]


def test_text_gives_way_and_numbers_never_do() -> None:
    assert lay_out(HOSTS, 48) == [
        "host              note                free_bytes",
        "─" * 48,
        "web-01.example.…  the quick brow…  1234567890123",
        "com               n fox jumps ov…",
        "                  er the lazy dog",
        "db-1              NULL                      NULL",
        "db-2              'NULL'                       7",
    ]
    for columns in range(33, 80):
        lines = lay_out(HOSTS, columns)
        assert all(width(line) <= columns for line in lines), columns
        assert any("1234567890123" in line for line in lines)


def test_with_few_rows_a_cut_text_goes_on_below() -> None:
    words = result(("a", "n"), [("one two three four five", 1), ("six", 2)])
    assert lay_out(words, 14) == [
        "a            n",
        "──────────────",
        "one two th…  1",
        "ree four f…",
        "ive",
        "six          2",
    ]


def test_with_many_rows_a_cut_text_ends_in_the_mark() -> None:
    words = result(("a", "n"), [("one two three four", n) for n in range(9)])
    lines = lay_out(words, 14)
    assert lines[2] == "one two th…  0"
    assert len(lines) == 11


def test_five_rows_are_few_and_six_are_many() -> None:
    heights = [
        len(lay_out(result(("a", "n"), [("one two three four", n) for n in range(nr)]), 14))
        for nr in (5, 6)
    ]
    assert heights == [2 + 2 * 5, 2 + 6]


def test_a_letter_under_ever_so_many_marks_is_cut_with_many_rows_too() -> None:
    marked = "e" + "\u0301" * 100_000
    lines = lay_out(result(("a",), [(marked,), *[("one",)] * 9]), 14)
    assert max(map(len, lines)) < 150
    assert lines[3:] == ["one"] * 9


def test_columns_without_room_are_left_out_and_named() -> None:
    wide = result(tuple("abcdefgh"), [tuple(10**12 + n for n in range(8))])
    assert lay_out(wide, 40) == [
        "            a              b",
        "─" * 28,
        "1000000000000  1000000000001",
        "6 more columns: c, d, e, f, g, h",
    ]
    hinting = lay_out(wide, 40, look=Look(shown_by="\\gx"))
    assert hinting[3] == "6 more columns (\\gx shows them): c, d, …"
    assert lay_out(wide, 117, look=Look(shown_by="\\gx"))[-1] == "1 more column (\\gx shows it): h"


def test_auto_draws_records_where_a_table_does_not_fit() -> None:
    assert lay_out(HOSTS, 40, expanded="auto")[:4] == [
        "-[ 1 ]-------",
        "host       | web-01.example.com",
        "note       | the quick brown fox jumps …",
        "           | over the lazy dog",
    ]
    assert lay_out(HOSTS, 100, expanded="auto")[0].startswith("host ")


def test_names_give_way_to_numbers_in_records() -> None:
    wide = result(("a name that is long", "n"), [("hello, world", 9223372036854775807)])
    assert lay_out(wide, 36, expanded=True) == [
        "-[ 1 ]-----------",
        "a name that i… | hello, world",
        "n              | 9223372036854775807",
    ]
    assert lay_out(wide, 20, expanded=True) == [
        "-[ 1 ]-",
        "a n… | hello, world",
        "n    | 9223372036854775807",
    ]


def test_records_tell_null_from_text() -> None:
    assert lay_out(result(("a", "b"), [(None, "NULL"), ("", 0)]), 80, expanded=True) == [
        "-[ 1 ]-",
        "a | NULL",
        "b | 'NULL'",
        "-[ 2 ]-",
        "a |",
        "b | 0",
    ]


VIEW = result(("view", "sql"), [("busy", "select host,\n  'a\\n' tab\t\n\nfrom hosts\n")])


def test_a_text_of_several_lines_stands_in_as_many_in_records() -> None:
    assert lay_out(VIEW, 80, expanded=True, look=Look(breaks_lines=True)) == [
        "-[ 1 ]-",
        "view | busy",
        "sql  | select host,↵",
        "     |   'a\\n' tab\\t↵",
        "     | ↵",
        "     | from hosts↵",
        "     |",
    ]
    ascii_only = lay_out(VIEW, 80, expanded=True, look=Look(breaks_lines=True, unicode=False))
    assert ascii_only[2:5] == [
        "sql  | select host,\\n",
        "     |   'a\\n' tab\\t\\n",
        "     | \\n",
    ]


def test_each_line_of_a_record_is_wrapped_by_itself() -> None:
    text = result(("a",), [("one two three\nfour\nfive six seven",)])
    look = Look(breaks_lines=True)
    assert lay_out(text, 14, expanded=True, look=look)[1:] == [
        "a | one two t…",
        "  | hree↵",
        "  | four↵",
        "  | five six …",
        "  | seven",
    ]
    assert lay_out(text, 80, look=look)[2:] == ["one two three\\nfour\\nfive six seven"]


def test_no_line_of_a_record_is_broken_where_nobody_looks() -> None:
    assert lay_out(VIEW, 1 << 16, expanded=True)[2:] == [
        "sql  | select host,\\n  'a\\n' tab\\t\\n\\nfrom hosts\\n"
    ]


@pytest.mark.parametrize("columns", range(7, 30))
def test_no_escape_is_cut_in_two(columns: int) -> None:
    text = "ab\\ncde\\u202ef\\x1bg\\t\\r\\n日\\u202e" * 3
    lines = wrapped(text, columns, "…", 1 << 20)
    assert "".join(line.removesuffix("…") for line in lines) == text
    assert all(width(line) <= columns for line in lines)
    for line in lines[:-1]:
        assert not re.search(r"\\(u[0-9a-f]{0,3}|x[0-9a-f]?)?…", line)


def test_of_many_rows_the_first_and_the_last_are_shown_with_a_count() -> None:
    many = result(("n",), [(n,) for n in range(10_000)])
    lines = lay_out(many, 80, lines=7)
    assert [line.strip() for line in lines] == [
        "n",
        "────",
        "0",
        "1",
        "2",
        "· · · 9,994 rows not shown · · ·",
        "9997",
        "9998",
        "9999",
    ]
    assert not shows_all(many, 7)
    assert shows_all(many, 10_000)


def test_a_result_without_rows_shows_its_header() -> None:
    assert lay_out(result(("a", "bb"), []), 80) == ["a  bb", "─────"]


def test_markup_and_control_characters_are_only_text() -> None:
    hostile = result(("x",), [("[red]a[/red] :smile:",), ("\x1b[2J\x07\u202e\t\n",)])
    assert lay_out(hostile, 80)[2:] == [
        "[red]a[/red] :smile:",
        "\\x1b[2J\\x07\\u202e\\t\\n",
    ]


PIECES = [
    "\U0001f3ff",
    "👍",
    "👍🏽",
    "\u200d",
    "\ufe0e",
    "\ufe0f",
    "\u0301",
    "\u0903",
    "日",
    "⌚",
    "❤",
    "a",
]


@example(["\U0001f3ff"] * 60, 70)
@given(st.lists(st.sampled_from(PIECES), max_size=200), st.integers(1, 80))
def test_a_text_of_joining_characters_is_wrapped_in_a_few_lines(
    pieces: list[str], columns: int
) -> None:
    text = "".join(pieces)
    lines = wrapped(text, columns, "…", 1 << 20)
    assert len(lines) <= len(text) + 1
    assert all(width(line) <= columns for line in lines)
    shown = "".join(line.removesuffix("…") for line in lines)
    assert text.startswith(shown)
    if columns >= 4:
        assert shown == text


@pytest.mark.parametrize(
    "text", ["日本語テキスト" * 3, "👩‍👩‍👧‍👦" * 9, "é" * 30, "🇩🇪" * 12, "a" * 30, "👍🏽" * 12]
)
def test_wide_characters_keep_the_columns_straight(text: str) -> None:
    table = result(("t", "n"), [(text, 1), ("x", 22)] * 10)
    for columns in (12, 20, 33, 80):
        lines = lay_out(table, columns)[2:]
        assert {width(line) for line in lines} == {width(lines[0])}
        assert width(lines[0]) <= columns


def test_colours_are_closed_on_every_line_and_change_no_text() -> None:
    for expanded in (False, True):
        plain = lay_out(HOSTS, 50, expanded=expanded)
        coloured = lay_out(HOSTS, 50, expanded=expanded, look=Look(colours=True))
        bare = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in coloured]
        assert bare == plain
        for line in coloured:
            assert line.count("\x1b[0m") * 2 == line.count("\x1b[")


def test_without_unicode_the_frame_is_ascii() -> None:
    lines = lay_out(HOSTS, 40, look=Look(unicode=False))
    assert "".join(lines).isascii()


CELLS = st.one_of(st.none(), st.integers(), st.text(max_size=30), st.binary(max_size=8))


@given(
    st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=12),
    st.integers(1, 120),
    st.sampled_from([None, 1, 5]),
    st.sampled_from([False, True, "auto"]),
)
def test_any_cells_at_any_width_stay_in_it_unless_they_are_numbers(
    rows: list[tuple[Any, ...]], columns: int, lines: int | None, expanded: Any
) -> None:
    table = result(("a", "bb", "a name that is long"), rows)
    for line in lay_out(table, columns, lines, expanded):
        assert "\n" not in line
        assert "\x1b" not in line
        numbers = [c for row in rows for c in row if isinstance(c, int)]
        if columns >= 60 and not any(abs(n) >= 10**12 for n in numbers):
            assert width(line) <= columns


@given(
    st.lists(st.tuples(st.text(max_size=30), st.integers(-9, 9)), max_size=12),
    st.integers(LEAST_COLUMNS, 40),
    st.sampled_from([None, 1, 5]),
    st.sampled_from([False, True, "auto"]),
)
def test_no_line_is_longer_than_a_narrow_screen(
    rows: list[tuple[Any, ...]], columns: int, lines: int | None, expanded: Any
) -> None:
    table = result(("a name that is long", "n"), rows)
    for line in lay_out(table, columns, lines, expanded):
        assert width(line) <= columns
