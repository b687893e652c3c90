"""Queries/s: the small one against servers that do nothing, 1000 rows against a bare loop."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count

from tests.bench.bodies import MARK, Template, publications, queries, query, table, table_name
from tests.bench.cases.small_tables import AGAINST, rate_of
from tests.bench.figures import Figure, at_least, of_medians
from tests.bench.load import Done, after, rate
from tests.bench.plan import Plan
from tests.bench.processes import Bare, Host
from tests.bench.references import typed_answers_per_s
from tests.bench.registry import Case
from tests.bench.resources import Meter
from tests.bench.rounds import interleaved
from tests.bench.wrk import WrkDone, always, need_wrk, numbered, wrk

SMALL = "select * from qasino_server_info"
DISTINCT = f"{SMALL} where generation_number <> 1{MARK}"
"""Another statement each time: nothing of its answer, nor of its preparation, is there yet."""
ROWS, COLUMNS = 1000, 10
LARGE = f"select * from {table_name(ROWS, COLUMNS)}"
LARGE_WAYS = {"": LARGE, ", another statement each time": f"{LARGE} where id0 <> -1{MARK}"}
CLIENTS = (1, 4)


_NUMBERS = {"http": count(), "zmq": count()}


def _over_http(port: int, sql: str, connections: int, seconds: float) -> WrkDone:
    request = query(sql, "http")
    if MARK not in sql:
        return wrk(port, always(request), connections, seconds)
    begins = next(_NUMBERS["http"]) * 10**6  # wrk counts from zero in each run
    return wrk(port, numbered(Template(request), begins), connections, seconds)


def _over_zmq(port: int, sql: str, connections: int, seconds: float) -> Done:
    bodies = queries(sql, "zmq")
    if MARK in sql:
        bodies = map(Template(query(sql, "zmq")), _NUMBERS["zmq"])
    return rate("zmq", port, bodies, connections, after(seconds))


_OVER = {"http": _over_http, "zmq": _over_zmq}


def _small(plan: Plan, sql: str = SMALL) -> Iterator[Figure]:
    need_wrk()
    with Host() as host, Bare("http") as http, Bare("zmq") as zmq:
        meter, bare = Meter(host.pid), {"http": http.port, "zmq": zmq.port}
        ways = {}
        for kind, over in _OVER.items():
            for n in plan.connections:
                theirs = partial(over, bare[kind], sql, n, plan.seconds)
                ours = partial(over, host.ports[kind], sql, n, plan.seconds)
                ways[f"bare {kind} {n}"] = partial(rate_of, theirs)
                ways[f"{kind} {n}"] = partial(meter.rate, f"{kind} {n}", ours)
        found = interleaved(ways, plan.rounds)
    for kind in _OVER:
        for n in plan.connections:
            name, against = f"{kind}, {n} at once", found[f"bare {kind} {n}"]
            samples = found[f"{kind} {n}"]
            yield of_medians(name, "queries/s", samples, against, AGAINST[kind], at_least(0.5))
            used = meter.used_us[f"{kind} {n}"]
            yield of_medians(f"{name}, the server's processor time", "us/query", used)
        few, many = plan.connections[0], plan.connections[-1]
        yield of_medians(
            f"{kind}, {many} at once against {few}",
            "queries/s",
            found[f"{kind} {many}"],
            found[f"{kind} {few}"],
            f"{few} at once",
            at_least(1.0),
        )


def _large(plan: Plan) -> Iterator[Figure]:
    need_wrk()
    with Host() as host:
        body = publications(table(ROWS, COLUMNS), "zmq", count())
        rate("zmq", host.ports["zmq"], body, 1, after(0))
        file = host.rotate()["file"]
        ways = {"loop": lambda: typed_answers_per_s(file, LARGE, plan.seconds)}
        for how, sql in LARGE_WAYS.items():
            for kind, over in _OVER.items():
                for n in CLIENTS:
                    ours = partial(over, host.ports[kind], sql, n, plan.seconds)
                    ways[f"{kind}, {n} at once{how}"] = partial(rate_of, ours)
        found = interleaved(ways, plan.rounds)
    for name in list(ways)[1:]:
        against = "apsw + msgspec, typed"
        yield of_medians(name, "queries/s", found[name], found["loop"], against, at_least(0.6))
    for how in LARGE_WAYS:
        for kind in _OVER:
            yield of_medians(
                f"{kind}, 4 at once against 1{how}",
                "queries/s",
                found[f"{kind}, 4 at once{how}"],
                found[f"{kind}, 1 at once{how}"],
                "1 at once",
                at_least(1.0),
            )


CASES = (
    Case("query-small", SMALL, _small),
    Case("query-distinct", "the same, but no statement comes twice", partial(_small, sql=DISTINCT)),
    Case("query-1000-rows", f"{ROWS} x {COLUMNS} as JSON, strings", _large),
)
