"""Who reports from this machine where nobody says otherwise."""

from __future__ import annotations

import os
import socket

from qasino_cli.errors import as_usage
from qasino_server.table import check_identity


def default_identity() -> str:
    """QASINO_IDENTITY, else the name of this host. Raises UsageFault where that names nobody."""
    named = os.environ.get("QASINO_IDENTITY")
    if not named:
        return socket.gethostname()
    return as_usage("QASINO_IDENTITY", check_identity, named)
