"""Statements that are none, too many or would write; and cells that are hard to tell."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ill_treated import (
    Shared,
    Site,
    ask,
    is_error,
    message,
    strict_json,
    told_over,
)
from wire import Wire, as_bytes

from qasino_server.server import Server

# --- Statements that are none, or too many --------------------------------------------------

NO_STATEMENTS = {
    "nothing": ("", "no statement"),
    "blanks": (" \n\t", "no statement"),
    "only a comment": ("-- select 1", "no statement"),
    "only semicolons": (";;;", "no statement"),
    "nonsense": ("hello", 'near "hello": syntax error'),
    "half a statement": ("select", "Incomplete sql statement"),
    "half a string": ("select 'a", "unrecognized token"),
    "no such table": ("select * from nope", "no such table: nope"),
    "no such column": ("select nope", "no such column: nope"),
    "no such function": ("select nope()", "no such function: nope"),
    "a parameter": ("select ?", "has parameters"),
    "a named parameter": ("select :a, @b, $c", "has parameters"),
    "a NUL": ("select 1\0", "NUL"),
    "a NUL in a string": ("select '\0'", "NUL"),
    "a NUL in a comment": ("select 1 /* \0 */", "NUL"),
    "too many columns": ("select " + ", ".join("1" * 2001), "too many columns"),
    "too many terms": (" union all ".join(["select 1"] * 501), "too many terms"),
    "too deep": ("select " + "(" * 5000 + "1" + ")" * 5000, "limit|too large|overflow"),
    "SHOW of what is not": ("show nope", 'near "show": syntax error'),
    "DESC of nothing": ("desc", 'near "desc": syntax error'),
    "DESC of what is not": ("desc nope", "Table nope not found"),
    "DESC VIEW of what is not": ("desc view nope", "View nope not found"),
    "KILL of what is not": ("kill nope", "no query with the id nope"),
}


@pytest.mark.parametrize(("sql", "place"), NO_STATEMENTS.values(), ids=NO_STATEMENTS)
def test_what_is_no_statement_is_refused_in_sqlites_words(
    refused: Callable[..., None], sql: str, place: str
) -> None:
    refused({"op": "query", "sql": sql}, place)


def test_the_place_of_an_error_is_told_in_characters(site: Site) -> None:
    answer = site.wire.query("select 'größe', nope from qasino_server_info")
    is_error(answer, "no such column: nope")
    assert answer["error_offset"] == len("select 'größe', ")
    site.unhurt()


def test_a_table_that_only_the_snapshot_before_has_is_told_as_such(
    server: Server, wire: Wire
) -> None:
    table = {"tablename": "gone", "column_names": ["x"], "column_types": ["int"], "rows": [[1]]}
    wire.http_post("add_table_data", {"identity": "a", "table": table})
    server.rotate()
    server.rotate()
    answer = wire.query("select * from gone")
    is_error(answer, "no such table: gone")
    assert answer["error_hint"] == "the snapshot before has it: prev.gone"
    asked = {"op": "query", "sql": "select * from gone", "format": "text"}
    told = "SQL error: no such table: gone\nthe snapshot before has it: prev.gone\n"
    assert wire.http_get(asked)[::2] == (400, told.encode())
    assert told.replace("\n", "\r\n") in wire.line("select * from gone;")
    assert "error_hint" not in wire.query("select * from nowhere")


def test_set_is_told_to_be_of_the_prompt(wire: Wire) -> None:
    """What README shows of `qasino sql` is typed into other places, too."""
    told = "SET is for the prompt of qasino sql; elsewhere use_write_db=true goes with the request"
    for sql in ("SET use_write_db = true; select 1", " -- open\n set use_write_db=1"):
        answer = wire.query(sql)
        assert "syntax error" in answer["error_message"]
        assert answer["error_hint"] == told
    for sql in ("select 1 set", "select set from t", "settle"):
        assert "error_hint" not in wire.query(sql)
    assert wire.rows("select 1", use_write_db=True) == [[1]]


@pytest.mark.parametrize(
    "sql",
    [
        "select 1; select 2",
        "select 1;; select 2",
        "select 1; /* second */ select 2",
        "select 1; -- second\nselect 2;",
        "select 1; nonsense",
        "select 1; '",
        "select 1; delete from qasino_server_info",
        "select ';'; select 2",
    ],
)
def test_two_statements_in_one_are_refused(refused: Callable[..., None], sql: str) -> None:
    refused({"op": "query", "sql": sql}, "two statements; send one")


@pytest.mark.parametrize(
    "sql",
    [
        "select 1;",
        " ;; select 1 ; ; ",
        "select 1; -- select 2",
        "select 1 /* ; select 2 */;",
        "/* never closed is closed */ select 1 /* ; select 2",
        "select 1 -- ;",
        "select 1" + ";" * 100_000,
        "values (1)",
        "with a as (select 1) select * from a",
    ],
    ids=lambda sql: sql[:40],
)
def test_one_statement_with_blanks_and_comments_is_one(
    site: Site, transport: str, sql: str
) -> None:
    answer = ask(site.wire, transport, {"op": "query", "sql": sql})[1]
    assert answer["table"]["rows"] == [["1"]]
    site.unhurt()


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(" " * 23 + "select 1", id="blanks"),
        pytest.param("/**/" * 22 + "select 1", id="comments"),
        pytest.param("\n" * 23 + "select 1", id="line ends"),
        pytest.param("/*" * 25 + "select 1", id="comments never closed"),
        pytest.param("show x" + " " * 22 + "y", id="after SHOW"),
        pytest.param("show x" + "/**/" * 21 + "y", id="comments after SHOW"),
        pytest.param("kill" + " " * 22 + "'", id="after KILL"),
        pytest.param("select 1" + " " * 100_000, id="at the end"),
        pytest.param("show tables like '" + "''" * 50_000, id="quotes"),
        pytest.param("desc " + "x" * 100_000 + " y", id="a long name"),
    ],
)
def test_how_long_reading_a_statement_takes_does_not_grow_without_bound(
    site: Site, sql: str
) -> None:
    began = time.process_time()
    site.wire.query(sql)
    assert time.process_time() - began < 1.0
    site.unhurt()


# --- Writing --------------------------------------------------------------------------------

WRITES = [
    "insert into kept values (2, 'y')",
    "insert or replace into kept values (1, 'y')",
    "replace into kept values (1, 'y')",
    "with a as (select 2) insert into kept select *, 'y' from a",
    "insert into kept values (2, 'y') returning *",
    "update kept set a = 2",
    "update kept set a = 2 returning a",
    "delete from kept",
    "delete from kept returning *",
    "delete from static.still",
    "insert into qasino_server_info select * from qasino_server_info",
    "delete from prev.qasino_server_info",
    "delete from sqlite_schema",
    "delete from temp.qasino_server_views",
    "attach 'FILE' as x",
    "attach ':memory:' as x",
    "attach 'file:FILE?mode=rwc' as x",
    "detach static",
    "detach prev",
    "vacuum",
    "vacuum main",
    "vacuum into 'FILE'",
    "vacuum static into 'FILE'",
    "create table x (a)",
    "create table x as select 1",
    "create table static.x (a)",
    "create temp table x (a)",
    "create table temp.x as select 1",
    "create table if not exists kept (a)",
    "create view x as select 1",
    "create temp view x as select 1",
    "create trigger x after insert on kept begin select 1; end",
    "create temp trigger x after insert on main.kept begin select 1; end",
    "create index x on kept (a)",
    "create unique index static.x on still (a)",
    "create virtual table x using fts5(a)",
    "create virtual table temp.x using fts5(a)",
    "drop table kept",
    "drop table if exists kept",
    "drop table if exists nope",
    "drop table static.still",
    "drop view temp.x",
    "drop index if exists x",
    "drop trigger if exists x",
    "alter table kept rename to x",
    "alter table kept add column x",
    "alter table kept drop column b",
    "alter table static.still rename column a to x",
    "reindex",
    "reindex kept",
    "analyze",
    "analyze kept",
    "begin",
    "begin immediate",
    "begin exclusive",
    "commit",
    "end",
    "rollback",
    "savepoint x",
    "release x",
    "rollback to x",
    "explain select 1",
    "explain delete from kept",
    "explain query plan delete from kept",
    "explain query plan insert into kept values (2, 'y')",
    "explain query plan create table x (a)",
    "explain query plan attach 'FILE' as x",
    "explain query plan pragma user_version",
    "pragma query_only = 0",
    "pragma writable_schema = 1",
    "pragma writable_schema",
    "pragma journal_mode = wal",
    "pragma static.journal_mode = delete",
    "pragma synchronous = off",
    "pragma temp_store_directory = '/'",
    "pragma data_store_directory = '/'",
    "pragma user_version = 5",
    "pragma user_version",
    "pragma table_info(kept)",
    "pragma table_list",
    "pragma database_list",
    "pragma hard_heap_limit = 1",
    "pragma soft_heap_limit = 1",
    "pragma mmap_size = 0",
    "pragma cache_size = -100000000",
    "pragma case_sensitive_like = 1",
    "pragma foreign_keys = 1",
    "pragma incremental_vacuum",
    "pragma optimize",
    "pragma wal_checkpoint(truncate)",
    "pragma static.wal_checkpoint",
    "pragma shrink_memory",
    "pragma trusted_schema = 1",
    "pragma threads = 8",
    "pragma integrity_check",
    "pragma nope",
    "select * from pragma_database_list",
    "select * from pragma_user_version",
    "select * from pragma_integrity_check",
    "select * from pragma_wal_checkpoint",
    "select load_extension('FILE')",
    "select load_extension('FILE', 'main')",
    "select * from (select load_extension('FILE'))",
    "values (load_extension('FILE'))",
    "select readfile('FILE')",
    "select writefile('FILE', 'x')",
    "select edit('x')",
    "select sqlite_log(1, 'x')",
    "select fts3_tokenizer('simple', x'0102030405060708')",
    "select fts3_tokenizer('simple')",
    "grant all on kept to public",
    "copy kept to 'FILE'",
    ".shell touch FILE",
    ".open FILE",
]

HIDING = [
    "/* select */ delete from kept",
    "-- select 1\ndelete from kept",
    "/* select 1; */ /**/ -- x\n\t drop table kept",
    "; delete from kept",
    ";;;/**/;drop table kept",
    "select 1 /*;*/; delete from kept",
    "DeLeTe FrOm kept",
    "\ufeffdelete from kept",
    "\u00a0delete from kept",
    "select (delete from kept)",
    "select * from (delete from kept returning *)",
    "with x as (delete from kept returning *) select * from x",
    "with x as (select 1) delete from kept",
    "select 1 union delete from kept",
    "select 1) ; delete from kept; --",
    "select 1)) select 1 from (select (1",
    'select 1) select * from "=q"; --',
    "1 as (select 1)",
    "select 1 -- \r\n; delete from kept",
    "desc kept; drop table kept",
    "desc kept drop table kept",
    "desc 'kept'; drop table kept; --'",
    'desc "kept"); drop table kept; --',
    "desc kept') union select sql, 1 from sqlite_schema; --",
    "desc [kept]; drop table kept",
    "desc view x' or 1=1; drop table kept; --",
    'desc view "x"; drop table kept',
    "show tables; drop table kept",
    "show tables like 'x'; drop table kept; --'",
    "show tables like 'x' union select sql, 1, 1, 1, 1, 1 from sqlite_schema",
    "show info; drop table kept",
    "show queries; drop table kept",
    "kill 1; drop table kept",
    "kill 1' or 1=1",
]


@pytest.fixture
def kept(shared: Callable[..., Shared]) -> Iterator[Site]:
    """A site with tables worth writing to."""
    with shared("kept", query_timeout_s=5.0).lend() as site:
        publish = partial(site.wire.publish, "h", columns=["a", "b"], types=["int", "text"])
        assert publish("kept", rows=[[1, "x"]], persist=1)["response_op"] == "ok"
        assert publish("still", rows=[[1, "x"]], static=1)["response_op"] == "ok"
        site.server.rotate()
        site.server.rotate()
        yield site
        site.clean = True


def nothing_written(site: Site) -> None:
    """What was published is as it was, on every connection there is."""
    site.unhurt("kept", "still")
    for _ in range(4):
        assert site.wire.rows(
            "select k.a, k.b, s.a, s.b, (select count(*) from pragma_table_info('kept')),"
            " (select group_concat(name) from temp.sqlite_schema)"
            " from main.kept k, static.still s"
        ) == [[1, "x", 1, "x", 2, "qasino_server_views"]]


@pytest.mark.parametrize("way", ["http", "zmq", "line", "text", "csv", "html", "open generation"])
def test_every_kind_of_write_is_refused(kept: Site, way: str, tmp_path: Path) -> None:
    target = tmp_path / "written"
    for sql in WRITES:
        answer = told_over(kept.wire, way, sql.replace("FILE", str(target)))
        assert b'"response_op":"error"' in answer or answer.startswith(b"SQL error: "), sql
        assert not list(tmp_path.glob("written*")), sql
        assert kept.wire.rows("select a, b from kept") == [[1, "x"]], sql
    nothing_written(kept)


@pytest.mark.parametrize("sql", HIDING)
def test_a_write_that_hides_is_refused(kept: Site, sql: str) -> None:
    for transport in ("http", "zmq"):
        status, answer = ask(kept.wire, transport, {"op": "query", "sql": sql})
        is_error(answer)
        assert status in (None, 400)
    nothing_written(kept)


def test_a_write_that_is_refused_says_what_it_tried(kept: Site) -> None:
    query = kept.wire.query
    is_error(query("delete from kept"), "not authorized: DELETE kept; queries only read")
    is_error(query("attach 'x' as y"), "not authorized: ATTACH")
    is_error(query("select load_extension('x')"), "not authorized.* function: load_extension")
    is_error(query("pragma writable_schema = 1"), "not authorized: PRAGMA writable_schema")
    is_error(query("explain select 1"), "only reading is possible here", "EXPLAIN QUERY PLAN")
    nothing_written(kept)


# --- Cells that are hard to tell ------------------------------------------------------------

CELLS: dict[str, tuple[str, str, Any]] = {
    # SQL, as a string, typed
    "NULL": ("null", "", None),
    "an empty string": ("''", "", ""),
    "a blob of text": ("cast('größe' as blob)", "größe", "größe"),
    "a blob of bytes": ("x'00ff'", "00ff", "00ff"),
    "an empty blob": ("x''", "", ""),
    "a blob that is JSONB": ("jsonb('[]')", "\x0b", "\x0b"),
    "text that is not UTF-8": ("cast(x'ff' as text)", "\ufffd", "\ufffd"),
    "half a character": ("cast(x'61c3' as text)", "a\ufffd", "a\ufffd"),
    "a surrogate": ("cast(x'eda080' as text)", "\ufffd" * 3, "\ufffd" * 3),
    "an infinity": ("9e999", "Inf", None),
    "a negative infinity": ("-9e999", "-Inf", None),
    "no number": ("9e999 - 9e999", "", None),
    "a NUL": ("char(97, 0, 98)", "a\0b", "a\0b"),
    "a NUL at the end": ("char(97, 0)", "a\0", "a\0"),
    "control characters": ("char(27, 7, 8, 127)", "\x1b\x07\x08\x7f", "\x1b\x07\x08\x7f"),
    "line ends": ("char(13, 10, 10)", "\r\n\n", "\r\n\n"),
    "quotes": ("'\"''\\,;' || char(9)", "\"'\\,;\t", "\"'\\,;\t"),
    "the last character": ("char(1114111)", "\U0010ffff", "\U0010ffff"),
    "a line separator": ("char(8232)", "\u2028", "\u2028"),
    "a text that turns": ("char(8238)", "\u202e", "\u202e"),
    "markup": ("'<script>&'", "<script>&", "<script>&"),
    "the largest integer": ("9223372036854775807", str(2**63 - 1), 2**63 - 1),
    "the smallest integer": ("-9223372036854775807 - 1", str(-(2**63)), -(2**63)),
    "a tenth": ("0.1", "0.1", 0.1),
}


def cells_of(data: str, delimiter: str) -> list[list[str]]:
    """CSV as Python's own reader has it."""
    return list(csv.reader(io.StringIO(data, newline=""), delimiter=delimiter, strict=True))


