"""What \\d and its kin show, and what that costs."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import run_qasino, zmq_url
from wire import Wire

from qasino_cli.connection import Connection
from qasino_cli.sql.asides import Asides
from qasino_cli.sql.repl import describe
from qasino_server.server import Server


def test_the_tables_are_listed_in_one_pass_over_all_columns(server: Server) -> None:
    """One pass for each table took 6 s for 800 tables of 30 columns."""
    asides = Asides(Connection(host="127.0.0.1", port=server.ports["zmq"]))
    plan = asides.ask(f"explain query plan {describe.tables()}").rows
    assert not [row for row in plan if "CORRELATED" in str(row)]
    rows = asides.ask(describe.tables("*_info")).rows
    assert [row[:4] for row in rows] == [("qasino_server_info", "internal", 1, 1)]


def test_the_servers_own_tables_are_listed_last(server: Server, wire: Wire) -> None:
    wire.publish("web-1", "zz", ["a"], ["text"], [["x"]])
    server.rotate()
    ran = run_qasino("sql", "-s", zmq_url(server), "-q", "\\d")
    kinds = [line.split("\t")[1] for line in ran.stdout.splitlines()[1:]]
    assert kinds == ["table", *["internal"] * (len(kinds) - 1)]


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("t", ["a", "b"]),
        ("main.t", ["a", "b"]),
        ('"Main"."t"', ["a", "b"]),
        ("prev.t", ["a"]),
        ("prev.gone", ["z"]),
    ],
)
def test_a_table_may_be_named_with_its_schema(
    server: Server, wire: Wire, name: str, columns: list[str]
) -> None:
    wire.publish("web-1", "t", ["a"], ["text"], [["x"]])
    wire.publish("web-1", "gone", ["z"], ["text"], [["x"]])
    server.rotate()
    wire.publish("web-1", "t", ["a", "b"], ["text", "int"], [["x", 1]])
    server.rotate()
    ran = run_qasino("sql", "-s", zmq_url(server), "-q", f"\\d {name}")
    assert ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["column", *columns, "identity", "web-1"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("t", ["t"]),
        ("t;", ["t"]),
        ('"T"', ["t"]),
        ("main.[st]", []),  # a name in SQLite's brackets
        ("main.[st]*", ["t"]),
        ("prev.*e", ["gone"]),
        ('prev."gone"', ["gone"]),
        ("prev.u", []),
        ("main.gone", []),
    ],
)
def test_a_pattern_may_have_a_schema_and_quotes(
    server: Server, wire: Wire, pattern: str, found: list[str]
) -> None:
    wire.publish("web-1", "gone", ["z"], ["text"], [["x"]])
    server.rotate()
    for name in ("t", "u"):
        wire.publish("web-1", name, ["a"], ["text"], [["x"]])
    server.rotate()
    ran = run_qasino("sql", "-s", zmq_url(server), "-q", f"\\dt {pattern}")
    assert ran.stderr == ""
    assert [line.split("\t")[0] for line in ran.stdout.splitlines()] == ["name", *found]


def test_a_table_that_only_the_snapshot_before_has_is_not_described_as_this_ones(
    server: Server, wire: Wire
) -> None:
    wire.publish("web-1", "gone", ["z"], ["text"], [["x"]])
    server.rotate()
    server.rotate()
    for name in ("gone", "main.gone"):
        ran = run_qasino("sql", "-s", zmq_url(server), "-q", f"\\d {name}")
        assert (ran.returncode, ran.stdout) == (1, "")
        assert f"DESC {name}\n" in ran.stderr


def test_of_a_view_over_a_table_that_nobody_reports_the_definition_comes_first(
    server: Server, tmp_path: Path
) -> None:
    view = "create view gone as select host from notyet"
    (tmp_path / "views.conf").write_text(f"- viewname: gone\n  view: {view}\n")
    ran = run_qasino("sql", "-s", zmq_url(server), "-q", "select 1 notyet", "-q", "\\d gone")
    assert f"view     | {view}\n" in ran.stdout
    assert ran.stderr == "SQL error: no such table: notyet\n"  # and no place in the other one
