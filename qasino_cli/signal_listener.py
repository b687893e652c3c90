"""The server's generation signal, heard: when to publish next."""

from __future__ import annotations

import zmq

from qasino_cli.connection import Connection
from qasino_cli.reach import find_address
from qasino_server.message import SIGNAL_TAG


class SignalListener:
    """A SUB socket on a server's signal port. Belongs to one thread; `close` it there.

    A server that goes and comes back is found again by ZeroMQ itself; what it signalled in
    between is lost, as every signal is to whoever does not listen.
    """

    def __init__(self, connection: Connection) -> None:
        """Begin to listen; raises Unreachable where the host has no address."""
        _, address = find_address(connection)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.linger = 0
        self._socket.subscribe(SIGNAL_TAG)
        if ":" in address:
            self._socket.setsockopt(zmq.IPV6, 1)
            address = f"[{address}]"
        self._socket.connect(f"tcp://{address}:{connection.pubsub_port}")

    def heard(self, timeout_s: float) -> bool:
        """Wait for a signal, at most `timeout_s` seconds; several at once count as one."""
        if not self._socket.poll(int(timeout_s * 1000)):
            return False
        while self._socket.poll(0):
            self._socket.recv_multipart()
        return True

    def close(self) -> None:
        """Stop listening."""
        self._socket.close(0)
        self._context.term()
