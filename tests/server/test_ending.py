"""What those are told who wait for an answer when the server ends."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from wire import Wire, until

from qasino_server import http_server
from qasino_server.http_port import HttpPort
from qasino_server.server import Server

ENDLESS = "with recursive r(i) as (select 1 union all select i + 1 from r) select count(*) from r"


def over_http(wire: Wire, sql: str) -> tuple[int, dict[str, Any]]:
    status, _, body = wire.http_get({"op": "query", "sql": sql})
    return status, json.loads(body)


def over_zmq(wire: Wire, sql: str) -> tuple[int, dict[str, Any]]:
    return 503, json.loads(wire.zmq_request({"op": "query", "sql": sql})[-1])


def test_a_server_at_rest_ends_at_once(make_server: Callable[..., Server]) -> None:
    """A restart is not to wait for clocks; on a machine at work one of five is looked at."""
    took_s = []
    for _ in range(5):
        server = make_server()
        began_s = time.monotonic()
        server.stop()
        took_s.append(time.monotonic() - began_s)
    assert min(took_s) < 0.1


@pytest.mark.parametrize(
    "ask",
    [
        lambda wire: over_http(wire, ENDLESS),
        lambda wire: over_zmq(wire, ENDLESS),
    ],
    ids=["http", "zmq"],
)
def test_who_waits_for_a_query_is_told_that_the_server_ends(
    server: Server, wire: Wire, ask: Callable[[Wire], tuple[int, dict[str, Any]]]
) -> None:
    told: list[tuple[int, dict[str, Any]]] = []
    asking = threading.Thread(target=lambda: told.append(ask(wire)))
    asking.start()
    until(lambda: "recursive" in str(wire.rows("show queries")))
    server.stop()
    asking.join(20)
    [(status, answer)] = told
    assert status == 503
    assert answer["response_op"] == "error"
    assert answer["error_message"] == "the server is shutting down"


def test_who_has_sent_what_is_still_read_is_told_that_the_server_ends(
    server: Server, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One address has two places to read CSV at: the third waits for one."""
    monkeypatch.setattr(http_server, "GRACE_S", 0.1)
    port = next(each for each in server._services if isinstance(each, HttpPort))
    places = port._app._reader._unpacking
    rows = gzip.compress(b"1,identity=h\nt\na\nint\n\n" + b"1\n" * 20_000_000)
    packed = {"Content-Encoding": "gzip"}

    def publish() -> tuple[int, bytes]:
        status, _, body = wire.http("POST", {"op": "add_csv_table_data"}, rows, packed)
        return status, body

    with ThreadPoolExecutor(3) as pool:
        told = [pool.submit(publish) for _ in range(3)]
        until(lambda: (places.nr_taken, len(places._waiting)) == (2, 1))
        server.stop()
    for status, body in (each.result() for each in told):
        assert status == 503
        assert json.loads(body)["error_message"] == "the server is shutting down"
