"""Rules 18, 19 and 21: what a query may do, what it gets, and views."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire import until

from qasino_server.database.answer import Limits, _build_here, answer
from qasino_server.database.examine import begin, examine
from qasino_server.errors import Busy, QasinoError, QueryTimeout
from qasino_server.store.job import Job, QueryRequest
from qasino_server.table import Receipt, Result

SHAPES = [
    "select * from t",
    "select * from t order by val desc",
    "select * from t order by id desc limit 7 offset 3",
    "select grp, count(*), sum(val) from t group by grp order by 2, 1 desc",
    "select distinct grp from t order by grp desc",
    "select id from t union select id + 1 from t order by 1 desc",
    "select id from t union all select w from u",
    "with x as (select id from t where id > 40) select * from x order by id desc",
    "with recursive r(i) as (select 1 union all select i + 1 from r where i < 20) select i from r",
    "values (3, 'x'), (1, 'y'), (2, null)",
    "select t.id, u.w from t left join u using (id) order by t.val",
    "select id, row_number() over (order by val desc) from t order by id",
    "select * from (select id from t order by id desc) limit 5",
    "select id as a, id as a, grp from t order by id",
    "select max(id), min(val) from t",
    "select * from t where 0",
    'select 1 as "a""b", 2 as "select" -- the end;',
    "select /* ; */ 'semi;colon' as x;",
    "select null, 1, 1.5, 0.1+0.2, 'x', -0.0, 1e300*10, 9223372036854775807, 1/3.0",
    "select x'414243' as b, x'ff' as c, id from t limit 2",
    "select cast(x'ff41' as text) as bad, id from t order by id desc limit 3",
    "select 9e999, -9e999, id from t limit 1",
    "select group_concat(id) from (select id from t order by id desc)",
    "explain query plan select * from t",
    "select * from t, u order by random() * 0, t.id",
    "select id from t where id in (select id from u) or grp = 'g1' order by txt",
    "select * from pragma_table_info('t')",
    "select value from json_each('[1, \"a\", null, [1], 2.5]')",
    "select a.id, b.val, a.txt from t a, t b order by a.id, b.id",
    "select a.id, x'ff' as b from t a, t b limit 300",
    "select value, key from jsonb_each('[[1, 2], 3, \"x\"]')",
    "select json_array(id) as j, json(id) as k from t",
    "select txt from t union all select x'ff'",
    "select id from t union all select jsonb('[1]')",
    "select * from (select x'ff' as v union all select txt from t)",
    "select * from (select jsonb('[1]') as v union all select txt from t)",
    "select id, 'a\"b' as q, '\\' as b from t",
    "select a.txt || '],[' as v, ',' as w, '],[' as x, '[' as y from t a, t b",
    "select a.id || ' ' || b.txt || char(0) as v from t a, t b",
]


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "strings"])
@pytest.mark.parametrize("sql", SHAPES)
def test_sqlite_and_python_build_the_same_answer(on: Any, sql: str, typed: bool) -> None:
    """Of a statement that is new to the connection, and of one it has seen."""
    on.examined.clear()
    limits = Limits(100_000, 1 << 26)
    examined, begun = begin(on, sql, (), lambda: None)
    first = answer(on, examined, typed, limits, begun)
    examined, begun = begin(on, sql, (), lambda: None)
    assert begun is None
    fast = answer(on, examined, typed, limits)
    slow = _build_here(on, examined, typed, limits)
    for built in (first, fast):
        assert json.loads(built.rows_json or "") == json.loads(slow.rows_json or "")
        assert (built.column_names, built.nr_rows) == (slow.column_names, slow.nr_rows)
        assert built.max_widths == slow.max_widths
        assert built.infinities_json == slow.infinities_json


@settings(max_examples=60, deadline=None)
@given(
    value=st.one_of(
        st.floats(allow_nan=False),
        st.integers(-(2**63), 2**63 - 1),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.binary(max_size=20),
        st.none(),
    )
)
def test_every_value_looks_the_same_on_both_ways(on: Any, value: Any) -> None:
    from qasino_server.database.examine import Examined

    examined = Examined(
        sql="select ? as v", alone="select ? as v", bindings=(value,), names=("v",), types=("",),
        computed=(0,), wrappable=True,
    )  # fmt: skip
    for typed in (True, False):
        limits = Limits(10, 1 << 20)
        fast, slow = (make(on, examined, typed, limits) for make in (answer, _build_here))
        assert read_digits(fast) == read_digits(slow)


def read_digits(result: Result) -> Any:
    """The rows; a number with a fraction by its digits."""
    return json.loads(result.rows_json or "", parse_float=lambda digits: ("digits", digits))


CELLS = st.one_of(
    st.tuples(st.just("?"), st.text(st.characters(exclude_categories=["Cs"]), max_size=8)),
    st.tuples(st.just("?"), st.sampled_from(["", "],[", ",", '","', '"],["', "\\", "\0", "é😀"])),
    st.tuples(st.just("?"), st.none() | st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just("?"), st.floats(allow_nan=False) | st.sampled_from([1e999, -1e999])),
    st.tuples(st.sampled_from(["?", "cast(? as text)"]), st.binary(max_size=4)),
)
"""An expression, and what is bound in it."""


@settings(max_examples=150, deadline=None)
@given(
    rows=st.integers(1, 3).flatmap(
        lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1)
    )
)
def test_any_rows_look_the_same_on_all_ways(on: Any, rows: list[list[tuple[str, Any]]]) -> None:
    values = ", ".join(f"({', '.join(expression for expression, _ in row)})" for row in rows)
    bindings: Any = tuple(value for row in rows for _, value in row)
    limits = Limits(100_000, 1 << 26)
    for typed in (True, False):
        on.examined.clear()
        examined, begun = begin(on, f"values {values}", bindings, lambda: None)
        made = [answer(on, examined, typed, limits, begun), answer(on, examined, typed, limits)]
        made.append(_build_here(on, examined, typed, limits))
        assert len({(m.max_widths, m.nr_rows) for m in made}) == 1
        first, second, third = map(read_digits, made)
        assert first == second == third


@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("mark", ["x", '"'], ids=["plain", "escaped"])
def test_what_is_over_a_limit_is_cut_the_same_on_both_ways(on: Any, mark: str, typed: bool) -> None:
    sql = f"values ('{mark}', 1), ('{mark}', 22), ('long {mark}', 333)"
    examined = examine(on, sql, ())
    limits = [Limits(rows, 1 << 20) for rows in range(1, 5)]
    limits += [Limits(100, size_bytes) for size_bytes in range(60)]
    for limit in limits:
        built = answer(on, examine(on, sql, ()), typed, limit)
        assert built == _build_here(on, examined, typed, limit), limit
        on.examined[sql] = examined  # the next one may be built


@pytest.mark.parametrize(
    ("sql", "unfit"),
    [
        ("select * from (select txt from t union all select x'ff')", {"plain", "escaped"}),
        ("select * from (select 'a' from t union all select '\"')", {"plain"}),
        ("select txt from t where txt not like '%' || char(10)", set()),
        ("select a.txt from t a, t b, t c", {"plain", "escaped"}),
    ],
    ids=["a BLOB", "a quote", "nothing special", "too large"],
)
def test_a_form_that_did_not_do_is_not_tried_again(on: Any, sql: str, unfit: set[str]) -> None:
    examined = examine(on, sql, ())
    answer(on, examined, False, Limits(200_000, 100_000))
    assert examine(on, sql, ()).unfit == unfit


def test_nor_for_those_that_differ_from_it_in_values(on: Any) -> None:
    sql = "select txt from t where id < {}"  # each has a line end
    for n in range(1, 4):
        examined = examine(on, sql.format(n), ())
        assert bool(examined.unfit) is (n > 1)
        answer(on, examined, False, Limits(1000, 100_000))


def test_a_statement_is_prepared_once(on: Any, prepared: list[int]) -> None:
    examined, begun = begin(on, "select id from t where id = 7", (), lambda: None)
    result = answer(on, examined, True, Limits(100, 1 << 20), begun)
    assert (result.rows_json, len(prepared)) == (b"[[7]]", 1)


def test_what_was_long_in_giving_its_first_row_is_not_begun_anew(
    on: Any, prepared: list[int]
) -> None:
    sql = "select a.id, b.id, c.val from t a, t b, t c where a.id < 40 order by c.val limit 500"
    examined, begun = begin(on, sql, (), lambda: None)
    result = answer(on, examined, True, Limits(1000, 1 << 20), begun)
    assert (result.nr_rows, len(prepared)) == (500, 1)


FOREVER = "with recursive r(i) as (select 1 union all select i + 1 from r) select count(*) from r"


def test_what_is_refused_or_stopped_does_not_begin(on: Any, bench: Any) -> None:
    assert "two statements" in bench.refusal(f"{FOREVER}; select 1")

    def stop() -> None:
        raise QueryTimeout("too late")

    for _ in range(2):
        with pytest.raises(QueryTimeout, match="too late"):
            begin(on, FOREVER, (), stop)
        examine(on, FOREVER, ())


def test_rows_over_the_limit_are_cut_and_said_to_be(make_bench: Any) -> None:
    bench = make_bench(max_rows=10)
    counting = "with recursive r(i) as (select 1 union all select i + 1 from r where i < {})"
    sql = f"{counting} select i from r"
    for form in ("typed", "strings", "rows"):
        exact, more = (bench.ask(sql.format(n), form=form) for n in (10, 11))
        assert (exact.nr_rows, exact.truncated) == (10, False)
        assert (more.nr_rows, more.truncated) == (10, True)
    assert bench.rows(sql.format(11)) == [[n] for n in range(1, 11)]


@pytest.mark.parametrize(
    ("limits", "text"),
    [({"max_rows": 10}, "i"), ({"max_result_bytes": 9000}, "hex(zeroblob(99))")],
)
def test_nothing_is_fetched_beyond_the_limits(make_bench: Any, limits: Any, text: str) -> None:
    """What would follow may take long, or fail as the 50th row does here."""
    bench = make_bench(**limits)
    counting = "with recursive r(i) as (select 1 union all select i + 1 from r where i < 1000)"
    sql = f"{counting} select {text}, iif(i < 50, i, abs(-9223372036854775807 - 1)) from r"
    for form in ("typed", "strings"):
        cut = bench.ask(f"{sql} -- {form}", form=form)
        assert isinstance(cut, Result), cut
        assert (cut.truncated, 10 <= cut.nr_rows < 50) == (True, True)


def test_bytes_over_the_limit_are_cut_and_said_to_be(make_bench: Any) -> None:
    bench = make_bench(max_result_bytes=1 << 20)
    sql = (
        "with recursive r(i) as (select 1 union all select i + 1 from r where i < 100)"
        " select hex(zeroblob(50000)) from r"
    )
    for form in ("typed", "strings", "rows"):
        cut = bench.ask(sql, form=form)
        assert cut.truncated
        assert 8 <= cut.nr_rows <= 11


def test_empty_cells_take_room_too(make_bench: Any) -> None:
    """As Python's values they do: 67 million of them would be 1.5 GB of memory."""
    bench = make_bench(max_result_bytes=1 << 20)
    sql = (
        "with recursive r(i) as (select 1 union all select i + 1 from r where i < 10000)"
        f" select {', '.join([repr('')] * 100)} from r"
    )
    cut = bench.ask(sql, form="rows")
    assert cut.truncated
    assert cut.nr_rows < 1000


