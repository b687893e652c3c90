"""Requests that are answered without a task: as all others are, and in their order."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire import Wire, publication, until

from qasino_server import connections
from qasino_server.connections import SENT_AHEAD_MAX, GuardedProtocol
from qasino_server.direct import DIRECT_BYTES
from qasino_server.direct_request import DirectRequest
from qasino_server.http_port import HttpPort
from qasino_server.server import Server

USUAL = "Sec-Fetch-Site: same-origin\r\n"
"""A header that leads a request the usual way, and changes nothing else."""
READ_BYTES = 256_000
"""What uvloop reads at once."""
ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"


def request(body: Any, url: str = "/request?op=query", more: str = "") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"POST {url} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n{more}\r\n"
    return head.encode() + data


def answers(made: socket.socket, count: int) -> list[tuple[int, dict[str, str], bytes]]:
    """The next answers on a connection; all of them have a length."""
    found = []
    with made.makefile("rb") as stream:
        for _ in range(count):
            status = int(stream.readline().split()[1])
            headers = {}
            while line := stream.readline().strip():
                name, _, value = line.decode().partition(": ")
                headers[name.lower()] = value
            found.append((status, headers, stream.read(int(headers["content-length"]))))
    return found


def port_of(server: Server) -> Any:
    return next(s for s in server._services if isinstance(s, HttpPort))


def connections_of(server: Server) -> list[GuardedProtocol]:
    servers = port_of(server)._servers
    return [c for one in servers for c in list(one.server_state.connections)]


def without_times(body: bytes) -> bytes:
    return re.sub(rb'"(generation_age_s|elapsed_s)":[0-9.e-]+', rb'"\1":0', body)


def table(identity: str, rows: Any) -> dict[str, Any]:
    return publication(identity, "fleet", ["a", "b"], ["int", "text"], rows)


SENT = {
    "a query": {"sql": "select 1 as a, 'x' as b"},
    "a query of types": {"sql": "select 1 as a, null as b", "typed": True},
    "a mistake in SQL": {"sql": "select hots"},
    "no statement": {},
    "no JSON": b"{",
    "no UTF-8": b'{"sql": "\xff"}',
    "nothing": b"",
    "a list": [],
    "a result in portions": {"sql": "select printf('%.*c', 700000, 'x') as x"},
}


@pytest.mark.parametrize("body", SENT.values(), ids=SENT)
def test_a_query_is_answered_as_the_usual_way_answers_it(wire: Wire, body: Any) -> None:
    with wire.connect("http") as made:
        made.sendall(request(body) + request(body, more=USUAL))
        (status, headers, direct), (usual_status, usual_headers, usual) = answers(made, 2)
    assert (status, without_times(direct)) == (usual_status, without_times(usual))
    for name in ("date", "content-length"):
        headers.pop(name), usual_headers.pop(name)
    for name in ("content-security-policy", "x-content-type-options"):
        usual_headers.pop(name)  # for browsers, whose requests are not direct
    assert headers == usual_headers


@pytest.mark.parametrize("url", ["/request?op=add_table_data", "/request"])
def test_publications_are_taken_or_refused_as_the_usual_way_does(wire: Wire, url: str) -> None:
    for way, more in (("direct", ""), ("usual", USUAL)):
        sent = [
            table(f"good-{way}", [[1, "x"], [2, "y"]]),
            table(f"bad-{way}", [[1, "x"], [2]]),
            table("", [[1, "x"]]),
        ]
        with wire.connect("http") as made:
            made.sendall(
                b"".join(request({"op": "add_table_data", **one}, url, more) for one in sent)
            )
            told = answers(made, 3)
        assert [status for status, _, _ in told] == [200, 400, 400]
        assert json.loads(told[0][2])["nr_rows"] == 2
        assert "row 2 has 1 cells" in json.loads(told[1][2])["error_message"]
        assert "identity is empty" in json.loads(told[2][2])["error_message"]


def test_answers_come_in_the_order_of_the_requests_whichever_way_they_went(wire: Wire) -> None:
    """Also where some take long and are overtaken by none."""
    slow = "with recursive n(i) as (select 1 union all select i + 1 from n limit 300000)"
    sent, expected = [], []
    for n in range(60):
        sql = f"{slow} select {n} as n, max(i) from n" if n % 10 == 0 else f"select {n} as n"
        sent.append(request({"sql": sql, "typed": True}, more=USUAL if n % 3 == 0 else ""))
        expected.append(n)
    with wire.connect("http") as made:
        made.sendall(b"".join(sent))
        told = answers(made, len(sent))
    assert [json.loads(body)["table"]["rows"][0][0] for _, _, body in told] == expected


def test_a_body_that_comes_byte_by_byte_is_read_whole(wire: Wire) -> None:
    with wire.connect("http") as made:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request({"sql": "select 7 as seven", "typed": True}):
            made.sendall(bytes([byte]))
        ((_, _, body),) = answers(made, 1)
    assert json.loads(body)["table"]["rows"] == [[7]]


def test_a_body_over_the_bound_goes_the_usual_way_to_the_same_answer(wire: Wire) -> None:
    rows = [[n, "x" * 50] for n in range(2 * DIRECT_BYTES // 50)]
    with wire.connect("http") as made:
        made.sendall(request(table("wide", rows), "/request?op=add_table_data"))
        ((status, _, body),) = answers(made, 1)
    assert status == 200
    assert json.loads(body)["nr_rows"] == len(rows)


@pytest.mark.usefixtures("soon_gone")
def test_a_client_that_has_gone_ends_no_other_query_of_the_same_id(
    server: Server, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WATCH_AFTER_S", 0.5)
    asked = request({"sql": ENDLESS, "query_id": "mine"})
    with wire.connect("http") as first:
        first.sendall(asked)
        until(lambda: wire.rows("show queries"))
    until(lambda: not connections_of(server))
    gone_s = time.monotonic()
    wire.rows("kill mine")
    until(lambda: not wire.rows("show queries"))
    with wire.connect("http") as again:
        again.sendall(asked)
        until(lambda: wire.rows("show queries"))
        until(lambda: time.monotonic() > gone_s + 1)
        assert [row[0] for row in wire.rows("show queries")] == ["mine"]


def test_who_leaves_a_large_answer_half_read_ends_no_other_query_of_the_same_id(
    server: Server, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WATCH_AFTER_S", 0.0)
    wire.publish("a", "large", ["x"], ["text"], [["y" * 1000] for _ in range(20_000)])
    server.rotate()
    with wire.connect("http") as first:
        first.sendall(request({"sql": "select x from large", "query_id": "mine"}))
        assert first.recv(100).startswith(b"HTTP/1.1 200")
        assert not wire.rows("show queries")
        again = wire.connect("http")
        again.sendall(request({"sql": ENDLESS, "query_id": "mine"}))
        until(lambda: wire.rows("show queries"))
    until(lambda: len(connections_of(server)) == 1)
    assert [row[0] for row in wire.rows("show queries")] == ["mine"]
    again.close()


@pytest.mark.usefixtures("soon_gone")
def test_a_query_whose_client_has_gone_is_cancelled(server: Server, wire: Wire) -> None:
    made = wire.connect("http")
    made.sendall(request({"sql": ENDLESS}))
    until(lambda: wire.rows("show queries"))
    made.close()
    until(lambda: not wire.rows("show queries"))


def test_nor_does_one_that_was_sent_before_others_hold_up_the_port(
    server: Server, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    """Its answer went to the closed connection, and that error ended the port's turns."""
    with wire.connect("http") as made:
        made.sendall(request({"sql": ENDLESS}) + request({"sql": "select 1"}))
        until(lambda: wire.rows("show queries"))
        (connection,) = [c for c in connections_of(server) if c.client == made.getsockname()]
        until(lambda: connection.pipeline)
        port_of(server)._app.mailbox.post(connection.transport.close)
        assert made.recv(1000) == b""
    until(lambda: not wire.rows("show queries"))
    assert wire.rows("select 2") == [[2]]
    assert not [record for record in caplog.records if record.name == "asyncio"]


