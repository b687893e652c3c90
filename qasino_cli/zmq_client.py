"""The ZeroMQ client: one REQ socket, watched by a monitor.

ZeroMQ by itself never says that nobody is there: it tries again for ever. The monitor tells
what happens to the connection underneath, so that a refused one is known in milliseconds and
a lost one when it is lost. A REQ socket that got no answer can send nothing more; after any
failure it is thrown away and the next request opens a new one.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import zmq

from qasino_cli import outgoing
from qasino_cli.answers import Cadence, read_cadence, read_ok, read_receipt, read_result
from qasino_cli.connection import Connection, gone_s
from qasino_cli.errors import ServerRefused, Unreachable
from qasino_cli.outgoing import SURELY_TAKEN_BYTES, USUAL_MAX_BODY_BYTES
from qasino_cli.reach import HOST_GONE, HOST_SILENT, find_address, no_answer, why_unreachable
from qasino_cli.zmq_socket import (
    HANDSHAKE_FAILED,
    Ground,
    connect,
    misunderstanding,
    read_event,
)
from qasino_server.errors import QasinoError
from qasino_server.message import Query
from qasino_server.table import Receipt, Result

_EVENTS = (
    zmq.EVENT_CLOSED
    | zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_CONNECTED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | sum(HANDSHAKE_FAILED)
)
_NOT_CONNECTED = (zmq.EVENT_CLOSED, zmq.EVENT_CONNECT_RETRIED)
_SOON_S = 20.0
"""What is closed later than that after a request was not dead when it was sent: TCP has given up
on it by then."""
_MOST_OF = 0.9
"""Of the time after which TCP gives up, whose clock began when the first of it was sent."""


class _Closed(Unreachable):
    """The connection ended while an answer was waited for."""


class ZmqClient:
    """A `Client` over ZeroMQ."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is opened and nothing can fail yet."""
        self._connection = connection
        self._ground = Ground()
        self._line: _Line | None = None

    def query(self, query: Query) -> Result:
        """The whole answer to one statement."""
        return read_result(self._ask(outgoing.encode_query(query)), self._connection.url)

    def stream(self, query: Query) -> Iterator[bytes] | None:
        """None: ZeroMQ answers are whole."""
        return None

    def publish(self, message: bytes) -> Receipt:
        """Send a publication; the rows are stored when this returns."""
        return read_receipt(self._ask(message), self._connection.url)

    def drop(self, tablename: str, identity: str | None) -> str:
        """End a static or persistent table."""
        return read_ok(self._ask(outgoing.encode_drop(tablename, identity)), self._connection.url)

    def cancel(self, query_id: str) -> str:
        """Stop a query that runs on another connection."""
        return read_ok(self._ask(outgoing.encode_cancel(query_id)), self._connection.url)

    def cadence(self) -> Cadence:
        """When generations begin, also where nothing else is told us."""
        return read_cadence(self._ask(outgoing.HEALTH), self._connection.url)

    def close(self) -> None:
        """Close the socket; what is unsent is dropped."""
        self._hang_up()
        self._ground.leave()

    def _ask(self, request: bytes) -> bytes:
        """Send one frame and return the first frame of the answer. Raises Unreachable.

        A connection that has served may have died unnoticed: a server whose host lost its power
        says no goodbye, and back again it knows nothing of it. What may be done twice is then
        sent once more, on a new one, in what is left of the time.
        """
        began = time.monotonic()
        deadline = began + self._connection.timeout_s
        if self._is_to_be_sent_anew(request):
            self._hang_up()
        try:
            try:
                return self._line_to_ask().ask(request, deadline)
            except _Closed:
                if not self._may_ask_again(request, began):
                    raise
            self._hang_up()
            return self._line_to_ask().ask(request, deadline)
        except BaseException:  # Ctrl-C too: the socket waits for an answer nobody wants now
            self._hang_up()
            raise

    def _is_to_be_sent_anew(self, request: bytes) -> bool:
        """Whether it is large, and of a connection that has served it could not be told whether it
        was closed over that or had died: what is not sent again has one that surely lives."""
        return (
            self._line is not None
            and self._line.has_served
            and len(request) > SURELY_TAKEN_BYTES
            and not outgoing.may_be_done_twice(request)
        )

    def _may_ask_again(self, request: bytes, began: float) -> bool:
        return (
            self._line is not None
            and self._line.has_served
            and time.monotonic() - began < min(_SOON_S, self._connection.timeout_s)
            and outgoing.may_be_done_twice(request)
        )

    def _line_to_ask(self) -> _Line:
        if self._line is None:
            self._line = self._begun()
        return self._line

    def _begun(self) -> _Line:
        _, address = find_address(self._connection)
        with self._ground.opening(self._connection) as context:
            return _Line(context, self._connection, address)

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


