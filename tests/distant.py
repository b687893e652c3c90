"""A link that takes its time: a relay in front of a server, with a distance in seconds."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress


class Distant:
    """Passes on what it is sent; answers come `distance_s` later than they are given, and each
    `loses`th never, its connection being cut."""

    def __init__(
        self, port: int, distance_s: float = 0.0, loses: int = 0, shut: bool = False
    ) -> None:
        """`shut`: takes connections and passes nothing on until `open` is called."""
        self._to = port
        self._distance_s = distance_s
        self._loses = loses
        self._nr_answers = 0
        self._lock = threading.Lock()
        self._unanswered: set[socket.socket] = set()
        self._forgotten: set[socket.socket] = set()
        self.swallows_from = 0
        """A packet so large and all that follows on its connection never arrive; 0 is none."""
        self.nr_swallowed = 0
        self.most_at_once = 0
        """Connections on which an answer was waited for at the same time."""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listening]
        self.port: int = self._listening.getsockname()[1]
        self._threads: list[threading.Thread] = []
        if not shut:
            self.open()

    def open(self) -> None:
        """Pass on what has come and what comes."""
        self._threads.append(threading.Thread(target=self._accept))
        self._threads[-1].start()

    def forget(self) -> None:
        """Know no connection that there is any more: the next it brings is not passed on, and it
        is closed."""
        with self._lock:
            self._forgotten.update(self._sockets)

    def close(self) -> None:
        """Cut every connection, and take no more."""
        for one in self._sockets.copy():
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                for one in (near, far):  # else a request in two parts waits 40 ms more for itself
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets += [near, far]
                for pump in (self._ask, self._answer):
                    self._threads.append(threading.Thread(target=pump, args=(near, far)))
                    self._threads[-1].start()

    def _ask(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := near.recv(1 << 16):
                if near in self._forgotten:
                    break
                if self.swallows_from and len(data) >= self.swallows_from:
                    self.nr_swallowed += 1
                    while near.recv(1 << 16):
                        pass
                    break
                with self._lock:
                    self._unanswered.add(near)
                    self.most_at_once = max(self.most_at_once, len(self._unanswered))
                far.sendall(data)
            far.shutdown(socket.SHUT_WR)

    def _answer(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := far.recv(1 << 16):
                time.sleep(self._distance_s)
                with self._lock:
                    self._unanswered.discard(near)
                    self._nr_answers += 1
                    lost = self._loses and self._nr_answers % self._loses == 0
                if lost:
                    break
                near.sendall(data)
            near.shutdown(socket.SHUT_RDWR)
