"""A statement that reads every row, against the sqlite3 shell on the same file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from tests.bench.figures import Figure, at_most, of_medians
from tests.bench.fill import MANY, fill
from tests.bench.load import PATIENCE_S
from tests.bench.plan import Plan
from tests.bench.processes import Host
from tests.bench.registry import Case
from tests.bench.rounds import interleaved
from tests.bench.shell import need_shell, shell
from tests.bench.signals import ask

ROWS = 5_000_000
SQL = f"select name1, count(*), sum(id0), avg(value2), max(state3) from {MANY} group by 1 limit 9"
GOAL = 1.1
TWO_GOAL = 1.25
"""Two at once against one: 2.0 would be one core."""


_asked = count()


def another() -> str:
    """The statement, in words that the server does not know the answer of."""
    return f"{SQL} -- {next(_asked)}"


def seconds(work: Callable[[], object], at_once: int) -> float:
    """Wall time until all are done."""
    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        for done in [pool.submit(work) for _ in range(at_once)]:
            done.result()
    return time.perf_counter() - began


def _run(plan: Plan) -> Iterator[Figure]:
    need_shell()
    rows = plan.few(ROWS)
    with Host(query_timeout_s=PATIENCE_S) as host:
        fill(host, rows, plan.few(1000))
        file = host.rotate()["file"]

        def served() -> None:
            answer = ask(host, another())
            if answer["response_op"] != "result_table":
                raise RuntimeError(answer)

        def shelled() -> None:
            shell(file, SQL)

        found = interleaved(
            {
                "shell 1": lambda: seconds(shelled, 1),
                "served 1": lambda: seconds(served, 1),
                "shell 2": lambda: seconds(shelled, 2),
                "served 2": lambda: seconds(served, 2),
            },
            plan.rounds,
        )
    for n in (1, 2):
        yield of_medians(
            f"{rows:,} rows, {n} at once",
            "s",
            found[f"served {n}"],
            found[f"shell {n}"],
            "the sqlite3 shell",
            at_most(GOAL),
        )
    yield of_medians(
        "2 at once against 1",
        "s",
        found["served 2"],
        found["served 1"],
        "1 at once",
        at_most(TWO_GOAL),
    )


CASE = Case("aggregate", SQL, _run)
