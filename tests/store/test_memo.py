"""Answers that are given again: only while they are what would be found."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import apsw
import pytest
from wire import until

from qasino_server.database.sandbox import CHANGING_FUNCTIONS, HARMLESS_FUNCTIONS
from qasino_server.errors import Refused
from qasino_server.statement import Select
from qasino_server.store import memo as memo_room
from qasino_server.store.job import Job, QueryRequest

COUNT = "select count(*) as n, sum(x) as s from t"


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that readers have run."""
    ran: list[str] = []
    run = Job.run

    def noted(self: Job, *given: Any) -> Any:
        ran.append(self.sql)
        return run(self, *given)

    monkeypatch.setattr(Job, "run", noted)
    return ran


def test_what_was_asked_before_is_worked_out_once(bench: Any, runs: list[str]) -> None:
    bench.publish("a", "t", "x int", [[1], [2]])
    bench.rotate()
    answers = [bench.ask(COUNT) for _ in range(5)]
    assert runs == [COUNT]
    assert {a.rows_json for a in answers} == {b"[[2,3]]"}
    assert len({a.generation_number for a in answers}) == 1
    assert [a.generation_age_s for a in answers] == sorted(a.generation_age_s for a in answers)
    bench.ask(COUNT, form="strings")
    assert len(runs) == 2, "another form is another answer"
    bench.rotate()
    ((received, completed),) = bench.rows(
        "select sql_received, sql_completed from qasino_server_sql_stats"
    )
    assert received == completed == 6


def test_each_form_of_an_answer_is_remembered_as_that(bench: Any, runs: list[str]) -> None:
    for _ in range(2):
        strings, typed, rows = (bench.ask("select 1", form=f) for f in ("strings", "typed", "rows"))
        assert (strings.rows_json, typed.rows_json) == (b'[["1"]]', b"[[1]]")
        assert list(map(tuple, rows.rows)) == [(1,)]
    assert runs.count("select 1") == 4, "rows are made each time"


def test_a_new_snapshot_is_asked_anew(bench: Any) -> None:
    for n in range(3):
        bench.publish("a", "t", "x int", [[n]])
        bench.rotate()
        assert bench.rows(COUNT) == bench.rows(COUNT) == [[1, n]]


def test_a_static_table_that_was_replaced_is_asked_anew(bench: Any) -> None:
    for n in range(3):
        bench.publish("a", "t", "x int", [[n]], static=1)
        assert bench.rows(COUNT) == bench.rows(COUNT) == [[1, n]]
    bench.drop("t")
    assert "no such table" in bench.refusal(COUNT)


def test_a_view_that_was_changed_is_asked_anew_and_once(
    bench: Any, store_settings: dict[str, Any], runs: list[str]
) -> None:
    views: Path = store_settings["views_file"]
    for n in range(3):
        views.write_text(f"- viewname: v\n  view: create view v as select {n} as x{'  ' * n}\n")
        assert bench.rows("select x from v") == bench.rows("select x from v") == [[n]]
    assert len(runs) == 3


@pytest.mark.parametrize(
    "sql",
    [
        "select random() as x",
        "select hex(randomblob(8)) as x",
        "select julianday('now') as x",
        "select current_timestamp as x",
        "select count(*) as x from pragma_function_list",
        "select value as x from json_each('[1]')",
        "select x from changing",
        "show tables",
    ],
)
def test_what_may_change_is_worked_out_each_time(
    bench: Any, store_settings: dict[str, Any], runs: list[str], sql: str
) -> None:
    store_settings["views_file"].write_text(
        "- viewname: changing\n  view: create view changing as select random() as x\n"
    )
    for _ in range(6):  # each of the readers has seen it then
        bench.ask(sql)
    assert runs == [sql] * 6


def test_an_error_and_the_open_generation_are_not_remembered(bench: Any, runs: list[str]) -> None:
    for _ in range(3):
        assert bench.refusal("select hots from qasino_server_info")
    bench.publish("a", "t", "x int", [[1]])
    for _ in range(3):
        assert bench.rows(COUNT, use_write_db=True) == [[1, 1]]
    assert "no such table" in bench.refusal(COUNT)


