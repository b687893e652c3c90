"""`qasino publish` against a real server."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import TABLE_CSV, Ran, http_url, run_qasino, zmq_url
from wire import Wire

from qasino_cli.console import ExitCode
from qasino_server.server import Server

HOST = socket.gethostname()
INNER: dict[str, Any] = {
    "tablename": "t",
    "column_names": ["a", "b"],
    "column_types": ["text", "int"],
    "rows": [["x", 1], ["y", 2]],
}


def snapshot(server: Server, wire: Wire, sql: str) -> list[list[Any]]:
    """The answer after the generation that is being collected has ended."""
    server.rotate()
    return wire.rows(sql)


def check_ok(ran: Ran, receipt: str) -> None:
    assert (ran.returncode, ran.stdout, ran.stderr) == (ExitCode.OK, "", receipt + "\n")


def test_a_csv_table_is_published_and_acknowledged(
    url: str, server: Server, wire: Wire, table_csv: Path
) -> None:
    ran = run_qasino("publish", "-s", url, "-I", "web-01", table_csv)
    check_ok(
        ran,
        "published myapplication_table1: 1 row as web-01, visible in the next generation",
    )
    assert snapshot(server, wire, "select * from myapplication_table1") == [
        ["1.2.3.4", "BOS", 123, 456]
    ]


def test_json_on_standard_input_is_published(url: str, server: Server, wire: Wire) -> None:
    ran = run_qasino("publish", "-s", url, stdin=json.dumps(INNER))
    check_ok(ran, f"published t: 2 rows as {HOST}, visible in the next generation")
    assert snapshot(server, wire, "select * from t order by a") == INNER["rows"]


def test_a_whole_message_keeps_its_identity_unless_the_option_says_otherwise(
    server: Server,
) -> None:
    message = json.dumps({"op": "add_table_data", "identity": "them", "table": INNER})
    arguments = ("publish", "-s", zmq_url(server), "-")
    assert " as them," in run_qasino(*arguments, stdin=message).stderr
    assert " as me," in run_qasino(*arguments, "-I", "me", stdin=message).stderr


def test_the_environment_names_identity_and_server(server: Server) -> None:
    variables = {"QASINO_IDENTITY": "env-id", "QASINO_SERVER": zmq_url(server)}
    ran = run_qasino("publish", stdin=json.dumps(INNER), **variables)
    check_ok(ran, "published t: 2 rows as env-id, visible in the next generation")


def test_the_newest_rows_of_a_generation_count(url: str, server: Server, wire: Wire) -> None:
    run_qasino("publish", "-s", url, stdin=json.dumps(INNER))
    ran = run_qasino("publish", "-s", url, stdin=json.dumps(INNER | {"rows": [["z", 3]]}))
    assert ran.stderr.startswith(f"published t: 1 row as {HOST}")
    assert snapshot(server, wire, "select * from t") == [["z", 3]]


def test_without_replace_a_repeat_is_said_not_to_be_applied(server: Server) -> None:
    arguments = ("publish", "-s", zmq_url(server), "-I", "me", "--no-replace")
    run_qasino(*arguments, stdin=json.dumps(INNER))
    ran = run_qasino(*arguments, stdin=json.dumps(INNER))
    assert ran.returncode == ExitCode.OK
    assert ran.stderr.startswith("not applied: t as me (")


def test_persist_and_ttl_carry_rows_over(server: Server, wire: Wire) -> None:
    url = zmq_url(server)
    run_qasino("publish", "-s", url, "--persist", stdin=json.dumps(INNER))
    run_qasino("publish", "-s", url, "--ttl", 600, "--table", "u", stdin=json.dumps(INNER))
    server.rotate()
    assert snapshot(server, wire, "select count(*) from t join u using (a)") == [[2]]


def test_update_changes_the_rows_that_keycols_find(server: Server, wire: Wire) -> None:
    arguments = ("publish", "-s", zmq_url(server), "--update", "--keycols", "a")
    run_qasino(*arguments, stdin=json.dumps(INNER))
    ran = run_qasino(*arguments, stdin=json.dumps(INNER | {"rows": [["x", 9], ["new", 0]]}))
    assert ran.returncode == ExitCode.OK
    assert snapshot(server, wire, "select * from t order by a") == [["new", 0], ["x", 9], ["y", 2]]


def test_a_static_table_is_visible_at_once_until_it_is_dropped(url: str, wire: Wire) -> None:
    ran = run_qasino("publish", "-s", url, "--static", stdin=json.dumps(INNER))
    check_ok(ran, f"published t: 2 rows as {HOST}, visible at once")
    assert wire.rows("select count(*) from t") == [[2]]
    drop = ("publish", "-s", url, "--drop", "t")
    assert run_qasino(*drop, "--dry-run").returncode == ExitCode.USAGE
    assert wire.rows("select count(*) from t") == [[2]]
    ran = run_qasino(*drop)
    assert (ran.returncode, ran.stderr) == (ExitCode.OK, "the static table t is gone\n")
    assert wire.query("select * from t")["response_op"] == "error"


def test_a_table_is_dropped_without_a_word_where_none_is_wanted(url: str) -> None:
    run_qasino("publish", "-s", url, "--static", stdin=json.dumps(INNER))
    ran = run_qasino("publish", "-s", url, "--drop", "t", "--quiet")
    assert (ran.returncode, ran.stderr) == (ExitCode.OK, "")


def test_what_the_server_refuses_is_told_in_its_own_words(url: str) -> None:
    ran = run_qasino("publish", "-s", url, "--drop", "nosuch")
    assert ran.returncode == ExitCode.REFUSED
    assert "nosuch" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_one_bad_file_keeps_all_files_back(server: Server, wire: Wire, table_csv: Path) -> None:
    bad = table_csv.with_name("bad.csv")
    bad.write_text(TABLE_CSV.replace("123", "many"))
    ran = run_qasino("publish", "-s", zmq_url(server), table_csv, bad)
    assert ran.returncode == ExitCode.INPUT
    assert ran.stderr == (
        f"{bad}:6:13: column stat1: 'many' is not a number (integer)\n"
        "  1.2.3.4,BOS,many,456\n"
        "  --on-error skip --rejects FILE publishes the other rows\n"
    )
    assert snapshot(server, wire, "show tables like 'my%'") == []


def test_several_files_have_a_receipt_each(server: Server, table_csv: Path) -> None:
    other = table_csv.with_name("other.json")
    other.write_text(json.dumps(INNER))
    ran = run_qasino("publish", "-s", zmq_url(server), "-I", "me", table_csv, other)
    assert [line.split(" as ")[0] for line in ran.stderr.splitlines()] == [
        "published myapplication_table1: 1 row",
        "published t: 2 rows",
    ]


def test_the_ancestors_options_still_publish(server: Server, wire: Wire, table_csv: Path) -> None:
    ran = run_qasino(
        *("publish", "-H", "127.0.0.1", "-p", server.ports["http"], "--use-http"),
        *("--identity", "1.2.3.4", "--data-format", "csv", "--persist", "-f", table_csv),
    )
    assert ran.returncode == ExitCode.OK
    assert snapshot(server, wire, "select count(*) from myapplication_table1") == [[1]]


def test_a_missing_file_is_input_rejected_before_any_server_is_asked() -> None:
    ran = run_qasino("publish", "-s", "localhost:1", "/nosuch/file.csv")
    assert (ran.returncode, ran.stderr) == (
        ExitCode.INPUT,
        "/nosuch/file.csv: No such file or directory\n",
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--drop", "t", "FILE"), "--drop ends a table and publishes none; leave the FILE away"),
        (("--drop", "t", "--dry-run"), "--drop ends a table and publishes none; only --identity"),
        (("--drop", "t", "--static", "--table", "u"), "--drop ends a table and publishes none;"),
        (("--drop", "t", "--no-replace"), "--drop ends a table and publishes none; only"),
        (("--drop", "t", "--only", "load"), "--drop ends a table and publishes none; only"),
        (
            ("--drop", "t", "--on-error", "skip", "--rejects", "R"),
            "--drop ends a table and publishes none; only",
        ),
        (("--table", "t", "A", "B"), "--table names one table, but 2 files are given"),
        (("-", "-"), "standard input (-) can be read once"),
        (("--static", "--persist", "A"), "--static goes with none of --persist, --update and"),
        (("-d", "xml", "A"), "--data-format: 'xml' is not one of qasino-csv, csv, tsv, "),
        (("--ttl", "0", "A"), "--ttl: '0' is not a time above 0 s, such as 30, 30s, 5m or 1h"),
        (("--ttl", "400d", "A"), "--ttl: '400d' is not a time above 0 s and up to 31622400 s (366"),
        (("-I", "", "A"), "-I: identity is empty; it takes 1 to 256 printable characters"),
        (("--table", "sqlite_x", "A"), "--table: 'sqlite_x' is reserved, names that begin"),
        (("-s", "a", "-H", "b", "A"), "the host is 'a' in the URL and 'b' in -H; give it once"),
        (("--keycols", ""), "--keycols: '' names no column; without it all columns count"),
        (("--update", "--keycols", ""), "--keycols: '' names no column; without it"),
        (("--update", "--keycols", " ;"), "--keycols: ' ;' names no column; without it"),
        (("--keycols", "a"), "--keycols says which rows to change; it goes with --update"),
    ],
)
def test_options_that_make_no_sense_are_usage_errors(
    arguments: tuple[str, ...], sentence: str
) -> None:
    ran = run_qasino("publish", *arguments, stdin=json.dumps(INNER))
    assert ran.returncode == ExitCode.USAGE
    assert ran.stderr.startswith(sentence)
    assert len(ran.stderr.splitlines()) == 1


def test_a_message_over_the_servers_limit_is_refused(make_server: Callable[..., Server]) -> None:
    server = make_server(max_body_bytes=100_000)
    body = json.dumps(INNER | {"rows": [["x" * 150_000, 1]]})
    ran = run_qasino("publish", "-s", http_url(server), stdin=body)
    assert ran.returncode == ExitCode.REFUSED
    assert "100000" in ran.stderr


def test_a_connection_dropped_over_a_far_too_large_message_is_said_to_be(
    make_server: Callable[..., Server],
) -> None:
    url = zmq_url(make_server(max_body_bytes=100_000))
    body = json.dumps(INNER | {"rows": [["x" * 250_000, 1]]})
    ran = run_qasino("publish", "-s", url, stdin=body)
    assert ran.returncode == ExitCode.UNREACHABLE
    assert ran.stderr == f"{url} closed the connection without an answer\n"


def test_an_identity_column_too_many_is_the_inputs_fault(tmp_path: Path) -> None:
    file = tmp_path / "wide.csv"
    file.write_text(",".join(f"c{n}" for n in range(2000)) + "\n" + ",".join("1" * 2000) + "\n")
    ran = run_qasino("publish", "-s", "zmq://127.0.0.1:1", "--add-identity-column", file)
    assert ran.returncode == ExitCode.INPUT
    assert ran.stderr.startswith(f"{file}: the table has 2001 columns")
