"""What a ZeroMQ connection may do with our memory and our patience, which libzmq has no bounds for.

libzmq receives a message whole before it hands it over, however many parts it has and however
long it takes; it keeps answers that nobody reads; and a PUB socket keeps every subscription,
forty times its size, and is busy with it for as long as they come. The kernel knows what each
connection has sent and what it has taken (`TCP_INFO`), libzmq's monitor says which there are.
From these two and from what the port itself has seen pass, this room knows what is held for
each, and shuts the connections down that make us hold too much, or for too long.

Where the kernel does not tell (no Linux) there are no such bounds.

Of a message from a peer that speaks a ZMTP before 3.0 (libzmq before 4.0) nobody tells which
connection it came over. Those peers count together: what has come from all connections that are
not known to have sent a message, less what of such messages has passed, is what they hold.
"""

from __future__ import annotations

import logging
import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import zmq

from qasino_server.outbox import Outbox
from qasino_server.patience import allowed_s
from qasino_server.seats import Seat, Seats, network_of
from qasino_server.service import OnDeath, Service
from qasino_server.share import Share
from qasino_server.tcp_info import TcpInfo, tcp_info

log = logging.getLogger("qasino.zmq")

SLACK_BYTES = 65536
"""What a connection may have sent beyond whole messages without anybody looking: handshakes,
ZeroMQ's own heartbeats, the beginning of a message."""
SIGNAL_BYTES = 65536
"""What a subscriber may send in its life; it has nothing to say but what it subscribes to.
One whose heartbeats have used it up is let go, and comes again by itself."""
ALL_SIGNAL_BYTES = 256 * SIGNAL_BYTES
SWEEP_S = 0.25
UNKNOWN = "?:?"
"""Where the other end of a connection is that nobody tells."""
_HANDSHAKE_BYTES = 1024
"""What comes before the first message, at most."""
_SWEEP_EACH_S = 1e-4
"""The more connections, the rarer they are looked at: a look takes 2 us."""
_EVENT = struct.Struct("=hi")
_EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED

_Socket = zmq.Socket[bytes]
T = TypeVar("T")


class ZmqPeer:
    """One connection. Each of its figures is written by one thread."""

    def __init__(self, fd: int, address: str, name: str, seat: Seat | None = None) -> None:
        self.fd = fd
        self.network = network_of(address)
        self.name = name
        self.seat = seat
        self.sender = b""
        """What the ROUTER calls it, once heard. The port's thread, as the next four."""
        self.passed_bytes = 0
        """What came of it in whole messages."""
        self.sent_bytes = 0
        self.read_bytes = 0
        """What is known to have been read of that."""
        self.asker = ""
        """Whom what it does not read counts for."""
        self.received_bytes = 0
        """What the kernel has received. The watch's thread, as the rest."""
        self.acked_bytes = 0
        """What the other end has taken."""
        self.forgiven_bytes = 0
        """What of that was no message (headers, heartbeats), or passed before it was known."""
        self.seen_passing_bytes = 0
        self.since: float | None = None
        """When it began to send what is not whole yet."""
        self.ended = False
        """By us, who have had enough."""
        self.gone = False

    def taken_bytes(self, port: int) -> int | None:
        """What the other end has taken by now; None where it is gone."""
        told = None if self.gone else told_of(self.fd, port)
        return None if told is None else told.acked_bytes

    def look(self, told: TcpInfo, passed_bytes: int) -> int:
        """Take in what the kernel tells; what it has sent that was no whole message yet when that
        much had passed."""
        has_moved = told.received_bytes != self.received_bytes
        self.acked_bytes, self.received_bytes = told.acked_bytes, told.received_bytes
        held_bytes = self.received_bytes - passed_bytes - self.forgiven_bytes
        if held_bytes < 0:  # what passed early was that of one before it
            self.forgiven_bytes += held_bytes
            held_bytes = 0
        if passed_bytes != self.seen_passing_bytes:
            self.since = None
            if held_bytes <= SLACK_BYTES and not has_moved:
                self.seen_passing_bytes = passed_bytes
                self.forgiven_bytes += held_bytes
        return held_bytes


class OldPeers(ZmqPeer):
    """All connections together whose messages do not tell where they came from."""

    def __init__(self) -> None:
        super().__init__(-1, "?", UNKNOWN)
        self._left_bytes = 0
        """What came from those that are gone."""
        self._left_acked_bytes = 0

    def taken_bytes(self, port: int) -> int | None:
        """As of the watch's last look."""
        return self.acked_bytes

    def leaves(self, peer: ZmqPeer, last: bool) -> None:
        """One that may have been one of them is gone, the last of them perhaps."""
        if last:
            self._left_bytes, self.forgiven_bytes = 0, -self.passed_bytes
            self._left_acked_bytes = self.acked_bytes = self.sent_bytes
        else:
            self._left_bytes += max(0, peer.received_bytes - _HANDSHAKE_BYTES)
            self._left_acked_bytes += peer.acked_bytes

    def reckon(self, peers: Sequence[ZmqPeer], passed_bytes: int) -> int:
        """Add up these, who are all there may be, after a look at each.

        Gives what they have sent that was no whole message yet when that much had passed. Where
        more has passed than came, as what is counted of a header may have it, that is forgotten:
        nobody saves up for later.
        """
        self.received_bytes = self._left_bytes + sum(peer.received_bytes for peer in peers)
        self.acked_bytes = self._left_acked_bytes + sum(peer.acked_bytes for peer in peers)
        held_bytes = self.received_bytes - self.forgiven_bytes - passed_bytes
        if held_bytes < 0:
            self.forgiven_bytes += held_bytes
            return 0
        return held_bytes


