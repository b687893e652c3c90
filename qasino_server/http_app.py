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
import threading
from collections.abc import Callable, MutableMapping
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from qasino_server.auth import Gate
from qasino_server.bridge import Mailbox, Receive, Scope, Send, awaited, settle, watched
from qasino_server.browser import check_host, foreign_page, header
from qasino_server.csv_table import read_csv_table
from qasino_server.direct import DirectLane
from qasino_server.dispatch import Caller, Dispatch, caller_of
from qasino_server.errors import (
    BadRequest,
    Busy,
    Cancelled,
    NotFound,
    QasinoError,
    TooLarge,
    WrongMethod,
)
from qasino_server.gzip_body import check_coding, unpacked
from qasino_server.health import HEALTH_PATHS, Health
from qasino_server.http_answer import JSON, Answer, Answers, send_whole
from qasino_server.http_stream import StreamSink
from qasino_server.message import (
    ASKING_OPS,
    OPS,
    Publish,
    Query,
    Request,
    check_format,
    decode_request,
    means_to_publish,
    query_from_params,
)
from qasino_server.metrics import Metrics
from qasino_server.pages import Pages
from qasino_server.places import Places
from qasino_server.publication_rules import name_value_from_params
from qasino_server.render import STREAMS
from qasino_server.replies import Reply
from qasino_server.rights import ANYBODY, Rights, reading_only
from qasino_server.share import Share
from qasino_server.table import shown

A = TypeVar("A")
T = TypeVar("T")

log = logging.getLogger("qasino.http")

