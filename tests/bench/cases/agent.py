"""What `qasino csvagent` costs with many files: a generation's sending, and doing nothing; and how
long it takes over a long way."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from qasino_cli.client import open_client
from qasino_cli.connection import Connection
from tests.bench.bodies import publications, table
from tests.bench.csvagent import at_rest, rss_mib, running, sending, write_files
from tests.bench.figures import Figure, no_more_than, of_medians
from tests.bench.plan import Plan
from tests.bench.processes import Host
from tests.bench.registry import Case
from tests.distant import Distant

FILES = 1000
DISTANT_FILES = 200
DISTANCE_S = 0.1
SENDING_GOAL_S = 1.0
REST_GOAL_PERCENT = 0.1
"""Not measurable: the kernel counts ticks of 10 ms, and this is 2 of them in 20 s."""
REST_S = 20.0


def _run(plan: Plan) -> Iterator[Figure]:
    files = max(3, plan.few(FILES))
    with Host() as host, tempfile.TemporaryDirectory() as name:
        place = Path(name)
        write_files(place, files, 1)
        with running(host, place, files) as agent:
            used_s, took_s = sending(agent.pid, host, files, plan.rounds)
            rest = at_rest(agent.pid, min(REST_S, 20 * plan.seconds))
            mib = rss_mib(agent.pid)
    what = f"{files:,} files"
    yield of_medians(
        f"{what}, one generation", "s of processor", used_s, goal=no_more_than(SENDING_GOAL_S)
    )
    yield of_medians(f"{what}, until all is published", "s", took_s)
    yield Figure(f"{what}, at rest", rest, "% of a processor", goal=no_more_than(REST_GOAL_PERCENT))
    yield Figure(f"{what}, resident", mib, "MiB")


def _one_by_one_s(port: int, number: int) -> float:
    """How long one client takes for so many tables, each when the one before is answered."""
    bodies = publications(table(20, 5), "zmq", count())
    client = open_client(Connection(host="127.0.0.1", port=port))
    began = time.monotonic()
    try:
        for _ in range(number):
            client.publish(next(bodies))
    finally:
        client.close()
    return time.monotonic() - began


def _run_distant(plan: Plan) -> Iterator[Figure]:
    files = max(3, plan.few(DISTANT_FILES))
    with Host() as host, tempfile.TemporaryDirectory() as name:
        link = Distant(host.ports["zmq"], DISTANCE_S)
        place = Path(name)
        write_files(place, files, 1)
        try:
            one_by_one_s = _one_by_one_s(link.port, files)
            began = time.monotonic()
            with running(host, place, files, port=link.port):
                took_s = time.monotonic() - began
        finally:
            link.close()
    yield Figure(
        f"{files:,} files over {DISTANCE_S * 1000:g} ms, from its start to the last of them",
        took_s,
        "s",
        one_by_one_s,
        "one after the other",
        note=f"{link.most_at_once} at once",
    )


CASES = (
    Case("csvagent", "1,000 files of 20 x 5", _run),
    Case("csvagent-distant", "tables of 20 x 5 over a link that takes its time", _run_distant),
)