def test_a_single_value_over_the_limit_is_an_error(make_bench: Any) -> None:
    bench = make_bench(max_result_bytes=1 << 20)
    assert "larger than this server builds" in bench.refusal("select randomblob(2000000000)")


def test_errors_carry_sqlites_message_and_the_place(bench: Any) -> None:
    error = bench.ask("select 'é', nope from qasino_server_info")
    assert (error.sentence, error.offset) == ("no such column: nope", 12)
    assert bench.refusal("select 'abc").startswith("unrecognized token")
    assert bench.refusal("select 1 from") == "Incomplete sql statement"
    assert bench.refusal("") == "there is no statement to run"
    assert bench.refusal(" ; -- nothing") == "there is no statement to run"


def test_a_comment_or_semicolons_may_follow_the_statement(bench: Any) -> None:
    assert bench.rows("select 1; -- that is all ;;") == [[1]]
    assert bench.rows("select 1;; /* x */ ;") == [[1]]
    assert "two statements" in bench.refusal("select 1; select 2")
    assert "two statements" in bench.refusal("select 1; nonsense")


def test_parameters_are_refused(bench: Any) -> None:
    assert "parameters" in bench.refusal("select ?")


def test_a_query_that_never_ends_is_stopped_on_time(make_bench: Any) -> None:
    bench = make_bench(query_timeout_s=0.3)
    began = time.monotonic()
    forever = (
        "with recursive r(i) as (select 1 union all select i + 1 from r) select count(*) from r"
    )
    outcome = bench.ask(forever)
    assert isinstance(outcome, QueryTimeout)
    assert time.monotonic() - began < 5
    assert bench.rows("select 1") == [[1]]


