"""What every page goes out in: its headers, and what a browser may do with it."""

from __future__ import annotations

from qasino_server.bridge import Send, send_in_portions
from qasino_server.http_answer import start

NOT_KEPT = b"no-store"
KEPT_FOR_EVER = b"private, max-age=31536000, immutable"
ASKED_AGAIN = b"no-cache"

SECURITY = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        b" connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


async def respond(send: Send, status: int, media_type: str, body: bytes, cache: bytes) -> None:
    """Send a response, as fast as the client reads."""
    kind = ((b"cache-control", cache), *SECURITY)
    await send(start(status, media_type, len(body), b"GET, HEAD", kind))
    await send_in_portions(send, body)


async def begin_events(send: Send) -> None:
    """Send the head of a stream of events."""
    # nginx would keep events back
    kind = ((b"cache-control", NOT_KEPT), (b"x-accel-buffering", b"no"), *SECURITY)
    await send(start(200, "text/event-stream", None, kind=kind))
