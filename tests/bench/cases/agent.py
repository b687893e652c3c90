"""What `qasino csvagent` costs with many files: a generation's sending, and doing nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.csvagent import at_rest, rss_mib, running, sending, write_files
from tests.bench.figures import Figure, no_more_than, of_medians
from tests.bench.plan import Plan
from tests.bench.processes import Host
from tests.bench.registry import Case

FILES = 1000
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


CASE = Case("csvagent", "1,000 files of 20 x 5", _run)
