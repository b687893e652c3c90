"""Clients of the line port that send much, read slowly, or send no more."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from wire import Wire, read_all, until

from qasino_server import line_port, patience
from qasino_server.line_port import LinePort
from qasino_server.server import Server
from qasino_server.splitting import Splitter

COUNTING = "with recursive n(i) as (select 1 union all select i + 1 from n"


@pytest.fixture
def port(server: Server) -> LinePort:
    return next(s for s in server._services if isinstance(s, LinePort))


def only_one(port: LinePort) -> Any:
    """The connection, once it is there."""
    (found,) = until(lambda: set(port._connections))
    return found


def deaf_to(wire: Wire, text: bytes) -> socket.socket:
    """Sends that, and reads nothing."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect((wire.host, wire.ports["line"]))
    made.settimeout(30)
    made.sendall(text)
    return made


def takes_its_time(duration_s: float) -> None:
    began = time.monotonic()
    until(lambda: time.monotonic() > began + duration_s)


def test_small_answers_wait_for_their_client_to_read(wire: Wire, port: LinePort) -> None:
    """A connection had up to 64 MiB of them held."""
    with deaf_to(wire, b"select printf('%.*c', 80000, 'x');" * 200 + b"quit;") as deaf:
        asker = only_one(port)
        until(lambda: asker.running is None and len(asker.unsent) > 1 << 18)
        for _ in range(50):
            assert wire.line("select 1;").endswith("1 rows returned\r\n")
        assert port._unsent.held_bytes < 1 << 20
        told = read_all(deaf)
    assert told.count(b"1 rows returned") == 200
    assert told.endswith(b"Bye!\r\n")


def test_short_statements_that_wait_count_for_what_they_take(wire: Wire, port: LinePort) -> None:
    """A megabyte of them took thirty."""
    with wire.connect("line") as made:
        asker = only_one(port)
        made.sendall(f"{COUNTING}) select count(*) from n;".encode() + b"1;" * 20_000)
        until(lambda: len(asker.waiting) == 20_000)
        assert port._unrun.held_bytes > 1_000_000
        made.sendall(b"\x03")
        assert read_all(made).endswith(b"Bye!\r\n")
        until(lambda: not port._connections)
        assert port._unrun.held_bytes == 0


@pytest.mark.parametrize("word", [b"help\n", b"help;"])
def test_words_without_end_hold_nobody_up(wire: Wire, port: LinePort, word: bytes) -> None:
    """Others waited for 23 s, and the server did not end in time."""
    with deaf_to(wire, word * 200_000 + b"select 1;\n"):
        asker = only_one(port)
        until(lambda: asker.waiting)
        began = time.monotonic()
        assert wire.line("select 1;").endswith("1 rows returned\r\n")
        assert time.monotonic() - began < 2
        port.stop()
        assert port.join(2)


def test_each_of_very_many_words_is_answered(wire: Wire) -> None:
    told = wire.line("help\n" * 5_000 + "select 'last';")
    assert told.count("KILL id; quit\r\n") == 5_000
    assert told.endswith("last\r\n1 rows returned\r\n")


def test_a_line_end_costs_no_more_after_a_long_text() -> None:
    """A client that sent them one by one took a processor, with the GIL."""
    splitter = Splitter()
    splitter.feed("select '" + "é" * 1_000_000)
    began = time.process_time()
    for _ in range(1_000):
        splitter.feed("\n")
        assert not line_port._word_in(splitter)
    assert time.process_time() - began < 0.1, "it was 1.4 s"
    assert len(splitter.feed("';")[0]) == 1_001_009


def test_who_sends_no_more_is_told_all_however_slowly_it_reads(
    wire: Wire, port: LinePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_port, "FADE_S", 0.3)
    with deaf_to(wire, b"") as made:
        asker = only_one(port)
        made.sendall(b"select printf('%.*c', 8000000, 'x') as x;")
        until(lambda: asker.unsent)
        made.shutdown(socket.SHUT_WR)
        takes_its_time(1.0)
        told = read_all(made)
    assert len(told) > 24_000_000
    assert told.endswith(b"1 rows returned\r\n")


def test_who_sends_no_more_has_its_time_for_each_statement(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = [
        f"{COUNTING} where i < {300_000 + n}) select count(*) as n from n;" for n in range(41)
    ]
    began = time.monotonic()
    wire.line(statements.pop())
    monkeypatch.setattr(line_port, "FADE_S", 10 * (time.monotonic() - began))  # of 40 together
    with wire.connect("line") as made:
        made.sendall("".join(statements).encode())
        made.shutdown(socket.SHUT_WR)
        assert read_all(made).count(b"1 rows returned") == 40


def test_who_sends_no_more_and_does_not_read_is_let_go(
    wire: Wire, port: LinePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "HEAD_S", 0.2)
    monkeypatch.setattr(patience, "PACE_BYTES_S", 1 << 40)
    with deaf_to(wire, b"select printf('%.*c', 8000000, 'x') as x;") as made:
        until(lambda: port._unsent.held_bytes)
        made.shutdown(socket.SHUT_WR)
        until(lambda: not port._connections)
        assert port._unsent.held_bytes == 0
        assert not port._fading


@pytest.mark.parametrize("end", [b"\x04", b"\xff\xec"], ids=["Ctrl-D", "telnet's"])
def test_statements_before_a_ctrl_d_are_answered(wire: Wire, end: bytes) -> None:
    with wire.connect("line") as made:
        made.sendall(b"select 7 as a;\nselect 8 as b;\nselect" + end + b"select 9;")
        told = read_all(made)
    assert told == b"a\r\n=\r\n7\r\n1 rows returned\r\nb\r\n=\r\n8\r\n1 rows returned\r\nBye!\r\n"
