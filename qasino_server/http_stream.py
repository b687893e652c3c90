"""A streamed answer: from a reader's thread to the loop, and out as fast as its client reads.

The reader waits while its client is too far behind. What is held for it meanwhile, here and in
the connection, is counted as the asker's, as results that are sent whole are (`http_answer`).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque

from qasino_server.bridge import PORTION_BYTES, Mailbox, Send
from qasino_server.errors import Cancelled, QueryTimeout
from qasino_server.http_answer import start
from qasino_server.patience import allowed_s
from qasino_server.replies import Reply
from qasino_server.share import Share
from qasino_server.table import Result
from qasino_server.wakeup import ring_now

STREAM_BYTES = 1 << 20
"""What a stream may be ahead of its client."""


class StreamSink:
    """One streamed answer."""

    def __init__(self, mailbox: Mailbox, leaving: Share, asker: str) -> None:
        """In the loop's thread; `leaving` is what has not been read yet, of this asker and all."""
        self._mailbox = mailbox
        self._leaving = leaving
        self._asker = asker
        self._news = asyncio.Event()
        self._condition = threading.Condition()
        self._chunks: deque[bytes] = deque()
        self._size_bytes = 0
        self._stopped = False
        self._sending_bytes = 0
        self._counted_bytes = 0
        self._closed = False
        self.media_type: str | None = None

    # The reader's thread

    def begin(self, media_type: str) -> None:
        """The query has begun to answer."""
        self.media_type = media_type
        self._tell()

    def write(self, chunk: bytes, deadline: float) -> None:
        """Pass a chunk on; wait while the client is too far behind."""
        with self._condition:
            while self._size_bytes > STREAM_BYTES and not self._stopped:
                if not self._condition.wait(max(0.0, deadline - time.monotonic())):
                    raise QueryTimeout("the client did not read its result in time")
            if self._stopped:
                raise Cancelled("the client has gone away")
            self._chunks.append(chunk)
            self._size_bytes += len(chunk)
        self._tell()

    def _tell(self) -> None:
        self._mailbox.post(self.hear)
        ring_now()  # the query goes on, and the next chunk may have to wait

    # Any thread

    def stop(self) -> None:
        """Whoever writes is told to go no further."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    # The loop's thread

    def hear(self) -> None:
        """There is more, or it has ended."""
        self._count()
        self._news.set()

    async def send_to(self, send: Send, ended: asyncio.Future[Reply]) -> bool:
        """Send what comes until the query has ended; whether anything was sent.

        Without its end where the query did not end well, or the client, that has some time for
        the rest then, does not read it. Raises Busy, with nothing sent, for more than a portion
        where too much is held already that this asker, or all, have not read.
        """
        clock = asyncio.timeout(None)
        loop = asyncio.get_running_loop()

        def allow_for_the_rest(_: asyncio.Future[Reply]) -> None:
            if not self._closed:
                left_bytes = self._size_bytes + self._sending_bytes
                clock.reschedule(loop.time() + allowed_s(left_bytes))

        try:
            async with clock:
                ended.add_done_callback(allow_for_the_rest)
                return await self._send_chunks(send, ended)
        except TimeoutError:
            return True
        finally:
            self._closed = True
            self._count()

    async def _send_chunks(self, send: Send, ended: asyncio.Future[Reply]) -> bool:
        begun = False
        while True:
            await self._news.wait()
            self._news.clear()
            over = ended.done()
            if not begun and self._may_begin(over):
                begun = True
                await send(start(200, self.media_type or "", None))
            if begun:
                await self._send_chunk(send, self._take())
            if over:
                if begun and isinstance(ended.result(), Result):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                return begun

    def _may_begin(self, over: bool) -> bool:
        if self.media_type is None:
            return False
        if self._leaving.has_room(self._asker, -self._counted_bytes):  # beside what it has itself
            return True
        if self._size_bytes > PORTION_BYTES:
            raise self._leaving.busy
        return over

    async def _send_chunk(self, send: Send, chunk: bytes) -> None:
        if chunk:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            # The one before has left now; this may lie in the connection until the next.
            self._sending_bytes = len(chunk)
            self._count()

    def _take(self) -> bytes:
        """All that is there."""
        with self._condition:
            taken = b"".join(self._chunks)
            self._chunks.clear()
            self._size_bytes = 0
            self._condition.notify()
        self._sending_bytes += len(taken)
        return taken

    def _count(self) -> None:
        """Count what is held now as the asker's."""
        held_bytes = 0 if self._closed else self._size_bytes + self._sending_bytes
        if held_bytes > self._counted_bytes:
            self._leaving.take(self._asker, held_bytes - self._counted_bytes)
        else:
            self._leaving.give_back(self._asker, self._counted_bytes - held_bytes)
        self._counted_bytes = held_bytes
