"""What `qasino watch` asks, and for how long. All of it pure."""

from __future__ import annotations

import apsw
import apsw.ext
import msgspec
import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st

from qasino_cli.watch.condition import flaw
from qasino_cli.watch.goal import Goal
from qasino_cli.watch.query import Update, Watched, table_names
from qasino_server.table import Result

NONE = Result(column_names=("n",), column_types=("",), nr_rows=0)


def test_the_tables_of_a_query_are_those_it_names() -> None:
    sql = (
        "with w as (select * from a) select * from w join B b on 1, (select * from main.c) x"
        " where exists (select 1 from prev.d) -- from e\n and 'from f' = ''"
    )
    assert table_names(sql) == {"a", "w", "b", "c", "d"}


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("select * from (a join b using (host)) where x in (c)", {"a", "b"}),
        ("select * from ((a, (b)) left join ((main.C) d) on a = b), e", {"a", "b", "c", "e"}),
        ("select * from 'a' 'x' join main.'b', [c]", {"a", "b", "c"}),
        ("select * from a where x not in b and y in main.c or z in 'd'", {"a", "b", "c", "d"}),
        ("select x in (select y from a) from b union select host, hits from c", {"a", "b", "c"}),
        ("select a from x union values (1), (2) intersect select c, d", {"x"}),
        ("select * from full natural join 'left' join right", {"full", "left", "right"}),
    ],
)
def test_a_table_is_found_wherever_a_query_may_name_it(sql: str, names: set[str]) -> None:
    assert table_names(sql) == names


TABLES = st.sampled_from(["a", "B", '"c"', "'d'", "[full]", "left", "main.a", "main . 'd'", "`w`"])
ALIASED = st.builds("{}{}".format, TABLES, st.sampled_from(["", " x", " as y", " 'z'"]))


def _joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    join = st.sampled_from(
        [", ", " join ", " natural join ", " left outer join ", "/**/cross join "]
    )
    return st.builds("({})".format, inner) | st.builds("{}{}{}".format, inner, join, inner)


