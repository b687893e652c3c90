"""A server that is ill-treated, what its state is measured by, and what it is asked.

Most tests share one server on purpose: each of them leaves it to the next, and `unhurt` looks
after every one of them whether all ports answer, the clock turns, and nothing was kept.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import zmq
from wire import Wire, as_bytes, publication, until

from qasino_server.server import Server

TIMEOUT_S = 0.4
"""What a query of the shared server may take."""
LIMIT_BYTES = 2000
"""What a body of the small server may have."""
ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
TRILLION = (
    "with recursive n(i) as (select 1 union all select i + 1 from n limit 1000000)"
    " select a.i as a, b.i as b from n a, n b"
)

MakeServer = Callable[..., Server]
Json = dict[str, Any]


class Site:
    """A server that is ill-treated, and what its state is measured by."""

    def __init__(self, server: Server, wire: Wire) -> None:
        self.server = server
        self.wire = wire
        self._signals = wire.zmq_socket(zmq.SUB)
        self._number = 0
        self.clean = True
        until(self._signal_heard)

    def _signal_heard(self) -> int:
        self._number = self.server.rotate()
        return self._signals.poll(20)

    def close(self) -> None:
        """Close the client."""
        self._signals.close()
        self.wire.close()

    def unhurt(self, *tables: str) -> None:
        """Every port answers, the generation turns, and these are all the tables there are."""
        number = self.server.rotate()
        assert number > self._number, "the server no longer rotates"
        self._number = number
        while self._next_signal() <= number:
            pass
        assert self.wire.query("select 1")["table"]["rows"] == [["1"]]
        by_zmq = json.loads(self.wire.zmq_request({"op": "query", "sql": "select 1"})[0])
        assert by_zmq["table"]["rows"] == [["1"]]
        assert self.wire.line("select 1;") == "1\r\n=\r\n1\r\n1 rows returned\r\n"
        assert self._tables() == set(tables)
        assert not self.server.failed
        self.clean = not tables

    def _next_signal(self) -> int:
        tag, _, signal = self._signals.recv().partition(b"\0")
        assert tag == b"GENSIG"
        return int(json.loads(signal)["generation_number"])

    def _tables(self) -> set[str]:
        rows = self.wire.rows(
            "select name from main.sqlite_schema where name not like 'qasino_server_%'"
            " union select name from static.sqlite_schema"
            " where type = 'table' and name not like 'qasino_%'"
            " union select tablename from qasino_server_tables"
            " where tablename not like 'qasino_server_%'"
            " union select tablename from qasino_server_sources"
        )
        return {name for (name,) in rows}


class Shared:
    """A site for one test after the other; who does not leave it clean is the last."""

    def __init__(self, make_server: MakeServer, **settings: Any) -> None:
        self._make_server = partial(make_server, **settings)
        self._site: Site | None = None

    @contextmanager
    def lend(self) -> Iterator[Site]:
        """For one test."""
        if self._site is None:
            server = self._make_server()
            self._site = Site(server, Wire(server.ports))
        self._site.clean = False
        yield self._site
        if not self._site.clean:
            self.close()

    def close(self) -> None:
        """The end of the server and its client."""
        if self._site is not None:
            self._site.close()
            self._site.server.stop()
            self._site = None


def ask(wire: Wire, transport: str, body: Any) -> tuple[int | None, Json]:
    """The status, if the transport has one, and the answer."""
    if transport == "http":
        status, headers, answer = wire.http_post(None, body)
        assert headers["content-type"] == "application/json"
        return status, strict_json(answer)
    (frame,) = wire.zmq_request(as_bytes(body))
    return None, strict_json(frame)


def strict_json(data: bytes) -> Any:
    """JSON as the standard has it: no NaN, no Infinity, in UTF-8."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(data.decode(), parse_constant=refuse)


STATUSES = {400, 401, 403, 404, 405, 408, 413, 415, 431, 503, 504}
"""Those of errors that are not the server's own."""


def is_error(answer: Json, *places: str) -> None:
    """An error whose sentence matches each of these, and shows nothing of the insides."""
    assert answer["response_op"] == "error", answer
    assert answer["identity"] == "test-server"
    assert answer.keys() <= {
        *("response_op", "identity", "error_message", "error_status"),
        *("error_offset", "error_hint"),
    }
    assert answer["error_status"] in STATUSES
    sentence = answer["error_message"]
    for place in places:
        assert re.search(place, sentence), sentence
    assert not re.search(r"Traceback|Error\(|<class|object at 0x|msgspec|apsw", sentence)
    assert "\n" not in sentence
    assert len(sentence) < 1000


MISSING = object()
_IN_TABLE = ("tablename", "column_names", "column_types", "column_descriptions", "rows")


def message(**changes: Any) -> Json:
    """A publication of one table that is right, but for these keys; MISSING leaves one out."""
    body: Json = {"op": "add_table_data"} | publication(
        "h", "t", ["a", "b"], ["int", "text"], [[1, "x"], [2, "y"]]
    )
    for key, value in changes.items():
        place = body["table"] if key in _IN_TABLE else body
        place[key] = value
        if value is MISSING:
            del place[key]
    return body


def message_with(rows: bytes) -> bytes:
    """The same publication with rows as they stand here."""
    return as_bytes(message(rows="ROWS")).replace(b'"ROWS"', rows)


def receive(made: socket.socket, size_bytes: int) -> bytes:
    """Exactly so many bytes."""
    data = b""
    while len(data) < size_bytes:
        part = made.recv(size_bytes - len(data))
        assert part, "closed"
        data += part
    return data


def told_over(wire: Wire, way: str, sql: str) -> bytes:
    """The answer to a statement, over one of the ways it can come."""
    if way == "line":
        return wire.line(f"{sql};").encode()
    if way == "zmq":
        return wire.zmq_request({"op": "query", "sql": sql})[0]
    if way == "http":
        status, _, body = wire.http_post("query", {"sql": sql})
    elif way == "open generation":
        status, _, body = wire.http_post("query", {"sql": sql, "use_write_db": 1})
    else:
        status, _, body = wire.http_get({"op": "query", "sql": sql, "format": way})
    assert status >= 400, (sql, body)
    return body


def seconds_of(call: Callable[[], Any]) -> tuple[float, Any]:
    """How long it took, and what it gave."""
    began = time.monotonic()
    answer = call()
    return time.monotonic() - began, answer


def running(wire: Wire) -> list[list[Any]]:
    """SHOW queries: id, seconds, port, peer, sql."""
    return wire.rows("show queries")
