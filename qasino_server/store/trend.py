"""What the last generations were like: one point for each, kept in memory."""

from __future__ import annotations

import threading
from collections import deque

import msgspec

GENERATIONS = 120
"""An hour of them, at 30 s each."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One finished generation."""

    generation_number: int
    epoch: float
    """When it became the snapshot."""
    duration_s: float
    """How long it was collected."""
    nr_rows: int
    nr_identities: int
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


class Trend:
    """The points of the last generations, the oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._points: deque[Point] = deque(maxlen=GENERATIONS)

    def note(self, point: Point) -> None:
        """One more generation; the oldest makes room for it."""
        with self._lock:
            self._points.append(point)

    def points(self) -> list[Point]:
        """All that is kept."""
        with self._lock:
            return list(self._points)
