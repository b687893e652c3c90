"""Whether the server lives and whether it is of use: `/healthz`, for those who restart it.

    /healthz/live    200 while the process serves at all
    /healthz/ready   200 while the snapshot is as young as it should be, else 503
    /healthz         the same as ready

Nobody is asked who they are here, and nothing is told but that, the snapshot's number and age, and
how long a generation lasts, which who may only publish learns nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from qasino_server.store import State

HEALTH_PATHS = ("/healthz", "/healthz/live", "/healthz/ready")

MISSED = 3
"""So many rotations may be missed (a full disk, a stopped process) before it is not ready."""


class Health:
    """Answers for the paths of health."""

    def __init__(self, state: Callable[[], State], duration_s: float) -> None:
        self._state = state
        self._duration_s = duration_s

    def answer(self, path: str) -> tuple[int, bytes]:
        """Status and JSON."""
        state = self._state()
        ready = state.generation_age_s <= self._duration_s * MISSED
        told = {
            "live": True,
            "ready": ready,
            "generation_number": state.generation_number,
            "generation_age_s": round(state.generation_age_s, 2),
            "generation_duration_s": self._duration_s,
        }
        well = ready or path == "/healthz/live"
        return 200 if well else 503, msgspec.json.encode(told) + b"\n"
