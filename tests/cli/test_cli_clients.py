"""The two clients themselves: what they make of silence, of strangers, of a server anew."""

from __future__ import annotations

import json
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

import pytest
import zmq
from distant import Distant
from strangers import fill_backlog, free_port, http_answer, listener, router
from wire import TIMEOUT_S, until

from qasino_cli import connection as ways
from qasino_cli import zmq_client
from qasino_cli.client import Client, open_client
from qasino_cli.connection import Connection
from qasino_cli.errors import NotLetIn, ServerRefused, Unanswered, Unreachable, UsageFault
from qasino_cli.outgoing import (
    HEALTH,
    SURELY_TAKEN_BYTES,
    USUAL_MAX_BODY_BYTES,
    encode_cancel,
    encode_drop,
    encode_publication,
    encode_query,
    may_be_done_twice,
)
from qasino_cli.publish.sending import drop_table
from qasino_cli.reach import find_address
from qasino_server.message import Query
from qasino_server.server import Server
from qasino_server.table import Publication, check_columns

ONE = Query(sql="select 1", typed=True)
TABLE = {"response_op": "result_table", "table": {"column_names": ["1"], "rows": [[1]]}}
ANSWER = json.dumps(TABLE).encode()


def way(scheme: str, port: int, **more: Any) -> Connection:
    return Connection(scheme=scheme, host="127.0.0.1", port=port, **more)


def client(scheme: str, port: int, **more: Any) -> closing[Client]:
    return closing(open_client(way(scheme, port, **more)))


