"""/events: one server-sent event for each generation, to however many pages are open.

A page that waits costs a connection and two small tasks and no timer. It is sent something only
when there is news or a ping; one that does not take what it is sent is let go, and its browser
comes again by itself.
https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio

import msgspec

from qasino_server.bridge import Receive, Send, until_gone

PING_S = 20.0
"""How often a page hears from us at least: proxies close what is silent for a minute."""
_AT_ONCE = 100
"""Pages told before others get their turn in the loop."""
_UNSENT_MAX = 2
"""Texts that may wait for the one that is being sent: of a greeting, a ping and a generation all
may come in one turn of the loop."""


class _Follower:
    """One page."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.receiving: asyncio.Task[None] | None = None
        self.sending: asyncio.Task[None] | None = None
        self._unsent: list[bytes] = []

    def tell(self, text: bytes) -> None:
        """Send, without waiting for it; who does not read what came before is let go."""
        if len(self._unsent) == _UNSENT_MAX:
            self.let_go()
            return
        self._unsent.append(text)
        if self.sending is None or self.sending.done():
            self.sending = asyncio.ensure_future(self._send())

    async def _send(self) -> None:
        while self._unsent:
            text = b"".join(self._unsent)
            self._unsent.clear()
            await self.send({"type": "http.response.body", "body": text, "more_body": True})

    def let_go(self) -> None:
        """End its connection."""
        for task in (self.sending, self.receiving):
            if task is not None:
                task.cancel()


class Events:
    """Everybody who follows the generations; used in the loop's thread alone."""

    def __init__(self) -> None:
        self._followers: set[_Follower] = set()
        self._pings: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Begin to ping."""
        self._pings = asyncio.ensure_future(self._ping_for_ever())

    def close(self) -> None:
        """End every connection: a server that stops does not wait for them."""
        if self._pings is not None:
            self._pings.cancel()
        self.let_all_go()

    def let_all_go(self) -> None:
        """End the connection of everybody who follows now; they hear nothing more."""
        for follower in self._followers:
            follower.let_go()
        self._followers.clear()

    def tell(self, generation_number: int, facts: dict[str, float]) -> None:
        """There is a new snapshot."""
        data = msgspec.json.encode(facts).decode()
        self._send_all(f"id: {generation_number}\nevent: generation\ndata: {data}\n\n".encode())

    async def follow(self, greeting: bytes, receive: Receive, send: Send) -> None:
        """Serve one page until it goes away; the head of the response is sent already."""
        follower = _Follower(send)
        self._followers.add(follower)
        follower.receiving = asyncio.ensure_future(until_gone(receive))
        try:
            follower.tell(b"retry: 2000\n\n" + greeting)
            await asyncio.wait([follower.receiving])
        finally:
            self._followers.discard(follower)
            follower.let_go()
        # The response is left without an end, and uvicorn closes the connection.

    def _send_all(self, text: bytes) -> None:
        task = asyncio.ensure_future(self._send_slowly(text))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _send_slowly(self, text: bytes) -> None:
        for number, follower in enumerate(list(self._followers), start=1):
            follower.tell(text)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _ping_for_ever(self) -> None:
        while True:
            await asyncio.sleep(PING_S)
            self._send_all(b":\n\n")
