"""How long a peer may take, on every port; and how TCP finds those that are gone."""

from __future__ import annotations

import socket

HEAD_S = 60.0
"""How long it may take to say what it wants, or to begin to read."""
PACE_BYTES_S = 16384
"""What has to come or go each second, on the whole, once that is over."""

PROBE_AFTER_S = 60
PROBE_EVERY_S = 15
PROBES = 4
GONE_MS = 60_000
"""How long what was sent may stay without a sign that it arrived."""


def allowed_s(size_bytes: int) -> float:
    """How long a peer may take to send, or to read, so much."""
    return HEAD_S + size_bytes / PACE_BYTES_S


def probing(gone_ms: int) -> list[tuple[int, int, int]]:
    """The options of a TCP socket that find a peer which is gone, or which does not read; those of
    them that this system has."""
    wanted = {
        "TCP_KEEPIDLE": PROBE_AFTER_S,
        "TCP_KEEPINTVL": PROBE_EVERY_S,
        "TCP_KEEPCNT": PROBES,
        "TCP_USER_TIMEOUT": gone_ms,  # Linux's
    }
    return [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        *(
            (socket.IPPROTO_TCP, getattr(socket, name), value)
            for name, value in wanted.items()
            if hasattr(socket, name)
        ),
    ]
