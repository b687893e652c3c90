"""Between the HTTP port's loop and the other threads: answers in, cancellations out."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar

from qasino_server.wakeup import ring

T = TypeVar("T")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PORTION_BYTES = 1 << 18
"""A body is sent in portions of that, each when the client has read most of the last."""
WATCH_AFTER_S = 0.1
"""A query that takes longer has its client watched; most never need the extra task."""


class Mailbox:
    """Things to do in the loop's thread, handed over by others with one wake-up for many.

    What that thread posts itself is done at the end of its turn.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._calls: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._pending = False

    def open(self) -> None:
        """In the thread of the loop, which runs: it does what was posted, and what will be."""
        self._thread = threading.get_ident()
        self._loop = asyncio.get_running_loop()
        self._deliver()

    def post(self, call: Callable[[], None]) -> None:
        """Have `call` run in the loop soon; any thread."""
        self._calls.append(call)
        if not self._pending:
            ring(self._wake)

    def _wake(self) -> None:
        if threading.get_ident() == self._thread:
            self._deliver()
            return
        loop = self._loop
        if loop is None:
            return  # `open` looks
        with self._lock:
            if self._pending:
                return
            self._pending = True
        try:
            loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:
            pass  # the loop is closed: the server is going down, nobody waits any more

    def _deliver(self) -> None:
        # Before the calls are taken: what is posted from now on rings again.
        self._pending = False
        calls = self._calls
        try:
            for _ in range(len(calls)):
                calls.popleft()()
        except BaseException:
            asyncio.get_running_loop().call_soon(self._deliver)  # those behind the one that failed
            raise


async def send_in_portions(send: Send, body: bytes) -> None:
    """The body of a response, whole, as fast as the client reads."""
    for begins in range(0, max(1, len(body)), PORTION_BYTES):
        portion = body[begins : begins + PORTION_BYTES]
        more = begins + PORTION_BYTES < len(body)
        await send({"type": "http.response.body", "body": portion, "more_body": more})


async def until_gone(receive: Receive) -> None:
    """Wait until the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


class watched:
    """While in it, a client that goes away has `gone` called; begins after a moment."""

    def __init__(self, receive: Receive, gone: Callable[[], None]) -> None:
        self._receive = receive
        self._gone = gone
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(WATCH_AFTER_S, self._begin)

    def __exit__(self, *exception: object) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        self._task = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        await until_gone(self._receive)
        self._gone()


async def awaited(future: asyncio.Future[T], receive: Receive, cancel: Callable[[], None]) -> T:
    """What the future becomes; `cancel` is called where the client goes away before that.

    Not once it is there: what is cancelled by its id may be another's by then.
    """

    def gone() -> None:
        if not future.done():
            cancel()

    with watched(receive, gone):
        return await future


def settle(future: asyncio.Future[Any], value: Any) -> None:
    """Give the future its value, unless nobody waits for it any more."""
    if not future.done():
        future.set_result(value)
