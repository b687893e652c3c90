"""A publisher and a reader on each transport, all at work: what each waits, against waiting alone.

Who has the GIL decides it: a client that asks as fast as it can over one transport may leave none
to the other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.bench.figures import Figure, of_medians
from tests.bench.plan import Plan
from tests.bench.probes import NAMES, Probes
from tests.bench.processes import Host
from tests.bench.registry import Case

AGAINST = "it alone"


class _Waits:
    """What became of one client's requests, by round."""

    def __init__(self) -> None:
        self.per_s: list[float] = []
        self.p99_ms: list[float] = []
        self.longest_ms: list[float] = []

    def add(self, waits_s: list[float], seconds: float) -> None:
        ordered = sorted(waits_s)
        self.per_s.append(len(ordered) / seconds)
        self.p99_ms.append(1000 * ordered[int(0.99 * len(ordered))])
        self.longest_ms.append(1000 * ordered[-1])


def _probe(host: Host, names: tuple[str, ...], seconds: float, into: dict[str, _Waits]) -> None:
    """Have these at work for so long, in a generation of their own: they publish the same."""
    with Probes(host, names) as probes:
        time.sleep(seconds)
    for name in names:
        into[name].add([w.seconds for w in probes.waits if w.name == name], seconds)
    host.rotate()


def _run(plan: Plan) -> Iterator[Figure]:
    alone, together = ({name: _Waits() for name in NAMES} for _ in range(2))
    with Host() as host:
        for _ in range(plan.rounds):
            for name in NAMES:
                _probe(host, (name,), plan.seconds, alone)
            _probe(host, NAMES, plan.seconds, together)
    for name in NAMES:
        own, found = alone[name], together[name]
        yield of_medians(name, "answers/s", found.per_s, own.per_s, AGAINST)
        yield of_medians(f"{name}, p99", "ms", found.p99_ms, own.p99_ms, AGAINST)
        yield of_medians(f"{name}, longest", "ms", found.longest_ms, own.longest_ms, AGAINST)


CASE = Case("side-by-side", "a publisher and a reader on each transport, against each alone", _run)
