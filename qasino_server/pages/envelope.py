"""What every page goes out in: its headers, and what a browser may do with it."""

from __future__ import annotations

from qasino_server.auth import CHALLENGE
from qasino_server.bridge import Send, send_in_portions

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


async def send_whole(send: Send, status: int, media_type: str, body: bytes, cache: bytes) -> None:
    """Send a response, as fast as the client reads."""
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", cache),
        *SECURITY,
    ]
    if status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    if status == 401:
        headers.append((b"www-authenticate", CHALLENGE))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send_in_portions(send, body)


async def begin_events(send: Send) -> None:
    """Send the head of a stream of events."""
    headers = [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", NOT_KEPT),
        (b"x-accel-buffering", b"no"),  # nginx would keep events back
        *SECURITY,
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