def test_what_is_large_is_not_kept_and_all_of_it_has_a_bound(
    bench: Any, monkeypatch: pytest.MonkeyPatch, runs: list[str]
) -> None:
    large = f"select printf('%.*c', {memo_room.ANSWER_BYTES}, 'x') as x"
    for _ in range(2):
        bench.ask(large)
    assert runs == [large, large]
    monkeypatch.setattr(memo_room, "TOTAL_BYTES", 20_000)
    for n in range(100):
        bench.ask(f"select {n} as x")
    page = bench.store._readers.memo._page
    assert 10 < len(page.answers) < 50
    assert page.size_bytes <= 20_000
    assert ("select 99 as x", "typed") in page.answers
    assert ("select 0 as x", "typed") not in page.answers


def test_what_is_told_of_many_columns_counts_too(bench: Any) -> None:
    columns = [f"column_of_a_wide_table_{n}" for n in range(1000)]
    bench.publish("a", "wide", ", ".join(f"{c} int" for c in columns), [[1] * 1000])
    bench.rotate()
    for n in range(20):
        bench.ask(f"select *, 1 as x{n} from wide where 0", form="strings")
    page = bench.store._readers.memo._page
    held: dict[int, int] = {}
    for answer in page.answers.values():
        for told in (answer.column_names, answer.column_types, answer.max_widths):
            held |= {id(one): sys.getsizeof(one) for one in (told, *told)}
    assert len(page.answers) == 20
    assert page.size_bytes > 0.9 * sum(held.values())


def test_a_long_statement_and_the_infinities_that_it_gives_count_too(bench: Any) -> None:
    """A megabyte that asks for a number would be kept by the thousand."""
    count = "with recursive n(i) as (select 1 union all select i + 1 from n limit 1000)"
    asked = [f"select {n} as x -- {'x' * 10_000}" for n in range(10)]
    for sql in (*asked, f"{count} select 9e999 as x from n"):
        bench.ask(sql)
    page = bench.store._readers.memo._page
    assert len(page.answers) == 11
    held_bytes = sum(
        sys.getsizeof(sql) + len(answer.rows_json) + len(answer.infinities_json)
        for (sql, _), answer in page.answers.items()
    )
    assert 0 < page.size_bytes - held_bytes < 11 * 1000


def test_what_two_ask_at_once_is_kept_once_and_what_was_asked_of_the_past_not_at_all(
    bench: Any,
) -> None:
    memo, past = bench.store._readers.memo, bench.store._snapshot
    request = QueryRequest(sql="select 1 as x", port="test", peer="test", form="typed")
    job = Job(request, Select(sql="", bindings=(), missing=None), 1.0, print)
    job.repeatable = True
    result, version = bench.ask(request.sql), bench.store.overlay().version
    page = memo._page
    size_bytes = page.size_bytes
    memo.sign_and_keep(job, result, past, version, 0.0)
    assert (memo._page, page.size_bytes) == (page, size_bytes)
    bench.rotate()
    assert bench.rows(request.sql) == [[1]]
    page = memo._page
    assert page.snapshot is bench.store._snapshot
    memo.sign_and_keep(job, result, past, version, 0.0)
    assert memo._page is page


def test_every_harmless_function_that_is_not_deterministic_is_known_to_change() -> None:
    """SQLite says which: 0x800 is SQLITE_DETERMINISTIC; dates are, but for 'now'."""
    scalar = apsw.Connection(":memory:").execute(
        "select name from pragma_function_list where type = 's' and not flags & 0x800"
    )
    may_change = {name for (name,) in scalar if not name.startswith("sqlite_")}
    assert may_change & HARMLESS_FUNCTIONS <= CHANGING_FUNCTIONS <= HARMLESS_FUNCTIONS


def test_an_id_that_is_running_is_refused_for_what_was_asked_before_too(bench: Any) -> None:
    bench.rows("select 1 as x")
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"
    request = QueryRequest(sql=endless, port="test", peer="test:1", query_id="mine", form="typed")
    ended: list[Any] = []
    bench.store.query(request, ended.append)
    with pytest.raises(Refused, match="mine is running already"):
        bench.ask("select 1 as x", query_id="mine")
    assert bench.rows("select 1 as x", query_id="other") == [[1]]
    assert bench.store.cancel("mine")
    until(lambda: ended)
    bench.rotate()
    assert bench.rows("select * from qasino_server_sql_stats") == [[4, 2, 2]]
