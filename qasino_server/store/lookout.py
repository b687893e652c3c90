"""A look into the open generation, for `use_write_db`.

The file is whole between two transactions, so it can be read then as if it were sealed, on a
connection and in a thread of its own; the writer waits LOOK_S at most. A statement that
ignores its interrupt reads on while the file changes under it: what it finds is thrown away.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress

import apsw

from qasino_server.database.answer import Limits
from qasino_server.database.snapshot import Overlay, Place, SnapshotConnection
from qasino_server.database.words import says_prev_is_not_there
from qasino_server.errors import Busy, QasinoError, QueryTimeout, ServerFault, SqlError
from qasino_server.store.job import Job
from qasino_server.table import Result

log = logging.getLogger("qasino.store")

LOOK_S = 1.0
"""How long a look may keep publications waiting."""
DEAF_MAX = 4
"""Lookers that do not hear, before nobody may look until one has ended."""
_LISTEN_S = 0.02
"""How often it is seen whether who asked still wants it."""
_GRACE_S = 0.1


class Lookout:
    """Where looks are taken from; used by the writer's thread alone."""

    def __init__(self, limits: Limits, max_value_bytes: int) -> None:
        self._limits = limits
        self._max_value_bytes = max_value_bytes
        self._deaf: list[threading.Thread] = []

    def look(self, job: Job, place: Place, overlay: Overlay) -> Result | QasinoError:
        """Run the job on the open generation's file; the outcome, after LOOK_S at most, and before
        that where it was cancelled or its own time is up.

        Between two transactions only.
        """
        self._deaf = [thread for thread in self._deaf if thread.is_alive()]
        if len(self._deaf) >= DEAF_MAX:
            return Busy("busy: queries that do not end still look into the open generation")
        looker = _Looker(job, place, overlay, self._limits, self._max_value_bytes)
        looker.start()
        ends = time.monotonic() + LOOK_S
        while not looker.ended.wait(_LISTEN_S):
            _see_whether_it_may_go_on(job, ends)
            if job.stop_reason is not None:
                self._end(looker, job)
                break
        return job.stop_reason or _hinted(looker.outcome) or job.timed_out()

    def _end(self, looker: _Looker, job: Job) -> None:
        looker.interrupt()
        if not looker.ended.wait(_GRACE_S):
            log.warning("a look does not hear its interrupt: %s", job.sql[:200])
            self._deaf.append(looker)


def _see_whether_it_may_go_on(job: Job, ends: float) -> None:
    """Stop it where its time is up, on the monotonic clock."""
    now = time.monotonic()
    if now > job.deadline:
        job.stop(job.timed_out())
    elif now > ends:
        sentence = f"the query did not end within the {LOOK_S:g} s that use_write_db gives it"
        job.stop(QueryTimeout(sentence))


def _hinted(outcome: Result | QasinoError | None) -> Result | QasinoError | None:
    """The outcome, with a hint where something was looked for that only the snapshot has."""
    if isinstance(outcome, SqlError) and outcome.sentence.startswith(_NO_OWN_TABLE):
        outcome.hint = f"{_HAS_NOT} tables of the server's own yet; {_ASK}"
    elif isinstance(outcome, SqlError) and says_prev_is_not_there(outcome.sentence):
        outcome.hint = f"{_HAS_NOT} prev beside it; {_ASK}"
    return outcome


_NO_OWN_TABLE = ("no such table: qasino_server_", "no such table: main.qasino_server_")
_HAS_NOT = "the generation being collected has no"
_ASK = "ask the snapshot, without use_write_db"


class _Looker(threading.Thread):
    """A short-lived thread that looks for one query."""

    def __init__(
        self, job: Job, place: Place, overlay: Overlay, limits: Limits, max_value_bytes: int
    ) -> None:
        super().__init__(name="looker", daemon=True)
        self._job = job
        self._place = place
        self._overlay = overlay
        self._limits = limits
        self._max_value_bytes = max_value_bytes
        self._on: SnapshotConnection | None = None
        self.outcome: Result | QasinoError | None = None
        self.ended = threading.Event()

    def interrupt(self) -> None:
        """Stop the statement; the writer's thread."""
        on = self._on
        if on is not None:
            with suppress(apsw.ConnectionClosedError):  # it has ended by itself meanwhile
                on.connection.interrupt()

    def run(self) -> None:
        """Open, answer, close."""
        started = time.perf_counter()
        try:
            self._on = SnapshotConnection(self._place, self._overlay, self._max_value_bytes)
            outcome = self._job.run(self._on, self._limits)
            if isinstance(outcome, Result):
                number = int(self._place.snapshot.path.stem)
                outcome = outcome.signed(number, max(0.0, time.time() - number), started)
            self.outcome = outcome
        except apsw.Error as error:
            self.outcome = ServerFault(f"the open generation cannot be read now: {error}")
        except Exception:
            # As in a reader: without an outcome it would be told that its time was up.
            self.outcome = self._job.failed()
        finally:
            self.ended.set()
            if self._on is not None:
                self._on.close()
