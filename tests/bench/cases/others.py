"""The same work on what one would pick instead: Datasette, sqlite-utils, DuckDB."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from urllib.parse import quote

from tests.bench.bodies import MARK, Template, publications, query, table
from tests.bench.cases import aggregate, queries
from tests.bench.cases.ingest import CONNECTIONS
from tests.bench.figures import Figure, of_medians
from tests.bench.fill import MANY, fill
from tests.bench.load import after, rate
from tests.bench.plan import Plan
from tests.bench.processes import Host
from tests.bench.registry import Case, Skipped
from tests.bench.rounds import interleaved
from tests.bench.signals import ask
from tests.bench.wrk import always, need_wrk, numbered, wrk

_READY_S = 30.0
_ASKED = {"small": queries.SMALL, "small, another statement each time": queries.DISTINCT} | {
    f"1000 x 10{how}": sql for how, sql in queries.LARGE_WAYS.items()
}
_turns = count()


def _need(module: str, package: str) -> None:
    if find_spec(module) is None:
        raise Skipped(f"{package} is not here; pip install '.[bench]'")


# --- Datasette ------------------------------------------------------------------------------


@contextmanager
def _datasette(file: Path) -> Iterator[int]:
    """Datasette serving the file, immutable; its port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    serve = [sys.executable, "-m", "datasette", "serve", "-i", str(file), "--port", str(port)]
    process = subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + _READY_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                if process.poll() is not None or time.monotonic() > ends:
                    raise RuntimeError("Datasette does not start") from None
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _datasette_request(file: Path, sql: str) -> bytes:
    path = f"/{file.stem}.json?sql={quote(sql)}&_shape=arrays"
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def _beside_datasette(plan: Plan) -> Iterator[Figure]:
    _need("datasette", "Datasette")
    need_wrk()
    with Host() as host, tempfile.TemporaryDirectory() as place:
        body = publications(table(queries.ROWS, queries.COLUMNS), "zmq", count())
        rate("zmq", host.ports["zmq"], body, 1, after(0))
        file = Path(place) / "bench.db"
        shutil.copy(host.rotate()["file"], file)
        with _datasette(file) as port:
            ways = {}
            for name, sql in _ASKED.items():
                theirs, ours = _datasette_request(file, sql), query(sql, "http")
                ways[f"their {name}"] = partial(_rate, port, theirs, plan.seconds)
                ways[f"our {name}"] = partial(_rate, host.ports["http"], ours, plan.seconds)
            found = interleaved(ways, plan.rounds)
    for name in _ASKED:
        yield of_medians(
            f"{name}, {CONNECTIONS} at once",
            "queries/s",
            found[f"our {name}"],
            found[f"their {name}"],
            "Datasette",
        )


def _rate(port: int, request: bytes, seconds: float) -> float:
    if MARK.encode() not in request:
        return wrk(port, always(request), CONNECTIONS, seconds).rate
    begins = next(_turns) * 10**6  # wrk counts from zero in each run
    return wrk(port, numbered(Template(request), begins), CONNECTIONS, seconds).rate


# --- sqlite-utils ---------------------------------------------------------------------------


def _beside_sqlite_utils(plan: Plan) -> Iterator[Figure]:
    _need("sqlite_utils", "sqlite-utils")
    import sqlite_utils

    template, numbers, rows = table(1000, 10), count(), 1000

    def theirs() -> float:
        database = sqlite_utils.Database(memory=True)
        stored, began = 0, time.perf_counter()
        while time.perf_counter() < began + plan.seconds:
            sent = json.loads(template(next(numbers)))["table"]
            names = sent["column_names"]
            made = (dict(zip(names, row, strict=True)) for row in sent["rows"])
            database[sent["tablename"]].insert_all(made)
            stored += rows
        took_s = time.perf_counter() - began
        database.conn.close()
        return stored / took_s

    with Host() as host:

        def ours() -> float:
            bodies = publications(template, "http", numbers)
            done = rate("http", host.ports["http"], bodies, CONNECTIONS, after(plan.seconds))
            host.rotate()
            return done.rate * rows

        found = interleaved({"theirs": theirs, "ours": ours}, plan.rounds)
    yield of_medians("1000 x 10", "rows/s", found["ours"], found["theirs"], "sqlite-utils")


# --- DuckDB ---------------------------------------------------------------------------------


def _beside_duckdb(plan: Plan) -> Iterator[Figure]:
    _need("duckdb", "DuckDB")
    import duckdb

    rows, identities = plan.few(aggregate.ROWS), plan.few(1000)
    with Host() as host, duckdb.connect() as database:
        fill(host, rows, identities)
        host.rotate()
        database.execute("set threads = 2")
        database.execute(
            f"create table {MANY} as select r id0, 'name-' || r name1, r * 1.25 value2,"
            f" 'ok' state3, 7 n4 from (select i % {rows // identities} r from range({rows}) t(i))"
        )
        found = interleaved(
            {
                "theirs": lambda: aggregate.seconds(
                    lambda: database.execute(aggregate.SQL).fetchall(), 1
                ),
                "ours": lambda: aggregate.seconds(lambda: ask(host, aggregate.another()), 1),
            },
            plan.rounds,
        )
    yield of_medians(
        f"aggregate of {rows:,} rows", "s", found["ours"], found["theirs"], "DuckDB, its own table"
    )


CASES = (
    Case("other-datasette", "Datasette serving the same file", _beside_datasette),
    Case("other-sqlite-utils", "sqlite-utils inserting the same JSON", _beside_sqlite_utils),
    Case("other-duckdb", "DuckDB on the aggregate, two threads", _beside_duckdb),
)
