"""Waking threads that sleep: once for many things, and when the waker is done with its own.

Waking a thread is what costs, not handing things over (DESIGN.md): the woken one wants the
GIL at once, and two threads that take it from each other get half as much done. So a thread
that hands over many things in a row carries the bells it would have to ring (`Bells`) and
rings each of them once, when it has nothing more at hand. A thread that receives goes a step
further (`Turn`): what is done as fast as handed over is a chore, which it does itself. And where
all wait for one that needs the GIL (`right_of_way`), or one waits for it in vain (`Turn.begin`),
it makes way.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")

Bell = Callable[[], None]
"""Wakes one sleeper; harmless where nothing is there for it."""

Chore = Callable[[], bool]
"""A few milliseconds of work, after which the thread looks at its sockets; True if more waits."""

TOGETHER_S = 0.001
"""The end of what counts as arrived at once; a turn may be longer."""
REST = 1.0
"""Of the time its chores took, how much a thread then leaves to those it answers without one."""
REST_MOST_S = 0.002
CROWD = 4
"""So many served since the last chores: those who ask do so as fast as they can."""
WAY_MOST_S = 0.002
"""The longest a turn makes way for."""
LATE_S = 0.001
"""A turn that began (`Turn.begin`) so long ago may be waiting for the GIL: others make way."""
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
    return any(
        since_s < now_s - LATE_S and thread != mine
        for thread, since_s in _turns_since_s.copy().items()  # a list of them may be interrupted
    )


class Bells:
    """The bells that one thread has to ring once it has nothing more at hand."""

    def __init__(self) -> None:
        self._held: set[Bell] = set()

    def carry(self) -> None:
        """From now on this thread's bells are these."""
        _of_thread.bells = self

    def hold(self, bell: Bell) -> None:
        """Carry it until `ring`; it is rung once."""
        self._held.add(bell)

    def ring(self) -> None:
        """Ring them all; any thread, so that somebody can help one that is held up."""
        while self._held:
            try:
                bell = self._held.pop()
            except KeyError:
                return
            bell()

    def __bool__(self) -> bool:
        return bool(self._held)


class Turn(Bells):
    """The bells of a thread that receives, and the chores it does before it looks again."""

    def __init__(
        self,
        on_first: Callable[[], object] | None = None,
        on_rest: Callable[[float], object] | None = None,
        at_end: Callable[[], object] | None = None,
    ) -> None:
        """For a thread whose loop waits for its sockets: `on_first` hears that `end` has something
        to do, `on_rest` that a crowd has its time, and is to call `rested` in so many seconds. One
        that waits itself calls `end` in each of its turns, and asks `patience_s`. `at_end` comes
        last in `end`, where nothing failed before it."""
        super().__init__()
        self._on_first = on_first
        self._on_rest = on_rest
        self._at_end = at_end
        self._is_due = False
        """Whether `on_first` has heard of it since `end` was called."""
        self._chores: dict[Chore, bool] = {}
        """Each with whether it was to be done before others."""
        self._nr_served = self._nr_served_before = 0
        """How often there was a bell to ring since the last chores, and between them and the
        ones before."""
        self._rest_until_s = 0.0
        self._rests = False
        """Whether `on_rest` was told."""
        self._made_way_s = 0.0
        self._moment_s = float("-inf")

    def carry(self) -> None:
        super().carry()
        _of_thread.turn = self

    def hold(self, bell: Bell) -> None:
        super().hold(bell)
        self._nr_served += 1
        self._be_due()

    def take_on(self, chore: Chore, before_others: bool = False) -> None:
        """Do it at the end of the turn, once however often it is asked for."""
        if chore in self._chores:
            return
        if before_others:
            self._chores = {chore: True, **self._chores}
        else:
            self._chores[chore] = False
        self._be_due()

    def begin(self) -> None:
        """From now on others make way, once it takes long.

        For a thread that gives the GIL away at each of its calls, for each of which it has to
        get it back. Where those over HTTP, which do not, began too, both made way for each other:
        0.8 of the answers/s, and nobody waited less.
        """
        _turns_since_s.setdefault(threading.get_ident(), time.monotonic())

    @staticmethod
    def over() -> None:
        """This thread has nothing at hand."""
        _turns_since_s.pop(threading.get_ident(), None)

    def _be_due(self) -> None:
        if not self._is_due and self._on_first is not None:
            self._is_due = True
            self._on_first()

    def moment(self, now_s: float) -> float:
        """When what arrives now counts as arrived: with the first of this turn and millisecond."""
        if now_s > self._moment_s + TOGETHER_S:
            self._moment_s = now_s
        return self._moment_s

    def patience_s(self) -> float | None:
        """How long to wait for sockets, where nothing else is at hand; None is without an end."""
        if self._chores and not self._held and self._is_for_the_crowd():
            return max(0.0, self._left_s())
        return 0.0 if self else None

    def end(self, nr_answers: int = 0) -> bool:
        """Ring, then do each chore once, then ring for what came of it; whether any is left.

        Others begin with what they got while this thread does its chores. A turn in which
        somebody was served, or that has answers to give, passes them over for a while (REST)
        after the last ones: chores without end would leave those who ask little of the thread.
        A crowd may have all of that while: it sends the next when it has its answers.
        What a bell or a chore raises goes on to the caller, and what is left can be done next.
        """
        self._is_due = False
        self._moment_s = float("-inf")
        self._make_way()
        try:
            left = self._end(nr_answers)
            if self._at_end is not None:
                self._at_end()
            return left
        except BaseException:
            self._come_again()
            raise
        finally:
            self.over()

    def rested(self) -> None:
        """The time that `on_rest` was told is over."""
        if self._rests:
            self._rests = False
            self.end()

    def _make_way(self) -> None:
        """Where a rotation is under way, or another's turn is late, rest as long as it is since
        the last time.

        A thread that reads and writes gives the GIL away for some microseconds again and again.
        Each time one that waits for it is woken, comes too late, and waits anew, so that it
        never asks for it as one does that has waited for long.
        Now and not when all is done: what the last turn wrote has been sent by now.
        """
        now_s = time.monotonic()
        rotates = not way_is_free()
        if not rotates and not _others_are_late(now_s):
            return
        mine = threading.get_ident()
        own_since_s = _turns_since_s.pop(mine, None)  # it is not late while it makes way
        if rotates:
            _way.free.wait(min(now_s - self._made_way_s, WAY_MOST_S))
        else:
            time.sleep(min(now_s - self._made_way_s, LATE_WAY_MOST_S))
        if own_since_s is not None:
            _turns_since_s[mine] = own_since_s
        self._made_way_s = time.monotonic()

    def _end(self, nr_answers: int) -> bool:
        busy = bool(nr_answers or self._held)
        self._nr_served += nr_answers
        self.ring()
        if not self._chores:
            return False
        left_s = self._left_s()
        if left_s > 0 and self._is_for_the_crowd():
            self._rest(left_s)
            return True
        if left_s > 0 and busy:
            self._come_again()
            return True
        self._do_chores()
        self.ring()
        return bool(self._chores)

    def _left_s(self) -> float:
        """Of the time that the last chores left to others."""
        return self._rest_until_s - time.monotonic()

    def _is_for_the_crowd(self) -> bool:
        """Whether the time left is a crowd's, and no chore was to be done before others."""
        return self._nr_served_before >= CROWD and not any(self._chores.values())

    def _rest(self, left_s: float) -> None:
        if not self._rests and self._on_rest is not None:
            self._rests = True
            self._on_rest(left_s)

    def _come_again(self) -> None:
        if self:
            self._be_due()

    def _do_chores(self) -> None:
        chores, self._chores = self._chores, {}
        self._rests = False
        self._nr_served_before = self._nr_served
        began_s = time.monotonic()
        try:
            while chores:
                chore = next(iter(chores))
                before_others = chores.pop(chore)
                if chore():
                    self.take_on(chore, before_others)
        finally:
            self._chores |= chores
        self._nr_served = 0  # what the chores had to ring is no sign of others
        ended_s = time.monotonic()
        self._rest_until_s = ended_s + min(REST * (ended_s - began_s), REST_MOST_S)

    def __bool__(self) -> bool:
        return bool(self._chores or self._held)


