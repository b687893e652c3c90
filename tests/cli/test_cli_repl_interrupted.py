"""Ctrl-C at the prompt at any moment: with Enter, just behind it, and held down."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
from command import http_url, zmq_url
from prompt_house import Start
from wire import Wire, until

from qasino_cli.config import Config
from qasino_cli.connection import Connection
from qasino_cli.errors import ServerRefused
from qasino_cli.sql import cancelling, session
from qasino_cli.sql.repl.shell import Shell
from qasino_cli.sql.screen import Screen
from qasino_server.server import Server

ENDLESS = "with recursive c(n) as (select 1 union all select n + 1 from c) select max(n) from c"


@pytest.fixture
def running(wire: Wire) -> Callable[[], bool]:
    """Whether a query without an end runs on the server."""
    return lambda: b"recursive" in wire.http_get({"op": "query", "sql": "show queries"})[2]


@pytest.mark.parametrize("scheme", ["zmq", "http"])
def test_a_cancellation_that_overtakes_its_query_ends_it(
    server: Server,
    running: Callable[[], bool],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    scheme: str,
) -> None:
    """The query came a moment later, and ran until --query-timeout."""
    tried = threading.Event()
    ask, cancel = session._Asking._run, cancelling.cancel_query

    def ask_late(asking: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        assert tried.wait(10)
        ask(asking)

    def noted(*of: Any) -> None:
        try:
            cancel(*of)
        except ServerRefused:
            tried.set()
            raise

    monkeypatch.setattr(session._Asking, "_run", ask_late)
    monkeypatch.setattr(cancelling, "cancel_query", noted)
    monkeypatch.setattr(session, "CANCEL_PATIENCE_S", 10)
    connection = Connection(scheme=scheme, host="127.0.0.1", port=server.ports[scheme])
    with session.Session(connection) as asked:
        with pytest.raises(KeyboardInterrupt):
            asked.query(ENDLESS)
        until(lambda: not running())  # long before --query-timeout ends it
    assert re.fullmatch(r"cancelled after \d\d?\.\d s\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("typed", "told"), [("\\between", r"\n"), (f"{ENDLESS};", r"cancelled after \d+\.\d s\n")]
)
def test_the_prompt_begins_a_line_wherever_ctrl_c_comes(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    typed: str,
    told: str,
) -> None:
    """Between an answer of \\watch and the wait for the next it stood behind the terminal's ^C."""
    ask = session._Asking._run

    def interrupt(*of: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    def interrupted(asking: Any) -> None:
        interrupt()
        ask(asking)

    monkeypatch.setattr(session._Asking, "_run", interrupted)
    monkeypatch.setattr(session, "CANCEL_PATIENCE_S", 10)
    connection = Connection(host="127.0.0.1", port=server.ports["zmq"])
    with session.Session(connection) as asked:
        shell = Shell(asked, Screen(Config(), "table"), None, lambda name: interrupt)
        assert shell.type(typed)
    assert re.fullmatch(told, capsys.readouterr().err)


@pytest.mark.parametrize("port", ["zmq", "http"])
def test_ctrl_c_that_comes_with_enter_calls_the_statement_off(
    start: Start, server: Server, running: Callable[[], bool], port: str
) -> None:
    """It waited as a key for the next prompt, while the query ran on."""
    terminal = start(zmq_url(server) if port == "zmq" else http_url(server))
    terminal.connected()
    terminal.type(f"select 1;\r{ENDLESS};\r\x03")
    terminal.until(lambda: len(terminal.prompts) > 1, "another prompt")
    terminal.prompt()
    until(lambda: not running())
    terminal.run("select 6 * 7 x;", "42")
    assert terminal.leave() == 0


def test_what_is_typed_behind_a_statement_is_still_typed_ahead(start: Start) -> None:
    terminal = start()
    terminal.connected()
    terminal.type("select 1 as a;\rselect 2 as b;\r\\timing off\rselect 3 as c")
    terminal.see("a ─ 1", "b ─ 2", "qasino> select 3 as c")


def test_ctrl_c_held_down_does_nothing_worse_than_once(start: Start) -> None:
    """It ended the prompt now and then, or left a traceback on it."""
    terminal = start()
    terminal.connected()
    for _ in range(10):
        terminal.type("select 1 x;\r")
        for _ in range(60):
            terminal.type("\x03")
            terminal._read(0.001)
        terminal.prompt()
    assert b"Traceback" not in terminal.written
    assert b"Exception" not in terminal.written
    terminal.type("select 6 * 7 x;\r")
    terminal.see("42")
    terminal.prompt()
    assert terminal.leave() == 0
