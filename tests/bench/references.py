"""What the figures are compared with, where it is no server: loops without Qasino in them."""

from __future__ import annotations

import time
from itertools import count

import apsw
import msgspec

from tests.bench.bodies import Template


def thread_rows_per_s(template: Template, seconds: float) -> float:
    """One thread: decode with msgspec, `executemany` into :memory:, a commit per table."""
    connection = apsw.Connection(":memory:")
    numbers = count()
    made = msgspec.json.decode(template(0))["table"]
    name, columns = made["tablename"], made["column_names"]
    connection.execute(f"create table {name} ({', '.join(columns)})")
    insert = f"insert into {name} values ({', '.join('?' * len(columns))})"
    rows, began = 0, time.perf_counter()
    while time.perf_counter() < began + seconds:
        decoded = msgspec.json.decode(template(next(numbers)))["table"]["rows"]
        with connection:
            connection.executemany(insert, decoded)
        rows += len(decoded)
    return rows / (time.perf_counter() - began)


def typed_answers_per_s(file: str, sql: str, seconds: float) -> float:
    """One thread: fetch the rows with apsw and encode them, typed, with msgspec."""
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    connection = apsw.Connection(f"file:{file}?immutable=1", flags=flags)
    connection.execute("pragma mmap_size = 1073741824")
    answered, began = 0, time.perf_counter()
    while time.perf_counter() < began + seconds:
        cursor = connection.execute(sql)
        names = [name for name, _ in cursor.get_description()]
        table = {"column_names": names, "rows": cursor.fetchall()}
        msgspec.json.encode({"response_op": "result_table", "table": table})
        answered += 1
    connection.close()
    return answered / (time.perf_counter() - began)
