"""`qasino watch` against a real server: as a stream, and what it runs."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest
from command import run_qasino, start_qasino, zmq_url
from strangers import free_port
from watch_house import QUERY, frame_of, group_lives, publish
from wire import Wire, until

from qasino_cli.client import Client, open_client
from qasino_cli.connection import Given, read_connection
from qasino_cli.console import ExitCode
from qasino_cli.watch.diff import Picture, RowState
from qasino_cli.watch.feed import LATE, Feed
from qasino_cli.watch.hook import MOST_WAITING, Hook
from qasino_cli.watch.query import TORN, Update, Watched, look
from qasino_server.message import Query
from qasino_server.server import Server
from qasino_server.table import Result


def test_a_thread_that_dies_leaves_nobody_waiting(server: Server) -> None:
    heard: queue.SimpleQueue[Update] = queue.SimpleQueue()

    def hear(update: Update) -> None:
        heard.put(update)
        if update.error is None:
            raise LookupError("out of luck")

    feed = Feed(read_connection(Given(server=zmq_url(server)), {}), Watched("select 1"), hear, None)
    feed.start()
    assert heard.get(timeout=10).error is None
    assert heard.get(timeout=10).error == "no more is asked: out of luck"
    assert feed.join(10)


UP_TO_50 = (
    "with recursive c(x) as (select 1 union all select x + 1 from c limit 50) select x from c"
)


@pytest.mark.parametrize("form", ["tsv", "ndjson"])
def test_a_result_that_the_server_cut_is_no_success(
    make_server: Callable[..., Server], form: str
) -> None:
    few = zmq_url(make_server(max_rows=10))
    ran = run_qasino("watch", "-s", few, "--once", "--format", form, UP_TO_50)
    assert ran.returncode == ExitCode.REFUSED
    if form == "tsv":
        note = "# cut after 10 rows: the server returns no more at once (--max-rows)"
        assert ran.stdout.splitlines()[1:4] == [note, "x", "1"]
    else:
        assert json.loads(ran.stdout)["truncated"] is True
        assert len(json.loads(ran.stdout)["rows"]) == 10
    ran = run_qasino("watch", "-s", few, "--once", "--format", form, "select 1 x")
    assert (ran.returncode, "cut" in ran.stdout) == (ExitCode.OK, False)


def test_changes_of_a_result_that_was_cut_are_not_told_without_a_word(
    make_server: Callable[..., Server],
) -> None:
    few = zmq_url(make_server(max_rows=10))
    ran = run_qasino("watch", "-s", few, "--once", "--quiet", "--on-change", "cat", UP_TO_50)
    assert ran.stderr == "cut after 10 rows: the server returns no more at once (--max-rows)\n"


def test_what_the_command_writes_is_not_among_the_frames_as_its_help_says(server: Server) -> None:
    twice = ("watch", "-s", zmq_url(server), "--interval", "0.1", "--count", "2", "--quiet")
    ran = run_qasino(*twice, "--on-change", "echo told; echo why >&2", "select random() x")
    assert (ran.stdout, ran.stderr) == ("", "why\n")
    told = " ".join(run_qasino("watch", "--help").stdout.split())
    assert "NDJSON on its stdin; its stdout is dropped." in told


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        (("--until", "x = 40"), ExitCode.OK),
        (("--until", "x > 50"), ExitCode.NOT_MET),
        (("--while", "x = 40"), ExitCode.NOT_MET),
        (("--until", "count(*) = 50"), ExitCode.OK),
    ],
)
def test_a_condition_looks_at_rows_that_are_not_returned(
    make_server: Callable[..., Server], condition: tuple[str, str], code: ExitCode
) -> None:
    few = zmq_url(make_server(max_rows=10))
    timeout_s = "20" if code == ExitCode.OK else "0.5"
    ran = run_qasino("watch", "-s", few, "--quiet", *condition, "--timeout", timeout_s, UP_TO_50)
    assert (ran.returncode, ran.stdout, ran.stderr) == (code, "", "")


def test_a_row_that_is_longer_than_a_result_may_be_is_no_absence_of_rows(
    make_server: Callable[..., Server], wire_to: Callable[[Server], Wire], tmp_path: Path
) -> None:
    view = f"create view v as select * from disks /* {'x' * 1000} */"
    (tmp_path / "views.conf").write_text(f"- {{viewname: v, view: '{view}'}}")
    few = make_server(max_result_bytes=1000)
    publish(wire_to(few), "a", 1)
    few.rotate()
    asked = ("watch", "-s", zmq_url(few), "--quiet", "--timeout", "0.5", "--until", "empty")
    assert run_qasino(*asked, "select hex(zeroblob(1000))").returncode == ExitCode.NOT_MET
    ran = run_qasino(*asked, "select * from v where 0")
    assert ran.returncode == ExitCode.REFUSED
    assert "the views of the query are longer than a result may be (--max-result)" in ran.stderr


def test_no_limit_of_rows_hides_a_view_or_who_is_missing(
    make_server: Callable[..., Server], wire_to: Callable[[Server], Wire], tmp_path: Path
) -> None:
    views = [f"- {{viewname: v{n}, view: create view v{n} as select * from disks}}" for n in "123"]
    (tmp_path / "views.conf").write_text("\n".join(views))
    few = make_server(max_rows=2)
    for hosts in ("abcde", "a"):
        for host in hosts:
            publish(wire_to(few), host, 1)
        few.rotate()
    for view in ("v1", "v3"):
        ran = run_qasino("watch", "-s", zmq_url(few), "--once", f"select * from {view}")
        assert "# unknown: missing: b (disks), c (disks) and 2 more" in ran.stdout


def connected(server: Server) -> Client:
    return open_client(read_connection(Given(server=zmq_url(server)), {}))


def test_a_frame_is_written_for_each_generation(
    running: Callable[..., Any], rotate: Callable[..., None]
) -> None:
    rotate(a=1)
    process = running(QUERY)
    first = frame_of(process)
    assert first[0].startswith("# generation ")
    assert first[0].endswith(" s, 1 row")
    assert first[1:] == ["host\tused", "a\t1"]
    rotate(a=2, b=3)
    assert frame_of(process)[1:] == ["host\tused", "a\t2", "b\t3"]
    rotate(a=2)
    third = frame_of(process)
    assert third[1] == "# unknown: missing: b (disks)"
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("selct 1",),
            'SQL error: near "selct": syntax error\n  selct 1\n  ^\n',
        ),
        (
            ("select hots from disks",),
            "SQL error: no such column: hots\n  select hots from disks\n         ^\n"
            "did you mean host?\n",
        ),
        (
            ("--until", "max(usd) > 3", QUERY),
            "SQL error in the condition: no such column: usd\n  max(usd) > 3\n      ^\n"
            "did you mean used?\n",
        ),
        (
            ("--until", "used > 3 and\n  max(used", QUERY),
            "SQL error in the condition: the parenthesis that opens here is never closed\n"
            "    max(used\n       ^\n",
        ),
        (
            ("--until", "used) from (select 1 used", QUERY),
            "SQL error in the condition: the parenthesis that closes here was never opened\n"
            "  used) from (select 1 used\n      ^\n",
        ),
        (
            ("--while", "host = 'a", QUERY),
            "SQL error in the condition: the string that begins here never ends\n"
            "  host = 'a\n         ^\n",
        ),
        (
            ("--while", "(used) > -- 3", QUERY),
            "SQL error in the condition: it ends too early\n  (used) > -- 3\n          ^\n",
        ),
        (
            ("--until", "max(nr_rows) > 1", "show tables"),
            "SQL error: a condition in SQL looks at a SELECT; SHOW, DESC and EXPLAIN take rows or"
            " empty\n",
        ),
        (
            ("select * from gone",),
            "SQL error: no such table: gone\n  select * from gone\n                ^\n"
            "the snapshot before has it: prev.gone\n",
        ),
    ],
)
def test_an_error_is_told_as_sql_tells_it(
    server: Server, wire: Wire, arguments: tuple[str, ...], said: str
) -> None:
    publish(wire, "a", 1, "gone")
    server.rotate()
    publish(wire, "a", 1)
    server.rotate()
    ran = run_qasino("watch", "-s", zmq_url(server), *arguments)
    told = [line for line in ran.stderr.splitlines(keepends=True) if "last reported" not in line]
    assert ("".join(told), ran.stdout, ran.returncode) == (said, "", ExitCode.REFUSED)


def test_one_frame_as_json(server: Server, rotate: Callable[..., None], url: str) -> None:
    rotate(a=1)
    ran = run_qasino("watch", "-s", url, "--once", "--format", "ndjson", QUERY)
    assert ran.returncode == ExitCode.OK
    told = json.loads(ran.stdout)
    assert told["rows"] == [{"host": "a", "used": 1}]
    assert told["unknown"] is None


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        (("--until", "rows"), ExitCode.OK),
        (("--until", " ROWS "), ExitCode.OK),
        (("--until", "count(*) = 2"), ExitCode.OK),
        (("--until", "max(used) > 6"), ExitCode.OK),
        (("--until", "host = 'b'"), ExitCode.OK),
        (("--while", "empty"), ExitCode.OK),
        (("--until", "empty"), ExitCode.NOT_MET),
        (("--until", "host = 'z'"), ExitCode.NOT_MET),
        (("--while", "rows"), ExitCode.NOT_MET),
    ],
)
def test_a_condition_that_holds_ends_it(
    server: Server, rotate: Callable[..., None], condition: tuple[str, str], code: ExitCode
) -> None:
    rotate(a=1, b=7)
    timeout_s = "20" if code == ExitCode.OK else "0.3"
    ran = run_qasino(
        "watch", "-s", zmq_url(server), *condition, "--timeout", timeout_s, "--quiet", QUERY
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (code, "", "")


def test_a_dead_host_does_not_read_as_all_clear(
    running: Callable[..., Any], rotate: Callable[..., None]
) -> None:
    """No row is over 50 once the host that had it is dead; that is not the end of the alarm."""
    rotate(a=90, b=1)
    process = running("--until", "empty", "select * from disks where used > 50")
    assert frame_of(process)[-1] == "a\t90"
    rotate(b=1)
    assert frame_of(process)[1] == "# unknown: missing: a (disks)"
    rotate(a=3, b=1)
    assert frame_of(process)[0].endswith(" 0 rows")
    assert process.wait(10) == ExitCode.OK


@pytest.mark.parametrize(
    ("condition", "sql"),
    [
        ("empty", "select 1 n where ('a', 90) in disks"),
        ("empty", "select * from (disks join (select 1) on 1) where host = 'a'"),
        ("empty", "select * from 'disks' where host = 'a'"),
        ("not exists (select 1 from disks where host = 'a')", "select 1 n"),
        ("'a' not in (select host from disks)", "select 1 n"),
    ],
)
def test_a_dead_host_is_missed_wherever_its_table_is_named(
    server: Server, rotate: Callable[..., None], condition: str, sql: str
) -> None:
    rotate(a=90, b=1)
    rotate(b=1)
    with closing(connected(server)) as client:
        found = look(Watched(sql, condition), lambda sql: client.query(Query(sql=sql, typed=True)))
    assert (found.unknown, found.holds) == ("missing: a (disks)", None)


@pytest.mark.parametrize("condition", [("--while", "empty"), ("--until", "max(used) = 3")])
def test_who_publishes_a_new_table_may_wait_until_it_is_there(
    running: Callable[..., Any], rotate: Callable[..., None], wire: Wire, condition: Any
) -> None:
    publish(wire, "a", 3)
    process = running("--timeout", "20", *condition, QUERY)
    assert frame_of(process) == ["# unknown: coming: disks is in the next generation"]
    rotate()
    assert frame_of(process)[-1] == "a\t3"
    assert process.wait(10) == ExitCode.OK


def test_a_table_that_is_not_being_collected_is_waited_for_by_nobody(
    server: Server, wire: Wire
) -> None:
    """Nor one of the snapshot before, whatever is collected; nor where nothing is waited for."""
    publish(wire, "a", 3)
    asked = ("watch", "-s", zmq_url(server), "--until", "rows")
    ran = run_qasino(*asked, "select * from dsiks")
    assert (ran.returncode, "no such table: dsiks" in ran.stderr) == (ExitCode.REFUSED, True)
    assert run_qasino(*asked, "select * from prev.disks").returncode == ExitCode.REFUSED
    assert run_qasino(*asked[:3], QUERY).returncode == ExitCode.REFUSED


def test_a_table_that_is_gone_with_its_last_host_is_unknown(
    running: Callable[..., Any], rotate: Callable[..., None]
) -> None:
    """The server has no such table then; the watch goes on, and sees it when it is back."""
    rotate(a=90)
    process = running("--until", "max(used) < 50", QUERY)
    assert frame_of(process)[-1] == "a\t90"
    rotate()
    assert frame_of(process) == ["# unknown: refused: no such table: disks"]
    rotate(a=3)
    assert frame_of(process)[-1] == "a\t3"
    assert process.wait(10) == ExitCode.OK


@pytest.mark.parametrize(("rotations", "unknown", "holds"), [(1, None, False), (9, TORN, None)])
def test_a_generation_that_begins_between_the_questions_is_noticed(
    server: Server, rotate: Callable[..., None], rotations: int, unknown: str | None, holds: bool
) -> None:
    """One in which the dead host has no row, the other in which it is not missing."""
    rotate(a=90, b=1)
    rotate(b=1)
    with closing(connected(server)) as client:
        left, watched = rotations, Watched("select * from disks where used > 50", "empty")

        def ask(sql: str) -> Result:
            nonlocal left
            if sql == watched.sql and left:
                left -= 1
                rotate(a=90, b=1)
            return client.query(Query(sql=sql, typed=True))

        found = look(watched, ask)
    assert (found.unknown, found.holds) == (unknown, holds)


def test_missing_sources_can_be_put_up_with(server: Server, rotate: Callable[..., None]) -> None:
    rotate(a=90, b=1)
    rotate(b=1)
    asked = ("watch", "-s", zmq_url(server), "--until", "empty", "--quiet", "--timeout")
    sql = "select * from disks where used > 50"
    assert run_qasino(*asked, "0.3", sql).returncode == ExitCode.NOT_MET
    assert run_qasino(*asked, "20", "--ignore-missing", sql).returncode == ExitCode.OK


def test_a_question_that_is_given_up_is_cancelled_on_the_server(server: Server, wire: Wire) -> None:
    """It is asked again and again: those that still ran took all readers."""
    endless = "with recursive c(n) as (select 1 union all select n + 1 from c) select max(n) from c"
    ran = run_qasino("watch", "-s", zmq_url(server), "--once", "--request-timeout", "1", endless)
    assert ran.returncode == ExitCode.UNREACHABLE
    assert "gave no answer in 1 s" in ran.stderr
    # SQLite sees now and then that it is to end; by itself it would go on for half a minute.
    until(lambda: not any("recursive" in str(row) for row in wire.rows("show queries")))


def test_the_sources_of_a_view_count_too(
    server: Server, rotate: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "views.conf").write_text(
        "- {viewname: v, view: create view v as select * from disks}"
    )
    rotate(a=90, b=1)
    rotate(b=1)
    ran = run_qasino("watch", "-s", zmq_url(server), "--once", "select * from v")
    assert "# unknown: missing: a (disks)" in ran.stdout


@pytest.mark.parametrize("asking", [(), ("--interval", "0.2")])
def test_a_generation_that_is_late_reads_as_unknown(
    running: Callable[..., Any],
    make_server: Callable[..., Server],
    asking: tuple[str, ...],
    tmp_path: Path,
) -> None:
    """Nobody rotates: the rows are older than a generation lasts, from the first answer on."""
    places = {"db_dir": tmp_path / "d", "static_db": tmp_path / "s.db"}
    stuck = make_server(**places, generation_duration_s=1)
    with closing(connected(stuck)) as client:
        until(lambda: client.query(Query(sql="select 1", typed=True)).generation_age_s > 1.5)
    process = running("-s", zmq_url(stuck), *asking, "--until", "empty", "select 1 where 0")
    assert frame_of(process)[1] == f"# unknown: {LATE}"
    assert process.poll() is None
    until(lambda: (stuck.rotate(), process.poll() is not None)[1])
    assert process.wait() == ExitCode.OK


def test_a_generation_that_begins_while_the_statement_runs_tears_nothing(
    server: Server, rotate: Callable[..., None]
) -> None:
    """It goes on on the snapshot that it began on, of which all else was asked before."""
    rotate(a=90, b=1)
    watched = Watched("select * from disks where used > 50", "rows")
    with closing(connected(server)) as client:

        def ask(sql: str) -> Result:
            result = client.query(Query(sql=sql, typed=True))
            if sql == watched.sql:
                rotate(a=10, b=1)
            return result

        found = look(watched, ask)
    assert (found.unknown, found.holds) == (None, True)
    assert found.result is not None
    assert found.result.rows == [("a", 90)]


SLOW = (
    "with recursive c(x) as (select 1 union all select x + 1 from c limit 9000000)"
    " select count(*) n from c"
)


def test_a_statement_that_takes_longer_than_a_generation_makes_none_late(
    running: Callable[..., Any], make_server: Callable[..., Server], tmp_path: Path
) -> None:
    places = {"db_dir": tmp_path / "d", "static_db": tmp_path / "s.db"}
    brief = make_server(**places, generation_duration_s=1)
    process = running("-s", zmq_url(brief), "--ignore-missing", "--until", "rows", SLOW)
    until(lambda: (brief.rotate(), process.poll() is not None)[1])
    assert process.wait() == ExitCode.OK
    assert b"# unknown" not in process.stdout.read()


def test_a_condition_has_to_hold_for_generations_in_a_row(
    running: Callable[..., Any], rotate: Callable[..., None]
) -> None:
    rotate(a=9)
    process = running("--until", "max(used) > 5", "--for", "2", QUERY)
    for used in (1, 9, 1, 9, 9):
        frame_of(process)
        assert process.poll() is None
        rotate(a=used)
    assert process.wait(10) == ExitCode.OK


def test_a_lost_server_is_unknown_and_found_again(
    running: Callable[..., Any], make_server: Callable[..., Server], wire_to: Any, tmp_path: Path
) -> None:
    places = {"db_dir": tmp_path / "d", "static_db": tmp_path / "s.db"}
    first = make_server(**places)
    asked = ("--interval", "0.2", "--until", "n > 1", "select 1 n")
    process = running("-s", zmq_url(first), *asked)
    assert frame_of(process)[-1] == "1"
    first.stop()
    assert frame_of(process)[0].startswith("# unknown: lost: ")
    make_server(**places, zmq_port=first.ports["zmq"], pubsub_port=first.ports["pubsub"])
    until(lambda: frame_of(process)[-1] == "1")


def test_who_is_to_run_a_command_waits_for_a_server_that_is_not_there_yet() -> None:
    """As an alert that is started at boot, before the server."""
    port = free_port()
    url = f"zmq://127.0.0.1:{port}"
    asked = ("watch", "-s", url, "--quiet", "--interval", "0.2", "--on-change", "cat")
    with start_qasino(*asked, "select hex(randomblob(9)) x") as process:
        told = process.stderr.readline().decode()
        assert told == (
            f"cannot reach {url}: nothing listens there (connection refused); waiting for it\n"
        )
        assert process.poll() is None
        process.kill()
    ran = run_qasino(*asked, "--once", "select 1")
    assert ran.returncode == ExitCode.UNREACHABLE, "of which it would have no frame"


def test_a_command_hears_of_a_server_that_has_come(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    port, told = free_port(), tmp_path / "told"
    asked = ("--interval", "0.2", "--on-change", f"cat >> {told}", "select hex(randomblob(9)) x")
    with start_qasino("watch", "-s", f"zmq://127.0.0.1:{port}", *asked) as process:
        assert frame_of(process)[0].startswith("# unknown: lost: cannot reach")
        make_server(zmq_port=port)
        until(lambda: told.exists() and '"change":"new"' in told.read_text())
        process.kill()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--once", "select nosuch"), ExitCode.REFUSED, "no such column: nosuch"),
        (("--until", "nosuch", "select 1 a"), ExitCode.REFUSED, "no such column: nosuch"),
        (("--on-change", " ", "select 1 a"), ExitCode.USAGE, "--on-change: it names no command\n"),
        (("--until", "", "select 1 a"), ExitCode.USAGE, "--until: the condition is empty\n"),
        (("--while", " -- a", "select 1 a"), ExitCode.USAGE, "--while: the condition is empty\n"),
        (("--once", "-s", "zmq://127.0.0.1:1", "select 1"), ExitCode.UNREACHABLE, "cannot reach"),
        (("--until", "rows", "--while", "rows", "select 1"), ExitCode.USAGE, "contradict"),
        (("--timeout", "3", "select 1"), ExitCode.USAGE, "--timeout and --for go with"),
        (("--interval", "0", "select 1"), ExitCode.USAGE, "--interval: '0' is not"),
        (("--format", "csv", "select 1"), ExitCode.USAGE, "'csv' is not one of tsv, ndjson"),
        (("--key", "x", "--once", "select 1 a"), ExitCode.USAGE, "--key: there is no column 'x'"),
    ],
)
def test_what_cannot_be_watched_is_said_at_once(
    server: Server, arguments: tuple[str, ...], code: ExitCode, sentence: str
) -> None:
    ran = run_qasino("watch", *arguments, QASINO_SERVER=zmq_url(server))
    assert ran.returncode == code
    assert sentence in ran.stderr


def test_changes_are_handed_to_a_command(
    running: Callable[..., Any], rotate: Callable[..., None], tmp_path: Path
) -> None:
    told = tmp_path / "told"
    rotate(a=1, b=1)
    command = f'echo "$QASINO_GENERATION" >> {told}.n; cat >> {told}'
    process = running("--ignore-missing", "--on-change", command, QUERY)
    frame_of(process)
    rotate(a=2, c=1)
    frame_of(process)
    assert until(lambda: told.exists() and len(told.read_text().splitlines()) == 3)
    changes = [json.loads(line) for line in told.read_text().splitlines()]
    assert {(c["change"], c["key"]["host"]) for c in changes} == {
        ("changed", "a"),
        ("gone", "b"),
        ("new", "c"),
    }
    assert len((tmp_path / "told.n").read_text().splitlines()) == 1


def test_an_alert_that_begins_is_told_to_a_command(
    running: Callable[..., Any], server: Server, wire: Wire, tmp_path: Path
) -> None:
    def report(*mounts: list[Any]) -> None:
        columns = ["host", "mountpoint", "used_pct"]
        wire.publish("web-1", "mounts", columns, ["text", "text", "int"], mounts)
        server.rotate()

    report(["web-1", "/", 50], ["web-1", "/var", 60])
    told = tmp_path / "told"
    alert = "select host, mountpoint, used_pct from mounts where used_pct > 90"
    process = running("--on-change", f"cat >> {told}", alert)
    assert frame_of(process)[0].endswith(" 0 rows")
    report(["web-1", "/", 95], ["web-1", "/var", 97])
    frame_of(process)
    assert until(lambda: told.exists() and len(told.read_text().splitlines()) == 2)
    changes = [json.loads(line) for line in told.read_text().splitlines()]
    assert [(c["change"], c["row"]["used_pct"]) for c in changes] == [("new", 95), ("new", 97)]


def test_a_command_that_hangs_stops_nothing(
    running: Callable[..., Any], rotate: Callable[..., None]
) -> None:
    rotate(a=1)
    process = running("--on-change", "sleep 60", "--count", "3", QUERY)
    for used in (2, 3):
        frame_of(process)
        rotate(a=used)
    assert process.wait(15) == ExitCode.OK


def new_host(*hosts: str) -> Picture:
    rows = [RowState(key=(host,), cells=(host,), status="new", marks=("",)) for host in hosts]
    return Picture(names=("host",), rows=tuple(rows), key=(0,), generation_number=1)


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Callable[..., Hook]]:
    """Starts `--on-change`; `began` has the process of each run, and none outlives the test."""
    with ExitStack() as stack:

        def start(
            command: str, failed: Callable[[str], None] = lambda _: None, **options: Any
        ) -> Hook:
            made = Hook(f"echo $$ >> {tmp_path}/began; {command}", failed, **options)
            made.start()
            return made

        def kill() -> None:
            for leader in runs(tmp_path):
                with suppress(ProcessLookupError):
                    os.killpg(leader, signal.SIGKILL)

        stack.callback(kill)
        yield start


def runs(directory: Path) -> list[int]:
    began = directory / "began"
    return [int(line) for line in began.read_text().split()] if began.exists() else []


def test_a_command_that_cannot_run_is_told_of_and_the_next_one_is_tried() -> None:
    told: list[str] = []
    hook = Hook("x" * 200_000, told.append)  # more than the system takes as one argument
    hook.start()
    for number, host in ((1, "a"), (2, "b")):
        hook.changed(Picture(("host",), (RowState((host,), (host,), "new", ()),), (0,), number))
        until(lambda number=number: len(told) == number)
    hook.finish()
    assert told == ["--on-change cannot run: Argument list too long"] * 2


def test_a_command_that_heeds_no_signal_does_not_outlive_the_watch(
    hook: Callable[..., Hook], tmp_path: Path
) -> None:
    deaf = hook(f"trap '' TERM; touch {tmp_path}/deaf; sleep 60; sleep 60", end_within_s=0.1)
    deaf.changed(new_host("a"))
    until((tmp_path / "deaf").exists)
    deaf.finish()
    assert deaf.join(0)
    until(lambda: not group_lives(runs(tmp_path)[0]))


def test_no_run_begins_once_the_running_one_was_ended(
    hook: Callable[..., Hook], tmp_path: Path
) -> None:
    slow = hook("sleep 60", end_within_s=0.1)
    slow.changed(new_host("a"))
    until(lambda: runs(tmp_path))
    slow.changed(new_host("b"))
    slow.finish()
    assert slow.join(0)
    assert len(runs(tmp_path)) == 1


def test_what_waits_at_the_end_is_told_while_there_is_time(
    hook: Callable[[str], Hook], tmp_path: Path
) -> None:
    brief = hook(f"cat >> {tmp_path}/told; until [ -e {tmp_path}/go ]; do sleep 0.05; done")
    brief.changed(new_host("a"))
    until(lambda: runs(tmp_path))
    brief.changed(new_host("b"))
    (tmp_path / "go").touch()
    brief.finish()
    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert [change["key"] for change in told] == [{"host": "a"}, {"host": "b"}]


def test_a_command_that_does_not_end_is_told_of_where_changes_wait_for_it(
    hook: Callable[..., Hook], tmp_path: Path
) -> None:
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    hangs = hook("sleep 60", told.put, hangs_s=0.2, end_within_s=0.1)
    hangs.changed(new_host("a"))
    until(lambda: runs(tmp_path))
    hangs.changed(new_host("b", "c"))
    pattern = r"--on-change has run for [\d.]+ s; changes waiting: 2"
    assert re.fullmatch(pattern, told.get(timeout=10))
    hangs.finish()


def test_a_command_that_does_not_end_is_told_of_each_time_that_doubles() -> None:
    waited_s: list[float] = []

    class Ended(threading.Event):
        """Of a command that ends after four times."""

        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            waited_s.append(timeout)
            return len(waited_s) > 4

    told: list[str] = []
    hangs = Hook("sleep 60", told.append, hangs_s=0.1)
    hangs.changed(new_host("a"))
    hangs._tell_of_hanging(Ended())
    assert told == [
        f"--on-change has run for {ran} s; changes waiting: 1" for ran in (0.1, 0.2, 0.4, 0.8)
    ]
    assert waited_s == [0.1, 0.1, 0.2, 0.4, 0.8]


def test_changes_that_wait_are_bounded_and_what_is_dropped_is_told(
    hook: Callable[..., Hook], tmp_path: Path
) -> None:
    """The newest result stays whole."""
    told: list[str] = []
    brief = hook(
        f"cat > {tmp_path}/told; until [ -e {tmp_path}/go ]; do sleep 0.05; done", told.append
    )
    brief.changed(new_host("first"))
    until(lambda: runs(tmp_path))
    for letter in "abc":
        brief.changed(new_host(*(f"{letter}{n}" for n in range(MOST_WAITING + 1))))
    (tmp_path / "go").touch()
    brief.finish()
    keys = [
        json.loads(line)["key"]["host"] for line in (tmp_path / "told").read_text().splitlines()
    ]
    assert keys == [f"c{n}" for n in range(MOST_WAITING + 1)]
    assert told == [f"--on-change: {2 * (MOST_WAITING + 1)} changes dropped while it ran"]