def test_slow_queries_leave_one_reader_for_the_quick(make_bench: Any) -> None:
    bench = make_bench(query_timeout_s=6.0)
    forever = (
        "with recursive r(i) as (select 1 union all select i + 1 from r) select count(*) from r"
    )
    ended: list[Any] = []
    threads = [threading.Thread(target=lambda: ended.append(bench.ask(forever))) for _ in range(12)]
    for thread in threads:
        thread.start()
    while len(bench.store._readers.running()) < 12:
        pass
    for _ in range(3):
        assert bench.rows("select 42") == [[42]]
    for job in bench.store._readers.running():
        bench.store.cancel(job.query_id)
    for thread in threads:
        thread.join(20)
    assert len(ended) == 12
    assert not any(isinstance(outcome, Result) for outcome in ended)


def test_running_queries_are_listed_and_killed(bench: Any) -> None:
    forever = (
        "with recursive r(i) as (select 1 union all select i + 1 from r) select count(*) from r"
    )
    ended: list[Any] = []
    thread = threading.Thread(target=lambda: ended.append(bench.ask(forever, query_id="mine")))
    thread.start()
    while not bench.store._readers.running():
        pass
    assert [(row[0], row[4]) for row in bench.rows("show queries")] == [("mine", forever)]
    assert "is running already" in str(_raised(bench, "select 1", query_id="mine"))
    assert bench.rows("kill mine") == [["mine"]]
    thread.join(10)
    assert ended[0].sentence == "the query was cancelled"
    assert bench.refusal("kill mine") == "no query with the id mine is running"


