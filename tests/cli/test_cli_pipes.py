"""Standard input that does not block, as event loops give it to the processes they start."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import signal
import subprocess
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from command import start_qasino, zmq_url
from hypothesis import given
from hypothesis import strategies as st
from wire import until

from qasino_cli.console import ExitCode
from qasino_cli.pipes import lines_of, parts_of
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


class Heard(Exception):
    """A signal has come."""


@pytest.fixture
def handled() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Sets what SIGUSR1 does until the test ends."""
    before = signal.getsignal(signal.SIGUSR1)

    def handle(how: Callable[[], None]) -> None:
        signal.signal(signal.SIGUSR1, lambda *_: how())

    yield handle
    signal.signal(signal.SIGUSR1, before)


def asleep() -> Callable[[], bool]:
    """Whether the thread that asks for this waits."""
    stat = Path(f"/proc/self/task/{threading.get_native_id()}/stat")
    return lambda: stat.read_text().rpartition(") ")[2][0] == "S"


@pytest.mark.parametrize("blocking", [True, False])
def test_a_signal_that_does_not_interrupt_the_wait_is_heard_all_the_same(
    pipe: tuple[int, int], handled: Callable[[Callable[[], None]], None], blocking: bool
) -> None:
    """As one that comes just before the system call; this one interrupts another thread."""
    reads, writes = pipe
    os.set_blocking(reads, blocking)
    is_waiting, begun, heard, in_time = asleep(), threading.Event(), threading.Event(), []

    def hear() -> None:
        heard.set()
        raise Heard

    def send() -> None:
        begun.wait()
        until(is_waiting)
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        in_time.append(heard.wait(5))
        os.write(writes, b"end the wait")
        os.close(writes)

    def read() -> None:
        begun.set()
        next(parts_of(reads))

    handled(hear)
    sender = threading.Thread(target=send)
    sender.start()
    with pytest.raises(Heard):
        read()
    sender.join()
    assert in_time == [True]
    assert signal.set_wakeup_fd(-1) == -1, "what was set for the wait is gone"


def test_signals_that_are_passed_over_end_no_reading(
    pipe: tuple[int, int], handled: Callable[[Callable[[], None]], None]
) -> None:
    reads, writes = pipe
    is_waiting, heard, told = asleep(), threading.Semaphore(0), []

    def send() -> None:
        for _ in range(3):
            until(is_waiting)
            os.kill(os.getpid(), signal.SIGUSR1)
            told.append(heard.acquire(timeout=5))
        os.write(writes, b"x")
        os.close(writes)

    handled(heard.release)
    sender = threading.Thread(target=send)
    sender.start()
    assert next(parts_of(reads)) == b"x"
    sender.join()
    assert told == [True] * 3
