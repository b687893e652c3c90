"""`qasino publish` at a terminal: a line that moves while it takes long, and nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from command import TABLE_CSV, zmq_url
from terminal_screen import Terminal

from qasino_cli.console import ExitCode
from qasino_server.server import Server

QASINO = f"{sys.executable} -m qasino_cli.main"
ROWS = b"a,b\n" + b"1,2\n" * 500_000
Shell = Callable[..., Terminal]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell command on a terminal."""
    with ExitStack() as stack:

        def started(script: str, **variables: str) -> Terminal:
            terminal = Terminal(
                "-c", script, home=tmp_path, command=("/bin/sh",), variables=variables
            )
            stack.callback(terminal.close)
            return terminal

        yield started


@pytest.fixture
def slow_pipe(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], int]]]:
    """A fifo, and what opens it for writing; closed when the test ends."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with ExitStack() as stack:

        def opened() -> int:
            fd = os.open(path, os.O_WRONLY)
            stack.callback(os.close, fd)
            return fd

        yield path, opened


def write_all(fd: int, body: bytes) -> None:
    view = memoryview(body)
    while view:
        view = view[os.write(fd, view) :]


def test_a_long_pipe_shows_how_much_came_and_how_fast(
    shell: Shell, server: Server, slow_pipe: tuple[Path, Callable[[], int]]
) -> None:
    path, opened = slow_pipe
    terminal = shell(f"{QASINO} publish -s {zmq_url(server)} --table t < {path}")
    write_all(opened(), ROWS)
    terminal.see("reading standard input 2.0 MB,", "MB/s")
    terminal.interrupt()
    assert terminal.wait() == ExitCode.INTERRUPTED
    assert terminal.text.replace("^C", "") == ""
    assert b"\x1b[?25l" not in terminal.written, "the cursor was hidden"


def test_nothing_is_drawn_while_a_person_types(
    shell: Shell, server: Server, slow_pipe: tuple[Path, Callable[[], int]]
) -> None:
    path, _ = slow_pipe
    terminal = shell(f"{QASINO} publish -s {zmq_url(server)} -I me {path} -")
    with path.open("wb", 0) as pipe:
        pipe.write(b"a\n1\n")
        terminal.see("reading")
    terminal.gone("reading")
    terminal.type(TABLE_CSV + "\x04")
    assert terminal.wait() == ExitCode.OK
    assert terminal.text.startswith(" ".join(TABLE_CSV.split()))


def test_at_its_end_only_the_receipt_is_left(shell: Shell, server: Server, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(ROWS)
    terminal = shell(f"{QASINO} publish -s {zmq_url(server)} -I me {tmp_path}/t.csv")
    assert terminal.wait() == ExitCode.OK
    receipt = "published t: 500000 rows as me, visible in the next generation"
    assert terminal.text == receipt


@pytest.mark.parametrize("variables", [{}, {"TERM": "dumb"}])
def test_what_is_quick_is_only_told(
    shell: Shell, server: Server, table_csv: Path, variables: dict[str, str]
) -> None:
    table_csv.write_text(TABLE_CSV)
    terminal = shell(f"{QASINO} publish -s {zmq_url(server)} {table_csv}", **variables)
    assert terminal.wait() == ExitCode.OK
    assert b"\x1b" not in terminal.written
    assert terminal.written.startswith(b"published myapplication_table1: 1 row")


def test_without_a_file_and_a_pipe_it_says_what_to_do(shell: Shell) -> None:
    terminal = shell(f"{QASINO} publish")
    assert terminal.wait() == ExitCode.USAGE
    assert terminal.text.startswith("name a FILE to publish, or pipe one in")
