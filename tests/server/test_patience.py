"""Peers that are slow, gone, greedy or many, over HTTP and on the line port."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from wire import Wire, until

from qasino_server import connections, gzip_body, handshakes, http_server, http_stream, patience
from qasino_server.errors import BadRequest, TooLarge
from qasino_server.gzip_body import unpacked
from qasino_server.http_port import HttpPort
from qasino_server.line_port import LinePort
from qasino_server.server import Server
from qasino_server.store import lookout

LARGE = "select printf('%.*c', 30000000, 'x') as x"
"""A result of 30 MB, more than sockets hold."""
COUNTING = "with recursive n(i) as (select 1 union all select i + 1 from n"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, make_server: Callable[..., Server]) -> Server:
    """A server that loses its patience at once."""
    monkeypatch.setattr(connections, "SWEEP_S", 0.02)
    monkeypatch.setattr(patience, "HEAD_S", 0.3)
    monkeypatch.setattr(connections, "LEAVE_S", 0.1)
    monkeypatch.setattr(patience, "PACE_BYTES_S", 1 << 40)
    return make_server()


@pytest.fixture
def connect() -> Iterator[Callable[..., socket.socket]]:
    """Opens connections from a chosen loopback address."""
    with ExitStack() as stack:

        def open_one(server: Server, port: str = "http", host: str = "127.0.0.1") -> socket.socket:
            made = socket.create_connection(
                ("127.0.0.1", server.ports[port]), 10, source_address=(host, 0)
            )
            return stack.enter_context(made)

        yield open_one


def service(server: Server, kind: Any) -> Any:
    return next(s for s in server._services if isinstance(s, kind))


def all_of(made: socket.socket) -> bytes:
    """Everything until the server closes."""
    heard = b""
    try:
        while data := made.recv(65536):
            heard += data
    except ConnectionResetError:
        pass
    return heard


def hear(made: socket.socket, enough: Callable[[bytes], bool]) -> None:
    """Wait until what the server says is enough."""
    heard = b""
    while not enough(heard):
        data = made.recv(65536)
        assert data, f"closed after {heard!r}"
        heard += data


def error_in(told: bytes) -> str:
    """The sentence in the one answer that came."""
    head, _, body = told.partition(b"\r\n\r\n")
    assert b"\r\ncontent-type: application/json\r\nconnection: close" in head
    answer = json.loads(body)
    assert (answer["response_op"], answer["identity"]) == ("error", "test-server")
    return str(answer["error_message"])


# --- Slow senders -------------------------------------------------------------------------------

REQUEST = b"POST /request?op=query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.parametrize("begun", [b"", b"G", REQUEST[:-2], REQUEST, REQUEST + b'{"op"'])
def test_a_request_that_does_not_come_is_not_waited_for(
    hasty: Server, connect: Callable[..., socket.socket], begun: bytes
) -> None:
    made = connect(hasty)
    made.sendall(begun)
    told = all_of(made)
    assert told.startswith(b"HTTP/1.1 408")
    assert "did not come in time" in error_in(told)


def test_a_head_that_drips_does_not_buy_time(
    hasty: Server, connect: Callable[..., socket.socket]
) -> None:
    made = connect(hasty)
    made.settimeout(0.02)
    heard = b""
    ends = time.monotonic() + 5
    made.sendall(b"GET / HTTP/1.1\r\n")
    while not heard:
        assert time.monotonic() < ends
        try:
            made.sendall(b"a: b\r\n")
            heard = made.recv(100)
        except TimeoutError:
            continue
    assert heard.startswith(b"HTTP/1.1 408")


def test_an_idle_connection_that_was_served_is_kept(hasty: Server) -> None:
    connection = HTTPConnection("127.0.0.1", hasty.ports["http"], timeout=10)
    for _ in range(3):
        connection.request("GET", "/request?op=query&sql=select+1")
        assert connection.getresponse().read()
        be_idle()
    connection.close()


def test_so_is_one_whose_only_requests_have_a_head_that_was_read_before(
    hasty: Server, connect: Callable[..., socket.socket]
) -> None:
    for _ in range(2):
        made = connect(hasty)
        for _ in range(2):
            ask(made, "select 1")
            assert made.recv(1000).startswith(b"HTTP/1.1 200")
            be_idle()


@pytest.mark.parametrize("nr_between", [0, 1])
@pytest.mark.parametrize("missing_bytes", [1, 60], ids=["its end", "most of it"])
def test_one_that_sends_ahead_has_its_time_when_it_is_read_from_again(
    hasty: Server, connect: Callable[..., socket.socket], nr_between: int, missing_bytes: int
) -> None:
    slow = f"{COUNTING} limit 3000000) select count(*) from n"
    last = posted("select 'last'")
    made = connect(hasty)
    made.sendall(posted(slow) + posted("select 1") * nr_between + last[:-missing_bytes])
    hear(made, lambda heard: heard.count(b"HTTP/1.1 200") == 1 + nr_between)
    made.sendall(last[-missing_bytes:])
    hear(made, lambda heard: b"last" in heard)


def be_idle() -> None:
    """For longer than HEAD_S is here."""
    began = time.monotonic()
    until(lambda: time.monotonic() > began + 0.5)


@pytest.mark.parametrize("head", [b"a: " + b"b" * 100_000, b"a: b\r\n" * 20_000])
def test_a_head_has_a_bound(
    server: Server, connect: Callable[..., socket.socket], head: bytes
) -> None:
    made = connect(server)
    made.sendall(b"GET /request HTTP/1.1\r\nHost: localhost\r\n" + head)
    told = all_of(made)
    assert told.startswith(b"HTTP/1.1 431")
    assert "larger than this server takes: 64 KiB" in error_in(told)


CHUNKED = (
    b"POST /request?op=query HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
)
BESIDE = {
    "trailers": b"0\r\n" + b"ab: cd\r\n" * 12_000,
    "a trailer": b"0\r\nab: " + b"c" * 100_000,
    "its name": b"0\r\n" + b"a" * 100_000,
    "an extension": b"2;" + b"a" * 100_000,
}


@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE)
def test_what_comes_with_the_chunks_of_a_body_has_a_bound(
    server: Server, connect: Callable[..., socket.socket], beside: bytes
) -> None:
    """All trailers were kept as headers: 40 MiB of them took a GiB."""
    made = connect(server)
    made.sendall(CHUNKED + b"1\r\n{\r\n")
    heard = b""
    made.settimeout(0.1)
    for begins in range(0, len(beside), 25_000):
        made.sendall(beside[begins : begins + 25_000])
        with suppress(TimeoutError):
            heard = made.recv(1000)
            break
    assert heard.startswith(b"HTTP/1.1 431")


def test_trailers_are_passed_over(server: Server, connect: Callable[..., socket.socket]) -> None:
    made = connect(server)
    for _ in range(2):
        for part in (CHUNKED, b"28\r\n", QUERY + b" ", b"\r\n0\r\nab: cd\r\n", b"ef: \r\n\r\n"):
            made.sendall(part)
        hear(made, lambda heard: heard.startswith(b"HTTP/1.1 200") and heard.endswith(b"}\n"))


def test_connections_have_a_bound(server: Server, connect: Callable[..., socket.socket]) -> None:
    served = connect(server)
    served.sendall(b"GET /healthz/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"200 OK" in served.recv(1000)
    server._seats.most = 1
    assert all_of(connect(server)) == b""
    served.sendall(b"GET /healthz/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"200 OK" in served.recv(1000)


# --- Slow readers -------------------------------------------------------------------------------


def posted(sql: str) -> bytes:
    body = json.dumps({"op": "query", "sql": sql}).encode()
    head = b"POST /request HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    return head + body


def ask(made: socket.socket, sql: str) -> None:
    made.sendall(posted(sql))


def test_a_result_nobody_reads_is_let_go(
    hasty: Server, connect: Callable[..., socket.socket]
) -> None:
    app = service(hasty, HttpPort)._app
    made = connect(hasty)
    ask(made, LARGE)
    until(lambda: app._answers.leaving.held_bytes > 0)
    until(lambda: app._answers.leaving.held_bytes == 0)
    held = service(hasty, HttpPort)._servers[0].server_state.connections
    until(lambda: not held)
    with Wire(hasty.ports) as wire:
        assert wire.rows("select 1") == [[1]]


def test_who_does_not_read_gets_no_more_and_others_do(
    make_server: Callable[..., Server], connect: Callable[..., socket.socket]
) -> None:
    server = make_server(max_result_bytes=10_000_000)
    large = "select printf('%.*c', 9000000, 'x') as x"
    app = service(server, HttpPort)._app
    before = 0
    for _ in range(5):
        ask(connect(server), large)
        until(lambda before=before: app._answers.leaving.held_bytes > before)
        before = app._answers.leaving.held_bytes
    greedy = connect(server)
    ask(greedy, large)
    assert b" 503 " in greedy.recv(1000)
    operator = connect(server)
    ask(operator, "show queries")
    assert b"200 OK" in operator.recv(1000), "what is small is never held against anybody"
    other = connect(server, host="127.0.0.2")
    ask(other, large)
    assert b"200 OK" in other.recv(1000)


def test_what_was_asked_for_together_is_not_held_together(
    make_server: Callable[..., Server], connect: Callable[..., socket.socket]
) -> None:
    server = make_server(max_result_bytes=10_000_000)
    app = service(server, HttpPort)._app
    deaf = [connect(server) for _ in range(16)]
    for made in deaf:
        ask(made, "select printf('%.*c', 9000000, 'x') as x")
    with Wire(server.ports) as wire:
        until(lambda: "printf" not in str(wire.query("show queries")["table"]["rows"]))
    assert app._answers.leaving.held_bytes <= 5 * 9_001_000
    assert sum(b" 503 " in made.recv(20) for made in deaf) >= 11


def stream(made: socket.socket, sql: str, **params: Any) -> None:
    """Ask for CSV."""
    query = urlencode({"op": "query", "format": "csv", "sql": sql, **params})
    made.sendall(f"GET /request?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def running(wire: Wire) -> list[str]:
    return [row[0] for row in wire.query("show queries")["table"]["rows"]]


def test_a_stream_nobody_reads_is_let_go(
    hasty: Server, connect: Callable[..., socket.socket]
) -> None:
    """It was held until TCP gave its client up, in whoever's name."""
    app = service(hasty, HttpPort)._app
    stream(connect(hasty), LARGE)
    until(lambda: app._answers.leaving.held_bytes > 0)
    until(lambda: app._answers.leaving.held_bytes == 0)
    held = service(hasty, HttpPort)._servers[0].server_state.connections
    until(lambda: not held)


