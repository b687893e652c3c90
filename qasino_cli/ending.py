"""What tells a process to end, and how it is heeded: Ctrl-C, SIGTERM, SIGHUP."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

ENDING = (signal.SIGTERM, signal.SIGHUP)
"""What tells a process to end, besides Ctrl-C."""
TOGETHER_S = 0.5
"""Signals that come so close together are one wish: `timeout` sends its own to the command and
once more to the group, and of a closed window both the terminal and its shell tell."""


class Ended(KeyboardInterrupt):
    """SIGTERM or SIGHUP has come."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class _Heeded:
    """The signal that was heeded last."""

    def __init__(self) -> None:
        self._number = 0
        self._at = -math.inf

    def next(self, number: int) -> bool:
        """Whether a signal is heeded as the next one.

        Within TOGETHER_S none is, so that what is begun can be called off. One that tells the
        process to end comes again after that, unless one has: Ctrl-C may be meant for a query.
        """
        now = time.monotonic()
        left_s = self._at + TOGETHER_S - now
        if left_s <= 0:
            self._number, self._at = number, now
        elif number in ENDING and self._number not in ENDING:
            _send_again(number, left_s)
        return left_s <= 0

    def over(self) -> None:
        """What Ctrl-C was about is over: the next one is about something else."""
        if self._number not in ENDING:
            self._at = -math.inf


_heeded = _Heeded()


def begin_anew() -> None:
    """From now on Ctrl-C is about what begins now, however soon after the last one it comes."""
    _heeded.over()


def _send_again(number: int, after_s: float) -> None:
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), number))
    signal.setitimer(signal.ITIMER_REAL, max(after_s, 0.001))  # 0 would be never


def tidy_when_ended() -> None:
    """From now on SIGTERM and SIGHUP end a command as Ctrl-C does, what is begun being called off;
    who waits for it sees the signal. The same within TOGETHER_S is passed over, a later one ends
    it at once. What is ignored, as nohup's HUP is, stays so.
    """
    for number in ENDING:
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _end)
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


@contextmanager
def ending_told(tell: Callable[[int], None], numbers: Sequence[int] = ENDING) -> Iterator[None]:
    """Within the block `tell` hears of the signal that asks for the end, and nothing is raised.

    It is called in the main thread, in the midst of whatever that does.
    """
    ours = (_end, _interrupt)
    before = {number: how for number in numbers if (how := signal.getsignal(number)) in ours}

    def hear(number: int, frame: object) -> None:
        if _heeded.next(number):
            signal.signal(number, _end_at_once if number in ENDING else _interrupt)
            tell(number)

    for number in before:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number, how in before.items():
            signal.signal(number, how)


def _interrupt(number: int, frame: object) -> None:
    if _heeded.next(number):
        raise KeyboardInterrupt


def _end(number: int, frame: object) -> None:
    if _heeded.next(number):
        signal.signal(number, _end_at_once)
        raise Ended(number)


def _end_at_once(number: int, frame: object) -> None:
    if _heeded.next(number):
        die_of(number)


def die_of(number: int) -> None:
    """End by the signal, as the shell expects of who is told to."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
