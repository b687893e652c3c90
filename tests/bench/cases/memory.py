"""What the server holds, generation after generation of five million rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench.figures import Figure, at_most, no_more_than
from tests.bench.fill import MANY, fill
from tests.bench.plan import Plan
from tests.bench.processes import Host
from tests.bench.registry import Case
from tests.bench.resources import Sampled, held_bytes
from tests.bench.signals import ask

ROWS, ROTATIONS = 5_000_000, 20
FILES, ROOM_BYTES = 2.3, 100_000_000
FLAT_GOAL = 1.05
WARM = 3
"""Generations until two of them live at once and every reader has been used."""


def _run(plan: Plan) -> Iterator[Figure]:
    yield from _held(plan, "", ROTATIONS)
    yield from _held(plan, " with --no-prev", ROTATIONS // 2, no_prev=True)


def _held(plan: Plan, how: str, rotations: int, **settings: bool) -> Iterator[Figure]:
    rows, peaks = plan.few(ROWS), []
    with Host(**settings) as host:
        for _ in range(max(2 * WARM, rotations // min(plan.shrink, rotations))):
            with Sampled(lambda: held_bytes(host.pid, host.db_dir), 0.5) as sampled:
                fill(host, rows, plan.few(1000))
                file = host.rotate()["file"]
                ask(host, f"select count(*), sum(n4), max(name1) from {MANY}")
            peaks.append(sampled.peak)
        size = Path(file).stat().st_size
    steady = peaks[WARM:]
    goal_mb = (FILES * size + ROOM_BYTES) / 1e6
    yield Figure(
        f"{len(peaks)} rotations of {rows:,} rows{how}: the most held",
        max(peaks) / 1e6,
        "MB",
        goal=no_more_than(round(goal_mb)),
        samples=tuple(peak / 1e6 for peak in peaks),
        note=f"a file is {size / 1e6:.0f} MB",
    )
    yield Figure(
        f"the last rotations{how} against the first",
        median(steady[-WARM:]) / 1e6,
        "MB",
        median(steady[:WARM]) / 1e6,
        f"rotations {WARM + 1} to {2 * WARM}",
        at_most(FLAT_GOAL),
    )


CASE = Case("memory", "PSS, and what of the db-dir is not mapped", _run)
