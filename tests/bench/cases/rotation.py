"""How long anybody waits because of a rotation, and whether it grows with the rows.

It does grow with the identities that reported, whose rows are told in the internal tables. So those
who publish beside it are as many however fast they are: where each publication was from a new
one, a generation of 5,000,000 rows took 1.0 to 1.5 times as long as one of 1,000,000, by how
many of them there had been in the second before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from statistics import median

import msgspec

from tests.bench.figures import Figure, at_most, no_more_than, of_medians
from tests.bench.fill import fill
from tests.bench.plan import Plan
from tests.bench.probes import NAMES, Probes
from tests.bench.processes import Host
from tests.bench.registry import Case

ROWS = (1_000_000, 5_000_000)
IDENTITIES = 1000
WAIT_GOAL_MS = 50
GROWTH_GOAL = 1.2
WINDOW_S = 0.5


class _Rotation(msgspec.Struct, frozen=True):
    """One rotation, with clients at work."""

    seconds: float
    quiet_s: dict[str, float]
    """By client the longest wait of a time as long, before it."""
    during_s: dict[str, float]


def rotate_beside(host: Host, window_s: float) -> _Rotation:
    """Rotate once, publishers and readers at work."""
    with Probes(host, identities=IDENTITIES) as probes:
        time.sleep(2 * window_s)  # the first answers come over new connections
        began = time.perf_counter()
        took_s = host.rotate()["seconds"]
        time.sleep(max(0.0, began + window_s - time.perf_counter()))
        ended = time.perf_counter()
    quiet_s = probes.longest_s(began - (ended - began), began)
    return _Rotation(took_s, quiet_s, probes.longest_s(began, math.inf))


def waits(rows: int, rotations: list[_Rotation]) -> Iterator[Figure]:
    """By client what the longest wait with a rotation is above the longest without one."""
    for name in NAMES:
        quiet = [1000 * rotation.quiet_s[name] for rotation in rotations]
        during = [1000 * rotation.during_s[name] for rotation in rotations]
        yield Figure(
            name=f"{rows:,} rows, {name} waits longer by",
            figure=max(0.0, max(during) - max(quiet)),
            unit="ms",
            goal=no_more_than(WAIT_GOAL_MS),
            samples=tuple(during),
            reference_samples=tuple(quiet),
            note=f"{max(during):.0f} ms with one, {max(quiet):.0f} without",
        )


def _run(plan: Plan) -> Iterator[Figure]:
    taken: dict[int, list[_Rotation]] = {plan.few(rows): [] for rows in ROWS}
    with Host() as host:
        for _ in range(plan.rounds):
            for rows in taken:
                fill(host, rows, plan.few(IDENTITIES))
                taken[rows].append(rotate_beside(host, min(WINDOW_S, plan.seconds)))
                for _ in range(2):
                    host.rotate()  # as `prev` it would be compressed beside the next one
    for rows, rotations in taken.items():
        yield from waits(rows, rotations)
    few, many = taken
    times = {rows: [1000 * r.seconds for r in found] for rows, found in taken.items()}
    yield of_medians(f"{few:,} rows, the rotation itself", "ms", times[few])
    yield of_medians(
        f"{many:,} rows, the rotation itself",
        "ms",
        times[many],
        times[few],
        f"{few:,} rows",
        at_most(GROWTH_GOAL),
        f"{median(times[many]) - median(times[few]):+.0f} ms",
    )


CASE = Case("rotation", "what clients on both transports wait longer because of it", _run)
