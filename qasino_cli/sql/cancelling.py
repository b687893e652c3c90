"""Telling a server that nobody waits for a query any more, on a connection of its own: the other
one waits for the answer."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from qasino_cli.client import cancel_query
from qasino_cli.connection import Connection
from qasino_cli.errors import ServerRefused
from qasino_server.errors import QasinoError
from qasino_server.threads import begin

CANCEL_TIMEOUT_S = 2.0
CANCEL_PATIENCE_S = 0.2
"""Who pressed Ctrl-C has the prompt again after that, whatever the server does."""
AGAIN_S = 0.02
"""After that a query that is not known yet is asked for again."""
GIVING_UP_S = 1.0
"""Who has waited in vain for an answer waits no longer than that for the end of the query."""

UnderWay = Callable[[], bool]
"""Whether a query that another thread has sent, or is about to, is not answered."""


def begin_cancelling(
    connection: Connection, query_id: str, is_under_way: UnderWay | None = None
) -> queue.SimpleQueue[QasinoError | None]:
    """Have the server told. What goes wrong with that comes in the queue, None for nothing.

    In a thread, so that a server that does not even answer that holds nobody up. Of a query that
    `is_under_way` it is told until it knows of it.
    """
    outcome: queue.SimpleQueue[QasinoError | None] = queue.SimpleQueue()

    def tell() -> None:
        outcome.put(_told(connection, query_id, is_under_way))

    try:
        begin(threading.Thread(target=tell, name="cancel", daemon=True))
    except QasinoError as error:
        outcome.put(error)
    return outcome


def _told(
    connection: Connection, query_id: str, is_under_way: UnderWay | None
) -> QasinoError | None:
    """Why it could not be told; None where it was."""
    ends = time.monotonic() + CANCEL_TIMEOUT_S
    while True:
        try:
            cancel_query(connection, query_id, CANCEL_TIMEOUT_S)
            return None
        except ServerRefused as error:
            if is_under_way is None or not is_under_way() or time.monotonic() > ends:
                return error
            time.sleep(AGAIN_S)  # this one has overtaken the query
        except QasinoError as error:
            return error


def give_up(
    connection: Connection,
    query_id: str,
    is_under_way: UnderWay | None = None,
    patience_s: float = GIVING_UP_S,
) -> None:
    """Have it told, without a word: the error is that it gave no answer.

    Who hangs up over HTTP is noticed, unless a proxy stands between; over ZeroMQ nobody is.
    """
    with suppress(queue.Empty):
        begin_cancelling(connection, query_id, is_under_way).get(timeout=patience_s)
