"""What `qasino watch` makes of two results: changes, frames, keys. All of it pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watch_house import result_of

from qasino_cli.errors import UsageFault
from qasino_cli.layout import Look
from qasino_cli.watch.diff import Picture, changes, choose_key, compare
from qasino_cli.watch.feed import LATE
from qasino_cli.watch.frame import fitted, frame, plain
from qasino_cli.watch.past import Seen
from qasino_cli.watch.query import Update, is_ordered
from qasino_cli.watch.screen import taken
from qasino_cli.watch.view import KEYS, View, pressed, showing
from qasino_server.render import width
from qasino_server.table import Result

NAMES = ("host", "device", "used_pct", "note")
FIRST = [("web-1", "sda", 80.0, "x"), ("web-2", "sda", 7.0, None), ("db-1", "sdb", 50.5, "old")]
SECOND = [("web-1", "sda", 81.5, "x"), ("db-2", "sda", 1.0, "日本"), ("web-2", "sda", 6.0, "y")]


def result(rows: list[tuple[Any, ...]], number: int, names: tuple[str, ...] = NAMES) -> Result:
    return result_of(names, rows, number)


def pictured(*results: Result, key: tuple[str, ...] = (), keep_order: bool = True) -> Picture:
    picture = None
    for one in results:
        picture = compare(picture, one, key, keep_order)
    assert picture is not None
    return picture


SEEN = pictured(result(FIRST, 100), result(SECOND, 130))


def view(**state: Any) -> View:
    return View(
        **(
            {
                "sql": "select * from disks",
                "server": "zmq://localhost:15598",
                "picture": SEEN,
                "heard_at": 1000.0,
            }
            | state
        )
    )


def drawn(state: View, columns: int = 80, lines: int = 12, now: float = 1003.0) -> str:
    return plain(frame(state, columns, lines, now, Look()))


def test_an_error_of_several_lines_takes_them_from_the_rows_and_never_more() -> None:
    said = view(message="SQL error: no such column: hots\n  select hots\n         ^")
    lines = drawn(said).split("\n")
    assert lines[2:5] == ["SQL error: no such column: hots", "  select hots", "         ^"]
    assert "host" in lines[5]
    for height in range(1, 12):
        assert len(frame(said, 50, height, 1003.0, Look())) == height


# --- Changes -----------------------------------------------------------------------------------


def test_rows_are_matched_by_who_they_are_of() -> None:
    assert [(r.cells[0], r.status, r.marks) for r in SEEN.rows] == [
        ("web-1", "same", ("", "", "up", "")),
        ("web-2", "same", ("", "", "down", "changed")),
        ("db-1", "gone", ()),
        ("db-2", "new", ()),
    ]


MOUNTS = ("host", "mountpoint", "used_pct")
ROOT, VAR = ("web-1", "/", 95), ("web-1", "/var", 97)


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ([], [ROOT, VAR], [("new", "/"), ("new", "/var")]),
        ([ROOT], [ROOT, VAR], [("new", "/var")]),
        ([ROOT], [("web-1", "/", 96), VAR], [("changed", "/"), ("new", "/var")]),
        ([ROOT, ("web-2", "/", 91)], [ROOT, VAR], [("new", "/var"), ("gone", "/")]),
        ([ROOT, VAR], [], [("gone", "/"), ("gone", "/var")]),
    ],
)
def test_a_change_is_told_where_the_key_no_longer_tells_the_rows_apart(
    before: list[tuple[Any, ...]], now: list[tuple[Any, ...]], told: list[tuple[str, str]]
) -> None:
    """An alert that is empty and then begins with two rows of one host."""
    seen = pictured(result(before, 1, MOUNTS), result(now, 2, MOUNTS), keep_order=False)
    assert [(c["change"], c["row"]["mountpoint"]) for c in changes(seen)] == told
    assert seen.seconds == 1.0


def test_a_count_is_one_row_that_changes() -> None:
    names = ("count(*)", "max(used)")
    counts = [result([row], 100 + 30 * n, names) for n, row in enumerate([(1, None), (3, 7)])]
    seen = pictured(*counts)
    assert [(c["change"], c["row"]["count(*)"]) for c in changes(seen)] == [("changed", 3)]
    assert drawn(view(picture=seen, mode="deltas")).splitlines()[-1].split() == ["+2▲", "•"]


def test_a_row_that_has_gone_is_shown_once() -> None:
    third = compare(SEEN, result(SECOND, 160), (), True)
    assert [row.cells[0] for row in third.rows] == ["web-1", "web-2", "db-2"]
    assert not any(row.changed for row in third.rows)


def test_the_order_of_the_query_counts_where_it_has_one() -> None:
    ordered = pictured(result(FIRST, 100), result(SECOND, 130), keep_order=False)
    assert [row.cells[0] for row in ordered.rows] == ["web-1", "db-2", "web-2", "db-1"]
    assert is_ordered("select * from t ORDER  by 1")
    assert not is_ordered("select * from (select * from t order by 1)")


@pytest.mark.parametrize(
    ("names", "rows", "key"),
    [
        (("host", "n"), [("a", 1), ("b", 1)], (0,)),
        (("n", "host"), [(1, "a"), (1, "b")], (1,)),
        (("host", "device"), [("a", "x"), ("a", "y")], (1,)),
        (("host", "mount"), [("a", "x"), ("a", "y"), ("b", "x")], (0, 1)),
        (("x", "y"), [(0.5, "a"), (0.7, "b")], (1,)),
        (("x",), [(1,), (1,)], ()),
        (("host", "mount"), [], ()),
        (("count(*)",), [(5,)], ()),
        (("n", "what"), [(5, "disks")], (1,)),
        (("n", "pid"), [(5, 812)], (1,)),
    ],
)
def test_the_key_is_found_by_looking(
    names: tuple[str, ...], rows: list[tuple[Any, ...]], key: tuple[int, ...]
) -> None:
    assert choose_key(names, rows, ()) == key


def test_a_key_that_is_given_must_be_there_and_need_not_be_unique() -> None:
    assert choose_key(NAMES, FIRST, ("HOST",)) == (0,)
    with pytest.raises(UsageFault, match="--key: there is no column 'x'; there are host, device"):
        choose_key(NAMES, FIRST, ("x",))
    twins = [("a", "b", 1.0, "c"), ("a", "b", 2.0, "d")]
    seen = pictured(result(twins, 1), result(twins[:1], 2), key=("host",))
    assert [row.status for row in seen.rows] == ["same", "gone"]


def test_columns_of_other_names_alone_are_another_picture() -> None:
    seen = pictured(result(FIRST, 1), result([("a", 1)], 2, ("x", "y")))
    assert [row.status for row in seen.rows] == ["same"]


def test_rows_are_matched_by_the_columns_that_are_still_there() -> None:
    """Who reports for the first time may bring a column, and take it along again."""
    more = ("fs", "USED_PCT", "Host")
    now = result([(None, 81.0, "web-1"), ("ext4", 99.0, "web-3")], 130, more)
    one = result([("web-1", 80.0), ("web-2", 7.0)], 100, ("host", "used_pct"))
    seen = pictured(one, now)
    assert [(row.cells[2], row.status, row.marks) for row in seen.rows] == [
        ("web-1", "same", ("", "up", "")),
        ("web-2", "gone", ()),
        ("web-3", "new", ()),
    ]
    assert (seen.key, seen.seconds) == ((2,), 30.0)
    seen = compare(seen, msgspec.structs.replace(one, generation_number=160))
    assert [(row.cells, row.status) for row in seen.rows] == [
        (("web-1", 80.0), "same"),
        (("web-2", 7.0), "new"),
        (("web-3", 99.0), "gone"),
    ]


def test_where_a_column_of_the_key_is_gone_another_is_found() -> None:
    mounts = [("a", "/", 1), ("a", "/var", 2), ("b", "/", 3)]
    seen = pictured(result(mounts, 1, ("host", "mount", "n")), result([("a", 1)], 2, ("host", "n")))
    assert Counter(row.status for row in seen.rows) == {"same": 1, "gone": 2}


def test_changes_are_told_as_objects() -> None:
    told = {
        change["change"]: change for change in changes(SEEN) if change["key"]["host"] != "web-1"
    }
    assert told["gone"]["row"]["host"] == "db-1"
    assert told["new"]["row"]["note"] == "日本"
    assert told["changed"]["before"] == dict(zip(NAMES, FIRST[1], strict=True))
    assert told["changed"]["key"] == {"host": "web-2"}


def test_two_columns_of_one_name_are_both_told() -> None:
    twice = ("host", "x", "x")
    seen = pictured(result([("a", 1, 4)], 1, twice), result([("a", 2, 4)], 2, twice))
    [change] = changes(seen)
    assert change["row"] == {"host": "a", "x": 2, "x:1": 4}
    assert change["before"] == {"host": "a", "x": 1, "x:1": 4}
    seen = pictured(result([], 1, ("x", "x")), result([("a", "b"), ("a", "c")], 2, ("x", "x")))
    assert [change["key"] for change in changes(seen)] == [{"x:1": "b"}, {"x:1": "c"}]


def test_the_first_generation_of_a_server_has_no_number_to_reckon_rates_from() -> None:
    rows = [("a", 1)], [("a", 31)], [("a", 61)]
    first, second, third = (
        result(r, n, ("host", "n")) for r, n in zip(rows, (0, 1795772063, 1795772093), strict=True)
    )
    assert pictured(first, second).seconds == 0.0
    assert "rates from the next generation on" in drawn(
        view(picture=pictured(first, second), mode="rates")
    )
    assert "+1▲" in drawn(view(picture=pictured(first, second, third), mode="rates"))


CELLS = st.one_of(st.none(), st.integers(0, 3), st.sampled_from(["a", "b"]), st.floats(0, 1))
ROWS = st.lists(st.tuples(CELLS, CELLS), max_size=6)


@given(ROWS, ROWS)
def test_every_row_of_the_new_result_is_there_once_and_the_lost_ones_are_marked(
    before: list[tuple[Any, ...]], now: list[tuple[Any, ...]]
) -> None:
    for keep_order in (True, False):
        seen = pictured(
            result(before, 1, ("a", "b")), result(now, 2, ("a", "b")), keep_order=keep_order
        )
        present = [row.cells for row in seen.rows if row.status != "gone"]
        assert sorted(present, key=repr) == sorted(now, key=repr)
        assert len({row.key for row in seen.rows}) == len(seen.rows)


@given(ROWS, ROWS, ROWS)
def test_what_is_not_marked_was_there_before(
    first: list[tuple[Any, ...]], before: list[tuple[Any, ...]], now: list[tuple[Any, ...]]
) -> None:
    results = enumerate((first, before, now))
    seen = pictured(*(result(rows, n, ("a", "b")) for n, rows in results))
    unmarked = Counter(row.cells for row in seen.rows if row.status == "same" and not row.changed)
    gone = Counter(row.cells for row in seen.rows if row.status == "gone")
    assert unmarked <= Counter(before)
    assert gone <= Counter(before)
    assert seen.count("new") - seen.count("gone") == len(now) - len(before)


# --- Frames ------------------------------------------------------------------------------------


def test_a_frame_of_80_columns() -> None:
    assert drawn(view()) == (
        "select * from disks                                        zmq://localhost:15598\n"
        "generation 130, 3 s old, next in 27 s\n"
        "3 rows, 2 changed, 1 new, 1 gone   ? help\n"
        "  host   device  used_pct  note\n"
        "────────────────────────────────\n"
        "  web-1  sda         81.5▲ x\n"
        "  web-2  sda          6.0▼ y   •\n"
        "- db-1   sdb         50.5  old\n"
        "+ db-2   sda          1.0  日本\n"
    )


def test_a_text_that_reads_null_is_told_from_a_null() -> None:
    seen = pictured(result([("a", None), ("b", "NULL")], 100, ("host", "note")))
    assert drawn(view(picture=seen)).splitlines()[-2:] == ["  a     NULL", "  b     'NULL'"]


def test_a_frame_of_40_columns() -> None:
    assert drawn(view(), 40, 8) == (
        "select * from disks\n"
        "generation 130, 3 s old, next in 27 s\n"
        "3 rows, 2 changed, 1 new, 1 gone   ? he…\n"
        "  host   device  used_pct  note\n"
        "────────────────────────────────\n"
        "  web-1  sda         81.5▲ x\n"
        "  web-2  sda          6.0▼ y   •\n"
        "- db-1   sdb         50.5  old\n"
    )


def test_a_frame_of_200_columns_is_as_wide_as_its_rows() -> None:
    lines = drawn(view(), 200).splitlines()
    assert len(lines[0]) == 200
    assert lines[4] == "─" * 32


@pytest.mark.parametrize("columns", [1, 2, 10, 40, 80, 200])
@pytest.mark.parametrize("lines", [1, 2, 5, 30])
def test_a_frame_is_never_larger_than_the_screen(columns: int, lines: int) -> None:
    for state in (view(), view(help=True), view(picture=Picture()), view(trouble="lost: x" * 50)):
        made = frame(state, columns, lines, 1003.0, Look())
        assert len(made) == lines
        for line in made:
            assert sum(width(text) for _, text in line) <= columns


def test_without_unicode_the_marks_are_ascii() -> None:
    made = plain(frame(view(), 60, 12, 1003.0, Look(unicode=False))).replace("日本", "")
    assert made.isascii()
    assert "81.5^ x" in made
    assert "6.0v y   *" in made


def test_marks_can_be_left_out_and_numbers_become_changes_and_rates() -> None:
    assert "▲" not in drawn(view(diff=False))
    assert "+1.5▲" in drawn(view(mode="deltas"))
    assert "+0.05▲" in drawn(view(mode="rates"))
    assert "-0.0333▼" in drawn(view(mode="rates"))


def seen_as(mode: str, then: float, now: float, seconds: int = 1) -> str:
    """What stands in the cell of a number that was another."""
    names = ("host", "n")
    seen = pictured(result([("a", then)], 100, names), result([("a", now)], 100 + seconds, names))
    return drawn(view(picture=seen, mode=mode)).splitlines()[-1].split()[-1].rstrip("▲▼")


@pytest.mark.parametrize(
    ("then", "now", "text"),
    [
        (0, 51234567, "+51234567"),
        (0.0, 51234567.0, "+51234567"),
        (0.5, 1000000.25, "+999999.75"),
        (80.2, 81.5, "+1.3"),
        (1000000.1, 1000000.0, "-0.1"),
        (0.1, 0.1 + 0.2, "+0.2"),
        (123456789012.25, 0.0, "-123456789012.25"),
        (1, 1234567.5, "+1234566.5"),
        (0.0, 1e-7, "+1e-07"),
        (0.0, 1e-300, "+1e-300"),
        (2.0**60, 2.0**60 + 256, "+256"),
        (0.0, 1e300, "+1e+300"),
        (-1e308, 1.7e308, "+inf"),
        (0.3, 0.1 + 0.2, "+0"),
        (0.1 + 0.2, 0.3, "+0"),
        (math.inf, 5, "-inf"),
    ],
)
def test_a_difference_has_the_digits_of_its_numbers(then: float, now: float, text: str) -> None:
    assert seen_as("deltas", then, now) == text


@pytest.mark.parametrize(
    ("then", "now", "text"),
    [
        (0, 774123, "+774123"),
        (0.0, 1e6, "+1000000"),
        (200000, 0, "-200000"),
        (0, 100, "+100"),
        (0.0, 99.96, "+100"),
        (0.0, 1234.56, "+1235"),
        (0.0, 12.345, "+12.3"),
        (0.0, 999999999999999.0, "+999999999999999"),
        (0, 2 * 10**15, "+2e+15"),
        (0.0, -math.inf, "-inf"),
    ],
)
def test_a_rate_has_no_exponent_that_a_person_would_not_write(
    then: float, now: float, text: str
) -> None:
    assert seen_as("rates", then, now) == text


@pytest.mark.parametrize(
    ("state", "line"),
    [
        ({}, "generation 130, 3 s old, next in 27 s"),
        ({"heard_at": 930.0}, "generation 130, 73 s old  late"),
        ({"heard_at": 930.0, "interval_s": 60.0}, "generation 130, 73 s old"),
        ({"heard_at": 870.0, "interval_s": 60.0}, "generation 130, 133 s old  late"),
        ({"heard_at": 930.0, "took_s": 20.0}, "generation 130, 73 s old"),
        ({"heard_at": 930.0, "asked_at": 985.0}, "generation 130, 73 s old  asking for 18 s"),
        ({"heard_at": 930.0, "asked_at": 992.0}, "generation 130, 73 s old  late  asking for 11 s"),
        ({"asked_at": 1001.5}, "generation 130, 3 s old, next in 27 s"),
        ({"asked_at": 985.0, "back": 0}, "generation 130, 3 s old, next in 27 s  paused"),
        ({"heard_at": None}, "connecting"),
        (
            {"trouble": "lost: nothing listens there", "trouble_since": 998.0},
            "generation 130, 3 s old, next in 27 s  lost for 5 s: nothing listens there",
        ),
        (
            {"trouble": "missing: web-3 (disks)", "trouble_since": 1003.0},
            "generation 130, 3 s old, next in 27 s  missing: web-3 (disks)",
        ),
        (
            {"trouble": LATE, "trouble_since": 993.0, "heard_at": 930.0},
            "generation 130, 73 s old  late for 10 s: the next generation has not come",
        ),
        (
            {"back": 3, "heard_at": 930.0},
            "generation 130, 73 s old  paused, 3 newer",
        ),
        (
            {"back": 2, "trouble": "lost: away", "trouble_since": 998.0},
            "generation 130, 3 s old, next in 27 s  paused, 2 newer  now lost for 5 s: away",
        ),
    ],
)
def test_the_second_line_tells_whether_the_rows_can_be_believed(
    state: dict[str, Any], line: str
) -> None:
    assert drawn(view(**state), 100).splitlines()[1] == line


def test_how_long_an_answer_took_is_remembered_until_the_next() -> None:
    slow = taken(view(), Update(result=result(SECOND, 160), took_s=20.0), (), 1003.0)
    for other in (Update(unknown="lost: away"), Update(error="no such table: t")):
        assert taken(slow, other, (), 1004.0).took_s == 20.0
    assert told(slow, result(SECOND, 190)).took_s == 0.0


@pytest.mark.parametrize("columns", [20, 30, 46])
def test_trouble_is_seen_on_a_narrow_screen(columns: int) -> None:
    state = view(trouble="lost: nothing listens there", trouble_since=998.0, back=0)
    lines = drawn(state, columns, 8).splitlines()
    assert lines[1].startswith("lost for 5 s: nothi")
    assert lines[2] == "paused"
    assert lines[3].startswith("generation 130, 3 s")
    fits = fitted(state, columns, 8, 1003.0, Look())
    assert len(drawn(state, columns, 8).splitlines()[7:]) == fits.page == 1


@pytest.mark.parametrize(
    ("lines", "first"), [(6, "3 rows, 2 changed"), (5, "3 rows, 2 changed"), (4, "  host")]
)
def test_a_small_screen_has_a_row_left(lines: int, first: str) -> None:
    seen = drawn(view(), 80, lines).splitlines()
    assert seen[2].startswith(first)
    assert seen[-1].startswith("  web-1")
    assert fitted(view(), 80, lines, 1003.0, Look()).page == 1


@pytest.mark.parametrize("lines", [1, 2, 5, 7, 30])
def test_a_page_of_the_help_begins_where_the_last_ended(lines: int) -> None:
    state, seen = fitted(after("?"), 80, lines, 1003.0, Look()), list[str]()
    while state.help:
        seen += drawn(state, 80, lines).splitlines()[1:]
        state = after("space", state)
    assert len(seen) == (len(KEYS) if lines > 1 else 0)


def test_q_closes_the_help_and_leaves_without_it() -> None:
    assert after("? q") == view()
    assert after("q").quitting
    assert after("? c-c").quitting


def test_columns_of_a_key_that_leave_no_room_are_scrolled_too() -> None:
    names = ("name", "path", "used", "free")
    rows = [(f"{n}{'n' * 50}", "p" * 20, n, n * 11) for n in range(4)]
    wide = view(picture=pictured(result(rows, 100, names), key=("name", "path")))
    assert fitted(wide, 200, 12, 1003.0, Look()).nr_frozen == 2
    assert fitted(wide, 120, 12, 1003.0, Look()).nr_frozen == 1
    narrow = fitted(wide, 60, 12, 1003.0, Look())
    assert narrow.nr_frozen == 0
    assert "free" not in drawn(narrow, 60)
    assert "free" in drawn(after("right right", narrow), 60)
    assert after("f", narrow).nr_frozen == 1, "who wants it to stay may have that"
    end = after("right right right", narrow)
    assert fitted(end, 200, 12, 1003.0, Look()).left == 1, "as far as two that stay let it"


def test_a_result_that_is_cut_says_so() -> None:
    cut = compare(SEEN, msgspec.structs.replace(result(SECOND, 160), truncated=True))
    line = drawn(view(picture=cut)).splitlines()[2]
    assert line == "3 rows, cut: the server returns no more at once   ? help"


def test_a_hostile_cell_and_name_are_only_text() -> None:
    evil = pictured(result([("\x1b[2J\u202e", 1)], 1, ("\x1b]0;x\x07", "n")))
    text = drawn(view(picture=evil, sql="select '\x1b'", server="\x07", trouble="lost: \x1b"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", text)


# --- Keys --------------------------------------------------------------------------------------


def after(keys: str, state: View | None = None) -> View:
    state = state or view()
    for key in keys.split():
        state = pressed(state, " " if key == "space" else key)
    return state


def hosts(state: View) -> list[str]:
    return [row.cells[0] for row in state.rows()]


def test_rows_are_sorted_by_any_column_both_ways() -> None:
    assert hosts(after("> > >")) == ["db-2", "web-2", "db-1", "web-1"]
    assert hosts(after("> > > r")) == ["web-1", "db-1", "web-2", "db-2"]
    assert hosts(after("<")) == hosts(after("> > > >"))
    assert after("> > > > >").sort is None


def test_rows_are_sorted_by_the_numbers_that_are_seen() -> None:
    names, then = ("host", "n"), [("a", 100), ("b", 5), ("c", 50), ("d", 7)]
    now = [("a", 110), ("b", 35), ("c", 51), ("e", 900), ("d", None)]
    seen = pictured(result(then, 100, names), result(now, 130, names))
    for mode in ("deltas", "rates"):
        state = after("> > r", view(picture=seen, mode=mode))
        assert hosts(state) == ["b", "a", "c", "d", "e"]
    lines = drawn(state).splitlines()
    assert "sorted by n, reversed, rates" in lines[2]
    assert [line.split()[-1] for line in lines[5:]] == ["+1▲", "+0.333▲", "+0.0333▲", "NULL•", "e"]
    assert hosts(after("> > r", view(picture=seen))) == ["e", "a", "c", "b", "d"]
    assert hosts(after("> r", view(picture=seen, mode="rates"))) == ["e", "d", "c", "b", "a"]


def test_an_infinity_that_stays_differs_by_nothing() -> None:
    names = ("host", "n")
    then = [("a", 5), ("b", math.inf), ("c", 1), ("d", math.inf), ("e", 3)]
    now = [("a", 9), ("b", math.inf), ("c", 2), ("d", math.inf), ("e", 6)]
    seen = pictured(result(then, 100, names), result(now, 130, names))
    state = after("> >", view(picture=seen, mode="deltas"))
    assert hosts(state) == ["b", "d", "c", "e", "a"]
    lines = drawn(state).splitlines()[5:]
    assert [line.split()[-1] for line in lines] == ["+0", "+0", "+1▲", "+3▲", "+4▲"]


def test_numbers_that_a_double_cannot_tell_apart_are_sorted() -> None:
    numbers = [(2**53 + n,) for n in (1, 0, 3, 2)]
    assert hosts(after(">", view(picture=pictured(result(numbers, 1, ("n",)))))) == [
        number for (number,) in sorted(numbers)
    ]


@pytest.mark.parametrize(
    ("keys", "head"),
    [
        ("", "  host   device  used_pct  note"),
        (">", "  host ▲ device  used_pct  note"),
        ("> > >", "  host   device  used_pct▲ note"),
        ("> > > r", "  host   device  used_pct▼ note"),
        ("< r right", "  host   used_pct  note▼"),
        ("r", "  host   device  used_pct  note"),
    ],
)
def test_the_column_that_rows_are_sorted_by_is_marked(keys: str, head: str) -> None:
    state = after(keys)
    assert drawn(state).splitlines()[3] == head
    ascii_only = plain(frame(state, 80, 12, 1003.0, Look(unicode=False))).splitlines()[3]
    assert ascii_only == head.replace("▲", "^").replace("▼", "v")


@pytest.mark.parametrize(
    ("keys", "head", "said"),
    [
        ("> > -", "  host   used_pct  note", "sorted by device, 1 column hidden"),
        ("> > - > -", "  host   note", "sorted by used_pct, 2 columns hidden"),
        ("> > - -", "  host   used_pct  note", "Tab chooses the column that - hides"),
        ("> > - <", "  host ▲ used_pct  note", "sorted by host, 1 column hidden"),
        ("> > > - right", "  host   note", "sorted by used_pct, 1 column hidden"),
        ("> > > - right right +", "  host   used_pct▲ note", "sorted by used_pct   ?"),
        ("> - > - > - > -", "  note▲", "the last column stays"),
        ("-", "  host   device  used_pct  note", "Tab chooses the column that - hides"),
    ],
)
def test_columns_are_hidden_by_key(keys: str, head: str, said: str) -> None:
    state = after(keys)
    assert drawn(state).splitlines()[3] == head
    assert said in drawn(state)


def test_a_column_is_hidden_as_long_as_the_columns_are_the_same() -> None:
    state = after("> > -")
    again = pictured(result([("a", "sda", 1, "x")], 200))
    assert showing(state, Seen("", again, None)).hidden == {1}
    others = pictured(result([(1,)], 200, ("n",)))
    assert not showing(state, Seen("", others, None)).hidden


def test_rows_that_are_turned_around_say_so() -> None:
    assert hosts(after("r")) == hosts(view())[::-1]
    assert "1 gone, reversed   ?" in drawn(after("r"))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("null", ["a", "c"]), ("/\\bNULL$/", ["a"]), ("'NULL'", ["c"]), ("1.0e+20", ["b"])],
)
def test_what_is_seen_is_found(wanted: str, found: list[str]) -> None:
    rows = [("a", None), ("b", 1e20), ("c", "NULL"), ("d", "x")]
    seen = view(picture=pictured(result(rows, 1, ("host", "x"))))
    assert "1.0e+20" in drawn(seen)
    assert hosts(msgspec.structs.replace(seen, filter=wanted)) == found


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        ("web", ["web-1", "web-2"]),
        ("!web", ["db-1", "db-2"]),
        ("/B-[12]/", ["web-1", "web-2", "db-1", "db-2"]),
        ("/^db/", ["db-1", "db-2"]),
        ("!/^db", ["web-1", "web-2"]),
        ("/(/", []),
        ("", ["web-1", "web-2", "db-1", "db-2"]),
    ],
)
def test_rows_are_filtered(wanted: str, left: list[str]) -> None:
    assert hosts(view(filter=wanted)) == left


def test_rows_that_have_gone_are_told_without_marks_too_and_pass_no_filter() -> None:
    assert "- db-1   sdb         50.5  old" in drawn(after("d"))
    assert "+ db-2" not in drawn(after("d"))
    assert ", filter db: 1 " in drawn(view(filter="db"))


@pytest.mark.timeout(30)
def test_a_filter_that_would_take_for_ever_is_given_up_and_told_of() -> None:
    state = view(picture=pictured(result([("x" * 60,)], 100, ("n",))), filter="/(x+)+y/")
    assert len(state.rows()) == 1
    assert "1 row, filter /(x+)+y/: takes too long, no row is left out" in drawn(state)


def test_scrolling_stays_within_the_rows_and_columns() -> None:
    small = view(page=2)
    assert after("down down down down", small).top == 2
    assert after("down up up", small).top == 0
    assert after("end", small).top == 2
    assert after("end home", small).top == 0
    assert after("pagedown", small).top == 1
    assert after("right right right right", small).left == 2
    assert after("right left left", small).left == 0
    assert "device" not in drawn(after("right"))
    assert "host" in drawn(after("right")), "the key stays"


def test_the_keys_of_less_and_vi_scroll_as_theirs_do() -> None:
    many = view(picture=pictured(result([(f"web-{n:03}", "sda", 1.0, "") for n in range(99)], 100)))
    for theirs, ours in (
        ("c-f", "pagedown"),
        ("c-f c-f c-b", "pagedown"),
        ("G", "end"),
        ("G g", ""),
    ):
        assert after(theirs, many).top == after(ours, many).top
    assert [after(keys, many).top for keys in ("c-d", "c-d c-d c-u", "c-u")] == [10, 10, 0]
    assert after("c-d", view(page=1)).top == 1
    assert after("g", msgspec.structs.replace(many, left=2)).left == 0
    assert after("? c-f", view(lines=10)).help_top == 9


def told(state: View, now: Result, *key: str, sql: str = "select * from disks") -> View:
    return taken(state, Update(result=now, sql=sql), key, 1003.0)


@pytest.mark.parametrize("keys", ["", "space"])
def test_rows_of_another_statement_are_not_compared(keys: str) -> None:
    """No row has gone and none is new where somebody asks for others."""
    other = told(after(keys), result(SECOND[:1], 160), sql="select 2")
    assert [row.status for row in other.newest.picture.rows] == ["same"]
    assert other.newest.picture.seconds == 0.0
    again = told(other, result(SECOND[:2], 190), sql="select 2")
    assert [row.status for row in again.newest.picture.rows] == ["same", "new"]


def test_rows_and_columns_that_are_left_can_be_seen() -> None:
    many = [(f"web-{n:03}", "sda", float(n), "") for n in range(200)]
    end = after("end right right", told(view(), result(many, 160)))
    assert (end.top, end.left) == (183, 2), "with the three that are gone"
    few = told(told(end, result(many[:2], 190)), result(many[:2], 220))
    assert (few.top, few.left) == (0, 2)
    assert "web-000" in drawn(few)
    other = told(
        msgspec.structs.replace(end, sort=3, reverse=True), result([(1, 2)], 250, ("x", "y"))
    )
    assert (other.top, other.left, other.sort, other.reverse) == (0, 0, None, False)
    assert "x  y" in drawn(other)


def test_a_result_without_the_column_of_the_key_is_said_and_not_shown() -> None:
    state = told(view(), result([(1,)], 160, ("n",)), "host")
    lines = drawn(state).splitlines()
    assert lines[:2] == drawn(view()).splitlines()[:2]
    assert lines[2] == "--key: there is no column 'host'; there are n"
    assert told(state, result(SECOND, 190), "host", sql="select another").sql == "select another"


def test_columns_are_frozen_and_freed() -> None:
    assert [after("f " * n).nr_frozen for n in range(5)] == [1, 2, 3, 0, 1]


def test_pausing_and_asking_again() -> None:
    assert after("space").paused
    assert not after("space space").paused
    assert after("n").now
    assert not after("space n").paused


def test_what_comes_while_paused_is_taken_in_and_drawn_later() -> None:
    paused = after("space")
    for number in (160, 160, 190):
        paused = told(paused, result(FIRST, number))
        assert paused.picture is SEEN
    assert paused.back == 2, "generations, not answers"
    assert [row.status for row in paused.newest.picture.rows].count("gone") == 0
    lost = taken(paused, Update(unknown="lost: away"), (), 1003.0)
    assert "paused, 2 newer  now lost: away" in drawn(lost, 100)
    for key in ("space", "n"):
        shown = after(key, paused)
        assert (shown.picture, shown.paused) == (paused.newest.picture, False)
    assert after("space", told(paused, result([], 220), sql="select another")).sql.endswith("other")


def test_every_key_of_the_help_does_something() -> None:
    start = view(page=2, top=1, left=1, sort=1, hidden=frozenset([0]), back=0)
    for key in KEYS:
        for name in key.names:
            assert pressed(start, name) != start, key.shown
    assert pressed(view(help=True), "x") == view()


def test_the_state_is_frozen() -> None:
    with pytest.raises(AttributeError):
        view().top = 3  # type: ignore[misc]
    assert msgspec.structs.replace(view(), top=3).top == 3
