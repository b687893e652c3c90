"""What is written: publications in batches, and the odd jobs between two batches.

One thread writes at a time, the one that is at the desk. Publications that are brief to store
are stored by the thread that received them, at the end of its turn, since handing them over
and back takes longer than storing them. All else is for the writer's own thread, which does,
in this order, whenever it is free:
1. An exchange of generations. It never stands in the queue behind publications; the longest
   it waits is one batch, and a batch is bounded in bytes, and in time where it updates.
2. A look into the open generation (`use_write_db`), 1 s at most.
3. What waits in the queue: a batch of live publications, or one static table or drop.
4. A portion of what is to be carried from the generation before.

Whoever hands something in gives a callable that gets the outcome; it runs at the desk, after
the commit, so it must only pass the outcome on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from itertools import compress
from pathlib import Path
from typing import TypeVar

import apsw

from qasino_server.database.generation import Generation
from qasino_server.database.room import Reserve
from qasino_server.errors import Busy, QasinoError, Refused, ServerFault
from qasino_server.quota import Quota
from qasino_server.service import OnDeath, Service
from qasino_server.statics import Statics
from qasino_server.store.arrivals import Arrivals
from qasino_server.store.batch import transact
from qasino_server.store.faults import disk_fault, no_room
from qasino_server.store.intake import Intake
from qasino_server.store.ledger import Ledger, Pair
from qasino_server.store.looks import Look, Looks
from qasino_server.store.names_taken import NamesTaken
from qasino_server.store.postponed import Drop, Dropped, Outcome, Postponed, Waiting
from qasino_server.table import Publication, Receipt
from qasino_server.wakeup import Bells

log = logging.getLogger("qasino.store")

_T = TypeVar("_T")

TURN_BYTES = 1 << 16
"""What another thread stores in one go, and the publication that goes beyond it; then it has
others to serve."""
STALL_S = 0.25
"""A turn that takes longer has met a disk that does not keep up, or a machine that does not: the
next ones are left to the writer's thread, and the ports go on, for STALLED_S."""
STALLED_S = 5.0
_DROP_BYTES = 500
_POSTPONED_AT_ONCE = 32
"""Of what waited for the rows of its pair, so that others get in between."""


class _Exchange:
    """A request for the next generation to take over, and the old one when it has."""

    def __init__(self, successor: Generation, number: int) -> None:
        self.successor = successor
        self.number = number
        self.done = threading.Event()
        self.retired: Intake | None = None


