"""What is asked of a service by signals: to stop, or to read again what it was given.

SIGTERM and SIGINT stop it, SIGHUP has it read again. A service that was started on a terminal
ends when that is closed, which sends SIGHUP too; one whose log goes elsewhere (`nohup`, a file
behind a shell's `&`) outlives it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from typing import Literal, NamedTuple

from qasino_cli import terminal


class Order(NamedTuple):
    """What a signal asks for."""

    what: Literal["reload", "stop"]
    signal: str
    """Its name, for sentences."""


_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def heeded() -> Iterator[Order]:
    """Block the signals and give what they ask for, as they come; without an end.

    To be called in the main thread before any other begins, since each is to inherit it; the
    orders may be waited for in another. Python runs a handler in the main thread, and only once
    something wakes it; the kernel may give the signal to another thread (it does so to a process
    that has just been continued) and the main thread would sleep on. Waited for like this none
    is lost, and nothing runs in the middle of anything.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    for number in _SIGNALS:  # a shell's background jobs come with SIGINT ignored, nohup's with HUP
        signal.signal(number, lambda *_: None)
    # Asked now: a terminal that has been closed is none any more.
    return _orders(terminal.watched(sys.stderr))


def _orders(on_terminal: bool) -> Iterator[Order]:
    while True:
        number = signal.sigwait(_SIGNALS)
        closed = on_terminal and not terminal.attached()
        what: Literal["reload", "stop"] = "stop"
        if number == signal.SIGHUP and not closed:
            what = "reload"
        yield Order(what, signal.Signals(number).name)
