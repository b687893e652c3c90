"""The store as a whole: it opens, publishes, answers, rotates, closes.

Rotation, in the order in which nobody waits for it:
1. the next generation is opened and takes the publications (the writer exchanges a
   reference between two batches);
2. the old one gets its internal tables and is sealed, while queries go to the snapshot
   before it;
3. the readers' connections to it are opened and warmed;
4. the snapshot is exchanged: from here on queries see it;
5. what nobody needs any more is archived and removed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import apsw
import msgspec

from qasino_server.database.answer import Limits
from qasino_server.database.directory import RunDirectory
from qasino_server.database.generation_file import GenerationFile
from qasino_server.database.room import share_of_room, size_of
from qasino_server.database.snapshot import (
    Overlay,
    Place,
    Snapshot,
    SnapshotConnection,
    brief_connection,
)
from qasino_server.errors import Busy, QasinoError, ServerFault, StartError
from qasino_server.quota import Quota
from qasino_server.rights import ANYBODY, Rights
from qasino_server.service import OnDeath
from qasino_server.statement import Select, read_statement
from qasino_server.statics import Statics
from qasino_server.store.absence import Absence
from qasino_server.store.archive import Archive
from qasino_server.store.crew import READERS
from qasino_server.store.files import Files
from qasino_server.store.intake import Intake
from qasino_server.store.internal import Facts, static_summaries, write_internal
from qasino_server.store.job import Job, QueryRequest
from qasino_server.store.ledger import Ledger
from qasino_server.store.lookout import Lookout
from qasino_server.store.offhand import answer_offhand
from qasino_server.store.postponed import Dropped, Waiting
from qasino_server.store.readers import Readers
from qasino_server.store.tally import Point, Tally
from qasino_server.store.writer import Writer
from qasino_server.table import Publication, Receipt, Result, TableSummary
from qasino_server.views import Views
from qasino_server.way import right_of_way

log = logging.getLogger("qasino.store")


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a store needs to be told."""

    identity: str
    duration_s: int
    db_dir: Path | None
    static_db: Path
    archive_dir: Path | None
    archive_keep: int
    keep_prev: bool = True
    """Whether the snapshot before the last stays there, as schema `prev`."""
    compress_from_bytes: int = 16 << 20
    """The file of the snapshot before is compressed from that size on, while nobody asks for it."""
    compress_after_s: float = 1.0
    """So long after a rotation, if none has come since: generations that follow each other faster
    than that are not worth it."""
    views_file: Path
    query_timeout_s: float
    max_rows: int
    max_result_bytes: int
    max_body_bytes: int
    forget_after_s: float
    quota: Quota = Quota()
    max_generation_bytes: int | None = None
    """In place of the quota's; None takes a share of the room there is."""
    max_temp_bytes: int = 1 << 30


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a server is at one moment."""

    generation_number: int
    generation_age_s: float
    """Since the snapshot was made."""
    generation_bytes: int
    """The file of the snapshot."""
    nr_rows: int
    nr_tables: int
    nr_identities: int
    nr_missing: int
    """(table, identity) pairs that used to report and did not for the snapshot."""
    queries_running: int
    waiting_bytes: int
    """Publications that are accepted and not stored yet."""


class Store:
    """Everything behind the ports."""

    def __init__(self, settings: StoreSettings, on_death: OnDeath) -> None:
        """Open the files; `start` makes the first snapshot, number 0.

        Raises StartError where a directory or file cannot be used.
        """
        self.settings = settings
        self._limits = Limits(settings.max_rows, settings.max_result_bytes)
        # A cell that could be published can be looked at, if only to be counted.
        self.max_value_bytes = max(settings.max_result_bytes, settings.max_body_bytes)
        self._lookout = Lookout(self._limits, self.max_value_bytes)
        self._directory = RunDirectory(settings.db_dir)
        size_bytes = settings.max_generation_bytes or share_of_room(self._directory.path)
        self._quota = msgspec.structs.replace(settings.quota, size_bytes=size_bytes)
        with ExitStack() as opened:
            opened.callback(self._directory.close)
            self._statics = Statics(settings.static_db, self._quota)
            opened.callback(self._statics.close)
            self._archive = Archive(
                settings.archive_dir, settings.archive_keep, settings.compress_after_s, on_death
            )
            opened.pop_all()  # they stay open
        self._views = Views(settings.views_file)
        self._files = Files(
            self._directory,
            self._archive,
            max_bytes=size_bytes,
            keep_prev=settings.keep_prev,
            compress_from_bytes=settings.compress_from_bytes,
        )
        self._absence = Absence(settings.forget_after_s, settings.quota.sources)
        self._tally = Tally()
        self._overlay_lock = threading.Lock()
        self._overlay = Overlay(0)
        self._overlay_made_of: tuple[Any, ...] = ()
        self._on_death = on_death
        self._started = False
        self._stopped = False

    def start(self, first_number: int, ports: Sequence[tuple[str, str, int]] = ()) -> None:
        """Make the first snapshot and begin to collect the generation of that number.

        `ports` are what is bound: name, address, port. Raises StartError where there is no room
        for the files.
        """
        self._ports = ports
        most_bytes = self._quota.size_bytes
        log.info("a generation may take bytes=%d in %s", most_bytes, self._directory.path)
        try:
            zero = Intake(self._files.new_generation(0), Ledger(0), self._quota)
            first = self._files.new_generation(first_number)
            self._snapshot = self._finish(zero, None)
        except apsw.NoMemError:
            raise StartError("SQLite may not take the memory to begin (--max-memory)") from None
        except apsw.Error as error:
            raise StartError(
                f"cannot write in the db-dir {self._directory.path.parent}: {error}"
            ) from None
        self._writer = Writer(
            Intake(first, Ledger(first_number, zero.ledger), self._quota),
            self._statics,
            view_names=self._views.names,
            in_snapshot=lambda: self._snapshot.place.snapshot.tables,
            max_waiting_bytes=2 * self.settings.max_body_bytes,
            quota=self._quota,
            reserve=self._files.reserve,
            settled=self._settled,
            on_death=self._on_death,
        )
        self._readers = Readers(
            lambda: self._snapshot,
            self.overlay,
            self._limits,
            self.settings.max_temp_bytes,
            self._tally.queries,
            self._on_death,
        )
        self._archive.start()
        self._writer.start()
        self._readers.start()
        self._started = True

    def stop_answering(self, timeout_s: float) -> None:
        """Tell all who wait for a query that the server ends; what is published is still stored."""
        if self._started:
            self._readers.stop()
            self._readers.ended(timeout_s)

    def stop(self, timeout_s: float) -> None:
        """Stop answering, store what was accepted, close and remove the files."""
        if self._stopped:
            return
        self._stopped = True
        if self._started:
            self._stop_threads(time.monotonic() + timeout_s)
        self._archive.close()
        self._statics.close()
        self._directory.close()

    def _stop_threads(self, ends: float) -> None:
        self._readers.stop()
        self._writer.stop()
        # Finished like those that were retired, and nothing is left of it where the files were.
        self._archive.keep(self._snapshot.place.snapshot.path, self._snapshot.number)
        self._archive.stop()
        for part in (self._writer, self._readers, self._archive):
            if not part.join(max(0.1, ends - time.monotonic())):
                log.warning("%s did not end in time", type(part).__name__)
        self._snapshot.close_untaken()

    # --- Publishing -------------------------------------------------------------------------

    def publish(
        self, publication: Publication, peer: str, done: Callable[[Receipt | QasinoError], None]
    ) -> None:
        """Store a publication; `done` gets the outcome after the commit, at the writer's desk:
        in another thread, or in this one at the end of its turn.

        Raises Busy where no more can wait.
        """
        self._writer.submit(publication, peer, done)

    def _settled(self, batch: Sequence[Waiting], outcomes: Sequence[Receipt | QasinoError]) -> None:
        refused, nr_rows = [], 0
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, QasinoError):
                refused.append(waiting.publication)
                self.reject(waiting.peer, outcome, waiting.publication)
            elif outcome.applied:
                nr_rows += outcome.nr_rows
        if not refused and batch and batch[0].publication.static:  # such a one comes alone
            self._absence.forget_table(batch[0].publication.table_key)
        self._tally.updates.count([waiting.publication for waiting in batch], refused)
        self._tally.nr_rows += nr_rows

    def reject(self, peer: str, error: QasinoError, publication: Publication | None = None) -> None:
        """Note a publication that was refused, or could not even be read (None)."""
        known = error if publication is None else publication
        self._tally.reject(peer, error.sentence, known.identity, known.tablename)

    def drop_table(
        self, tablename: str, identity: str | None, done: Callable[[str | QasinoError], None]
    ) -> None:
        """End a static or persistent table; `done` gets a sentence. Raises Busy."""

        def settle(outcome: Dropped | QasinoError) -> None:
            if isinstance(outcome, QasinoError):
                done(outcome)
                return
            self._absence.forget(outcome.pairs, outcome.generation_number)
            done(outcome.sentence)

        self._writer.drop(tablename, identity, settle)

    def has_room(self) -> bool:
        """Whether a publication would be taken now."""
        return self._writer.has_room()

    def when_room(self, call: Callable[[], None]) -> None:
        """Call it once, at the writer's desk, when a publication would be taken again."""
        self._writer.when_room(call)

    # --- Querying ---------------------------------------------------------------------------

    def query(
        self, request: QueryRequest, done: Callable[[Result | QasinoError], None]
    ) -> str | None:
        """Answer a statement; `done` gets the outcome, in another thread or in this one.

        Returns the query's id, None where it is answered already. Raises Busy or Refused.
        """
        known = self._recall(request)
        if known is not None:
            done(known)
            return None
        statement = read_statement(request.sql)
        if not isinstance(statement, Select):
            done(answer_offhand(statement, request, self._readers, self._snapshot))
            return None
        job = Job(request, statement, self.settings.query_timeout_s, done)
        if request.use_write_db:
            self._look(job)
        else:
            self._readers.submit(job)
        return job.query_id

    def _recall(self, request: QueryRequest) -> Result | None:
        """The answer, where the same was asked of this snapshot before. Raises Refused."""
        began = time.perf_counter()
        memo, question = self._readers.memo, (request.sql, request.form)
        if request.use_write_db or request.sink is not None or not memo.knows(question):
            return None
        snapshot = self._snapshot
        known = memo.recall(question, snapshot, self.overlay(request.asked_at).version)
        if known is None:
            return None
        self._readers.count_recalled(request.query_id)
        elapsed_s = time.perf_counter() - began
        return msgspec.structs.replace(known, generation_age_s=snapshot.age_s, elapsed_s=elapsed_s)

    def cancel(self, query_id: str, rights: Rights = ANYBODY) -> bool:
        """Stop a query, running or waiting; False where there is none of that id.

        Raises Forbidden where it is not theirs.
        """
        return self._readers.cancel(query_id, rights)

    def _look(self, job: Job) -> None:
        """Answer from the open generation, between two batches."""
        self._readers.register(job)
        try:
            self._writer.look(lambda path: self._look_now(job, path), job.asker)
        except Busy as error:
            if self._readers.begins(job):
                self._readers.conclude(job, error)

    def _look_now(self, job: Job, path: Path) -> None:
        """In the writer's thread, which waits for the looker."""
        if not self._readers.begins(job):
            return
        place = Place(self._files.of(path), None, self._statics.path)
        self._readers.conclude(job, self._lookout.look(job, place, self.overlay()))

    def overlay(self, asked_at: float | None = None) -> Overlay:
        """The views in force; a new version where the views file or the statics changed.

        `asked_at`: see `Views.current`.
        """
        made_of = (self._views.current(asked_at), self._statics.version)
        if made_of != self._overlay_made_of:
            with self._overlay_lock:
                # Looked at anew: whoever was here first may have seen newer ones than we have.
                made_of = (self._views.current(), self._statics.version)
                if made_of != self._overlay_made_of:
                    self._overlay = Overlay(self._overlay.version + 1, made_of[0])
                    self._overlay_made_of = made_of
        return self._overlay

    def summaries(self) -> list[TableSummary]:
        """Every table of the snapshot, and the static ones, by name."""
        found = [*self._snapshot.figures.tables, *static_summaries(self._statics.tables.values())]
        return sorted(found, key=lambda t: t.name.lower())

    def trend(self) -> list[Point]:
        """What the last generations were like, the oldest first."""
        return self._tally.points()

    def nr_rows_published(self) -> int:
        """Of the publications since the start that counted."""
        return self._tally.nr_rows

    def state(self) -> State:
        """What the server is at this moment."""
        snapshot = self._snapshot
        figures = snapshot.figures
        return State(
            generation_number=snapshot.number,
            generation_age_s=snapshot.age_s,
            generation_bytes=size_of(snapshot.place.snapshot.path),
            nr_rows=figures.nr_rows,
            nr_tables=len(figures.tables),
            nr_identities=figures.nr_identities,
            nr_missing=figures.nr_missing,
            queries_running=len(self._readers.running()),
            waiting_bytes=self._writer.waiting_bytes,
        )

    # --- Rotating ---------------------------------------------------------------------------

    @property
    def generation_number(self) -> int:
        """The number of the snapshot."""
        return self._snapshot.number

    def rotate(self, number: int) -> tuple[int, int]:
        """End the open generation, begin the one of that number; the new snapshot's, and its rows.

        One thread at a time. Raises Busy where there is no room to end it, and it goes on, or
        ServerFault or OSError where the files cannot be written; the old snapshot stays in force
        then.
        """
        began = time.monotonic()
        while not self._writer.carried.wait(0.5):  # as long as the disk is full, so not in the way
            if self._writer.stopping.is_set():
                raise ServerFault("the server is shutting down")
        try:
            with right_of_way():
                return self._rotate(number, began)
        except apsw.Error as error:
            raise ServerFault(f"SQLite cannot write the generation's files: {error}") from error

    def _rotate(self, number: int, began: float) -> tuple[int, int]:
        self._files.remove_lost()
        if not self._files.reserve.can_finish():
            raise Busy("no room to finish the generation, which goes on until there is")
        successor = self._files.new_generation(number)
        retired = self._writer.exchange(successor, number)
        previous = self._snapshot
        try:
            self._snapshot = self._finish(retired, self._files.to_be_kept(previous))
        except BaseException:
            # That generation is lost, but not what lives on in it, as far as it can be read.
            self._files.lose(retired.generation.path)
            raise
        finally:
            self._writer.carry_from(retired.generation.path)
        self._readers.turn_over()
        self._tally.note_rotation(previous, self._snapshot, time.monotonic() - began)
        previous.close_untaken()
        self._files.retire(previous, self._snapshot)
        retired.ledger.forget()
        return self._snapshot.number, self._snapshot.figures.nr_rows

    def _finish(self, retired: Intake, previous: GenerationFile | None) -> Snapshot:
        """Write the internal tables, seal, open and warm the readers' connections."""
        now = time.time()
        ledger = retired.ledger
        facts = self._take_facts(ledger, now)
        try:
            before_bytes = retired.generation.size_bytes()
            with retired.generation.unbounded(), retired.generation.transaction:
                figures = write_internal(retired.generation, ledger, facts)
            self._files.reserve.took(retired.generation.size_bytes() - before_bytes)
        finally:
            retired.generation.seal()
        if previous is not None and not previous.path.exists():
            previous = None
        place = Place(self._files.of(retired.generation.path), previous, self._statics.path)
        overlay = self.overlay()
        with ExitStack() as opened:
            connections = []
            for _ in range(READERS):
                connections.append(SnapshotConnection(place, overlay, self.max_value_bytes))
                opened.callback(connections[-1].close)
            brief = brief_connection(place, overlay, self.max_value_bytes)
            opened.callback(brief.close)
            for connection in (*connections, brief):
                connection.warm()
            opened.pop_all()
        if connections[0].static_fault:
            log.error("static tables cannot be read: %s", connections[0].static_fault)
        return Snapshot(ledger.number, connections, brief, place, self.max_value_bytes, figures)

    def _take_facts(self, ledger: Ledger, now: float) -> Facts:
        """What is told of a generation besides its books; what comes next counts for the next."""
        return Facts(
            server_identity=self.settings.identity,
            duration_s=self.settings.duration_s,
            epoch=now,
            statics=self._statics.tables,
            nr_views=len(self._views.current()),
            counted=self._tally.take_share(),
            missing=self._absence.note(ledger, time.monotonic()),
            rejects=self._tally.rejects(),
            ports=list(self._ports),
        )
