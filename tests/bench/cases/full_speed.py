"""Publishing at full speed across rotations: what was promised against what is found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from itertools import cycle

from tests.bench.bodies import table, table_name, wired
from tests.bench.cases.ingest import CONNECTIONS, SMALL_QUERY
from tests.bench.figures import Figure, at_least, no_more_than
from tests.bench.load import after, rate
from tests.bench.plan import Plan
from tests.bench.processes import Beside, Host
from tests.bench.receipts import Receipts
from tests.bench.registry import Case
from tests.bench.signals import Watcher

SIZES = ((10, 5, 150_000), (1000, 10, 20_000))
"""Rows, columns, and how many identities there are: more than publish in one generation, and
the same ones again in the next."""
QUERIES_GOAL = 0.3
LATE_GOAL_S = 0.5


def _run(rows: int, columns: int, identities: int, kind: str, plan: Plan) -> Iterator[Figure]:
    duration_s, rotations = plan.rotation_s, max(1, plan.rounds - 1)
    template, receipts = wired(table(rows, columns), kind), Receipts()
    with Host(heartbeat=True, generation_duration_s=duration_s) as host:
        port = host.ports[kind]
        with Beside(kind, port, SMALL_QUERY, CONNECTIONS) as beside:
            time.sleep(2 * plan.seconds)
            idle = beside.rate()
        with Watcher(host, table_name(rows, columns)) as watcher:
            with Beside(kind, port, SMALL_QUERY, CONNECTIONS) as beside:
                bodies = map(template, cycle(range(identities)))
                stop = after(rotations * duration_s)
                done = rate(kind, port, bodies, CONNECTIONS, stop, receipts)
                asked = beside.rate()
            watcher.wait_for(len(watcher.signals) + 2)
    found = {number: held.rows for number, held in watcher.held.items()}
    told = {number: kept * rows for number, kept in receipts.kept.items()}
    astray = sum(max(0, told[n] - found.get(n, 0)) for n in told)
    yield Figure(
        "lost",
        max(0, sum(told.values()) - sum(found.values())),
        "rows",
        goal=no_more_than(0),
        note=f"of {sum(told.values()):,} answered ok, {done.rate:,.0f} tables/s,"
        f" {receipts.refused} refused, {receipts.repeated} repeats",
    )
    yield Figure("late", astray, "rows", goal=no_more_than(0))
    yield Figure(
        "rotation off its beat by",
        watcher.late_s(duration_s),
        "s",
        goal=no_more_than(LATE_GOAL_S),
    )
    yield Figure("queries meanwhile", asked, "queries/s", idle, "idle", at_least(QUERIES_GOAL))


CASES = tuple(
    Case(
        f"full-speed-{rows}x{columns}-{kind}",
        "publishing as fast as it goes across rotations",
        partial(_run, rows, columns, identities, kind),
    )
    for rows, columns, identities in SIZES
    for kind in ("http", "zmq")
)