@contextmanager
def bound(port: int | None = None) -> Iterator[tuple[int, zmq.Socket[bytes]]]:
    """The port of a ZeroMQ server, and its socket, for what a test has it do."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as made:
        made.linger = 0
        made.rcvtimeo = int(TIMEOUT_S * 1000)
        if port is None:
            port = made.bind_to_random_port("tcp://127.0.0.1")
        else:
            until(lambda: is_bound(made, port))
        yield port, made


def is_bound(server: zmq.Socket[bytes], port: int) -> bool:
    """Whether it has the port, once nobody else has."""
    with suppress(zmq.ZMQError):
        server.bind(f"tcp://127.0.0.1:{port}")
        return True
    return False


@contextmanager
def doing(what: Any) -> Iterator[None]:
    thread = threading.Thread(target=what)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def reply(server: zmq.Socket[bytes], answer: bytes = ANSWER) -> None:
    server.send_multipart([*server.recv_multipart()[:2], answer])


# --- ZeroMQ ---------------------------------------------------------------------------------


def test_what_is_there_and_silent_is_told_from_what_is_no_server() -> None:
    with bound() as (port, _), client("zmq", port, timeout_s=1.0) as made:
        with pytest.raises(Unanswered, match="gave no answer in 1 s"):
            made.query(ONE)
    with listener(None) as port, client("zmq", port, timeout_s=0.1) as made:
        with pytest.raises(Unreachable, match=r"no ZeroMQ server answers there within 0\.1 s"):
            made.query(ONE)


def test_a_server_that_is_there_may_take_longer_than_it_takes_to_connect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slowness = threading.Event()
    with bound() as (port, server), client("zmq", port) as made:

        def serve() -> None:
            reply(server)
            request = server.recv_multipart()
            slowness.wait(0.2)
            server.send_multipart([*request[:2], ANSWER])

        with doing(serve):
            assert made.query(ONE).rows == [(1,)]
            monkeypatch.setattr(ways, "CONNECT_TIMEOUT_S", 0.01)
            assert made.query(ONE).rows == [(1,)]


def test_a_server_that_began_anew_between_two_requests_answers_the_second() -> None:
    with router(ANSWER) as port, client("zmq", port) as made:
        assert made.query(ONE).rows == [(1,)]
        again = zmq.EVENT_HANDSHAKE_SUCCEEDED
        with bound(port) as (_, server), server.get_monitor_socket(again) as monitor:
            assert monitor.poll(TIMEOUT_S * 1000)
            server.disable_monitor()
            with doing(lambda: reply(server)):
                assert made.query(ONE).rows == [(1,)]


def test_who_is_interrupted_while_waiting_may_ask_again() -> None:
    interrupted = threading.Event()
    waiting = threading.get_ident()

    def serve() -> None:
        server.recv_multipart()
        while not interrupted.is_set():  # a signal just before it sleeps does not wake it
            signal.pthread_kill(waiting, signal.SIGINT)
            interrupted.wait(1.0)
        reply(server)

    with bound() as (port, server), client("zmq", port) as made, doing(serve):
        with pytest.raises(KeyboardInterrupt):
            made.query(ONE)
        interrupted.set()
        assert made.query(ONE).rows == [(1,)]


@pytest.mark.parametrize(
    ("size", "refused"),
    [(SURELY_TAKEN_BYTES, False), (SURELY_TAKEN_BYTES + 1, True), (USUAL_MAX_BODY_BYTES + 1, True)],
)
def test_a_connection_closed_over_a_message_too_large_is_a_refusal(
    size: int, refused: bool
) -> None:
    with bound() as (_, server):
        server.maxmsgsize = 1000
        port = server.bind_to_random_port("tcp://127.0.0.1")
        with client("zmq", port) as made, pytest.raises((ServerRefused, Unreachable)) as caught:
            made.publish(bytes(size))
    assert isinstance(caught.value, ServerRefused) is refused
    assert ("probably more than its --max-body" in caught.value.sentence) is refused


@pytest.mark.parametrize("replace", [True, False])
def test_a_message_too_large_is_refused_also_behind_others(
    make_server: Callable[..., Server], replace: bool
) -> None:
    """Without `replace` it was said to have met a connection that was closed."""
    small, large = message_of(replace=replace), message_of("x" * (3 << 20), replace=replace)
    with client("zmq", make_server(max_body_bytes=1 << 20).ports["zmq"]) as made:
        made.publish(small)
        for _ in range(2):
            with pytest.raises(ServerRefused, match="probably more than its --max-body"):
                made.publish(large)
            made.publish(small)


def test_a_port_that_says_little_and_hangs_up_does_not_speak_zeromq() -> None:
    def hang_up(connection: socket.socket) -> None:
        connection.recv(10)
        connection.sendall(b"\xff\0\0\0")

    with listener(hang_up) as port, client("zmq", port) as made:
        with pytest.raises(Unreachable) as caught:
            made.query(ONE)
    assert caught.value.sentence == (
        f"cannot reach zmq://127.0.0.1:{port}: what listens there does not speak ZeroMQ"
    )


@contextmanager
def forgotten(server: Server) -> Iterator[Client]:
    """A client whose connection served once; since then nobody knows of it, and none has said."""
    link = Distant(server.ports["zmq"])
    try:
        with client("zmq", link.port) as made:
            made.query(ONE)
            link.forget()
            yield made
    finally:
        link.close()


def message_of(note: str = "x", **more: Any) -> bytes:
    table: dict[str, Any] = {"identity": "x", "tablename": "t", "rows_json": f'[["{note}"]]'}
    columns = check_columns(("note",), ("text",))
    return encode_publication(Publication(columns=columns, **table | more))


def test_what_may_be_done_twice_is_asked_again_on_a_connection_that_is_known(
    server: Server,
) -> None:
    with forgotten(server) as made:
        assert made.query(ONE).rows == [(1,)]
    with forgotten(server) as made:
        assert made.publish(message_of(replace=True)).applied
    large = message_of("x" * SURELY_TAKEN_BYTES, replace=True)
    with forgotten(server) as made:
        assert made.publish(large).applied
    with forgotten(server) as made:
        assert made.cadence().generation_duration_s > 0


def test_what_may_not_be_done_twice_is_not_asked_again(server: Server) -> None:
    lost = "closed the connection without an answer"
    with forgotten(server) as made:
        with pytest.raises(Unreachable, match=lost):
            made.query(Query(sql="kill 1"))
        assert made.query(ONE).rows == [(1,)]
    with forgotten(server) as made, pytest.raises(Unreachable, match=lost):
        made.drop("t", None)
    with forgotten(server) as made:
        with pytest.raises(Unreachable, match=lost):
            made.publish(message_of())
        assert made.publish(message_of()).applied
    with forgotten(server) as made:
        assert made.publish(message_of("x" * SURELY_TAKEN_BYTES, tablename="u")).applied


@pytest.mark.parametrize(
    ("request_", "may"),
    [
        (encode_query(ONE), True),
        (encode_query(Query(sql="show queries", typed=True, query_id="a")), True),
        (encode_query(Query(sql="kill a")), False),
        (HEALTH, True),
        (message_of(), False),
        (message_of(replace=True), True),
        (message_of(update=True), True),
        (encode_drop("t", None), False),
        (encode_cancel("a"), False),
    ],
)
def test_what_may_be_done_twice(request_: bytes, may: bool) -> None:
    assert may_be_done_twice(request_) is may


def test_what_is_closed_late_is_not_asked_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not dead when it was sent, and its server may be at work on it."""
    with forgotten(server) as made:
        monkeypatch.setattr(zmq_client, "_SOON_S", 0.0)
        with pytest.raises(Unreachable, match="closed the connection without an answer"):
            made.query(ONE)


