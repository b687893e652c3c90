"""Requests that are too large, or wrong before anybody reads them, on every port."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable

import pytest
import zmq
from ill_treated import (
    LIMIT_BYTES,
    Site,
    ask,
    is_error,
    message,
    receive,
    seconds_of,
    strict_json,
)
from wire import Wire, as_bytes, read_all, until

# --- Sizes ----------------------------------------------------------------------------------


def sized(size_bytes: int) -> bytes:
    """A publication of exactly that many bytes."""
    missing = size_bytes - len(as_bytes(message(rows=[[1, ""]])))
    return as_bytes(message(rows=[[1, "x" * missing]]))


def test_a_body_of_exactly_the_limit_is_taken(small: Site, transport: str) -> None:
    assert ask(small.wire, transport, sized(LIMIT_BYTES))[1]["response_op"] == "ok"
    small.unhurt("t")
    small.unhurt()


@pytest.mark.parametrize("size_bytes", [LIMIT_BYTES + 1, 3 * LIMIT_BYTES, 1_000_000])
@pytest.mark.parametrize("op", ["add_table_data", "query", "add_csv_table_data", None])
def test_a_body_over_the_limit_is_refused_by_its_length(
    small: Site, op: str | None, size_bytes: int
) -> None:
    status, _, answer = small.wire.http_post(op, sized(size_bytes))
    assert status == 413
    is_error(strict_json(answer), "larger than 2000 bytes", "--max-body")
    small.unhurt()


@pytest.mark.parametrize("chunk_bytes", [700, 70_000, 1_000_000])
def test_a_chunked_body_over_the_limit_is_refused_as_it_comes(
    small: Site, chunk_bytes: int
) -> None:
    body = sized(1_000_000)
    chunks = (body[n : n + chunk_bytes] for n in range(0, len(body), chunk_bytes))
    status, _, answer = small.wire.http("POST", "", chunks)
    assert status == 413
    is_error(strict_json(answer), "larger than 2000 bytes")
    small.unhurt()


def test_a_chunked_body_over_the_limit_that_comes_at_once_is_refused(small: Site) -> None:
    body = sized(2 * LIMIT_BYTES)
    answer = small.wire.http_raw(
        b"POST /request HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    )
    assert answer.startswith(b"HTTP/1.1 413 ")
    small.unhurt()


def test_a_chunked_body_that_never_ends_is_refused_on_the_way(small: Site) -> None:
    with small.wire.connect("http") as made:
        made.sendall(
            b"POST /request HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        made.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        made.sendall(b"100000\r\n" + b" " * 0x10000)
        assert made.recv(1 << 16).startswith(b"HTTP/1.1 413 ")
    small.unhurt()


def test_a_frame_over_the_limit_is_refused(small: Site) -> None:
    (answer,) = small.wire.zmq_request(sized(LIMIT_BYTES + 1))
    is_error(strict_json(answer), "larger than 2000 bytes", "--max-body")


def test_a_frame_over_twice_the_limit_ends_its_connection_and_no_other(small: Site) -> None:
    with small.wire.zmq_socket() as other, shake_hands(small.wire) as made:
        other.send(as_bytes({"op": "get_table_list"}))
        other.recv_multipart()
        try:
            made.sendall(long_frame(sized(2 * LIMIT_BYTES + 1)))
            assert read_all(made) == b""
        except ConnectionError:
            pass
        other.send(as_bytes({"op": "get_table_list"}))
        assert b"tables_list" in other.recv_multipart()[0]
    small.unhurt()


HUGE = as_bytes(message(rows="ROWS")).replace(b'"ROWS"', b'[[1, "' + b"x" * 100_000_000 + b'"]]')
"""100 MB in one cell."""


def test_a_cell_of_100_mb_is_refused_by_default(own_site: Callable[..., Site]) -> None:
    place = own_site()
    status, _, answer = place.wire.http_post(None, HUGE)
    assert status == 413
    is_error(strict_json(answer), "larger than 67108864 bytes")
    chunks = (HUGE[n : n + (1 << 20)] for n in range(0, len(HUGE), 1 << 20))
    status, _, answer = place.wire.http("POST", "", chunks)
    assert status == 413
    is_error(strict_json(answer), "larger than 67108864 bytes")
    place.unhurt()


def test_a_cell_of_100_mb_is_taken_where_the_limits_allow_it(
    own_site: Callable[..., Site],
) -> None:
    place = own_site(max_body_bytes=200 << 20, max_result_bytes=200 << 20)
    assert place.wire.http_post(None, HUGE)[0] == 200
    place.unhurt("t")
    assert place.wire.rows("select length(b), substr(b, -1) from t") == [[100_000_000, "x"]]


def test_a_cell_larger_than_a_result_may_be_can_be_counted(own_site: Callable[..., Site]) -> None:
    place = own_site(max_result_bytes=1_000_000)
    assert place.wire.http_post(None, message(rows=[[1, "x" * 2_000_000]]))[0] == 200
    place.unhurt("t")
    assert place.wire.rows("select length(b) from t") == [[2_000_000]]


def test_a_statement_over_one_mebibyte_is_refused(refused: Callable[..., None]) -> None:
    sql = "select 1 " + " " * (1 << 20)
    refused({"op": "query", "sql": sql}, "1048585 characters", "1 MiB", status=413)


def test_a_statement_that_never_ends_is_refused_and_its_connection_closed(site: Site) -> None:
    told = b""
    with site.wire.connect("line") as made:
        try:
            made.sendall(b"select " + b"1, " * 5_000_000)
        except ConnectionError:
            pass  # it is closed as soon as there is too much
        try:
            while part := made.recv(1 << 16):
                told += part
        except ConnectionError:
            pass
    assert b"SQL error: " in told
    assert b"1 MiB" in told
    site.unhurt()


# --- The envelope: HTTP ---------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "NONSENSE"])
def test_other_http_methods_are_refused(site: Site, method: str) -> None:
    if method == "NONSENSE":
        answer = site.wire.http_raw(b"NONSENSE /request HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ")
    else:
        status, headers, body = site.wire.http(method, {"op": "query", "sql": "select 1"})
        assert (status, headers["allow"]) == (405, "GET, HEAD, POST")
        is_error(strict_json(body), f"{method} is not served")
    site.unhurt()


@pytest.mark.parametrize("op", ["add_table_data", "add_csv_table_data", "drop_table", "cancel"])
def test_an_op_that_changes_something_is_refused_by_get(site: Site, op: str) -> None:
    status, _, body = site.wire.http_get({"op": op, "tablename": "t", "query_id": "1"})
    assert status == 405
    is_error(strict_json(body), f"the op {op} goes by POST")
    site.unhurt()


@pytest.mark.parametrize("body", [b"", b"name=t.x&value=1", b'{"name": "t.x", "value": "1"}'])
def test_an_op_that_goes_by_get_is_refused_by_post(site: Site, body: bytes) -> None:
    status, _, told = site.wire.http_post("name_value_update", body)
    assert status == 405
    is_error(strict_json(told), "the op name_value_update goes by GET")
    site.unhurt()


@pytest.mark.parametrize(
    "path", ["/nothing", "/request/", "/requests", "/request/..", "/%00", "/\u00e9"]
)
def test_other_paths_are_not_found(site: Site, path: str) -> None:
    status, _, body = site.wire.http("GET", "op=query&sql=select+1", path=path.replace("é", "%c3"))
    assert status == 404
    is_error(strict_json(body), "nothing is served at '/", "/request")
    site.unhurt()


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("", "No op specified"),
        ("op=nope", "Unrecognized op 'nope'"),
        ("op=query", "'sql'"),
        ("op=query&sql=", "no statement"),
        ("op=query&sql=select+1&format=xml", "format 'xml' is unknown.*ndjson"),
        ("op=query&sql=select+1&typed=maybe", "typed must be"),
        ("op=query&sql=select+1&query_id=", "query_id must be"),
        ("op=query&sql=%ff", "not percent-encoded UTF-8"),
        ("op=query&sql=select+1%00", "NUL"),
    ],
)
def test_a_query_string_that_is_wrong_is_refused(site: Site, query: str, place: str) -> None:
    status, _, body = site.wire.http_get(query)
    assert status == 400
    is_error(strict_json(body), place)
    site.unhurt()


def test_an_op_in_the_url_beats_one_in_the_body(site: Site) -> None:
    status, _, body = site.wire.http_post("nope", message())
    assert status == 400
    is_error(strict_json(body), "Unrecognized op 'nope'; the ops are .*, add_csv_table_data$")
    site.unhurt()


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"POST /request HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /request HTTP/1.1\r\nHost: localhost\r\nContent-Length: many\r\n\r\n",
        b"POST /request HTTP/1.1\r\nHost: localhost\r\nContent-Length: %s\r\n\r\n" % (b"9" * 100),
        b"POST /request HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /request?op=query&sql=\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ],
    ids=lambda data: data[:60],
)
def test_what_is_not_http_is_refused_and_closed(site: Site, data: bytes) -> None:
    assert site.wire.http_raw(data).startswith(b"HTTP/1.1 400 ")
    site.unhurt()


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 1000000", b"Transfer-Encoding: chunked", b"Content-Length: %d"],
    ids=["by length", "in chunks", "one byte short"],
)
def test_an_http_body_that_stops_half_way_stores_nothing(site: Site, head: bytes) -> None:
    body = as_bytes(message())
    if b"%d" in head:
        head %= len(body) + 1
    if b"chunked" in head:
        body = b"%x\r\n%s\r\n" % (len(body), body)
    for how in (socket.SHUT_WR, socket.SHUT_RDWR):
        with site.wire.connect("http") as made:
            made.sendall(b"POST /request?op=add_table_data HTTP/1.1\r\nHost: localhost\r\n" + head)
            made.sendall(b"\r\n\r\n" + body)
            made.shutdown(how)
            if how == socket.SHUT_WR:
                assert read_all(made) == b""
    site.unhurt()
    site.unhurt()


def test_http_headers_that_stop_half_way_hurt_nobody(site: Site) -> None:
    with site.wire.connect("http") as made:
        made.sendall(b"POST /request?op=add_table_data HTTP/1.1\r\nHos")
        made.shutdown(socket.SHUT_WR)
        assert read_all(made) == b""
    site.unhurt()


# --- The envelope: ZeroMQ -------------------------------------------------------------------


def shake_hands(wire: Wire) -> socket.socket:
    """A plain connection that the ZeroMQ port takes for a DEALER's."""
    made = wire.connect("zmq")
    made.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31))
    ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
    made.sendall(b"\x04" + bytes([len(ready)]) + ready)
    greeting = receive(made, 64)
    assert greeting[10] == 3
    flags, size_bytes = receive(made, 2)
    assert flags == 4
    assert receive(made, size_bytes).startswith(b"\x05READY")
    return made


