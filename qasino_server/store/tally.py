"""What is counted: queries, publications, refusals; and what each generation had of it."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

from qasino_server.database.snapshot import Snapshot
from qasino_server.store.trend import Point, Trend
from qasino_server.table import Publication

log = logging.getLogger("qasino.store")

REJECTS_MAX = 1000
REASON_CHARS = 500
"""A refusal can name 2,000 columns; the list of them is read by people."""


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
        errors = sum([publication.update for publication in refused])
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


class Tally:
    """The counts of one store."""

    def __init__(self) -> None:
        self.queries = QueryCounts()
        self.updates = UpdateCounts()
        self.trend = Trend()
        self._counted: tuple[int, ...] = (0,) * 8
        """The totals when a share was taken last."""
        self._rejects: deque[tuple[Any, ...]] = deque(maxlen=REJECTS_MAX)
        """Any thread appends, the heartbeat lists: each is one step under the GIL, no lock."""
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

    # --- For the thread that rotates ----------------------------------------------------------

    def take_share(self) -> Counted:
        """What was counted since the last share was taken: that of the generation that ends."""
        totals = *msgspec.structs.astuple(self.queries), *msgspec.structs.astuple(self.updates)
        before, self._counted = self._counted, totals
        counts = tuple([now - then for now, then in zip(totals, before, strict=True)])
        return Counted(queries=counts[:3], updates=counts[3:])

    def note_rotation(self, previous: Snapshot, snapshot: Snapshot, rotation_s: float) -> None:
        """One more point of the trend: `snapshot` has taken the place of `previous`."""
        nr_rejects, self._nr_rejects = self._nr_rejects, 0
        figures = snapshot.figures
        self.trend.note(
            Point(
                generation_number=snapshot.number,
                epoch=snapshot.since_epoch,
                duration_s=previous.age_s - snapshot.age_s,
                nr_rows=figures.nr_rows,
                nr_identities=figures.nr_identities,
                nr_identities_missing=figures.nr_identities_missing,
                nr_rejects=nr_rejects,
                nr_queries=figures.nr_queries,
                rotation_s=rotation_s,
            )
        )
