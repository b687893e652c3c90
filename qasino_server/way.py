"""Who makes way for whom to the GIL: ports for a rotation, and for a port whose turn is late.

A thread that reads and writes gives the GIL away for some microseconds again and again. Each
time one that waits for it is woken, comes too late, and waits anew, so that it never asks for
it as one does that has waited for long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

WAY_MOST_S = 0.002
"""The longest a turn makes way for."""
LATE_S = 0.001
"""A turn that began (`turn_begins`) so long ago may be waiting for the GIL: others make way."""
LATE_WAY_MOST_S = 0.0001
"""The longest a turn makes way for one of those. A publisher and a reader on each transport: those
over ZeroMQ waited 12 to 26 ms at p99 and 32 to 109 at the longest, now 2.3 to 4 and 5 to 8. All
four together have 0.7 to 1.0 of the answers/s, the reader over HTTP 0.5 to 0.7 of its own. With
0.2 ms 0.94 of that; a LATE_S of 0.5 ms 0.8, of 3 ms 5 at p99."""


class _Way:
    """Who has something to do that all wait for, and needs the GIL for it."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self._lock = threading.Lock()
        self._takers = 0

    def take(self, more: int) -> None:
        with self._lock:
            self._takers += more
            if self._takers:
                self.free.clear()
            else:
                self.free.set()


_way = _Way()
"""One for the process, as the GIL is."""


@contextmanager
def right_of_way() -> Iterator[None]:
    """While in it, threads that receive rest at each turn as long as they went on before it.

    Each time SQLite has done something its thread has to take the GIL back, 0.2 ms where others
    have enough to do: hundreds of statements of a rotation made it a second late.
    """
    _way.take(1)
    try:
        yield
    finally:
        _way.take(-1)


def way_is_free() -> bool:
    """Whether nobody has the right of way."""
    return _way.free.is_set()


_turns_since_s: dict[int, float] = {}
"""When the turns that have begun did so, by thread; one for the process, as the GIL is."""


def _others_are_late(now_s: float) -> bool:
    """Whether a turn of another thread has lasted for long."""
    mine = threading.get_ident()
    if len(_turns_since_s) == (mine in _turns_since_s):
        return False  # as nearly always
    return any(
        since_s < now_s - LATE_S and thread != mine
        for thread, since_s in _turns_since_s.copy().items()  # a list of them may be interrupted
    )


def turn_begins() -> None:
    """From now on others make way for this thread, once its turn takes long.

    For a thread that gives the GIL away at each of its calls, for each of which it has to
    get it back. Where those over HTTP, which do not, began too, both made way for each other:
    0.8 of the answers/s, and nobody waited less.
    """
    _turns_since_s.setdefault(threading.get_ident(), time.monotonic())


def turn_is_over() -> None:
    """This thread has nothing at hand."""
    _turns_since_s.pop(threading.get_ident(), None)


def make_way(last_s: float) -> float:
    """Where a rotation is under way, or another's turn is late, rest as long as it is since
    `last_s`, when this thread did so last; when that was, on the monotonic clock.

    At the beginning of a turn's end, not when all is done: what the last turn wrote has been
    sent by now.
    """
    now_s = time.monotonic()
    rotates = not way_is_free()
    if not rotates and not _others_are_late(now_s):
        return last_s
    mine = threading.get_ident()
    own_since_s = _turns_since_s.pop(mine, None)  # it is not late while it makes way
    if rotates:
        _way.free.wait(min(now_s - last_s, WAY_MOST_S))
    else:
        time.sleep(min(now_s - last_s, LATE_WAY_MOST_S))
    if own_since_s is not None:
        _turns_since_s[mine] = own_since_s
    return time.monotonic()
