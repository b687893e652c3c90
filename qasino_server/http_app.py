"""What the HTTP port serves: which path is what, who may have it, and how it is answered.

A plain ASGI callable, since a request object costs more than storing a small table does.
The loop hands in what was read, and does what is brief itself when all that has arrived is
handed in; replies come through a deque, those of other threads with one wake-up for all that
are ready (`Mailbox`).

Beyond JSON, a query can be answered as text, CSV, TSV, NDJSON or an HTML table; the middle
three are streams without a limit on rows. What goes wrong after the first byte of a stream
can only be told by breaking it off: the chunked body does not end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from qasino_server.auth import Gate
from qasino_server.bridge import Mailbox, Receive, Scope, Send, awaited, settle, watched
from qasino_server.browser import check_host, foreign_page, header
from qasino_server.direct import DirectLane
from qasino_server.dispatch import Caller, Dispatch, caller_of
from qasino_server.errors import Busy, NotFound, QasinoError, WrongMethod
from qasino_server.health import HEALTH_PATHS, Health
from qasino_server.http_answer import JSON, Answer, Answers, send_whole
from qasino_server.http_request import Disconnected, RequestReader, params_of
from qasino_server.http_stream import StreamSink
from qasino_server.message import Query, Request, check_format
from qasino_server.metrics import Metrics
from qasino_server.pages import Pages
from qasino_server.render import STREAMS
from qasino_server.replies import Reply
from qasino_server.rights import ANYBODY, Rights, reading_only
from qasino_server.table import shown

log = logging.getLogger("qasino.http")

_WATCHED_PATHS = (*HEALTH_PATHS, "/metrics")


class RequestApp:
    """/request, for every method."""

    def __init__(
        self,
        dispatch: Dispatch,
        identity: str,
        *,
        max_body_bytes: int,
        max_result_bytes: int,
        has_room: Callable[[], bool],
        when_room: Callable[[Callable[[], None]], None],
        allowed_hosts: frozenset[str],
        gate: Gate | None,
        asks_on_plain_http: bool,
        health: Health,
        metrics: Metrics,
        pages: Pages,
        mailbox: Mailbox,
    ) -> None:
        """With a `gate`, HTTPS asks who somebody is, and plain HTTP too where it is to."""
        self._dispatch = dispatch
        self._allowed_hosts = allowed_hosts
        self._gate = gate
        self._asks_on_plain_http = asks_on_plain_http
        self._health = health
        self._metrics = metrics
        self.pages = pages
        self._reader = RequestReader(
            dispatch, mailbox, max_body_bytes=max_body_bytes, has_room=has_room, when_room=when_room
        )
        self._answers = Answers(identity, max_result_bytes)
        self.lane = (
            None
            if asks_on_plain_http
            else DirectLane(
                dispatch,
                self._answers,
                max_body_bytes,
                has_room,
                allowed_hosts,
                self._reader.arriving,
                mailbox,
            )
        )
        """For plain HTTP; where users are asked for, there is none."""
        self.mailbox = mailbox

    def open(self) -> None:
        """The loop has begun; in its thread."""
        self.pages.open()
        self.mailbox.open()

    def encode(self, error: QasinoError) -> Answer:
        """What is told where no request comes here, since it is none."""
        return self._answers.encode(error)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._serve(scope, receive, send)
        except Exception:
            # uvicorn answers it, and would say so where nobody listens.
            log.exception("request failed peer=%s path=%s", _peer(scope), shown(scope["path"]))
            raise

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in _WATCHED_PATHS and scope["method"] not in ("GET", "HEAD"):
            error = WrongMethod(f"{scope['method']} is not served here; watchers come by GET")
            await send_whole(send, self._answers.encode(error), b"GET, HEAD")
            return
        if scope["path"] in HEALTH_PATHS:
            status, body = self._health.answer(scope["path"])
            await send_whole(send, (status, JSON, body))
            return
        format_name = "json"
        try:
            if scope["scheme"] == "http":  # over TLS the certificate tells whose name that is
                check_host(scope["headers"], _own_address(scope), self._allowed_hosts)
            rights = await self._rights(scope)
            caller = caller_of(scope["scheme"], _peer(scope), rights)
            if scope["path"] == "/metrics":
                await self._scrape(scope, rights, send)
                return
            if self.pages.serves(scope["path"]):
                await self.pages(scope, params_of(scope), receive, send, caller)
                return
            _check_path(scope["path"])
            params = params_of(scope)
            format_name = check_format(params.get("format", "json"))
            request = await self._reader.read(scope, params, receive, caller)
        except QasinoError as error:
            if self.pages.serves(scope["path"]):
                await self.pages.refuse(error, send)
            else:
                await self._respond(send, error, format_name)
            return
        except Disconnected:
            return
        if isinstance(request, Query) and format_name in STREAMS:
            await self._stream(request, caller, receive, send)
        else:
            answer = await self._answer(request, caller, receive, format_name)
            await self._answers.send(send, caller.asker, answer, format_name)

    async def _rights(self, scope: Scope) -> Rights:
        """What this caller may do. Raises Unauthorized, or Busy where too many wait for it."""
        rights = ANYBODY
        if self._gate is not None and (scope["scheme"] == "https" or self._asks_on_plain_http):
            rights = await self._identified(self._gate, scope)
        page = foreign_page(scope["headers"], scope["method"])
        return rights if page is None else reading_only(rights, page)

    async def _scrape(self, scope: Scope, rights: Rights, send: Send) -> None:
        rights.require("read", "see the metrics")
        accept = header(scope["headers"], b"accept") or ""
        media_type, text = self._metrics.exposition(accept)
        await send_whole(send, (200, media_type, text))

    async def _identified(self, gate: Gate, scope: Scope) -> Rights:
        future: asyncio.Future[Rights | QasinoError] = asyncio.Future()

        def answer(outcome: Rights | QasinoError) -> None:
            self.mailbox.post(partial(settle, future, outcome))

        address = scope["client"][0] if scope.get("client") else "?"
        outcome = gate.identify(header(scope["headers"], b"authorization"), address, answer)
        if outcome is None:
            outcome = await future
        if isinstance(outcome, QasinoError):
            raise outcome
        return outcome

    # --- Answering --------------------------------------------------------------------------

    async def _answer(
        self, request: Request, caller: Caller, receive: Receive, format_name: str
    ) -> Answer:
        future: asyncio.Future[Answer] = asyncio.Future()

        def answer(reply: Reply) -> None:
            ready = self._answers.encode(reply, format_name)
            self.mailbox.post(partial(settle, future, ready))

        query_id = self._dispatch.handle(request, caller, answer)
        if query_id is None:
            return await future
        return await awaited(future, receive, partial(self._dispatch.cancel, query_id))

    async def _stream(self, request: Query, caller: Caller, receive: Receive, send: Send) -> None:
        sink = StreamSink(self.mailbox, self._answers.leaving, caller.asker)
        ended: asyncio.Future[Reply] = asyncio.Future()

        def answer(reply: Reply) -> None:
            self.mailbox.post(partial(settle, ended, reply))
            self.mailbox.post(sink.hear)

        query_id = self._dispatch.handle(request, caller, answer, sink)

        def gone() -> None:
            sink.stop()
            if query_id is not None and not ended.done():  # else the id may be another's by now
                self._dispatch.cancel(query_id)

        try:
            with watched(receive, gone):
                begun = await sink.send_to(send, ended)
        except Busy as error:
            gone()
            await self._respond(send, error, request.format)
            return
        if not begun:
            await self._respond(send, ended.result(), request.format)
        # Else: a response that is left without an end has uvicorn close the connection.

    async def _respond(self, send: Send, reply: Reply, format_name: str) -> None:
        await send_whole(send, self._answers.encode(reply, format_name))


def _check_path(path: str) -> None:
    """Only /request takes requests."""
    if path != "/request":
        raise NotFound(f"nothing is served at {shown(path)}; requests go to /request")


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return f"{client[0]}:{client[1]}" if client else "?"


def _own_address(scope: Scope) -> str | None:
    """The address of ours that the client has reached."""
    server = scope.get("server")
    return server[0] if server else None
