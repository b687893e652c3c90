"""What is said about a statement that failed, against a real server."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wire import Wire

from qasino_cli.catalog import Ask
from qasino_cli.client import open_client
from qasino_cli.connection import Connection
from qasino_cli.errors import ServerRefused, Unreachable
from qasino_cli.sql.diagnosis import caret, close, explain
from qasino_server.message import Query
from qasino_server.render import visible
from qasino_server.server import Server
from qasino_server.table import Result


def publish(wire: Wire, name: str, *columns: str, identity: str = "web-1", **keys: Any) -> None:
    table = {
        "tablename": name,
        "column_names": columns,
        "column_types": ["text"] * len(columns),
        "rows": [["x"] * len(columns)],
    }
    wire.http_post("add_table_data", {"identity": identity, "table": table, **keys})


@pytest.fixture
def diagnose(server: Server, wire: Wire, ask: Ask) -> Callable[[str], list[str]]:
    """Run a statement that fails; the lines that are said."""
    publish(wire, "disks", "host", "device", "used_pct")
    publish(wire, "hosts", "host", "dc")
    server.rotate()

    def run(statement: str) -> list[str]:
        with pytest.raises(ServerRefused) as caught:
            ask(statement)
        return explain(statement, caught.value, ask).split("\n")

    return run


PLACES = [  # the caret is wanted at the |
    "select |hots from hosts",
    "select * from |disk",
    "|selct 1",
    "select * from hosts wher |dc = 1",
    "select * from hosts h where |h.hots = 1",
    "select dc from hosts order by |dcc",
    "select |nofn(1)",
    "select |host from hosts, disks",
    "select 'hots', |hots from hosts -- hots",
    "select 1 from\n  |disk",
    "select '日本', |hots from hosts",
    "select \t|hots from hosts",
    "select * from hosts where dc in (select |x from disks)",
    "select * from hosts join disks using (|nope)",
    "select 1 |1",
    "with w as (select |q from hosts) select * from w",
    "select count(*) from hosts group by |nope",
    'select * from "|no such"',
    "select |max() from hosts",
    "select disk from |disk",
    "select 'a' from hosts, |disk -- disk",
    "select * from hosts h join disks d on h.host = |d.hots",
    "select * from hosts where /* hots */ |hots = 1",
]


@pytest.mark.parametrize("marked", PLACES)
def test_the_caret_stands_at_the_place(diagnose: Callable[[str], list[str]], marked: str) -> None:
    statement = marked.replace("|", "")
    offset = marked.index("|")
    offset -= offset and statement[offset - 1] == '"'
    lines = diagnose(statement)
    expected = caret(statement, offset)
    assert lines[1:3] == expected


@pytest.mark.parametrize(
    ("statement", "hint"),
    [
        ("select * from disk", "did you mean disks?"),
        ("select * from hsots", "did you mean hosts?"),
        ("select hots from hosts", "did you mean host?"),
        ('select "dcc" from hosts', "did you mean dc?"),
        ("select h.hots from hosts h join disks d on 1", "did you mean h.host?"),
        ("select pct from disks", "did you mean used_pct?"),
        ("select cuont(*) from disks", "did you mean count"),
        ("select * from qasino_server_table", "did you mean qasino_server_tables"),
        ("desc disk", "did you mean disks?"),
        ("select host from hosts, disks", "did you mean hosts.host or disks.host?"),
        ("select host from hosts h, disks h", "two tables go by the name h here; give"),
        ("select dc from hosts, hosts", "two tables go by the name hosts here"),
        ("select hosts.host from hosts h", "did you mean h.host?"),
        ("select x.dc from hosts h join disks d using (host)", "did you mean h.dc?"),
        ("select q.hst from (select host from hosts) q", "did you mean q.host?"),
        ("with a as (select hots from hosts) select * from a", "did you mean host?"),
        ("select * from (select usd_pct from disks) hosts", "did you mean used_pct?"),
        ("select device from hosts", "device is a column of disks"),
    ],
)
def test_names_that_are_alike_are_offered(
    diagnose: Callable[[str], list[str]], statement: str, hint: str
) -> None:
    assert any(line.startswith(hint) for line in diagnose(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "select 1 1",
        "selct 1",
        "select * from zzzqqq",
        "delete from hosts",
        "select count(host, dc) from hosts",
    ],
)
def test_where_nothing_is_alike_nothing_is_offered(
    diagnose: Callable[[str], list[str]], statement: str
) -> None:
    assert not any("did you mean" in line for line in diagnose(statement))


@pytest.mark.parametrize(
    ("statement", "hint"),
    [
        (
            "select hosts.dc from prev.hosts join hosts",
            "did you mean prev.hosts.dc or main.hosts.dc?",
        ),
        (
            "select dc from prev.hosts join main.hosts",
            "did you mean prev.hosts.dc or main.hosts.dc?",
        ),
        ("select dc from prev.hosts join hosts h", "did you mean hosts.dc or h.dc?"),
    ],
)
def test_a_table_and_the_one_before_are_told_apart(
    diagnose: Callable[[str], list[str]], server: Server, wire: Wire, statement: str, hint: str
) -> None:
    publish(wire, "hosts", "host", "dc")
    server.rotate()
    assert hint in diagnose(statement)


def test_who_stopped_reporting_a_table_is_named(
    diagnose: Callable[[str], list[str]], server: Server, wire: Wire
) -> None:
    publish(wire, "queues", "name", identity="mail-1")
    server.rotate()
    server.rotate()
    lines = diagnose("select * from queues")
    assert lines[-2].startswith("queues was last reported ")
    assert lines[-2].endswith(" ago by mail-1; it has stopped")
    assert lines[-1] == "the snapshot before has it: prev.queues"


def test_a_table_that_is_only_being_collected_is_told(
    diagnose: Callable[[str], list[str]], server: Server, wire: Wire, ask: Ask
) -> None:
    publish(wire, "fresh", "a")
    client = open_client(Connection(host="127.0.0.1", port=server.ports["zmq"]))

    def ask_open(sql: str) -> Result:
        return client.query(Query(sql=sql, typed=True, use_write_db=True))

    error = ServerRefused("no such table: fresh")
    lines = explain("select * from fresh", error, ask, ask_open).split("\n")
    publish(wire, "hosts", "host", "dc")
    known = explain("desc x.hosts", ServerRefused("Table x.hosts not found"), ask, ask_open)
    client.close()
    assert "is being collected" not in known  # the snapshot has it
    assert lines[-1] == "fresh is being collected: 1 row for the next generation so far"


def test_a_table_of_the_snapshot_that_another_generation_lacks_has_not_stopped(
    diagnose: Callable[[str], list[str]], server: Server, wire: Wire, ask: Ask
) -> None:
    for identity in ("web-1", "web-2"):
        publish(wire, "queues", "name", identity=identity)
    server.rotate()
    publish(wire, "queues", "name", identity="web-1")
    publish(wire, "fresh", "a")
    server.rotate()
    assert ask("select identity from qasino_server_missing where tablename = 'queues'").nr_rows
    client = open_client(Connection(host="127.0.0.1", port=server.ports["zmq"]))
    statement = "select * from queues"
    with pytest.raises(ServerRefused) as caught:
        client.query(Query(sql=statement, use_write_db=True))
    client.close()
    told = explain(statement, caught.value, ask).split("\n")
    assert told[-1] == "queues is in the snapshot, and not yet in the generation being collected"
    assert not [line for line in told if "stopped" in line]
    before = diagnose("select * from prev.fresh")
    assert before[-1] == "fresh is in the snapshot, and was not in the one before"


@pytest.mark.parametrize(
    ("statement", "sentence", "told"),
    [
        (
            "select * from disks",
            "no such table: disks",
            ["disks is in the snapshot, and not yet in the generation being collected"],
        ),
        (
            "select * from prev.Disks",
            "no such table: prev.Disks",
            ["Disks is in the snapshot, and was not in the one before"],
        ),
        ("select * from x.disks", "no such table: x.disks", []),
    ],
)
def test_no_other_name_is_offered_for_that_of_a_table_of_the_snapshot(
    wire: Wire, server: Server, ask: Ask, statement: str, sentence: str, told: list[str]
) -> None:
    server.rotate()
    for name in ("disks", "disk", "disks_all"):
        publish(wire, name, "host")
    server.rotate()
    assert explain(statement, ServerRefused(sentence), ask).split("\n")[3:] == told


def test_that_no_snapshot_before_is_kept_is_told(
    make_server: Callable[..., Server], wire_to: Callable[[Server], Wire]
) -> None:
    server = make_server(no_prev=True)
    publish(wire_to(server), "fresh", "a")
    for _ in range(2):
        server.rotate()
        publish(wire_to(server), "fresh", "a")
    statement = "select * from prev.fresh"
    client = open_client(Connection(host="127.0.0.1", port=server.ports["zmq"]))
    with closing(client):
        with pytest.raises(ServerRefused) as caught:
            client.query(Query(sql=statement))
        told = explain(
            statement, caught.value, lambda sql: client.query(Query(sql=sql, typed=True))
        )
    assert told.split("\n")[-1] == (
        "fresh is in the snapshot, and there is no one before: it is the first, or none is kept"
        " (--no-prev, or the disk has no room)"
    )


def test_a_refused_publication_is_told(
    diagnose: Callable[[str], list[str]], server: Server, wire: Wire
) -> None:
    message = {
        "identity": "mail-1",
        "table": {
            "tablename": "spool",
            "column_names": ["a"],
            "column_types": ["int"],
            "rows": [[1, 2]],
        },
    }
    wire.http_post("add_table_data", json.dumps(message).encode())
    server.rotate()
    (line,) = [line for line in diagnose("select * from spool") if "refused" in line]
    assert line.startswith("spool was sent by mail-1 ")
    assert "row 1" in line


def test_a_view_that_does_not_work_says_why(
    diagnose: Callable[[str], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "views.conf").write_text("- {viewname: bad, view: create view bad as selct x}\n")
    reason = 'near "selct": syntax error'
    assert diagnose("select * from bad")[-1].endswith(reason)


def test_without_anybody_to_ask_the_sentence_and_the_caret_remain() -> None:
    def away(sql: str) -> Result:
        raise Unreachable("gone")

    error = ServerRefused("no such table: disk", 14)
    expected = "SQL error: no such table: disk\n  select * from disk\n                ^"
    assert explain("select * from disk", error, away) == expected
    assert explain("select * from disk", error) == expected


@example("", "no such column: ", "0", None, [["", None, None]])
@given(
    st.text(max_size=60),
    st.sampled_from(["no such table: ", "no such column: ", "ambiguous column name: ", 'near "']),
    st.text(max_size=20),
    st.none() | st.integers(-3, 80),
    st.lists(st.lists(st.none() | st.integers() | st.text(max_size=5), max_size=5), max_size=3),
)
def test_no_statement_and_no_answer_of_a_server_makes_it_fail(
    statement: str, about: str, name: str, offset: int | None, rows: list[list[Any]]
) -> None:
    def odd(sql: str) -> Result:
        answer = [tuple(row) for row in rows]
        return Result(column_names=("a",), column_types=("",), nr_rows=len(rows), rows=answer)

    text = explain(statement, ServerRefused(about + name, offset), odd, odd)
    assert text.startswith("SQL error: ")
    assert all(line.isprintable() or visible(line) == line for line in text.split("\n"))


def test_a_line_that_fits_is_not_cut() -> None:
    statement = "select used_pct from hosts join disks d on 1 where disks.host = 1"
    assert caret(statement, statement.index("disks.host"))[0] == f"  {statement}"


def test_a_long_line_is_cut_around_the_place() -> None:
    statement = "select " + "a, " * 200 + "oops" + ", b" * 200
    line, under = caret(statement, statement.index("oops"))
    assert len(line) <= 80
    assert line[under.index("^") :].startswith("oops")


def test_a_hostile_sentence_drives_no_terminal() -> None:
    text = explain("select \x1b[2J", ServerRefused("no such column: \x1b]0;x\x07", 7))
    assert "\x1b" not in text


def test_alike_means_few_letters_or_a_part() -> None:
    assert close("disk", ["disks", "hosts", "my_disk_usage", "DISC"]) == [
        "disks",
        "DISC",
        "my_disk_usage",
    ]
    assert close("x", ["xy", "abc"]) == []