def long_frame(body: bytes, more: bool = False) -> bytes:
    """A frame on the wire, with its length in eight bytes."""
    return (b"\x03" if more else b"\x02") + struct.pack(">Q", len(body)) + body


@pytest.mark.parametrize("count", [2, 3, 100])
def test_a_message_of_several_frames_is_refused(site: Site, count: int) -> None:
    (answer,) = site.wire.zmq_request([as_bytes(message())] * count)
    is_error(json.loads(answer), f"one frame of JSON; this message has {count} frames")
    site.unhurt()


GET_LIST = as_bytes({"op": "get_table_list"})
ENVELOPES = {
    "no delimiter": ([GET_LIST], b"tables_list"),
    "one delimiter": ([b"", GET_LIST], b"tables_list"),
    "a route before the delimiter": ([b"a", b"b", b"", GET_LIST], b"tables_list"),
    "nothing after the delimiter": ([b""], b"0 frames"),
    "two empty frames": ([b"", b""], b"request is empty"),
    "three empty frames": ([b"", b"", b""], b"2 frames"),
    "two frames, no delimiter": ([GET_LIST, GET_LIST], b"2 frames"),
    "an empty frame at the end": ([GET_LIST, b""], b"0 frames"),
    "two requests after the delimiter": ([b"", GET_LIST, GET_LIST], b"2 frames"),
    "a delimiter between requests": ([b"", GET_LIST, b"", GET_LIST], b"3 frames"),
    "bytes that are no text": ([b"\xff\xfe"], b"not JSON"),
    "a thousand frames": ([b"x"] * 1000, b"1000 frames"),
    "a delimiter behind a hundred": ([b"x"] * 100 + [b""], b"1 frames"),
}