@pytest.mark.parametrize(("sql", "string", "typed"), CELLS.values(), ids=CELLS)
def test_a_cell_that_is_hard_to_tell_is_told_well_formed(
    site: Site, transport: str, sql: str, string: str, typed: Any
) -> None:
    sql = f"select {sql} as c, 'x' as x union all select 'y', 'z'"
    ask_for = partial(ask, site.wire, transport)
    answer = ask_for({"op": "query", "sql": sql})[1]
    assert answer["table"]["rows"] == [[string, "x"], ["y", "z"]]
    answer = ask_for({"op": "query", "sql": sql, "typed": True})[1]
    assert answer["table"]["rows"] == [[typed, "x"], ["y", "z"]]
    site.unhurt()


@pytest.mark.parametrize(("sql", "string", "typed"), CELLS.values(), ids=CELLS)
def test_a_cell_that_is_hard_to_tell_is_well_formed_in_every_format(
    site: Site, sql: str, string: str, typed: Any
) -> None:
    sql = f"select {sql} as c, 'x' as x union all select 'y', 'z'"
    told: dict[str, str] = {}
    for form in ("csv", "tsv", "ndjson", "text", "html"):
        status, _, body = site.wire.http_get({"op": "query", "sql": sql, "format": form})
        assert status == 200
        told[form] = body.decode()
    assert cells_of(told["csv"], ",") == [["c", "x"], [string, "x"], ["y", "z"]]
    assert [line.count("\t") for line in told["tsv"].split("\n")] == [1, 1, 1, 0]
    lines = [strict_json(line.encode()) for line in told["ndjson"].split("\n")[:-1]]
    assert lines == [{"c": typed, "x": "x"}, {"c": "y", "x": "z"}]
    head, rule, first, second, count = told["text"].split("\n")[:-1]
    assert (head.split(), rule.split()[1], count) == (["c", "x"], "=", "2 rows returned")
    assert first.endswith("  x")
    assert second.endswith("  z")
    assert re.fullmatch(r"[^\x00-\x1f\x7f-\x9f\u2028\u202e]*", first)
    assert told["html"].count("<tr>") == 3
    assert told["html"].count("<td") == 4
    assert "<script" not in told["html"]
    by_line = site.wire.line(f"{sql};")
    assert by_line.count("\r\n") == by_line.count("\n") == 5
    site.unhurt()


