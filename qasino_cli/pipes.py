"""What comes out of a descriptor until its end, whatever whoever gave it to us has set."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PART_BYTES = 1 << 20


def parts_of(descriptor: int) -> Iterator[bytes]:
    """All that can be read, as it comes. Raises OSError.

    A descriptor that does not block is waited for and left as it is: others have it too.
    """
    while True:
        _wait(descriptor)
        try:
            part = os.read(descriptor, _PART_BYTES)
        except BlockingIOError:  # another has read it meanwhile
            continue
        if not part:
            return
        yield part


def _wait(descriptor: int) -> None:
    """Sleep until there is something to read, hearing every signal meanwhile."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    if poller.poll(0):
        return
    with _bell() as bell:
        if bell is not None:
            poller.register(bell, select.POLLIN)
        while descriptor not in dict(poller.poll()):
            assert bell is not None
            os.read(bell, 1000)  # its handler has run, and has raised nothing


@contextmanager
def _bell() -> Iterator[int | None]:
    """What can be read once a signal has come; None in a thread that runs no handlers.

    One that comes just before a system call does not interrupt it: its handler would run when
    there is something to read, and Ctrl-C was not heard until it was pressed again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield None
        return
    reader, writer = os.pipe()
    try:
        os.set_blocking(writer, False)
        before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        try:
            yield reader
        finally:
            signal.set_wakeup_fd(before)
    finally:
        os.close(reader)
        os.close(writer)


def lines_of(descriptor: int) -> Iterator[bytes]:
    """The same line by line, each as soon as its end has come."""
    begun: list[bytes] = []
    for part in parts_of(descriptor):
        *ended, rest = part.split(b"\n")
        for line in ended:
            yield b"".join((*begun, line, b"\n"))
            begun = []
        begun.append(rest)
    if last := b"".join(begun):
        yield last
