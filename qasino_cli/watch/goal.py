"""`--until`, `--while`, `--for`: whether a watch has come to its end. Pure.

    --until X   ends well once X has held for N generations in a row
    --while X   ends well once X has not held for N generations in a row

What is unknown counts for neither: it breaks the row of generations, since a host that is dead
must not read as one that is well.
"""

from __future__ import annotations

import msgspec

from qasino_cli.watch.query import Update


class Goal(msgspec.Struct):
    """What is waited for."""

    wanted: bool
    """True for --until, False for --while."""
    generations: int = 1
    in_a_row: int = 0
    _last_number: int | None = None

    def reached(self, update: Update) -> bool:
        """Take an update in; whether it is the one that was waited for."""
        if update.unknown is not None or update.holds is None:
            self.in_a_row = 0
            return False
        number = None if update.result is None else update.result.generation_number
        if number == self._last_number and self.in_a_row:
            return False  # asked again within a generation: that is no second one
        self._last_number = number
        self.in_a_row = self.in_a_row + 1 if update.holds == self.wanted else 0
        return self.in_a_row >= self.generations