@pytest.mark.parametrize(("frames", "told"), ENVELOPES.values(), ids=ENVELOPES)
def test_a_malformed_envelope_hurts_nobody(site: Site, frames: list[bytes], told: bytes) -> None:
    reply = site.wire.zmq_request(frames, kind=zmq.DEALER)
    assert any(told in frame for frame in reply), reply
    site.unhurt()


@pytest.mark.parametrize("kind", [zmq.PUSH, zmq.PAIR, zmq.ROUTER], ids=repr)
def test_a_socket_of_the_wrong_kind_hurts_nobody(site: Site, kind: int) -> None:
    with site.wire.zmq_socket(kind) as made:
        if made.poll(20, zmq.POLLOUT):
            made.send(as_bytes(message()))
    site.unhurt()
    site.unhurt()


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"GET / HTTP/1.1\r\n\r\n", b"\xff" + bytes(8) + b"\x7f\x09", bytes(200)],
    ids=repr,
)
def test_what_is_not_zeromq_hurts_nobody(site: Site, data: bytes) -> None:
    with site.wire.connect("zmq") as made:
        try:
            made.sendall(data)
            made.shutdown(socket.SHUT_WR)
            read_all(made)
        except OSError:
            pass  # it need not be polite
    site.unhurt()


def test_a_zeromq_message_that_stops_half_way_stores_nothing(site: Site) -> None:
    frame = long_frame(as_bytes(message()))
    for data in (frame[:5], frame[:-1], long_frame(b"", more=True) + frame[:-1]):
        with shake_hands(site.wire) as made:
            try:
                made.sendall(data)
                made.shutdown(socket.SHUT_WR)
                read_all(made)
            except ConnectionError:
                pass
    site.unhurt()
    with shake_hands(site.wire) as made:
        made.sendall(long_frame(GET_LIST))
        assert b"tables_list" in made.recv(1000), "the frames of this test are no ZeroMQ"
    site.unhurt()