class _Line:
    """One REQ socket, its monitor, and what the monitor has told so far."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], connection: Connection, address: str
    ) -> None:
        self._connection = connection
        self._address = address
        self._greeted = False
        """The other end has shown that it speaks ZeroMQ, and has not gone since."""
        self._met = False
        """It has shown that, and may have gone since."""
        self.has_served = False
        """It has given an answer, and may have gone since."""
        self._asked_at = -math.inf
        self._connected_at = -math.inf
        """When the host last answered; never, too, where the connection has ended since."""
        self._socket = context.socket(zmq.REQ)
        self._socket.linger = 0
        self._monitor = self._socket.get_monitor_socket(_EVENTS)
        connect(self._socket, self._address, connection.port, connection.curve)

    def ask(self, request: bytes, deadline: float) -> bytes:
        """Send a request and wait for the answer."""
        self._hear_monitor(request, asked=False)
        self._asked_at = started = time.monotonic()
        try:
            self._socket.send(request, zmq.NOBLOCK)
        except zmq.Again:  # refused in this very moment: there is nobody left to send it to
            raise self._failure(zmq.EVENT_HANDSHAKE_FAILED_AUTH, len(request)) from None
        while self._wait(started, deadline, len(request)):
            self._hear_monitor(request, asked=True)
        self.has_served = True
        return self._socket.recv_multipart()[0]

    def _wait(self, started: float, deadline: float, request_bytes: int) -> bool:
        """Sleep until something happens: False once the answer is here.

        Raises Unreachable when the time is up. Until the other end has greeted, the time is
        that for connecting: for the host to answer, and then for ZeroMQ's greetings and keys,
        which take a slow link several times as long.
        """
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        left_s = deadline - time.monotonic()
        if not self._greeted:
            step_s = time.monotonic() - max(started, self._connected_at)
            left_s = min(left_s, self._connection.connect_timeout_s - step_s)
        ready = dict(poller.poll(max(0, math.ceil(left_s * 1000))))
        if not ready:
            raise self._silence(request_bytes)
        return self._socket not in ready

    def _silence(self, request_bytes: int) -> Unreachable:
        connection, url = self._connection, self._connection.url
        if self._greeted:
            return no_answer(connection, request_bytes)
        if self._connected_at < 0:
            return Unreachable(f"cannot reach {url}: {HOST_SILENT}")
        return Unreachable(
            f"cannot reach {url}: no ZeroMQ server answers there within"
            f" {connection.connect_timeout_s:g} s"
        )

    def _hear_monitor(self, request: bytes, asked: bool) -> None:
        """Take in what happened to the connection; raise what ends the wait for an answer."""
        while self._monitor.poll(0):
            event = read_event(self._monitor)
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._greeted = self._met = True
            elif event == zmq.EVENT_CONNECTED:
                self._connected_at = time.monotonic()
            elif event == zmq.EVENT_HANDSHAKE_FAILED_AUTH or (
                event == zmq.EVENT_DISCONNECTED and not self._met
            ):  # ZeroMQ does not try that again
                raise self._failure(event, len(request))
            elif asked and not self._socket.poll(0):
                raise self._failure(event, len(request))
            else:
                self._greeted, self._connected_at = False, -math.inf

    def _failure(self, event: int, request_bytes: int) -> QasinoError:
        url = self._connection.url
        if event in HANDSHAKE_FAILED or event in _NOT_CONNECTED or not self._met:
            return Unreachable(f"cannot reach {url}: {self._why(event)}")
        if self._is_late() and why_unreachable(self._connection, self._address) == HOST_SILENT:
            return Unreachable(f"{url} {HOST_GONE}")
        if not self.has_served and (
            request_bytes > USUAL_MAX_BODY_BYTES
            or (request_bytes > SURELY_TAKEN_BYTES and self._is_there())
        ):  # one that has served may be dead; the next message has a new one
            return ServerRefused(
                f"{url} closed the connection on a message of {request_bytes} bytes; that is"
                " probably more than its --max-body"
            )
        return _Closed(f"{url} closed the connection without an answer")

    def _is_late(self) -> bool:
        """Whether TCP may have given up on the host; ZeroMQ does not tell why a connection ends."""
        return time.monotonic() - self._asked_at > gone_s() * _MOST_OF

    def _is_there(self) -> bool:
        """Whether somebody listens there still: who ends closes the connection as well."""
        where = (self._address, self._connection.port)
        with suppress(OSError):
            socket.create_connection(where, self._connection.connect_timeout_s).close()
            return True
        return False

    def _why(self, event: int) -> str:
        if event not in _NOT_CONNECTED:
            with suppress(ConnectionRefusedError):  # it has ended since
                return misunderstanding(event, self._connection, self._address)
        return why_unreachable(self._connection, self._address)

    def close(self) -> None:
        """Close both sockets now."""
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(0)
