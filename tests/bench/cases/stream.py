"""A large result as a stream: its pace against the sqlite3 shell's, and the server's memory."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from functools import partial
from urllib.parse import quote

from tests.bench.figures import Figure, at_least, no_more_than, of_medians
from tests.bench.fill import MANY, fill
from tests.bench.load import PATIENCE_S
from tests.bench.plan import Plan
from tests.bench.processes import Host
from tests.bench.registry import Case
from tests.bench.resources import Sampled, anonymous_bytes
from tests.bench.rounds import interleaved
from tests.bench.shell import need_shell, shell

ROWS = 1_000_000
SQL = f"select * from {MANY}"
MEMORY_GOAL_MB = 16
"""More than before, of the server's own memory: a stream is a megabyte ahead at most."""


def read_stream(port: int, form: str) -> int:
    """Read a whole result over HTTP; its bytes. Raises RuntimeError where it breaks off."""
    head = f"GET /request?op=query&format={form}&sql={quote(SQL)} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as made:
        made.sendall(f"{head}Connection: close\r\n\r\n".encode())
        size, tail, buffer = 0, b"", bytearray(1 << 20)
        while got := made.recv_into(buffer):
            size += got
            tail = (tail + buffer[max(0, got - 5) : got])[-5:]
    if tail != b"0\r\n\r\n":
        raise RuntimeError(f"the stream broke off after {size} bytes: {tail!r}")
    return size


def _run(plan: Plan) -> Iterator[Figure]:
    need_shell()
    rows = plan.few(ROWS)
    peaks: dict[str, list[int]] = {"csv": [], "ndjson": []}
    with Host(query_timeout_s=PATIENCE_S) as host:
        fill(host, rows, plan.few(1000))
        file = host.rotate()["file"]

        def shelled() -> float:
            began = time.perf_counter()
            shell(file, SQL, "-csv")
            return rows / (time.perf_counter() - began)

        def served(form: str) -> float:
            before = anonymous_bytes(host.pid)
            with Sampled(lambda: anonymous_bytes(host.pid), 0.05) as sampled:
                began = time.perf_counter()
                read_stream(host.ports["http"], form)
                took_s = time.perf_counter() - began
            peaks[form].append(sampled.peak - before)
            return rows / took_s

        ways = {"shell": shelled, **{form: partial(served, form) for form in peaks}}
        found = interleaved(ways, plan.rounds)
    for form, peak in peaks.items():
        yield of_medians(
            f"{rows:,} rows as {form}",
            "rows/s",
            found[form],
            found["shell"],
            "sqlite3 -csv",
            at_least(0.5),
        )
        yield Figure(
            f"{rows:,} rows as {form}, memory beyond before",
            max(peak) / 1e6,
            "MB",
            goal=no_more_than(MEMORY_GOAL_MB),
        )


CASE = Case("stream", SQL, _run)
