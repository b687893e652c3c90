"""A fleet that publishes in every generation, each identity once, evenly spread over it.

One thread, connections that are kept, half of the publications over HTTP and half over
ZeroMQ. It keeps a pace and does not wait for answers, so long as a connection is free.
"""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Iterator

import zmq

from tests.bench.bodies import Template, wired
from tests.bench.load import Lane, is_ok
from tests.bench.processes import Host
from tests.bench.receipts import Receipts

LANES = 64
"""Connections over HTTP."""
ON_THEIR_WAY = 256
"""Most requests over ZeroMQ that wait for an answer."""
_TICK_S = 0.002


class Fleet:
    """The publishers of one server. Use it as a context manager, and in one thread."""

    def __init__(self, host: Host, template: Template) -> None:
        self._by_http, self._by_zmq = wired(template, "http"), wired(template, "zmq")
        lanes = [Lane(host.ports["http"]) for _ in range(LANES)]
        self._lanes = {lane.fileno(): lane for lane in lanes}
        self._free = deque(self._lanes.values())
        """In turns: the server lets go of one that is idle for a minute."""
        self._poll = select.epoll()
        for lane in self._lanes.values():
            self._poll.register(lane, select.EPOLLIN)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._dealer = self._context.socket(zmq.DEALER)
        self._dealer.linger = 0
        self._dealer.set_hwm(0)
        self._dealer.connect(f"tcp://127.0.0.1:{host.ports['zmq']}")
        self._poll.register(self._dealer.fd, select.EPOLLIN)
        self._waiting = 0
        """Requests over ZeroMQ without an answer."""

    def publish(self, identities: int, spread_s: float, ends: float) -> tuple[int, Receipts]:
        """Every identity once, over so much time, and the answers waited for; until `ends`.

        How many were sent, and the receipts. What is not sent when time is up is given up.
        """
        receipts, sent = Receipts(), 0
        even, odd = iter(range(0, identities, 2)), iter(range(1, identities, 2))
        began = time.monotonic()
        while sent < identities or len(self._free) < LANES or self._waiting:
            now = time.monotonic()
            if now >= ends:
                break
            due = min(identities, int(identities * (now - began) / spread_s) + 1)
            sent += self._send_over_http(even, (due - sent + 1) // 2)
            sent += self._send_over_zmq(odd, due - sent)
            self._take(receipts)
        return sent, receipts

    def _send_over_http(self, numbers: Iterator[int], most: int) -> int:
        sent = 0
        while sent < most and self._free:
            number = next(numbers, None)
            if number is None:
                break
            lane = self._free.popleft()
            if not lane.send(self._by_http(number)):
                raise RuntimeError("a small table did not fit into a socket's buffer")
            sent += 1
        return sent

    def _send_over_zmq(self, numbers: Iterator[int], most: int) -> int:
        sent = 0
        while sent < most and self._waiting < ON_THEIR_WAY:
            number = next(numbers, None)
            if number is None:
                break
            self._dealer.send_multipart((b"", self._by_zmq(number)))
            self._waiting += 1
            sent += 1
        return sent

    def _take(self, receipts: Receipts) -> None:
        """Read the answers that are here, or come within a tick."""
        for number, _ in self._poll.poll(_TICK_S):
            lane = self._lanes.get(number)
            answer = None if lane is None else lane.receive()
            if lane is not None and answer is not None:
                receipts(is_ok(answer), answer)
                self._free.append(lane)
        while True:  # to the end also where nothing waits: else the descriptor stays ready
            try:
                reply = self._dealer.recv_multipart(zmq.NOBLOCK)[1]
            except zmq.Again:
                return
            self._waiting -= 1
            receipts(b'"error"' not in reply[:40], reply)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *exception: object) -> None:
        for lane in self._lanes.values():
            lane.close()
        self._poll.close()
        self._context.destroy(linger=0)
