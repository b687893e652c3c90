"""Requests without a task: what programs send over and over, answered at once.

A task, a scope, two streams and their awaiting cost four times what it takes to read a small
request and to write its answer (DESIGN.md), and a seventh of storing 10,000 cells. So a POST
to /request with a JSON body of a megabyte at most is taken here as soon as it is whole, and
its answer is written when it comes. Whatever is not plain (formats, CSV, gzip,
browsers' headers, users to be asked for) goes the usual way, by `http_app`; the answers are
the same, but for what only browsers read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from qasino_server.bridge import PORTION_BYTES, Mailbox
from qasino_server.browser import TELLING, check_host
from qasino_server.direct_request import DirectRequest
from qasino_server.dispatch import Dispatch, anybody_at
from qasino_server.errors import QasinoError
from qasino_server.heads import Heads
from qasino_server.http_answer import Answer, Answers
from qasino_server.message import ASKING_OPS, OPS, decode_for_store, means_to_publish
from qasino_server.remembered import remembered
from qasino_server.replies import Reply
from qasino_server.share import Share

DIRECT_BYTES = 1 << 20
"""Larger bodies are read by a task, which costs little beside them."""
_UNCOUNTED_BYTES = 65_536
"""Of bodies up to that each connection may hold one, and as much that it sent ahead; larger ones
are shared out."""
_PATH = b"/request"
_NOT_PLAIN = TELLING | {
    b"authorization",
    b"content-encoding",
    b"expect",
    b"transfer-encoding",
    b"upgrade",
}


class DirectLane:
    """Takes such requests from the connections of a port where nobody is asked who they are."""

    def __init__(
        self,
        dispatch: Dispatch,
        answers: Answers,
        max_body_bytes: int,
        has_room: Callable[[], bool],
        allowed_hosts: frozenset[str],
        arriving: Share,
        mailbox: Mailbox,
    ) -> None:
        """`arriving` is what bodies that are not whole yet may hold."""
        self._dispatch = dispatch
        self._answers = answers
        self._most_bytes = min(DIRECT_BYTES, max_body_bytes)
        self._has_room = has_room
        self._arriving = arriving
        self._heads: dict[str | None, Heads] = {}
        """By the address of ours they were sent to: a request may name that as its host, too."""
        self._host_is_ours = remembered(256)(partial(_host_is_ours, allowed_hosts))
        self._mailbox = mailbox

    # All in the loop's thread, but `answer`

    def takes(
        self, url: bytes, headers: Iterable[tuple[bytes, bytes]], own_address: str | None
    ) -> bool:
        """Whether a POST with this head is plain, not large, and may be answered now."""
        if _op_of(url) is None or not self.has_room_for(url):
            return False
        host: bytes | None = None
        size: bytes = b""
        for name, value in headers:
            if name == b"host":
                host = value if host is None else host
            elif name == b"content-length":
                size = value
            elif name in _NOT_PLAIN:
                return False
        return (
            size.isdigit()
            and int(size) <= self._most_bytes
            and self._host_is_ours(host, own_address)
        )

    def heads_at(self, own_address: str | None) -> Heads:
        """The heads of requests to that address of ours that `takes` said yes to."""
        return self._heads.setdefault(own_address, Heads())

    def has_room_for(self, url: bytes) -> bool:
        """Whether there is room for what a request to a plain URL may bring."""
        return _op_of(url) in ASKING_OPS or self._has_room()

    def arrives(self, request: DirectRequest, more_bytes: int) -> None:
        """Some more of the body of a request is there; refuses it where too much is held."""
        if len(request.body) <= _UNCOUNTED_BYTES:
            return
        asker = anybody_at("http", request.peer).asker
        if self._arriving.has_room(asker, more_bytes):
            self._arriving.take(asker, more_bytes)
            request.counted_bytes += more_bytes
        else:
            self.let_go(request)
            request.keep_alive = False
            request.finish(*self._answers.encode(self._arriving.busy))

    def let_go(self, request: DirectRequest) -> None:
        """The body is no longer held."""
        request.body = b""
        if request.counted_bytes:
            asker = anybody_at("http", request.peer).asker
            self._arriving.give_back(asker, request.counted_bytes)
            request.counted_bytes = 0

    def serve(self, request: DirectRequest, body: bytes) -> None:
        """The request is whole."""
        caller = anybody_at("http", request.peer)
        op = _op_of(request.url) or None
        try:
            decoded = decode_for_store(body, op)
        except QasinoError as error:
            if means_to_publish(body, op):
                self._dispatch.unreadable(caller, error)
            request.finish(*self._answers.encode(error))
            return
        answer = partial(self._answer, request, caller.asker)
        query_id = self._dispatch.handle(decoded, caller, answer)
        if query_id is not None:
            request.when_gone = partial(self._dispatch.cancel, query_id)

    def _answer(self, request: DirectRequest, asker: str, reply: Reply) -> None:
        ready = self._answers.encode(reply)
        self._mailbox.post(partial(self._finish, request, asker, ready))

    def _finish(self, request: DirectRequest, asker: str, answer: Answer) -> None:
        request.when_gone = None  # also where sending the answer takes its time
        if len(answer[2]) <= PORTION_BYTES or request.disconnected:
            request.finish(*answer)
        else:
            sending = self._answers.send(request.send, asker, answer)
            request.keep_task(asyncio.ensure_future(sending))


@remembered(1024)
def _op_of(url: bytes) -> str | None:
    """The op of a plain URL, '' where it is in the body, None where the URL is not plain."""
    path, _, query = url.partition(b"?")
    if path != _PATH:
        return None
    if not query:
        return ""
    name, _, op = query.decode("latin-1").partition("=")
    return op if name == "op" and op in OPS else None


def _host_is_ours(allowed: frozenset[str], host: bytes | None, own_address: str | None) -> bool:
    try:
        check_host([] if host is None else [(b"host", host)], own_address, allowed)
    except QasinoError:
        return False
    return True
