"""The fleet of the Akamai paper on one box: every identity in every generation, queries beside.

The queries are small ones and, once a second, an aggregate or a join over all rows. They come
from three loopback addresses, since readers are shared out by address.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Any

import msgspec

from tests.bench.bodies import publications, table
from tests.bench.figures import Figure, at_least, no_more_than
from tests.bench.fleet import Fleet
from tests.bench.load import after, rate
from tests.bench.plan import Plan
from tests.bench.processes import Host, Paced
from tests.bench.receipts import Receipts
from tests.bench.registry import Case
from tests.bench.resources import cpu_s
from tests.bench.signals import Held, Watcher

ROWS, COLUMNS = 10, 5
FLEET, SITES = "fleet", "fleet_sites"
SPREAD = 0.9
"""Of a generation, in which the identities publish; the rest is for stragglers."""
LATEST = 0.3
"""Of a generation, in which publishing must have begun, or it waits for the next."""
P99_GOAL = 10
IDLE_S = 10.0

SMALL: dict[str, Any] = {
    "name": "small",
    "sql": "select * from qasino_server_info",
    "share": 996,
    "source": "127.0.0.1",
}
MIX: list[dict[str, Any]] = [
    SMALL,
    {
        "name": "aggregate",
        "sql": f"select name1, count(*), sum(n4), avg(value2) from {FLEET} group by name1",
        "share": 2,
        "source": "127.0.0.2",
    },
    {
        "name": "join",
        "sql": f"select s.name1, count(*), max(f.value2) from {FLEET} f join {SITES} s"
        " on s.id0 = f.id0 group by 1",
        "share": 2,
        "source": "127.0.0.3",
    },
]


def _publish_sites(host: Host) -> None:
    """The table the fleet is joined with stays."""
    body = publications(table(ROWS, COLUMNS, SITES, persist=1), "zmq", count(99_999_999))
    rate("zmq", host.ports["zmq"], body, 1, after(0))


class _Generation(msgspec.Struct, frozen=True):
    """What the fleet sent in one generation, and what its snapshot held."""

    number: int
    sent: int
    receipts: Receipts
    held: Held


def _generations(
    host: Host, watcher: Watcher, fleet: Fleet, identities: int, number_of: int, duration_s: int
) -> list[_Generation]:
    """Publish through so many generations from the next signal on."""
    sent = []
    for _ in range(number_of):
        if time.monotonic() - watcher.signals[-1][1] > duration_s * LATEST:
            watcher.wait_for(len(watcher.signals) + 1)
        number, began = watcher.signals[-1]
        ends = began + duration_s * 0.98
        spread_s = duration_s * SPREAD - (time.monotonic() - began)
        sent.append((number, *fleet.publish(identities, spread_s, ends)))
        watcher.wait_for(len(watcher.signals) + 1)
    nothing = Held(0, 0)
    return [_Generation(n, s, r, watcher.held.get(n, nothing)) for n, s, r in sent]


def _run(plan: Plan) -> Iterator[Figure]:
    identities, duration_s = plan.fleet_identities, plan.fleet_duration_s
    with Host(heartbeat=True, generation_duration_s=duration_s) as host:
        port, per_s = host.ports["http"], plan.fleet_queries_per_s
        with Paced(port, per_s, [SMALL]) as paced:
            time.sleep(min(IDLE_S, 10 * plan.seconds))
            idle = paced.finish()["small"]
        _publish_sites(host)
        template = table(ROWS, COLUMNS, FLEET)
        with Watcher(host, FLEET) as watcher, Fleet(host, template) as fleet:
            watcher.wait_for(1)
            first = _generations(host, watcher, fleet, identities, 1, duration_s)
            with Paced(port, per_s, MIX) as paced:
                used_s = cpu_s(host.pid)
                taken = _generations(
                    host, watcher, fleet, identities, plan.fleet_generations, duration_s
                )
                used_s = cpu_s(host.pid) - used_s
                asked = paced.finish()
            kept = sum((one.receipts.kept for one in [*first, *taken]), Counter())
            if not kept.keys() <= watcher.held.keys():  # the last ones came too late
                watcher.wait_for(len(watcher.signals) + 1)
        late_s = watcher.late_s(duration_s)
    lost = sum(max(0, kept[n] * ROWS - watcher.held[n].rows) for n in kept)
    yield from _publishing(identities, [*first, *taken], lost, late_s)
    yield from _asking(plan, idle, asked)
    share = 100 * used_s / (plan.fleet_generations * duration_s)
    yield Figure("the server's use of the processor", share, "% of a core")


def _publishing(
    identities: int, taken: list[_Generation], lost: int, late_s: float
) -> Iterator[Figure]:
    promised = sum(generation.receipts.kept.total() for generation in taken)
    in_time = sum(generation.receipts.kept[generation.number] for generation in taken)
    found = [generation.held for generation in taken]
    refused = sum(generation.receipts.refused for generation in taken)
    unsent = sum(identities - generation.sent for generation in taken)
    what = f"{len(taken)} generations of {identities:,}"
    yield Figure(
        f"{what}: the poorest snapshot",
        min(one.identities for one in found),
        "identities",
        identities,
        "the fleet",
        at_least(1.0),
    )
    yield Figure(
        f"{what}: the poorest snapshot's rows",
        min(one.rows for one in found),
        "rows",
        identities * ROWS,
        "the fleet",
        at_least(1.0),
    )
    yield Figure(
        f"{what}: lost",
        lost,
        "rows",
        goal=no_more_than(0),
    )
    yield Figure(
        f"{what}: late",
        promised - in_time,
        "tables",
        goal=no_more_than(0),
        note=f"{refused} refused, {unsent} not sent in time",
    )
    yield Figure(f"{what}: rotation off its beat by", late_s, "s")


def _asking(plan: Plan, idle: dict[str, Any], asked: dict[str, Any]) -> Iterator[Figure]:
    answered = sum(asked[kind["name"]]["answered"] for kind in MIX)
    refused = sum(asked[kind["name"]]["refused"] for kind in MIX)
    yield Figure(
        "queries meanwhile",
        answered / asked["took_s"],
        "queries/s",
        plan.fleet_queries_per_s,
        "what was asked",
        at_least(0.99),
        note=f"{refused} refused",
    )
    yield Figure("small query, p50", asked["small"]["p50_ms"], "ms", idle["p50_ms"], "idle")
    yield Figure(
        "small query, p99",
        asked["small"]["p99_ms"],
        "ms",
        idle["p99_ms"],
        "idle",
        msgspec.structs.replace(no_more_than(P99_GOAL), of="ratio"),
    )
    yield Figure("small query, longest", asked["small"]["max_ms"], "ms", idle["max_ms"], "idle")
    for name in ("aggregate", "join"):
        told = asked[name]
        yield Figure(
            f"{name} over all rows, p50", told["p50_ms"], "ms", note=f"p99 {told['p99_ms']:.0f} ms"
        )


def _limit(plan: Plan) -> Iterator[Figure]:
    duration_s, least = plan.limit_duration_s, plan.fleet_identities
    room = {"max_identities": max(200_000, least << 5), "max_sources": max(1_000_000, least << 5)}
    with Host(heartbeat=True, generation_duration_s=duration_s, **room) as host:
        _publish_sites(host)
        template = table(ROWS, COLUMNS, FLEET)
        with Watcher(host, FLEET) as watcher, Fleet(host, template) as fleet:
            watcher.wait_for(1)
            _generations(host, watcher, fleet, least, 1, duration_s)
            with Paced(host.ports["http"], plan.fleet_queries_per_s, MIX) as paced:
                holds, breaks, why = 0, 0, ""
                trial = least
                for _ in range(plan.limit_trials):
                    if breaks and (breaks - holds) * 10 < breaks:
                        break
                    one = _generations(host, watcher, fleet, trial, 1, duration_s)[0]
                    if one.held.identities == trial == one.receipts.kept[one.number]:
                        holds = trial
                    else:
                        breaks, why = trial, _why(trial, one)
                        # What is still on its way must not count for the next one.
                        fleet.publish(0, duration_s, time.monotonic() + duration_s)
                        watcher.wait_for(len(watcher.signals) + 1)
                    trial = (holds + breaks) // 2 if breaks else 2 * holds
                asked = paced.finish()["small"]
    yield Figure(
        f"identities that {duration_s} s hold",
        holds,
        "identities",
        least,
        "the fleet",
        note=why or "no limit found",
    )
    yield Figure("small query meanwhile, p99", asked["p99_ms"], "ms")


def _why(trial: int, one: _Generation) -> str:
    said = f"{trial:,} broke: {one.sent:,} sent, {one.receipts.kept[one.number]:,} kept in time"
    if one.receipts.refused:
        said += f", {one.receipts.refused:,} refused: {one.receipts.last_refusal}"
    return said


CASES = (
    Case("fleet", "every identity in every generation, queries beside", _run),
    Case("fleet-limit", "how many identities a generation holds, by halving", _limit),
)