def test_cells_that_are_hard_to_tell_come_back_as_they_were_published(
    site: Site, transport: str
) -> None:
    texts = [string for _, string, _ in CELLS.values() if "\ufffd" not in string]
    rows = [[1, text] for text in texts]
    assert ask(site.wire, transport, message(rows=rows))[1]["response_op"] == "ok"
    site.unhurt("t")
    assert site.wire.rows("select b from t order by rowid") == [[text] for text in texts]
    site.unhurt()


@pytest.mark.parametrize(
    ("cell", "typed"),
    [(b"1e999", None), (b"-1e999", None), (b"9" * 400, None), (b"1" + b"0" * 20, 1e20)],
    ids=["infinity", "negative infinity", "400 digits", "beyond 64 bits"],
)
def test_numbers_beyond_measure_are_taken_as_sqlite_reads_them(
    site: Site, cell: bytes, typed: Any
) -> None:
    for type_name in ("real", "int"):
        body = as_bytes(message(column_types=["int", type_name], rows="ROWS"))
        rows = b"[[1, %s]]" % cell
        assert site.wire.http_post(None, body.replace(b'"ROWS"', rows))[0] == 200
        site.unhurt("t")
        assert site.wire.rows("select b, typeof(b) from t") == [[typed, "real"]]
    site.unhurt()
