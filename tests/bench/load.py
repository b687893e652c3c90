"""Clients that send as fast as answers come: bytes made beforehand, answers barely read.

Client and server share the machine's cores, so what these spend is missing to the server;
they are kept as small as Python allows.
"""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import zmq

Bodies = Iterator[bytes]


def table_body(rows: int, columns: int) -> Callable[[int], bytes]:
    """Publications of such a table, each from another identity."""
    kinds = [("id", "int"), ("name", "text"), ("value", "real"), ("state", "text"), ("n", "int")]
    names = [f"{kinds[c % 5][0]}{c}" for c in range(columns)]
    types = [kinds[c % 5][1] for c in range(columns)]
    cells = [lambda r: r, lambda r: f"name-{r}", lambda r: r * 1.25, lambda r: "ok", lambda r: 7]
    body = json.dumps(
        {
            "op": "add_table_data",
            "identity": "IDENTITY",
            "table": {
                "tablename": f"bench_{rows}_{columns}",
                "column_names": names,
                "column_types": types,
                "rows": [[cells[c % 5](r) for c in range(columns)] for r in range(rows)],
            },
        }
    ).encode()
    before, after = body.split(b"IDENTITY")
    return lambda n: b"%b%08d%b" % (before, n, after)


def http_post(op: str, body: bytes) -> bytes:
    """The bytes of a request."""
    head = f"POST /request?op={op} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def http_rate(port: int, requests: Bodies, connections: int, seconds: float) -> tuple[int, float]:
    """Requests answered with 200 in about that time, and the time it took."""
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        made = socket.create_connection(("127.0.0.1", port))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(made, selectors.EVENT_READ, bytearray())
        made.sendall(next(requests))
    answered, began = 0, time.perf_counter()
    ends = began + seconds
    waiting = connections
    while waiting:
        for key, _ in selector.select():
            made, unread = key.fileobj, key.data
            unread += made.recv(1 << 20)  # type: ignore[union-attr]
            if not _whole(unread):
                continue
            if not unread.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(bytes(unread[:500]).decode())
            unread.clear()
            answered += 1
            if time.perf_counter() < ends:
                made.sendall(next(requests))  # type: ignore[union-attr]
            else:
                waiting -= 1
    took = time.perf_counter() - began
    for key in list(selector.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    selector.close()
    return answered, took


def _whole(unread: bytearray) -> bool:
    head = unread.find(b"\r\n\r\n")
    if head < 0:
        return False
    at = unread.find(b"content-length: ")
    length = int(unread[at + 16 : unread.find(b"\r", at)])
    return len(unread) >= head + 4 + length


def zmq_rate(port: int, requests: Bodies, connections: int, seconds: float) -> tuple[int, float]:
    """As http_rate, over ZeroMQ with `connections` requests on their way at once."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.linger = 0
    dealer.connect(f"tcp://127.0.0.1:{port}")
    for _ in range(connections):
        dealer.send_multipart([b"", next(requests)])
    answered, began = 0, time.perf_counter()
    ends = began + seconds
    waiting = connections
    while waiting:
        reply = dealer.recv_multipart()[1]
        if b'"error"' in reply[:40]:
            raise RuntimeError(reply[:500].decode())
        answered += 1
        if time.perf_counter() < ends:
            dealer.send_multipart([b"", next(requests)])
        else:
            waiting -= 1
    took = time.perf_counter() - began
    context.destroy(linger=0)
    return answered, took


def publications(make: Callable[[int], bytes], numbers: count[int], http: bool) -> Bodies:
    """An endless stream of publications, each from an identity of its own."""
    while True:
        body = make(next(numbers))
        yield http_post("add_table_data", body) if http else body


def queries(sql: str, http: bool, **keys: Any) -> Bodies:
    """The same query for ever."""
    body = json.dumps({"op": "query", "sql": sql, **keys}).encode()
    request = http_post("query", body) if http else body
    while True:
        yield request
