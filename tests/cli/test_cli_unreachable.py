"""Servers that are not there, are not ours, or fall silent: one sentence, code 3, in time."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from command import Ran, http_url, run_qasino, start_qasino
from strangers import fill_backlog, free_port, http_answer, listener, router
from wire import until

from qasino_cli.client import Client, open_client
from qasino_cli.connection import Connection
from qasino_cli.console import ExitCode
from qasino_cli.errors import Unreachable
from qasino_server.message import Query
from qasino_server.server import Server

_RESULT = b'{"response_op":"result_table","table":{"column_names":["1"],"rows":[[1]]}}'
OF_OUR_OWN = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (
    len(_RESULT),
    _RESULT,
)
"""With its length: a reset, where the request was not read to its end, would cut it off."""


def ask(url: str, *more: object) -> Ran:
    return run_qasino("sql", "-s", url, *more, "-q", "select 1")


def check_sentence(ran: Ran, sentence: str) -> None:
    assert ran.stderr == sentence + "\n"
    assert ran.stdout == ""
    assert ran.returncode == ExitCode.UNREACHABLE


@pytest.mark.parametrize("scheme", ["zmq", "http", "https"])
def test_a_closed_port_is_noticed_at_once(scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:{free_port()}"
    started = time.monotonic()
    ran = ask(url)
    assert time.monotonic() - started < 5
    check_sentence(ran, f"cannot reach {url}: nothing listens there (connection refused)")


@pytest.mark.parametrize("scheme", ["zmq", "http"])
def test_publishing_to_a_closed_port_says_so_too(scheme: str, table_csv: Path) -> None:
    url = f"{scheme}://127.0.0.1:{free_port()}"
    ran = run_qasino("publish", "-s", url, table_csv)
    check_sentence(ran, f"cannot reach {url}: nothing listens there (connection refused)")


def test_what_was_refused_before_the_server_went_is_told_too(tmp_path: Path) -> None:
    """The first of two tables is refused, and the second finds nobody."""
    refusal = b'{"response_op": "error", "identity": "x", "error_message": "column a: why not"}'
    head = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
    answers = [f"{head}Content-Length: {len(refusal)}\r\n\r\n".encode() + refusal, b""]

    def serve(connection: socket.socket) -> None:
        request = b""
        while not request.endswith(b"}"):
            request += connection.recv(1 << 16)
        connection.sendall(answers.pop(0))

    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("a\n1\n")
    with listener(serve) as port:
        url = f"http://127.0.0.1:{port}"
        ran = run_qasino("publish", "-s", url, tmp_path / "a.csv", tmp_path / "b.csv")
    told = f"column a: why not\n{url} closed the connection without an answer\n"
    assert (ran.returncode, ran.stderr) == (ExitCode.UNREACHABLE, told)


@pytest.mark.parametrize("scheme", ["zmq", "http"])
def test_a_name_that_does_not_exist_is_said_to(scheme: str) -> None:
    ran = ask(f"{scheme}://no.such.host.invalid")
    assert ran.returncode == ExitCode.UNREACHABLE
    assert ran.stderr.startswith(f"cannot reach {scheme}://no.such.host.invalid:")
    assert len(ran.stderr.splitlines()) == 1


@contextmanager
def unanswering() -> Iterator[int]:
    """A port that answers nobody, like a host that is off: its backlog is full."""
    with listener(None, backlog=0) as port, ExitStack() as stack:
        fill_backlog(port, stack)
        yield port


@pytest.mark.parametrize("scheme", ["zmq", "http"])
def test_a_host_that_does_not_answer_is_given_up(scheme: str) -> None:
    with unanswering() as port:
        started = time.monotonic()
        ran = ask(f"{scheme}://127.0.0.1:{port}", "--timeout", "1")
    assert time.monotonic() - started < 5
    check_sentence(ran, f"cannot reach {scheme}://127.0.0.1:{port}: the host does not answer")


def test_a_host_that_does_not_answer_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """To try it again for the reason took as long again."""
    tried: list[Any] = []
    connect = socket.create_connection

    def counted(*given: Any, **named: Any) -> socket.socket:
        tried.append(given)
        return connect(*given, **named)

    monkeypatch.setattr(socket, "create_connection", counted)
    with unanswering() as port:
        there = Connection(scheme="http", host="127.0.0.1", port=port, timeout_s=0.1)
        with closing(open_client(there)) as client:
            for nr_tried in (1, 2):
                with pytest.raises(Unreachable, match=r"cannot reach .*: the host does not answer"):
                    client.query(Query(sql="select 1"))
                assert len(tried) == nr_tried


@contextmanager
def resolver_that_answers(monkeypatch: pytest.MonkeyPatch, nr_times: int) -> Iterator[None]:
    """So many times; then the name server is away, which the resolver notices after long."""
    look_up, left, over = socket.getaddrinfo, list(range(nr_times)), threading.Event()

    def slowing(*given: Any, **named: Any) -> Any:
        if left:
            left.pop()
        else:
            over.wait(10)
        return look_up(*given, **named)

    monkeypatch.setattr(socket, "getaddrinfo", slowing)
    try:
        yield
    finally:
        over.set()


def check_that_no_name_server_answers(client: Client) -> None:
    """Within the second that the client has for it."""
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r": no name server answered in 1 s"):
        client.query(Query(sql="select 1"))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(("nr_answered", "nr_lookups"), [(0, 0), (1, 2)])
def test_the_resolver_is_waited_for_within_a_bound_at_each_connection(
    monkeypatch: pytest.MonkeyPatch, nr_answered: int, nr_lookups: int
) -> None:
    """Whose server hangs up after each answer connects anew, and resolves its name anew."""
    with listener(http_answer(OF_OUR_OWN)) as port:
        there = Connection(scheme="http", host="localhost", port=port, timeout_s=1)
        with closing(open_client(there)) as client, resolver_that_answers(monkeypatch, nr_lookups):
            for _ in range(nr_answered):
                assert client.query(Query(sql="select 1")).rows == [(1,)]
            check_that_no_name_server_answers(client)


def test_the_resolver_is_waited_for_within_a_bound_for_the_reason_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = Connection(scheme="http", host="localhost", port=free_port(), timeout_s=1)
    with closing(open_client(there)) as client, resolver_that_answers(monkeypatch, 2):
        check_that_no_name_server_answers(client)


def test_over_http_no_thread_is_needed_to_reach_a_server_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where there is no room for one the bounds that need one are missing, and no more."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "resolver" or isinstance(thread, threading.Timer):
            raise RuntimeError("can't start new thread")
        start(thread)

    with listener(http_answer(OF_OUR_OWN)) as port:
        there = Connection(scheme="http", host="localhost", port=port)
        with closing(open_client(there)) as client:
            assert client.query(Query(sql="select 1")).rows == [(1,)]
            monkeypatch.setattr(threading.Thread, "start", refuse)
            assert client.query(Query(sql="select 1")).rows == [(1,)]


def test_a_silent_port_is_no_tls_server_and_no_host_that_is_off() -> None:
    with listener(None) as port:
        url = f"https://127.0.0.1:{port}"
        ran = ask(url, "--timeout", "1")
    check_sentence(ran, f"cannot reach {url}: no TLS server answers there within 1 s")


def test_a_port_that_speaks_another_language_is_named_so() -> None:
    def greet(connection: socket.socket) -> None:
        connection.recv(10)
        connection.sendall(b"SSH-2.0-OpenSSH_9.9 and so on and so on and so on and so on\r\n\r\n")
        connection.recv(1 << 16)

    with listener(greet) as port:
        zmq_url, http_url = f"zmq://127.0.0.1:{port}", f"http://127.0.0.1:{port}"
        check_sentence(
            ask(zmq_url), f"cannot reach {zmq_url}: what listens there does not speak ZeroMQ"
        )
        check_sentence(ask(http_url), f"{http_url} answered, but not in HTTP")


@pytest.mark.parametrize(
    ("port", "sentence"),
    [
        ("http", "what listens there speaks HTTP, http://127.0.0.1:{} asks it"),
        ("pubsub", "it speaks ZeroMQ and takes no requests; is it the port of the signal?"),
    ],
)
def test_another_port_of_a_server_is_named(server: Server, port: str, sentence: str) -> None:
    number = server.ports[port]
    url = f"zmq://127.0.0.1:{number}"
    check_sentence(ask(url), f"cannot reach {url}: {sentence.format(number)}")


@pytest.mark.parametrize("form", ["json", "csv"])
def test_the_line_port_asked_in_http_is_named(server: Server, form: str) -> None:
    url = f"http://127.0.0.1:{server.ports['line']}"
    check_sentence(
        ask(url, "--format", form),
        f"{url} answers 400 Bad Request, not as a Qasino server does: this port takes SQL by the"
        " line (nc, telnet); HTTP has a port of its own",
    )


def test_a_server_that_ends_as_one_connects_is_told_to_be_gone() -> None:
    made = socket.create_server(("127.0.0.1", 0))
    port = made.getsockname()[1]

    def end() -> None:
        connection, _ = made.accept()
        made.close()
        connection.recv(10)
        connection.close()

    ending = threading.Thread(target=end)
    ending.start()
    url = f"zmq://127.0.0.1:{port}"
    check_sentence(ask(url), f"cannot reach {url}: nothing listens there (connection refused)")
    ending.join()


def test_a_zeromq_server_that_goes_away_in_mid_request_is_noticed() -> None:
    with router() as port:
        url = f"zmq://127.0.0.1:{port}"
        check_sentence(ask(url), f"{url} closed the connection without an answer")


STRANGER = "answered, but not as a Qasino server does"


def table_answer(names_and_rows: str, more: str = "") -> bytes:
    table = f'"table":{{"column_names":{names_and_rows}}}'
    return f'{{"response_op":"result_table",{more}{table}}}'.encode()


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"hello", STRANGER),
        (b'{"response_op":"ok","identity":"x"}', "answered 'ok' instead of 'result_table'"),
        (b'{"response_op":"result_table"}', "answered a query without a table"),
        (b'{"response_op":"result_table","table":3}', STRANGER),
        (table_answer('["a","b"],"rows":[[1]]'), STRANGER),
        (table_answer('["a"],"rows":[[1],[1,2]]'), STRANGER),
        (table_answer('["a"],"rows":[[[1]]]'), STRANGER),
        (table_answer('["a","b"],"rows":[]', '"column_types":["TEXT"],'), STRANGER),
        (table_answer('["a"],"rows":[[null]]', '"infinities":[[1,0,"Inf"]],'), STRANGER),
        (table_answer('["a"],"rows":[[null]]', '"infinities":[[0,0,"nan"]],'), STRANGER),
    ],
)
def test_a_zeromq_server_that_answers_garbage_is_none_of_ours(answer: bytes, sentence: str) -> None:
    with router(answer) as port:
        url = f"zmq://127.0.0.1:{port}"
        check_sentence(ask(url), f"{url} {sentence}")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"", "closed the connection without an answer"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
            "answered, but not as a Qasino server does",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi",
            "closed the connection without an answer",
        ),
        (
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nhi",
            "answers 404 Not Found, not as a Qasino server does",
        ),
    ],
)
def test_an_http_server_that_is_none_of_ours_is_said_to_be(answer: bytes, sentence: str) -> None:
    with listener(http_answer(answer)) as port:
        url = f"http://127.0.0.1:{port}"
        check_sentence(ask(url, "--format", "json"), f"{url} {sentence}")


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"x-more: 1\r\n"),
        (b"HTTP/1.1 500 Oops\r\ncontent-length: 100000\r\n\r\n", b"x"),
    ],
)
@pytest.mark.parametrize(("scheme", "form"), [("http", "json"), ("http", "csv"), ("https", "json")])
def test_an_answer_that_drips_is_given_up_in_time(
    scheme: str, form: str, head: bytes, drop: bytes
) -> None:
    """Whoever is asked to cancel the query hangs up: for that 1 s would be waited."""
    asked, given_up = threading.Event(), threading.Event()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)

    def drip(plain: socket.socket) -> None:
        if asked.is_set():
            return
        asked.set()
        secured = tls.wrap_socket(plain, server_side=True) if scheme == "https" else plain
        with secured as connection, suppress(OSError):
            connection.recv(1 << 16)
            connection.sendall(head)
            ends = time.monotonic() + 20
            while time.monotonic() < ends and not given_up.wait(0.2):
                connection.sendall(drop)

    with listener(drip) as port:
        started = time.monotonic()
        url = f"{scheme}://127.0.0.1:{port}"
        trust = ["-k"] if scheme == "https" else []
        ran = ask(url, "--format", form, "--timeout", "1", *trust)
        took_s = time.monotonic() - started
        given_up.set()
    check_sentence(ran, f"{url} gave no answer in 1 s")
    assert took_s < 5


def test_a_refusal_without_end_is_not_taken_whole() -> None:
    def pour(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        with suppress(OSError):
            connection.sendall(b"HTTP/1.1 500 Oops\r\ncontent-length: 99999999999\r\n\r\n")
            while True:
                connection.sendall(b"x" * (1 << 16))

    with listener(pour) as port:
        ran = ask(f"http://127.0.0.1:{port}", "--format", "json", "--timeout", "9")
    check_sentence(ran, f"http://127.0.0.1:{port} answers 500 Oops, not as a Qasino server does")


def test_a_proxy_that_lets_nobody_in_refuses_and_is_no_stranger() -> None:
    answer = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"
    with listener(http_answer(answer)) as port:
        ran = ask(f"http://127.0.0.1:{port}", "--format", "json")
    assert (ran.returncode, ran.stderr) == (
        ExitCode.REFUSED,
        f"http://127.0.0.1:{port} answers 403 Forbidden\n",
    )


def test_no_proxy_of_the_environment_stands_in_for_the_server(server: Server) -> None:
    elsewhere = f"http://127.0.0.1:{free_port()}"
    proxies = {name: elsewhere for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy")}
    ran = run_qasino("sql", "-s", http_url(server), "-q", "select 1 a", no_proxy="", **proxies)
    assert (ran.returncode, ran.stdout, ran.stderr) == (ExitCode.OK, "a\n1\n", "")


def test_a_server_that_wants_a_password_refuses() -> None:
    answer = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"
    with listener(http_answer(answer)) as port:
        ran = ask(f"http://127.0.0.1:{port}", "--format", "json")
    assert ran.returncode == ExitCode.REFUSED
    assert "asks who you are: give -u USER" in ran.stderr


def test_a_stream_that_breaks_off_is_not_taken_for_an_answer() -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/csv\r\ntransfer-encoding: chunked\r\n\r\n"
        b"4\r\na\n1\n\r\n"
    )
    with listener(http_answer(answer)) as port:
        ran = ask(f"http://127.0.0.1:{port}", "--format", "csv")
    assert ran.stdout == "a\n1\n"
    assert ran.stderr == (
        "the answer broke off before its end: rows are missing; a slow link may need a longer"
        " --query-timeout of the server\n"
    )
    assert ran.returncode == ExitCode.REFUSED


@pytest.mark.parametrize("scheme", ["zmq", "http"])
def test_a_stopped_server_is_given_up_after_the_timeout(scheme: str, tmp_path: Path) -> None:
    ports_file = tmp_path / "ports.json"
    server = start_qasino(
        *("server", "--http-port", 0, "--zmq-port", 0, "--pubsub-port", "off"),
        *("--line-port", "off", "--ports-file", ports_file, "--db-dir", tmp_path / "db"),
        *("--static-db", tmp_path / "static.db"),
    )
    with server:
        try:
            until(ports_file.exists)
            port = json.loads(ports_file.read_text())[scheme]
            os.kill(server.pid, signal.SIGSTOP)
            started = time.monotonic()
            ran = ask(f"{scheme}://127.0.0.1:{port}", "--timeout", "1")
            assert time.monotonic() - started < 5
            assert ran.returncode == ExitCode.UNREACHABLE
            assert len(ran.stderr.splitlines()) == 1
        finally:
            server.kill()
