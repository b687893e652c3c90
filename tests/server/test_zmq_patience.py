"""Peers of the ZeroMQ ports that are slow, gone, greedy or many: what libzmq has no bounds for."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import zmq
from hypothesis import example, given
from hypothesis import strategies as st
from wire import Wire, publication, until

from qasino_server import patience, zmq_port, zmq_watch
from qasino_server.curve_keys import make_pair, read_public_key
from qasino_server.server import Server
from qasino_server.zmq_port import ZmqPort
from qasino_server.zmq_unread import Unread
from qasino_server.zmq_watch import ZmqPeer, ZmqWatch, told_of
from qasino_server.zmq_wire import wire_bytes

MakeServer = Callable[..., Server]
MIB = 1 << 20
LARGE = "select printf('%.*c', 900000, 'x') as x"


class Peer:
    """A connection that speaks ZMTP 3.0 by hand: https://rfc.zeromq.org/spec/23/"""

    def __init__(self, server: Server, port: str, kind: bytes, host: str) -> None:
        self.socket = socket.create_connection(
            ("127.0.0.1", server.ports[port]), 20, source_address=(host, 0)
        )
        self.socket.sendall(b"\xff" + bytes(8) + b"\x7f\3\0NULL" + bytes(48))
        self._await(64)
        ready = b"\5READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
        self.socket.sendall(bytes([4, len(ready)]) + ready)
        self._await(self._await(2)[1])

    def _await(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            got += self.socket.recv(size - len(got))
        return got

    def hears(self, *words: bytes) -> bytes:
        """Which of these comes first."""
        heard = b""
        while not any(word in heard for word in words):
            part = self.socket.recv(65536)
            assert part, heard
            heard += part
        return next(word for word in words if word in heard)

    def asks(self, sql: str = "select 1") -> None:
        self.send(json.dumps({"op": "query", "sql": sql}).encode())

    def begin_frame(self, size_bytes: int, more: bool = False) -> None:
        self.socket.sendall(bytes([3 if more else 2]) + struct.pack(">Q", size_bytes))

    def send(self, frame: bytes) -> None:
        self.socket.sendall(bytes([0, len(frame)]) + frame)

    def is_cut(self) -> bool:
        """Whether the server ends the connection before long."""
        self.socket.settimeout(10)
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True


class OldPeer(Peer):
    """One that speaks ZMTP 1.0 or 2.0, as libzmq 2 and 3 do: https://rfc.zeromq.org/spec/13/, /15/

    Of its messages libzmq does not tell which connection they came over.
    """

    def __init__(self, server: Server, version: int) -> None:
        self.version = version
        self.socket = socket.create_connection(("127.0.0.1", server.ports["zmq"]), 20)
        if version == 1:
            self.socket.sendall(b"\1\0")
            self._await(10)
        else:
            self.socket.sendall(b"\xff" + bytes(7) + b"\1\x7f\1\5\0\0")
            self._await(14)

    def begin_frame(self, size_bytes: int, more: bool = False) -> None:
        if self.version == 1:
            self.socket.sendall(b"\xff" + struct.pack(">Q", size_bytes + 1) + bytes([more]))
        else:
            super().begin_frame(size_bytes, more)

    def send(self, frame: bytes) -> None:
        self.begin_frame(len(frame))
        self.socket.sendall(frame)


@pytest.fixture
def connect() -> Iterator[Callable[..., Peer]]:
    with ExitStack() as stack:

        def open_one(
            server: Server, port: str = "zmq", kind: bytes = b"DEALER", host: str = "127.0.0.1"
        ) -> Peer:
            peer = Peer(server, port, kind, host)
            stack.enter_context(peer.socket)
            return peer

        yield open_one


@pytest.fixture
def small(make_server: MakeServer) -> Server:
    """A server that holds 8 MB of messages that are still arriving, 4 for an address."""
    return make_server(max_body_bytes=1_000_000, max_result_bytes=1_000_000)


def service(server: Server, kind: Any) -> Any:
    return next(s for s in server._services if isinstance(s, kind))


# --- Slow and greedy senders --------------------------------------------------------------------


def test_a_message_of_parts_without_end_is_cut_off(
    small: Server, connect: Callable[..., Peer]
) -> None:
    greedy = connect(small)

    def sends_part() -> bool:
        greedy.begin_frame(MIB, more=True)
        greedy.socket.sendall(bytes(MIB))
        return False

    with pytest.raises(ConnectionError):
        until(sends_part)
    with Wire(small.ports) as wire:
        assert b'"1"' in wire.zmq_request({"op": "query", "sql": "select 1"})[0]


def test_many_large_messages_that_never_end_are_cut_off(
    small: Server, connect: Callable[..., Peer]
) -> None:
    peers = [connect(small) for _ in range(8)]
    watched = service(small, ZmqWatch)._peers["zmq"]
    until(lambda: len(watched) == 8)
    for peer in peers:
        with suppress(ConnectionError):  # it may be cut while it sends
            peer.begin_frame(1_500_000)
            peer.socket.sendall(bytes(1_400_000))
    until(lambda: len(watched) <= 2)
    assert sum(peer.received_bytes for peer in watched.values()) < 4_000_000
    other = connect(small, host="127.0.0.2")
    other.asks()
    other.hears(b"result_table")


def test_a_message_that_drips_is_not_waited_for(
    server: Server, connect: Callable[..., Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "HEAD_S", 0.3)
    monkeypatch.setattr(patience, "PACE_BYTES_S", 1 << 40)
    dripping, idle = connect(server), connect(server)
    dripping.begin_frame(10 * MIB)
    dripping.socket.sendall(bytes(MIB))
    assert dripping.is_cut()
    idle.asks()
    idle.hears(b"result_table")


@pytest.mark.parametrize("encrypted", [False, True])
def test_who_sends_whole_messages_is_never_suspected(
    make_server: MakeServer, tmp_path: Path, encrypted: bool
) -> None:
    """What passes is counted to the byte, so that nothing adds up in a connection's life."""
    own = make_pair(tmp_path / "keys" / "clients" / "ann")
    make_pair(tmp_path / "keys" / "server")
    server = make_server(curve_keys=tmp_path / "keys") if encrypted else make_server()
    with Wire(server.ports) as wire:
        made = wire.zmq_socket(zmq.REQ)
        if encrypted:
            made.close()
            assert wire._context is not None
            made = wire._context.socket(zmq.REQ)
            made.rcvtimeo, made.linger = 10_000, 0
            made.curve_publickey, made.curve_secretkey = own.public.encode(), own.secret.encode()
            made.curve_serverkey = read_public_key(tmp_path / "keys" / "server.key").encode()
            made.connect(f"tcp://127.0.0.1:{server.ports['zmq']}")
        peers = service(server, ZmqWatch)._peers["zmq"]
        until(lambda: len(peers) == 1)  # what passes before it is known is not counted
        for n in range(300):
            rows = [["x" * (n * 7)]]
            made.send_json(
                {"op": "add_table_data", **publication(f"h{n}", "t", ["x"], ["text"], rows)}
            )
            assert b'"ok"' in made.recv()
        (peer,) = peers.values()
        told = told_of(peer.fd, server.ports["zmq"])
        assert told is not None
        handshake_bytes = told.received_bytes - peer.passed_bytes
        assert 0 < handshake_bytes < 1000
        assert abs(told.acked_bytes - peer.sent_bytes) < 1000
        made.close()


@given(st.lists(st.integers(0, 600), min_size=1, max_size=5), st.booleans())
@example([0, 255], False)
@example([0, 256], False)
@example([0, 222], True)
@example([0, 223], True)
def test_frames_are_as_long_as_on_the_wire(sizes: list[int], encrypted: bool) -> None:
    """A flag and a length of one byte, or of eight; CURVE's MESSAGE is a frame around each."""

    def sent(size: int) -> int:
        inside = size + 33 if encrypted else size  # name, nonce, flag and the box's own 16
        return inside + (2 if inside <= 255 else 9)

    assert wire_bytes(sizes, encrypted) == sum(map(sent, sizes))


def test_what_passes_before_a_connection_is_known_is_not_held_against_it(
    server: Server, connect: Callable[..., Peer]
) -> None:
    """A large message that was faster than the watch counted as one that does not end."""
    watch = service(server, ZmqWatch)
    admit, may_admit = watch._admit, threading.Event()
    watch._admit = lambda *of: (may_admit.wait(20), admit(*of))
    made = connect(server)
    body = json.dumps({"op": "query", "sql": f"select 1 /*{'x' * 900_000}*/"}).encode()
    made.begin_frame(len(body))
    made.socket.sendall(body)
    made.hears(b"result_table")
    may_admit.set()
    (peer,) = until(lambda: list(watch._peers["zmq"].values()))
    until(lambda: peer.forgiven_bytes > 900_000)
    assert peer.since is None


@pytest.mark.parametrize("heard", [True, False])
def test_nor_what_passes_while_another_is_still_known_there(
    server: Server, connect: Callable[..., Peer], heard: bool
) -> None:
    """The next connection had the descriptor of one that had gone, which the watch had yet to hear:
    its message counted as that one's, and as one that does not end."""
    watch, port = service(server, ZmqWatch), server.ports["zmq"]
    peers = watch._peers["zmq"]
    first = connect(server)
    if heard:
        first.asks()
        first.hears(b"result_table")
    (gone,) = until(lambda: list(peers.values()))
    hear, may_hear = watch._hear, threading.Event()
    watch._hear = lambda *of: (may_hear.wait(20), hear(*of))
    first.socket.close()
    until(lambda: told_of(gone.fd, port) is None)
    second = connect(server)
    assert told_of(gone.fd, port) is not None, "the descriptor was not the next one"
    body = json.dumps({"op": "query", "sql": f"select 1 /*{'x' * 900_000}*/"}).encode()
    second.begin_frame(len(body))
    second.socket.sendall(body)
    second.hears(b"result_table")
    assert gone.passed_bytes < 1000
    may_hear.set()
    peer = until(lambda: peers.get(gone.fd) not in (None, gone) and peers[gone.fd])
    until(lambda: peer.forgiven_bytes > 900_000)
    assert peer.since is None
    second.asks()
    second.hears(b"result_table")
    assert 0 < peer.passed_bytes < 1000


def test_what_was_forgiven_by_mistake_is_not_saved_up(
    server: Server, connect: Callable[..., Peer]
) -> None:
    watch = service(server, ZmqWatch)
    made = connect(server)
    (peer,) = until(lambda: list(watch._peers["zmq"].values()))
    watch.passes_early(peer.fd, 900_000)  # of one that had gone before it was known
    until(lambda: not watch._early_bytes and 0 < peer.forgiven_bytes < 1000)
    made.asks()
    made.hears(b"result_table")


@pytest.mark.parametrize("version", [1, 2])
def test_an_old_peer_is_not_suspected_for_what_nobody_tells_of_it(
    server: Server, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    monkeypatch.setattr(patience, "HEAD_S", 0.1)
    monkeypatch.setattr(patience, "PACE_BYTES_S", 1 << 40)
    watch = service(server, ZmqWatch)
    old = watch._old_peers
    with ExitStack() as stack:
        peers = [OldPeer(server, version) for _ in range(3)]
        for peer in peers:
            stack.enter_context(peer.socket)
        for _ in range(6):
            for peer in peers[1:]:
                peer.asks(f"select 1 /*{'x' * 50_000}*/")
                peer.hears(b"result_table")
            until(lambda: old.seen_passing_bytes == old.passed_bytes)
        assert old.received_bytes > 600_000
        peers[1].socket.close()
        peers[2].asks()
        peers[2].hears(b"result_table")


@pytest.mark.parametrize("kind", [Peer, OldPeer])
def test_old_peers_do_not_hide_a_message_that_does_not_end(
    server: Server,
    connect: Callable[..., Peer],
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Peer],
) -> None:
    monkeypatch.setattr(patience, "HEAD_S", 0.3)
    monkeypatch.setattr(patience, "PACE_BYTES_S", 1 << 40)
    old = OldPeer(server, 2)
    with old.socket:
        for _ in range(3):
            old.asks(f"select 1 /*{'x' * 50_000}*/")
            old.hears(b"result_table")
        dripping = connect(server) if kind is Peer else OldPeer(server, 2)
        with dripping.socket:
            dripping.begin_frame(10 * MIB)
            dripping.socket.sendall(bytes(MIB))
            assert dripping.is_cut()


def test_of_a_message_of_very_many_frames_few_are_kept_and_all_counted(
    server: Server, connect: Callable[..., Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame takes two bytes on the wire and took two hundred of memory here."""
    kept: list[int] = []
    split = zmq_port.split_envelope

    def noted(sender: bytes, frames: Sequence[zmq.Frame]) -> Any:
        kept.append(len(frames))
        return split(sender, frames)

    monkeypatch.setattr(zmq_port, "split_envelope", noted)
    made = connect(server)
    peers = service(server, ZmqWatch)._peers["zmq"]
    until(lambda: len(peers) == 1)
    made.socket.sendall(b"\x01\x00" * 50_000)
    made.asks()
    made.hears(b"this message has 50000 frames")
    assert 0 < kept.pop() < 200
    (peer,) = peers.values()
    told = told_of(peer.fd, server.ports["zmq"])
    assert told is not None
    assert 0 < told.received_bytes - peer.passed_bytes < 1000


def test_a_message_of_too_many_frames_is_cut_off_and_holds_nobody_up_for_good(
    server: Server, connect: Callable[..., Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was taken in one go: for 40 s nobody was answered, and the server could not end."""
    at_once: list[int] = []
    take = zmq_port.receive

    def noted(*of: Any) -> Any:
        before = len(of[1][2]) if len(of) > 1 and of[1] else 0
        message = take(*of)
        if message is not None:
            at_once.append(len(message[2]) - before)
        return message

    monkeypatch.setattr(zmq_port, "receive", noted)
    monkeypatch.setattr(zmq_port, "_FRAMES_MAX", 20_000)
    made = connect(server)
    peers = service(server, ZmqWatch)._peers["zmq"]
    until(lambda: len(peers) == 1)
    made.socket.sendall(b"\x01\x00" * 100_000)
    made.asks()
    assert made.is_cut()
    other = connect(server)
    other.asks()
    other.hears(b"result_table")
    assert max(at_once) <= 1000


def test_the_port_ends_in_the_middle_of_a_message(
    server: Server, connect: Callable[..., Peer]
) -> None:
    port = service(server, ZmqPort)
    made = connect(server)
    made.socket.sendall(b"\x01\x00" * 2_000_000)
    made.asks()
    until(lambda: port._begun is not None)
    port.stop()
    assert port.join(3)


# --- Slow readers -------------------------------------------------------------------------------


def reads_nothing(server: Server, deaf: Peer) -> None:
    """Has it ask for 60 MB, of which the server makes what it holds at most."""
    deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    unread = service(server, ZmqPort)._unread._share
    for _ in range(60):
        deaf.asks(LARGE)
    with Wire(server.ports) as wire:
        until(lambda: "printf" not in str(wire.query("show queries")))
    until(lambda: unread.held_bytes > 4_000_000)
    assert unread.held_bytes < 6_000_000


def test_who_reads_no_answers_is_given_no_more_and_others_are(
    small: Server, connect: Callable[..., Peer]
) -> None:
    deaf = connect(small)
    reads_nothing(small, deaf)
    greedy = connect(small)
    greedy.asks(LARGE)
    greedy.hears(b"busy: the server holds as much as it may")
    greedy.asks("show queries")
    greedy.hears(b"result_table")
    other = connect(small, host="127.0.0.2")
    other.asks(LARGE)
    other.hears(b"result_table")
    deaf.socket.close()

    def served() -> bool:
        greedy.asks(LARGE)
        return greedy.hears(b"result_table", b"busy") == b"result_table"

    until(served)


def test_old_peers_that_read_nothing_are_given_no_more_either(small: Server) -> None:
    deaf = OldPeer(small, 2)
    reads_nothing(small, deaf)
    deaf.socket.close()

    def served() -> bool:
        other = OldPeer(small, 2)
        with other.socket:
            other.asks(LARGE)
            return other.hears(b"result_table", b"busy") == b"result_table"

    until(served)


def test_small_answers_that_nobody_reads_have_a_bound_too(
    small: Server, connect: Callable[..., Peer]
) -> None:
    """A connection held 10,000 of them, 2.5 GB."""
    unread = service(small, ZmqPort)._unread._share
    deaf = connect(small)
    deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    for _ in range(100):
        deaf.asks("select printf('%.*c', 200000, 'x') as x")
    deaf.asks("select 'last' as x")
    with Wire(small.ports) as wire:
        until(lambda: "printf" not in str(wire.query("show queries")))
    until(lambda: unread.held_bytes > 3_900_000)
    assert unread.held_bytes < 5_500_000
    other = connect(small)
    other.asks("select printf('%.*c', 200000, 'x') as x")
    other.hears(b"result_table")
    deaf.hears(b"busy: the server holds as much as it may")


def test_very_many_who_owe_are_looked_at_and_the_newest_of_them_stays_known() -> None:
    unread = Unread(MIB, 0)
    for n in range(1001):
        peer = ZmqPeer(-1, f"10.0.{n >> 8}.{n & 255}", str(n))
        peer.gone = True  # so that a look at it gives back what it owes
        unread.add(peer, str(n), 100)
    assert unread._share.held_bytes == 100
    unread.settle()
    assert unread._share.held_bytes == 0


def test_who_reads_is_never_busy(small: Server) -> None:
    with Wire(small.ports) as wire, wire.zmq_socket() as made:
        for _ in range(30):
            made.send_json({"op": "query", "sql": LARGE})
            assert b"result_table" in made.recv()[:100]


# --- The signal ---------------------------------------------------------------------------------


def test_a_flood_of_subscriptions_does_not_stop_the_clock(
    server: Server, connect: Callable[..., Peer]
) -> None:
    """libzmq takes in all that comes while it sends; a flood would have it do nothing else."""
    flood = connect(server, "pubsub", b"SUB")
    flood.socket.settimeout(1)

    def subscribes() -> bool:
        many = [b"\1" + os.urandom(100).hex().encode() for _ in range(1000)]
        with suppress(TimeoutError):  # cut off, and libzmq has not seen it: it will at a signal
            flood.socket.sendall(b"".join(bytes([0, len(one)]) + one for one in many))
        server.rotate()
        return False

    with pytest.raises(ConnectionError):
        until(subscribes)
    began = time.monotonic()
    server.rotate()
    assert time.monotonic() - began < 2.0


def test_a_subscription_has_a_bound(server: Server, connect: Callable[..., Peer]) -> None:
    peer = connect(server, "pubsub", b"SUB")
    peer.begin_frame(100 * MIB)
    assert peer.is_cut()


def test_who_never_reads_the_signal_keeps_it_from_nobody(
    server: Server, connect: Callable[..., Peer]
) -> None:
    for _ in range(5):
        connect(server, "pubsub", b"SUB").send(b"\1GENSIG")
    with Wire(server.ports) as wire, wire.zmq_socket(zmq.SUB) as hearing:
        until(lambda: server.rotate() and hearing.poll(20))
        for _ in range(200):
            server.rotate()
        heard = 0
        while hearing.poll(1000):
            hearing.recv()
            heard += 1
        assert heard >= 200


# --- Many ---------------------------------------------------------------------------------------


def test_a_descriptor_that_is_something_else_by_now_is_left_alone(tmp_path: Path) -> None:
    """libzmq closes connections when it likes, and files and sockets of ours get their numbers."""
    ours, theirs = socket.socketpair()
    with ours, theirs, (tmp_path / "file").open("w") as file, socket.create_server(("", 0)) as tcp:
        port = tcp.getsockname()[1]
        for fd in (ours.fileno(), file.fileno(), 10**6):
            assert told_of(fd, port) is None
            zmq_watch._shut(fd, port)
        assert told_of(tcp.fileno(), port + 1) is None
        assert told_of(tcp.fileno(), port) is not None
        ours.sendall(b"still open")
        assert theirs.recv(20) == b"still open"
        assert not file.closed


def test_idle_connections_cost_nobody_anything(server: Server) -> None:
    """Ten thousand on each port were tried by hand."""
    with Wire(server.ports) as wire, ExitStack() as stack:
        for port in ("http", "line", "zmq", "pubsub"):
            for _ in range(100):
                stack.enter_context(wire.connect(port))
        until(lambda: sum(server._seats.by_port().values()) == 400)
        server.rotate()
        began = time.monotonic()
        assert wire.rows("select 1") == [[1]]
        assert b'"1"' in wire.zmq_request({"op": "query", "sql": "select 1"})[0]
        assert "1 row" in wire.line("select 1;")
        assert time.monotonic() - began < 2.0
    until(lambda: not any(server._seats.by_port().values()))


def test_connections_of_all_ports_have_one_bound(
    server: Server, connect: Callable[..., Peer]
) -> None:
    server._seats.most = 8  # six of them for one address
    with Wire(server.ports) as wire, ExitStack() as stack:
        for port in ("line", "zmq", "pubsub", "line", "zmq", "pubsub"):
            stack.enter_context(wire.connect(port))
        until(lambda: sum(server._seats.by_port().values()) == 6)
        for port in ("http", "line", "zmq", "pubsub"):
            made = stack.enter_context(wire.connect(port))
            try:
                while made.recv(100):
                    pass
            except ConnectionError:
                pass
        other = connect(server, host="127.0.0.2")
        other.asks()
        other.hears(b"result_table")


def test_a_query_over_zeromq_is_listed_with_the_address_that_asks(server: Server) -> None:
    with Wire(server.ports) as wire:
        endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select 1 from n"
        made = wire.zmq_socket()
        made.send_json({"op": "query", "sql": f"{endless} where i < 0", "query_id": "long"})

        def peer() -> str:
            rows = wire.query("show queries", typed=True)["table"]["rows"]
            return str(next((row[3] for row in rows if row[0] == "long"), ""))

        assert until(peer).startswith("127.0.0.1:")
        wire.query("kill long")
        assert b"cancelled" in made.recv()
        made.close()
