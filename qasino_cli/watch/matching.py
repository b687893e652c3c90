"""Which rows a filter lets through: text, /regex/, !not. Bounded in time, for the main thread.

`re` tries as many ways as a pattern has, 2**60 for /(x+)+y/ over 60 x, and no other thread runs
meanwhile: keys and signals would wait for it. But it looks for signals itself, so an alarm ends it.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from qasino_cli.watch.diff import RowState

SEARCH_S = 0.3
"""All rows together may take so long."""
AGAIN_S = 30.0
"""After so long one that took longer is tried again: other rows may have come."""


class _TooLong(Exception):
    """The alarm."""


class _Filter:
    def __init__(self, wanted: str) -> None:
        self._negated = wanted.startswith("!")
        self._found = _finder(wanted.removeprefix("!"))
        self.slow_until = 0.0

    def passes(self, row: RowState) -> bool:
        text = "\t".join("" if cell is None else str(cell) for cell in row.cells)
        return self._found(text) != self._negated


def passing(wanted: str, rows: Sequence[RowState]) -> list[RowState]:
    """The rows that a filter lets through; all, where it takes too long."""
    chosen = _filter(wanted)
    if not wanted.removeprefix("!") or time.monotonic() < chosen.slow_until:
        return list(rows)
    try:
        with _alarm():
            return [row for row in rows if chosen.passes(row)]
    except _TooLong:
        chosen.slow_until = time.monotonic() + AGAIN_S
        return list(rows)


def took_too_long(wanted: str) -> bool:
    """Whether the rows are not filtered, since that takes too long."""
    return time.monotonic() < _filter(wanted).slow_until


@lru_cache(maxsize=1)
def _filter(wanted: str) -> _Filter:
    return _Filter(wanted)


def _finder(wanted: str) -> Callable[[str], bool]:
    found = re.fullmatch(r"/(.*?)/?", wanted)
    if found is not None:
        try:
            pattern = re.compile(found[1], re.IGNORECASE)
        except re.error:
            pass  # then it is text, slashes and all
        else:
            return lambda text: pattern.search(text) is not None
    lower = wanted.lower()
    return lambda text: lower in text.lower()


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