# --- HTTP -----------------------------------------------------------------------------------


def answered(head: str, body: str) -> bytes:
    return f"HTTP/1.1 {head}\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


PLAIN = "content-type: text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("answer", "kind", "sentence"),
    [
        (answered(f"500 Oops\r\n{PLAIN}", "SQL error: oh"), ServerRefused, "oh"),
        (answered(f"500 Oops\r\n{PLAIN}", ""), Unreachable, "{url} answers 500 Oops, not as"),
        (
            answered(f"400 Bad\r\n{PLAIN}", "not here\r\n"),
            Unreachable,
            "{url} answers 400 Bad, not as a Qasino server does: not here",
        ),
        (
            answered(f"404 Not Found\r\n{PLAIN}", "not here\nnor there\n"),
            Unreachable,
            "{url} answers 404 Not Found, not as a Qasino server does: not here",
        ),
        (answered("500 Oops", '{"response_op": "ok"}'), Unreachable, "{url} answers 500 Oops, not"),
        (
            answered("400 Bad", '{"response_op": "error", "error_message": "no"}'),
            ServerRefused,
            "no",
        ),
        (
            answered("403 No", '{"response_op": "error", "error_message": "not you"}'),
            NotLetIn,
            "not you",
        ),
    ],
)
def test_what_is_no_answer_is_told_apart(
    answer: bytes, kind: type[Exception], sentence: str
) -> None:
    with listener(http_answer(answer)) as port, client("http", port) as made:
        with pytest.raises((ServerRefused, Unreachable)) as caught:
            made.query(ONE)
    assert type(caught.value) is kind
    assert caught.value.sentence.startswith(sentence.format(url=f"http://127.0.0.1:{port}"))


def test_a_whole_answer_that_drips_is_given_up_when_the_time_is_up() -> None:
    given_up = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        with suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            while not given_up.wait(0.02):
                connection.sendall(b" ")

    with listener(drip) as port, client("http", port, timeout_s=0.3) as made:
        with pytest.raises(Unanswered):
            made.query(ONE)
        given_up.set()


@pytest.mark.parametrize("size", [0, 4 << 20])
def test_a_port_that_speaks_zeromq_is_named_so(size: int) -> None:
    with bound() as (port, _), client("http", port, timeout_s=3) as made:
        for _ in range(2):
            with pytest.raises(Unreachable) as caught:
                made.publish(bytes(size))
            assert caught.value.sentence == (
                f"cannot reach http://127.0.0.1:{port}: what listens there speaks ZeroMQ,"
                f" zmq://127.0.0.1:{port} asks it"
            )


def test_a_port_that_speaks_no_tls_is_named_so() -> None:
    plain = http_answer(answered("400 Bad Request", ""))
    with listener(plain) as port, client("https", port, verify_tls=False) as made:
        with pytest.raises(Unreachable) as caught:
            made.query(ONE)
    assert caught.value.sentence.endswith(": what listens there does not speak TLS")


@pytest.mark.parametrize(
    "told",
    [
        '{"generation_duration_s": 0, "generation_age_s": 1}',
        '{"generation_duration_s": 1e300, "generation_age_s": 1}',
        '{"generation_age_s": 1}',
        "\xff",
    ],
)
def test_what_no_server_of_ours_tells_of_generations_is_no_answer(told: str) -> None:
    answer = answered("200 OK", told)
    with listener(http_answer(answer)) as port, client("http", port) as made:
        with pytest.raises(Unreachable):
            made.cadence()


# --- Both -----------------------------------------------------------------------------------


@contextmanager
def plain_server(scheme: str) -> Iterator[int]:
    """One of either kind that answers on 127.0.0.1 alone."""
    if scheme == "zmq":
        with router(ANSWER) as port:
            yield port
    else:
        with listener(http_answer(answered("200 OK", ANSWER.decode()))) as port:
            yield port


