"""A compound SELECT has the same numbers whichever way its answer is built."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from handed_in import Written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qasino_server.database.compounds import has_bare_compound
from qasino_server.database.sqltext import with_names_only
from qasino_server.render import stream_for, text_cell
from qasino_server.table import Result

LARGE = 1795783202123456789
"""A double has another value."""
VIEWS = f"""
- viewname: of_values
  view: create view of_values as select (select {LARGE} union all select real from t) v from t
- viewname: of_rows
  view: create view of_rows as select column1 v from (values ({LARGE}), (cast(2 as real)))
- viewname: in_from
  view: create view in_from as select whole v from t union all select real from t
- viewname: through
  view: create view through as select * from of_values
"""


@pytest.fixture
def with_t(bench: Any, tmp_path: Path) -> Any:
    (tmp_path / "views.conf").write_text(VIEWS)
    rows = [[LARGE, 0.5, "x"], [2, None, ""], [None, 3.0, None], [2**53 + 1, 7.25, "9"]]
    for _ in range(2):
        bench.publish("a", "t", "whole int, real real, txt text", rows * 40)
        bench.rotate()
        bench.publish("a", "t", "whole int, real real, txt text", rows * 40)
    return bench


def plainly(bench: Any, sql: str, **keys: Any) -> Any:
    """The rows as Python values, as SQLite gives them."""
    outcome = bench.ask(sql, form="rows", **keys)
    assert isinstance(outcome, Result), outcome
    return outcome.rows


def check(bench: Any, sql: str) -> None:
    """Every way tells the rows that SQLite has for the statement itself."""
    rows = plainly(bench, sql)
    typed = json.dumps(rows)
    strings = [[text_cell(cell) for cell in row] for row in rows]
    for times in range(3):
        asked = f"{sql} -- {times // 2}"  # new, known to the connection, from memory
        assert json.dumps(bench.rows(asked)) == typed
        assert bench.rows(asked, form="strings") == strings
        assert json.dumps(bench.rows(f"{asked} again", use_write_db=True)) == typed
    names = bench.ask(sql).column_names
    for form in ("csv", "tsv", "ndjson"):
        stream, sink = stream_for(form), Written()
        assert stream is not None
        here = stream.head(names) + stream.rows(rows)
        for _ in range(2):
            assert isinstance(bench.ask(sql, stream=stream_for(form), sink=sink), Result)
            assert lines_in(sink.text().decode(), form) == lines_in(here, form)


def lines_in(text: str, form: str) -> list[str]:
    """A REAL has more than one spelling in JSON."""
    lines = text.splitlines()
    return [json.dumps(json.loads(line)) for line in lines] if form == "ndjson" else lines


@pytest.mark.parametrize(
    "sql",
    [
        f"select {LARGE} as v union all select real from t",
        f"select 'a' as k, real as v from t union all select 'b', {LARGE}",
        "select real from t union all select whole from t",
        "select whole from t union select real from t order by 1",
        f"select {LARGE} except select real from t",
        f"select cast(whole as real) from t intersect select real from t union select {LARGE}",
        f"values ({LARGE}), (cast(3 as real))",
        f"select {LARGE} v, random() * 0 union all select real, 1 from t",
        f"select column1 from (values ({LARGE}), ((select real from t)))",
        "select (select whole from t union all select real from t) as v from t",
        "select z.v from (select (select whole from t union select real from t) v from t) z",
        "with z as (select 1) select whole from t uNiOn all select real from t",
        "select v from of_values",
        "select v from OF_VALUES where v > 5 limit 150",
        "select z.v from through as z, t",
        "select v from of_rows",
        "select v from in_from",
        "select * from (select whole as v from t union all select real from t)",
        "with z(v) as (select whole from t union all select real from t) select v from z",
    ],
)
def test_a_number_is_the_same_on_every_way(with_t: Any, sql: str) -> None:
    check(with_t, sql)


def test_a_stream_of_rows_that_may_be_others_is_not_begun_anew_for_a_broken_text(
    with_t: Any,
) -> None:
    sql = "select random() * 0, txt from t union all select 0, cast(x'ff41' as text)"
    refusal = with_t.refusal(sql, stream=stream_for("csv"), sink=Written())
    assert "begun anew in the middle" in refusal


VALUES = st.sampled_from(
    ["whole", "real", "txt", str(LARGE), "1.5", "null", "'s'", "cast(whole as real)", "-real"]
)
JOINED = st.sampled_from([" union all ", " union ", " intersect ", " except "])


@st.composite
def compounds(draw: Any) -> str:
    """Of one column, v; in some of them are the others."""
    first, *more = draw(st.lists(expressions(), min_size=1, max_size=3))
    arms = [f"{draw(JOINED)}select {each} from {draw(TABLES)}" for each in more]
    return f"select {first} as v from {draw(TABLES)}" + "".join(arms)


def expressions() -> Any:
    return st.deferred(
        lambda: (
            VALUES | VALUES | compounds().map("({})".format) | VALUES.map("coalesce({}, 7)".format)
        )
    )


TABLES = st.deferred(
    lambda: (
        st.just("t")
        | st.sampled_from(["of_values", "in_from", "through"]).map(
            "(select v whole, v real, v txt from {})".format
        )
        | compounds().map("(select v whole, v real, v txt from ({}))".format)
        | st.just("(select column1 whole, v real, 's' txt from of_rows, (values (1), (2.5)))")
    )
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sql=compounds())
def test_any_compound_has_the_same_numbers_on_every_way(with_t: Any, sql: str) -> None:
    check(with_t, f"{sql} limit 300")


@pytest.mark.parametrize(
    ("sql", "bare"),
    [
        ("select 1 union select 2", True),
        ("select (select 1 union select 2)", True),
        ("select 1 from t where x in (select (values (1)))", True),
        ("select * from (select 1 union select 2)", False),
        ("select * from t join ( select 1 union select 2) using (a)", False),
        ("with z as (select 1 union select (2)) select * from z", False),
        ("with z as not materialized (select 1 except select 2) select * from z", False),
        ("select * from t where a in (select 1 intersect select 2)", False),
        ("select 'a union b', \"union\", [union], `union` -- union\n/* union */", False),
        ("select ')', (select 'it''s (' union select 2)", True),
        ("select unions, except_ from reunion", False),
        ("select 1 /* ( */ union select 2 -- )", True),
        ("select 1 from (select 2) union select 3", True),
    ],
)
def test_a_compound_is_told_by_what_it_stands_in(sql: str, bare: bool) -> None:
    assert has_bare_compound(sql) is bare


@given(st.text("'\"`[]()/*- \nunionvalues", max_size=60))
def test_no_text_is_too_much(sql: str) -> None:
    has_bare_compound(sql)
    has_bare_compound(f"{sql} union (values", is_view=True)


@pytest.mark.parametrize("mark", ["[", "'", '"', "`", "(", ")", "/*", "--", "-- \n", "as (", "in "])
def test_how_long_a_text_is_read_does_not_grow_faster_than_it(mark: str) -> None:
    """It took minutes for what opens and is never closed."""
    text = f"select 1 from (select 2 union select 3); {mark * (1_000_000 // len(mark))}"
    begun_s = time.thread_time()
    has_bare_compound(text)
    with_names_only(text)
    assert time.thread_time() < begun_s + 10