def test_who_does_not_read_gets_no_more_streams_and_others_do(
    make_server: Callable[..., Server], connect: Callable[..., socket.socket]
) -> None:
    server = make_server(max_result_bytes=10_000_000)
    large = "select printf('%.*c', 9000000, 'x') as x"
    leaving = service(server, HttpPort)._app._answers.leaving
    before = 0
    deaf = [connect(server) for _ in range(5)]
    for made in deaf:
        # Else the kernel may take all of it, and nobody has to wait.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        stream(made, large)
        until(lambda before=before: leaving.held_bytes > before + 8_000_000)
        before = leaving.held_bytes
    greedy = connect(server)
    stream(greedy, large)
    assert b" 503 " in greedy.recv(1000)
    with Wire(server.ports) as wire:
        assert wire.http_get({"op": "query", "format": "csv", "sql": "show queries"})[0] == 200
        assert wire.http_get({"op": "query", "format": "csv", "sql": "select 1"})[2] == b"1\n1\n"
        until(lambda: not running(wire))
    other = connect(server, host="127.0.0.2")
    stream(other, large)
    assert b"200 OK" in other.recv(1000)
    for made in (*deaf, other):
        made.close()
    until(lambda: leaving.held_bytes == 0)


WIDE = f"{COUNTING} limit 300000) select i, printf('%.*c', 1000, 'x') from n"
"""A stream that its client has to read from, or it waits."""


