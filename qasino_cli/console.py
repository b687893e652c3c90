"""What the person and the next program in the pipe see: stdout is data, stderr is narration.

Rules of this file:
1. Nothing but results is written to stdout, as UTF-8 whatever the locale.
2. Every error becomes one sentence on stderr and a code of the table below, here and only here.
3. A reader who closes the pipe has seen enough: that ends the command without a word.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from enum import IntEnum

from qasino_cli.ending import Ended, die_of
from qasino_cli.errors import InputRejected, OutputFailed, Unreachable, UsageFault
from qasino_server.errors import QasinoError, SettingsFault


class ExitCode(IntEnum):
    """How every command ends."""

    OK = 0
    """It did what was asked."""
    REFUSED = 1
    """The server refused it, the query failed, or the server could not start."""
    USAGE = 2
    """The command line is at fault."""
    UNREACHABLE = 3
    """No server answered within the time."""
    INPUT = 4
    """An input was rejected and nothing was sent, or rows of it were skipped."""
    NOT_MET = 5
    """A watched condition did not come true in time."""
    INTERRUPTED = 130
    """Ctrl-C."""


_CODES: dict[type[BaseException], ExitCode] = {
    UsageFault: ExitCode.USAGE,
    SettingsFault: ExitCode.USAGE,
    Unreachable: ExitCode.UNREACHABLE,
    InputRejected: ExitCode.INPUT,
    KeyboardInterrupt: ExitCode.INTERRUPTED,
}


def code_for(error: BaseException) -> ExitCode:
    """The exit code an error ends the command with; REFUSED for what the table does not name."""
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return code
    return ExitCode.REFUSED


def finish(work: Callable[[], ExitCode | None]) -> ExitCode:
    """Run a command to its end and return its exit code; None from `work` is OK.

    A closed stdout does not return: the process dies of SIGPIPE, as `cat` does.
    """
    try:
        code = work()
        if sys.stdout is not None:
            sys.stdout.flush()
        return code or ExitCode.OK
    except BrokenPipeError:
        _let_go_of_stdout()
        return _ended_by(signal.SIGPIPE)
    except Ended as ended:
        return _ended_by(ended.number)
    except QasinoError as error:
        say(error.sentence)
        return code_for(error)
    except KeyboardInterrupt as error:
        return code_for(error)
    finally:
        _let_go_of_stderr()


def _ended_by(number: int) -> ExitCode:
    """End by the signal, also as the shell expects of a writer nobody reads."""
    die_of(number)
    return ExitCode.OK


def unwritten(error: OSError) -> ExitCode:
    """How it ends where help, usage or the version could not be written, which typer does."""
    _let_go_of_stdout()
    if isinstance(error, BrokenPipeError):
        return _ended_by(signal.SIGPIPE)
    say(f"standard output: {error.strerror}")
    return ExitCode.REFUSED


def closed() -> OSError:
    """What Python does not raise where there is no stdout: it writes nothing then."""
    return OSError(errno.EBADF, "it is closed")


def _let_go_of_stdout() -> None:
    """Point it elsewhere, so that no later flush fails again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _let_go_of_stderr() -> None:
    """What nobody reads any more is not written at the very end, which would be exit code 120."""
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def say(sentence: str) -> None:
    """Write a sentence to stderr, control characters made visible.

    Line ends in it are kept. A stderr nobody reads any more is no reason to stop working.
    """
    lines = (_visible(line) for line in sentence.split("\n"))
    if sys.stderr is None:  # closed before we began; print would take stdout then
        return
    try:
        # In one piece: Ctrl-C does not come between a line and its end.
        print("\n".join(lines) + "\n", end="", file=sys.stderr, flush=True)
    except OSError:
        pass


def _visible(line: str) -> str:
    if line.isprintable():
        return line
    from qasino_server.render import visible  # 15 ms, for what hardly any sentence holds

    return visible(line)


def write(data: str | bytes) -> None:
    """Write data to stdout and let it go at once.

    Raises BrokenPipeError where nobody reads it, OutputFailed where it is full or closed.
    """
    if sys.stdout is None:
        raise OutputFailed("standard output: it is closed")
    left = memoryview(data.encode() if isinstance(data, str) else data)
    try:
        while left:  # with PYTHONUNBUFFERED a write may be short, and says so by its count alone
            written: int | None = sys.stdout.buffer.write(left)
            if written is None:  # without a buffer it is left to us to raise what that would
                raise BlockingIOError(errno.EAGAIN, "write could not complete without blocking")
            left = left[written:]
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _let_go_of_stdout()
        raise OutputFailed(f"standard output: {error.strerror}") from None


def on_terminal() -> bool:
    """Whether a person reads stdout as it comes."""
    return sys.stdout is not None and sys.stdout.isatty()


def typed_in() -> bool:
    """Whether stdin is a keyboard, so that waiting for it would look like a hang."""
    return sys.stdin is None or sys.stdin.isatty()


def counted(number: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
