"""What SQLite prepared for one statement of a form is run for the others, with the same answers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qasino_server.database.answer import Limits, answer
from qasino_server.database.examine import begin, begin_anew, examine
from qasino_server.database.parameters import with_parameters
from qasino_server.errors import SqlError
from qasino_server.render import text_cell

LIMITS = Limits(100_000, 1 << 26)


@pytest.mark.parametrize(
    ("sql", "form", "values"),
    [
        ("select a from t where a = 5", "select a from t where a = ?", (5,)),
        ("SELECT * FROM t WHERE\n a>='x' ;", "SELECT * FROM t WHERE\n a>= ? ;", ("x",)),
        (
            "select count(*), max(a) from t x join u on x.a = 5 where x.a <> 'it''s' and b < 12",
            "select count(*), max(a) from t x join u on x.a = 5 where x.a <> ? and b < ?",
            ("it's", 12),
        ),
        (
            "select a from t where (a == 1 or not b != '') order by 1 limit 5",
            "select a from t where (a == ? or not b != ?) order by 1 limit 5",
            (1, ""),
        ),
        (
            "select \"a'b\" from t where a in (select a from u where b = '=5' and c='?')",
            None,
            (),
        ),
        (
            "select a from t where a in (select a from u where b = '=5') and `= 7` > 7 or [<7] = 8",
            "select a from t where a in (select a from u where b = ?) and `= 7` > ? or [<7] = ?",
            ("=5", 7, 8),
        ),
        ("select a from t where a <> -5", "select a from t where a <> ?", (-5,)),
        ("select a from t where a >> 5 = 1 << 2", "select a from t where a >> 5 = ? << 2", (1,)),
        ("select a from t where b->>'$.x' = 1", "select a from t where b->>'$.x' = ?", (1,)),
        ("select a from t where a = 100000000000000000", None, (100000000000000000,)),
    ],
)
def test_compared_values_are_taken_out(sql: str, form: str | None, values: Any) -> None:
    found = with_parameters(sql)
    if not values:
        assert found is None
        return
    assert found is not None
    assert found.values == values
    assert found.sql == (form or "select a from t where a = ?")


@pytest.mark.parametrize(
    "sql",
    [
        "select a from t",
        "select a = 5 from t",
        "select a from t order by a = 5",
        "select a from t where a like 'x%'",
        "select a from t where a = +5 or a =-5 or a = - 5 or a = 1.5 or a = 1e3",
        "select a from t where a = 0x10 or a = 1_000 or a = x'01'",
        "select a from t where a = 1000000000000000000",
        "select a from t where a in (1, 2) and b between 3 and 4",
        "select (select max(b) from u where b = 5) from t",
        "select count(*) filter (where a = 5) from t where a = 5",
        "select a, ')' from t where a = 5",
        "select a from t where a = 5 -- so far",
        "select a from t where a = /* so far */ 5",
        "select a from t where a = ? and b = 5",
        "select 'where ' || a from t where a = 5",
        "with q as (select 1) select a from t where a = 5",
        "explain query plan select a from t where a = 5",
        "select a from t where a = 'x\0'",
        "select a from t where a = 'x\ud800'",
        "select somewhere from t where a = 5",
        "select b as where$, a = 4 from t",
        "select b as where€, a = 4 from t",
        "select b as x$where , a = 4 from t",
        "select a = 5 from t where b = 7 union select 1 order by a = 5",
        "values (1)",
        "",
    ],
)
def test_what_says_more_than_which_rows_or_is_not_read_for_sure_stays(sql: str) -> None:
    assert with_parameters(sql) is None


@given(st.text("'\"`[]()=<>!-?/* \n5whereselect", max_size=60))
def test_no_text_is_too_much(sql: str) -> None:
    with_parameters(sql)
    with_parameters(f"select 1 where {sql}")


@pytest.mark.parametrize("mark", ["=", "='", "'", '"', "[", "= 5 ", "(", "a ", '"a" '])
def test_how_long_a_text_is_read_does_not_grow_faster_than_it(mark: str) -> None:
    text = mark * (200_000 // len(mark))
    begun_s = time.thread_time()
    with_parameters(f"select 1 where {text}")
    with_parameters(f"select {text} where a = 5")
    assert time.thread_time() < begun_s + 10


# --- Answers --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plainly(on: Any) -> Any:
    """Names and rows as SQLite itself has them."""
    path = on.connection.filename
    itself = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    itself.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)

    def ask(sql: str) -> tuple[list[str], list[Any]]:
        cursor = itself.cursor()
        names: list[str] = []
        cursor.exec_trace = lambda c, *_: names.extend(n for n, *_ in c.description) or True
        return names, cursor.execute(sql).fetchall()

    yield ask
    itself.close()


HOLE = "@"
"""Where a literal goes."""
SELECTED = st.sampled_from(
    [
        "select * from t",
        "select id, val from t",
        "select a.id, a.txt, b.w from t a left join u b using (id)",
        f"select count(*), max(val), min(grp) from t join u on t.id < {HOLE}",
        "select grp as g, count(*) from t",
        f"select distinct grp, id > {HOLE} from t",
        f"select id = {HOLE}, grp = 'g1', typeof(val) from t",
        f"select id = {HOLE}, grp as where$ from t",
        'select val as "from", a.* from t as a',
    ]
)
COLUMNS = st.sampled_from(
    ["id", "grp", "val", "txt", "-id", "id || ''", "'g1'", "coalesce(grp, '')", "7", "null"]
)
LITERALS = st.one_of(
    st.integers(-20, 50).map(str),
    st.integers(0, 10**18 - 1).map(str),
    st.sampled_from(["g0", "g1", "", "é7\n", "é%", "it's", "7", "07", "7.0", "= 5", "?", "--"]).map(
        lambda text: "'" + text.replace("'", "''") + "'"
    ),
    st.sampled_from(["-3", "0.5", "1e1", "null", "x'41'", "(7)", "id"]),
)
OPERATORS = st.sampled_from(
    ["=", "==", "<>", "!=", "<", "<= ", ">", " >=", "is", "is not", "+ 1 ="]
)
COMPARED = st.tuples(COLUMNS, OPERATORS).map(lambda of: f"{of[0]} {of[1]} {HOLE}")
CONDITIONS = st.recursive(
    COMPARED
    | st.sampled_from(
        [
            f"id in (select id from u where w = {HOLE})",
            f"id between 3 and 9 and val < {HOLE}",
            f"grp in ('g1', {HOLE}) and id > {HOLE}",
            f"exists (select 1 from u where u.id = {HOLE} or u.w > {HOLE})",
            f"txt like {HOLE} and grp = {HOLE} collate nocase",
            f"case when id > {HOLE} then grp = {HOLE} else val < {HOLE} end",
        ]
    ),
    lambda inner: st.one_of(
        inner.map("not ({})".format),
        st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map("".join),
        inner.map("({})".format),
    ),
    max_leaves=4,
)
ENDS = st.sampled_from(
    [
        "",
        ";",
        " order by 1",
        f" limit {HOLE} offset 1",
        f" order by {HOLE}, id",
        f" group by 1 having count(*) > {HOLE}",
        f" group by 1 order by 1 > {HOLE}, 2",
        f" union select 'x', {HOLE} = {HOLE} from u where id > {HOLE} order by 1, 2",
        f" union all select 1, 2 from u order by id = {HOLE}",
        " nonsense",
    ]
)


@st.composite
def alike(draw: Any) -> list[str]:
    """Some statements that differ in literals."""
    form = f"{draw(SELECTED)} where {draw(CONDITIONS)}{draw(ENDS)}"
    return [fill(form, draw) for _ in range(3)]


def fill(form: str, draw: Any) -> str:
    first, *others = form.split(HOLE)
    return first + "".join(draw(LITERALS) + other for other in others)


def outcome(ask: Any) -> Any:
    try:
        return ask()
    except (SqlError, apsw.Error):
        return "an error"


@settings(max_examples=150, deadline=None)
@given(sqls=alike(), typed=st.booleans())
def test_statements_of_a_form_have_the_answers_they_have_alone(
    on: Any, plainly: Any, sqls: list[str], typed: bool
) -> None:
    on.examined.clear()
    on.forms.clear()
    for sql in sqls:
        expected = outcome(lambda sql=sql: plainly(sql))
        for way in (row_by_row, built):
            assert outcome(lambda sql=sql, way=way: way(on, sql, typed)) == told(expected, typed)


def told(expected: Any, typed: bool) -> Any:
    if expected == "an error":
        return expected
    names, rows = expected
    cells = rows if typed else [[text_cell(cell) for cell in row] for row in rows]
    return names, json.loads(json.dumps(cells))


def row_by_row(on: Any, sql: str, typed: bool) -> Any:
    """As who receives it answers."""
    examined, begun = begin_anew(on, sql, (), lambda: None)
    return read(answer(on, examined, typed, LIMITS, begun))


def built(on: Any, sql: str, typed: bool) -> Any:
    """As a reader answers."""
    examined, begun = begin(on, sql, (), lambda: None)
    return read(answer(on, examined, typed, LIMITS, begun))


def read(result: Any) -> Any:
    return list(result.column_names), json.loads(result.rows_json)


def test_one_of_a_form_that_is_known_is_not_prepared(on: Any, prepared: list[int]) -> None:
    for n in range(5):
        ours = row_by_row(on, f"select id from t where id = {n} or txt = 'x{n}'", True)
        assert ours == (["id"], [[n]])
        assert len(prepared) == min(n + 1, 2), "the first, and with parameters"
    assert built(on, "select id from t where id = 7 or txt = ''", True) == (["id"], [[7]])
    in_sqlite = len(prepared)
    assert built(on, "select id from t where id = 8 or txt = ''", True) == (["id"], [[8]])
    assert len(prepared) == in_sqlite


def test_what_is_told_of_it_is_what_was_told_of_the_first(on: Any) -> None:
    first = examine(on, "select id, grp = 5 as x from t where grp = 'b' ;", ())
    second = examine(on, "select id, grp = 5 as x from t where grp = 'c' ;", ())
    assert second.bindings == ("c",)
    for field in ("names", "types", "computed", "wrappable", "repeatable", "bare"):
        assert getattr(first, field) == getattr(second, field)


def test_what_is_wrong_is_told_as_of_any_statement(on: Any) -> None:
    for _ in range(2):
        with pytest.raises(SqlError, match="no such column: nix") as refused:
            row_by_row(on, "select id from t where id = 5 and nix = 7", True)
        assert refused.value.offset == 34
        row_by_row(on, "select id from t where txt = 'x' and id = 5", True)
        with pytest.raises(SqlError, match="half a surrogate"):
            row_by_row(on, "select id from t where txt = '\ud800' and id = 5", True)


def test_a_view_and_a_static_table_that_were_changed_are_asked_as_they_are(
    bench: Any, store_settings: dict[str, Any], at_port: Any
) -> None:
    views: Path = store_settings["views_file"]
    for n in range(3):
        views.write_text(f"- viewname: v\n  view: create view v as select {n} as x{'  ' * n}\n")
        bench.publish("a", "s", "y int", [[n]], static=1)
        for asked in range(4):
            assert bench.rows(f"select x from v where x < {10 + asked}") == [[n]]
            assert bench.rows(f"select y from s where y < {10 + asked}") == [[n]]
    bench.drop("s")
    assert "no such table" in bench.refusal("select y from s where y < 20")
