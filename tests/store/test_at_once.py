"""Queries that the thread that received them answers, and those it leaves to a reader."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from test_queries import SHAPES
from wire import until

from qasino_server.database import answer, examine
from qasino_server.errors import Busy, Cancelled, QasinoError, QueryTimeout
from qasino_server.rights import ANYBODY
from qasino_server.store import QueryRequest, at_once, job, readers, roster
from qasino_server.table import Result

NUMBERS = "with recursive c(n) as (select 1 union all select n + 1 from c)"
DOUBLING = (
    "with recursive r(s, n) as (select 'xxxxxxxxxx', 1 union all select s || s, n + 1 from r"
    " where n < 13) select max(r.s || q.s) from r, r q, t, t v"
)
MANY_JOINS = "select count(*) from " + ", ".join(f"t t{n}" for n in range(60))


def asking(sql: str, **keys: Any) -> QueryRequest:
    return QueryRequest(sql=sql, **{"form": "typed", "port": "test", "peer": "test", **keys})


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is ended is ended for its steps, however busy the machine is with other things."""
    monkeypatch.setattr(at_once, "_TIME_S", 5.0)
    monkeypatch.setattr(readers, "TURN_S", 5.0)


def fill(bench: Any) -> Any:
    """Give it a snapshot that has something of everything."""
    rows = [[n, f"g{n % 3}", n / 7, f"é{n}\n"] for n in range(50)] + [[None] * 4]
    bench.publish("a", "t", "id int, grp text, val real, txt text", rows)
    bench.publish("a", "u", "id int, w text", [[1, "x"]])
    bench.publish("a", "large", "n int, s text", [[n, f"s{n}"] for n in range(60_000)])
    bench.publish("a", "wide", "s text", [["x" * 200_000]])
    bench.publish("a", "s", "n int", [[1]], static=1)
    bench.rotate()
    return bench


@pytest.fixture
def full(make_bench: Any) -> Any:
    """A store with a snapshot that has something of everything."""
    return lambda **changes: fill(make_bench(**changes))


@pytest.fixture(scope="module")
def lasting(make_module_bench: Any) -> Any:
    """The same for all tests that only ask."""
    return fill(make_module_bench())


@pytest.fixture
def unasked(lasting: Any) -> Any:
    """That store, which knows nothing of what was asked before."""
    forget(lasting)
    return lasting


def forget(bench: Any) -> None:
    """What was asked of the snapshot, and how it went."""
    readers = bench.store._readers
    until(lambda: not readers.running())
    with readers._at_once.chair:
        readers._at_once._long_shapes.clear()
        readers._at_once._long_askers.clear()
    readers._known_slow.clear()
    readers.memo._page.answers.clear()


@pytest.mark.parametrize(
    "sql",
    [
        "select 1",
        "select * from t where id = 7",
        "select grp, count(*), sum(val) from t group by grp order by 2, 1 desc",
        "select t.id, u.w from t left join u using (id) order by t.val",
        "select max(id) from prev.t",
        "select s from wide where 0",
        "select count(*) from large",
        "values (1), (2)",
    ],
)
def test_what_is_brief_is_answered_by_who_receives_it(
    patient: None, full: Any, at_port: Any, sql: str
) -> None:
    bench = full()
    bench.publish("a", "t", "id int", [[1]])
    bench.rotate()
    bench.publish("a", "t", "id int, grp text, val real", [[7, "g", 1.5]])
    bench.publish("a", "u", "id int, w text", [[1, "x"]])
    bench.publish("a", "large", "n int", [[1]])
    bench.publish("a", "wide", "s text", [["x"]])
    bench.rotate()

    def act(port: Any) -> None:
        who, outcome = port.outcome_of(asking(sql))
        assert (who, type(outcome)) == ("port", Result)
        assert outcome.generation_number == bench.store.generation_number

    at_port(bench, act)


