"""Clients that send as fast as answers come, from one thread: bytes made beforehand, answers
barely read.

Client and server share the machine's cores, so what these spend is missing to the server;
they are kept as small as Python allows.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from itertools import count

import msgspec
import zmq

from tests.bench.bodies import Bodies

PATIENCE_S = 120.0
"""No answer for so long ends a case."""

Stop = Callable[[], bool]
Answers = Callable[[bool, bytes], None]
"""Takes each reply, and whether it is none of an error."""


class Done(msgspec.Struct, frozen=True):
    """What a client got done."""

    answered: int
    took_s: float

    @property
    def rate(self) -> float:
        """Answers/s."""
        return self.answered / self.took_s


def after(seconds: float) -> Stop:
    """True once so much time has passed."""
    ends = time.perf_counter() + seconds
    return lambda: time.perf_counter() >= ends


def after_sending(number: int, connections: int) -> Stop:
    """True once so many requests have been sent; at least one a connection are."""
    sent = count(connections + 1)
    return lambda: next(sent) > number


def must_be_ok(ok: bool, reply: bytes) -> None:
    """Raise RuntimeError for an error."""
    if not ok:
        raise RuntimeError(reply[:500].decode(errors="replace"))


class Lane:
    """A connection that is kept alive, one request on its way at a time."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), source_address=(source, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._unsent = memoryview(b"")
        self._parts: list[bytes] = []
        self._missing = 0

    def fileno(self) -> int:
        """For a poll."""
        return self._socket.fileno()

    def send(self, request: bytes) -> bool:
        """Begin a request; whether all of it is on its way, else poll for room and `flush`."""
        self._unsent = memoryview(request)
        return self.flush()

    def flush(self) -> bool:
        """Send more; whether all is on its way."""
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            return False
        self._unsent = self._unsent[sent:]
        return not self._unsent

    def receive(self) -> bytes | None:
        """The answer, once it is here in whole. Raises RuntimeError where the server hung up."""
        try:
            part = self._socket.recv(1 << 20)
        except BlockingIOError:
            return None
        if not part:
            raise RuntimeError("the server closed a connection")
        if not self._parts:
            head = part.index(b"\r\n\r\n")
            at = part.index(b"content-length: ") + 16
            self._missing = head + 4 + int(part[at : part.index(b"\r", at)])
        self._missing -= len(part)
        self._parts.append(part)
        if self._missing > 0:
            return None
        answer = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        return answer

    def was_let_go(self) -> bool:
        """Whether the server has hung up, as it does where nothing comes for a minute."""
        try:
            return not self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def is_ok(answer: bytes) -> bool:
    """Whether an HTTP answer is none of an error."""
    return answer.startswith(b"HTTP/1.1 200")


def rate(
    kind: str,
    port: int,
    requests: Bodies,
    connections: int,
    stop: Stop,
    answers: Answers = must_be_ok,
) -> Done:
    """Send one request after the other over http or zmq until told to stop.

    Over HTTP `connections` are connections, over ZeroMQ requests on their way at once.
    """
    return (_http if kind == "http" else _zmq)(port, requests, connections, stop, answers)


def _http(port: int, requests: Bodies, connections: int, stop: Stop, answers: Answers) -> Done:
    poll = select.epoll()
    lanes = {lane.fileno(): lane for lane in (Lane(port) for _ in range(connections))}

    def send(lane: Lane) -> None:
        if not lane.send(next(requests)):
            poll.modify(lane, select.EPOLLIN | select.EPOLLOUT)

    answered, began = 0, time.perf_counter()
    for lane in lanes.values():
        poll.register(lane, select.EPOLLIN)
        send(lane)
    while lanes:
        events = poll.poll(PATIENCE_S)
        if not events:
            raise TimeoutError(f"no answer within {PATIENCE_S:g} s")
        for number, event in events:
            lane = lanes[number]
            if event & select.EPOLLOUT and lane.flush():
                poll.modify(lane, select.EPOLLIN)
            if not event & ~select.EPOLLOUT:
                continue
            answer = lane.receive()
            if answer is None:
                continue
            answers(is_ok(answer), answer)
            answered += 1
            if stop():
                lanes.pop(number).close()
            else:
                send(lane)
    took_s = time.perf_counter() - began
    poll.close()
    return Done(answered, took_s)


def _zmq(port: int, requests: Bodies, connections: int, stop: Stop, answers: Answers) -> Done:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.linger = 0
    dealer.rcvtimeo = dealer.sndtimeo = int(PATIENCE_S * 1000)
    dealer.connect(f"tcp://127.0.0.1:{port}")
    try:
        answered, began = 0, time.perf_counter()
        for _ in range(connections):
            dealer.send_multipart((b"", next(requests)))
        waiting = connections
        while waiting:
            reply = dealer.recv_multipart()[1]
            answers(b'"error"' not in reply[:40], reply)
            answered += 1
            if stop():
                waiting -= 1
            else:
                dealer.send_multipart((b"", next(requests)))
        return Done(answered, time.perf_counter() - began)
    finally:
        context.destroy(linger=0)
