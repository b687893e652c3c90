"""Connections with TLS: each is somebody's before its handshake is over, which has a bound."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from qasino_server.connections import GuardedProtocol
from qasino_server.seats import Seat, Seats

HANDSHAKE_S = 10.0
"""How long TLS may take to begin."""
_NO_DESCRIPTORS_S = 0.1


async def accept_tls(
    listener: socket.socket,
    context: ssl.SSLContext,
    make: Callable[[], GuardedProtocol],
    seats: Seats,
) -> None:
    """Serve a listening socket for ever, with TLS.

    uvicorn's own way knows of a connection once its handshake is over: one that never begins
    it would be nobody's.
    """
    loop = asyncio.get_running_loop()
    shaking: set[asyncio.Task[None]] = set()
    listener.setblocking(False)
    try:
        while True:
            try:
                made, address = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(_NO_DESCRIPTORS_S)
                continue
            if (seat := seats.take("https", address[0])) is None:
                made.close()
                continue
            task = asyncio.ensure_future(_shake_hands(made, context, make, seat))
            shaking.add(task)
            task.add_done_callback(shaking.discard)
    finally:
        for task in shaking:
            task.cancel()


async def _shake_hands(
    made: socket.socket, context: ssl.SSLContext, make: Callable[[], GuardedProtocol], seat: Seat
) -> None:
    protocol = make()
    protocol.seat = seat
    loop = asyncio.get_running_loop()
    try:
        await loop.connect_accepted_socket(
            lambda: protocol, made, ssl=context, ssl_handshake_timeout=HANDSHAKE_S
        )
    except (OSError, asyncio.CancelledError):
        seat.leave()
        made.close()
