"""What every ZeroMQ socket of a client needs: keys, an address, and what its monitor tells.

pyzmq's own function for reading a monitor imports asyncio, 16 ms at the start of a command.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import msgspec
import zmq

from qasino_cli.connection import Connection, CurveKeys, gone_s
from qasino_cli.errors import ShortOfFiles
from qasino_server.patience import PROBE_AFTER_S, PROBE_EVERY_S, PROBES

Socket = zmq.Socket[bytes]

HANDSHAKE_FAILED = (
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
    zmq.EVENT_HANDSHAKE_FAILED_AUTH,
)
"""The other end is there and did not come to terms with us."""

_HALF_GREETING = b"\xff" + bytes(8) + b"\x7f\x03"
"""As far as the version. The other end then sends all of its own; at a mechanism that is not
its own, which would come next, it would hang up before that."""


_FILES_OF_A_SOCKET = 16
"""With those of the context, its monitor and its connection; some to spare."""


class Ground:
    """What a client's sockets stand on: the one context of this process, which has threads and
    descriptors of its own, for as long as any client has taken it. Any thread."""

    _lock = threading.Lock()
    _context: zmq.Context[Socket] | None = None
    _nr_users = 0

    def __init__(self) -> None:
        self._taken = False

    @contextmanager
    def opening(self, connection: Connection) -> Iterator[zmq.Context[Socket]]:
        """For making a socket and its monitor, one client at a time: two would find the same
        descriptors free.

        Raises ShortOfFiles where there are none for it: libzmq, short of one, ends the process or
        says nothing at all.
        """
        with Ground._lock:
            _see_that_files_are_left(connection)
            if Ground._context is None:
                Ground._context = zmq.Context()
            if not self._taken:
                self._taken = True
                Ground._nr_users += 1
            yield Ground._context

    def leave(self) -> None:
        """All sockets of this client are closed; the last to leave ends the context."""
        with Ground._lock:
            if not self._taken:
                return
            self._taken = False
            Ground._nr_users -= 1
            last = None if Ground._nr_users else Ground._context
            if last is not None:
                Ground._context = None
        if last is not None:
            last.term()


def _see_that_files_are_left(connection: Connection) -> None:
    try:
        with ExitStack() as taken:
            for _ in range(_FILES_OF_A_SOCKET):
                taken.callback(os.close, os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ShortOfFiles(
            f"cannot reach {connection.url}: {reason} (ulimit -n, LimitNOFILE=)"
        ) from None


def connect(made: Socket, address: str, port: int, keys: CurveKeys | None) -> None:
    """Connect a socket to a server's port, with the keys it may ask for."""
    if keys is not None:
        made.curve_publickey = keys.own.public.encode()
        made.curve_secretkey = keys.own.secret.encode()
        made.curve_serverkey = keys.server.encode()
    # Have TCP find a host that is gone, and a connection that a firewall has forgotten.
    made.tcp_keepalive, made.tcp_keepalive_idle = 1, PROBE_AFTER_S
    made.tcp_keepalive_intvl, made.tcp_keepalive_cnt = PROBE_EVERY_S, PROBES
    made.setsockopt(zmq.TCP_MAXRT, round(gone_s() * 1000))
    if ":" in address:
        made.setsockopt(zmq.IPV6, 1)
        address = f"[{address}]"
    made.connect(f"tcp://{address}:{port}")


def read_event(monitor: Socket) -> int:
    """The next event that a monitor tells of (zmq_socket_monitor(3))."""
    event, _ = struct.unpack("=Hi", monitor.recv_multipart()[0])
    return int(event)


def misunderstanding(event: int, connection: Connection, address: str) -> str:
    """Why a server that is there did not come to terms with us; asks it once more to find out.

    Raises ConnectionRefusedError where it is there no longer: it has just ended.
    """
    keys = connection.curve
    if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH and keys is not None:
        return (
            f"it does not know your key; {keys.own.public} belongs into a NAME.key in the"
            " clients directory of its --curve-keys, which SIGHUP has it read again"
        )
    greeting = _greeting(connection, address)
    wanted = _mechanism(greeting)
    if wanted == "CURVE" and keys is None:
        return "it asks for keys; give --curve-key and --curve-server-key"
    if wanted == "CURVE":
        return "it has another key than --curve-server-key says"
    if wanted == "NULL" and keys is not None:
        return "it has no key, and so may be anybody; without --curve-key it is asked all the same"
    if wanted == "NULL":
        return "it speaks ZeroMQ and takes no requests; is it the port of the signal?"
    if greeting.startswith(b"HTTP/"):
        other = msgspec.structs.replace(connection, scheme="http").url
        return f"what listens there speaks HTTP, {other} asks it"
    return "what listens there does not speak ZeroMQ"


def _greeting(connection: Connection, address: str) -> bytes:
    """What a server says to the beginning of ours; b"" where it says nothing in time.

    libzmq keeps to itself what it read there. Raises ConnectionRefusedError.
    """
    try:
        where = (address, connection.port)
        with socket.create_connection(where, connection.connect_timeout_s) as made:
            made.sendall(_HALF_GREETING)
            return made.makefile("rb").read(64)
    except ConnectionRefusedError:
        raise
    except OSError:
        return b""


def _mechanism(greeting: bytes) -> str | None:
    """How a ZeroMQ server wants to be spoken with: NULL is openly; None where it is none.

    Each end begins with a greeting of 64 bytes that names it (https://rfc.zeromq.org/spec/23/).
    """
    if len(greeting) < 64 or (greeting[0], greeting[9]) != (0xFF, 0x7F):
        return None
    return greeting[12:32].rstrip(b"\0").decode(errors="replace")
