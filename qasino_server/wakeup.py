"""Waking threads that sleep: once for many things, and when the waker is done with its own.

Waking a thread is what costs, not handing things over (DESIGN.md): the woken one wants the
GIL at once, and two threads that take it from each other get half as much done. So a thread
that hands over many things in a row carries the bells it would have to ring (`Bells`) and
rings each of them once, when it has nothing more at hand. A thread that receives goes a step
further (`Turn`): what is done as fast as handed over is a chore, which it does itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from qasino_server.way import make_way, turn_is_over

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
        self._made_way_s = make_way(self._made_way_s)
        try:
            left = self._end(nr_answers)
            if self._at_end is not None:
                self._at_end()
            return left
        except BaseException:
            self._come_again()
            raise
        finally:
            turn_is_over()

    def rested(self) -> None:
        """The time that `on_rest` was told is over."""
        if self._rests:
            self._rests = False
            self.end()

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