@pytest.mark.parametrize("scheme", ["zmq", "http"])
def test_of_a_name_with_two_addresses_the_one_of_ipv4_is_asked(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """A server listens on 127.0.0.1, and of localhost ::1 may come first."""

    def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        stream = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [
            (socket.AF_INET6, *stream, ("::1", port, 0, 0)),
            (socket.AF_INET, *stream, ("127.0.0.1", port)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert find_address(Connection(host="localhost")) == (socket.AF_INET, "127.0.0.1")
    with plain_server(scheme) as port:
        there = Connection(scheme=scheme, host="localhost", port=port)
        with closing(open_client(there)) as made:
            assert made.query(ONE).rows == [(1,)]


def _property(name: bytes, value: bytes) -> bytes:
    return struct.pack("!B", len(name)) + name + struct.pack("!I", len(value)) + value


_READY = b"\x05READY" + _property(b"Socket-Type", b"ROUTER")
ZMQ_GREETING = (
    (b"\xff" + bytes(8) + b"\x7f\x03\x00NULL").ljust(64, b"\0")
    + struct.pack("!BB", 4, len(_READY))
    + _READY
)
"""All that a server says before it is asked (https://rfc.zeromq.org/spec/23/)."""


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system has no such bound")
@pytest.mark.parametrize("scheme", ["zmq", "http"])
def test_a_host_that_is_gone_is_noticed_before_time_is_up(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that takes nothing any more looks like that."""
    monkeypatch.setattr(ways, "GONE_S", 0.5)
    monkeypatch.setattr(ways, "CONNECT_TIMEOUT_S", 1.0)
    noticed = threading.Event()

    def take_nothing(connection: socket.socket) -> None:
        fill_backlog(connection.getsockname()[1], stack)
        connection.sendall(ZMQ_GREETING if scheme == "zmq" else b"")
        noticed.wait(TIMEOUT_S)

    with ExitStack() as stack, listener(take_nothing, backlog=0) as port:
        with client(scheme, port) as made, pytest.raises(Unreachable) as caught:
            made.publish(bytes(32 << 20))
        noticed.set()
    assert caught.value.sentence == (
        f"{scheme}://127.0.0.1:{port} does not answer any more: its host is gone, or the way to it"
    )


@pytest.mark.parametrize(
    ("scheme", "nr_bytes", "sentence"),
    [
        ("zmq", 1 << 20, "{url} gave no answer to a message of 1.0 MiB in 1 s (--timeout)"),
        ("zmq", 60_000, "{url} gave no answer in 1 s"),
        ("http", 70_000, "{url} gave no answer to a message of 0.1 MiB in 1 s (--timeout)"),
        (
            "http",
            32 << 20,
            "a message of 32.0 MiB to {url} was not sent to its end in 1 s (--timeout)",
        ),
        ("http", 60_000, "{url} gave no answer in 1 s"),
    ],
)
def test_what_a_large_message_got_instead_of_an_answer(
    scheme: str, nr_bytes: int, sentence: str
) -> None:
    """How large it is, and whether it was sent at all."""
    given_up = threading.Event()

    def take_nothing(connection: socket.socket) -> None:
        connection.sendall(ZMQ_GREETING if scheme == "zmq" else b"")
        given_up.wait(TIMEOUT_S)

    with listener(take_nothing) as port, client(scheme, port, timeout_s=1.0) as made:
        with pytest.raises(Unanswered) as caught:
            made.publish(bytes(nr_bytes))
        given_up.set()
    assert caught.value.sentence == sentence.format(url=f"{scheme}://127.0.0.1:{port}")


# --- Dropping -------------------------------------------------------------------------------


def test_that_a_table_was_dropped_is_told_though_the_server_says_no_more_than_ok() -> None:
    with router(b'{"response_op": "ok"}') as port:
        assert drop_table(way("zmq", port), "t", None) == "dropped t"


@pytest.mark.parametrize(
    ("tablename", "identity", "sentence"),
    [("no-name", None, "--drop: 'no-name' is not"), ("t", "", "-I: identity is empty")],
)
def test_what_cannot_be_dropped_is_known_before_a_server_is_asked(
    tablename: str, identity: str | None, sentence: str
) -> None:
    with pytest.raises(UsageFault) as caught:
        drop_table(way("zmq", free_port()), tablename, identity)
    assert caught.value.sentence.startswith(sentence)