class _OfThread(threading.local):
    bells: Bells | None = None
    turn: Turn | None = None


_of_thread = _OfThread()


def ring(bell: Bell) -> None:
    """Ring it, now or when this thread has nothing more at hand."""
    bells = _of_thread.bells
    if bells is None:
        bell()
    else:
        bells.hold(bell)


def take_on(chore: Chore, before_others: bool = False) -> bool:
    """Have this thread do it at the end of its turn; False where it is not one that does.

    `before_others`: before what may take longer, and nobody looks at a clock for.
    """
    turn = _of_thread.turn
    if turn is None:
        return False
    turn.take_on(chore, before_others)
    return True


def moment() -> float:
    """When what this thread receives now counts as arrived, on the monotonic clock.

    What arrives in one turn was sent before any of it was answered, so what is looked at for
    the first of it, the views file say, will do for the others.
    """
    turn, now_s = _of_thread.turn, time.monotonic()
    return now_s if turn is None else turn.moment(now_s)


def ring_now() -> None:
    """Ring what this thread holds: it is going to wait, or to be long."""
    if _of_thread.bells is not None:
        _of_thread.bells.ring()


class Outbox(Generic[T]):
    """A queue with a file descriptor that is readable while something is in it."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._lock = threading.Lock()
        self._pending = False
        self._closed = False
        self._looks_by_itself = 0
        """The thread that needs no bell for what it puts."""
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)

    def fileno(self) -> int:
        """The descriptor to poll for reading."""
        return self._reader

    def adopt(self) -> None:
        """This thread, which receives, takes what there is each time before it waits."""
        self._looks_by_itself = threading.get_ident()

    def put(self, item: T) -> None:
        """Hand something over; any thread."""
        self._items.append(item)
        if not self._pending and threading.get_ident() != self._looks_by_itself:
            ring(self.wake)

    def wake(self) -> None:
        """Make the receiver look, whether or not anything is there."""
        with self._lock:
            if not self._pending and not self._closed:
                self._pending = True
                os.write(self._writer, b"\0")

    def __len__(self) -> int:
        return len(self._items)

    def take(self) -> list[T]:
        """Everything that is there; the receiver's thread."""
        with self._lock:
            if self._pending:
                os.read(self._reader, 16)
                self._pending = False
        return [self._items.popleft() for _ in range(len(self._items))]

    def close(self) -> None:
        """No more wake-ups; what is put from now on is lost."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._reader)
                os.close(self._writer)
