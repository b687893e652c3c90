"""What an HTTP connection may do with our patience: bounds on its head, its pace, its number.

uvicorn has a bound for idle connections that have been served once, and none for those that
never finish a request, send a head without end, or do not take what they asked for. Peers
that are gone without a word are found by TCP itself (`patient`).
"""

from __future__ import annotations

import asyncio
import resource
import socket
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEAD_BYTES = 65536
"""The most a request's line and headers may take."""
HEAD_S = 60.0
"""How long a connection may take to send a head; the same before its first one."""
PACE_BYTES_S = 16384
"""What a body has to come at, on the whole, once HEAD_S is over."""
LEAVE_S = 30.0
"""How long a connection that is being closed may take to read what is left."""
SWEEP_S = 5.0
_PEER_GONE_MS = 60_000
_RESERVED_DESCRIPTORS = 512
"""Kept for files and the other ports."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    max_connections = 0
    """Of this process; set once by `bound_connections`."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request, unless there are too many who do."""
        super().connection_made(transport)
        self._since: float | None = self.loop.time()
        """When what we wait for began; None while the client waits for us."""
        self._received_bytes = 0
        self._in_head = True
        self._closing_since: float | None = None
        if len(self.connections) > self.max_connections:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._received_bytes > HEAD_BYTES:
            self._refuse(431, "the request's head is larger than this server takes: 64 KiB")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._since = self.loop.time()
        self._in_head = True

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._since = None
        self._received_bytes = 0
        super().on_message_complete()

    def sweep(self, now: float) -> None:
        """Close the connection if it has used up our patience; `now` is the loop's time."""
        if self.transport.is_closing():
            self._closing_since = self._closing_since or now
            if now > self._closing_since + LEAVE_S:
                self.transport.abort()
        elif self._since is not None:
            allowed_s = HEAD_S
            if not self._in_head:
                allowed_s += self._received_bytes / PACE_BYTES_S
            if now > self._since + allowed_s:
                self._refuse(408, "the request did not come in time")

    def _refuse(self, status: int, sentence: str) -> None:
        """Say why and close; with an answer under way, just close."""
        if self.transport.is_closing():
            return
        answering = self.cycle is not None and not self.cycle.response_complete
        if not (answering and self.cycle.response_started):
            text = f"{sentence}\n".encode()
            self.transport.write(
                STATUS_LINE[status]
                + b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
                + b"content-length: %d\r\n\r\n%s" % (len(text), text)
            )
        self.transport.close()


def bound_connections() -> None:
    """Leave file descriptors for generations, whatever comes."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        soft = 1 << 20
    GuardedProtocol.max_connections = max(soft // 2, soft - _RESERVED_DESCRIPTORS)


async def sweep_for_ever(connections: set[Any]) -> None:
    """Look after the connections of one port."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_S)
        now = loop.time()
        for connection in list(connections):
            connection.sweep(now)


def patient(listener: socket.socket) -> None:
    """Have TCP find peers that are gone, or that do not read; what it accepts inherits that."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", 60),
        ("TCP_KEEPINTVL", 15),
        ("TCP_KEEPCNT", 4),
        ("TCP_USER_TIMEOUT", _PEER_GONE_MS),
    ):
        option = getattr(socket, name, None)  # TCP_USER_TIMEOUT is Linux's
        if option is not None:
            listener.setsockopt(socket.IPPROTO_TCP, option, value)
