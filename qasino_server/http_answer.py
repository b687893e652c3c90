"""Replies as HTTP answers: status, media type and body, and how a large body leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from qasino_server.auth import CHALLENGE
from qasino_server.bridge import PORTION_BYTES, Send, send_in_portions
from qasino_server.errors import Busy, QasinoError
from qasino_server.patience import allowed_s
from qasino_server.render import TRUNCATED_LINE, error_text, html_fragment, text_table
from qasino_server.replies import Reply, encode_reply
from qasino_server.share import Share, unread_results
from qasino_server.table import Result

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
METHODS = b"GET, HEAD, POST"
"""Those of /request."""

_AS_IT_IS = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
]
"""An answer that a browser opens holds what others wrote: it is no page, whatever is in it."""

Answer = tuple[int, str, bytes]
"""Status, media type, body."""


class Answers:
    """What goes out."""

    def __init__(self, identity: str, max_result_bytes: int) -> None:
        """`identity` is the server's."""
        self._identity = identity
        self.leaving = unread_results(max_result_bytes)

    def encode(self, reply: Reply, format_name: str = "json") -> Answer:
        """The answer a reply makes; in whichever thread has made it."""
        if isinstance(reply, QasinoError):
            if format_name == "text":
                return reply.status, TEXT, error_text(reply).encode()
            return reply.status, JSON, self._json(reply)
        if isinstance(reply, Result) and format_name == "text":
            cut = TRUNCATED_LINE if reply.truncated else ""
            return 200, TEXT, (text_table(reply.column_names, reply.rows) + cut).encode()
        if isinstance(reply, Result) and format_name == "html":
            note = f"<p>{TRUNCATED_LINE.strip()}</p>\n" if reply.truncated else ""
            return 200, HTML, (html_fragment(reply.column_names, reply.rows) + note).encode()
        return 200, JSON, self._json(reply)

    def _json(self, reply: Reply) -> bytes:
        """The reply's JSON and a line end, so that a shell's prompt begins a line."""
        return b"".join(encode_reply(reply, self._identity)) + b"\n"

    async def send(self, send: Send, asker: str, answer: Answer, format_name: str = "json") -> None:
        """Send it as fast as the client reads; what it does not read is held, and counted.

        Where too much is held already that this asker, or all, have not read, that is the
        answer.
        """
        status, media_type, body = answer
        if len(body) <= PORTION_BYTES:
            await send_whole(send, answer)
            return
        try:
            self.leaving.check(asker)
        except Busy as error:
            await send_whole(send, self.encode(error, format_name))
            return
        async with counted(self.leaving, asker, len(body)):
            await send(start(status, media_type, len(body)))
            await send_in_portions(send, body)


@asynccontextmanager
async def counted(leaving: Share, asker: str, size_bytes: int) -> AsyncIterator[None]:
    """Within it a body is sent: what the client does not read is held, and counted as theirs.

    One that is read too slowly is left without an end, and uvicorn closes the connection.
    """
    leaving.take(asker, size_bytes)
    try:
        async with asyncio.timeout(allowed_s(size_bytes)):
            yield
    except TimeoutError:
        pass
    finally:
        leaving.give_back(asker, size_bytes)


def start(
    status: int,
    media_type: str,
    length: int | None,
    methods: bytes = METHODS,
    kind: Iterable[tuple[bytes, bytes]] = _AS_IT_IS,
) -> dict[str, Any]:
    """The head of an answer; without a length its body comes in chunks. `methods` are those that
    are served there, for who has come with another; `kind` the headers that tell a browser what
    it is."""
    headers = [(b"content-type", media_type.encode()), *kind]
    if length is not None:
        headers.append((b"content-length", b"%d" % length))
    if status == 401:
        headers.append((b"www-authenticate", CHALLENGE))
    if status == 405:
        headers.append((b"allow", methods))
    return {"type": "http.response.start", "status": status, "headers": headers}


async def send_whole(send: Send, answer: Answer, methods: bytes = METHODS) -> None:
    """Send an answer in one go."""
    status, media_type, body = answer
    await send(start(status, media_type, len(body), methods))
    await send({"type": "http.response.body", "body": body})