@pytest.mark.parametrize("nr_queries", [0, 2])
def test_the_list_of_queries_has_a_row_and_the_room_for_each(bench: Any, nr_queries: int) -> None:
    for n in range(nr_queries):
        request = QueryRequest(sql=FOREVER, port="test", peer="test", query_id=f"query {n}")
        bench.store.query(request, lambda outcome: None)
    listed = bench.ask("show queries", form="strings")
    rows = json.loads(listed.rows_json)
    assert (listed.nr_rows, [row[0] for row in rows]) == (
        nr_queries,
        [f"query {n}" for n in range(nr_queries)],
    )
    texts = [listed.column_names, *rows]
    assert listed.max_widths == tuple(max(map(len, column)) for column in zip(*texts, strict=True))
    for n in range(nr_queries):
        killed = bench.ask(f"kill 'query {n}'", form="strings")
        assert (killed.nr_rows, killed.max_widths) == (1, (7,))


def _raised(bench: Any, sql: str, **keys: Any) -> Exception | None:
    try:
        bench.ask(sql, **keys)
    except QasinoError as error:
        return error
    return None


@pytest.mark.parametrize("use_write_db", [False, True])
def test_a_query_at_which_the_server_fails_is_told_so_and_harms_no_other(
    bench: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    use_write_db: bool,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Job, "_run", lambda *_: 1 / 0)
        told = bench.refusal("select 1 x", use_write_db=use_write_db)
    assert told == "the server failed at this query; its log says how"
    assert "ZeroDivisionError" in caplog.text
    assert bench.rows("select 1 x", use_write_db=use_write_db) == [[1]]


def test_use_write_db_asks_the_generation_being_collected(bench: Any) -> None:
    bench.publish("a", "t", "x int", [[1]])
    assert bench.rows("select x from t", use_write_db=True) == [[1]]
    assert "no such table" in bench.refusal("select x from t")
    assert "not authorized" in bench.refusal("delete from t", use_write_db=True)


def test_a_look_into_the_open_generation_delays_publications_a_second_at_most(bench: Any) -> None:
    forever = (
        "with recursive r(i) as (select 1 union all select i + 1 from r) select count(*) from r"
    )
    outcome: list[Any] = []
    thread = threading.Thread(target=lambda: outcome.append(bench.ask(forever, use_write_db=True)))
    thread.start()
    while not bench.store._readers.running():
        pass
    began = time.monotonic()
    bench.publish("a", "t", "x int", [[1]])
    assert time.monotonic() - began < 3
    thread.join(10)
    assert not isinstance(outcome[0], Result)


def test_a_look_that_waits_is_answered_where_the_server_ends(bench: Any) -> None:
    forever = (
        "with recursive r(i) as (select 1 union all select i + 1 from r) select count(*) from r"
    )
    told: list[str] = []
    looks = [
        threading.Thread(target=lambda: told.append(bench.refusal(forever, use_write_db=True)))
        for _ in range(3)
    ]
    for look in looks:
        look.start()
    until(lambda: len(bench.store._readers.running()) == 3)
    bench.store.stop(10)
    for look in looks:
        look.join(10)
    assert told.count("the server is shutting down") >= 2
    assert len(told) == 3


