"""Places at work that takes long: few at once, half of them for one asker, the others in turns.

In the loop's thread alone.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from qasino_server.bridge import Receive, settle, watched
from qasino_server.errors import Cancelled
from qasino_server.turns import Turns


class _Waiter:
    """Somebody who waits for a place."""

    def __init__(self, asker: str) -> None:
        self.asker = asker
        self.called: asyncio.Future[None] = asyncio.Future()

    def leave(self) -> None:
        """Its client is gone."""
        if not self.called.done():
            self.called.set_exception(Cancelled("the client has gone away"))


class Places:
    """So many at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[str] = Counter()
        """By asker."""
        self._waiting: Turns[_Waiter] = Turns()

    @property
    def nr_taken(self) -> int:
        """How many are at it."""
        return self._taken.total()

    @asynccontextmanager
    async def taken(self, asker: str, receive: Receive) -> AsyncIterator[None]:
        """A place while in it. Raises Cancelled where the client goes away before there is one."""
        waiter = _Waiter(asker)
        self._waiting.put(waiter)
        self._call()
        try:
            with watched(receive, waiter.leave):
                await waiter.called
            yield
        finally:
            if not self._waiting.remove(waiter):
                self._give_back(asker)

    def _call(self) -> None:
        """Let in who may come now."""
        while self.nr_taken < self._most:
            waiter = self._waiting.take(self._may)
            if waiter is None:
                return
            self._taken[waiter.asker] += 1
            settle(waiter.called, None)

    def _may(self, asker: str) -> bool:
        return self._taken[asker] < max(1, self._most // 2)

    def _give_back(self, asker: str) -> None:
        self._taken[asker] -= 1
        if not self._taken[asker]:
            del self._taken[asker]
        self._call()
