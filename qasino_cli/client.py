"""The one interface to a server; which transport stands behind it, the URL decides.

A client belongs to one thread. Its transport is opened with the first request and again with
the next one after a failure, so a session outlives a server's restart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from qasino_cli.answers import Cadence
from qasino_cli.connection import Connection
from qasino_server.message import Query
from qasino_server.table import Receipt, Result


class Client(Protocol):
    """A server to ask and to publish to.

    Every method raises Unreachable (nobody answers within the connection's timeout, or not in
    our language) and ServerRefused (the server says no).
    """

    def query(self, query: Query) -> Result:
        """The whole answer to one statement."""

    def stream(self, query: Query) -> Iterator[bytes] | None:
        """The answer in `query.format` as it comes, None where this transport cannot.

        Raises BrokenOff while iterating if it ends too early.
        """

    def publish(self, message: bytes) -> Receipt:
        """Send a whole `add_table_data` message; the rows are stored when this returns."""

    def drop(self, tablename: str, identity: str | None) -> str:
        """End a static or persistent table; returns the server's remark."""

    def cancel(self, query_id: str) -> str:
        """Stop a query that another client of this server runs; returns the remark."""

    def cadence(self) -> Cadence:
        """When generations begin, told to whoever may not query too."""

    def close(self) -> None:
        """Give up the transport at once; what is still unsent is dropped."""


def open_client(connection: Connection) -> Client:
    """The client for a connection. Nothing is sent yet, so nothing can fail yet."""
    if connection.scheme == "zmq":
        from qasino_cli.zmq_client import ZmqClient

        return ZmqClient(connection)
    from qasino_cli.http_client import HttpClient  # httpx takes 40 ms to import

    return HttpClient(connection)


def cancel_query(connection: Connection, query_id: str, timeout_s: float) -> str:
    """Have the server stop a query, on a connection of its own, since the client that asked waits
    for the answer; its remark. Raises what a client raises."""
    client = open_client(msgspec.structs.replace(connection, timeout_s=timeout_s))
    try:
        return client.cancel(query_id)
    finally:
        client.close()
