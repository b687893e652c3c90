"""What the kernel knows of a TCP connection that nobody reads from.

Linux tells; elsewhere nothing is known.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import NamedTuple

_INFO = struct.Struct("=B119xQQ")
"""Of struct tcp_info: tcpi_state, tcpi_bytes_acked, tcpi_bytes_received."""
_CLOSE, _CLOSE_WAIT = 7, 8


class TcpInfo(NamedTuple):
    """A connection's state, what its other end has taken, and what has come from it."""

    state: int = 0
    acked_bytes: int = 0
    received_bytes: int = 0

    @property
    def has_left(self) -> bool:
        """Whether the other end has closed it, or broken it off."""
        return self.state in (_CLOSE, _CLOSE_WAIT)


def tcp_info(made: socket.socket) -> TcpInfo:
    """That of a socket; zeros where the kernel does not tell. Raises OSError where it is closed."""
    if not sys.platform.startswith("linux"):
        return TcpInfo()
    told = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
    return TcpInfo(*_INFO.unpack(told.ljust(_INFO.size, b"\0")))
