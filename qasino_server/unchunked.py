"""Answers for clients of HTTP/1.0, which knows no chunks.

An answer without a length ends there with the connection. One that is broken off must not look
like that: its connection is reset.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]

_RESET, _FLUSH = struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)
"""How SO_LINGER says whether what is closed is reset, or sent to its end."""


def unchunked(cycle: Any) -> Callable[[Message], Awaitable[None]]:
    """What sends the parts of an answer, in place of `send` of uvicorn's cycle of a request."""
    send = cycle.send
    has_length = True

    async def send_part(message: Message) -> None:
        nonlocal has_length
        if message["type"] == "http.response.start":
            has_length = any(name == b"content-length" for name, _ in message["headers"])
            if not has_length:
                cycle.chunked_encoding = False
                _closes(cycle, _RESET)
        elif not has_length:
            # All there will be, as far as uvicorn counts.
            cycle.expected_content_length = len(message["body"])
            if not message.get("more_body"):
                _closes(cycle, _FLUSH)
        await send(message)

    return send_part


def _closes(cycle: Any, how: bytes) -> None:
    made = cycle.transport.get_extra_info("socket")
    if made is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, how)
