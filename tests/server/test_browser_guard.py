"""Requests that a page of somewhere else makes a reader's browser send."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from socket import gethostname

import pytest
from wire import Wire, read_all

from qasino_server.browser import names_of
from qasino_server.server import Server

TABLE = {"tablename": "t", "column_names": ["a"], "column_types": ["int"], "rows": [[1]]}
MESSAGE = json.dumps({"identity": "web-1", "table": TABLE})
MakeServer = Callable[..., Server]


def error_of(body: bytes) -> str:
    return str(json.loads(body)["error_message"])


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example:15597",
        "192.168.0.7",
        "localhost.example",
        "127.0.0.1.example:80",
        "0.0.0.0:15597",
        "[::2]:15597",
        "",
        "attacker.example, localhost",
    ],
)
def test_a_name_that_is_none_of_a_loopback_address_is_refused(wire: Wire, host: str) -> None:
    status, _, body = wire.http("GET", {"op": "query", "sql": "select 1"}, headers={"Host": host})
    assert status == 403
    assert "--allow-host" in error_of(body)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:15597",
        "localhost.",
        "Localhost.:15597",
        "127.0.0.1:1",
        "127.8.9.1",
        "[::1]",
        "[::1]:15597",
        "app.localhost",
    ],
)
def test_every_name_of_the_loopback_address_is_served(wire: Wire, host: str) -> None:
    status, _, _ = wire.http("GET", {"op": "query", "sql": "select 1"}, headers={"Host": host})
    assert status == 200


@pytest.mark.parametrize("port", ["", ":15597", "."])
def test_so_is_the_hosts_own_name(wire: Wire, port: str) -> None:
    """/etc/hosts has it at a loopback address, and the server refused it."""
    asked = {"Host": f"{gethostname()}{port}"}
    assert wire.http("GET", {"op": "query", "sql": "select 1"}, headers=asked)[0] == 200
    assert wire.http("POST", {"op": "query"}, b'{"sql": "select 1"}', asked)[0] == 200


def test_a_host_has_its_name_with_its_domain_and_without() -> None:
    assert names_of("Web-1.Example.org") == {"web-1.example.org", "web-1"}
    assert names_of("vm") == {"vm"}
    assert names_of("") == names_of(".") == frozenset()


def test_a_name_that_is_allowed_is_served(
    make_server: MakeServer, wire_to: Callable[[Server], Wire]
) -> None:
    wire = wire_to(make_server(allowed_hosts=frozenset({"stats.example"})))
    query = {"op": "query", "sql": "select 1"}
    assert wire.http("GET", query, headers={"Host": "stats.example:443"})[0] == 200
    assert wire.http("GET", query, headers={"Host": "other.example"})[0] == 403


def test_a_request_without_any_host_comes_from_no_browser(wire: Wire) -> None:
    answer = wire.http_raw(b"GET /request?op=query&sql=select+1 HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("address", ["::1", "127.0.0.1"])
def test_who_listens_on_any_address_is_reached_by_both_kinds(
    make_server: MakeServer, address: str
) -> None:
    """ZeroMQ was; HTTP and the line port refused 127.0.0.1."""
    with Wire(make_server(listen="::").ports, host=address) as wire:
        assert wire.line("select 1;").endswith("1 rows returned\r\n")
        query = {"op": "query", "sql": "select 1"}
        assert wire.http("GET", query, headers={"Host": "localhost"})[0] == 200
        assert wire.http("GET", query, headers={"Host": "attacker.example"})[0] == 403


def test_who_listens_on_an_address_of_ipv6_has_no_other(make_server: MakeServer) -> None:
    ports = make_server(listen="::1").ports
    for port in ("http", "line"):
        with Wire(ports) as wire, pytest.raises(ConnectionRefusedError):
            wire.connect(port)


def test_the_loopback_address_of_ipv6_is_one_too(make_server: MakeServer) -> None:
    wire = Wire(make_server(listen="::1").ports, host="::1")
    query = {"op": "query", "sql": "select 1"}
    assert wire.http("GET", query, headers={"Host": "attacker.example"})[0] == 403
    assert wire.http("GET", query)[0] == 200


FOREIGN = [
    {"Origin": "https://attacker.example"},
    {"Origin": "http://localhost.attacker.example"},
    {"Origin": "http://[attacker"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_another_sites_page_changes_nothing(
    server: Server, wire: Wire, headers: dict[str, str]
) -> None:
    """The image tag: a GET that would have set a value."""
    value = {"op": "name_value_update", "identity": "x", "name": "t.a", "value": "1"}
    assert wire.http("GET", value, headers=headers)[0] == 403
    for op, message in (
        ("add_table_data", MESSAGE),
        ("add_csv_table_data", "1\nt\na\nint\nA\n1\n"),
        ("drop_table", json.dumps({"tablename": "t"})),
        ("query", json.dumps({"sql": "KILL 1"})),
        ("cancel", json.dumps({"query_id": "1"})),
    ):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json"):
            sent = {**headers, "Content-Type": kind}
            params = {"op": op, "identity": "web-1"}
            status, _, body = wire.http("POST", params, message.encode(), sent)
            assert status == 403 or (op in ("query", "cancel") and status == 400), (op, body)
            assert "sent this: it may not" in error_of(body) or status == 400
    server.rotate()
    answer = wire.http_get({"op": "query", "sql": "select * from t"})
    assert "no such table" in error_of(answer[2])


@pytest.mark.parametrize("headers", FOREIGN)
def test_another_sites_page_ends_no_query(wire: Wire, headers: dict[str, str]) -> None:
    """Whether or not that query runs: a page learns nothing from the answer either."""
    endless = "with recursive c(n) as (select 1 union all select n + 1 from c) select max(n) from c"
    socket = wire.zmq_socket()
    socket.send_json({"op": "query", "sql": endless, "query_id": "long"})
    wait_for_query(wire, "long")
    kill = {"op": "query", "sql": "KILL long"}
    assert wire.http("GET", kill, headers=headers)[0] == 403
    cancel = json.dumps({"query_id": "long"}).encode()
    assert wire.http("POST", {"op": "cancel"}, cancel, headers)[0] == 403
    assert wire.http("GET", kill)[0] == 200
    assert b"cancelled" in socket.recv()
    socket.close()


@pytest.mark.parametrize("path", ["/", "/;kill/**/long;"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_another_sites_page_has_nothing_run_over_the_line_port(
    wire: Wire, method: str, path: str
) -> None:
    """A browser sends what a page tells it to that port as well; `*/` ends what Accept began."""
    endless = "with recursive c(n) as (select 1 union all select n + 1 from c) select max(n) from c"
    socket = wire.zmq_socket()
    socket.send_json({"op": "query", "sql": endless, "query_id": "long"})
    wait_for_query(wire, "long")
    with wire.connect("line") as page:
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n"
        page.sendall(head.encode() + b"*/;kill long;\r\n")
        assert read_all(page).startswith(b"HTTP/1.1 400 ")
    wait_for_query(wire, "long")
    assert wire.http("GET", {"op": "query", "sql": "KILL long"})[0] == 200
    assert b"cancelled" in socket.recv()
    socket.close()


def test_a_statement_with_a_word_of_http_is_one(wire: Wire) -> None:
    with wire.connect("line") as typed:
        typed.sendall(b"DELETE FROM t;\r\nquit\r\n")
        assert b"SQL error: " in read_all(typed)


IMAGE = {"User-Agent": "Mozilla/5.0 (X11; Linux) Gecko/20100101 Firefox/150.0"}
"""All that an image of a plain HTTP server elsewhere in the network is asked for with."""
SHELL = {"User-Agent": "Mozilla/5.0 (Windows NT; de-DE) WindowsPowerShell/5.1.19041"}


def test_an_image_changes_nothing_where_browsers_do_not_say_who_asks(
    server: Server, wire: Wire
) -> None:
    value = {"op": "name_value_update", "identity": "x", "name": "t.a", "value": "1"}
    assert wire.http("GET", value, headers=IMAGE)[0] == 403
    assert wire.http("GET", {"op": "query", "sql": "select 1"}, headers=IMAGE)[0] == 200
    typed = {**IMAGE, "Sec-Fetch-Site": "none"}
    for headers in (typed, SHELL, {"User-Agent": "curl/8.0"}):
        assert wire.http("GET", value, headers=headers)[0] == 200
    assert wire.http("POST", {"op": "add_table_data"}, MESSAGE.encode(), SHELL)[0] == 200


def wait_for_query(wire: Wire, query_id: str) -> None:
    """Until the server lists it."""
    for _ in range(1000):
        _, _, body = wire.http_get({"op": "query", "sql": "show queries"})
        if query_id in body.decode():
            return
    raise AssertionError(f"{query_id} never ran")


@pytest.mark.parametrize("agent", ["curl/8.5.0", "Mozilla/5.0 (Windows NT) PowerShell/7.4"])
def test_a_program_that_is_no_browser_may_do_everything(wire: Wire, agent: str) -> None:
    value = {"op": "name_value_update", "identity": "x", "name": "t.a", "value": "1"}
    assert wire.http("GET", value, headers={"User-Agent": agent})[0] == 200


def test_our_own_page_may_do_everything(server: Server, wire: Wire) -> None:
    own = {
        "Host": f"localhost:{server.ports['http']}",
        "Origin": f"http://localhost:{server.ports['http']}",
        "Sec-Fetch-Site": "same-origin",
    }
    status, _, _ = wire.http("POST", {"op": "add_table_data"}, MESSAGE.encode(), own)
    assert status == 200


def test_a_link_on_another_page_to_a_query_is_served(wire: Wire) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    answer = wire.http("GET", {"op": "query", "sql": "select 7", "format": "csv"}, headers=link)
    assert (answer[0], answer[2]) == (200, b"7\n7\n")


REFUSED = {
    "by a URL": ({"op": "add_table_data"}, MESSAGE.encode()),
    "by a body": ({}, json.dumps({"op": "add_table_data", **json.loads(MESSAGE)}).encode()),
    "not even read": ({}, b'{"op": "add_table_data", '),
}


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED)
def test_what_a_page_may_not_publish_pushes_no_other_out_of_the_list(
    server: Server, wire: Wire, caplog: pytest.LogCaptureFixture, sent: tuple[dict[str, str], bytes]
) -> None:
    """A thousand of them, and nobody saw any more what agents do wrong. It is logged."""
    caplog.set_level(logging.INFO, "qasino.dispatch")
    params, body = sent
    assert wire.http("POST", params, body, FOREIGN[0])[0] in (400, 403)
    server.rotate()
    assert wire.rows("select * from qasino_server_rejects") == []
    assert [r.message for r in caplog.records if r.message.startswith("rejected user=- peer=127.")]
    assert b"qasino_rejects_total" in wire.http("GET", path="/metrics")[2]
