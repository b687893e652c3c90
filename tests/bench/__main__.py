"""`python -m tests.bench [--seconds S] [--rounds N] [--json FILE]`: the figures of the core.

Ratios are taken in one run: in every round the reference and each case take their turn, and
the medians over the rounds are compared. Client and server share this machine's cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import count
from statistics import median
from typing import Any

import apsw
import msgspec

from tests.bench.load import http_rate, publications, queries, table_body, zmq_rate

CONNECTIONS = 8
MILLION = 1_000_000


class Host:
    """The server's process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.host"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ports = self._read()

    def _read(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def tell(self, command: str) -> Any:
        """Send `rotate` or `report`; what it answers."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End the server."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


def reference_rows(make: Callable[[int], bytes], seconds: float) -> float:
    """Rows/s of one thread: decode with msgspec, executemany into :memory:, commit a table."""
    connection = apsw.Connection(":memory:")
    numbers = count()
    table = msgspec.json.decode(make(0))["table"]
    name, columns = table["tablename"], table["column_names"]
    connection.execute(f"create table {name} ({', '.join(columns)})")
    insert = f"insert into {name} values ({', '.join('?' * len(columns))})"
    rows, began = 0, time.perf_counter()
    while time.perf_counter() < began + seconds:
        decoded = msgspec.json.decode(make(next(numbers)))["table"]["rows"]
        with connection:
            connection.executemany(insert, decoded)
        rows += len(decoded)
    return rows / (time.perf_counter() - began)


def ingest(host: Host, seconds: float, rounds: int) -> list[dict[str, Any]]:
    """Rows/s accepted, against the reference."""
    table = []
    for rows, columns in ((10, 5), (1000, 10)):
        make = table_body(rows, columns)
        numbers = count()
        seen: dict[str, list[float]] = {"reference": [], "http": [], "zmq": []}
        for _ in range(rounds):
            seen["reference"].append(reference_rows(make, seconds))
            for kind, rate in (("http", http_rate), ("zmq", zmq_rate)):
                bodies = publications(make, numbers, kind == "http")
                answered, took = rate(host.ports[kind], bodies, CONNECTIONS, seconds)
                seen[kind].append(answered * rows / took)
                host.tell("rotate")
        base = median(seen["reference"])
        for kind in ("http", "zmq"):
            found = median(seen[kind])
            table.append(
                {
                    "case": f"publish {rows} x {columns} over {kind}",
                    "rows/s": round(found),
                    "reference rows/s": round(base),
                    "ratio": round(found / base, 2),
                }
            )
    return table


def small_and_large_queries(host: Host, seconds: float, rounds: int) -> list[dict[str, Any]]:
    """Queries/s at 1 and 8 connections."""
    make = table_body(1000, 3)
    http_rate(host.ports["http"], publications(make, count(), True), 1, 0)
    host.tell("rotate")
    table = []
    for what, sql in (
        ("select * from qasino_server_info", "select * from qasino_server_info"),
        ("1000 x 3, strings", "select * from bench_1000_3 limit 1000"),
    ):
        for kind, rate in (("http", http_rate), ("zmq", zmq_rate)):
            for connections in (1, CONNECTIONS):
                found = []
                for _ in range(rounds):
                    answered, took = rate(
                        host.ports[kind], queries(sql, kind == "http"), connections, seconds
                    )
                    found.append(answered / took)
                case = f"{what} over {kind}, {connections} at once"
                table.append({"case": case, "queries/s": round(median(found))})
    return table


class Prober(threading.Thread):
    """Sends one request after the other and keeps the longest wait."""

    def __init__(self, port: int, bodies: Any, rate: Any) -> None:
        super().__init__()
        self.port, self.bodies, self.rate = port, bodies, rate
        self.stopping = threading.Event()
        self.waits_s: list[float] = []

    def run(self) -> None:
        while not self.stopping.is_set():
            self.waits_s.append(self.rate(self.port, self.bodies, 1, 0)[1])


def rotation(host: Host) -> list[dict[str, Any]]:
    """The longest wait across a rotation of a million rows, and the memory it takes."""
    host.tell("rotate")
    host.tell("rotate")
    make = table_body(1000, 5)
    empty = host.tell("report")["memory"]["pss"]
    numbers = count()
    bodies = publications(make, numbers, True)
    for _ in range(MILLION // 1000):
        http_rate(host.ports["http"], bodies, 1, 0)
    probers = [
        Prober(host.ports["http"], publications(table_body(10, 5), count(), True), http_rate),
        Prober(host.ports["http"], queries("select * from qasino_server_info", True), http_rate),
        Prober(host.ports["zmq"], queries("select * from qasino_server_info", False), zmq_rate),
    ]
    for prober in probers:
        prober.start()
    before = [max(p.waits_s[1:], default=0.0) for p in _after(probers, 1.0)]
    for prober in probers:
        prober.waits_s.clear()
    told = host.tell("rotate")
    during = [max(p.waits_s) for p in _after(probers, 0.5)]
    for prober in probers:
        prober.stopping.set()
        prober.join()
    held = host.tell("report")
    size = max(held["files"].values())
    names = ("publication, http", "query, http", "query, zmq")
    table: list[dict[str, Any]] = [
        {
            "case": f"longest wait at a rotation of 1,000,000 rows: {name}",
            "ms": round(1000 * d, 1),
            "ms without one": round(1000 * b, 1),
        }
        for name, b, d in zip(names, before, during, strict=True)
    ]
    table.append({"case": "the rotation itself", "ms": round(1000 * told["seconds"], 1)})
    table.append(
        {
            "case": "memory at 1,000,000 rows x 5",
            "file MB": round(size / 1e6, 1),
            "db-dir MB": round(sum(held["files"].values()) / 1e6, 1),
            "PSS MB": round(held["memory"]["pss"] / 1e6, 1),
            "PSS MB before": round(empty / 1e6, 1),
        }
    )
    return table


def _after(probers: list[Prober], seconds: float) -> list[Prober]:
    """The probers, once they have probed so long."""
    threading.Event().wait(seconds)
    return probers


def shown(table: list[dict[str, Any]]) -> None:
    """Print a table as lines."""
    for line in table:
        figures = "  ".join(f"{name}: {value:,}" for name, value in line.items() if name != "case")
        print(f"{line['case']:<62} {figures}", flush=True)


def main() -> None:
    """Run every case."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds a case and round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts")
    parser.add_argument("--json", help="write the figures there too")
    options = parser.parse_args()
    host = Host()
    try:
        tables = [ingest(host, options.seconds, options.rounds)]
        shown(tables[-1])
        tables.append(small_and_large_queries(host, options.seconds, options.rounds))
        shown(tables[-1])
        tables.append(rotation(host))
        shown(tables[-1])
    finally:
        host.close()
    if options.json:
        with open(options.json, "w") as file:
            json.dump([line for table in tables for line in table], file, indent=1)


if __name__ == "__main__":
    main()
