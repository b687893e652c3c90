"""The life of an agent: what happens when.

Every table is sent in every generation, after a delay that spreads the agents of a fleet, and
a changed one at once; both replace what the same generation has already. One thread does all
of it; watchdog's threads and signals only leave word and wake it.
"""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from qasino_cli.clock import Beat, Clock
from qasino_cli.console import counted
from qasino_cli.csvagent.catalogue import OWN_TABLES, Catalogue
from qasino_cli.csvagent.courier import Courier
from qasino_cli.csvagent.followed import FollowedFile
from qasino_cli.csvagent.journal import Journal
from qasino_cli.csvagent.pace import Pace
from qasino_cli.csvagent.report import FileRow, info_table, notes_of, own_tables, rows_of
from qasino_cli.csvagent.slow_tables import SlowTables
from qasino_cli.csvagent.table_file import OK, UNANSWERED, TableFile
from qasino_cli.csvagent.watching import Tell, Watcher
from qasino_cli.errors import ServerRefused, Unanswered, Unreachable
from qasino_cli.outgoing import encode_publication
from qasino_server.errors import StartError
from qasino_server.service import OnDeath, Service, report_death

log = logging.getLogger("qasino.csvagent")

DELAY_SHARE = 0.5  # of a generation: what is sent later might miss it
SENDING_SHARE = 0.1
"""Of a generation, for sending everything: where it takes longer several are sent at once."""
SENDING_ROOM = 2.0
"""What the delay leaves of a generation, as a multiple of how long sending everything took last:
3,000 tables took 2.5 s, and some missed the end of one of 5 s."""
SECOND_TRY_S = 2.0  # a server that was busy is not any more; one that says no says it once more


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent is to do with the files."""

    identity: str
    server: str
    """Its URL, for sentences."""
    send_delay_max_s: float = 15.0
    max_age_s: float | None = None


class Agent(Service):
    """The thread that follows files and publishes them until it is stopped."""

    def __init__(
        self,
        catalogue: Catalogue,
        errand: Errand,
        clock: Clock,
        courier: Courier,
        make_watcher: Callable[[Tell], Watcher],
        *,
        pace: Pace | None = None,
        chance: random.Random | None = None,
        on_death: OnDeath = report_death,
    ) -> None:
        super().__init__("csvagent", on_death)
        self._catalogue = catalogue
        self._errand = errand
        self._clock = clock
        self._courier = courier
        courier.small, courier.tell = self._small_message, self.wake
        self._watcher = make_watcher(self._tell)
        self._pace = pace or Pace()
        self._chance = chance or random.Random()
        self._own_share = self._chance.random()
        self._journal = Journal()
        self._lock = threading.Lock()
        self._told: dict[str, bool] = {}
        self._to_forget = threading.Event()
        self._pending: dict[TableFile, None] = {}
        self._slow = SlowTables[TableFile | str]()
        """By name the agent's own, which are not read from a file."""
        self._second_tries: list[TableFile] = []
        self._second_try_at = math.inf
        self._sending_s = 0.0
        """How long it took to send everything, the last time."""
        self._report_due = True
        self._heard_aside = False
        """Something was heard of a table aside that the agent's own tables do not tell yet."""
        self._broken_off = False
        """The last sending of tables did not come to its end."""
        self._own_trouble: dict[str, str] = {}
        """What was last wrong with which of the agent's own tables."""
        self._greeted = False
        self._send_at = self._change_at = math.inf
        self._changes_sent_at = self._scanned_at = -math.inf
        self._scan_at = self._compare_at = 0.0
        self._version = -1
        self._files_at: dict[str, list[FollowedFile[Any]]] = {}

    @property
    def polling(self) -> str | None:
        """Why events cannot be relied upon; None where they can."""
        return self._watcher.polling

    # --- From any thread --------------------------------------------------------------------

    def wake(self) -> None:
        """Have the thread look at what there is to do."""
        self._clock.wake()

    def reread(self) -> None:
        """Read every index and file anew and send everything."""
        self._to_forget.set()
        self.wake()

    def _tell(self, path: str, whole: bool) -> None:
        with self._lock:
            first = not self._told
            self._told[path] = whole or self._told.get(path, False)
        if first:
            self.wake()

    # --- The thread -------------------------------------------------------------------------

    def run(self) -> None:
        """Follow and publish until stopped."""
        try:
            self._look(time.monotonic())
            self._clock.begin()  # a generation that begins while we send is to be sent to, too
            self._send_at = time.monotonic()
            self._turn(None)
            while not self.stopping.is_set():
                self._turn(self._clock.wait(self._pause_s()))
        finally:
            self._watcher.close()
            self._courier.close()
            self._clock.close()

    def _pause_s(self) -> float:
        wakes = [self._send_at, self._change_at, self._scan_at, self._second_try_at]
        wakes.append(self._catalogue.look_at)
        if self._pending or self._report_due:
            wakes.append(self._courier.retry_at)
        return max(0.0, min(wakes) - time.monotonic())

    def _turn(self, beat: Beat | None) -> None:
        """Everything that is due now."""
        now = time.monotonic()
        if beat is not None:
            self._send_at = min(self._send_at, now + self.delay_s(beat))
        if self._to_forget.is_set():
            self._forget(now)
        self._look(now)
        self._choose(now)
        self._hear_aside()
        self._send(now)
        self._send_aside()
        if not self.stopping.is_set():
            self._look_at_a_large_one(time.monotonic())

    def _look(self, now: float) -> None:
        """Take in what has changed, and say once what there is."""
        self._hear(now)
        if now >= self._scan_at:
            self._scan(now)
        if self._catalogue.look(now):
            self._note_change(now)
        if self._catalogue.version != self._version:
            self._scan(now)  # what is followed anew may have changed before it was watched
        self._greet()

    def _look_at_a_large_one(self, now: float) -> None:
        """Read one while nothing waits to be sent."""
        if self._catalogue.look_at_a_large_one(now):
            self._note_change(now)
            self._greet()

    def _note_change(self, now: float) -> None:
        self._change_at = max(now, self._changes_sent_at + self._pace.scan_gap_s)

    def delay_s(self, beat: Beat) -> float:
        """How long to wait after a beat, so that a fleet does not send all at once.

        A beat of our own comes at any time of a generation. With a delay drawn for each, one
        might be over before a generation ends and the next after the end of the following one.
        """
        room_s = max(0.0, beat.duration_s - SENDING_ROOM * self._sending_s)
        most_s = min(self._errand.send_delay_max_s, beat.duration_s * DELAY_SHARE, room_s)
        signalled = beat.generation_number is not None
        return most_s * (self._chance.random() if signalled else self._own_share)

    def _forget(self, now: float) -> None:
        self._to_forget.clear()
        log.info("reading everything anew")
        self._catalogue.forget()
        self._slow.forget()
        self._scan_at = self._send_at = now

    def _hear(self, now: float) -> None:
        """Take in the events; one about no file of ours may be about the way to one."""
        with self._lock:
            told, self._told = self._told, {}
        for path, whole in told.items():
            files = self._files_at.get(path) if whole else None
            for file in files or ():
                file.heard(now)
            if files is None:
                soon = max(now + self._pace.quiet_s, self._scanned_at + self._pace.scan_gap_s)
                self._scan_at = min(self._scan_at, soon)

    def _scan(self, now: float) -> None:
        """Look at everything from outside, and listen where things are now."""
        self._version = self._catalogue.version
        if self._watcher.listens:
            places = self._catalogue.places()
            self._files_at = places.files
            self._watcher.follow(places.names, now)
        self._catalogue.glance(now)
        if now >= self._compare_at:
            self._catalogue.compare_some(now)
            self._compare_at = now + self._pace.rescan_s
        every_s = self._pace.poll_s if self._watcher.polling else self._pace.rescan_s
        self._scanned_at, self._scan_at = now, now + every_s

    # --- Sending ----------------------------------------------------------------------------

    def _choose(self, now: float) -> None:
        """What is to be sent now: everything, or what changed."""
        everything = now >= self._send_at
        if everything or now >= self._change_at:
            self._changes_sent_at = now
            self._change_at = math.inf
            self._report_due = True
            for table in self._catalogue.tables:
                if everything or table.sent_revision != table.file.revision:
                    self._pending[table] = None
        if everything:
            self._send_at = math.inf
            self._slow.begin_beat({*self._sendable(), *OWN_TABLES})
        if now >= self._second_try_at:
            self._second_try_at = math.inf
            self._pending.update(dict.fromkeys(self._second_tries))
            self._second_tries = []

    def _send(self, now: float) -> None:
        if not (self._pending or self._report_due) or now < self._courier.retry_at:
            return
        named = set(self._catalogue.tables)  # since it was to be sent, its name may be gone
        self._pending = dict.fromkeys(table for table in self._pending if table in named)
        everything, began = len(self._pending) == len(named), time.monotonic()
        try:
            if self._broken_off:
                # On a link that loses one answer in each sending it would never be its turn.
                self._broken_off = False  # if it breaks off as well, it is the tables' again
                self._send_report()
            self._send_tables()
            self._send_report()
            if everything:
                self._sending_s = time.monotonic() - began
        except Unreachable:
            # Who was away may have lost what it had: it gets everything when it is back. The
            # table that failed comes last, in case it was its own fault.
            self._pending.update(dict.fromkeys(self._catalogue.tables))
            self._report_due = True
        self._journal.note(self._rows())

    def _send_tables(self) -> None:
        """Send what is in force of those that are due. Raises Unreachable."""
        within_s = self._clock.duration_s * SENDING_SHARE
        self._broken_off = True
        for table, error in self._courier.deliver(self._due(), len(self._pending), within_s):
            assert table.parcel is not None
            self._note_answer(table, len(table.parcel.message), error)
            self._report_due = True
        self._broken_off = False

    def _note_answer(
        self, table: TableFile, size_bytes: int, error: ServerRefused | Unanswered | None
    ) -> None:
        """What the server said of a table; Unanswered where it said nothing, but to others."""
        if isinstance(error, Unanswered):
            self._slow.failed(table, size_bytes)
            table.refusal, table.unanswered = error.sentence, True
        else:
            self._send_freed(self._slow.answered(table, size_bytes))
            if error is None:
                table.refusal, table.published_at = None, time.time()
            else:
                self._refused(table, error)
            table.unanswered = False

    def _send_freed(self, freed: list[TableFile | str]) -> None:
        """Have those that waited aside go with the others."""
        self._pending.update((key, None) for key in freed if isinstance(key, TableFile))
        self._report_due |= any(isinstance(key, str) for key in freed)

    def _due(self) -> Iterator[tuple[TableFile, bytes]]:
        """Take them out, one by one as they can be sent."""
        while self._pending and not self.stopping.is_set():
            table = next(iter(self._pending))
            del self._pending[table]
            parcel = table.parcel
            if parcel is None or not table.sendable(self._errand.max_age_s):
                table.refusal = None
                continue
            if self._slow.takes(table, len(parcel.message)):
                continue
            table.sent_revision = table.file.revision
            yield table, parcel.message

    def _send_aside(self) -> None:
        """Begin with one that others could not wait for, once nothing else is to be sent; what
        was heard of them is told when that was the last."""
        while self._courier.may_begin_aside and not (self._pending or self._report_due):
            key = self._slow.pop()
            if key is None or self.stopping.is_set():
                self._report_due = self._heard_aside
                return
            message = self._own_messages()[key] if isinstance(key, str) else self._message_of(key)
            if message is not None:
                self._courier.begin_aside(key, message)

    def _message_of(self, table: TableFile) -> bytes | None:
        parcel = table.parcel
        if parcel is None or not table.sendable(self._errand.max_age_s):
            return None
        table.sent_revision = table.file.revision
        return parcel.message

    def _hear_aside(self) -> None:
        outcome = self._courier.heard_aside()
        if outcome is None:
            return
        error = outcome.error
        if error is None or isinstance(error, ServerRefused | Unanswered):
            is_own = isinstance(outcome.key, str)
            note = self._note_own if is_own else self._note_answer
            note(outcome.key, len(outcome.message), error)
            self._heard_aside = self._heard_aside or not is_own
        elif not isinstance(error, Unreachable | StartError):
            raise error

    def _refused(self, table: TableFile, error: ServerRefused) -> None:
        if table.refusal is None:
            self._second_tries.append(table)
            self._second_try_at = time.monotonic() + SECOND_TRY_S
        table.refusal = error.sentence

    def _send_report(self) -> None:
        if not self._report_due or self.stopping.is_set():
            return
        self._report_due = self._heard_aside = False
        for name, message in self._own_messages().items():
            if self._slow.takes(name, len(message)):
                continue
            error = self._sent(message)
            self._note_own(name, len(message), error)
            if isinstance(error, ServerRefused):
                break

    def _sent(self, message: bytes) -> ServerRefused | Unanswered | None:
        """Send a publication; what came of it where the server is there. Raises Unreachable."""
        try:
            self._courier.send(message)
        except (ServerRefused, Unanswered) as error:
            if self._courier.away:
                raise
            return error
        return None

    def _note_own(
        self, name: str, size_bytes: int, error: ServerRefused | Unanswered | None
    ) -> None:
        """What the server said of one of the agent's own tables; told where it is news."""
        before = self._own_trouble.pop(name, None)
        if isinstance(error, Unanswered):
            self._slow.failed(name, size_bytes)
            self._own_trouble[name] = UNANSWERED
            if before != UNANSWERED:
                log.warning("the agent's own table %s: %s: %s", name, UNANSWERED, error.sentence)
            return
        self._send_freed(self._slow.answered(name, size_bytes))
        if error is not None:
            self._own_trouble[name] = error.sentence
            if before != error.sentence:
                log.warning("the agent's own tables were refused: %s", error.sentence)

    def _own_messages(self) -> dict[str, bytes]:
        own = own_tables(self._errand.identity, self._rows(), self._nr_sent())
        return {table.tablename: encode_publication(table) for table in own}

    def _small_message(self) -> bytes:
        """What may be sent at any time: the one row of what the agent says of itself."""
        return encode_publication(info_table(self._errand.identity, self._rows(), self._nr_sent()))

    def _nr_sent(self) -> int:
        return len(self._sendable())

    def _sendable(self) -> list[TableFile]:
        max_age_s = self._errand.max_age_s
        return [table for table in self._catalogue.tables if table.sendable(max_age_s)]

    def _rows(self) -> list[FileRow]:
        return rows_of(self._catalogue, self._errand.max_age_s)

    def _greet(self) -> None:
        """Say once what there is, as soon as everything has been looked at."""
        if not self._greeted and self._catalogue.complete:
            self._greeted = True
            log.info("%s", greeting(self._rows(), self._catalogue.nr_indexes, self._errand))
            for line in notes_of(self._catalogue):
                log.warning("%s", line)


def greeting(rows: list[FileRow], nr_indexes: int, errand: Errand) -> str:
    """The one line at the start: what is published, as whom and to where."""
    good = counted(sum(row.state == OK for row in rows), "table")
    indexes = f"{nr_indexes} index" if nr_indexes == 1 else f"{nr_indexes} indexes"
    source = f" from {indexes}" if nr_indexes else ""
    bad = sum(row.state != OK for row in rows)
    but = f"; {counted(bad, 'file')} not ok" if bad else ""
    return f"{good}{source}, identity {errand.identity}, to {errand.server}{but}"