@pytest.mark.parametrize(
    "sql",
    [
        "select * from large where n = 59999",
        "select * from large order by s limit 1",
        "select * from t where txt like '%x%'",  # LIKE may take long on what it is given
        "select replace(hex(zeroblob(1000)), '0', 'x') as a",
        "select id from t a join (select 1 union select 2) order by 1",  # 100 rows
        "select s from wide",
        "select length(s) from wide",
        "select * from s",
        "select count(*) from s",
        "select 1 as a from t, s as x limit 1",
        "select value from json_each('[1]')",
        "select * from pragma_table_info('t')",
        "show tables",
        "select 1 as a -- " + "x" * 2000,
    ],
)
def test_what_may_be_long_is_left_to_a_reader(unasked: Any, at_port: Any, sql: str) -> None:
    expected = unasked.rows(sql)
    unasked.store._readers.memo._page.answers.clear()

    def act(port: Any) -> None:
        who, outcome = port.outcome_of(asking(sql))
        assert who.startswith("reader")
        assert json.loads(outcome.rows_json) == expected

    at_port(unasked, act)


@pytest.mark.parametrize("form", ["typed", "strings", "rows"])
@pytest.mark.parametrize("sql", SHAPES)
def test_the_answer_is_the_readers(
    patient: None, unasked: Any, at_port: Any, sql: str, form: str
) -> None:
    expected = unasked.ask(sql, form=form)
    unasked.store._readers.memo._page.answers.clear()

    def act(port: Any) -> None:
        assert port.outcome_of(asking("select 'brief'"))[0] == "port"
        _, found = port.outcome_of(asking(sql, form=form))
        for outcome in (expected, found):
            assert isinstance(outcome, Result)
        if form != "rows":
            assert json.loads(found.rows_json) == json.loads(expected.rows_json)
        assert (found.rows, found.max_widths) == (expected.rows, expected.max_widths)
        assert (found.column_names, found.column_types) == (
            expected.column_names,
            expected.column_types,
        )
        assert found.generation_number == expected.generation_number
        assert (found.nr_rows, found.truncated) == (expected.nr_rows, False)

    at_port(unasked, act)


@pytest.mark.parametrize("sql", ["select nothing", "select", "insert into t values (1)", "desc x"])
def test_an_error_is_the_readers(unasked: Any, at_port: Any, sql: str) -> None:
    expected = unasked.refusal(sql)

    def act(port: Any) -> None:
        who, outcome = port.outcome_of(asking(sql))
        assert who.startswith("reader")
        assert isinstance(outcome, QasinoError)
        assert outcome.sentence == expected

    at_port(unasked, act)


@pytest.mark.parametrize(
    "sql",
    [f"{NUMBERS} select max(n) from c", DOUBLING, MANY_JOINS],
    ids=["numbers", "text", "joins"],
)
def test_what_never_ends_does_not_keep_who_receives_it(full: Any, at_port: Any, sql: str) -> None:
    bench = full(query_timeout_s=2.0)

    def act(port: Any) -> None:
        port.hand_in(asking(sql, query_id="long"))
        port.end()
        assert not port.answers
        assert len(bench.store._readers.running()) == 1
        assert port.outcome_of(asking("select 2"))[0] == "port"
        port.answers.clear()
        assert bench.store.cancel("long")
        ((_, outcome),) = until(lambda: port.answers)
        assert isinstance(outcome, Cancelled)

    at_port(bench, act)


def fill_costly(bench: Any) -> Any:
    """Give it a snapshot with a table of many columns and one of large cells."""
    columns = [f"c{n}" for n in range(1900)]
    bench.publish("a", "w", ", ".join(f"{name} int" for name in columns), [[1] * 1900] * 3)
    bench.publish("a", "cells", "s text, d text", [["\u00e9" * 45_000, "d" * 9_000]] * 100)
    bench.rotate()
    return bench


@pytest.fixture(scope="module")
def lasting_costly(make_module_bench: Any) -> Any:
    """A store with such a snapshot, for all tests that only ask."""
    return fill_costly(make_module_bench())


@pytest.fixture
def costly(lasting_costly: Any) -> Any:
    """That store, which knows nothing of what was asked before."""
    forget(lasting_costly)
    return lasting_costly


