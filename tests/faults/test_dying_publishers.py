"""A publisher that dies in the middle of what it sends: nothing is stored, nothing is left."""

from __future__ import annotations

import json
import socket
import struct
from contextlib import ExitStack

import pytest
from running import LONG, Running
from wire import publication, until

BODY = json.dumps(
    publication("dying", "half", ["n", "x"], ["int", "text"], [[n, "x" * 50] for n in range(5000)])
    | {"op": "add_table_data"}
).encode()
HEAD = b"POST /request?op=add_table_data HTTP/1.1\r\nHost: localhost\r\n"
COUNT = 400 if LONG else 40
MEBIBYTE = 1 << 20


def with_length(part: bytes) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + part


def in_chunks(part: bytes) -> bytes:
    """Whole chunks, and the last of all is missing."""
    chunks = [part[at : at + 10_000] for at in range(0, len(part), 10_000)]
    sent = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + sent


def in_a_frame(part: bytes) -> bytes:
    """What follows the greetings: a REQ's READY, and a frame that announces more than comes."""
    metadata = b"\x05READY\x0bSocket-Type\x00\x00\x00\x03REQ"
    ready = b"\x04" + bytes([len(metadata)]) + metadata
    delimiter = b"\x01\x00"
    return ready + delimiter + b"\x02" + struct.pack(">Q", len(BODY)) + part


def greeted(running: Running, port: str) -> socket.socket:
    """A connection; over ZeroMQ with the greetings of ZMTP 3.0 (rfc.zeromq.org/spec/23)."""
    made = running.wire.connect(port)
    if port == "zmq":
        made.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32))
        theirs = b""
        while len(theirs) < 64:
            theirs += made.recv(64 - len(theirs)) or pytest.fail("no greeting")
    return made


def die(made: socket.socket, hard: bool) -> None:
    """Close; hard is a reset, as of a process whose machine is gone."""
    if hard:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    made.close()


@pytest.mark.parametrize(
    ("port", "wrapped"), [("http", with_length), ("http", in_chunks), ("zmq", in_a_frame)]
)
def test_nothing_is_stored_and_nothing_is_left(
    running: Running, port: str, wrapped: object
) -> None:
    assert callable(wrapped)
    running.publish("a", "whole", 1, persist=1)
    running.turns()

    def one(n: int) -> None:
        part = BODY[: len(BODY) * (n % 10) // 10 + n % 7]
        made = greeted(running, port)
        made.sendall(wrapped(part))
        die(made, hard=n % 2 == 0)

    for n in range(10):
        one(n)
    until(lambda: idle(running))
    before = running.held()
    for n in range(COUNT):
        one(n)
    until(lambda: running.held().descriptors <= before.descriptors, 30)
    running.turns(2)
    assert "no such table" in running.wire.query("select * from half")["error_message"]
    assert running.sees("select v from whole", [[1]])
    assert running.sees(
        "select count(*) from qasino_server_sources where identity = 'dying'", [[0]]
    )
    assert running.held().private_bytes < before.private_bytes + 20 * MEBIBYTE
    with ExitStack() as stack:  # and a whole one from the same kind of client is stored
        made = stack.enter_context(greeted(running, port))
        ending = b"0\r\n\r\n" if wrapped is in_chunks else b""
        made.sendall(wrapped(BODY) + ending)
        until(lambda: running.sees("select count(*) from half", [[5000]]), 30)


def idle(running: Running) -> bool:
    """Whether the server has closed what was closed at the other end."""
    first = running.held().descriptors
    running.turns()
    return running.held().descriptors == first
