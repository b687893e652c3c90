"""Whether the server lives and whether it is of use: `/healthz`, for those who restart it.

    /healthz/live    200 while the process serves at all
    /healthz/ready   200 while the snapshot is as young as it should be, else 503
    /healthz         the same as ready

Nobody is asked who they are here, and nothing is told but that, the snapshot's number and age, how
long a generation lasts and on which port its signal is, which who may only publish learns nowhere
else. The op `health` tells the same on every port of requests, to whoever may send any.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from qasino_server.replies import HealthReport
from qasino_server.store import State

HEALTH_PATHS = ("/healthz", "/healthz/live", "/healthz/ready")

MISSED = 3
"""So many rotations may be missed (a full disk, a stopped process) before it is not ready."""


class Health:
    """What there is to be told of one server."""

    def __init__(
        self, state: Callable[[], State], duration_s: float, pubsub_port: int | None
    ) -> None:
        self._state = state
        self._duration_s = duration_s
        self._pubsub_port = pubsub_port

    def report(self) -> HealthReport:
        """As of now."""
        state = self._state()
        return HealthReport(
            live=True,
            ready=state.generation_age_s <= self._duration_s * MISSED,
            generation_number=state.generation_number,
            generation_age_s=round(state.generation_age_s, 2),
            generation_duration_s=self._duration_s,
            pubsub_port=self._pubsub_port,
        )

    def answer(self, path: str) -> tuple[int, bytes]:
        """Status and JSON, for one of the paths."""
        report = self.report()
        well = report.ready or path == "/healthz/live"
        return 200 if well else 503, msgspec.json.encode(report) + b"\n"
