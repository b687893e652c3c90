"""Who reports from this machine where nobody says otherwise."""

from __future__ import annotations

import os
import socket


def default_identity() -> str:
    """QASINO_IDENTITY, else the name of this host."""
    return os.environ.get("QASINO_IDENTITY") or socket.gethostname()