@pytest.mark.parametrize(
    "sql",
    [
        f"select max(length({'upper(lower(' * 20}s{'))' * 20})) from cells",
        f"select max(length({'upper(lower(' * 20}d{'))' * 20})) from cells",
        "select count(*) from cells a, cells b where a.s = b.s collate nocase",
        "select count(*) from cells a, cells b where a.d = b.d collate nocase",
        "select s, count(*) from cells group by s",
        "select * from w",
        f"select {'*,' * 900}* from w",
        f"select count(*) from {'(select * from ' * 60}w{')' * 60}",
    ],
)
def test_no_statement_keeps_who_receives_it_for_long(costly: Any, at_port: Any, sql: str) -> None:
    def act(port: Any) -> None:
        port.hand_in(asking(sql, query_id="long"))
        used_s = time.thread_time()
        port.end()
        assert time.thread_time() - used_s < 0.04
        until(lambda: port.answers or costly.store.cancel("long"))

    at_port(costly, act)


def test_who_gets_around_the_bounds_waits_for_readers(make_bench: Any, at_port: Any) -> None:
    bench = fill_costly(make_bench())
    around = f"select * from {', '.join(['w'] * 60)}"  # written out before anybody is asked

    def act(port: Any) -> None:
        for asker, answered in (("a", "reader"), ("b", "port")):
            port.outcome_of(asking(around, asker="a"))
            who, _ = port.outcome_of(asking(f"select '{asker}'", asker=asker))
            assert who.startswith(answered)

    def after(port: Any) -> None:
        assert port.outcome_of(asking("select 'c'", asker="a"))[0] == "port"

    at_port(bench, act)
    bench.rotate()
    at_port(bench, after)


def test_what_was_long_once_is_not_tried_again_before_the_next_snapshot(
    full: Any, at_port: Any
) -> None:
    bench = full()

    def act(port: Any) -> None:
        at_once = bench.store._readers._at_once
        for sql in ("select * from large where n = 1", "select * from large where n = 59999"):
            assert port.outcome_of(asking(sql))[0].startswith("reader")
        assert len(at_once._long_shapes) == 1

    def after(port: Any) -> None:
        assert port.outcome_of(asking("select * from large where n = 2"))[0] == "port"

    at_port(bench, act)
    bench.publish("a", "large", "n int", [[1]])
    bench.rotate()
    at_port(bench, after)


@pytest.mark.parametrize("where", [("n = 1", "n = 2"), ("s = 'x'", "s = 'y'")])
def test_who_asks_what_was_long_once_need_not_wait_for_who_receives_it(
    patient: None, full: Any, at_port: Any, where: tuple[str, str]
) -> None:
    bench = full()
    first, second = (f"select * from large where {condition}" for condition in where)

    def act(port: Any) -> None:
        assert port.outcome_of(asking(first))[0].startswith("reader")
        port.answers.clear()
        port.hand_in(asking(second))
        port.turn.ring()  # the turn is not ended
        ((who, _),) = until(lambda: port.answers)
        assert who.startswith("reader")

    at_port(bench, act)


def test_what_was_answered_at_once_need_not_be_worked_out_again(
    patient: None, full: Any, at_port: Any
) -> None:
    bench = full()

    def act(port: Any) -> None:
        assert port.outcome_of(asking("select id from t where id = 7"))[0] == "port"
        port.answers.clear()
        port.hand_in(asking("select id from t where id = 7"))  # the turn is not ended
        assert [json.loads(outcome.rows_json) for _, outcome in port.answers] == [[[7]]]

    at_port(bench, act)


