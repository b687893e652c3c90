"""Heads of requests that were read before, told by their bytes.

A client sends one head with every request, or a few that differ in a length. Reading one takes
a call of ours for each of its lines: an eighth of a small publication, a fifth of a query that
is answered from memory (DESIGN.md).
"""

from __future__ import annotations

REMEMBERED_BYTES = 1024
"""Longer heads are read each time."""
HEADS_MAX = 4096
_END = b"\r\n\r\n"


class Heads:
    """What the heads of some requests say, which is the same each time: URL and body's length."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[bytes, int]] = {}

    def learn(self, received: bytes, url: bytes, body: bytes) -> None:
        """These bytes were read as a request to `url` with this body.

        They began where a request begins. Where they are more than the one request, or only its
        end, or its head is long, nothing is learned.
        """
        head, end, rest = received.partition(_END)
        if not head or not end or rest != body or len(head) > REMEMBERED_BYTES:
            return
        if len(self._known) == HEADS_MAX:
            self._known.clear()
        self._known[head] = (url, len(body))

    def split(self, received: bytes) -> tuple[bytes, bytes] | None:
        """URL and body, if the bytes are one whole request whose head is known."""
        ends = received.find(_END, 0, REMEMBERED_BYTES + len(_END))
        if ends < 0:
            return None
        known = self._known.get(received[:ends])
        begins = ends + len(_END)
        if known is None or len(received) - begins != known[1]:
            return None
        return known[0], received[begins:]
