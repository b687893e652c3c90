"""The HTTP port: uvicorn in one thread with an asyncio loop, for HTTP and HTTPS.

What is served is `http_app`; here is how long it goes on, how its turns end, and how uvicorn is
told to do no more than read and write HTTP.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Sequence
from functools import partial

import uvicorn
import uvloop

from qasino_server.connections import IDLE_S, GuardedProtocol, sweep_for_ever
from qasino_server.handshakes import accept_tls
from qasino_server.http_app import RequestApp
from qasino_server.http_server import HttpServer
from qasino_server.seats import Seats
from qasino_server.service import OnDeath, Service
from qasino_server.wakeup import Turn
from qasino_server.way import turn_is_over

_TICK_S = 0.001
"""What the loop's clock knows."""


class HttpPort(Service):
    """uvicorn in a thread of the threaded core: HTTP, HTTPS or both, in one loop."""

    def __init__(
        self,
        listeners: Sequence[tuple[socket.socket, ssl.SSLContext | None]],
        app: RequestApp,
        seats: Seats,
        on_death: OnDeath,
    ) -> None:
        """Serve each listening socket, with TLS where it comes with a context for it."""
        super().__init__("http-port", on_death)
        self._app = app
        self._seats = seats
        self._listeners = listeners
        # What uvicorn has to say of a broken request or a stream we break off on purpose is
        # no news to an operator.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)
        self._servers = [_uvicorn(app, seats) for _ in listeners]

    def wake(self) -> None:
        for server in self._servers:
            server.should_exit = True  # where it has not begun yet
            self._app.mailbox.post(server.end)
        self._app.mailbox.post(self._app.pages.close)

    def run(self) -> None:
        """Serve until stopped."""
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._main())
        finally:
            turn_is_over()

    async def _main(self) -> None:
        loop = asyncio.get_running_loop()
        self._app.open()
        # Whoever this thread has to wake is woken when all that has arrived is handed in; what
        # is left of its chores then comes after the next look at the sockets.
        turn = Turn(
            on_first=lambda: loop.call_soon(turn.end),
            on_rest=lambda rest_s: loop.call_later(max(rest_s, _TICK_S), turn.rested),
        )
        turn.carry()
        pairs = zip(self._servers, self._listeners, strict=True)
        await asyncio.gather(*[self._serve(server, *listener) for server, listener in pairs])

    async def _serve(
        self, server: HttpServer, listener: socket.socket, tls: ssl.SSLContext | None
    ) -> None:
        beside = [asyncio.ensure_future(sweep_for_ever(server.server_state.connections))]
        if tls is not None:
            make = partial(
                GuardedProtocol,
                self._seats,
                config=server.config,
                server_state=server.server_state,
                app_state={},
            )
            beside.append(asyncio.ensure_future(accept_tls(listener, tls, make, self._seats)))
        try:
            await server.serve(sockets=[listener] if tls is None else [])
        finally:
            for task in beside:
                task.cancel()


def _uvicorn(app: RequestApp, seats: Seats) -> HttpServer:
    config = uvicorn.Config(
        app,
        http=partial(GuardedProtocol, seats),  # type: ignore[arg-type]  # called, no more
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # X-Forwarded-Proto: http would open HTTPS to whoever comes over a loopback address,
        # and X-Forwarded-For give one host as many shares as it likes.
        proxy_headers=False,
        timeout_keep_alive=int(IDLE_S),
    )
    config.load()
    return HttpServer(config)
