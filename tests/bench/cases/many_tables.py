"""Curves: what more tables, and more columns, do to publishing, rotating, SHOW and completion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from qasino_cli.catalog import fetch_catalog
from qasino_cli.client import open_client
from qasino_cli.connection import Connection
from qasino_cli.sql.completion import complete
from qasino_server.message import Query
from qasino_server.table import Result
from tests.bench.bodies import table
from tests.bench.completion import milliseconds
from tests.bench.figures import Figure
from tests.bench.load import after_sending, rate
from tests.bench.plan import Plan
from tests.bench.processes import Host
from tests.bench.registry import Case
from tests.bench.signals import ask

TABLES = (100, 1000, 10_000)
WIDE_TABLES, COLUMNS = 100, (5, 50, 500)
AT_ONCE = 8


def _curve(host: Host, what: str, tables: int, columns: int, rounds: int) -> Iterator[Figure]:
    templates = [table(1, columns, f"t{columns}_{n}") for n in range(tables)]
    bodies = (template(1) for template in templates)
    at_once = min(AT_ONCE, tables)
    done = rate("zmq", host.ports["zmq"], bodies, at_once, after_sending(tables, at_once))
    yield Figure(f"{what}: publish", done.rate, "tables/s")
    yield Figure(f"{what}: rotate", 1000 * host.rotate()["seconds"], "ms")
    show_ms, _ = milliseconds(lambda: ask(host, "SHOW tables"), rounds)
    yield Figure(f"{what}: SHOW tables", show_ms, "ms")
    with closing(open_client(Connection(host="127.0.0.1", port=host.ports["zmq"]))) as client:

        def asked(sql: str) -> Result:
            return client.query(Query(sql=sql, typed=True))

        fetch_ms, _ = milliseconds(lambda: fetch_catalog(asked), rounds)
        yield Figure(f"{what}: fetch the names", fetch_ms, "ms")
        catalog = fetch_catalog(asked)
    text = f"select * from t{columns}_1 where i"
    key_ms, _ = milliseconds(lambda: complete(text, len(text), catalog, lambda t, c: None), 20)
    yield Figure(f"{what}: a keystroke's completion", key_ms, "ms")


def _run(plan: Plan) -> Iterator[Figure]:
    with Host() as host:
        for tables in TABLES:
            number = plan.few(tables)
            yield from _curve(host, f"{number:,} tables x 5", number, 5, plan.rounds)
        host.rotate()
        for columns in COLUMNS:
            number = plan.few(WIDE_TABLES)
            what = f"{number:,} tables x {columns}"
            yield from _curve(host, what, number, columns, plan.rounds)


CASE = Case("many-tables", "curves over tables and columns; no goals", _run)
