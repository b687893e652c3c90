"""Which query is answered when, and by which reader.

Rules of this file:
1. A reader runs one query at a time on a connection of its own to the current snapshot; a
   query that began on a snapshot ends on it.
2. Slow queries may hold all readers but one. The last, the express, takes only queries that
   were not slow yet; one that takes longer there than EXPRESS_S (EXPRESS_CROWDED_S while
   others wait behind it) is interrupted and waits for another reader, where it begins anew
   on the same connection (nothing of it has been sent: streams never ride the express). Where
   PINNED_MAX wait so, the next begins anew on the snapshot of the time when it is its turn:
   each would hold four descriptors, and perhaps a generation that nobody else needs. So does one
   that still waits for the snapshot before, which may be gone when it is its turn.
3. An interrupt is sent only under the lock that assigns queries, and only to the reader that
   still has that query: a late one would hit the next.
4. Nobody (a user, or an address where there are no users) holds more than half of the readers,
   and those who wait are taken in turns. The express serves everybody: who has used up their
   half can still ask what is quick. The more wait for it, the shorter a query may keep it; and
   SHOW and DESC go before everything else, whoever asks, to the first reader that is free.
5. A reader that is between two queries, or took its last a moment ago (SOON_S), comes for the
   next by itself: nobody else is woken then, since two readers that take the GIL from each
   other answer fewer small queries than one. Where one is counted on, the warden looks every
   millisecond whether it has come; where not, it calls another.
6. A query that ignores its interrupt for GIVE_UP_S (one long call inside SQLite) is answered
   all the same. Its reader is given up, at most GIVEN_UP_MAX at a time, and a new one starts.
   Where it is the express that does not hear, a new express starts and the query may go on
   until its time is up; if it hears after all, it begins anew as in rule 2.
7. What looks brief is first tried by the thread that received it (`at_once`), in the same
   turns; what is not after all waits for a reader then. No reader takes what waits for that.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from qasino_server.database.answer import Limits
from qasino_server.database.snapshot import Overlay, Snapshot, SnapshotConnection
from qasino_server.database.words import LacksPrev
from qasino_server.errors import Busy, Cancelled, QasinoError, Refused
from qasino_server.rights import ANYBODY, Rights
from qasino_server.service import OnDeath
from qasino_server.store.at_once import AtOnce
from qasino_server.store.crew import Crew
from qasino_server.store.job import Job
from qasino_server.store.memo import Memo
from qasino_server.store.reader import SOON_S, Reader
from qasino_server.store.roster import Roster
from qasino_server.store.tally import QueryCounts
from qasino_server.store.warden import Warden
from qasino_server.table import Result
from qasino_server.wakeup import ring, take_on

log = logging.getLogger("qasino.store")

EXPRESS_S = 1.0
EXPRESS_CROWDED_S = 0.1
_CROWD = 5
"""Five who wait behind the express leave a query half of that time, ten a third, and so on."""
GIVE_UP_S = 1.0
PINNED_MAX = 8
TURN_S = 0.002
"""How long a thread that receives answers queries before it looks at its sockets again."""
WORTH_S = 0.001
"""Of processor time: a statement that takes more is worth a second reader. On the clock it would
be known for the GIL it waited for."""
_KNOWN_SLOW = 1000
"""Statements remembered for having taken longer than that."""
_KNOWN_SLOW_CHARS = 2000


class Readers:
    """The reader threads, what waits for them, and what runs."""

    def __init__(
        self,
        current: Callable[[], Snapshot],
        overlay: Callable[[float], Overlay],
        limits: Limits,
        max_temp_bytes: int,
        counts: QueryCounts,
        on_death: OnDeath,
    ) -> None:
        self._current = current
        self._overlay = overlay
        self._limits = limits
        self._max_temp_bytes = max_temp_bytes
        self._on_death = on_death
        self._mutex = threading.RLock()
        """That of both conditions; taken by itself, at half the price, where nobody is woken."""
        self.lock = threading.Condition(self._mutex)
        self._express_bell = threading.Condition(self._mutex)
        self._called_at = 0.0
        """When a reader was woken that has not been seen since."""
        self._roster = Roster(counts)
        self._nr_pinned = 0
        """Jobs that wait with the connection they began on."""
        self._crew = Crew(self._new_reader)
        self._counts = counts
        self.memo = Memo()
        self._at_once = AtOnce(current, overlay, limits, self.memo)
        self._known_slow: dict[str, None] = {}
        self._warden = Warden(self, on_death)
        self._stopping = False

    # --- Life -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to answer."""
        with self.lock:
            self._crew.sign_on()
        for reader in self._crew:
            reader.start()
        self._warden.start()

    def _new_reader(self, express: bool) -> Reader:
        return Reader(self, self._current, self._overlay, self._limits, express, self._on_death)

    def stop(self) -> None:
        """Interrupt what runs, refuse what waits, let the threads go."""
        self._warden.stop()
        with self.lock:
            self._stopping = True
            waiting = self._roster.clear()
            for job in self._roster.jobs():  # those that run elsewhere, or are to, among them
                job.stop(Busy("the server is shutting down"))
            self._crew.dismiss()
            self._wake_all()
        for job in waiting:
            self.conclude(job, Busy("the server is shutting down"))

    def ended(self, timeout_s: float) -> bool:
        """Wait for the threads; True if all have ended."""
        ends = time.monotonic() + timeout_s
        threads = [self._warden, *self._crew]
        return all([t.join(max(0.0, ends - time.monotonic())) for t in threads])

    def join(self, timeout_s: float) -> bool:
        """The same, where no port asks any more: the connection of those that answer at once is
        closed, too."""
        ended = self.ended(timeout_s)
        self._at_once.turn_over()
        return ended

    def turn_over(self) -> None:
        """There is a new snapshot: idle readers let go of the old one now."""
        self._at_once.turn_over()
        with self.lock:
            for job in self._roster.brief.clear():
                self._put(job)  # who received it may have found the chair taken, by us
            self._wake_all()
            self._call_if_nobody_comes(time.monotonic())

    # --- Jobs -------------------------------------------------------------------------------

    def submit(self, job: Job) -> None:
        """Queue the job. Raises Busy, or Refused where its id is running already."""
        with self._mutex:
            self._counts.received += 1
            self._refuse_stopping()
            self._roster.check_room(job)
            self._roster.enter(job)
            brief = self._is_for_who_receives(job)
            if brief:
                self._roster.brief.put(job)
            else:
                self._put(job)
        if not brief:
            ring(self._call)

    def _is_for_who_receives(self, job: Job) -> bool:
        """Whether the calling thread is going to try it."""
        return (
            not job.select.own
            and job.sql not in self._known_slow
            and self._at_once.may_try(job)
            and take_on(self.lend_a_hand, before_others=True)
        )

    def _put(self, job: Job) -> None:
        job.large = self._at_once.gave_much(job.sql)
        self._roster.await_reader(job)

    def lend_a_hand(self) -> bool:
        """Answer some of what is brief, in the thread that received it; whether more is waiting."""
        if not self._at_once.chair.acquire(blocking=False):
            return False  # whoever is there looks again
        try:
            until = time.monotonic() + TURN_S
            while (job := self._next_brief()) is not None:
                outcome = self._at_once.answer(job)
                if outcome is None:
                    self._leave_to_a_reader(job)
                else:
                    self.conclude(job, outcome)
                if time.monotonic() > until:
                    break
        except Exception as error:
            # As where a reader dies of it: the HTTP port's loop would log it and go on.
            log.exception("answering failed")
            self._on_death("readers", error)
            return False
        finally:
            self._at_once.chair.release()
        return bool(self._roster.brief)

    def _next_brief(self) -> Job | None:
        with self._mutex:
            job = self._roster.brief.take()
            if job is not None:
                job.running_since = time.monotonic()
            return job

    def _leave_to_a_reader(self, job: Job) -> None:
        """It is not brief after all."""
        with self.lock:
            job.running_since = None
            gone = job.stop_reason
            if gone is None:
                self._put(job)
        if gone is not None:
            self.conclude(job, gone)
        else:
            ring(self._call)

    def _call(self) -> None:
        """See that somebody comes for what waits."""
        with self.lock:
            if self._roster.slow:
                self.lock.notify_all()
            self._call_if_nobody_comes(time.monotonic())

    def _call_if_nobody_comes(self, now: float) -> None:
        """Wake one reader for what is quick, the express where the others have to pass it by."""
        if not self._roster.nr_quick:
            return
        if self._somebody_comes(now):
            self._warden.watch()
            return
        if self._crew.somebody_sleeps() and self._others_may_take():
            self._called_at = now
            self.lock.notify()
        else:
            self._express_bell.notify()

    def _somebody_comes(self, now: float) -> bool:
        """Whether a reader that takes whatever it may is about to look for work."""
        called = now < self._called_at + SOON_S
        return called or self._crew.somebody_comes(now)

    def _others_may_take(self) -> bool:
        """Whether anything waits that readers other than the express may take."""
        roster = self._roster
        return bool(roster.own) or any(map(self._crew.may_have_one, roster.fresh.askers()))

    def look_after(self) -> bool:
        """Call a reader for what waits if none has come; whether anybody waits for anything."""
        now = time.monotonic()
        with self.lock:
            waiting = self.crowded
            self._call_if_nobody_comes(now)
            held_up = [reader.bells for reader in self._crew if reader.is_held_up(now)]
        for bells in held_up:
            bells.ring()
        return waiting or bool(held_up)

    def _refuse_stopping(self) -> None:
        """Raise Busy where no reader comes any more."""
        if self._stopping:
            self._counts.errors += 1
            raise Busy("the server is shutting down")

    def count_recalled(self, query_id: str | None) -> None:
        """Count a query that needed no reader. Raises Refused where its id is running."""
        with self._mutex:
            self._counts.received += 1
            self._roster.refuse_running(query_id)
            self._counts.completed += 1

    def register(self, job: Job) -> None:
        """Make a job known that is to run elsewhere, so that it can be listed and cancelled, and is
        told when its time is up, however long it waits there."""
        with self._mutex:
            self._counts.received += 1
            self._roster.enter(job)
            self._roster.elsewhere.put(job)

    def begins(self, job: Job) -> bool:
        """Whoever calls is about to run it there; False where it has been answered meanwhile."""
        with self._mutex:
            return self._roster.elsewhere.remove(job)

    def cancel(self, query_id: str, rights: Rights = ANYBODY) -> bool:
        """Stop the query of that id, running or waiting; False where there is none.

        Raises Forbidden where it is somebody else's.
        """
        with self.lock:
            job = self._roster.named(query_id)
            if job is None:
                return False
            if not rights.owns(job.request.rights.name):
                rights.require("admin", "end the queries of others")
            cancelled = Cancelled("the query was cancelled")
            job.stop(cancelled)
            waiting = self._roster.remove(job)
            self._crew.interrupt(job)
        if waiting:
            self.conclude(job, job.stop_reason or cancelled)
        return True

    def running(self) -> list[Job]:
        """The jobs that run or wait, the oldest first."""
        with self.lock:
            return self._roster.jobs()

    def conclude(self, job: Job, outcome: Result | QasinoError) -> None:
        """Answer a job, unless it has been answered."""
        with self._mutex:
            if job.finished:
                return
            job.finished = True
            self._roster.leave(job)
            if isinstance(outcome, Result):
                self._counts.completed += 1
            else:
                self._counts.errors += 1
            pinned = self.unpin(job)
        if pinned is not None:
            pinned[0].close()
        job.done(outcome)

    def unpin(self, job: Job) -> tuple[SnapshotConnection, Snapshot] | None:
        """What the job began on, for whoever goes on with it or closes it; under the lock."""
        pinned, job.pinned = job.pinned, None
        self._nr_pinned -= pinned is not None
        return pinned

    # --- For readers ------------------------------------------------------------------------

    def next_job(self, reader: Reader) -> Job | None:
        """A job this reader may take now, or None."""
        with self.lock:
            return None if reader.stopping.is_set() else self._assign(reader)

    def wait_for_job(self, reader: Reader) -> Job | None:
        """Sleep until there may be a job for this reader; None when it should look around."""
        with self.lock:
            if reader.stopping.is_set():
                return None
            job = self._assign(reader)
            if job is not None:
                return job
            if reader.is_behind():
                return None  # it was not asleep yet when it was told of the new snapshot
            reader.awake = False
            if not reader.express:
                self._called_at = 0.0  # this one has come
                self._call_if_nobody_comes(time.monotonic())  # it may be for the express alone
            (self._express_bell if reader.express else self.lock).wait()
            reader.awake = True
            return self._assign(reader)

    def _assign(self, reader: Reader) -> Job | None:
        job = self._take(reader)
        if job is not None:
            now = job.running_since = time.monotonic()
            job.known_slow = job.sql in self._known_slow
            reader.job = job
            if reader.bells:
                self._warden.watch()
            self._call_if_nobody_comes(now)
        return job

    def _take(self, reader: Reader) -> Job | None:
        roster = self._roster
        if (own := roster.own.take()) is not None:
            return own
        if reader.express:
            coming = self._somebody_comes(time.monotonic()) and self._others_may_take()
            return None if coming else roster.fresh.take()
        may_have_one = self._crew.may_have_one
        return roster.slow.take(may_have_one) or roster.fresh.take(may_have_one)

    def _wake_all(self) -> None:
        self.lock.notify_all()
        self._express_bell.notify_all()

    def job_done(self, reader: Reader, job: Job, outcome: Result | QasinoError) -> None:
        """The job is answered, or goes back to wait; then the reader is free again.

        Answering is part of the query: making a text table of it can take as long as SQLite did.
        """
        with self.lock:
            reader.forget_interrupt()
            failed = not isinstance(outcome, Result)
            # One that has been replaced was interrupted for that, and SQLite forgets nothing.
            moves = job.demoted or reader.retiring
            again = failed and moves and not job.finished and job.stop_reason is None
            if again:
                self._move(reader, job, may_pin=not isinstance(outcome, LacksPrev))
            elif failed:
                outcome = job.stop_reason or outcome  # it may have been stopped since it ended
        if not again:
            self.conclude(job, outcome)
        with self.lock:
            reader.forget_interrupt()
            self._note_pace(job)
            reader.job = None
            if reader.retiring:
                self._crew.retire(reader)
            if reader.stopping.is_set():
                self._call()  # what its asker may have now is for somebody else

    def _move(self, reader: Reader, job: Job, may_pin: bool) -> None:
        """Have the job wait for a reader that has time, with its connection where that may be."""
        if may_pin and self._nr_pinned < PINNED_MAX:
            job.pinned = reader.hand_over()
            self._nr_pinned += job.pinned is not None
        job.demoted, job.slow, job.running_since = False, True, None
        self._roster.slow.put(job)
        self.lock.notify_all()

    def _note_pace(self, job: Job) -> None:
        """Remember whether somebody else should come at once when this is asked again."""
        if job.used_s < WORTH_S:
            self._known_slow.pop(job.sql, None)
        elif len(job.sql) <= _KNOWN_SLOW_CHARS:
            if len(self._known_slow) >= _KNOWN_SLOW:
                self._known_slow.clear()
            self._known_slow[job.sql] = None

    # --- For the warden ---------------------------------------------------------------------

    def keep_time(self) -> None:
        """Interrupt, refuse and give up what is over its time."""
        now = time.monotonic()
        with self.lock:
            late = self._roster.take_overdue(now)
            for reader in list(self._crew):
                abandoned = self._keep_time_of(reader, now)
                if abandoned is not None:
                    late.append(abandoned)
        for job in late:
            self.conclude(job, job.stop_reason or job.timed_out())

    def _keep_time_of(self, reader: Reader, now: float) -> Job | None:
        """Look at one reader; the job it is given up with, if it is."""
        job = reader.job
        if job is None or job.running_since is None:
            return None
        if now > job.deadline:
            job.stop(job.timed_out())
        elif reader.temp_bytes() > self._max_temp_bytes:
            job.stop(
                Refused(
                    f"the query was stopped: it has written more than {self._max_temp_bytes:,}"
                    " bytes of temporary files (--max-temp)"
                )
            )
        elif reader.express and now > job.running_since + self._express_s():
            job.demoted = True
        if job.stop_reason is not None or job.demoted:
            reader.interrupt()
        if reader.overdue(now, GIVE_UP_S):
            if job.stop_reason is not None:
                return job if self._crew.give_up(reader) else None
            if self._crew.replace_express(reader):
                job.demoted = False
        return None

    def _express_s(self) -> float:
        waiting = self._roster.nr_quick
        return EXPRESS_CROWDED_S / (1 + waiting // _CROWD) if waiting else EXPRESS_S

    @property
    def crowded(self) -> bool:
        """Whether somebody waits behind the express."""
        return bool(self._roster.nr_quick)
