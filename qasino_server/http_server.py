"""uvicorn's server, which ends as soon as it is told to.

uvicorn looks every 0.1 s whether it is to end, and waits as long again for connections that are
closed by then: a restart takes 0.2 s longer, and a server that rests is woken ten times a second.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import uvicorn

GRACE_S = 1.0
"""What is being answered when the server ends has so long."""
_LOOK_S = 0.005
_TICKS_A_SECOND = 10
"""As uvicorn counts: at each tenth it renews the date that answers carry."""


class HttpServer(uvicorn.Server):
    """One listening socket's."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()

    def end(self) -> None:
        """Answer what has been asked, and end; in the loop's thread."""
        self.should_exit = True
        self._told.set()

    async def main_loop(self) -> None:
        """Until it is told to end."""
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += _TICKS_A_SECOND
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more, and wait for what is being answered."""
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(GRACE_S):
                while self.server_state.connections or self.server_state.tasks:
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            for task in self.server_state.tasks:
                task.cancel()