def test_looks_without_end_leave_publishers_most_of_the_time(bench: Any) -> None:
    forever = (
        "with recursive r(i) as (select 1 union all select i + 1 from r) select count(*) from r"
    )
    looks = [
        threading.Thread(target=lambda: bench.ask(forever, use_write_db=True)) for _ in range(12)
    ]
    for look in looks:
        look.start()
    until_running(bench)
    began = time.monotonic()
    for n in range(30):
        assert isinstance(bench.publish("a", f"t{n}", "x int", [[1]]), Receipt)
    assert time.monotonic() - began < 8, "it was a second for each"
    for job in bench.store._readers.running():
        bench.store.cancel(job.query_id)
    for look in looks:
        look.join(30)


def until_running(bench: Any) -> None:
    while len(bench.store._readers.running()) < 12:
        pass


# --- Views -------------------------------------------------------------------------------------

VIEWS = """---
- viewname: testview
  view: |
    create view testview as select
      * from qasino_server_info;
- viewname: OnStatic
  view: create view onstatic as select x, generation_number from s, testview;
- viewname: badview
  view: create vew badview as select 1;
- viewname: latebound
  view: create view latebound as select * from no_such_table_yet;
- viewname: other
  view: create view another as select 1 as x;
- viewname: two
  view: create view two as select 1; drop table t;
- viewname: evil
  view: attach '/tmp/x' as y;
- viewname: live
  view: create view live as select 'from the view' as x;
"""


def write(path: Any, text: str) -> None:
    """Replace the file at once, as an editor does."""
    partial = path.with_suffix(".new")
    partial.write_text(text)
    os.replace(partial, path)


def test_views_are_in_force_at_the_next_query_and_broken_ones_hurt_nobody(
    bench: Any, tmp_path: Any
) -> None:
    bench.publish("a", "s", "x int", [[7]], static=1)
    assert "no such table" in bench.refusal("select * from testview")
    write(tmp_path / "views.conf", VIEWS)
    assert bench.rows("select generation_number from testview") == [[0]]
    assert bench.rows("select * from onstatic") == [[7, 0]]
    states = {name: (loaded, error) for name, loaded, error in bench.rows("show views")}
    assert states["testview"] == states["OnStatic"] == states["latebound"] == (1, "")
    assert states["badview"] == (0, 'SQLError: near "vew": syntax error')
    assert states["other"] == (0, "it creates the view another, its viewname is other")
    assert states["two"] == (0, "it must be one statement")
    assert states["evil"] == (0, "it must be a CREATE VIEW statement")
    assert "no such table: no_such_table_yet" in bench.refusal("select * from latebound")
    assert bench.rows("desc view testview")[0][0].startswith("create view testview as select")
    assert bench.columns("testview")[0] == ["generation_number", "INTEGER"]
    write(tmp_path / "views.conf", "- {viewname: v, view: create view v as select 5 as five}")
    assert bench.rows("select five from v") == [[5]]
    assert "no such table" in bench.refusal("select * from testview")


@pytest.mark.parametrize(
    "head",
    [
        "create view main.v",
        "CREATE TEMP VIEW/**/main . v",
        "create view if not exists main.[v]",
        "Create View`v`",
        'create view if not exists"v"(x)',
        "create view temp.v",
    ],
)
def test_a_view_may_be_written_as_sqlite_takes_it(bench: Any, tmp_path: Any, head: str) -> None:
    write(tmp_path / "views.conf", json.dumps([{"viewname": "v", "view": f"{head} as select 7 x"}]))
    assert bench.rows("select errormsg from qasino_server_views") == [[""]]
    assert bench.rows("select x from v") == [[7]]


def test_a_view_named_like_a_table_gives_way_and_its_name_cannot_be_published(
    bench: Any, tmp_path: Any
) -> None:
    bench.publish("a", "live", "x text", [["from the table"]])
    bench.rotate()
    write(tmp_path / "views.conf", VIEWS)
    assert bench.rows("select x from live") == [["from the table"]]
    errors = dict(bench.rows("select viewname, errormsg from qasino_server_views"))
    assert "there is a table named live" in errors["live"]
    for name in ("live", "LIVE"):
        outcome = bench.publish("a", name, "x text", [["again"]])
        assert outcome.sentence == f"{name} is the name of a view of this server"
    bench.rotate()
    assert bench.rows("select x from live") == [["from the view"]]


