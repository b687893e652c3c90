"""The beginning of a thread, which the system may not allow."""

from __future__ import annotations

import threading

from qasino_server.errors import StartError


def begin(thread: threading.Thread) -> None:
    """Start a thread. Raises StartError where the system lets us have no more."""
    try:
        thread.start()
    except RuntimeError:
        raise StartError(
            "cannot start a thread: the limit on processes (ulimit -u, TasksMax=) or on memory is"
            " reached"
        ) from None