def _queries(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    sources = st.recursive(ALIASED | st.builds("({})".format, inner), _joined, max_leaves=4)
    where = st.one_of(
        st.just(""),
        st.builds(" where 1 in {}".format, TABLES),
        st.builds(" where 1 not in {} group by 1, 2".format, TABLES),
        st.builds(" where exists ({})".format, inner),
    )
    return st.one_of(
        st.builds("select * from {}{}".format, sources, where),
        st.builds("select ({}), 2 from {}".format, inner, sources),
        st.builds("{} union all {}".format, inner, inner),
        st.builds("with w as ({}) select n from w".format, inner),
    )


@given(st.recursive(st.builds("select n from {}".format, TABLES), _queries, max_leaves=5))
def test_every_table_that_sqlite_reads_is_found(sql: str) -> None:
    read: set[str] = set()

    def seen(code: int, first: str | None, *others: str | None) -> int:
        if code == apsw.SQLITE_READ and first is not None:
            read.add(first.lower())
        return apsw.SQLITE_OK

    database = apsw.Connection(":memory:")
    for name in ("a", "b", "c", "d", "full", "left", "w"):
        database.execute(f'create table "{name}" (n)')
    database.authorizer = seen
    try:
        apsw.ext.query_info(database, f"select count(*) from ({sql})")
    except apsw.SQLError:
        reject()
    finally:
        database.close()
    assert read <= table_names(sql)


def test_a_condition_is_a_query_over_the_query() -> None:
    watched = Watched("select 1 a;", "count(*) > 3 -- x")
    assert watched.condition_sql == (
        "select exists (select 1 from (select (\ncount(*) > 3 -- x\n) as holds from (\n"
        "select 1 a\n)) where holds)"
    )
    assert Watched("select 1", "rows").condition_sql == ""


@pytest.mark.parametrize("behind", [";", "; -- c", " -- c", "/* c */;\n;", " /* c", "; /* ; */"])
def test_what_stands_behind_a_query_is_no_matter_of_the_condition(behind: str) -> None:
    plain = Watched("select ';--' a", "a").condition_sql
    assert Watched("select ';--' a" + behind, "a").condition_sql == plain


@pytest.mark.parametrize(
    ("condition", "at"),
    [
        ("a = ')' and (b) -- (", None),
        ("a /* ( */ > 1", None),
        ("(a", 0),
        ("f(a, (b)", 1),
        ("a)) from (((", 1),
        ("a = 'x", 4),
        ('a = "x)', 4),
        ("[a", 0),
        ("a /* )", 2),
    ],
)
def test_a_condition_stays_within_its_parentheses(condition: str, at: int | None) -> None:
    found = flaw(condition)
    assert (None if found is None else found.offset) == at


def update(holds: bool | None, number: int, unknown: str | None = None) -> Update:
    return Update(
        result=msgspec.structs.replace(NONE, generation_number=number), holds=holds, unknown=unknown
    )


def test_a_goal_holds_for_generations_in_a_row() -> None:
    goal = Goal(True, 2)
    assert not goal.reached(update(True, 1))
    assert not goal.reached(update(True, 1)), "the same generation is no second one"
    assert not goal.reached(update(False, 2))
    assert not goal.reached(update(True, 3))
    assert goal.reached(update(True, 4))


def test_a_generation_that_was_not_seen_begins_the_count_anew() -> None:
    """As by a machine that slept, or where a new server begins with number 0."""
    goal = Goal(True, 2)
    for number in (100, 161, 60, 0, 1795772063):
        assert not goal.reached(update(True, number))
    assert goal.reached(update(True, 1795772094)), "a second late is none missed"


def test_who_asks_seldom_counts_answers() -> None:
    goal = Goal(True, 3, interval_s=60.0)
    assert not goal.reached(update(True, 100))
    assert not goal.reached(update(True, 160))
    assert goal.reached(update(True, 220))


@given(st.integers(1, 60), st.integers(1000, 8000), st.integers(0, 1000))
@example(3, 1167, 0)
def test_who_asks_less_than_once_a_generation_misses_none(
    duration_s: int, interval: int, begun: int
) -> None:
    """In thousandths of a generation. The numbers go by one generation, and now and then by two."""
    goal = Goal(True, 8, duration_s * interval / 1000)

    def asked(times: int) -> bool:
        number = 1000 + duration_s * ((begun + times * interval) // 1000)
        seen = msgspec.structs.replace(update(True, number), duration_s=float(duration_s))
        return goal.reached(seen)

    assert [asked(times) for times in range(8)] == [False] * 7 + [True]
    assert not asked(12), "it slept meanwhile"


def test_a_change_within_a_generation_breaks_the_row() -> None:
    goal = Goal(True, 2)
    assert not goal.reached(update(True, 1))
    assert not goal.reached(update(False, 1))
    assert not goal.reached(update(True, 2))
    assert goal.reached(update(True, 3))


@pytest.mark.parametrize(
    ("interval_s", "most_s"),
    [(0.0, 45), (29.0, 45), (30.0, 66), (60.0, 99)],
)
def test_numbers_this_far_apart_have_no_generation_between_them(
    interval_s: float, most_s: int
) -> None:
    """Generations last 30 s."""
    for gap, follows in ((most_s, True), (most_s + 1, False)):
        goal = Goal(True, 2, interval_s)
        assert not goal.reached(update(True, 1000))
        assert goal.reached(update(True, 1000 + gap)) == follows


def test_the_same_generation_again_neither_counts_nor_breaks_the_row() -> None:
    """As where it is asked more often than once a generation."""
    goal = Goal(True, 3)
    for number in (30, 30, 60, 60, 60):
        assert not goal.reached(update(True, number))
    assert goal.reached(update(True, 90))


def test_what_comes_true_within_a_generation_is_met_at_once() -> None:
    """As of a static table."""
    goal = Goal(True)
    assert not goal.reached(update(False, 1))
    assert goal.reached(update(True, 1))


def test_what_is_unknown_reaches_nothing_and_begins_the_count_anew() -> None:
    for wanted in (True, False):
        goal = Goal(wanted, 2)
        assert not goal.reached(update(wanted, 1))
        assert not goal.reached(update(None, 2, "missing: web-3 (disks)"))
        assert not goal.reached(Update(unknown="lost: away"))
        assert not goal.reached(Update(error="no such table: disks"))
        assert not goal.reached(update(wanted, 3, "late: the next generation has not come"))
        assert not goal.reached(update(wanted, 4))
        assert goal.reached(update(wanted, 5))


def test_while_waits_for_the_end_of_it() -> None:
    goal = Goal(False)
    assert not goal.reached(update(True, 1))
    assert goal.reached(update(False, 2))
