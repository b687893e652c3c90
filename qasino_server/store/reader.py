"""One reader: a thread with one connection to the current snapshot, which answers queries.

It runs one query at a time; a query that began on a snapshot ends on it. Which query is next
is its owner's business (`readers`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

import apsw

from qasino_server.database.answer import Limits
from qasino_server.database.snapshot import Overlay, Snapshot, SnapshotConnection
from qasino_server.errors import Cancelled, QasinoError, ServerFault
from qasino_server.interpreter import step_back
from qasino_server.service import OnDeath, Service
from qasino_server.store.job import Job
from qasino_server.store.memo import Memo
from qasino_server.store.spill import written_bytes
from qasino_server.table import Result
from qasino_server.wakeup import Bells

SOON_S = 0.005
"""A reader that took a query so short a time ago is about to come for the next."""
_HELD_S = 0.001
"""How long answers may wait for the query after them."""


class Owner(Protocol):
    """Who gives a reader its queries."""

    lock: threading.Condition
    memo: Memo

    def next_job(self, reader: Reader) -> Job | None:
        """A job this reader may take now, or None."""

    def wait_for_job(self, reader: Reader) -> Job | None:
        """Sleep until there may be a job for this reader; None when it should look around."""

    def unpin(self, job: Job) -> tuple[SnapshotConnection, Snapshot] | None:
        """What the job began on, if it has to go on with that; under the lock."""

    def job_done(self, reader: Reader, job: Job, outcome: Result | QasinoError) -> None:
        """The reader is free again."""


class Reader(Service):
    """One thread with one connection."""

    def __init__(
        self,
        owner: Owner,
        current: Callable[[], Snapshot],
        overlay: Callable[[float], Overlay],
        limits: Limits,
        express: bool,
        on_death: OnDeath,
    ) -> None:
        super().__init__("reader-express" if express else "reader", on_death)
        self._owner = owner
        self._current = current
        self._overlay = overlay
        self._limits = limits
        self._snapshot: Snapshot | None = None
        self._on: SnapshotConnection | None = None
        self._interrupted_at: float | None = None
        self._written_before: tuple[object, int] | None = None
        """The attempt that was seen last, and what this thread had written by then."""
        self.express = express
        self.job: Job | None = None
        self.awake = False
        """It has a job or looks for one."""
        self.bells = Bells()
        """Whom it has answers for, until it has nothing more at hand."""
        self.retiring = False
        """It ends with its query: another has taken its place already."""

    # --- Under the readers' lock, any thread --------------------------------------------------

    def comes_soon(self, now: float) -> bool:
        """Whether it is about to look for a job, any it may have."""
        if not self.awake or self.express or self.retiring:
            return False
        job = self.job
        if job is None:
            return True
        return not job.known_slow and now < (job.running_since or 0.0) + SOON_S

    def is_held_up(self, now: float) -> bool:
        """Whether others wait for answers it has while it goes on with a job."""
        job = self.job
        return bool(self.bells) and job is not None and now > (job.running_since or now) + _HELD_S

    def is_behind(self) -> bool:
        """Whether it holds a connection to a snapshot that has been replaced."""
        return self._snapshot is not None and self._snapshot is not self._current()

    def interrupt(self) -> None:
        """Stop the statement that runs, if one does."""
        if self.job is None or self._on is None:
            return
        if self._interrupted_at is None:
            self._interrupted_at = time.monotonic()
        self._on.connection.interrupt()

    def overdue(self, now: float, grace_s: float) -> bool:
        """Whether it was interrupted more than `grace_s` ago and still runs."""
        return self._interrupted_at is not None and now > self._interrupted_at + grace_s

    def temp_bytes(self) -> int:
        """What the job has written to temporary files since the warden saw it first.

        A reader writes nothing else then: answers go out by other threads, and restoring the
        snapshot before is no part of an attempt.
        """
        attempt = None if self.job is None else self.job.attempt
        if attempt is None or self.native_id is None:
            return 0
        written = written_bytes(self.native_id)
        if self._written_before is None or self._written_before[0] is not attempt:
            self._written_before = (attempt, written)
        return written - self._written_before[1]

    def forget_interrupt(self) -> None:
        """The query may go on, if it did not hear."""
        self._interrupted_at = None

    def hand_over(self) -> tuple[SnapshotConnection, Snapshot] | None:
        """Part with the connection, for the job to go on with elsewhere."""
        on, snapshot = self._on, self._snapshot
        self._on, self._snapshot = None, None
        return (on, snapshot) if on is not None and snapshot is not None else None

    # --- The reader's thread ------------------------------------------------------------------

    def run(self) -> None:
        """Take a job, answer it; between jobs follow the snapshot."""
        if not self.express:
            step_back()
        self.bells.carry()
        self.awake = True
        try:
            while not self.stopping.is_set():
                job = self._owner.next_job(self)
                if job is None:
                    self.bells.ring()
                    job = self._owner.wait_for_job(self)
                if job is None:
                    self._let_go_of_old()
                else:
                    if job.known_slow:
                        self.bells.ring()
                    self._serve(job)
        finally:
            self.bells.ring()
            self._close()

    def _serve(self, job: Job) -> None:
        started, used_s = time.perf_counter(), time.thread_time()
        outcome: Result | QasinoError
        try:
            on, snapshot = self._connection(job)
            job.generation_number = snapshot.number
            outcome = job.run(on, self._limits)
            if isinstance(outcome, Result):
                outcome = self._owner.memo.sign_and_keep(
                    job, outcome, snapshot, on.overlay_version, started
                )
        except apsw.InterruptError:
            self._close()  # it has some of its views: whoever goes on with the job needs them all
            outcome = job.stop_reason or Cancelled("the query was stopped")
        except Exception:
            # A reader must not die of one query: the others would wait for it for ever.
            outcome = job.failed()
        job.used_s = time.thread_time() - used_s
        self._owner.job_done(self, job, outcome)

    def _connection(self, job: Job) -> tuple[SnapshotConnection, Snapshot]:
        """The connection the job began on, or one to the current snapshot."""
        if job.pinned is not None:
            self._close()
            with self._owner.lock:
                taken = self._owner.unpin(job)
                if taken is not None:  # nobody has given the job up meanwhile
                    self._on, self._snapshot = taken
                    return taken
        overlay = self._overlay(job.asked_at)
        for _ in range(3):
            snapshot = self._current()
            try:
                if self._snapshot is not snapshot or self._on is None:
                    self._close()
                    on = snapshot.take_connection() or snapshot.new_connection(overlay)
                    with self._owner.lock:
                        self._on, self._snapshot = on, snapshot
                self._on.apply(overlay)
                return self._on, snapshot
            except apsw.CantOpenError:
                continue  # two rotations went by since we looked
        raise ServerFault("the snapshot cannot be opened")

    def _let_go_of_old(self) -> None:
        if self.is_behind():
            self._close()

    def _close(self) -> None:
        with self._owner.lock:
            on, self._on, self._snapshot = self._on, None, None
        if on is not None:
            on.close()
