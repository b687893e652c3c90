"""What is counted: queries, publications, refusals; and what each generation had of it."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

from qasino_server.database.snapshot import Snapshot
from qasino_server.table import Publication

log = logging.getLogger("qasino.store")

REJECTS_MAX = 1000
REASON_CHARS = 500
"""A refusal can name 2,000 columns; the list of them is read by people."""
GENERATIONS = 120
"""Of which points are kept: an hour of them, at 30 s each."""


class QueryCounts(msgspec.Struct):
    """Queries since the start, as qasino_server_sql_stats has them; changed under the readers'
    lock."""

    received: int = 0
    completed: int = 0
    errors: int = 0


class UpdateCounts(msgspec.Struct):
    """Publications since the start, as qasino_server_update_stats has them; counted at the
    writer's desk."""

    updates_received: int = 0
    updates_completed: int = 0
    update_errors: int = 0
    inserts_received: int = 0
    inserts_completed: int = 0

    def count(self, tried: Sequence[Publication], refused: Sequence[Publication]) -> None:
        """Count publications that were tried, and those of them that were refused."""
        updates = sum([publication.update for publication in tried])
        inserts = len(tried) - updates
        errors = sum([publication.update for publication in refused]) if refused else 0
        self.inserts_received += inserts
        self.inserts_completed += inserts - (len(refused) - errors)
        if updates:
            self.updates_received += updates
            self.updates_completed += updates - errors
            self.update_errors += errors


class Counted(msgspec.Struct, frozen=True):
    """What was counted while one generation was collected."""

    queries: tuple[int, ...]
    """Received, completed, failed."""
    updates: tuple[int, ...]
    """Updates received, completed, failed; inserts received, completed."""
    nr_rows: int
    """Of publications that counted."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """What one finished generation was like."""

    duration_s: float
    """How long it was collected."""
    nr_rows: int
    """Rows published meanwhile; those that are only carried are not."""
    nr_identities: int
    anybody_yet: bool
    """Whether anybody has reported, for this generation or any before."""
    nr_identities_missing: int
    """Identities that used to report a table and did not."""
    nr_rejects: int
    """Publications refused while it was collected."""
    nr_queries: int
    """Queries received meanwhile."""
    rotation_s: float
    """How long it took to become the snapshot."""

    @property
    def rows_per_s(self) -> float:
        """Rows published a second."""
        return self.nr_rows / self.duration_s if self.duration_s > 0 else 0.0

    @property
    def queries_per_s(self) -> float:
        """Queries received a second."""
        return self.nr_queries / self.duration_s if self.duration_s > 0 else 0.0


class Tally:
    """The counts of one store. Appending to a deque is one step under the GIL, and so is listing
    it: any thread may, without a lock."""

    def __init__(self) -> None:
        self.queries = QueryCounts()
        self.updates = UpdateCounts()
        self.nr_rows = 0
        """Of the publications since the start that counted, so not of repeats; added to at the
        writer's desk."""
        self._points: deque[Point] = deque(maxlen=GENERATIONS)
        self._anybody_yet = False
        self._counted: tuple[int, ...] = (0,) * 9
        """The totals when a share was taken last."""
        self._rejects: deque[tuple[Any, ...]] = deque(maxlen=REJECTS_MAX)
        self._nr_rejects = 0
        """Since the last rotation; a curve for people, so that a race may cost it one."""

    def reject(self, peer: str, reason: str, identity: str | None, tablename: str | None) -> None:
        """Note a publication that could not be read, or was refused, with what is known of it;
        any thread."""
        self._nr_rejects += 1
        if len(reason) > REASON_CHARS:
            reason = f"{reason[:REASON_CHARS]} .."
        self._rejects.append((round(time.time(), 2), identity, peer, tablename, reason))
        log.info("rejected identity=%s peer=%s table=%s: %s", identity, peer, tablename, reason)

    def rejects(self) -> list[tuple[Any, ...]]:
        """The rows of qasino_server_rejects."""
        return list(self._rejects)

    def points(self) -> list[Point]:
        """What the last generations were like, the oldest first."""
        return list(self._points)

    # --- For the thread that rotates ----------------------------------------------------------

    def take_share(self) -> Counted:
        """What was counted since the last share was taken: that of the generation that ends."""
        queries, updates = map(msgspec.structs.astuple, (self.queries, self.updates))
        totals = *queries, *updates, self.nr_rows
        before, self._counted = self._counted, totals
        counts = tuple([now - then for now, then in zip(totals, before, strict=True)])
        return Counted(queries=counts[:3], updates=counts[3:-1], nr_rows=counts[-1])

    def note_rotation(self, previous: Snapshot, snapshot: Snapshot, rotation_s: float) -> None:
        """One more point of the trend: `snapshot` has taken the place of `previous`."""
        nr_rejects, self._nr_rejects = self._nr_rejects, 0
        figures = snapshot.figures
        self._anybody_yet = self._anybody_yet or figures.nr_identities > 0
        self._points.append(
            Point(
                duration_s=previous.age_s - snapshot.age_s,
                nr_rows=figures.nr_rows_published,
                nr_identities=figures.nr_identities,
                anybody_yet=self._anybody_yet,
                nr_identities_missing=figures.nr_identities_missing,
                nr_rejects=nr_rejects,
                nr_queries=figures.nr_queries,
                rotation_s=rotation_s,
            )
        )
