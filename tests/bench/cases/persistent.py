"""A rotation that carries a million persistent rows: who waits, and how long carrying takes."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.bench.cases.rotation import IDENTITIES, WINDOW_S, rotate_beside, waits
from tests.bench.figures import Figure, of_medians
from tests.bench.fill import MANY, fill
from tests.bench.load import PATIENCE_S
from tests.bench.plan import Plan
from tests.bench.processes import Host
from tests.bench.registry import Case
from tests.bench.signals import ask

ROWS = 1_000_000


def _until_carried(host: Host, rows: int) -> None:
    """Wait until the open generation has all rows."""
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        answer = ask(host, f"select count(*) from {MANY}", use_write_db=True)
        if answer["response_op"] == "result_table" and answer["table"]["rows"] == [[rows]]:
            return
        time.sleep(0.05)
    raise TimeoutError("the rows are not carried")


def _run(plan: Plan) -> Iterator[Figure]:
    rows = plan.few(ROWS)
    rotations, carried_s = [], []
    with Host() as host:
        fill(host, rows, plan.few(IDENTITIES), persist=1)
        for _ in range(plan.rounds):
            rotations.append(rotate_beside(host, min(WINDOW_S, plan.seconds)))
            _until_carried(host, rows)
            began = time.perf_counter()
            host.rotate()
            _until_carried(host, rows)
            carried_s.append(time.perf_counter() - began)
    yield from waits(rows, rotations)
    times = [1000 * rotation.seconds for rotation in rotations]
    yield of_medians("the rotation itself", "ms", times)
    yield of_medians("rotated and all carried, nobody beside", "s", carried_s)


CASE = Case("persistent", "what clients wait longer because a million rows are carried", _run)
