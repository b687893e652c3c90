"""Queries without measure: they are stopped, and more than the server holds is refused."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

import pytest
import zmq
from ill_treated import (
    ENDLESS,
    TIMEOUT_S,
    TRILLION,
    Site,
    ask,
    is_error,
    message,
    receive,
    running,
    seconds_of,
    strict_json,
)
from wire import Wire, as_bytes, read_all, until

ENDLESS_WAYS = {
    "count": ENDLESS,
    "order by": ENDLESS.replace("count(*) from n", "i from n order by i desc"),
    "a filter that finds nothing": ENDLESS.replace("count(*) from n", "i from n where i < 0"),
    "a join": TRILLION.replace("a.i as a, b.i as b", "sum(a.i * b.i)"),
    "a view's own tables": "select count(*) from pragma_function_list a, pragma_function_list b,"
    " pragma_function_list c, pragma_function_list d, pragma_function_list e",
}


@pytest.mark.parametrize("sql", ENDLESS_WAYS.values(), ids=ENDLESS_WAYS)
def test_a_query_that_never_ends_is_stopped_in_time(site: Site, sql: str) -> None:
    took_s, (status, _, body) = seconds_of(lambda: site.wire.http_post("query", {"sql": sql}))
    assert status == 504
    is_error(strict_json(body), rf"did not end within {TIMEOUT_S} s \(--query-timeout\)")
    assert TIMEOUT_S <= took_s < TIMEOUT_S + 5.0
    site.unhurt()


def test_a_query_that_never_ends_is_stopped_on_every_way_it_can_come(site: Site) -> None:
    by_get: list[Callable[[], Any]] = [
        partial(site.wire.http_get, {"op": "query", "sql": ENDLESS, "format": form})
        for form in ("json", "text", "html", "csv", "tsv", "ndjson")
    ]
    others = [
        lambda: (None, {}, site.wire.zmq_request({"op": "query", "sql": ENDLESS})[0]),
        lambda: (None, {}, site.wire.line(f"{ENDLESS};").encode()),
    ]
    with ThreadPoolExecutor(8) as pool:
        for answer in pool.map(lambda call: seconds_of(call), [*by_get, *others]):
            took_s, (status, _, body) = answer
            assert status in (None, 504)
            assert b"did not end within 0.4 s" in body
            assert took_s < TIMEOUT_S + 5.0
    site.unhurt()


def test_a_look_that_never_ends_is_stopped_as_a_timeout(own_site: Callable[..., Site]) -> None:
    place = own_site()
    look = {"sql": ENDLESS, "use_write_db": True}
    took_s, (status, _, body) = seconds_of(lambda: place.wire.http_post("query", look))
    assert took_s < 6.0
    assert status == 504
    is_error(strict_json(body), "1 s .*use_write_db")
    place.unhurt()


@pytest.mark.parametrize("form", ["strings", "typed", "text", "zmq", "line"])
def test_a_result_of_10_to_the_12_rows_is_cut_and_says_so(patient: Site, form: str) -> None:
    wire = patient.wire
    if form == "line":
        assert "(cut: the result has more" in wire.line(f"{TRILLION};")
    elif form == "text":
        status, _, body = wire.http_get({"op": "query", "sql": TRILLION, "format": form})
        assert status == 200
        assert body.count(b"\n") > 100_000
    else:
        body = {"op": "query", "sql": TRILLION, "typed": form == "typed"}
        status, answer = ask(wire, "zmq" if form == "zmq" else "http", body)
        assert status in (None, 200)
        assert answer["truncated"] is True
        assert len(answer["table"]["rows"]) == 100_000
    patient.unhurt()


def test_a_result_of_more_bytes_than_allowed_is_cut_and_says_so(
    own_site: Callable[..., Site],
) -> None:
    place = own_site(max_result_bytes=1_000_000)
    answer = place.wire.query(f"select hex(zeroblob(1000)) from ({TRILLION})")
    assert answer["truncated"] is True
    assert 400 < len(answer["table"]["rows"]) < 501
    place.unhurt()


HUGE_VALUES = [
    "randomblob(2000000000)",
    "zeroblob(2000000000)",
    "hex(zeroblob(60000000))",
    "length(randomblob(1000000000))",
    "printf('%2000000000d', 1)",
    "printf('%.*c', 2000000000, 'x')",
    "replace(hex(zeroblob(1000000)), '0', hex(zeroblob(1000)))",
    "length(hex(zeroblob(30000000)) || hex(zeroblob(30000000)))",
    "(select group_concat(hex(zeroblob(1000000))) from (values (1), (2), (3)) a,"
    " pragma_function_list)",
    "substr(zeroblob(2000000000), 1, 1)",
    "round(1, randomblob(2000000000))",
]


@pytest.mark.parametrize("value", HUGE_VALUES, ids=lambda value: value[:40])
def test_a_value_of_gigabytes_is_refused(patient: Site, transport: str, value: str) -> None:
    status, answer = ask(patient.wire, transport, {"op": "query", "sql": f"select {value}"})
    is_error(answer, "larger than this server builds")
    assert status in (None, 400)
    patient.unhurt()


def test_a_stream_that_runs_out_of_time_breaks_off(site: Site) -> None:
    # Its inner table is small and its rows are wide, so that much comes before the time is up.
    sql = TRILLION.replace("1000000", "50000").replace("b.i as b", "printf('%.*c', 5000, 'x') as b")
    with asked_for(site.wire, sql, "csv") as made:
        told = read_all(made)
    assert told.startswith(b"HTTP/1.1 200 ")
    assert b"Transfer-Encoding: chunked" in told or b"transfer-encoding: chunked" in told
    assert len(told) > 1_000_000
    assert not told.endswith(b"0\r\n\r\n"), "a chunked body that ends is a whole one"
    site.unhurt()


# --- Stopping queries -----------------------------------------------------------------------


def asked_for(wire: Wire, sql: str, form: str) -> socket.socket:
    """A connection over which a query has been sent by GET."""
    made = wire.connect("http")
    params = urlencode({"op": "query", "format": form, "sql": sql})
    made.sendall(f"GET /request?{params} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return made


def is_running(wire: Wire, query_id: str) -> bool:
    return query_id in [line[0] for line in running(wire)]


STOPS: dict[str, Callable[[Wire, str], Any]] = {
    "op cancel over HTTP": lambda wire, n: wire.post("cancel", query_id=n),
    "op cancel over ZeroMQ": lambda wire, n: json.loads(
        wire.zmq_request({"op": "cancel", "query_id": n})[0]
    ),
    "KILL over HTTP": lambda wire, n: wire.query(f"KILL {n}"),
    "KILL over ZeroMQ": lambda wire, n: json.loads(
        wire.zmq_request({"op": "query", "sql": f"kill '{n}';"})[0]
    ),
    "KILL on the line port": lambda wire, n: {
        "response_op": "ok" if "1 rows returned" in wire.line(f"kill {n};") else "error"
    },
}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
def test_a_query_can_be_stopped_over_a_second_connection(
    patient: Site, transport: str, stop: Callable[[Wire, str], Any], beside: Callable[..., Any]
) -> None:
    wire = patient.wire
    body = {"op": "query", "sql": ENDLESS, "query_id": "mine"}
    answer = beside(partial(ask, wire, transport, body))
    until(lambda: is_running(wire, "mine"))
    ((_, seconds, port, peer, sql),) = running(wire)
    assert (port, sql) == (transport, ENDLESS)
    assert 0 <= seconds < 10
    assert peer
    assert stop(wire, "mine")["response_op"] != "error"
    took_s, (status, error) = seconds_of(answer.result)
    assert took_s < 5.0
    assert status in (None, 400)
    is_error(error, "cancelled")
    assert not running(wire)
    assert stop(wire, "mine")["response_op"] == "error"
    patient.unhurt()


def test_a_second_query_of_a_running_id_is_refused(
    patient: Site, beside: Callable[..., Any]
) -> None:
    wire = patient.wire
    first = beside(lambda: wire.query(ENDLESS, query_id="mine"))
    until(lambda: is_running(wire, "mine"))
    is_error(wire.query("select 1", query_id="mine"), "id mine is running already")
    wire.post("cancel", query_id="mine")
    is_error(first.result(), "cancelled")
    assert wire.query("select 1", query_id="mine")["response_op"] == "result_table"
    patient.unhurt()


def test_slow_queries_leave_a_reader_to_quick_ones(
    patient: Site, beside: Callable[..., Any]
) -> None:
    wire = patient.wire
    slow = [beside(partial(wire.query, ENDLESS, query_id=f"slow{n}")) for n in range(8)]
    until(lambda: len(running(wire)) == 8)
    took_s, rows = seconds_of(lambda: wire.rows("select 1"))
    assert rows == [[1]]
    assert took_s < 9.0
    assert seconds_of(lambda: wire.rows("select 1"))[0] < 1.5
    for n in range(8):
        wire.post("cancel", query_id=f"slow{n}")
    for each in slow:
        is_error(each.result(), "cancelled")
    patient.unhurt()


def leave(made: socket.socket, abruptly: bool) -> None:
    """Close a connection; abruptly means with a reset."""
    if abruptly:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    made.close()


@pytest.mark.usefixtures("soon_gone")
@pytest.mark.parametrize("abruptly", [False, True])
def test_the_query_of_a_line_client_that_leaves_is_stopped(patient: Site, abruptly: bool) -> None:
    made = patient.wire.connect("line")
    made.sendall(f"{ENDLESS};\n".encode())
    until(lambda: [line for line in running(patient.wire) if line[2] == "line"])
    leave(made, abruptly)
    until(lambda: not running(patient.wire), within_s=3.0)
    patient.unhurt()


def test_a_line_client_that_breaks_its_query_off_is_told_nothing_of_it(patient: Site) -> None:
    with patient.wire.connect("line") as made:
        made.sendall(f"select 'x' as x; {ENDLESS};\n".encode())
        until(lambda: [line for line in running(patient.wire) if "recursive" in line[4]])
        made.sendall(b"\x03")
        until(lambda: not running(patient.wire))
        assert read_all(made).endswith(b"x\r\n1 rows returned\r\nBye!\r\n")
    patient.unhurt()


def test_a_line_client_that_reads_late_is_told_nothing_after_the_bye(patient: Site) -> None:
    wire = patient.wire
    with wire.connect("line") as made:
        made.sendall(f"select printf('%.*c', 8000000, 'x') as x; {ENDLESS};\n".encode())
        assert made.recv(1, socket.MSG_PEEK)  # the next statement waits for the rest to be read
        made.sendall(b"\x03")
        until(lambda: not running(wire))
        assert read_all(made)[-40:].endswith(b"x\r\n1 rows returned\r\nBye!\r\n")
    patient.unhurt()


@pytest.mark.usefixtures("soon_gone")
@pytest.mark.parametrize("abruptly", [False, True])
@pytest.mark.parametrize("form", ["json", "text", "csv", "ndjson"])
def test_the_query_of_an_http_client_that_leaves_is_stopped(
    patient: Site, form: str, abruptly: bool
) -> None:
    made = asked_for(patient.wire, ENDLESS, form)
    until(lambda: running(patient.wire))
    leave(made, abruptly)
    until(lambda: not running(patient.wire), within_s=3.0)
    patient.unhurt()


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_stream_whose_client_leaves_in_the_middle_is_stopped(patient: Site, form: str) -> None:
    made = asked_for(patient.wire, TRILLION, form)
    assert len(receive(made, 2 << 20)) == 2 << 20
    assert [line[2] for line in running(patient.wire)] == ["http"]
    leave(made, abruptly=True)
    until(lambda: not running(patient.wire), within_s=3.0)
    patient.unhurt()


@pytest.mark.usefixtures("soon_gone")
def test_a_stream_whose_client_reads_nothing_hurts_nobody_and_is_stopped(
    patient: Site,
) -> None:
    made = asked_for(patient.wire, TRILLION, "csv")
    until(lambda: running(patient.wire))
    assert patient.wire.rows("select 1") == [[1]]
    leave(made, abruptly=False)
    until(lambda: not running(patient.wire), within_s=3.0)
    patient.unhurt()


# --- More than the server holds -------------------------------------------------------------


def test_more_queries_than_can_wait_are_told_to_come_again(own_site: Callable[..., Site]) -> None:
    place = own_site(query_timeout_s=4.0)
    request = as_bytes({"op": "query", "sql": ENDLESS})
    with ExitStack() as stack:
        sockets = [stack.enter_context(place.wire.zmq_socket(zmq.DEALER)) for _ in range(3)]
        for _ in range(700):
            for made in sockets:
                made.send(request)
        until(lambda: any(made.poll(0) for made in sockets))
        status, _, _ = place.wire.http_post("query", {"sql": "show tables"})
        assert status == 200, "whoever shares the address can still look around"
        port = place.wire.ports["http"]
        other = HTTPConnection("127.0.0.1", port, timeout=10, source_address=("127.0.0.2", 0))
        other.request("GET", "/request?op=query&sql=select+1")
        assert other.getresponse().status == 200, "another address is not kept from asking"
        other.close()
        answers = [json.loads(made.recv_multipart()[-1]) for made in sockets * 700]
    told = [answer["error_message"] for answer in answers]
    timed_out = [sentence for sentence in told if "did not end within" in sentence]
    assert 1000 <= len(timed_out) < 1100, "one asker has half of the places"
    busy = "busy: too many queries wait already; try again"
    assert all(sentence == busy for sentence in told if sentence not in timed_out)
    place.unhurt()


def test_more_publications_than_can_wait_are_told_to_come_again(
    small: Site, beside: Callable[..., Any]
) -> None:
    # A look into the open generation has the writer wait for a second.
    look = beside(lambda: small.wire.query(ENDLESS, use_write_db=True, query_id="look"))
    until(lambda: is_running(small.wire, "look"))
    with small.wire.zmq_socket(zmq.DEALER) as made:
        for n in range(20):
            made.send(as_bytes(message(identity=f"h{n}", rows=[[n, "x" * 500]])))
        answers = [json.loads(made.recv_multipart()[-1]) for _ in range(20)]
    look.result()
    busy = [answer for answer in answers if answer["response_op"] == "error"]
    assert 1 <= len(busy) < 20
    for answer in busy:
        is_error(answer, "^busy: as many publications wait to be stored as the server holds")
    small.unhurt("t")
    assert small.wire.rows("select count(*) from t") == [[20 - len(busy)]]
    small.unhurt()
