"""Standard input that does not block, as event loops give it to the processes they start."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import subprocess
import termios
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from command import start_qasino, zmq_url
from hypothesis import given
from hypothesis import strategies as st
from wire import until

from qasino_cli.console import ExitCode
from qasino_cli.pipes import lines_of
from qasino_server.server import Server

PUBLISH = ("publish", "--table", "t", "-I", "me", "--dry-run")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends; the one to read from does not block."""
    reads, writes = os.pipe()
    os.set_blocking(reads, False)
    with ExitStack() as stack:
        stack.callback(os.close, reads)
        yield reads, writes


@pytest.fixture
def terminal() -> Iterator[int]:
    """What a process may have for its stderr."""
    ours, theirs = pty.openpty()
    yield theirs
    os.close(ours)
    os.close(theirs)


def read_all_of(process: subprocess.Popen[bytes], pipe: int) -> bool:
    """Whether it has read what there is, and waits for more or has ended."""
    waiting = fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4)
    state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2][0]
    return waiting == b"\0" * 4 and state in "SZ"


def fed(process: subprocess.Popen[bytes], pipe: tuple[int, int], *parts: bytes) -> bytes:
    """What it prints once it was given the parts, each when it has read those before."""
    reads, writes = pipe
    for part in parts:
        until(lambda: read_all_of(process, reads))
        os.write(writes, part)
    os.close(writes)
    return process.communicate(timeout=20)[0]


@pytest.mark.parametrize("on_terminal", [False, True])
def test_a_publication_is_read_to_its_end(
    pipe: tuple[int, int], terminal: int, on_terminal: bool
) -> None:
    stderr = terminal if on_terminal else subprocess.PIPE
    with start_qasino(*PUBLISH, stdin=pipe[0], stderr=stderr) as process:
        printed = fed(process, pipe, b"a,b\n", b"1,2\n3,", b"4\n")
    assert (process.returncode, printed.splitlines()[0]) == (
        ExitCode.OK,
        b"standard input: table t of me, 2 rows, read as csv",
    )


def test_a_script_is_read_to_its_end(server: Server, pipe: tuple[int, int]) -> None:
    with start_qasino("sql", "--no-header", "-s", zmq_url(server), stdin=pipe[0]) as process:
        printed = fed(process, pipe, b"select 1;\nsel", b"ect 2;\n")
    assert (process.returncode, printed) == (ExitCode.OK, b"1\n2\n")


@given(st.lists(st.binary(max_size=20), max_size=9))
def test_lines_are_those_of_a_file(lines: list[bytes]) -> None:
    body = b"\n".join(lines)
    reads, writes = os.pipe()
    with open(reads, "rb") as file:
        os.write(writes, body)
        os.close(writes)
        assert list(lines_of(file.fileno())) == list(io.BytesIO(body))
