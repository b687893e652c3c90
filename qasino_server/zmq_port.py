"""The ZeroMQ port: a ROUTER that speaks to REQ clients, one JSON frame a request.

One thread receives and sends; the store's threads hand their replies over by an outbox. A
malformed envelope hurts nobody: what cannot be answered is passed over, what can be is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import zmq

from qasino_server.dispatch import Caller, Dispatch
from qasino_server.errors import BadRequest, QasinoError, StartError, TooLarge, Unauthorized
from qasino_server.message import (
    Reply,
    decode_request,
    encode_reply,
    encode_signal,
    means_to_publish,
)
from qasino_server.rights import ANYBODY, Rights
from qasino_server.service import OnDeath, Service
from qasino_server.wakeup import Outbox

log = logging.getLogger("qasino.zmq")

_DRAIN = 256
"""Requests taken in one go before the replies get their turn."""

_Socket = zmq.Socket[bytes]


def bind(unbound: _Socket, address: str, port: int) -> None:
    """Bind a socket; port 0 takes a free one. Raises StartError where the port is taken."""
    unbound.linger = 0
    unbound.ipv6 = ":" in address
    host = f"[{address}]" if ":" in address else address
    try:
        unbound.bind(f"tcp://{host}:{port or '*'}")
    except zmq.ZMQError as error:
        raise StartError(f"cannot listen on {address}:{port}: {error.strerror}") from None


def port_of(socket: _Socket) -> int:
    """The port a socket is bound to."""
    return int(socket.getsockopt_string(zmq.LAST_ENDPOINT).rsplit(":", 1)[1])


class ZmqPort(Service):
    """Requests over ZeroMQ."""

    def __init__(
        self,
        router: _Socket,
        dispatch: Dispatch,
        identity: str,
        max_body_bytes: int,
        on_death: OnDeath,
        rights_of: Callable[[str], Rights] | None = None,
    ) -> None:
        """`rights_of` tells what the owner of a CURVE key may do; None is everybody everything."""
        super().__init__("zmq-port", on_death)
        self._router = router
        self._dispatch = dispatch
        self._identity = identity
        self._max_body_bytes = max_body_bytes
        self._rights_of = rights_of
        self._outbox: Outbox[list[bytes]] = Outbox()

    def wake(self) -> None:
        self._outbox.wake()

    def run(self) -> None:
        """Receive, hand in, send what is ready."""
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._outbox.fileno(), zmq.POLLIN)
        try:
            while not self.stopping.is_set():
                poller.poll()
                self._receive()
                self._send()
            self._send()
        finally:
            self._outbox.close()
            self._router.close()

    def _receive(self) -> None:
        for _ in range(_DRAIN):
            try:
                if self._rights_of is None:
                    key, frames = "", self._router.recv_multipart(zmq.NOBLOCK)
                else:
                    key, frames = self._receive_with_key()
            except zmq.Again:
                return
            self._hand_in(frames, key)

    def _receive_with_key(self) -> tuple[str, list[bytes]]:
        """A message and the CURVE key of its connection, which the first frame knows.

        Only a frame that is not copied into bytes can be asked; that costs 1.3 us a message.
        """
        first = self._router.recv(zmq.NOBLOCK, copy=False)
        return str(first.get("User-Id")), [first.bytes, *self._router.recv_multipart()]

    def _hand_in(self, frames: list[bytes], key: str) -> None:
        envelope, payload = split_envelope(frames)

        def answer(reply: Reply) -> None:
            self._outbox.put([*envelope, *encode_reply(reply, self._identity)])

        try:
            rights = ANYBODY if self._rights_of is None else self._rights_of(key)
        except Unauthorized as error:
            answer(error)
            return
        caller = Caller("zmq", "zmq:" + envelope[0].hex(), rights)
        try:
            if len(payload) != 1:
                raise BadRequest(
                    f"a request is one frame of JSON; this message has {len(payload)} frames"
                )
            if len(payload[0]) > self._max_body_bytes:
                raise TooLarge(
                    f"the message is larger than {self._max_body_bytes} bytes, the most this"
                    " server takes (--max-body)"
                )
            request = decode_request(payload[0])
        except QasinoError as error:
            if payload and means_to_publish(payload[0]):
                self._dispatch.unreadable(caller, error)
            answer(error)
            return
        self._dispatch.handle(request, caller, answer)

    def _send(self) -> None:
        for message in self._outbox.take():
            try:
                self._router.send_multipart(message, zmq.NOBLOCK)
            except zmq.ZMQError as error:
                log.debug("reply not sent: %s", error)


def split_envelope(frames: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The envelope to answer with, up to the empty frame if there is one, and the rest.

    REQ sends an empty frame before the request, a bare DEALER may not.
    """
    for place in range(1, len(frames)):
        if not frames[place]:
            return frames[: place + 1], frames[place + 1 :]
    return frames[:1], frames[1:]


class SignalPort:
    """The PUB socket that tells of each new generation; used by the heartbeat's thread."""

    def __init__(self, pub: _Socket, identity: str, duration_s: int) -> None:
        self._pub = pub
        self._identity = identity
        self._duration_s = duration_s

    def publish(self, generation_number: int) -> None:
        """Tell that the generation of this number has begun to collect."""
        signal = encode_signal(self._identity, generation_number, self._duration_s)
        try:
            self._pub.send(signal, zmq.NOBLOCK)
        except zmq.ZMQError as error:
            log.warning("signal not sent: %s", error)

    def close(self) -> None:
        """Close the socket."""
        self._pub.close()
