"""Which path is which page, and who may have it. A page is whole without its scripts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from qasino_server.bridge import Mailbox, Receive, Scope, Send
from qasino_server.dispatch import Caller, Dispatch, anybody_at
from qasino_server.errors import NotFound, QasinoError, WrongMethod
from qasino_server.http_answer import HTML, counted
from qasino_server.pages import envelope
from qasino_server.pages.contents import Contents
from qasino_server.pages.events import Events
from qasino_server.pages.files import read_assets
from qasino_server.pages.recent import Recent
from qasino_server.pages.templating import Page, Templating
from qasino_server.share import Share
from qasino_server.store import State
from qasino_server.table import shown

_PATHS = frozenset({"/", "/tables", "/query", "/events", "/favicon.ico"})
_PREFIXES = ("/tables/", "/assets/")
UNREAD_BYTES = 256 << 20
"""Pages that clients have asked for and do not read; half of that for one of them."""


class Pages:
    """The pages of one server; an application for the HTTP port."""

    def __init__(
        self,
        dispatch: Dispatch,
        identity: str,
        duration_s: int,
        mailbox: Mailbox,
        users: Callable[[], object],
    ) -> None:
        """`users` gives another object where it has changed who may do what."""
        self._dispatch = dispatch
        self._duration_s = duration_s
        self._users = users
        self._asked = users()
        """Under which those who follow were let in."""
        self._assets = read_assets()
        self._templating = Templating(self._assets, identity, duration_s)
        self._contents = Contents(dispatch, mailbox)
        self._recent = Recent()
        self._leaving = Share(UNREAD_BYTES, "pages that have not been read yet")
        self.events = Events()
        self._mailbox = mailbox

    def serves(self, path: str) -> bool:
        """Whether that path is one of the pages'."""
        return path in _PATHS or path.startswith(_PREFIXES)

    def open(self) -> None:
        """The loop has begun; in its thread."""
        self.events.open()

    def close(self) -> None:
        """The server stops; in the loop's thread."""
        self.events.close()

    def announce(self) -> None:
        """There is a new snapshot; any thread."""
        self._mailbox.post(self._tell)

    def _tell(self) -> None:
        self._recent.forget()
        users = self._users()
        if users is not self._asked:  # those who may still read come again by themselves
            self._asked = users
            self.events.let_all_go()
        state = self._dispatch.look_around(anybody_at("http", "events")).state()
        self.events.tell(state.generation_number, self._facts(state))

    def _facts(self, state: State) -> dict[str, float]:
        """What an event says."""
        return {
            "generation_number": state.generation_number,
            "generation_age_s": round(state.generation_age_s, 3),
            "generation_duration_s": self._duration_s,
            "nr_rows": state.nr_rows,
            "nr_tables": state.nr_tables,
        }

    async def __call__(
        self, scope: Scope, params: dict[str, str], receive: Receive, send: Send, caller: Caller
    ) -> None:
        """Answer one request to one of the pages."""
        path = scope["path"]
        try:
            if scope["method"] not in ("GET", "HEAD"):
                raise WrongMethod(f"{scope['method']} is not served at {path}; pages go by GET")
            if path.startswith("/assets/"):
                await self._send_asset(path.removeprefix("/assets/"), "v" in params, send)
                return
            caller.rights.require("read", "see the pages")
            if path == "/events":
                await self._follow(scope["method"], caller, receive, send)
                return
            self._leaving.check(caller.asker)
            html = await self._page(scope, params, receive, caller)
            self._leaving.check(caller.asker, len(html))  # others have had theirs meanwhile
        except QasinoError as error:
            await self.refuse(error, send)
            return
        async with counted(self._leaving, caller.asker, len(html)):
            await envelope.respond(send, 200, HTML, html, envelope.NOT_KEPT)

    async def refuse(self, error: QasinoError, send: Send) -> None:
        """Send a page that says why not."""
        html = self._templating.html(Page("error.html", {"error": error, "status": error.status}))
        await envelope.respond(send, error.status, HTML, html, envelope.NOT_KEPT)

    async def _page(
        self, scope: Scope, params: dict[str, str], receive: Receive, caller: Caller
    ) -> bytes:
        path, contents = scope["path"], self._contents
        if path == "/":
            return await self._recent.page(path, lambda: self._html(contents.overview(caller)))
        if path == "/tables":
            if params.get("filter"):
                return await self._html(contents.tables(params["filter"], caller))
            return await self._recent.page(path, lambda: self._html(contents.tables("", caller)))
        if path == "/query":
            sql, live = params.get("sql", ""), "live" in params
            return await self._html(contents.query(sql, live, receive, caller))
        if path.startswith("/tables/"):
            name = path.removeprefix("/tables/")
            return await self._html(contents.describe(name, caller))
        raise NotFound(f"nothing is served at {shown(path)}")

    async def _html(self, page: Awaitable[Page]) -> bytes:
        """The page, made beside the thread that serves everybody."""
        return await asyncio.to_thread(self._templating.html, await page)

    async def _follow(self, method: str, caller: Caller, receive: Receive, send: Send) -> None:
        facts = self._facts(self._dispatch.look_around(caller).state())
        if method == "HEAD":
            await envelope.respond(send, 200, "text/event-stream", b"", envelope.NOT_KEPT)
            return
        await envelope.begin_events(send)
        greeting = b"event: now\ndata: " + msgspec.json.encode(facts) + b"\n\n"
        await self.events.follow(greeting, receive, send)

    async def _send_asset(self, name: str, versioned: bool, send: Send) -> None:
        asset = self._assets.get(name)
        if asset is None:
            raise NotFound(f"nothing is served at /assets/{shown(name)}")
        cache = envelope.KEPT_FOR_EVER if versioned else envelope.ASKED_AGAIN
        await envelope.respond(send, 200, asset.media_type, asset.body, cache)
