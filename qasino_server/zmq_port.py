"""The ZeroMQ port: a ROUTER that speaks to REQ clients, one JSON frame a request.

One thread receives, does what is brief, and sends; whoever has replies for it hands them over
by an outbox. A malformed envelope hurts nobody: what cannot be answered is passed over, what
can be is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from math import ceil

import zmq

from qasino_server.dispatch import Dispatch, anybody_at, caller_of
from qasino_server.errors import (
    BadRequest,
    Busy,
    QasinoError,
    ServerFault,
    StartError,
    TooLarge,
    Unauthorized,
)
from qasino_server.listening import check_interfaces
from qasino_server.message import decode_for_store, means_to_publish
from qasino_server.outbox import Outbox
from qasino_server.patience import GONE_MS, PROBE_AFTER_S, PROBE_EVERY_S, PROBES
from qasino_server.replies import Reply, encode_reply, encode_signal
from qasino_server.rights import Rights
from qasino_server.service import OnDeath, Service
from qasino_server.wakeup import Turn
from qasino_server.way import turn_begins, turn_is_over
from qasino_server.zmq_unread import Unread
from qasino_server.zmq_watch import ZmqPeer, ZmqWatch
from qasino_server.zmq_wire import usual_wire_bytes, wire_bytes

log = logging.getLogger("qasino.zmq")

_DRAIN = 256
"""Requests taken in one go before the replies get their turn."""
_DRAIN_BYTES = 1 << 20
"""And what libzmq keeps of the rest has its senders wait."""
_WORTH_HALVING = 4
_USUAL_FRAMES = 2
"""Of a message: an empty one and the request."""
_FRAMES_KEPT = 100
"""Of one message; requests have one, after an envelope that has one more for each hop."""
_FRAMES_AT_ONCE = 1000
"""Taken of one message in one go: each takes 4 us, and others have answers to get."""
_FRAMES_MAX = 100_000
"""Whoever sends more in a message is cut off."""

_AHEAD = 32
"""Requests of one client that libzmq takes in before it waits for this port. Each time half of them
are taken its thread is woken, twice, to go on: with 10 a client that has 64 on their way got 0.76
to 0.81 of the answers. With 100 it would get 1.08, but be ended with 3 MB each (`zmq_watch`)."""
_SUBSCRIPTION_BYTES = 1024
"""The largest frame a subscriber may send: a key exchange takes half of it."""
_NOW, _MORE = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE)
_SRCFD = int(zmq.SRCFD)
"""As plain numbers: pyzmq's are flags of enum, whose `|` takes as long as sending a frame."""

_Socket = zmq.Socket[bytes]
_Message = tuple[bytes, list[zmq.Frame], list[int]]
"""Who sent it, its frames, and the sizes of all it had, those not kept among them."""
_recv, _send = zmq.backend.Socket.recv, zmq.backend.Socket.send
"""Without what pyzmq's own look for at each frame, names of options and kinds of sockets that are
none of ours; 2 us a message."""


def bind(unbound: _Socket, address: str, port: int) -> None:
    """Bind a socket; port 0 takes a free one. Raises StartError where the port is taken."""
    check_interfaces()
    unbound.linger = 0
    unbound.ipv6 = ":" in address
    # Have TCP find peers that are gone, or that do not read at all.
    unbound.tcp_keepalive, unbound.tcp_keepalive_idle = 1, PROBE_AFTER_S
    unbound.tcp_keepalive_intvl, unbound.tcp_keepalive_cnt = PROBE_EVERY_S, PROBES
    unbound.setsockopt(zmq.TCP_MAXRT, GONE_MS)
    host = f"[{address}]" if ":" in address else address
    try:
        unbound.bind(f"tcp://{host}:{port or '*'}")
    except zmq.ZMQError as error:
        reason = zmq.strerror(error.errno or 0)  # its own sentence has the address once more
        raise StartError(f"cannot listen on {address}:{port}: {reason}") from None


def prepare(router: _Socket, max_body_bytes: int) -> None:
    """Have a ROUTER hold little of what a client sends ahead, and all that it is to be sent."""
    router.rcvhwm = _AHEAD
    # Past it ZeroMQ drops replies without a word: no client asks so much at once.
    router.sndhwm = 10_000
    router.maxmsgsize = 2 * max_body_bytes


