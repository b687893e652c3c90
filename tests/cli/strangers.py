"""Ports that somebody else listens on, who says what a test wants said."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import zmq


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as made:
        port: int = made.getsockname()[1]
    return port


@contextmanager
def listener(serve: Callable[[socket.socket], None] | None, backlog: int = 5) -> Iterator[int]:
    """A port whose connections `serve` handles, one after the other; None accepts none."""
    made = socket.create_server(("127.0.0.1", 0), backlog=backlog)

    def accept() -> None:
        while serve is not None:
            try:
                connection, _ = made.accept()
            except OSError:
                return
            with connection:
                serve(connection)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield made.getsockname()[1]
    finally:
        made.shutdown(socket.SHUT_RDWR)
        made.close()
        thread.join()


def fill_backlog(port: int, stack: ExitStack) -> None:
    """Have a listener, made with a backlog of 0, answer nobody else, like a host that is off."""
    for _ in range(4):
        waiting = stack.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(("127.0.0.1", port))


@contextmanager
def router(*answer: bytes, port: int | None = None) -> Iterator[int]:
    """A ZeroMQ server that gives one answer, or goes away without one."""
    context = zmq.Context()
    socket_ = context.socket(zmq.ROUTER)
    socket_.linger = 1000
    if port is None:
        port = socket_.bind_to_random_port("tcp://127.0.0.1")
    else:
        socket_.bind(f"tcp://127.0.0.1:{port}")

    def serve() -> None:
        client, empty, _ = socket_.recv_multipart()
        if answer:
            socket_.send_multipart([client, empty, *answer])
        socket_.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield port
    finally:
        thread.join()
        context.term()


def http_answer(answer: bytes) -> Callable[[socket.socket], None]:
    """What `listener` may do with a connection: hear a request and say this."""

    def serve(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(answer)

    return serve
