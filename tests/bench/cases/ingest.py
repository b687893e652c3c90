"""Rows/s of large tables, alone and beside queries, against one thread without a server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from itertools import count

from tests.bench.bodies import publications, table
from tests.bench.figures import Figure, at_least, of_medians
from tests.bench.load import Done, after, rate
from tests.bench.plan import Plan
from tests.bench.processes import Beside, Host
from tests.bench.references import thread_rows_per_s
from tests.bench.registry import Case
from tests.bench.resources import Meter
from tests.bench.rounds import interleaved

CONNECTIONS = 8
SMALL_QUERY = "select * from qasino_server_info"
AGAINST = "one thread, msgspec + executemany"
BESIDE_GOAL = 0.5


def _run(rows: int, columns: int, goal: float, plan: Plan) -> Iterator[Figure]:
    template, numbers = table(rows, columns), count()
    with Host() as host:

        def send(kind: str) -> Done:
            bodies = publications(template, kind, numbers)
            return rate(kind, host.ports[kind], bodies, CONNECTIONS, after(plan.seconds))

        def published(kind: str) -> float:
            found = meter.rate(kind, partial(send, kind))
            host.rotate()
            return found * rows

        def published_beside(kind: str) -> float:
            with Beside(kind, host.ports[kind], SMALL_QUERY, CONNECTIONS) as beside:
                found = send(kind).rate
                asked[kind].append(beside.rate())
            host.rotate()
            return found * rows

        def alone() -> float:
            began, used_s = time.perf_counter(), time.process_time()
            found = thread_rows_per_s(template, plan.seconds)
            tables = found / rows * (time.perf_counter() - began)
            alone_us.append(1e6 * (time.process_time() - used_s) / tables)
            return found

        meter, alone_us = Meter(host.pid), list[float]()

        asked: dict[str, list[float]] = {"http": [], "zmq": []}
        found = interleaved(
            {
                "thread": alone,
                **{kind: partial(published, kind) for kind in asked},
                **{f"{kind} beside": partial(published_beside, kind) for kind in asked},
            },
            plan.rounds,
        )
    what = f"{rows} x {columns}"
    for kind in asked:
        yield of_medians(
            f"{what}, {kind}", "rows/s", found[kind], found["thread"], AGAINST, at_least(goal)
        )
        used = meter.used_us[kind]
        name = f"{what}, {kind}, the server's processor time"
        yield of_medians(name, "us/table", used, alone_us, "the thread's")
    for kind in asked:
        name, samples = f"{what}, {kind}, beside queries", found[f"{kind} beside"]
        yield of_medians(name, "rows/s", samples, found["thread"], AGAINST, at_least(BESIDE_GOAL))
        yield of_medians(f"{what}, {kind}, those queries", "queries/s", asked[kind])


CASES = tuple(
    Case(
        f"ingest-{rows}x{columns}",
        f"tables of {rows} x {columns}, 8 connections",
        partial(_run, rows, columns, goal),
    )
    for rows, columns, goal in ((1000, 5, 1.0), (1000, 10, 1.0), (1000, 30, 0.7))
)
