"""Who asks over ZeroMQ: the CURVE key of a connection -> rights.

libzmq asks about each key at the handshake, over a socket inside this process (ZAP,
https://rfc.zeromq.org/spec/27/). pyzmq's authenticator answers, in a thread of ours: pyzmq's
own thread would bring a second asyncio loop and 40 ms of imports for it. A connection whose
handshake failed never gets as far as a port. On one that stands each request is looked up
again, so that a key that was taken away ends at once what it gave.
"""

from __future__ import annotations

import logging
from pathlib import Path

import zmq

from qasino_server.curve_keys import read_pair
from qasino_server.errors import BadRequest, StartError, Unauthorized
from qasino_server.outbox import Outbox
from qasino_server.rights import Rights
from qasino_server.service import OnDeath, Service
from qasino_server.users import Users

log = logging.getLogger("qasino.curve")

_DOMAIN = "qasino"


class CurveGate(Service):
    """Lets in whose key is known; the thread answers libzmq."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        secret_file: Path,
        users: Users,
        on_death: OnDeath,
    ) -> None:
        """Ask nobody yet, but be there to be asked. Raises StartError for a key that is none."""
        from zmq.auth import Authenticator

        super().__init__("curve-gate", on_death)
        try:
            self._keys = read_pair(secret_file)
        except BadRequest as error:
            raise StartError(error.sentence) from None
        self._users = users
        self._wakeup: Outbox[None] = Outbox()
        self._address = ""
        self._authenticator = Authenticator(context, log=log)
        self._authenticator.configure_curve_callback(_DOMAIN, self)
        self._authenticator.start()

    def guard(self, unbound: zmq.Socket[bytes]) -> None:
        """Have a socket let in nobody else, from its bind on."""
        unbound.curve_publickey = self._keys.public.encode()
        unbound.curve_secretkey = self._keys.secret.encode()
        unbound.curve_server = True
        unbound.setsockopt(zmq.ZAP_DOMAIN, _DOMAIN.encode())
        # Without it libzmq lets everybody in while nobody is there to be asked.
        unbound.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)

    def rights_of(self, key: str) -> Rights:
        """What the owner of a key may do now. Raises Unauthorized where it is no longer known."""
        roll = self._users.current()
        user = roll.curve_keys.get(key)
        if user is None:
            raise Unauthorized("the key of this connection is no longer known here")
        return roll.rights[user]

    # --- The thread -------------------------------------------------------------------------

    def wake(self) -> None:
        self._wakeup.wake()

    def run(self) -> None:
        """Answer libzmq until stopped."""
        asked = self._authenticator.zap_socket
        poller = zmq.Poller()
        poller.register(asked, zmq.POLLIN)
        poller.register(self._wakeup.fileno(), zmq.POLLIN)
        try:
            while not self.stopping.is_set():
                if asked in dict(poller.poll()):
                    self._answer(asked.recv_multipart())
        finally:
            self.close()

    def close(self) -> None:
        """Close the socket; the thread does it at its end."""
        self._authenticator.stop()
        self._wakeup.close()

    def _answer(self, request: list[bytes]) -> None:
        self._address = request[3].decode(errors="replace") if len(request) > 3 else ""
        answering = self._authenticator.handle_zap_message(request)
        try:
            answering.send(None)  # it is written for asyncio, but with `callback` waits for nothing
        except StopIteration:
            return
        raise AssertionError("pyzmq's authenticator waits for something")

    def callback(self, domain: str, key: bytes) -> bool:
        """The authenticator's question: whether a public key, as Z85, is let in."""
        known = key.decode() in self._users.current().curve_keys
        if not known:
            log.info("unknown key address=%s key=%s", self._address, key.decode())
        return known