def test_what_gave_many_rows_is_built_by_sqlite_from_the_first_row_on(
    full: Any, at_port: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = full()
    begun: list[str] = []

    def begin(on: Any, sql: str, *rest: Any) -> Any:
        begun.append(sql)
        return examine.begin(on, sql, *rest)

    monkeypatch.setattr(job, "begin", begin)
    many = "select n, s from large where n <> 1{} and n < 900"
    long = f"{NUMBERS} select max(n) from (select n from c limit 8000{{}})"

    def act(port: Any) -> None:
        for n in range(3):
            who, outcome = port.outcome_of(asking(many.format(n), form="strings"))
            assert who.startswith("reader")
            rows = [[str(k), f"s{k}"] for k in range(900) if k != 10 + n]
            assert json.loads(outcome.rows_json) == rows
        assert begun == []
        for n in range(3):
            who, outcome = port.outcome_of(asking(long.format(n)))
            assert who.startswith("reader")
            assert json.loads(outcome.rows_json) == [[80_000 + n]]
        assert begun == [long.format(n) for n in range(3)]

    at_port(bench, act)


def test_who_receives_has_nothing_built_by_sqlite(
    full: Any, at_port: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = full()
    built_by: list[str] = []

    def build(*parts: Any) -> Any:
        built_by.append(threading.current_thread().name)
        return built(*parts)

    built = answer._built
    monkeypatch.setattr(answer, "_built", build)

    def act(port: Any) -> None:
        assert port.outcome_of(asking("select n, s from large where n < 900"))[1].nr_rows == 900
        assert built_by
        assert "port" not in built_by

    at_port(bench, act)


def test_what_had_to_wait_for_others_is_tried_again(
    full: Any, at_port: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the processor, or the GIL; a moment's load is no reason to hand it to readers."""
    bench = full()
    sql = "select max(id), max(val) from t where id > {}"

    def act(port: Any) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(at_once, "_TIME_S", 0.0)
            assert port.outcome_of(asking(sql.format(1)))[0].startswith("reader")
        assert port.outcome_of(asking(sql.format(2)))[0] == "port"

    at_port(bench, act)


def test_limits_of_the_server_hold(full: Any, at_port: Any) -> None:
    bench = full(max_rows=5)

    def act(port: Any) -> None:
        _, outcome = port.outcome_of(asking("select id from t"))
        assert (outcome.nr_rows, outcome.truncated) == (5, True)

    at_port(bench, act)


def test_so_does_the_one_on_bytes(full: Any, at_port: Any) -> None:
    bench = full(max_result_bytes=200)
    expected = bench.ask("select id from t order by id")
    bench.store._readers.memo._page.answers.clear()

    def act(port: Any) -> None:
        _, outcome = port.outcome_of(asking("select id from t order by id"))
        assert (outcome.nr_rows, outcome.truncated) == (expected.nr_rows, True)

    at_port(bench, act)


def test_what_waits_can_be_cancelled_and_has_a_deadline(full: Any, at_port: Any) -> None:
    bench = full(query_timeout_s=1.0)

    def act(port: Any) -> None:
        port.hand_in(asking("select 1", query_id="one"), asking("select 2", query_id="two"))
        assert [job.query_id for job in bench.store._readers.running()] == ["one", "two"]
        assert bench.store.cancel("one", ANYBODY)
        until(lambda: len(port.answers) == 2)  # the turn is not ended
        outcomes = [outcome for _, outcome in port.answers]
        assert [type(outcome) for outcome in outcomes] == [Cancelled, QueryTimeout]
        assert not any(bench.store._readers._roster.queues)
        port.end()
        assert len(port.answers) == 2

    at_port(bench, act)


def test_so_many_may_wait_and_half_of_them_of_one_asker(
    full: Any, at_port: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = full()
    monkeypatch.setattr(roster, "WAITING_MAX", 8)

    def act(port: Any) -> None:
        for asker, refused in (("a", "a"), ("b", "abc")):
            port.hand_in(*(asking(f"select '{asker}', {n} as n", asker=asker) for n in range(4)))
            for one in refused:
                with pytest.raises(Busy, match="too many queries wait already"):
                    port.hand_in(asking("select 9 as n", asker=one))
        port.end()
        until(lambda: len(port.answers) == 8)

    at_port(bench, act)
    bench.rotate()
    assert bench.rows("select * from qasino_server_sql_stats") == [[12, 8, 4]]


def test_a_changed_view_is_seen_at_once(full: Any, at_port: Any, tmp_path: Any) -> None:
    bench = full()

    def act(port: Any) -> None:
        views = tmp_path / "views.conf"
        views.write_text("- viewname: v\n  view: create view v as select 1 as a\n")
        _, outcome = port.outcome_of(asking("select * from v"))
        assert json.loads(outcome.rows_json) == [[1]]
        views.write_text("- viewname: v\n  view: create view v as select 22 as a\n")
        _, outcome = port.outcome_of(asking("select * from v"))
        assert json.loads(outcome.rows_json) == [[22]]

    at_port(bench, act)


def test_a_view_may_be_larger_than_what_is_brief(full: Any, at_port: Any, tmp_path: Any) -> None:
    body = f"select 1 as a, '{'x' * 200_000}' as b"
    (tmp_path / "views.conf").write_text(f"- viewname: v\n  view: create view v as {body}\n")
    bench = full()
    assert bench.rows("select a, length(b) from v") == [[1, 200_000]]

    def act(port: Any) -> None:
        _, outcome = port.outcome_of(asking("select a from v"))
        assert json.loads(outcome.rows_json) == [[1]]
        _, outcome = port.outcome_of(asking("select loaded from qasino_server_views"))
        assert json.loads(outcome.rows_json) == [[1]]

    at_port(bench, act)


def test_a_turn_answers_so_much_and_askers_are_taken_in_turns(
    full: Any, at_port: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = full()
    monkeypatch.setattr(readers, "TURN_S", 0.0)

    def act(port: Any) -> None:
        port.hand_in(
            *(asking(f"select 'a', {n} as n", asker="a") for n in range(4)),
            *(asking(f"select 'b', {n} as n", asker="b") for n in range(2)),
        )
        for answered in range(1, 6):
            assert port.turn.end()
            assert len(port.answers) == answered
        assert not port.turn.end()
        rows = [json.loads(outcome.rows_json)[0] for _, outcome in port.answers]
        assert rows == [["a", 0], ["b", 0], ["a", 1], ["b", 1], ["a", 2], ["a", 3]]

    at_port(bench, act)


def test_what_comes_while_a_snapshot_is_let_go_of_is_answered(
    patient: None, full: Any, at_port: Any
) -> None:
    """Whoever does that has the chair, and nobody would have come back for it."""
    bench = full()
    at_once = bench.store._readers._at_once

    def act(port: Any) -> None:
        assert port.outcome_of(asking("select 2 as n"))[0] == "port"
        port.answers.clear()
        close = at_once._close

        def and_meanwhile() -> None:
            close()
            port.hand_in(asking("select 3 as n"))
            assert port.turn.end() is False

        at_once._close = and_meanwhile
        bench.store._readers.turn_over()
        ((_, outcome),) = until(lambda: port.answers)
        assert json.loads(outcome.rows_json) == [[3]]

    at_port(bench, act)


def test_show_and_desc_wait_for_nobody(full: Any, at_port: Any) -> None:
    bench = full()

    def act(port: Any) -> None:
        port.hand_in(*(asking(f"select {n} as n") for n in range(50)), asking("desc t"))
        port.turn.ring()  # the turn is not ended
        ((who, _),) = until(lambda: port.answers)
        assert who.startswith("reader")
        port.end()
        assert len(port.answers) == 51

    at_port(bench, act)


def test_nobody_waits_for_who_is_at_it(patient: None, full: Any, at_port: Any) -> None:
    bench = full()
    at_once = bench.store._readers._at_once

    def act(port: Any) -> None:
        with at_once.chair:
            port.hand_in(asking("select 3 as n"))
            assert port.turn.end() is False
            assert not port.answers
        port.hand_in(asking("select 4 as n"))
        assert port.turn.end() is False
        assert [who for who, _ in port.answers] == ["port", "port"]

    at_port(bench, act)


def test_a_failure_while_answering_ends_the_server_as_a_readers_would(
    full: Any, at_port: Any
) -> None:
    bench = full()
    deaths: list[str] = []
    bench.store._readers._on_death = lambda name, error: deaths.append(name)

    def act(port: Any) -> None:
        bench.store.query(asking("select 5 as n"), lambda outcome: 1 / 0)
        assert port.turn.end() is False

    at_port(bench, act)
    assert deaths == ["readers"]