def spare(pub: _Socket) -> None:
    """Have a socket that only sends hold little of what it is sent."""
    pub.rcvhwm = 10
    pub.rcvbuf = 16384
    pub.maxmsgsize = _SUBSCRIPTION_BYTES


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
        *,
        max_body_bytes: int,
        on_death: OnDeath,
        watch: ZmqWatch,
        unread: Unread,
        rights_of: Callable[[str], Rights] | None,
    ) -> None:
        """`rights_of` tells what the owner of a CURVE key may do; None is everybody everything."""
        super().__init__("zmq-port", on_death)
        self._router = router
        self._dispatch = dispatch
        self._identity = identity
        self._max_body_bytes = max_body_bytes
        self._rights_of = rights_of
        self._encrypted = rights_of is not None
        self._watch = watch
        self._unread = unread
        self._arrived: list[_Message] = []
        """Received and not handed in yet."""
        self._begun: _Message | None = None
        """One of very many frames, of which more are to be taken."""
        self._begun_by: ZmqPeer | None = None
        """Whose that is; its descriptor may be another's before the last frame is taken."""
        self._nr_together = 0
        """How many came together the last time."""
        self._door = zmq.Poller()
        self._door.register(router, zmq.POLLIN)
        self._outbox: Outbox[tuple[ZmqPeer | None, str, list[bytes], list[bytes]]] = Outbox()

    def wake(self) -> None:
        self._outbox.wake()

    def run(self) -> None:
        """Receive, hand in, send what is ready."""
        turn = Turn(at_end=self._send)
        turn.carry()
        self._outbox.adopt()
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._outbox.fileno(), zmq.POLLIN)
        try:
            while not self.stopping.is_set():
                turn_begins()
                self._receive(there=False)
                patience_s = 0.0 if self._arrived or self._outbox else turn.patience_s()
                rested = patience_s != 0.0
                if rested:
                    turn_is_over()
                    there = poller.poll(None if patience_s is None else ceil(1000 * patience_s))
                    turn_begins()
                    self._receive(there=bool(there))
                self._hand_in_some(rested)
                if nr_answers := len(self._outbox):
                    self._send()  # what needed no chore does not wait for them
                turn.end(nr_answers)
            self._send()
        finally:
            turn_is_over()
            self._outbox.close()
            self._router.close()

    def _receive(self, there: bool) -> None:
        """Take in what has come; `there` says that something probably has.

        To take something where nothing is raises an error, which pyzmq makes in 7 us where a
        look takes 2: beyond what came together the last time it looks before it takes.
        """
        arrived, nr_together = self._arrived, self._nr_together
        size_bytes = nr_taken = 0
        while len(arrived) < _DRAIN and size_bytes < _DRAIN_BYTES:
            if not there and not self._door.poll(0):
                break
            message = receive(self._router, self._begun)
            if message is None:
                break
            _, frames, sizes_bytes = message
            if len(frames) > _USUAL_FRAMES and frames[-1].more:
                self._goes_on(message)
                break
            self._begun = None
            arrived.append(message)
            size_bytes += sizes_bytes[-1]
            nr_taken += 1
            there = nr_taken < nr_together
        if nr_taken:
            self._nr_together = nr_taken

    def _goes_on(self, begun: _Message) -> None:
        """There is more of a message than is taken at once: the rest has its turn later."""
        sender, frames, sizes_bytes = begun
        if self._begun is None or self._begun_by is None:
            self._begun_by = self._watch.peer(_descriptor(frames[-1]), sender)
        self._begun = begun
        if len(sizes_bytes) > _FRAMES_MAX:
            if self._begun_by is not None:
                self._watch.end(self._begun_by, "its message has too many frames")
            del sizes_bytes[_FRAMES_MAX:]  # what still comes is not remembered

    def _hand_in_some(self, rested: bool) -> None:
        """What has arrived, or half of it where this thread had nothing to do before.

        A client that sends the next when it has an answer waits for all of a batch and then has
        this thread wait for it. In two halves one is worked on here while the other is there:
        with 8 at once 1.14 of the publications, and 1.23 of the queries.
        """
        count = len(self._arrived)
        if rested and count >= _WORTH_HALVING:
            count //= 2
        taken, self._arrived = self._arrived[:count], self._arrived[count:]
        for message in taken:
            self._hand_in(*message)

    def _hand_in(
        self, sender: bytes, frames: Sequence[zmq.Frame], sizes_bytes: Sequence[int]
    ) -> None:
        envelope, payload = split_envelope(sender, frames)
        fd = _descriptor(frames[-1])
        peer = self._watch.peer(fd, sender)
        passed_bytes = wire_bytes(sizes_bytes, self._encrypted)
        if fd < 0:  # the first ZMTP's headers have a byte more
            passed_bytes += len(sizes_bytes)
        if peer is None:
            self._watch.passes_early(fd, passed_bytes)
        else:
            peer.passed_bytes += passed_bytes
        name = peer.name if peer is not None else self._watch.name_of(fd)
        caller = anybody_at("zmq", name)
        if self._rights_of is not None:
            try:
                rights = self._rights_of(str(frames[-1].get("User-Id")))
            except Unauthorized as error:
                self._answer(peer, caller.asker, envelope, error)
                return
            caller = caller_of("zmq", name, rights)
        answer = partial(self._answer, peer, caller.asker, envelope)
        try:
            body = self._body_of(payload, len(sizes_bytes) - len(frames))
            request = decode_for_store(body)
        except QasinoError as error:
            if payload and means_to_publish(payload[0].bytes):
                self._dispatch.unreadable(caller, error)
            answer(error)
            return
        except Exception:
            # One message must not end a port that serves everybody.
            log.exception("message not read peer=%s", name)
            answer(ServerFault("the server failed at reading this; its log says how"))
            return
        self._dispatch.handle(request, caller, answer)

    def _answer(
        self, peer: ZmqPeer | None, asker: str, envelope: list[bytes], reply: Reply
    ) -> None:
        self._outbox.put((peer, asker, envelope, encode_reply(reply, self._identity)))

    def _body_of(self, payload: Sequence[zmq.Frame], nr_skipped: int) -> bytes:
        if len(payload) != 1 or nr_skipped:
            raise BadRequest(
                "a request is one frame of JSON;"
                f" this message has {len(payload) + nr_skipped} frames"
            )
        if len(payload[0]) > self._max_body_bytes:
            raise TooLarge(
                f"the message is larger than {self._max_body_bytes} bytes, the most this"
                " server takes (--max-body)"
            )
        return payload[0].bytes

    def _send(self) -> None:
        for peer, asker, envelope, body in self._outbox.take():
            message = [*envelope, *body]
            size_bytes = self._sent_bytes(message)
            try:
                self._unread.check(peer, asker, size_bytes)
            except Busy as error:
                message = [*envelope, *encode_reply(error, self._identity)]
                size_bytes = self._sent_bytes(message)
            try:
                send(self._router, message)
            except zmq.ZMQError as error:
                log.debug("reply not sent: %s", error)
                continue
            if peer is not None and not peer.gone:
                self._unread.add(peer, asker, size_bytes)

    def _sent_bytes(self, message: Sequence[bytes]) -> int:
        if len(message) == 1 + _USUAL_FRAMES and not message[1]:
            return usual_wire_bytes(len(message[2]), self._encrypted)
        return wire_bytes([len(frame) for frame in message[1:]], self._encrypted)


