"""Clients that ask and never read, on every port at once: memory stays, others are served."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack

import zmq
from running import LONG, Running, Site
from wire import until

LARGE_BYTES = 2_000_000
LARGE = f"select printf('%.*c', {LARGE_BYTES}, 'x') as x"
STREAM = "with recursive n(i) as (select 1 union all select i+1 from n) select i, hex(i) from n"
CLIENTS = 20 if LONG else 4
CONNECTIONS = 30
"""To snapshots, at once: readers, also those given up, queries that wait, the next snapshot's."""
BOUND_BYTES = 250 << 20
"""Half of 8 * 4 MiB a port, one result more a connection, and what is being made."""


def ask_over_http(running: Running, sql: str, **params: str) -> socket.socket:
    body = json.dumps({"op": "query", "sql": sql, **params}).encode()
    made = running.wire.connect("http")
    made.sendall(
        b"POST /request HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
        + body
    )
    return made


def deaf_dealer(running: Running, queries: int) -> zmq.Socket[bytes]:
    """Asks and asks; takes no answer, not even into its own queue."""
    made = running.wire.zmq_socket(zmq.DEALER, connect=False)
    made.rcvhwm, made.rcvbuf = 1, 10_000
    made.connect(f"tcp://127.0.0.1:{running.wire.ports['zmq']}")
    for n in range(queries):
        made.send_multipart([b"", json.dumps({"op": "query", "sql": f"{LARGE}{n}"}).encode()])
    return made


def test_who_never_reads_costs_neither_memory_nor_the_others(site: Site) -> None:
    running = site.start("--max-result", "4M")
    running.wire.zmq_request({"op": "query", "sql": LARGE})  # pyzmq's own for large messages
    running.turns()
    before = running.held()
    with ExitStack() as deaf:
        for _ in range(CLIENTS):
            deaf.enter_context(ask_over_http(running, LARGE))
            line = deaf.enter_context(running.wire.connect("line"))
            line.sendall(f"{LARGE};\n".encode() * 20)
            deaf.enter_context(deaf_dealer(running, 60))
            events = deaf.enter_context(running.wire.connect("http"))
            events.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        worst = 0
        ends = time.monotonic() + (60 if LONG else 4)
        while time.monotonic() < ends:
            worst = max(worst, running.held().private_bytes)
            # The deaf count as this address: whoever comes from another is served.
            assert b"200 OK" in from_another_address(running, "select 41 + 1")
        assert worst - before.private_bytes < BOUND_BYTES, f"{worst >> 20} MiB"
        assert running.publish("a", "t", 1, replace=1)["response_op"] == "ok"
    # libzmq does not tell that a client is gone: what it has asked for is still worked off.
    until(lambda: running.wire.rows("show queries") == [], 100)
    running.turns()
    until(lambda: running.held().sockets <= before.sockets + 3, 30)
    # SQLite keeps the static file's for the next connections: one each, and one of its log.
    assert running.held().descriptors < before.descriptors + 2 * CONNECTIONS


def from_another_address(running: Running, sql: str) -> bytes:
    body = json.dumps({"op": "query", "sql": sql}).encode()
    address = ("127.0.0.1", running.wire.ports["http"])
    with socket.create_connection(address, 10, source_address=("127.0.0.2", 0)) as made:
        made.sendall(
            b"POST /request HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
            + body
        )
        return made.recv(10_000)