class ZmqWatch(Service):
    """Looks after the connections of the ZeroMQ ports."""

    def __init__(self, seats: Seats, max_body_bytes: int, on_death: OnDeath) -> None:
        """What is held of messages that are still arriving: eight times the largest, for all."""
        super().__init__("zmq-watch", on_death)
        self._seats = seats
        self._arriving_bytes = 8 * max_body_bytes
        self._wakeup: Outbox[None] = Outbox()
        self._monitors: dict[_Socket, str] = {}
        """Where a socket's connections are told of -> the name of its port."""
        self._ports: dict[str, int] = {}
        """The numbers of the ports."""
        self._peers: dict[str, dict[int, ZmqPeer]] = {"zmq": {}, "pubsub": {}}
        self._old_peers = OldPeers()
        self._early_bytes: dict[int, int] = {}
        """By descriptor, what passed before we had heard of the connection; the port's thread adds,
        the watch's takes."""

    def observe(self, name: str, unbound: _Socket, context: zmq.Context[_Socket]) -> None:
        """Be told of a socket's connections; before it is bound. Its port is told by `bound`."""
        endpoint = f"inproc://watch-{name}"
        unbound.monitor(endpoint, _EVENTS)
        monitor = context.socket(zmq.PAIR)
        monitor.rcvhwm = 0  # past it libzmq's own thread would wait for us
        monitor.linger = 0
        monitor.connect(endpoint)
        self._monitors[monitor] = name

    def bound(self, name: str, port: int) -> None:
        """The port the socket is bound to."""
        self._ports[name] = port

    def peer(self, fd: int, sender: bytes) -> ZmqPeer | None:
        """The connection of the requests' port with that descriptor, whom the ROUTER calls so, once
        it is known; in the port's thread.

        Those that a message without a descriptor may have come over count as one.
        """
        if fd < 0:
            return self._old_peers
        peer = self._peers["zmq"].get(fd)
        if peer is None or peer.sender == sender or self._is_that_of(peer, sender):
            return peer
        return None

    def _is_that_of(self, peer: ZmqPeer, sender: bytes) -> bool:
        """Whether a connection is the one of this sender, who was not heard over it before.

        Who hangs up leaves the descriptor to whoever comes next, of whom we hear a moment later.
        """
        if peer.sender or self.name_of(peer.fd) not in (peer.name, UNKNOWN):
            return False
        peer.sender = sender
        return True

    def passes_early(self, fd: int, size_bytes: int) -> None:
        """A message came over a connection that is not known yet; in the port's thread."""
        self._early_bytes[fd] = self._early_bytes.get(fd, 0) + size_bytes

    def name_of(self, fd: int) -> str:
        """Who is at the other end of a connection that is not known yet: address and port."""
        port = self._ports["zmq"]
        try:
            return "{}:{}".format(*_borrowed(fd, port, lambda made: made.getpeername()[:2]))
        except OSError:
            return UNKNOWN

    def end(self, peer: ZmqPeer, reason: str) -> None:
        """Shut a connection of the requests' port down; in the port's thread."""
        if peer.fd >= 0 and not peer.gone:
            _end(peer, self._ports["zmq"], reason)

    # --- The thread -------------------------------------------------------------------------

    def wake(self) -> None:
        self._wakeup.wake()

    def run(self) -> None:
        """Follow the connections until stopped."""
        poller = zmq.Poller()
        for watched in (*self._monitors, self._wakeup):
            poller.register(watched, zmq.POLLIN)
        due = time.monotonic()
        try:
            while not self.stopping.is_set():
                found = dict(poller.poll(self._pause_ms()))
                for monitor in self._monitors:
                    if monitor in found:
                        self._hear(monitor)
                now = time.monotonic()
                if now >= due:
                    self._sweep(now)
                    due = now + self._pause_ms() / 1000 if self._count() else now
        finally:
            self.close()

    def close(self) -> None:
        """Close what is ours; the thread does it at its end."""
        for monitor in self._monitors:
            monitor.close()
        self._wakeup.close()

    def _count(self) -> int:
        return sum(map(len, self._peers.values()))

    def _pause_ms(self) -> int:
        """Until the next look; for ever where there is nobody to look at."""
        count = self._count()
        return int(max(SWEEP_S, count * _SWEEP_EACH_S) * 1000) if count else -1

    def _hear(self, monitor: _Socket) -> None:
        name = self._monitors[monitor]
        peers = self._peers[name]
        with suppress(zmq.Again):
            for _ in range(1000):
                event, fd = _EVENT.unpack(monitor.recv_multipart(zmq.NOBLOCK)[0])
                if (old := peers.get(fd)) is not None:
                    self._forget(name, old)
                if event == zmq.EVENT_ACCEPTED:
                    self._admit(name, fd)

    def _forget(self, name: str, peer: ZmqPeer) -> None:
        del self._peers[name][peer.fd]
        peer.gone = True
        if peer.seat is not None:
            peer.seat.leave()
        if name == "zmq" and self._old_peers.passed_bytes and not peer.passed_bytes:
            self._old_peers.leaves(peer, last=not self._maybe_old())

    def _admit(self, name: str, fd: int) -> None:
        port = self._ports[name]
        with suppress(OSError):  # it has gone already
            address, number = _borrowed(fd, port, lambda made: made.getpeername()[:2])
            seat = self._seats.take(name, address)
            if seat is None:
                _shut(fd, port)
                return
            self._peers[name][fd] = ZmqPeer(fd, address, f"{address}:{number}", seat)

    # --- Bounds -----------------------------------------------------------------------------

    def _sweep(self, now: float) -> None:
        for name, port in self._ports.items():
            held = self._held(name, port, now)
            for peer in self._too_much(name, held):
                held.pop(peer)
                _end(peer, port, "it sends more than is taken")
            for peer, held_bytes in held.items():
                since = now if peer.since is None else peer.since
                if name == "zmq" and now > since + allowed_s(held_bytes):
                    _end(peer, port, "its message does not end")

    def _held(self, name: str, port: int, now: float) -> dict[ZmqPeer, int]:
        """What is held of each connection that has more than a little of it."""
        held: dict[ZmqPeer, int] = {}
        passed_by_old_bytes = self._old_peers.passed_bytes
        for peer in list(self._peers[name].values()):
            if name == "zmq" and self._early_bytes:
                peer.forgiven_bytes += self._early_bytes.pop(peer.fd, 0)
            passed_bytes = peer.passed_bytes  # and what came of it is no less
            told = told_of(peer.fd, port)
            if told is None:
                self._forget(name, peer)
                continue
            held_bytes = peer.look(told, passed_bytes)
            if held_bytes > (SLACK_BYTES if name == "zmq" else 0):
                peer.since = peer.since or now
                held[peer] = held_bytes
            else:
                peer.since = None
        if name == "zmq" and passed_by_old_bytes:
            self._excuse(held, passed_by_old_bytes)
        return held

    def _maybe_old(self) -> list[ZmqPeer]:
        return [peer for peer in self._peers["zmq"].values() if not peer.passed_bytes]

    def _excuse(self, held: dict[ZmqPeer, int], passed_bytes: int) -> None:
        """Have those that may be old peers hold no more than they do together."""
        old = self._old_peers
        maybe = self._maybe_old()
        together_bytes = old.reckon(maybe, passed_bytes)
        goes_on = passed_bytes != old.seen_passing_bytes
        old.seen_passing_bytes = passed_bytes
        for peer in maybe:
            if together_bytes <= SLACK_BYTES * len(maybe):
                held.pop(peer, None)
            elif peer in held:
                held[peer] = min(held[peer], together_bytes)
            if goes_on or peer not in held:
                peer.since = None

    def _too_much(self, name: str, held: dict[ZmqPeer, int]) -> list[ZmqPeer]:
        """The connections that hold the most, until the others are within the bounds."""
        if name == "pubsub":
            share, most = Share(ALL_SIGNAL_BYTES, ""), SIGNAL_BYTES
        else:
            share, most = Share(self._arriving_bytes, ""), self._arriving_bytes
        found = []
        for peer, held_bytes in sorted(held.items(), key=lambda item: item[1]):
            if held_bytes > most or not share.has_room(peer.network, held_bytes):
                found.append(peer)
            else:
                share.take(peer.network, held_bytes)
        return found


def told_of(fd: int, port: int) -> TcpInfo | None:
    """What the kernel tells of a connection of that port; None where it is gone."""
    try:
        return _borrowed(fd, port, tcp_info)
    except OSError:
        return None


def _end(peer: ZmqPeer, port: int, reason: str) -> None:
    """Shut it down, and say so once: libzmq may notice at the next signal only."""
    if not peer.ended:
        log.warning("connection ended peer=%s: %s", peer.name, reason)
    peer.ended = True
    _shut(peer.fd, port)


def _shut(fd: int, port: int) -> None:
    """End a connection; libzmq notices and closes it."""
    with suppress(OSError):
        _borrowed(fd, port, lambda made: made.shutdown(socket.SHUT_RDWR))


def _borrowed(fd: int, port: int, use: Callable[[socket.socket], T]) -> T:
    """Use a descriptor of libzmq's as a socket, if it is still one of that port.

    libzmq may close it at any time, and something else may get its number.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=fd)
    try:
        name = made.getsockname()
        if not isinstance(name, tuple) or name[1] != port:
            raise OSError("another's by now")
        return use(made)
    finally:
        made.detach()
