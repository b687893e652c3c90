"""A request over HTTP -> its value: the method, the query string, the body and its coding.

The body is read as far as the bounds go and no further; what takes long to read, unpacking
and large CSV, is done beside the thread that serves everybody.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, MutableMapping
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from qasino_server.bridge import Mailbox, Receive, Scope, watched
from qasino_server.browser import header
from qasino_server.csv_table import read_csv_table
from qasino_server.dispatch import Caller, Dispatch
from qasino_server.errors import BadRequest, Busy, Cancelled, QasinoError, TooLarge, WrongMethod
from qasino_server.gzip_body import check_coding, unpacked
from qasino_server.message import (
    ASKING_OPS,
    OPS,
    Publish,
    Query,
    Request,
    decode_for_store,
    means_to_publish,
    no_such_op,
    query_from_params,
    query_with_params,
)
from qasino_server.places import Places
from qasino_server.publication_rules import name_value_from_params
from qasino_server.share import Share
from qasino_server.table import shown

A = TypeVar("A")
T = TypeVar("T")

_GET_OPS = ("query", "name_value_update")
_POST_OPS = (*OPS, "add_csv_table_data")
_UNPACKED_AT_ONCE = 4
"""Bodies that are unpacked, or read as CSV, at once: each may grow a thousandfold."""
_BRIEF_CSV_BYTES = 65_536
"""CSV is parsed cell by cell in Python: more of it not in the thread that serves everybody."""


class Disconnected(Exception):
    """The client went away before its request was whole."""


class RequestReader:
    """Reads what is asked of one server."""

    def __init__(
        self,
        dispatch: Dispatch,
        mailbox: Mailbox,
        *,
        max_body_bytes: int,
        has_room: Callable[[], bool],
        when_room: Callable[[Callable[[], None]], None],
    ) -> None:
        """No publication is read while there is not `has_room`; `when_room` calls back."""
        self._dispatch = dispatch
        self._mailbox = mailbox
        self._max_body_bytes = max_body_bytes
        self._has_room = has_room
        self._when_room = when_room
        self.arriving = Share(8 * max_body_bytes, "requests that are still arriving")
        """What bodies that are not whole yet may hold."""
        self._unpacking = Places(_UNPACKED_AT_ONCE)

    async def read(
        self, scope: Scope, params: dict[str, str], receive: Receive, caller: Caller
    ) -> Request:
        """The request. Raises QasinoError where it is none, or the server ends first, or
        Disconnected.

        What could not be read of a publication is noted as refused.
        """
        try:
            return await self._read(scope, params, receive, caller)
        except asyncio.CancelledError:  # uvicorn would answer that something is wrong in here
            raise Busy("the server is shutting down") from None

    async def _read(
        self, scope: Scope, params: dict[str, str], receive: Receive, caller: Caller
    ) -> Request:
        method, op = scope["method"], params.get("op")
        if method in ("GET", "HEAD"):
            return self._read_by_get(method, op, params, caller)
        if method != "POST":
            raise WrongMethod(f"{method} is not served here; requests go by GET or POST")
        if op in _GET_OPS and op not in _POST_OPS:
            raise WrongMethod(f"the op {op} goes by GET")
        if means_to_publish(b"", op):
            self._dispatch.check_publisher(caller)
        if op not in ASKING_OPS:
            await self._room()
        with self.arriving.holding(caller.asker) as hold:
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
                raise Disconnected from None

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
            raise Disconnected from None
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
        if op is not None and op not in OPS:
            raise no_such_op(op, _POST_OPS)
        request = decode_for_store(body, op)
        return query_with_params(request, params) if isinstance(request, Query) else request

    async def _room(self) -> None:
        """Stop reading while the store holds all it can: publishers feel it, memory does not."""
        while not self._has_room():
            free = asyncio.Event()
            self._when_room(partial(self._mailbox.post, free.set))
            await free.wait()

    async def _body(self, scope: Scope, receive: Receive, hold: Callable[[int], None]) -> bytes:
        """The whole body. Raises TooLarge as soon as it is known to be, and Busy."""
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > self._max_body_bytes:
                raise self._too_large()
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
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
                raise Disconnected

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"the body is larger than {self._max_body_bytes} bytes, the most this server takes"
            " (--max-body)"
        )


def params_of(scope: Scope) -> dict[str, str]:
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
    if op in _POST_OPS:
        raise WrongMethod(f"the op {op} goes by POST")
    raise BadRequest(f"Unrecognized op {shown(op)}; by GET there are {', '.join(_GET_OPS)}")