class Writer(Service):
    """Owns the open generation."""

    def __init__(
        self,
        first: Intake,
        statics: Statics,
        *,
        view_names: Callable[[], frozenset[str]],
        in_snapshot: Callable[[], frozenset[str]],
        max_waiting_bytes: int,
        quota: Quota,
        reserve: Reserve,
        settled: Callable[[Sequence[Waiting], Sequence[Outcome]], None],
        on_death: OnDeath,
    ) -> None:
        """`in_snapshot` gives the keys of the tables that queries see. `settled` hears of all
        publications, and what came of each, at the desk."""
        super().__init__("writer", on_death)
        self._quota = quota
        self._reserve = reserve
        reserve.collects(first.generation.path, None)
        self._intake = first
        self._names = NamesTaken(statics, in_snapshot)
        self._view_names = view_names
        self._logs_each = False
        """Whether each publication gets a line in the log."""
        self._settled = settled
        self._arrivals = arrivals = Arrivals(max_waiting_bytes, self.stopping, self.lend_a_hand)
        self._condition = arrivals.condition
        self.has_room, self.when_room = arrivals.has_room, arrivals.when_room
        """Ports ask before each body that they take."""
        self._desk = threading.Lock()
        """Whoever holds it is the one that writes."""
        self._stalled_until = 0.0
        self._exchange: _Exchange | None = None
        self._looks = Looks()
        self._source: Path | None = None
        self._waits_for = ""
        """Why what lives on cannot be carried, in the words of the log; '' while it can."""
        self._postponed = Postponed()
        self.carried = threading.Event()
        """Set while nothing is left to be carried into the open generation."""
        self.carried.set()

    # --- Any thread -------------------------------------------------------------------------

    def submit(self, publication: Publication, peer: str, done: Callable[[Outcome], None]) -> None:
        """Queue a publication that came from `peer`; `done` gets what comes of it.

        Raises Busy where as much waits as the server holds.
        """
        self._arrivals.put(Waiting(publication, peer, publication.size_bytes, done))

    def drop(
        self, tablename: str, identity: str | None, done: Callable[[Dropped | QasinoError], None]
    ) -> None:
        """Queue the end of a static or persistent table; `done` gets what was Dropped."""
        self._arrivals.put(Drop(_DROP_BYTES, tablename, identity, done))

    def lend_a_hand(self) -> bool:
        """Store some of what waits, in the thread that received it; whether more is waiting.

        What is not brief is left to the writer's own thread.
        """
        if not self._desk.acquire(blocking=False):
            return False  # whoever is there looks again
        try:
            helped = self._is_for_anybody()
            if helped:
                self._help()
        except Exception as error:
            log.exception("storing failed")
            self._on_death(self.name, error)
            return False
        finally:
            self._desk.release()
        arrivals = self._arrivals
        if arrivals.queue and not helped and arrivals.asleep:
            arrivals.wake()
        return helped and bool(arrivals.queue)

    @property
    def waiting_bytes(self) -> int:
        """What is accepted and not stored yet, near enough."""
        return self._arrivals.waiting_bytes

    def exchange(self, successor: Generation, number: int) -> Intake:
        """Let the successor take the publications from now on; the old generation."""
        request = _Exchange(successor, number)
        with self._condition:
            self._exchange = request
            self._condition.notify()
        while not request.done.wait(0.5):
            if self.stopping.is_set() and self.join(0):
                raise ServerFault("the writer has ended")
        assert request.retired is not None
        return request.retired

    def carry_from(self, sealed: Path) -> None:
        """The generation before is sealed: what is owed can be carried from its file."""
        with self._condition:
            self._source = sealed
            self._condition.notify()

    def look(self, call: Callable[[Path], None], asker: str = "") -> None:
        """Run `call` with the open generation's file, between two batches."""
        with self._condition:
            if self.stopping.is_set():
                raise Busy("the server is shutting down")
            self._looks.put(Look(asker, call))
            self._condition.notify()

    def wake(self) -> None:
        self._arrivals.wake()

    # --- The writer's thread ----------------------------------------------------------------

    def run(self) -> None:
        """Serve until stopped; what is queued then is still stored."""
        bells = Bells()
        bells.carry()
        while self._wait_for_work():
            with self._desk:
                self._work()
            bells.ring()
            if self._source is not None:
                with self._desk:
                    self._do_carry(self._source)
                bells.ring()
        with self._desk:
            self._end()
        bells.ring()

    def _work(self) -> None:
        if self._exchange is not None:
            self._do_exchange(self._exchange)
        elif self._look_is_due():
            self._do_look()
        if self._arrivals.queue:
            self._do_queue(self._arrivals.next_batch())
        self._arrivals.tell_of_room()

    def _wait_for_work(self) -> bool:
        """True once there is some, False where none is left and none will come."""
        with self._condition:
            while not self._has_work():
                if self.stopping.is_set():
                    return False
                self._arrivals.sleep(self._looks.due_in_s())
        return True

    def _do_look(self) -> None:
        with self._condition:
            look = self._looks.take()
        assert look is not None
        began = time.monotonic()
        look.call(self._intake.generation.path)
        kept_waiting = bool(self._arrivals.queue) or self._source is not None
        self._looks.ended(time.monotonic() - began, kept_waiting)

    def _look_is_due(self) -> bool:
        due_in_s = self._looks.due_in_s()
        return due_in_s is not None and (due_in_s == 0 or self.stopping.is_set())

    def _has_work(self) -> bool:
        due, arrivals = self._look_is_due(), self._arrivals
        has_news = arrivals.on_room and arrivals.has_room()
        ready = self._exchange is not None or due or arrivals.queue or has_news
        # What a generation was to carry ends with it; where it cannot be written now, a stop
        # would wait for that.
        carries = self._source is not None and not self.stopping.is_set()
        return bool(ready) or carries

    def _end(self) -> None:
        """Nobody who waits is left without an answer."""
        late = Busy("the server is shutting down; nothing was stored")
        while self._postponed:
            self._refuse_postponed(late)
        self._end_carrying()
        self._intake.generation.seal()

    # --- At the desk, the writer's thread or another ------------------------------------------

    def _is_for_anybody(self) -> bool:
        """Whether the next publication is brief, and the writer's thread wants nothing else."""
        queue = self._arrivals.queue
        return bool(
            queue
            and self._exchange is None
            and self._source is None
            and not self._looks
            and self._is_brief(queue[0])
            and time.monotonic() >= self._stalled_until
        )

    def _is_brief(self, item: Waiting | Drop) -> bool:
        return isinstance(item, Waiting) and self._intake.is_brief(item.publication)

    def _help(self) -> None:
        began = time.monotonic()
        self._do_queue(self._arrivals.next_batch(TURN_BYTES, self._intake.is_brief))
        self._arrivals.tell_of_room()
        ended = time.monotonic()
        if ended - began > STALL_S:
            self._stalled_until = ended + STALLED_S

    # Batches

    def _do_queue(self, batch: list[Waiting] | Drop) -> None:
        started = time.perf_counter()
        self._logs_each = log.isEnabledFor(logging.DEBUG)
        self._names.by_views = self._view_names()
        if isinstance(batch, Drop):
            if self._postponed.holds_some_of(batch.table_key):
                self._postpone([batch])
            else:
                self._do_drop(batch)
        elif batch[0].publication.static:
            self._do_static(batch, started)
        else:
            self._arrivals.put_back(self._store_batch(self._after_none(batch), started))

    def _after_none(self, batch: list[Waiting]) -> list[Waiting]:
        """Those that come after none that is postponed; the others are postponed as well."""
        if not self._postponed:
            return batch
        after = [self._postponed.holds(waiting.publication.pair) for waiting in batch]
        self._postpone(list(compress(batch, after)))
        return [waiting for waiting, is_after in zip(batch, after, strict=True) if not is_after]

    def _postpone(self, batch: Sequence[Waiting | Drop]) -> None:
        self._postponed.add(batch)
        self._arrivals.hold(batch)

    def _store_batch(self, batch: list[Waiting], started: float) -> list[Waiting]:
        """All in one transaction; where the disk fails it, each in its own. Those that there was
        no time for, which are to be the first of what waits again."""
        if not batch:
            return []
        if not self._reserve.can_store(sum([waiting.size_bytes for waiting in batch])):
            full = no_room("the rest of its disk is kept to finish and carry the generation")
            self._report(batch, [full] * len(batch), started)
            return []
        try:
            stored = transact(self._intake, self._names, [waiting.publication for waiting in batch])
        except apsw.Error as error:
            if len(batch) == 1:
                self._report(batch, [disk_fault(error, self._intake.generation)], started)
            else:
                log.warning("batch of %d rolled back, trying one by one: %s", len(batch), error)
                self._store_singly(batch, started)
            return []
        if stored.postponed:
            self._postpone([batch[place] for place in stored.postponed])
        answered = sorted(stored.outcomes)
        told = batch if len(answered) == len(batch) else [batch[place] for place in answered]
        self._report(told, [stored.outcomes[place] for place in answered], started)
        return [batch[place] for place in stored.left]

    def _store_singly(self, batch: list[Waiting], started: float) -> None:
        """Each in a transaction of its own; where one has to wait for its rows to be carried, what
        comes after it for the same pair waits behind it."""
        waits: set[Pair] = set()
        for waiting in batch:
            pair, nr_postponed = waiting.publication.pair, len(self._postponed)
            if pair in waits:
                self._postpone([waiting])
                continue
            self._store_batch([waiting], started)
            if len(self._postponed) > nr_postponed:
                waits.add(pair)

    def _report(
        self, batch: Sequence[Waiting], outcomes: Sequence[Outcome], started: float
    ) -> None:
        """Tell each what came of it."""
        self._settled(batch, outcomes)
        if self._logs_each:
            for waiting, outcome in zip(batch, outcomes, strict=True):
                _log_one(waiting.publication, outcome, time.perf_counter() - started)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            waiting.done(outcome)

    # Static tables and drops

    def _do_static(self, batch: list[Waiting], started: float) -> None:
        publication, ledger = batch[0].publication, self._intake.ledger
        outcome = self._guarded(lambda: self._names.replace_static(publication, ledger))
        self._report(batch, [outcome], started)

    def _do_drop(self, drop: Drop) -> None:
        drop.done(self._guarded(lambda: self._drop(drop)))

    def _drop(self, drop: Drop) -> Dropped:
        ended = self._names.drop_static(drop)
        if ended is None:
            return self._drop_persistent(drop)
        return Dropped(ended, (), self._intake.ledger.number)

    def _drop_persistent(self, drop: Drop) -> Dropped:
        intake = self._intake
        try:
            with intake.generation.transaction:
                ended = intake.end_persistence(drop.table_key, drop.identity)
        except BaseException:
            intake.ledger.rollback()
            raise
        intake.ledger.commit()
        if not ended:
            of = f" of {drop.identity}" if drop.identity is not None else ""
            raise Refused(f"there is no static or persistent table named {drop.tablename}{of}")
        sentence = f"{drop.tablename} is no longer carried; its rows end with this snapshot"
        return Dropped(sentence, ended, intake.ledger.number)

    def _guarded(self, work: Callable[[], _T]) -> _T | QasinoError:
        """The outcome of work that is not part of a batch."""
        try:
            return work()
        except QasinoError as error:
            return error.landed()
        except apsw.Error as error:
            return disk_fault(error, self._intake.generation)

    # Exchange and carrying

    def _do_exchange(self, request: _Exchange) -> None:
        self._end_carrying()
        retired = self._intake
        ledger = Ledger(request.number, retired.ledger)
        self._intake = Intake(request.successor, ledger, self._quota)
        self._source = None
        self._see_what_is_owed(retired.generation.path)
        self._exchange = None
        request.retired = retired
        request.done.set()

    def _see_what_is_owed(self, before: Path | None = None) -> None:
        """`before` is the file of the generation whose rows are carried."""
        owed = before if self._intake.ledger.arrears else None
        self._reserve.collects(self._intake.generation.path, owed)
        if self._intake.ledger.arrears or self._postponed:
            self.carried.clear()
        else:
            self.carried.set()

    def _do_carry(self, sealed: Path) -> None:
        """Some of what waited for it, or one portion, and the end of it."""
        intake = self._intake
        try:
            if not intake.carrying.attached and intake.ledger.arrears:
                intake.carrying.attach(sealed)
            waited_for = self._postponed.first_pairs(_POSTPONED_AT_ONCE)
            if self._postponed and not intake.carrying.owes_any(waited_for):
                self._store_postponed()
            elif intake.ledger.arrears:
                before_bytes = intake.generation.size_bytes()
                with intake.generation.unbounded(), intake.generation.transaction:
                    intake.carrying.carry_some(waited_for)
                intake.ledger.commit()
                self._reserve.carried(intake.generation.size_bytes() - before_bytes)
            self._waits_for = ""
        except apsw.Error as error:
            intake.ledger.rollback()
            self._see_why_not(error, sealed)
        if not intake.ledger.arrears and not self._postponed:
            self._end_carrying()
            self._source = None
            self._see_what_is_owed()

    def _see_why_not(self, error: apsw.Error, sealed: Path) -> None:
        """What cannot be carried now is tried again, unless its file is gone.

        SQLite cannot open a file either where the process has no descriptor left.
        """
        if isinstance(error, apsw.CantOpenError) and not sealed.exists():
            self._intake.ledger.write_off()
            log.error("persistent rows are lost, their file is gone: %s", error)
        else:
            if str(error) != self._waits_for:  # it is tried twice a second
                self._waits_for = str(error)
                log.error("carrying waits, it cannot be written now: %s", error)
            if self._intake.carrying.attached and self._postponed:
                self._refuse_postponed(disk_fault(error, self._intake.generation))
            self.stopping.wait(0.5)

    def _store_postponed(self) -> None:
        batch = self._take_postponed()
        if isinstance(batch, Drop):
            self._do_drop(batch)
        else:
            left = self._store_batch(batch, time.perf_counter())
            self._postponed.put_back(left)
            self._arrivals.hold(left)

    def _refuse_postponed(self, error: QasinoError) -> None:
        """Tell the first of those that wait."""
        batch = self._take_postponed()
        if isinstance(batch, Drop):
            batch.done(error)
        else:
            self._report(batch, [error] * len(batch), time.perf_counter())

    def _take_postponed(self) -> list[Waiting] | Drop:
        batch = self._postponed.take(_POSTPONED_AT_ONCE)
        self._arrivals.release([batch] if isinstance(batch, Drop) else batch)
        return batch

    def _end_carrying(self) -> None:
        carrying = self._intake.carrying
        if carrying.attached:
            try:
                carrying.detach()
            except apsw.Error as error:  # no memory: it stays attached until the file is sealed
                log.warning("the generation before is not let go of yet: %s", error)


def _log_one(publication: Publication, outcome: Outcome, seconds: float) -> None:
    log.debug(
        "publication identity=%s table=%s rows=%s seconds=%.6f%s",
        publication.identity,
        publication.tablename,
        outcome.nr_rows if isinstance(outcome, Receipt) else 0,
        seconds,
        f" refused={outcome.sentence}" if isinstance(outcome, QasinoError) else "",
    )
