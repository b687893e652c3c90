"""Queries answered at once, by the thread that received them.

Handing a query to a reader and its answer back takes longer than a brief query does. So a port
that has handed in what arrived tries what is new and short by itself, on a connection kept for
that, under bounds of which the smallest counts: steps of SQLite's machine, time, rows, the size
of a value. Only what those bounds hold is tried: statements whose functions take no longer than
reading their arguments, of tables in memory. Whatever goes wrong or takes longer has not
happened: a reader begins it anew, and gives the answer or the error. Some work SQLite does
without asking (it writes out each `*` of wide tables): whoever has it do that waits for a reader
from then on, until the next snapshot.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable

import apsw

from qasino_server.database.answer import Limits
from qasino_server.database.examine import begin_anew
from qasino_server.database.snapshot import Overlay, Snapshot, SnapshotConnection
from qasino_server.errors import QasinoError
from qasino_server.store.job import Job
from qasino_server.store.memo import Memo
from qasino_server.table import Result

log = logging.getLogger("qasino.store")

BRIEF_SQL_CHARS = 2000
_ROWS_MAX = 99
"""Of more SQLite builds the JSON, and does so without the GIL (`answer`)."""
_BYTES_MAX = 65_536
_STEPS = 250
"""Of SQLite's machine, between two looks at the clock; each may take 50 us with large values."""
_TICKS_MAX = 200
"""So many times those steps; 1 to 2 ms."""
_TIME_S = 0.005
_WORTH_S = 0.001
"""Of processor time: what was interrupted with less has waited for others, and may be brief."""
_LONG_S = 0.02
"""Of processor time: what took that got around the bounds."""
_STARS_MAX = 8
_SHAPES_MAX = 1_000
_LITERALS = re.compile(r"'[^']*'|\d+")


class _NotBrief(Exception):
    """A reader has to do it."""


class _Large(_NotBrief):
    """Its answer is more than is built here, row by row."""


class AtOnce:
    """One connection for whoever receives; one thread at a time, and none waits for another."""

    def __init__(
        self,
        current: Callable[[], Snapshot],
        overlay: Callable[[float], Overlay],
        limits: Limits,
        memo: Memo,
    ) -> None:
        self._current = current
        self._overlay = overlay
        self._memo = memo
        self._limits = Limits(min(limits.max_rows, _ROWS_MAX), min(limits.max_bytes, _BYTES_MAX))
        self.chair = threading.Lock()
        """Whoever holds it may `answer`."""
        self._on: SnapshotConnection | None = None
        self._snapshot: Snapshot | None = None
        self._ticks = 0
        self._until_s = 0.0
        self._used_s = 0.0
        """The thread's processor time when it began."""
        self._late = False
        """Whether it was interrupted by the clock."""
        self._long_shapes: dict[str, bool] = {}
        """Statements without their numbers and texts that a reader had to do, and whether that
        was for their large answers."""
        self._long_askers: set[str] = set()
        """Who got around the bounds, since the snapshot."""

    def may_try(self, job: Job) -> bool:
        """Whether the job looks brief; any thread."""
        return (
            job.request.stream is None
            and len(job.sql) <= BRIEF_SQL_CHARS
            and job.sql.count("*") <= _STARS_MAX
            and job.asker not in self._long_askers
            and not (self._long_shapes and _shape(job.sql) in self._long_shapes)
        )

    def gave_much(self, sql: str) -> bool:
        """Whether a statement of that form had a large answer, of this snapshot; any thread."""
        return bool(self._long_shapes) and self._long_shapes.get(_shape(sql), False)

    def turn_over(self) -> None:
        """There is a new snapshot: let go of the old one, and of what is known of it."""
        with self.chair:
            self._close()
            self._long_shapes.clear()
            self._long_askers.clear()

    # --- For who holds the chair --------------------------------------------------------------

    def answer(self, job: Job) -> Result | None:
        """The answer; None where a reader has to give it."""
        self._used_s = time.thread_time()
        try:
            return self._answer(job)
        finally:
            if time.thread_time() > self._used_s + _LONG_S:
                self._long_askers.add(job.asker)

    def _answer(self, job: Job) -> Result | None:
        started_s = time.perf_counter()
        self._ticks, self._until_s, self._late = 0, started_s + _TIME_S, False
        try:
            found = self._connection(job)
            if found is None:
                return None
            on, snapshot = found
            result = self._run(job, on)
        except (_NotBrief, QasinoError, apsw.Error, MemoryError) as error:
            if not self._late or time.thread_time() > self._used_s + _WORTH_S:
                self._remember(_shape(job.sql), isinstance(error, _Large))
            return None
        except Exception:
            # One query must not end a port that serves everybody: a reader may do better.
            log.exception("query failed at once: %s", job.sql[:1000])
            return None
        return self._memo.sign_and_keep(job, result, snapshot, on.overlay_version, started_s)

    def _run(self, job: Job, on: SnapshotConnection) -> Result:
        def may_run() -> None:
            if not on.sandbox.brief or job.stop_reason is not None:
                raise _NotBrief

        select = job.select
        examined, begun = begin_anew(on, select.sql, select.bindings, may_run)
        result = job.result_of(on, examined, self._limits, begun)
        if result.truncated:
            raise _Large
        return result

    def _connection(self, job: Job) -> tuple[SnapshotConnection, Snapshot] | None:
        """To the current snapshot, in the overlay that is in force; None where it is not there."""
        snapshot = self._current()
        if self._snapshot is not snapshot:
            self._close()
            self._on, self._snapshot = snapshot.take_brief_connection(), snapshot
            if self._on is not None:
                self._on.connection.set_progress_handler(self._tick, _STEPS)
        if self._on is None or self._on.overlay_version != self._overlay(job.asked_at).version:
            return None
        return self._on, snapshot

    def _tick(self) -> bool:
        """Whether to interrupt; SQLite asks now and then, while it prepares too."""
        self._ticks += 1
        self._late = time.perf_counter() > self._until_s
        return self._late or self._ticks > _TICKS_MAX

    def _remember(self, shape: str, large: bool) -> None:
        if len(self._long_shapes) >= _SHAPES_MAX:
            self._long_shapes.clear()
        self._long_shapes[shape] = large

    def _close(self) -> None:
        on, self._on, self._snapshot = self._on, None, None
        if on is not None:
            on.close()


def _shape(sql: str) -> str:
    """The statement without its numbers and texts."""
    return _LITERALS.sub("?", sql)
