"""Names to addresses, and why a host cannot be reached: both within a bound.

The resolver of the C library knows no deadline, so it runs in a thread that is waited for.
"""

from __future__ import annotations

import queue
import socket
import threading

from qasino_cli.connection import Connection
from qasino_cli.errors import Unanswered, Unreachable
from qasino_server.threads import begin

HOST_SILENT = "the host does not answer"
HOST_GONE = "does not answer any more: its host is gone, or the way to it"

_LARGE_BYTES = 65_536
"""A message that on a slow link takes a while to be sent."""

_Found = list[tuple[int, str]] | OSError


def find_address(connection: Connection) -> tuple[int, str]:
    """The address family and numeric address of the server's host; IPv4 where it has both.

    ZeroMQ takes one address of a name, and of `localhost` that may be the one nobody listens
    on; a server listens on 127.0.0.1 unless told otherwise. Raises Unreachable.
    """
    found = _resolve(connection)
    if isinstance(found, OSError):
        raise Unreachable(f"cannot reach {connection.url}: {_reason(found)}")
    return min(found, key=lambda address: address[0] != socket.AF_INET)


def _resolve(connection: Connection) -> _Found:
    answers: queue.SimpleQueue[_Found] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            infos = socket.getaddrinfo(connection.host, connection.port, type=socket.SOCK_STREAM)
            answers.put([(int(family), str(where[0])) for family, _, _, _, where in infos])
        except (OSError, UnicodeError) as error:  # UnicodeError: no legal name in the first place
            answers.put(error if isinstance(error, OSError) else OSError("not a host name"))

    begin(threading.Thread(target=look_up, name="resolver", daemon=True))
    try:
        return answers.get(timeout=connection.connect_timeout_s)
    except queue.Empty:
        return OSError(f"no name server answered in {connection.connect_timeout_s:g} s")


def no_answer(connection: Connection, request_bytes: int, is_sent: bool = True) -> Unanswered:
    """That time is up; with the size of the request where that may be why."""
    url, limit = connection.url, f"{connection.timeout_s:g} s"
    if request_bytes < _LARGE_BYTES:
        return Unanswered(f"{url} gave no answer in {limit}")
    message = f"a message of {request_bytes / (1 << 20):.1f} MiB"
    if is_sent:
        return Unanswered(f"{url} gave no answer to {message} in {limit} (--timeout)")
    return Unanswered(f"{message} to {url} was not sent to its end in {limit} (--timeout)")


def why_unreachable(connection: Connection, address: str) -> str:
    """The reason a connection just failed, by trying it once more the plain way.

    The address is as `find_address` has it: a name would be resolved without a bound.
    """
    try:
        socket.create_connection((address, connection.port), connection.connect_timeout_s).close()
    except OSError as error:
        return _reason(error)
    return "it closed the connection at once"


def _reason(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there (connection refused)"
    if isinstance(error, TimeoutError):
        return HOST_SILENT
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]
