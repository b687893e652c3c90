"""Telling a server that nobody waits for a query any more, on a connection of its own: the other
one waits for the answer."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress

from qasino_cli.client import cancel_query
from qasino_cli.connection import Connection
from qasino_server.errors import QasinoError
from qasino_server.threads import begin

CANCEL_TIMEOUT_S = 2.0
CANCEL_PATIENCE_S = 0.2
"""Who pressed Ctrl-C has the prompt again after that, whatever the server does."""
GIVING_UP_S = 1.0
"""Who has waited in vain for an answer waits no longer than that for the end of the query."""


def begin_cancelling(
    connection: Connection, query_id: str
) -> queue.SimpleQueue[QasinoError | None]:
    """Have the server told. What goes wrong with that comes in the queue, None for nothing.

    In a thread, so that a server that does not even answer that holds nobody up.
    """
    outcome: queue.SimpleQueue[QasinoError | None] = queue.SimpleQueue()

    def tell() -> None:
        try:
            cancel_query(connection, query_id, CANCEL_TIMEOUT_S)
            outcome.put(None)
        except QasinoError as error:
            outcome.put(error)

    try:
        begin(threading.Thread(target=tell, name="cancel", daemon=True))
    except QasinoError as error:
        outcome.put(error)
    return outcome


def give_up(connection: Connection, query_id: str, patience_s: float = GIVING_UP_S) -> None:
    """Have it told, without a word: the error is that it gave no answer.

    Who hangs up over HTTP is noticed, unless a proxy stands between; over ZeroMQ nobody is.
    """
    with suppress(queue.Empty):
        begin_cancelling(connection, query_id).get(timeout=patience_s)
