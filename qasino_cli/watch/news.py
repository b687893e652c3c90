"""What is news to the command of `--on-change`: changes since what it was told last. Pure.

Somebody is paged by it, so:

- a row that is there is told of at once, new or changed, with why it is not to be believed where
  it is not: an alert must not wait for as long as some other host is missing;
- a row that is not there has gone only where that is known. While sources are missing, the server
  has cut the result, or there was no answer (a server that begins anew does not know who is
  missing, and not all have reported in its first generation), it counts as there, as it was told
  last;
- the first result that is believed again is compared with that: what has gone meanwhile is told,
  what is as it was is not told again;
- the first result of a statement is no change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from qasino_cli.errors import UsageFault
from qasino_cli.sql.table_view import cut_note
from qasino_cli.watch.diff import Picture, RowState, choose_key, compare, differs, folded
from qasino_cli.watch.query import Update
from qasino_server.table import Result

MAX_HELD = 100_000
"""So many rows at most are remembered that are not there and not known to have gone; those longest
away are forgotten. A result has so many (--max-rows), and a host may be missing for a day."""


class News:
    """Compares each update with what was told before. Belongs to one thread."""

    def __init__(self, wanted_key: Sequence[str]) -> None:
        self._wanted_key = wanted_key
        self._sql = ""
        self._told: Picture | None = None

    def of(self, update: Update) -> Picture:
        """The changes to tell; an empty picture where there are none."""
        result = update.result
        before = self._told if update.sql == self._sql else None
        if result is None or (before is not None and not differs(before, result)):
            return Picture()
        try:
            choose_key(result.column_names, (), self._wanted_key)
        except UsageFault:  # no column of --key is there: who shows the rows says so
            return Picture()
        if before is not None:
            result = _widened(result, before)
        found = compare(before, result, self._wanted_key)
        found = msgspec.structs.replace(found, unknown=update.unknown or cut_note(result))
        self._sql, self._told = update.sql, _as_known(found)
        return found


def _widened(now: Result, before: Picture) -> Result:
    """With the columns in which rows had something and which no longer are there: a column goes
    with the last who reports it, and what a row had in it is a change, or is held."""
    there = set(folded(now.column_names))
    left = [
        n
        for n, name in enumerate(folded(before.names))
        if name not in there and any(row.cells[n] is not None for row in before.rows)
    ]
    if not left:
        return now
    return msgspec.structs.replace(
        now,
        column_names=(*now.column_names, *(before.names[n] for n in left)),
        rows=[(*row, *(None for _ in left)) for row in now.rows],
    )


def _as_known(found: Picture) -> Picture:
    """The rows that are there, and behind them those that may be."""
    present = [row for row in found.rows if row.status != "gone"]
    held = islice(_held(found), MAX_HELD)
    return msgspec.structs.replace(found, rows=(*present, *held))


def _held(found: Picture) -> Iterator[RowState]:
    """Rows that are not known to have gone, those first that were there last."""
    if found.unknown is not None:
        for row in found.rows:
            if row.status == "gone":
                yield msgspec.structs.replace(row, status="same")
