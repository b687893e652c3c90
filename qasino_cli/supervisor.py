"""What the supervisor is told: ready, reloading, stopping (the protocol of sd_notify(3)).

Nothing happens where nobody listens, that is, where NOTIFY_SOCKET is not set.
"""

from __future__ import annotations

import os
import socket
import time


def tell_ready() -> None:
    """The ports are open; also after a reload."""
    _notify("READY=1")


def tell_reloading() -> None:
    """A reload begins; `tell_ready` ends it."""
    _notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def tell_stopping() -> None:
    """The end has begun."""
    _notify("STOPPING=1")


def _notify(state: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    name = f"\0{address[1:]}" if address[0] == "@" else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
            made.sendto(state.encode(), name)
    except OSError:
        pass  # a supervisor that has gone is no reason to fail
