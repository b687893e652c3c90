"""How `qasino watch` ends: what it has begun ends with it."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import run_qasino, zmq_url
from strangers import free_port
from terminal_screen import Terminal
from watch_house import frame_of, group_lives
from wire import Wire, until

from qasino_cli.connection import Given, read_connection
from qasino_cli.console import ExitCode
from qasino_cli.errors import ServerRefused
from qasino_cli.sql import cancelling
from qasino_cli.watch.feed import Feed
from qasino_cli.watch.query import Watched
from qasino_cli.zmq_client import ZmqClient
from qasino_server.message import Query
from qasino_server.server import Server
from qasino_server.table import Result

CHANGING = ("--interval", "0.1", "select hex(randomblob(9)) x")


def ended(process: Any, number: int, times: int = 1) -> int:
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.001)  # the kernel takes two that wait for one
    return int(process.wait(15))


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, -signal.SIGTERM),
        (signal.SIGHUP, -signal.SIGHUP),
        (signal.SIGINT, ExitCode.INTERRUPTED),
    ],
)
def test_a_command_ends_with_the_stream_that_a_signal_ends(
    running: Callable[..., Any], tmp_path: Path, number: int, code: int
) -> None:
    began = tmp_path / "began"
    command = f"echo $$ > {began}.new; mv {began}.new {began}; sleep 60"
    process = running("--quiet", "--on-change", command, *CHANGING)
    until(began.exists)
    assert ended(process, number) == code
    until(lambda: not group_lives(int(began.read_text())))


def test_changes_that_wait_are_told_before_a_signal_ends_the_stream(
    running: Callable[..., Any], tmp_path: Path
) -> None:
    told, go = tmp_path / "told", tmp_path / "go"
    process = running(
        "--on-change", f"cat >> {told}; until [ -e {go} ]; do sleep 0.05; done", *CHANGING
    )
    until(lambda: (frame_of(process), told.exists())[1])
    last = frame_of(process)[-1]
    process.send_signal(signal.SIGTERM)
    go.touch()
    assert process.wait(15) == -signal.SIGTERM
    assert last in told.read_text()


# --- Queries that nobody waits for ---------------------------------------------------------------

ENDLESS = "with recursive c(n) as (select 1 union all select n + 1 from c) select max(n) from c"


@pytest.fixture
def endless(wire: Wire) -> Callable[[], bool]:
    """Whether the server is at ENDLESS."""
    return lambda: any("recursive" in str(row) for row in wire.rows("show queries"))


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, ExitCode.INTERRUPTED)],
)
@pytest.mark.parametrize("times", [1, 2])
def test_a_query_is_cancelled_with_the_stream_that_a_signal_ends(
    running: Callable[..., Any], endless: Callable[[], bool], number: int, code: int, times: int
) -> None:
    """`timeout` sends its own twice: to the command, and to all of the group."""
    process = running(ENDLESS)
    until(endless)
    assert ended(process, number, times) == code
    until(lambda: not endless())


def test_a_query_is_cancelled_when_the_time_to_wait_is_up(
    server: Server, endless: Callable[[], bool]
) -> None:
    asked = ("watch", "-s", zmq_url(server), "--until", "rows", "--timeout", "1")
    ran = run_qasino(*asked, ENDLESS)
    said = f"{zmq_url(server)} gave no answer in 1 s\n"
    assert (ran.returncode, ran.stderr) == (ExitCode.UNREACHABLE, said)
    until(lambda: not endless())


def test_a_query_is_cancelled_at_ctrl_c_before_the_screen(
    screen: Callable[..., Terminal], endless: Callable[[], bool]
) -> None:
    terminal = screen(ENDLESS)
    until(endless)
    terminal.interrupt()
    assert terminal.wait() == ExitCode.INTERRUPTED
    until(lambda: not endless())


@pytest.mark.parametrize("number", [None, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_query_is_cancelled_when_the_screen_is_left(
    screen: Callable[..., Terminal], endless: Callable[[], bool], number: int | None
) -> None:
    """By a key, or by a signal that comes twice."""
    terminal = screen("select 1 n")
    terminal.see("1 row")
    terminal.type(f"e\x15{ENDLESS}\r")
    until(endless)
    if number is None:
        terminal.type("q")
    for _ in range(0 if number is None else 2):
        terminal.child.kill(number)
    assert terminal.wait() == ExitCode.OK
    until(lambda: not endless())


def test_a_query_that_the_end_overtakes_is_cancelled(
    server: Server, endless: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reached the server after its cancellation, and ran until --query-timeout."""
    asked, refused = threading.Event(), threading.Event()
    query, cancel = ZmqClient.query, cancelling.cancel_query

    def ask_late(client: ZmqClient, question: Query) -> Result:
        if question.sql == ENDLESS:
            asked.set()
            assert refused.wait(10)
        return query(client, question)

    def noted(*of: Any) -> None:
        try:
            cancel(*of)
        except ServerRefused:
            refused.set()
            raise

    monkeypatch.setattr(ZmqClient, "query", ask_late)
    monkeypatch.setattr(cancelling, "cancel_query", noted)
    connection = read_connection(Given(server=zmq_url(server)), {})
    feed = Feed(connection, Watched(ENDLESS), lambda _: None, None)
    feed.start()
    assert asked.wait(10)
    feed.stop()
    assert feed.join(10)
    until(lambda: not endless())