@pytest.mark.parametrize(
    "text",
    [
        "- {viewname: v, view: [",
        "- 2001-99-99",
        "- !!int ''",
        "- !!timestamp x",
        "[" * 500,
        '- {viewname: w, view: "\\ud800"}',
    ],
    ids=["cut off", "no date", "no number", "no time", "too deep", "half a character"],
)
def test_a_views_file_that_is_no_yaml_leaves_the_views_in_force(
    bench: Any, tmp_path: Any, text: str
) -> None:
    path = tmp_path / "views.conf"
    write(path, "- {viewname: v, view: create view v as select 5 as five}")
    assert bench.rows("select five from v") == [[5]]
    write(path, text)
    assert bench.rows("select five from v") == [[5]]
    assert isinstance(bench.publish("a", "t", "x int", [[1]]), Receipt)
    states = dict(bench.rows("select viewname, errormsg from qasino_server_views"))
    assert states["v"] == ""
    assert "the file is not used" in states["views.conf"]


def test_a_query_after_the_stop_is_refused_like_a_publication(bench: Any) -> None:
    bench.store.stop(5.0)
    for hand_in in (
        lambda: bench.store.query(QueryRequest(sql="select 1", port="x", peer="p"), print),
        lambda: bench.publish("a", "t", "x int", [[1]]),
    ):
        with pytest.raises(Busy, match="the server is shutting down"):
            hand_in()
    assert "the server is shutting down" in bench.refusal("select 1", use_write_db=True)


def test_views_can_use_prev(bench: Any, tmp_path: Any) -> None:
    write(
        tmp_path / "views.conf",
        "- viewname: rate\n"
        "  view: create view rate as select t.x - p.x as d from t join prev.t p using (k)",
    )
    for x in (10, 25):
        bench.publish("a", "t", "k int, x int", [[1, x]])
        bench.rotate()
    assert bench.rows("select d from rate") == [[15]]


# --- Shortcuts ---------------------------------------------------------------------------------


def test_shortcuts_work_in_any_case_with_and_without_a_semicolon(bench: Any) -> None:
    bench.publish("a", "a_b", "x int", [[1]])
    bench.rotate()
    names = [row[0] for row in bench.rows("show TABLES ; -- all of them")]
    assert names == sorted(names)
    assert "a_b" in names
    for text in ("SHOW tables LIKE 'a%'", 'show tables like "a%" ;', "show\ntables\nlike 'a%'"):
        assert [row[0] for row in bench.rows(text)] == ["a_b"]
    assert bench.rows("show tables like 'it''s%'") == []
    assert bench.refusal("desc nosuch") == "Table nosuch not found"
    assert bench.rows('describe "A_B"') == bench.rows("DESC a_b;") == [["x", "INTEGER"]]
    assert bench.rows("desc main.a_b") == bench.rows("desc main . 'A_B'") == [["x", "INTEGER"]]
    for text in ("show foo", "DESC ;", "show tables like 'a%' or 1"):
        assert "syntax error" in bench.refusal(text)


def test_a_statement_is_known_for_the_processor_time_it_took(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks for it meanwhile gets another reader at once; for what only waited nobody does."""
    known: list[tuple[str, bool]] = []
    run = Job.run

    def noted(self: Job, *given: Any) -> Any:
        known.append((self.sql, self.known_slow))
        return run(self, *given)

    monkeypatch.setattr(Job, "run", noted)
    counting = "with recursive n(i) as (select 1 union all select i + 1 from n limit 100000)"
    long, quick = f"{counting} select count(*), random() from n", "select random()"
    for sql in (long, long, quick, quick):
        bench.rows(sql)
    assert known == [(long, False), (long, True), (quick, False), (quick, False)]


@pytest.mark.parametrize("form", ["typed", "strings", "rows"])
@pytest.mark.parametrize("nr_rows", [60, 3000])
def test_a_statement_that_differs_each_time_has_each_row_once(
    bench: Any, form: str, nr_rows: int
) -> None:
    """A cell that is no UTF-8 is found after others; the rest came from another run of it."""
    bench.publish("a", "t", "n int", [[n] for n in range(nr_rows)])
    bench.rotate()
    for salt in range(5):
        sql = f"select n, iif(n = 30, cast(x'ff' as text), 'ok') from t order by random() -- {salt}"
        result = bench.ask(sql, form=form)
        rows = result.rows if form == "rows" else json.loads(result.rows_json)
        assert sorted(int(row[0]) for row in rows) == list(range(nr_rows))
        assert [row[1] for row in rows if row[1] != "ok"] == ["\ufffd"]