_GET_OPS = ("query", "name_value_update")
_WATCHED_PATHS = (*HEALTH_PATHS, "/metrics")
_UNPACKED_AT_ONCE = 4
"""Bodies that are unpacked, or read as CSV, at once: each may grow a thousandfold."""
_BRIEF_CSV_BYTES = 65_536
"""CSV is parsed cell by cell in Python: more of it not in the thread that serves everybody."""


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
        self._max_body_bytes = max_body_bytes
        self._has_room = has_room
        self._when_room = when_room
        self._allowed_hosts = allowed_hosts
        self._gate = gate
        self._asks_on_plain_http = asks_on_plain_http
        self._health = health
        self._metrics = metrics
        self.pages = pages
        self._arriving = Share(8 * max_body_bytes, "requests that are still arriving")
        self._unpacking = Places(_UNPACKED_AT_ONCE)
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
                self._arriving,
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
        if scope["type"] != "http":
            return
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
                await self.pages(scope, _params(scope), receive, send, caller)
                return
            _check_path(scope["path"])
            params = _params(scope)
            format_name = check_format(params.get("format", "json"))
            request = await self._read(scope, params, receive, caller)
        except QasinoError as error:
            if self.pages.serves(scope["path"]):
                await self.pages.refuse(error, send)
            else:
                await self._respond(send, error, format_name)
            return
        except _Disconnected:
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

    # --- Reading ----------------------------------------------------------------------------

    async def _read(
        self, scope: Scope, params: dict[str, str], receive: Receive, caller: Caller
    ) -> Request:
        method, op = scope["method"], params.get("op")
        if method in ("GET", "HEAD"):
            return self._read_by_get(method, op, params, caller)
        if method != "POST":
            raise WrongMethod(f"{method} is not served here; requests go by GET or POST")
        if means_to_publish(b"", op):
            self._dispatch.check_publisher(caller)
        if op not in ASKING_OPS:
            await self._room()
        with self._arriving.holding(caller.asker) as hold:
            try:
                gzipped = check_coding(header(scope["headers"], b"content-encoding"))
                body = await self._body(scope, receive, hold)
            except QasinoError as error:
                self._note(error, caller, means_to_publish(b"", op))
                raise
            if not gzipped and (op != "add_csv_table_data" or len(body) < _BRIEF_CSV_BYTES):
                return await self._understood(op, params, body, False, receive, caller)
            try:
                async with self._unpacking.taken(caller.asker, receive):
                    return await self._understood(op, params, body, gzipped, receive, caller)
            except Cancelled:
                raise _Disconnected from None

    async def _understood(
        self,
        op: str | None,
        params: dict[str, str],
        body: bytes,
        gzipped: bool,
        receive: Receive,
        caller: Caller,
    ) -> Request:
        try:
            if gzipped:
                body = await self._beside(receive, unpacked, body, self._max_body_bytes)
            return await self._decode(op, params, body, receive)
        except QasinoError as error:
            self._note(error, caller, means_to_publish(body, op))
            raise

    def _read_by_get(
        self, method: str, op: str | None, params: dict[str, str], caller: Caller
    ) -> Request:
        if op != "name_value_update":
            return _read_get(op, params)
        if method == "HEAD":
            raise WrongMethod(f"HEAD changes nothing; the op {op} goes by GET")
        self._dispatch.check_publisher(caller)
        try:
            return Publish(name_value_from_params(params))
        except QasinoError as error:
            self._note(error, caller, True)
            raise

    def _note(self, error: QasinoError, caller: Caller, publishes: bool) -> None:
        """Note what could not be read, if it was to publish and will not come again."""
        if publishes and not isinstance(error, Busy):
            self._dispatch.unreadable(caller, error)

    async def _beside(
        self,
        receive: Receive,
        read: Callable[[bytes, A, Callable[[], bool]], T],
        body: bytes,
        how: A,
    ) -> T:
        """What is read of a large body beside this thread; no further once its client is gone
        or the server stops."""
        given_up = threading.Event()
        try:
            with watched(receive, given_up.set):
                return await asyncio.to_thread(read, body, how, given_up.is_set)
        except Cancelled:
            raise _Disconnected from None
        finally:
            given_up.set()  # where this task is cancelled, the thread goes on

    async def _decode(
        self, op: str | None, params: dict[str, str], body: bytes, receive: Receive
    ) -> Request:
        if op == "add_csv_table_data":
            identity = params.get("identity")
            if len(body) < _BRIEF_CSV_BYTES:
                return Publish(read_csv_table(body, identity))
            return Publish(await self._beside(receive, read_csv_table, body, identity))
        request = decode_request(body, op)
        if isinstance(request, Query) and "format" in params:
            return msgspec.structs.replace(request, format=params["format"])
        return request

    async def _room(self) -> None:
        """Stop reading while the store holds all it can: publishers feel it, memory does not."""
        while not self._has_room():
            free = asyncio.Event()
            self._when_room(partial(self.mailbox.post, free.set))
            await free.wait()

    async def _body(self, scope: Scope, receive: Receive, hold: Callable[[int], None]) -> bytes:
        """The whole body. Raises TooLarge as soon as it is known to be, and Busy."""
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > self._max_body_bytes:
                raise self._too_large()
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Disconnected
        first: bytes = message.get("body", b"")
        if not message.get("more_body"):
            if len(first) > self._max_body_bytes:
                raise self._too_large()
            return first
        return await self._rest_of_body(first, receive, hold)

    async def _rest_of_body(
        self, first: bytes, receive: Receive, hold: Callable[[int], None]
    ) -> bytes:
        parts: list[bytes] = []
        size_bytes = 0
        message: MutableMapping[str, Any] = {
            "type": "http.request",
            "body": first,
            "more_body": True,
        }
        while True:
            part = message.get("body", b"")
            if size_bytes + len(part) > self._max_body_bytes:
                raise self._too_large()
            hold(len(part))
            parts.append(part)
            size_bytes += len(part)
            if not message.get("more_body"):
                return b"".join(parts)
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Disconnected

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"the body is larger than {self._max_body_bytes} bytes, the most this server takes"
            " (--max-body)"
        )

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


class _Disconnected(Exception):
    """The client went away before its request was whole."""


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


def _params(scope: Scope) -> dict[str, str]:
    """The query string's parameters; of a repeated one the first counts."""
    try:
        pairs = parse_qsl(
            scope["query_string"].decode("ascii", "surrogateescape"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=100,
        )
    except (UnicodeDecodeError, ValueError):
        raise BadRequest(
            "the query string is not percent-encoded UTF-8, or has over 100 parameters"
        ) from None
    params: dict[str, str] = {}
    for name, value in pairs:
        params.setdefault(name, value)
    return params


def _read_get(op: str | None, params: dict[str, str]) -> Request:
    if op is None:
        raise BadRequest("No op specified: the URL says what to do, as in /request?op=query&sql=..")
    if op == "query":
        return query_from_params(params)
    if op in (*OPS, "add_csv_table_data"):
        raise WrongMethod(f"the op {op} goes by POST")
    raise BadRequest(f"Unrecognized op {shown(op)}; by GET there are {', '.join(_GET_OPS)}")