def test_a_stream_that_waits_for_its_client_hears_that_it_is_to_end(
    server: Server, connect: Callable[..., socket.socket]
) -> None:
    """Its reader was given up, for as long as the query might have taken."""
    for query_id in ("q0", "q1"):
        stream(connect(server), WIDE, query_id=query_id)
    app = service(server, HttpPort)._app
    with Wire(server.ports) as wire:
        until(lambda: set(running(wire)) == {"q0", "q1"})
        until(lambda: app._answers.leaving.held_bytes > 2 << 20)  # both are ahead
        readers = server._store._readers
        for query_id in ("q0", "q1"):
            assert "killed" in wire.query(f"kill {query_id}")["table"]["column_names"]
        until(lambda: all(reader.job is None for reader in readers._crew), within_s=5)
        assert not readers._crew.given_up
        assert not running(wire)


def test_a_stream_from_the_open_generation_hears_it_too(
    server: Server, connect: Callable[..., socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four of them had nobody look there until their time was up."""
    monkeypatch.setattr(lookout, "LOOK_S", 0.2)
    with Wire(server.ports) as wire:
        wire.publish("a", "t", ["a"], ["int"], [[1]])
        stream(connect(server), WIDE, use_write_db="1")
        until(lambda: running(wire))
        assert wire.rows("select a from t", use_write_db=True) == [[1]]
        assert not server._store._lookout._deaf


def test_on_the_line_port_too(
    server: Server, connect: Callable[..., socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = service(server, LinePort)
    deaf = connect(server, "line")
    deaf.sendall(LARGE.encode() + b";\r\n")
    until(lambda: port._unsent.held_bytes > 0)
    monkeypatch.setattr(port._unsent, "_total_bytes", port._unsent.held_bytes * 3 // 2)
    greedy = connect(server, "line")
    greedy.sendall(LARGE.encode() + b";")
    assert greedy.recv(1000).startswith(b"SQL error: busy: the server holds as much as it may")
    greedy.sendall(b"select 1;")
    assert b"1 row" in greedy.recv(1000)
    other = connect(server, "line", host="127.0.0.2")
    other.sendall(b"select printf('%.*c', 300000, 'x') as x;")
    assert other.recv(1000).startswith(b"  ")
    deaf.close()
    until(lambda: port._unsent.held_bytes == 0)


def test_a_connection_that_was_closed_on_the_line_port_is_sent_no_more(
    server: Server, connect: Callable[..., socket.socket]
) -> None:
    """What it had asked for was counted as on its way for good, and then others had no room."""
    port = service(server, LinePort)
    deaf = connect(server, "line")
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.sendall(b"select printf('%.*c', 3000000, 'x') as x;" * 8)
    until(lambda: port._unsent.held_bytes > 0)
    deaf.close()
    until(lambda: not port._connections)
    with Wire(server.ports) as wire:
        until(lambda: "printf" not in str(wire.query("show queries")["table"]["rows"]))
    other = connect(server, "line")
    other.sendall(b"select 1;")
    assert b"1 row" in other.recv(1000)
    until(lambda: port._unsent.held_bytes == 0)
    assert not port._fading


def test_statements_that_are_not_whole_have_a_bound_too(
    server: Server, connect: Callable[..., socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = service(server, LinePort)
    monkeypatch.setattr(port._unrun, "_total_bytes", 2_000_000)
    typing = [connect(server, "line") for _ in range(3)]
    for n, made in enumerate(typing):
        until(lambda n=n: port._unrun.held_bytes >= n * 490_000)
        made.sendall(b"select '" + b"x" * 490_000)
    assert b"more than this server takes" in all_of(typing[2])
    assert port._unrun.held_bytes < 1_000_000
    short = connect(server, "line")
    short.sendall(b"select 1;")
    assert b"1 row" in short.recv(1000)
    typing[0].sendall(b"' as x;")
    assert typing[0].recv(100)
    for made in typing:
        made.close()
    until(lambda: port._unrun.held_bytes == 0)


@pytest.mark.parametrize("more", [b"", b"Expect: nothing\r\n"], ids=["direct", "usual"])
def test_bodies_that_arrive_have_a_bound_for_each_address(
    make_server: Callable[..., Server], connect: Callable[..., socket.socket], more: bytes
) -> None:
    server = make_server(max_body_bytes=1_000_000)
    app = service(server, HttpPort)._app
    head = (
        b"POST /request?op=query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
        + more
        + b"\r\n"
    )
    before, waiting = 0, []
    for _ in range(4):
        made = connect(server)
        made.sendall(head + b" " * 990_000)
        until(lambda before=before: app._reader.arriving.held_bytes > before + 900_000)
        before = app._reader.arriving.held_bytes
        waiting.append(made)
    greedy = connect(server)
    greedy.sendall(head + b" " * 900_000)
    refused = b""
    while b"requests that are still arriving" not in refused:
        part = greedy.recv(1000)
        assert part, refused
        refused += part
    assert b"503" in refused
    other = connect(server, host="127.0.0.2")
    body = b'{"op": "query", "sql": "select 1"}'
    other.sendall(head + body + b" " * (1_000_000 - len(body)))
    assert b"200 OK" in other.recv(1000)
    assert app._reader.arriving.held_bytes == before
    for made in waiting:
        made.close()
    until(lambda: app._reader.arriving.held_bytes == 0)


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture
def tls_server(make_server: Callable[..., Server], tmp_path: Path) -> Server:
    certificate = trustme.CA().issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    (tmp_path / "users.yaml").write_text("users: {ann: {tokens: [t], roles: [read]}}")
    return make_server(
        https_port=0,
        tls_cert=tmp_path / "server.pem",
        tls_key=tmp_path / "server.pem",
        users_file=tmp_path / "users.yaml",
    )


def https_status(server: Server) -> int:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    port = server.ports["https"]
    connection = HTTPSConnection("127.0.0.1", port, timeout=10, context=trusting)
    try:
        connection.request("GET", "/", headers={"Authorization": "Bearer t"})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01\x02", b"GET / HTTP/1.1\r\n\r\n"])
def test_a_handshake_that_does_not_end_is_not_waited_for(
    tls_server: Server,
    connect: Callable[..., socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    begun: bytes,
) -> None:
    monkeypatch.setattr(handshakes, "HANDSHAKE_S", 0.3)
    made = connect(tls_server, "https")
    made.sendall(begun)
    assert https_status(tls_server) == 200
    all_of(made)
    until(lambda: tls_server._seats.by_port() == {"https": 0})


def test_connections_that_do_not_shake_hands_are_counted(
    tls_server: Server, connect: Callable[..., socket.socket]
) -> None:
    tls_server._seats.most = 4
    for _ in range(3):
        connect(tls_server, "https")
    assert all_of(connect(tls_server, "https")) == b""
    with connect(tls_server, "http", host="127.0.0.2") as other:
        other.sendall(b"GET /healthz/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in other.recv(1000)


# --- gzip ---------------------------------------------------------------------------------------

QUERY = b'{"op": "query", "sql": "select 1 as x"}'


def test_a_gzip_body_is_understood(wire: Wire) -> None:
    for body in (gzip.compress(QUERY), gzip.compress(QUERY[:9]) + gzip.compress(QUERY[9:])):
        status, _, answer = wire.http("POST", body=body, headers={"Content-Encoding": "gzip"})
        assert status == 200
        assert json.loads(answer)["table"]["rows"] == [["1"]]


@pytest.mark.parametrize(
    ("body", "coding", "status", "words"),
    [
        (gzip.compress(QUERY)[:-3], "gzip", 400, "breaks off"),
        (b"", "gzip", 400, ""),
        (b"plain", "gzip", 400, "is not gzip, as its Content-Encoding says"),
        (gzip.compress(QUERY) + b"xyz", "GZip", 400, "not gzip"),
        (gzip.compress(b" " * 70_000_000), "gzip", 413, "67108864 bytes unpacked"),
        (QUERY, "br", 415, "Content-Encoding 'br' is not known here; send gzip or plain"),
        (QUERY, "gzip, gzip", 415, "not known here"),
    ],
    ids=["cut", "empty", "plain", "more", "bomb", "br", "twice"],
)
def test_a_body_that_cannot_be_unpacked_is_refused(
    wire: Wire, body: bytes, coding: str, status: int, words: str
) -> None:
    found, _, answer = wire.http("POST", body=body, headers={"Content-Encoding": coding})
    assert found == status
    told = json.loads(answer)
    assert told["response_op"] == "error"
    assert words in told["error_message"]
    assert wire.rows("select 1") == [[1]]


def test_publications_may_be_gzip(server: Server, wire: Wire) -> None:
    rows = [[n, "x" * 100] for n in range(20_000)]
    table = {"tablename": "t", "column_names": ["n", "x"], "column_types": ["int", "text"]}
    message = {"op": "add_table_data", "identity": "a", "table": {**table, "rows": rows}}
    body = gzip.compress(json.dumps(message).encode())
    status, _, _ = wire.http("POST", body=body, headers={"Content-Encoding": "gzip"})
    assert status == 200
    server.rotate()
    assert wire.rows("select count(*), sum(length(x)) from t") == [[20_000, 2_000_000]]


CSV_OP = "add_csv_table_data"


def gzip_posted(body: bytes, op: str = "query") -> bytes:
    head = f"POST /request?op={op} HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def test_bodies_of_very_many_members_keep_nobody_waiting(
    server: Server, connect: Callable[..., socket.socket]
) -> None:
    """Four of them, by somebody who hung up, had all the places for hours."""
    with Wire(server.ports) as wire:
        many = gzip.compress(b"") * 200_000
        for _ in range(4):
            with connect(server) as made:
                made.sendall(gzip_posted(many))
        packed = {"Content-Encoding": "gzip"}
        status, _, _ = wire.http("POST", body=gzip.compress(QUERY), headers=packed)
        assert status == 200
        status, _, answer = wire.http("POST", body=many, headers=packed)
        assert (status, b"in more than 10000 members" in answer) == (400, True)


def csv_posted(body: bytes) -> bytes:
    head = b"POST /request?op=add_csv_table_data HTTP/1.1\r\nHost: localhost\r\n"
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


LONG = {
    "gzip": lambda: gzip_posted(gzip.compress(bytes(30_000_000), 0)),  # as large as it is
    "CSV": lambda: csv_posted(b"1,identity=h\nt\na,b\nint,text\n\n" + b"1,2\n" * 10_000_000),
}


@pytest.mark.usefixtures("soon_gone")
@pytest.mark.parametrize("long", LONG.values(), ids=LONG)
@pytest.mark.parametrize("stops", [False, True], ids=["gone", "stopping"])
def test_a_body_that_nobody_waits_for_is_read_no_further(
    server: Server,
    connect: Callable[..., socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    stops: bool,
    long: Callable[[], bytes],
) -> None:
    monkeypatch.setattr(gzip_body, "_PIECE_BYTES", 1)  # so that it takes long
    monkeypatch.setattr(http_server, "GRACE_S", 0.1)
    places = service(server, HttpPort)._app._reader._unpacking
    made = connect(server)
    made.sendall(long())
    until(lambda: places.nr_taken)
    began = time.monotonic()
    if stops:
        port = service(server, HttpPort)
        server.stop()
        assert port.join(max(0.0, began + 5 - time.monotonic()))
    else:
        made.close()
        until(lambda: not places.nr_taken, within_s=3)


MANY_ROWS = b"1,identity=h\nt\na\nint\n\n" + b"1\n" * 20_000_000
"""40 kB as gzip, and many seconds of work."""


@pytest.mark.usefixtures("soon_gone")
def test_who_sends_bodies_that_take_long_has_half_of_the_places(
    server: Server, connect: Callable[..., socket.socket]
) -> None:
    """Four of them by one address had all the places, and nobody else's gzip was read."""
    places = service(server, HttpPort)._app._reader._unpacking
    sent = gzip_posted(gzip.compress(MANY_ROWS), CSV_OP)
    for _ in range(4):
        connect(server).sendall(sent)
    until(lambda: places.nr_taken + len(places._waiting) == 4)
    with connect(server, host="127.0.0.2") as other:
        other.sendall(gzip_posted(gzip.compress(QUERY)))
        assert other.recv(1000).startswith(b"HTTP/1.1 200")
    assert (places.nr_taken, len(places._waiting)) == (2, 2)


@pytest.mark.usefixtures("soon_gone")
def test_who_hangs_up_while_it_waits_for_a_place_has_nothing_done(
    server: Server, connect: Callable[..., socket.socket]
) -> None:
    places = service(server, HttpPort)._app._reader._unpacking
    sent = gzip_posted(gzip.compress(MANY_ROWS), CSV_OP)
    for _ in range(2):
        connect(server).sendall(sent)
    until(lambda: places.nr_taken == 2)
    with connect(server) as third:
        third.sendall(gzip_posted(gzip.compress(b"1,identity=h\nt\na\nint\n\n1\n"), CSV_OP))
        until(lambda: len(places._waiting) == 1)
    until(lambda: not len(places._waiting))
    assert places.nr_taken == 2


@given(st.lists(st.binary(max_size=300), max_size=4), st.integers(0, 1200))
def test_unpacking_gives_what_was_packed_or_refuses(parts: list[bytes], bound: int) -> None:
    whole = b"".join(parts)
    packed = b"".join(map(gzip.compress, parts))
    if len(whole) <= bound:
        assert unpacked(packed, bound) == whole
    else:
        with pytest.raises(TooLarge):
            unpacked(packed, bound)


@given(st.binary(max_size=200), st.integers(0, 219))
def test_a_cut_or_broken_body_never_passes_for_a_whole_one(data: bytes, place: int) -> None:
    packed = gzip.compress(data)
    cut = packed[: place % len(packed)]
    if cut:
        with pytest.raises(BadRequest):
            unpacked(cut, 1000)


def test_who_hangs_up_after_its_query_has_ended_ends_no_other(
    server: Server, connect: Callable[..., socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The id was another's by then, and nobody's rights were asked."""
    monkeypatch.setattr(http_stream, "STREAM_BYTES", 100_000_000)
    deaf = connect(server)
    sql = f"{COUNTING} where i < 30000) select i, printf('%.*c', 1000, 'x') from n"
    params = urlencode({"op": "query", "format": "csv", "query_id": "mine", "sql": sql})
    deaf.sendall(f"GET /request?{params} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert b"200 OK" in deaf.recv(1000)
    with Wire(server.ports) as wire:

        def running() -> list[str]:
            return [row[0] for row in wire.query("show queries")["table"]["rows"]]

        until(lambda: "mine" not in running())
        other = wire.zmq_socket()
        endless = f"{COUNTING}) select count(*) from n"
        other.send_json({"op": "query", "sql": endless, "query_id": "mine"})
        until(lambda: "mine" in running())
        held = service(server, HttpPort)._servers[0].server_state.connections
        (deaf_one,) = [c for c in list(held) if c.client == deaf.getsockname()]
        deaf.close()
        until(lambda: deaf_one not in held)
        for _ in range(3):  # turns of the port's loop, in which it would be cancelled
            wire.http_post("query", {"sql": "select 1"})
        assert "mine" in running()
        wire.query("kill mine")
        assert b"cancelled" in other.recv()
        other.close()
