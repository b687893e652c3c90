"""Following a server's generations, and looking at what each snapshot holds."""

from __future__ import annotations

import json
import threading
import time
from http.client import HTTPConnection
from itertools import pairwise
from types import TracebackType
from typing import Any

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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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


def held(host: Host, table: str) -> tuple[int, Held]:
    """The snapshot's number, and what it holds of the table; both counts must agree."""
    answer = _answered(
        host,
        f"select (select count(*) from {table}), count(distinct identity),"
        f" coalesce(sum(nr_rows), 0) from qasino_server_sources where tablename = '{table}'",
    )
    if answer["response_op"] == "error":
        answer = _answered(host, "select 0, 0, 0")  # the snapshot has no such table
    rows, identities, sourced = answer["table"]["rows"][0]
    if rows != sourced:
        raise RuntimeError(f"{table} has {rows} rows, qasino_server_sources tells of {sourced}")
    return int(answer["generation_number"]), Held(rows, identities)


def _answered(host: Host, sql: str) -> dict[str, Any]:
    """The answer of a server that may be busy at first."""
    ends = time.monotonic() + PATIENCE_S
    while True:
        answer = ask(host, sql)
        message = answer.get("error_message", "no such table")
        if answer["response_op"] == "result_table" or "no such table" in message:
            return answer
        if time.monotonic() > ends:
            raise RuntimeError(message)
        time.sleep(0.02)


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
        snapshot, found = held(self._host, self._table)
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()