def receive(socket: _Socket, begun: _Message | None = None) -> _Message | None:
    """Who sent a ROUTER its next message, and its frames, one at least; None where none is there.

    Of very many frames some are left, as the last one's `more` tells: the next call takes what
    was `begun`, and goes on.

    They are not copied into bytes: only such a frame knows its connection, and whether more
    follow, which pyzmq's `recv_multipart` asks libzmq for each time, at twice the price of all
    this. The first, which the ROUTER puts there, is never alone; as bytes it takes a third.
    """
    most = _FRAMES_AT_ONCE if begun is None else len(begun[2]) + _FRAMES_AT_ONCE
    if begun is None:
        try:
            sender = _recv(socket, _NOW)
        except zmq.Again:
            return None
        first = _recv(socket, copy=False)
        if not first.more:
            return sender, [first], [len(first)]
        second = _recv(socket, copy=False)
        begun = sender, [first, second], [len(first), len(second)]
        if not second.more:
            return begun
    _, frames, sizes_bytes = begun
    while True:
        frame = _recv(socket, copy=False)
        frames.append(frame)
        sizes_bytes.append(len(frame))
        if len(frames) > _FRAMES_KEPT:
            frames.pop(-2)  # a frame takes two bytes to send and two hundred to keep
        if not frame.more or len(sizes_bytes) == most:
            return begun


def send(socket: _Socket, message: Sequence[bytes]) -> None:
    """Send a message of frames without waiting. Raises zmq.ZMQError where that cannot be."""
    for frame in message[:-1]:
        _send(socket, frame, _MORE)
    _send(socket, message[-1], _NOW)


def _descriptor(frame: zmq.Frame) -> int:
    """Of the connection it came over; -1 for a message that libzmq has made up."""
    try:
        return frame.get(_SRCFD)
    except zmq.ZMQError:
        return -1


def split_envelope(
    sender: bytes, frames: Sequence[zmq.Frame]
) -> tuple[list[bytes], Sequence[zmq.Frame]]:
    """The envelope to answer with, up to the empty frame if there is one, and the rest.

    REQ sends an empty frame before the request, a bare DEALER may not.
    """
    if len(frames) == 2 and not len(frames[0]):  # what nearly all of them are
        return [sender, b""], frames[1:]
    for place, frame in enumerate(frames):
        if not len(frame):
            hops = [hop.bytes for hop in frames[:place]]
            return [sender, *hops, b""], frames[place + 1 :]
    return [sender], frames


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
