"""Who used to report a table and did not in this generation.

All in loops, between whose steps others get the GIL: operations on sets of 60,000 pairs are no
faster, and kept it for 35 ms at every rotation.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from itertools import islice
from typing import Any

from qasino_server.interpreter import empty
from qasino_server.store.ledger import Ledger, Pair


class Absence:
    """The pairs that are missing; noted by the thread that rotates, forgotten by the writer."""

    def __init__(self, forget_after_s: float, most: int) -> None:
        """`forget_after_s`: a pair that stays away longer is no longer missed.

        Of more than `most` that are missing, those that were missed first are forgotten.
        """
        self._forget_after_s = forget_after_s
        self._most = most
        self._lock = threading.Lock()
        self._before: dict[Pair, float] = {}
        self._missing: dict[Pair, tuple[str, float, int, float]] = {}
        """Pair -> table name, last update, generations missed, when that was noted first."""
        self._names: dict[str, str] = {}
        self._ended: dict[Pair, int] = {}
        """Whose rows were ended on purpose, and in which generation."""

    def note(self, ledger: Ledger, now: float) -> list[tuple[Any, ...]]:
        """Look at a finished generation; the rows of qasino_server_missing.

        `now` is on the monotonic clock: who is missed is not forgotten because the other was set.
        """
        with self._lock:
            return self._note(ledger, now)

    def _note(self, ledger: Ledger, now: float) -> list[tuple[Any, ...]]:
        present = ledger.sources
        missing_before = self._missing
        self._missing = {
            pair: (name, last, missed + 1, since)
            for pair, (name, last, missed, since) in missing_before.items()
            if pair not in present and now - since <= self._forget_after_s
        }
        for pair in [pair for pair in self._before if pair not in present]:
            self._missing[pair] = (self._names[pair[0]], self._before.pop(pair), 1, now)
        if len(self._missing) > self._most:
            kept = islice(self._missing.items(), len(self._missing) - self._most, None)
            self._missing = dict(kept)
        empty(missing_before)
        for pair, source in present.items():
            self._before[pair] = source.update_epoch
        # Of a generation that is collected already, while this one was being finished.
        self._ended = {pair: at for pair, at in self._ended.items() if at > ledger.number}
        for pair in self._ended:
            self._before.pop(pair, None)
        self._names = {key: table.name for key, table in ledger.tables.items()}
        return [
            (pair[1], name, round(last, 2), missed)
            for pair, (name, last, missed, _) in self._missing.items()
        ]

    def forget_table(self, table_key: str) -> None:
        """The table has become static, as one can that nobody has reported for a generation: nobody
        is missed for it."""
        with self._lock:
            self._forget([pair for pair in self._missing if pair[0] == table_key])

    def forget(self, pairs: Iterable[Pair], generation_number: int) -> None:
        """Their rows were ended on purpose, in that generation: they are not missed, the others of
        the table are."""
        with self._lock:
            self._forget(pairs)
            self._ended |= dict.fromkeys(pairs, generation_number)

    def _forget(self, pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            self._before.pop(pair, None)
            self._missing.pop(pair, None)
