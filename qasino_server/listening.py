"""Listening sockets, and the certificate that HTTPS shows on them."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from pathlib import Path

from qasino_server.errors import StartError
from qasino_server.patience import GONE_MS, probing


def listen(address: str, port: int) -> socket.socket:
    """A listening socket; on `::` for both kinds of addresses, as libzmq's is.

    Raises StartError where the port is taken.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    both = family == socket.AF_INET6 and not address.strip("0:") and socket.has_dualstack_ipv6()
    try:
        listener = socket.create_server(
            (address, port), family=family, backlog=2048, dualstack_ipv6=both
        )
    except OSError as error:
        # `create_server` adds the address once more.
        reason = (error.strerror or str(error)).partition(" (while attempting to bind")[0]
        raise StartError(f"cannot listen on {address}:{port}: {reason}") from None
    _find_gone_peers(listener)
    return listener


def check_interfaces() -> None:
    """Raise StartError where this process may not see the machine's network interfaces.

    libzmq looks there for the address it is to bind, and ends the process where it may not.
    """
    netlink = getattr(socket, "AF_NETLINK", None)  # Linux's
    if netlink is None:
        return
    try:
        socket.socket(netlink, socket.SOCK_RAW).close()
    except OSError as error:
        if error.errno in (errno.EAFNOSUPPORT, errno.EPERM, errno.EACCES):
            raise StartError(
                f"this process may not see the network interfaces ({error.strerror}), where ZeroMQ"
                " looks for its address; a systemd unit with RestrictAddressFamilies= has to name"
                " AF_NETLINK there"
            ) from None


def _find_gone_peers(listener: socket.socket) -> None:
    """Have TCP find peers that are gone, or that do not read; what it accepts inherits that."""
    for option in probing(GONE_MS):
        listener.setsockopt(*option)


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 and newer with that certificate. Raises StartError.

    A certificate loaded into the same context later is used from the next connection on.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_certificate(context, certificate, key)
    return context


def load_certificate(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Use that certificate from the next connection on. Raises StartError, nothing changed."""
    for path in (certificate, key):
        if not os.access(path, os.R_OK):
            raise StartError(f"cannot read {path}, which HTTPS needs")
    try:
        # In a context of its own first: a half would take the old one's key away.
        for trying in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), context):
            trying.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        raise StartError(
            f"{certificate} and {key} are no certificate and its key ({reason})"
        ) from None


def _no_password() -> str:
    """OpenSSL would ask for it on the terminal."""
    raise ValueError("the key is protected by a password")
