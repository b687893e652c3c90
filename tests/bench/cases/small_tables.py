"""Tables/s of small tables against servers that do nothing, rows/s against one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from statistics import median

from tests.bench.bodies import publications, table, wired
from tests.bench.figures import Figure, at_least, of_medians
from tests.bench.load import Done, after, rate
from tests.bench.plan import Plan
from tests.bench.processes import Bare, Host
from tests.bench.references import thread_rows_per_s
from tests.bench.registry import Case
from tests.bench.resources import Meter
from tests.bench.rounds import interleaved
from tests.bench.wrk import WrkDone, need_wrk, numbered, wrk

ROWS, COLUMNS = 10, 5
TABLES_GOAL = {"http": 0.35, "zmq": 0.5}
ROWS_GOAL = 0.3
CROWD = 512
"""At once; the thread has no client to wait for, eight wait for each other's turn."""
AGAINST = {"http": "bare uvicorn", "zmq": "bare ROUTER"}


def rate_of(send: Callable[[], WrkDone | Done]) -> float:
    """Answers/s."""
    return send().rate


def _run(plan: Plan) -> Iterator[Figure]:
    need_wrk()
    template, seconds = table(ROWS, COLUMNS), plan.seconds
    with Host() as host, Bare("http") as bare_http, Bare("zmq") as bare_zmq:

        def over_http(port: int, connections: int) -> WrkDone:
            return wrk(port, numbered(wired(template, "http")), connections, seconds)

        def over_zmq(port: int, connections: int) -> Done:
            bodies = publications(template, "zmq", count())
            return rate("zmq", port, bodies, connections, after(seconds))

        def stored(way: str, send: Callable[[], WrkDone | Done]) -> float:
            found = meter.rate(way, send)
            host.rotate()
            return found

        meter, bare = Meter(host.pid), {"http": bare_http.port, "zmq": bare_zmq.port}
        counts = (*plan.connections, CROWD)
        ways = {"thread": lambda: thread_rows_per_s(template, seconds)}
        for kind, over in {"http": over_http, "zmq": over_zmq}.items():
            for n in plan.connections:
                ways[f"bare {kind} {n}"] = partial(rate_of, partial(over, bare[kind], n))
            for n in counts:
                send = partial(over, host.ports[kind], n)
                ways[f"{kind} {n}"] = partial(stored, f"{kind} {n}", send)
        found = interleaved(ways, plan.rounds)
    for kind in ("http", "zmq"):
        for n in plan.connections:
            yield of_medians(
                f"{kind}, {n} at once",
                "tables/s",
                found[f"{kind} {n}"],
                found[f"bare {kind} {n}"],
                AGAINST[kind],
                at_least(TABLES_GOAL[kind]),
            )
            yield of_medians(
                f"{kind}, {n} at once, the server's processor time",
                "us/table",
                meter.used_us[f"{kind} {n}"],
            )
    against = found["thread"], "one thread"
    for kind in ("http", "zmq"):
        rows = {n: [tables * ROWS for tables in found[f"{kind} {n}"]] for n in counts}
        for n in counts:
            yield of_medians(f"{kind}, {n} at once, rows", "rows/s", rows[n], *against)
        most = max(counts, key=lambda n: median(rows[n]))
        what, note = f"{kind}, rows, as many at once as it takes", f"{most} at once"
        yield of_medians(what, "rows/s", rows[most], *against, at_least(ROWS_GOAL), note)


CASE = Case("ingest-10x5", "tables of 10 x 5, wrk as the client over HTTP", _run)