BROKEN = {
    "no request": (b"what\0\r\n\r\n", 400),
    "a blank": (b" ", 400),
    "no end": (b"GET / HTTP/1.1\r\nHost: localhost\r\nx: " + b"x" * 70_000, 431),
    "a chunk of no size": (
        b"POST /request HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nwhat",
        400,
    ),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("more", ["", USUAL], ids=["direct", "usual"])
@pytest.mark.parametrize("nr_before", [1, 3])
def test_what_is_no_request_is_told_behind_the_answers_to_those_before_it(
    server: Server, wire: Wire, broken: tuple[bytes, int], more: str, nr_before: int
) -> None:
    """What was stored was answered by that refusal, which came first, and what ran was ended."""
    rest, status = broken
    stored = request(table("web-1", [[1, "x"]]), "/request?op=add_table_data", more)
    slow = "with recursive n(i) as (select 1 union all select i + 1 from n limit 1000000)"
    asked = request({"sql": f"{slow} select 'slow' as x, max(i) from n"}, more=more)
    told = wire.http_raw(stored + asked * (nr_before - 1) + rest)
    heads = re.findall(rb"^HTTP/1.1 (\d+)", told, re.MULTILINE)
    assert heads == [b"200"] * nr_before + [b"%d" % status]
    assert told.count(b'"slow"') == nr_before - 1
    server.rotate()
    assert wire.rows("select a from fleet") == [[1]]


def test_behind_what_is_no_request_none_is_read(server: Server, wire: Wire) -> None:
    with wire.connect("http") as made:
        made.sendall(request({"sql": ENDLESS, "query_id": "slow"}) + b"what\r\n\r\n")
        until(lambda: wire.rows("show queries"))
        made.sendall(request(table("web-1", [[1, "x"]]), "/request?op=add_table_data"))
        be_read(wire, 1)
        wire.query("kill slow")
        assert [status for status, _, _ in answers(made, 2)] == [400, 400]
        assert made.recv(1000) == b""
    server.rotate()
    assert "no such table" in wire.query("select a from fleet")["error_message"]


def test_who_is_answered_before_the_end_of_a_broken_body_is_told_no_more(wire: Wire) -> None:
    """The refusal stood where the answer to the next request is sought."""
    chunked = b"POST /no HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with wire.connect("http") as made:
        made.sendall(chunked)
        assert answers(made, 1)[0][0] == 404
        made.sendall(b"what\r\n")
        assert made.recv(1000) == b""


@pytest.mark.usefixtures("soon_gone")
@pytest.mark.parametrize("url", ["/request?op=query", "/request?op=query&format=csv"])
def test_nor_one_of_the_usual_way_that_was_sent_before_others(wire: Wire, url: str) -> None:
    """uvicorn tells the last request that came of the client's going."""
    made = wire.connect("http")
    made.sendall(request({"sql": ENDLESS}, url, USUAL) + request({"sql": "select 1"}))
    until(lambda: wire.rows("show queries"))
    made.close()
    until(lambda: not wire.rows("show queries"))


@pytest.mark.usefixtures("soon_gone")
@pytest.mark.parametrize("nr_behind", [1, 500])
@pytest.mark.parametrize("breaks_off", [False, True], ids=["closed", "broken off"])
@pytest.mark.parametrize("way", ["direct", "usual"])
def test_nor_one_before_others_that_were_sent_when_it_ran(
    make_server: Callable[..., Server],
    wire_to: Callable[[Server], Wire],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    breaks_off: bool,
    nr_behind: int,
) -> None:
    """Where many wait nothing is read, so nobody heard of the end of what was to be read."""
    monkeypatch.setattr(connections, "SWEEP_S", 0.05)
    wire = wire_to(make_server())
    made = wire.connect("http")
    made.sendall(request({"sql": ENDLESS}, more=USUAL if way == "usual" else ""))
    until(lambda: [1 for row in wire.rows("show queries") if row[1] > 0.2])
    made.sendall(b"GET /healthz/live HTTP/1.1\r\nHost: localhost\r\n\r\n" * nr_behind)
    if breaks_off:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    made.close()
    until(lambda: not wire.rows("show queries"))


@pytest.mark.usefixtures("soon_gone")
@pytest.mark.parametrize("nr_behind", [1, 50])
def test_nor_a_direct_one_that_was_sent_before_others(wire: Wire, nr_behind: int) -> None:
    """Reading stopped at the second request, and the query went on until its time was over."""
    made = wire.connect("http")
    made.sendall(request({"sql": ENDLESS}) + request({"sql": "select 1"}) * nr_behind)
    until(lambda: wire.rows("show queries"))
    made.close()
    until(lambda: not wire.rows("show queries"))


def test_who_follows_the_events_and_asked_for_more_is_let_go(server: Server, wire: Wire) -> None:
    """Each kept its place for good, and every generation logged that it was gone."""
    followers = port_of(server)._app.pages.events._followers
    get = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"
    made = wire.connect("http")
    made.sendall(get % b"/healthz/live" + get % b"/events" + get % b"/healthz/live")
    until(lambda: len(followers) == 1)
    made.close()
    until(lambda: len(followers) == 0)


def test_a_client_that_reads_nothing_is_not_read_from_either(server: Server, wire: Wire) -> None:
    """Its answers would pile up here."""
    one = request({"sql": "select printf('%.*c', 100000, 'x') as x"})
    with wire.connect("http") as made:
        made.settimeout(0.5)
        with pytest.raises(TimeoutError):
            made.sendall(one * 1_000_000)
        (connection,) = connections_of(server)
        assert until(lambda: len(connection.pipeline)) <= SENT_AHEAD_MAX + READ_BYTES // len(one)
    assert wire.rows("select 1") == [[1]]


def test_of_short_requests_sent_ahead_few_are_read(server: Server, wire: Wire) -> None:
    """One read held 14,000 of them, in sixty times their bytes."""
    short, count = b"GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n", 2_000
    with wire.connect("http") as made:
        made.sendall(request({"sql": ENDLESS, "query_id": "slow"}))
        until(lambda: wire.rows("show queries"))
        (connection,) = [c for c in connections_of(server) if c.client == made.getsockname()]
        made.sendall(short * count)
        until(lambda: connection.flow.unparsed)
        assert len(connection.pipeline) < SENT_AHEAD_MAX + 4096 // len(short) + 1
        wire.query("kill slow")
        assert len(answers(made, count + 1)) == count + 1
        assert not connection.flow.unparsed


LARGE = {
    "bodies": request({"sql": "select 1", "x": "x" * 60_000}),
    "bodies in chunks": b"POST /request?op=query HTTP/1.1\r\nHost: localhost\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nea60\r\n%b\r\n0\r\n\r\n"
    % b'{"sql": "select 1"}'.ljust(60_000),
    "heads": request({"sql": "select 1"}, more=f"x: {'x' * 60_000}\r\n"),
    "URLs": request({"sql": "select 1"}, "/request?op=query&x=" + "x" * 60_000),
}


@pytest.mark.parametrize("large", LARGE.values(), ids=LARGE)
@pytest.mark.parametrize("more", ["", USUAL], ids=["direct", "usual"])
def test_of_large_requests_sent_ahead_little_is_held(
    server: Server, wire: Wire, large: bytes, more: str
) -> None:
    """A hundred of 60,000 bytes were, for each connection, and counted as nobody's."""
    count = 150
    with wire.connect("http") as made:
        made.sendall(request({"sql": ENDLESS, "query_id": "slow"}, more=more))
        until(lambda: wire.rows("show queries"))
        (connection,) = [c for c in connections_of(server) if c.client == made.getsockname()]
        sender = threading.Thread(target=made.sendall, args=(large * count,))
        sender.start()
        until(lambda: connection.flow.unparsed)
        assert len(connection.pipeline) <= 2
        assert len(connection.flow.unparsed) <= READ_BYTES
        wire.query("kill slow")
        told = [status for status, _, _ in answers(made, count + 1)]
        sender.join()
        assert told == [400] + [200] * count
        assert connection.flow.waiting_bytes == 0


@pytest.mark.parametrize("more", ["", USUAL], ids=["direct", "usual"])
def test_a_client_that_sends_far_ahead_and_reads_on_gets_all_answers(wire: Wire, more: str) -> None:
    count = 3_000
    sent = b"".join(
        request({"sql": f"select {n % 100} as n", "typed": True}, more=more) for n in range(count)
    )
    with wire.connect("http") as made:
        sender = threading.Thread(target=made.sendall, args=(sent,))
        sender.start()
        told = answers(made, count)
        sender.join()
    got = [json.loads(body)["table"]["rows"][0][0] for _, _, body in told]
    assert got == [n % 100 for n in range(count)]


def cells(n: int) -> Any:
    return table(f"host-{n:03}", [[n, "x"]])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Such as have heads in common, and some that are not quite requests."""
    body = draw(
        st.sampled_from([{"sql": "select 1"}, {"sql": "select 2"}, {"sql": "select"}, [1], b"{"])
        | st.integers(0, 3).map(cells)
    )
    url = draw(st.sampled_from(["/request", "/request?op=query", "/request?op=add_table_data"]))
    more = draw(
        st.sampled_from(["", "", "x: y\r\n", "x : y\r\n", "x: y\n", USUAL, "Host: evil\r\n"])
    )
    one = request(body, url, more)
    method, space, rest = one.partition(b" ")
    return draw(st.sampled_from([method, method, method, b"POSTS", b"\r\nPOST"])) + space + rest


def told_of(wire: Wire, sent: list[bytes]) -> list[tuple[int, bytes]]:
    """The answer to each, sent when the one before is answered; no more where it is closed."""
    told = []
    with wire.connect("http") as made:
        for one in sent:
            made.sendall(one)
            ((status, headers, body),) = answers(made, 1)
            told.append((status, without_times(body)))
            if headers.get("connection") == "close":
                break
    return told


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # what is stored is there
@given(st.lists(requests(), min_size=1, max_size=6))
def test_a_head_that_was_read_before_says_what_it_said_then(
    server: Server, wire: Wire, sent: list[bytes]
) -> None:
    for one in sent:  # so that what is published is there already
        told_of(wire, [one])
    forget_heads(server)
    first, again = told_of(wire, sent), told_of(wire, sent)
    assert first == again


def forget_heads(server: Server) -> None:
    port = next(s for s in server._services if isinstance(s, HttpPort))
    lane = port._app.lane
    assert lane is not None
    for heads in lane._heads.values():
        heads._known.clear()


def test_a_head_is_not_taken_for_that_of_another_request(wire: Wire) -> None:
    """The first is answered before the second is read, so both are direct."""
    query = request({"sql": "select 1"})
    refused = request(b"[1]".ljust(19), "/request?op=add_table_data")
    with wire.connect("http") as made:
        made.sendall(refused + query)
        assert [status for status, _, _ in answers(made, 2)] == [400, 200]
    ((status, _),) = told_of(wire, [refused.replace(b"[1]".ljust(19), b'{"sql": "select 1"}')])
    assert status == 400  # as the query it would be 200


def test_a_request_inside_the_head_of_another_is_none(server: Server, wire: Wire) -> None:
    inside = request({"sql": "select 1"})
    assert [status for status, _ in told_of(wire, [inside])] == [200]
    with wire.connect("http") as made:
        made.sendall(b"GET /healthz/live HTTP/1.1\r\nx: ")
        until(lambda: any(not c._between for c in connections_of(server)))
        made.sendall(inside)
        ((_, _, body),) = answers(made, 1)
    assert b'"live"' in body


def test_a_request_with_a_known_head_waits_for_the_answers_before_it(wire: Wire) -> None:
    slow = "with recursive n(i) as (select 1 union all select i + 1 from n limit 3000000)"
    quick = request({"sql": "select 'quick' as x"})
    assert [status for status, _ in told_of(wire, [quick])] == [200]
    with wire.connect("http") as made:
        made.sendall(request({"sql": f"{slow} select 'slow' as x, max(i) from n"}))
        until(lambda: wire.rows("show queries"))
        made.sendall(quick)
        told = [body for _, _, body in answers(made, 2)]
    assert [b"slow" in told[0], b"quick" in told[1]] == [True, True]


def test_a_connection_that_is_to_be_closed_is_closed_with_its_answer(wire: Wire) -> None:
    told = wire.http_raw(request({"sql": "select 1"}, more="Connection: close\r\n"))
    assert told.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" in told.lower()


def test_a_host_of_another_name_is_refused(wire: Wire) -> None:
    with wire.connect("http") as made:
        made.sendall(request({"sql": "select 1"}).replace(b"localhost", b"evil.example"))
        ((status, _, body),) = answers(made, 1)
    assert status == 403
    assert b"evil.example" in body


def test_plain_requests_are_the_direct_ones(
    server: Server, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or nothing above has tried them."""
    made: list[str] = []
    begin = DirectRequest.__init__

    def noted(self: DirectRequest, connection: Any, url: bytes, peer: str) -> None:
        made.append(url.decode())
        begin(self, connection, url, peer)

    monkeypatch.setattr(DirectRequest, "__init__", noted)
    wire.http_post("query", {"sql": "select 1"})
    wire.http_post("query", {"sql": "select 1"}, format="csv")
    wire.http("POST", "op=query", b'{"sql": "select 1"}', {"Sec-Fetch-Site": "same-origin"})
    assert made == ["/request?op=query"]


def test_the_end_of_a_head_is_not_learned_as_one(wire: Wire) -> None:
    """Whoever sent a bare line end was answered then, though they had asked for nothing."""
    with wire.connect("http") as made:
        head = b"POST /request?op=query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for n in range(4):  # the two packets may come as one
            made.sendall(head)
            be_read(wire, n)
            made.sendall(b"\r\n")
            assert answers(made, 1)[0][0] == 400
    with wire.connect("http") as made:
        made.sendall(b"\r\n\r\n")
        be_read(wire, 4)
        made.sendall(request({"sql": "select 1"}))
        assert answers(made, 1)[0][0] == 200


def be_read(wire: Wire, number: int) -> None:
    """What was sent before, on whichever connection, is read when this is answered."""
    assert wire.rows(f"select {number}") == [[number]]


def test_a_packet_that_ends_within_the_end_of_a_head_is_not_taken_for_a_whole_request(
    wire: Wire,
) -> None:
    head, body = request({"sql": "select 1"}).split(b"\r\n\r\n")
    body += b" " * (len(head) - 2 - len(body))
    head = head.replace(b"Length: %d" % len(b'{"sql": "select 1"}'), b"Length: %d" % len(body))
    assert len(body) == len(head) - 2
    with wire.connect("http") as made:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for n in range(4):
            made.sendall(head + b"\r\n\r\n" + body)
            assert answers(made, 1)[0][0] == 200
            made.sendall(head + b"\r")
            be_read(wire, n)
            made.sendall(b"\n\r\n" + body)
            assert answers(made, 1)[0][0] == 200


WISHES = {
    "curl --http2": (
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    ),
    "a web socket": "upgrade: WebSocket\r\nconnection: keep-alive, upgrade\r\n",
}


@pytest.mark.parametrize("more", WISHES.values(), ids=WISHES)
@pytest.mark.parametrize("way", ["", USUAL], ids=["direct", "usual"])
@pytest.mark.parametrize("size", [1, 7, 1_000_000])
def test_who_asks_for_another_protocol_is_answered_in_this_one(
    wire: Wire, way: str, more: str, size: int
) -> None:
    """The body was lost, or read as the next request."""
    sent = b"".join(
        request({"sql": f"select {n} as n", "typed": True}, more=way + more) for n in range(3)
    )
    with wire.connect("http") as made:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for begins in range(0, len(sent), size):
            made.sendall(sent[begins : begins + size])
        told = answers(made, 3)
    assert [json.loads(body)["table"]["rows"] for _, _, body in told] == [[[0]], [[1]], [[2]]]


CLOSING = {
    "curl --http2": WISHES["curl --http2"].replace("Upgrade,", "close, Upgrade,"),
    "a line of its own": WISHES["a web socket"] + "Connection: close\r\n",
    "the first line": "Connection: close\r\n" + WISHES["a web socket"],
}


@pytest.mark.parametrize("more", CLOSING.values(), ids=CLOSING)
@pytest.mark.parametrize("way", ["", USUAL], ids=["direct", "usual"])
def test_so_is_who_wants_no_more_than_one_answer(wire: Wire, way: str, more: str) -> None:
    """It waited for a minute, and was told that its request did not come."""
    told = wire.http_raw(request({"sql": "select 7 as n", "typed": True}, more=way + more))
    assert told.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nconnection: close\r\n" in told.lower()
    assert b'"rows":[[7]]' in told


def test_as_many_wishes_for_another_protocol_as_go_into_a_packet_hurt_nobody(wire: Wire) -> None:
    with wire.connect("http") as made:
        made.sendall(request({"sql": "select 1"}, more=WISHES["a web socket"]) * 1500)
        assert {status for status, _, _ in answers(made, 1500)} == {200}
    assert wire.rows("select 1") == [[1]]


def test_the_body_of_a_wish_for_another_protocol_may_be_in_chunks(wire: Wire) -> None:
    head = "POST /request?op=query HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    with wire.connect("http") as made:
        made.sendall((head + WISHES["curl --http2"] + "\r\n").encode())
        made.sendall(b'10\r\n{"sql":"select 1\r\n2\r\n"}\r\n0\r\n\r\n')
        ((status, _, _),) = answers(made, 1)
    assert status == 200
