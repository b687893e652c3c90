"""A plain request, of which uvicorn makes nothing: kept as it comes, answered when it can be.

What a connection (`connections`) and whoever answers such requests (`direct`) know of each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Protocol

from qasino_server.heads import Heads


class Lane(Protocol):
    """Whoever answers requests without a task for each."""

    def takes(
        self, url: bytes, headers: Iterable[tuple[bytes, bytes]], own_address: str | None
    ) -> bool:
        """Whether it answers a POST of this head, the names of whose headers are lower case."""

    def heads_at(self, own_address: str | None) -> Heads:
        """The heads of requests to that address of ours that it took before."""

    def has_room_for(self, url: bytes) -> bool:
        """Whether a request to that URL, whose head it took before, may be answered now."""

    def arrives(self, request: DirectRequest, more_bytes: int) -> None:
        """Some more of the body of a request is there."""

    def let_go(self, request: DirectRequest) -> None:
        """The body is no longer held."""

    def serve(self, request: DirectRequest, body: bytes) -> None:
        """Answer it: by `request.finish`, soon and once."""


class Connection(Protocol):
    """Over which a request came, as far as its answer needs that."""

    transport: Any
    flow: Any
    """Which waits for a client that does not read: uvicorn's FlowControl."""

    def head(self, status: int, media_type: str, length: int, keep_alive: bool) -> bytes:
        """The head of an answer with a body of that length, in bytes."""

    def answered(self, request: DirectRequest) -> None:
        """A request has its answer."""


class _NoEvent:
    """uvicorn tells whoever reads a request that there is news; nobody waits for ours."""

    def set(self) -> None:
        """Tell nobody."""


class DirectRequest:
    """A request on its way; it stands where uvicorn has the cycle of one it answers itself."""

    message_event = _NoEvent()

    def __init__(self, connection: Connection, url: bytes, peer: str) -> None:
        self._connection = connection
        self.url = url
        self.peer = peer
        self.counted_bytes = 0
        """Of the body, what the lane has counted as held for this peer."""
        self.body: bytes | bytearray = b""
        """As far as it is there."""
        self.when_gone: Callable[[], None] | None = None
        """Is called if the client goes away before it is answered."""
        self._task: asyncio.Future[None] | None = None
        # What uvicorn asks of a cycle:
        self.keep_alive = True
        self.disconnected = False
        self.response_started = False
        self.response_complete = False

    def add(self, part: bytes) -> None:
        """Some more of the body."""
        if not self.body:
            self.body = part
        elif isinstance(self.body, bytearray):
            self.body += part
        else:
            self.body = bytearray().join((self.body, part))

    def finish(self, status: int, media_type: str, body: bytes) -> None:
        """Write the answer; what the connection sent meanwhile has its turn then."""
        self.when_gone = None
        if self.disconnected:
            return
        self._connection.transport.write(self._head(status, media_type, len(body)) + body)
        self._written()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Write a part of an answer, as ASGI has it, when the client has read the last."""
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            length = int(headers[b"content-length"])
            media_type = headers[b"content-type"].decode()
            self._connection.transport.write(self._head(message["status"], media_type, length))
            self.response_started = True
        else:
            self._connection.transport.write(message["body"])
            await self._connection.flow.drain()
            if not message.get("more_body"):
                self._written()

    def give_up(self) -> None:
        """Nobody waits for the answer any more; nothing where it has come by now: what is called
        as the query was may be another's."""
        if self.when_gone is not None:
            self.when_gone()

    def keep_task(self, task: asyncio.Future[None]) -> None:
        """What still has to be done; a connection whose answer it cuts short is closed."""
        self._task = task
        task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Future[None]) -> None:
        self._task = None
        if not self.response_complete and not self.disconnected:
            self._connection.transport.close()

    def _head(self, status: int, media_type: str, length: int) -> bytes:
        return self._connection.head(status, media_type, length, self.keep_alive)

    def _written(self) -> None:
        self.response_started = self.response_complete = True
        self._connection.answered(self)
