"""What a shell command prints: it is run, within its time, and outlives nobody who waits for it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from types import FrameType

from qasino_cli.errors import InputRejected
from qasino_cli.process_group import end_group

MAX_OUTPUT_BYTES = 1 << 30  # what a command may print: it is read whole, and more than once
MOST_SHOWN = 80
"""Characters of a command in a sentence."""
_CHUNK = 1 << 16
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT)


def as_typed(command: str) -> str:
    """A command in quotes, on one line, cut where it is long; its own backslashes as they are."""
    text = command
    if not text.isprintable():
        from qasino_server.render import visible  # 15 ms, for what hardly any command holds

        text = visible(text)
    quote = '"' if "'" in text else "'"
    return f"{quote}{text if len(text) <= MOST_SHOWN else f'{text[:MOST_SHOWN]}...'}{quote}"


def output_of(command: str, name: str, limit_s: float | None) -> bytes:
    """What a shell command prints; `name` is what a sentence calls that. Raises InputRejected.

    One that takes longer than the limit is ended, with all it has started. What it writes to
    stderr goes to ours.
    """
    with _started(command, name) as process:
        parts = []
        printed_bytes = 0
        for part in _parts(process, limit_s):
            if part is None:
                raise InputRejected(f"{name}: it took over {limit_s:g} s and was ended")
            parts.append(part)
            printed_bytes += len(part)
            if printed_bytes > MAX_OUTPUT_BYTES:
                raise InputRejected(f"{name}: it is over {MAX_OUTPUT_BYTES >> 30} GiB")
        code = process.wait()
    if code:
        ended = f"ended with {code}" if code > 0 else f"was killed by signal {-code}"
        raise InputRejected(f"{name}: the command {ended}")
    return b"".join(parts)


@contextlib.contextmanager
def _started(command: str, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command in a process group of its own, none of which outlives a failure here, as far as
    it is ours to end. Raises InputRejected where the system has no room for it now."""
    with _outlived_by_none() as running:
        try:
            process = subprocess.Popen(
                command,
                shell=True,
                stdout=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise InputRejected(f"{name}: the command cannot run: {error.strerror}") from None
        try:
            running(process)
            yield process
        except BaseException:
            end_group(process)
            raise
        finally:
            assert process.stdout is not None
            process.stdout.close()


@contextlib.contextmanager
def _outlived_by_none() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Where a signal would end us without a word, end the command first; gives what is to be
    called with it once it runs. A signal that came before is heeded then: what it raises would
    have been raised where nobody knew of the command yet.

    It has a session of its own, so nobody else sends it what a closed terminal sends.
    """
    processes: list[subprocess.Popen[bytes]] = []
    early: list[int] = []
    hows = {int(number): signal.getsignal(number) for number in _ENDING}
    heeded = {number: how for number, how in hows.items() if how not in (signal.SIG_IGN, None)}

    def heed(number: int, frame: FrameType | None = None) -> None:
        how = heeded[number]
        if not processes:
            early.append(number)
        elif callable(how):
            how(number, frame)
        else:
            end_group(processes[0])
            signal.signal(number, how)
            os.kill(os.getpid(), number)

    def running(process: subprocess.Popen[bytes]) -> None:
        processes.append(process)
        if early:
            heed(early[0])

    for number in heeded:
        signal.signal(number, heed)
    try:
        yield running
    finally:
        for number, how in heeded.items():
            if signal.getsignal(number) is heed:  # what it was for has not changed that meanwhile
                signal.signal(number, how)
        if early and not processes:
            os.kill(os.getpid(), early[0])


def _parts(process: subprocess.Popen[bytes], limit_s: float | None) -> Iterator[bytes | None]:
    """What the process prints, until it has ended; None where that is not within the limit."""
    assert process.stdout is not None
    ends = None if limit_s is None else time.monotonic() + limit_s
    poller = select.poll()
    poller.register(process.stdout, select.POLLIN)
    while poller.poll(None if ends is None else max(0.0, ends - time.monotonic()) * 1000):
        part = os.read(process.stdout.fileno(), _CHUNK)
        if part:
            yield part
            continue
        try:  # it may live on with its stdout closed
            process.wait(None if ends is None else max(0.0, ends - time.monotonic()))
            return
        except subprocess.TimeoutExpired:
            break
    yield None
