"""A client for tests that can say anything, right or wrong, on every port of a server.

It checks nothing and hides nothing: what the server sent is what a test gets. Every call opens
a connection of its own and closes it again, so that calls from several threads do not meet.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlencode

import zmq

TIMEOUT_S = 30.0
"""No answer takes longer, or the test fails; a machine that is busy is no fault."""

Headers = dict[str, str]
Answer = tuple[int, Headers, bytes]


class Wire:
    """The ports of one server. Use it as a context manager, or close it."""

    def __init__(self, ports: Mapping[str, int], host: str = "127.0.0.1") -> None:
        self.host = host
        self.ports = dict(ports)
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close what is open; safe to call twice."""
        if self._context is not None:
            self._context.destroy(linger=0)
            self._context = None

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- HTTP -------------------------------------------------------------------------------

    def http(
        self,
        method: str,
        params: Mapping[str, Any] | str = "",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        path: str = "/request",
    ) -> Answer:
        """One request: status, headers (names in lower case) and body.

        An iterable as the body goes out in chunks. `params` may be a query string as it is.
        """
        query = params if isinstance(params, str) else urlencode(params, quote_via=quote)
        connection = HTTPConnection(self.host, self.ports["http"], timeout=TIMEOUT_S)
        try:
            chunked = body is not None and not isinstance(body, bytes | str)
            target = f"{path}?{query}" if query else path
            connection.request(method, target, body, dict(headers or {}), encode_chunked=chunked)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return response.status, found, response.read()
        finally:
            connection.close()

    def http_get(self, params: Mapping[str, Any] | str) -> Answer:
        """GET /request with these parameters."""
        return self.http("GET", params)

    def http_post(self, op: str | None, body: Any, **params: Any) -> Answer:
        """POST /request?op=..; a body that is not bytes is sent as its JSON."""
        if op is not None:
            params = {"op": op, **params}
        return self.http("POST", params, as_bytes(body))

    def http_raw(self, data: bytes) -> bytes:
        """Bytes as they are to the HTTP port; all that comes back until it closes."""
        with self.connect("http") as made:
            made.sendall(data)
            return read_all(made)

    # --- ZeroMQ -----------------------------------------------------------------------------

    def zmq_socket(self, kind: int = zmq.REQ, connect: bool = True) -> zmq.Socket[bytes]:
        """A connected socket (to the signal port for SUB) that drops nothing.

        The caller closes it, and connects it unless that is done here.
        """
        with self._lock:
            if self._context is None:
                self._context = zmq.Context()
        made = self._context.socket(kind)
        made.linger = 0
        made.set_hwm(0)
        made.rcvtimeo = made.sndtimeo = int(TIMEOUT_S * 1000)
        if kind == zmq.SUB:
            made.subscribe(b"")
        port = self.ports["pubsub" if kind == zmq.SUB else "zmq"]
        if connect:
            made.connect(f"tcp://{self.host}:{port}")
        return made

    def rotate_until_heard(self, rotate: Callable[[], object]) -> None:
        """Begin generations until a signal has come: who subscribed before us has heard it too."""
        with self.zmq_socket(zmq.SUB) as hearing:
            until(lambda: (rotate(), hearing.poll(50))[1])

    def zmq_request(self, message: Any, kind: int = zmq.REQ) -> list[bytes]:
        """One request, its frames if it is a list; the frames of the reply.

        A message that is neither bytes nor a list is sent as its JSON. A DEALER sends and
        gets the frames without the empty one that a REQ puts before them by itself.
        """
        frames = message if isinstance(message, list) else [as_bytes(message)]
        with self.zmq_socket(kind) as made:
            made.send_multipart(frames)
            return made.recv_multipart()

    # --- The line port ----------------------------------------------------------------------

    def line(self, text: str) -> str:
        """Send statements and, if they do not, quit; all that comes back but the Bye!"""
        if not text.rstrip().endswith("quit;"):
            text += "\nquit;\n"
        with self.connect("line") as made:
            made.sendall(text.encode())
            return read_all(made).decode().removesuffix("Bye!\r\n")

    def connect(self, port: str) -> socket.socket:
        """A plain connection to a port; the caller closes it."""
        return socket.create_connection((self.host, self.ports[port]), timeout=TIMEOUT_S)

    # --- What tests do most -----------------------------------------------------------------

    def post(self, op: str, **keys: Any) -> dict[str, Any]:
        """The answer to a request by POST, whatever its status."""
        answer: dict[str, Any] = json.loads(self.http_post(op, keys)[2])
        return answer

    def publish(
        self,
        identity: str,
        table: str,
        columns: Sequence[str],
        types: Sequence[str],
        rows: Sequence[Sequence[Any]],
        **flags: Any,
    ) -> dict[str, Any]:
        """Publish a table over HTTP; the answer."""
        return self.post(
            "add_table_data", **publication(identity, table, columns, types, rows, **flags)
        )

    def query(self, sql: str, **keys: Any) -> dict[str, Any]:
        """The answer to a query over HTTP."""
        return self.post("query", sql=sql, **keys)

    def rows(self, sql: str, **keys: Any) -> list[list[Any]]:
        """The typed rows of a query that must succeed."""
        answer = self.query(sql, typed=True, **keys)
        assert answer["response_op"] == "result_table", answer
        rows: list[list[Any]] = answer["table"]["rows"]
        return rows


def publication(
    identity: str,
    table: str,
    columns: Sequence[str],
    types: Sequence[str],
    rows: Sequence[Sequence[Any]],
    **flags: Any,
) -> dict[str, Any]:
    """The keys of an `add_table_data` request."""
    return {
        "identity": identity,
        "table": {
            "tablename": table,
            "column_names": list(columns),
            "column_types": list(types),
            "rows": list(rows),
        },
        **flags,
    }


# What a statement is answered over each port, as it comes.

Ask = Callable[[Wire, str], str]


def over_http(wire: Wire, sql: str) -> str:
    return wire.http_post("query", {"sql": sql})[2].decode()


def over_zmq(wire: Wire, sql: str) -> str:
    return wire.zmq_request({"op": "query", "sql": sql})[0].decode()


def over_line(wire: Wire, sql: str) -> str:
    return wire.line(f"{sql};")


def as_bytes(body: Any) -> bytes:
    """A body as it goes out: bytes as they are, anything else as JSON."""
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def read_all(made: socket.socket) -> bytes:
    """All that comes until the other end closes."""
    parts = []
    while part := made.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def until(condition: Callable[[], Any], within_s: float = TIMEOUT_S) -> Any:
    """Ask again and again until the answer is truthy; that answer. Fails when time is up."""
    ends = time.monotonic() + within_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < ends, f"not within {within_s:g} s"
        time.sleep(0.01)
