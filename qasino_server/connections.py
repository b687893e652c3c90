"""What an HTTP connection may do with our patience: bounds on its head, its pace, its number.

uvicorn has a bound for idle connections that have been served once, and none for those that
never finish a request, send a head without end, or do not take what they asked for. Peers
that are gone without a word are found by TCP itself (`listening`).

A connection also knows which requests need none of what uvicorn makes for each: those a
`Lane` takes are kept and answered as a `DirectRequest` (`direct_request`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sized
from functools import lru_cache
from typing import Any, Protocol, cast

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from qasino_server.bridge import WATCH_AFTER_S
from qasino_server.direct_request import DirectRequest, Lane
from qasino_server.errors import BadRequest, HeadTooLarge, QasinoError, TooSlow
from qasino_server.heads import Heads
from qasino_server.patience import allowed_s
from qasino_server.seats import Seat, Seats
from qasino_server.tcp_info import tcp_info
from qasino_server.unchunked import unchunked

HEAD_BYTES = 65536
"""The most a request's line and headers may take, and what stands between the parts of a body
and behind it."""
IDLE_S = 60.0
"""How long a connection may keep its seat between an answer and the next request."""
LEAVE_S = 30.0
"""How long a connection that is being closed may take to read what is left."""
HALF_CLOSED_S = 1.0
"""How long one whose client sends no more may wait for what it has asked."""
SWEEP_S = 5.0
SENT_AHEAD_MAX = 100
"""Requests that wait for the answers before them at which no more is read."""
SENT_AHEAD_BYTES = 65_536
"""What their heads and bodies may take together at which no more is read."""
_PIECE_BYTES = 4096
"""Parsed at once where requests may begin: a short one takes sixty times its bytes."""
_BODY_PIECE_BYTES = 16384
"""And in a body, which may be followed by others."""


class App(Protocol):
    """What an application is here, beyond what it is for uvicorn."""

    @property
    def lane(self) -> Lane | None:
        """Takes plain requests over HTTP."""

    def encode(self, error: QasinoError) -> tuple[int, str, bytes]:
        """The answer to what is refused before it is a request: status, media type, body."""


@lru_cache(maxsize=64)
def _head_of(
    status: int, defaults: tuple[tuple[bytes, bytes], ...], media_type: str, keep_alive: bool
) -> bytes:
    """The head of an answer without its length; the same for a second, which the date tells."""
    headers = [*defaults, (b"content-type", media_type.encode())]
    if not keep_alive:
        headers.append((b"connection", b"close"))
    return STATUS_LINE[status] + b"".join(b"%b: %b\r\n" % pair for pair in headers)


class _PatientFlow(FlowControl):
    """Reads on only where few requests wait.

    uvicorn reads on after each answer and whenever a request looks for its body: a client that
    sent faster than it was answered, or read nothing, had 180,000 requests kept for it.
    """

    def __init__(self, transport: Any, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting
        self.waiting_bytes = 0
        """What they take."""
        self.unparsed = b""
        """What came with too many of them."""

    @property
    def is_full(self) -> bool:
        """Whether enough of them wait."""
        return len(self._waiting) >= SENT_AHEAD_MAX or self.waiting_bytes > SENT_AHEAD_BYTES

    def resume_reading(self) -> None:
        if not self.is_full and not self.unparsed:
            super().resume_reading()


class _Dropped(list[tuple[bytes, bytes]]):
    """Where headers go that come after the body: nobody asks for them."""

    def append(self, header: tuple[bytes, bytes]) -> None:
        """Forget it."""


_TRAILERS = _Dropped()


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    cycle: Any
    """The last request: uvicorn's, or a direct one."""
    flow: _PatientFlow

    def __init__(self, seats: Seats, *given: Any, **named: Any) -> None:
        """Take a seat of these, unless `seat` is there already when the connection is."""
        super().__init__(*given, **named)
        self._seats = seats
        self.seat: Seat | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request, unless there are too many who do."""
        super().connection_made(transport)
        self.flow = _PatientFlow(transport, self.pipeline)
        address = self.client[0] if self.client else "?"
        self.seat = self.seat or self._seats.take("http", address)
        self._since: float | None = self.loop.time()
        """When what we wait for began; None while the client waits for us."""
        self._idle_since: float | None = None
        """When a direct request was answered, if nothing has come since."""
        self._received_bytes = 0
        self._in_head = True
        self._asks_to_upgrade = False
        """The head that was read asks for another protocol: it is to be read again without."""
        self._body_came = False
        """Some of the body, with what came last."""
        self._beside_bytes = 0
        """What has come since that is none of it."""
        self._between = True
        """Whether what comes next begins a request."""
        self._received = b""
        """What is being read, if it began one."""
        self._is_parsing = False
        self._refusal: QasinoError | None = None
        """What is told once all before it is answered; nothing more is read."""
        self._closing_since: float | None = None
        self._sends_no_more = False
        """The client has closed its side; it may still read."""
        self._swept: Any = None
        """The request that was being answered when the connection was looked after last."""
        app = cast(App, self.app)
        self._lane = None if self.scheme == "https" else app.lane
        self._encode = app.encode
        self._own_address = self.server[0] if self.server else None
        self._heads = Heads() if self._lane is None else self._lane.heads_at(self._own_address)
        self._direct: DirectRequest | None = None
        """The direct request that is not answered yet; others may have been sent after it."""
        self._usual: Any = None
        """uvicorn's cycle of the request that is being answered, with or without others behind."""
        self._peer = f"{self.client[0]}:{self.client[1]}" if self.client else "?"
        if self.seat is None:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        self._idle_since = None
        if self._between:
            if self._is_read_already(data):
                return
            self._received = data
        self._unset_keepalive_if_required()
        self._parse(self.flow.unparsed + data)
        self._received = b""

    def _parse(self, data: bytes) -> None:
        """Read it piece by piece; while enough requests wait, what is left is kept as it came."""
        begins = 0
        self._is_parsing = True
        try:
            while begins < len(data) and not self.flow.is_full:
                in_body = not self._between and not self._in_head
                ends = begins + (_BODY_PIECE_BYTES if in_body else _PIECE_BYTES)
                piece = data[begins:ends]
                begins = ends
                self._received_bytes += len(piece)
                is_for_us = self._feed(piece)
                if is_for_us and self._in_head:
                    self._bound_head()
                elif is_for_us and not self._between:
                    self._bound_trailers(len(piece))
                if not is_for_us or self._refusal is not None or self.transport.is_closing():
                    begins = len(data)
        finally:
            self._is_parsing = False
        self.flow.unparsed = data[begins:]
        if self.flow.unparsed:
            self.flow.pause_reading()

    def _parse_on(self) -> None:
        """Read what was kept, once fewer requests wait; then more may come."""
        if self._is_parsing or not self.flow.unparsed:
            return
        self._parse(self.flow.unparsed)
        self.flow.resume_reading()

    def _feed(self, data: bytes) -> bool:
        """Have the parser read it; whether what comes after it is for us."""
        while data:
            try:
                self.parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as upgrade:
                if not self._asks_to_upgrade:
                    return False  # CONNECT
                data = self._head_without_upgrade() + data[upgrade.args[0] :]
                self._begin_anew()
            except httptools.HttpParserError as error:
                self._refuse(BadRequest(_what_is_wrong(error)))
                return False
        return True

    def _bound_head(self) -> None:
        if self._received_bytes > HEAD_BYTES:
            self._refuse(
                HeadTooLarge("the request's head is larger than this server takes: 64 KiB")
            )

    def _head_without_upgrade(self) -> bytes:
        """The head that was read, without its wish for another protocol.

        A server may pass over that (RFC 9110, 7.8); the parser would pass over the body. curl
        --http2 sends it with every first request.
        """
        self._asks_to_upgrade = False
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (method, self.url, version)]
        lines += [b"%b: %b" % pair for pair in self.headers if pair[0] != b"upgrade"]
        return b"\r\n".join((*lines, b"", b""))

    def _begin_anew(self) -> None:
        """Have a new parser: one that has read `Connection: close` passes over all behind it."""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's

    def _bound_trailers(self, more_bytes: int) -> None:
        """Refuse a body between or behind whose parts too much comes that is none of it."""
        if self._body_came:
            self._body_came, self._beside_bytes = False, 0
            return
        self._beside_bytes += more_bytes
        if self._beside_bytes > HEAD_BYTES:
            self._refuse(
                HeadTooLarge("what comes with the body is larger than this server takes: 64 KiB")
            )

    def _is_read_already(self, data: bytes) -> bool:
        """Whether it is a direct request with a head that was read before; serves it then."""
        lane, split = self._lane, self._heads.split(data)
        if lane is None or split is None or not self._is_free() or not lane.has_room_for(split[0]):
            return False
        self._unset_keepalive_if_required()
        self._in_head = False
        self._since = None
        self.cycle = self._direct = DirectRequest(self, split[0], self._peer)
        lane.serve(self._direct, split[1])
        return True

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._since = self.loop.time()
        self._in_head = True
        self._between = False
        self._beside_bytes = 0

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._asks_to_upgrade = True
            return
        if self._lane is not None and self._is_direct(self._lane):
            self._in_head = False
            self.cycle = self._direct = DirectRequest(self, self.url, self._peer)
            return
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()  # makes a scope, which a direct request does without
        self.url, self.expect_100_continue = url, expect
        self.headers.extend(headers)
        super().on_headers_complete()
        if self.parser.get_http_version() == "1.0":
            self.cycle.send = unchunked(self.cycle)
        self._in_head = False
        self.headers = _TRAILERS
        if not self.pipeline:
            self._usual = self.cycle
            return
        self.flow.waiting_bytes += _held_bytes(self.cycle)
        self.flow.resume_reading()  # uvicorn has paused it; we would not hear the client go

    def _is_direct(self, lane: Lane) -> bool:
        """Whether the request is for the lane; one that was sent ahead of an answer is not."""
        parser = self.parser
        return (
            parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and self._is_free()
            and lane.takes(self.url, self.headers, self._own_address)
        )

    def _is_free(self) -> bool:
        """Whether all that was sent before is answered."""
        return (self.cycle is None or self.cycle.response_complete) and not self.pipeline

    def on_body(self, body: bytes) -> None:
        self._body_came = True
        if isinstance(self.cycle, DirectRequest):
            if self._lane is not None and not self.cycle.response_complete:
                self.cycle.add(body)
                self._lane.arrives(self.cycle, len(body))
        else:
            super().on_body(body)
            if self.pipeline:
                self.flow.waiting_bytes += len(body)

    def on_message_complete(self) -> None:
        if self._asks_to_upgrade:
            return
        self._since = None
        self._received_bytes = 0
        self._between = True
        if isinstance(self.cycle, DirectRequest):
            assert self._lane is not None
            if not self.cycle.response_complete:  # else its body was refused
                request, body = self.cycle, bytes(self.cycle.body)
                self._heads.learn(self._received, request.url, body)
                self._lane.let_go(request)
                self._lane.serve(request, body)
        else:
            super().on_message_complete()

    def answered(self, request: DirectRequest) -> None:
        """A direct request has its answer: go on, once the client reads what it is sent."""
        self._direct = None
        if not request.keep_alive:
            self.transport.close()
        if self.flow.write_paused:
            request.keep_task(asyncio.ensure_future(self._go_on()))
        elif self.pipeline or self._is_last() or self.transport.is_closing():
            self.on_response_complete()
        else:
            self._idle_since = self.loop.time()  # in place of uvicorn's timer for each answer

    async def _go_on(self) -> None:
        await self.flow.drain()
        if not self.transport.is_closing():
            self.on_response_complete()

    def on_response_complete(self) -> None:
        self._usual = self.pipeline[-1][0] if self.pipeline else None
        if self._usual is not None:
            self.flow.waiting_bytes -= _held_bytes(self._usual)
        super().on_response_complete()  # begins that
        self._parse_on()
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._usual is not None and not self._usual.response_complete:
            # uvicorn tells the last request that came, which may be another.
            self._usual.disconnected = True
            self._usual.message_event.set()
        if self.seat is not None:
            self.seat.leave()
        if self._direct is not None:
            self._leave(self._direct)

    def _leave(self, request: DirectRequest) -> None:
        """Nobody waits for it any more."""
        request.disconnected = True
        if self._lane is not None:
            self._lane.let_go(request)
        # What is answered in a moment is not worth the word that it was cancelled.
        self.loop.call_later(WATCH_AFTER_S, request.give_up)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn closes at once
        """The client sends no more: it is gone, or waits for what it has asked, as nc -N does."""
        if self.scheme == "https" or self._is_free() or not self._between:
            return False
        self._sends_no_more = True
        self.loop.call_later(HALF_CLOSED_S, self.transport.close)
        return True

    def sweep(self, now: float) -> None:
        """Close the connection if it has used up our patience; `now` is the loop's time."""
        if self.transport.is_closing():
            self._closing_since = self._closing_since or now
            if now > self._closing_since + LEAVE_S:
                self.transport.abort()
        elif self.flow.read_paused and self._is_stuck() and self._has_left():
            self.transport.abort()
        elif self._since is not None and (self.flow.read_paused or self._is_awaited()):
            self._since = now  # the client would send on, but we do not read, or it waits for us
        elif self._since is not None:
            if now > self._since + allowed_s(0 if self._in_head else self._received_bytes):
                self._refuse(TooSlow("the request did not come in time"))
        elif self._idle_since is not None and now > self._idle_since + IDLE_S:
            self.transport.close()

    def _is_stuck(self) -> bool:
        """Whether nothing was answered since this was asked last."""
        before, self._swept = self._swept, self._direct or self._usual
        return self._swept is not None and self._swept is before

    def _has_left(self) -> bool:
        """Whether the client has closed it, which is not read where so much came before."""
        made = self.transport.get_extra_info("socket")
        try:
            return made is None or tcp_info(made).has_left
        except OSError:
            return True

    def _is_awaited(self) -> bool:
        """Whether a request before the one that comes is not answered yet."""
        return bool(self.pipeline) or (self._in_head and not self._is_free())

    def _refuse(self, error: QasinoError) -> None:
        """Read no further; say why, and close, as soon as all before it is answered."""
        if self._refusal is not None or self.transport.is_closing():
            return
        self._refusal = error
        self._since = None
        if self._in_head or self._between:
            self._end()
        elif self.pipeline:
            self.pipeline.popleft()  # its body will not come
            self.cycle = self.pipeline[0][0] if self.pipeline else self._direct or self._usual
        elif self.cycle.response_started:
            self.transport.close()
        else:
            self._close_with(error)

    def _is_last(self) -> bool:
        """Whether no request comes after those that are there."""
        return self._refusal is not None or self._sends_no_more

    def _end(self) -> None:
        """Close the connection if nothing is to come and all is answered; say why, where it is a
        refusal."""
        if not self._is_free() or self.transport.is_closing():
            return
        if self._refusal is not None:
            self._close_with(self._refusal)
        elif self._sends_no_more:
            self.transport.close()

    def _close_with(self, error: QasinoError) -> None:
        status, media_type, body = self._encode(error)
        self.transport.write(self.head(status, media_type, len(body), False) + body)
        self.transport.close()

    def head(self, status: int, media_type: str, length: int, keep_alive: bool) -> bytes:
        """The head of an answer with a body of that length, in bytes."""
        defaults = tuple(self.server_state.default_headers)
        begins = _head_of(status, defaults, media_type, keep_alive)
        return b"%bcontent-length: %d\r\n\r\n" % (begins, length)


def _what_is_wrong(error: httptools.HttpParserError) -> str:
    """A sentence for what the parser could not read."""
    url = httptools.HttpParserInvalidURLError
    if isinstance(error, url) or isinstance(error.__context__, url):
        return (
            "the URL holds what no URL may: percent-encode what is not ASCII (curl: --get"
            " --data-urlencode name=value)"
        )
    return "this is no HTTP request, or a broken one"


def _held_bytes(cycle: Any) -> int:
    """What a request of uvicorn's takes, as far as it is there."""
    headers = sum([len(name) + len(value) for name, value in cycle.scope["headers"]])
    return headers + len(cycle.scope["query_string"]) + len(cycle.body)


async def sweep_for_ever(connections: set[Any]) -> None:
    """Look after the connections of one port."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_S)
        now = loop.time()
        for connection in list(connections):
            connection.sweep(now)
