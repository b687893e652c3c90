"""Which rows a filter lets through: text, /regex/, !not. Bounded in time, for the main thread.

`re` tries as many ways as a pattern has, 2**60 for /(x+)+y/ over 60 x, and no other thread runs
meanwhile: keys and signals would wait for it. But it looks for signals itself, so an alarm ends it.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import Any

from qasino_cli.cells import shown_cell
from qasino_cli.watch.diff import RowState

SEARCH_S = 1.0
"""All rows together may take a pattern so long; text is found in time that grows with the rows."""
AGAIN_S = 30.0
"""After so long one that took longer is tried again: other rows may have come."""


class _TooLong(Exception):
    """The alarm."""


class _Filter:
    def __init__(self, wanted: str) -> None:
        self._negated = wanted.startswith("!")
        self._text = wanted.removeprefix("!").lower()
        self._pattern = _pattern(wanted.removeprefix("!"))
        self.slow_until = 0.0
        self._rows: Sequence[RowState] = ()
        self._passed: list[RowState] = []

    def passing(self, rows: Sequence[RowState]) -> list[RowState]:
        """Sought once, however often the same rows are drawn."""
        if rows is not self._rows:
            with nullcontext() if self._pattern is None else _alarm():
                passed = [row for row in rows if self._passes(row)]
            self._rows, self._passed = rows, passed
        return list(self._passed)

    def _passes(self, row: RowState) -> bool:
        text = "\t".join(map(shown_cell, row.cells))
        if self._pattern is None:
            found = self._text in text.lower()
        else:
            found = self._pattern.search(text) is not None
        return found != self._negated


def passing(wanted: str, rows: Sequence[RowState]) -> list[RowState]:
    """The rows that a filter lets through; all, where it takes too long."""
    chosen = _filter(wanted)
    if not wanted.removeprefix("!") or time.monotonic() < chosen.slow_until:
        return list(rows)
    try:
        return chosen.passing(rows)
    except _TooLong:
        chosen.slow_until = time.monotonic() + AGAIN_S
        return list(rows)


def took_too_long(wanted: str) -> bool:
    """Whether the rows are not filtered, since that takes too long."""
    return time.monotonic() < _filter(wanted).slow_until


@lru_cache(maxsize=1)
def _filter(wanted: str) -> _Filter:
    return _Filter(wanted)


def _pattern(wanted: str) -> re.Pattern[str] | None:
    """What stands between slashes; None for text, as which a broken pattern counts too."""
    found = re.fullmatch(r"/(.*?)/?", wanted)
    if found is None:
        return None
    try:
        return re.compile(found[1], re.IGNORECASE)
    except re.error:
        return None


@contextmanager
def _alarm() -> Iterator[None]:
    """Raises _TooLong in the block once its time is up."""
    before = signal.signal(signal.SIGALRM, _ring)
    timer = signal.setitimer(signal.ITIMER_REAL, SEARCH_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, before)


def _ring(*_: Any) -> None:
    raise _TooLong