@pytest.mark.parametrize("then", ["select 42 answer", ENDLESS])
def test_another_statement_is_asked_at_once_and_the_one_before_cancelled(
    screen: Callable[..., Terminal], wire: Wire, endless: Callable[[], bool], then: str
) -> None:
    def ids() -> set[str]:
        return {row[0] for row in wire.rows("show queries") if "recursive" in str(row)}

    terminal = screen("select 1 n")
    terminal.see("1 row")
    terminal.type(f"e\x15{ENDLESS}\r")
    until(endless)
    before = ids()
    terminal.type(f"e\x15{then}\r")
    if then == ENDLESS:
        until(lambda: ids() and not ids() & before)
    else:
        terminal.see("42")
        until(lambda: not endless())
    assert "SQL error" not in terminal.text


# --- The time to wait ----------------------------------------------------------------------------


def test_the_time_to_wait_counts_from_before_the_first_answer(
    screen: Callable[..., Terminal],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        terminal = screen("-s", url, "--until", "rows", "--timeout", "1", "select 1")
        assert terminal.wait() == ExitCode.UNREACHABLE
        assert f"{url} gave no answer in 1 s" in terminal.text
        assert time.monotonic() - began < 15


@pytest.mark.parametrize("bound", [("--timeout", "3"), ("--once",), ("--count", "2")])
def test_a_server_that_never_answered_is_no_condition_that_was_not_met(
    bound: tuple[str, ...],
) -> None:
    """With a bound of frames alone it never ended: that server gives none."""
    url = f"zmq://127.0.0.1:{free_port()}"
    ran = run_qasino("watch", "-s", url, "--quiet", "--until", "rows", *bound, "select 1")
    assert (ran.returncode, ran.stdout) == (ExitCode.UNREACHABLE, "")
    assert ran.stderr == f"cannot reach {url}: nothing listens there (connection refused)\n"


@pytest.mark.parametrize("bound", [("--timeout", "3"), ("--once",)])
def test_what_is_unknown_when_it_gives_up_is_said(
    server: Server, rotate: Callable[..., None], bound: tuple[str, ...]
) -> None:
    """A check takes what is not said for "there is no alarm"."""
    rotate(a=90, b=1)
    asked = ("watch", "-s", zmq_url(server), "--quiet", "--until", "rows", *bound)
    alarm = "select * from disks where used > 95"
    ran = run_qasino(*asked, alarm)
    assert (ran.returncode, ran.stderr) == (ExitCode.NOT_MET, "")
    rotate(b=1)
    ran = run_qasino(*asked, alarm)
    said = "given up while unknown: missing: a (disks)\n"
    assert (ran.returncode, ran.stderr) == (ExitCode.NOT_MET, said)


def test_what_is_unknown_when_the_screen_gives_up_is_said_below_it(
    screen: Callable[..., Terminal], rotate: Callable[..., None]
) -> None:
    rotate(a=90, b=1)
    rotate(b=1)
    terminal = screen("--until", "empty", "--timeout", "2", "select * from disks")
    assert terminal.wait() == ExitCode.NOT_MET
    assert "given up while unknown: missing: a (disks)" in terminal.text
