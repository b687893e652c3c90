"""`--until`, `--while`, `--for`: whether a watch has come to its end. Pure.

    --until X   ends well once X has held for N generations in a row
    --while X   ends well once X has not held for N generations in a row

What is unknown counts for neither: it breaks the row of generations, since a host that is dead
must not read as one that is well. So does a generation that was not seen, as by a machine that
slept. Who asks less often than once a generation counts the answers instead.

A watch that gives up tells what is unknown from what is known not to hold: a check in a script
would take "nobody knows" for "no alarm".
"""

from __future__ import annotations

import msgspec

from qasino_cli.errors import Unreachable
from qasino_cli.watch.query import Update

TOLERANCE = 1.5
"""Two numbers further apart than so many generations have another between them."""
ASKED_LATE = 1.1
"""So many times longer than planned it may take from one question to the next."""


class Goal(msgspec.Struct):
    """What is waited for."""

    wanted: bool
    """True for --until, False for --while."""
    generations: int = 1
    interval_s: float = 0.0
    """Asked so often, on purpose; 0 is once a generation."""
    in_a_row: int = 0
    _last_number: int | None = None
    _answered: bool = False
    """Whether any update was an answer of the server's."""
    _newest: Update | None = None

    def reached(self, update: Update) -> bool:
        """Take an update in; whether it is the one that was waited for."""
        self._answered = self._answered or update.lost is None
        self._newest = update
        if update.unknown is not None or update.holds is None:
            self.in_a_row = 0
            return False
        assert update.result is not None  # a condition holds of rows
        last, self._last_number = self._last_number, update.result.generation_number
        if update.holds != self.wanted:
            self.in_a_row = 0
        elif last != self._last_number or not self.in_a_row:  # else it is no second generation
            unbroken = last is not None and self._follows(last, update.duration_s)
            self.in_a_row = self.in_a_row + 1 if unbroken else 1
        return self.in_a_row >= self.generations

    def given_up(self, silent: str) -> str | None:
        """What to say where it was not reached: that it is unknown, and why; None where it is known
        not to be.

        Raises Unreachable where the server never answered; `silent` says so where none of its
        answers was waited for to its end.
        """
        newest = self._newest
        if not self._answered:
            raise Unreachable(silent if newest is None or newest.lost is None else newest.lost)
        if newest is None or newest.unknown is None:
            return None
        return f"given up while unknown: {newest.unknown}"

    def _follows(self, last: int, duration_s: float) -> bool:
        """Whether nothing was missed since that number, which a new server begins anew."""
        assert self._last_number is not None
        most_s = TOLERANCE * duration_s
        if self.interval_s >= duration_s:  # the first may have been a generation old by then
            most_s = ASKED_LATE * (self.interval_s + duration_s)
        return 0 < self._last_number - last <= most_s
