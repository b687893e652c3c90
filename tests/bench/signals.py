"""Following a server's generations, and looking at what each snapshot holds."""

from __future__ import annotations

import json
import threading
import time
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from typing import Any

import apsw
import msgspec
import zmq

from tests.bench.load import PATIENCE_S
from tests.bench.processes import Host


class Signals:
    """The ZeroMQ signal. Use it as a context manager, and in one thread."""

    def __init__(self, host: Host) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._sub = self._context.socket(zmq.SUB)
        self._sub.subscribe(b"")
        self._sub.connect(f"tcp://127.0.0.1:{host.ports['pubsub']}")

    def next(self, within_s: float = PATIENCE_S) -> int | None:
        """Wait for a generation to begin; its number, None where none does."""
        if not self._sub.poll(within_s * 1000):
            return None
        return int(json.loads(self._sub.recv().partition(b"\0")[2])["generation_number"])

    def __enter__(self) -> Signals:
        return self

    def __exit__(self, *exception: object) -> None:
        self._context.destroy(linger=0)


def ask(host: Host, sql: str, **keys: Any) -> dict[str, Any]:
    """The answer to a query, typed, over a connection of its own; errors too."""
    connection = HTTPConnection("127.0.0.1", host.ports["http"], timeout=PATIENCE_S)
    try:
        body = json.dumps({"sql": sql, "typed": True, **keys})
        connection.request("POST", "/request?op=query", body)
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return answer
    finally:
        connection.close()


class Held(msgspec.Struct, frozen=True):
    """What a snapshot holds of one table."""

    rows: int
    identities: int


def held(file: Path, table: str) -> Held:
    """What a snapshot's file holds of the table; the rows and their sources must agree.

    The file itself is read: a query would wait behind the others of an overloaded server.
    """
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    connection = apsw.Connection(f"file:{file}?immutable=1", flags=flags)
    try:
        if not connection.table_exists(None, table):
            return Held(0, 0)
        rows, identities, sourced = connection.execute(
            f"select (select count(*) from {table}), count(distinct identity),"
            " coalesce(sum(nr_rows), 0) from qasino_server_sources where tablename = ?",
            (table,),
        ).fetchone()
    finally:
        connection.close()
    if rows != sourced:
        raise RuntimeError(f"{table} has {rows} rows, qasino_server_sources tells of {sourced}")
    return Held(rows, identities)


class Watcher:
    """Notes in a thread when generations begin, and what each snapshot holds of a table."""

    def __init__(self, host: Host, table: str) -> None:
        self._host, self._table = host, table
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher")
        self._news = threading.Condition()
        self._error: BaseException | None = None
        self.signals: list[tuple[int, float]] = []
        """(number, time.monotonic) of each beginning."""
        self.held: dict[int, Held] = {}
        """By the number of the snapshot."""

    def wait_for(self, signals: int) -> None:
        """Wait until so many generations have begun and the snapshots before were looked at."""
        with self._news:
            done = self._news.wait_for(
                lambda: len(self.signals) >= signals or self._error is not None, PATIENCE_S * 2
            )
        if self._error is not None:
            raise self._error
        if not done:
            raise TimeoutError("no signal")

    def _run(self) -> None:
        try:
            with Signals(self._host) as signals:
                while not self._stopping.is_set():
                    number = signals.next(0.1)
                    if number is not None:
                        self._note(number)
        except BaseException as error:  # told to who waits
            with self._news:
                self._error = error
                self._news.notify_all()

    def _note(self, number: int) -> None:
        began = time.monotonic()
        files = {int(file.stem): file for file in self._host.db_dir.rglob("[0-9]*.db")}
        snapshot = max(generation for generation in files if generation < number)
        found = held(files[snapshot], self._table)
        with self._news:
            self.held[snapshot] = found
            self.signals.append((number, began))
            self._news.notify_all()

    def late_s(self, duration_s: float) -> float:
        """The most that two beginnings were further apart, or closer, than they should be."""
        times = [began for _, began in self.signals]
        pairs = pairwise(times)
        return max((abs(b - a - duration_s) for a, b in pairs), default=0.0)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopping.set()
        self._thread.join()