def test_a_client_that_leaves_before_its_answer_hurts_nobody(site: Site, transport: str) -> None:
    body = as_bytes(message(tablename="gone"))
    for _ in range(20):
        if transport == "zmq":
            with shake_hands(site.wire) as made:
                made.sendall(long_frame(body))
        else:
            with site.wire.connect("http") as made:
                head = b"POST /request HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
                made.sendall(head % len(body) + body)
    until(lambda: site.wire.post(**message(tablename="gone"))["applied"] is False)
    site.unhurt("gone")

    def all_have_come() -> bool:
        return bool(site.server.rotate()) and "gone" not in site._tables()

    until(all_have_come)
    site.unhurt()


# --- The line port --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"nonsense;", b'SQL error: near "nonsense": syntax error\r\n'),
        (b";", b""),
        (b"\xff\xfe;", b"SQL error: "),
        (b"select 1\0;", b"SQL error: the statement has a NUL character"),
        (b"delete from x;", b"SQL error: "),
        (b"select 1, ;select 2;", b"2\r\n=\r\n2\r\n1 rows returned\r\n"),
        (b"{}\n;", b"SQL error: "),
        (b"GET / HTTP/1.1\r\n\r\n;", b"this port takes SQL by the line"),
        (b"select", b""),
        (b"select 'half", b""),
        (b"\x1b;", b'SQL error: unrecognized token: "\\x1b"\r\n'),
    ],
    ids=repr,
)
def test_what_is_wrong_on_the_line_port_is_told_in_a_line(
    site: Site, data: bytes, told: bytes
) -> None:
    with site.wire.connect("line") as made:
        made.sendall(data)
        made.shutdown(socket.SHUT_WR)
        answer = read_all(made)
    assert told in answer
    assert answer.count(b"\r\n") == answer.count(b"\n")
    site.unhurt()


def test_a_string_full_of_semicolons_does_not_keep_other_line_clients_waiting(site: Site) -> None:
    with site.wire.connect("line") as made:
        made.sendall(b"select length('" + b";" * 80_000 + b"') as n;\nquit;")
        took_s, answer = seconds_of(lambda: site.wire.line("select 1;"))
        assert answer.endswith("1 rows returned\r\n")
        assert b"80000\r\n" in read_all(made)
    assert took_s < 2.0
    site.unhurt()
