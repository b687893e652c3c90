"""Which results are of a server that may have begun anew. Pure.

It does not know who used to report, so nobody is missing, and in its first generation not all have
reported: rows that are not there have not gone, and `empty` is no all-clear.
"""

from __future__ import annotations

import msgspec

from qasino_cli.watch.query import Update

ANEW = "anew: the first generation since there was no answer"


class Anew:
    """Follows the answers of one server. Belongs to one thread."""

    def __init__(self) -> None:
        self._away = False
        """Whether there was no answer lately, or one of a server's own first snapshot."""
        self._last_number: int | None = None
        self._first_number: int | None = None
        """The generation that is not believed."""

    def judged(self, update: Update) -> Update:
        """The update, unknown where it is of the first generation after an outage.

        The generation that was there before it is none: the server has lived on. A snapshot with
        the number 0 is a server's own, in which nobody can have reported.
        """
        if update.result is None:
            lives_on = update.unknown is None or update.refused_by
            # Its own first snapshot is news only of another server than answered before.
            is_first = update.refused_by == 0 and self._last_number is None
            self._away = self._away or not (lives_on or is_first)
            return update
        number, last = update.result.generation_number, self._last_number
        self._last_number = number
        if number == 0 and last:
            self._away = True
        if self._away and number != last:
            self._first_number = number
        if number:
            self._away = False
        if number != self._first_number:
            return update
        return msgspec.structs.replace(update, unknown=update.unknown or ANEW, holds=None)
