"""qasino_server_rejects: publications that were refused, whichever way they came; no queries."""

from __future__ import annotations

import json
from typing import Any

import pytest

BROKEN = {
    "op": "add_table_data",
    "identity": "web-1",
    "table": {"tablename": "bad name", "column_names": ["a"], "column_types": ["int"], "rows": []},
}


def test_a_publication_that_cannot_be_read_is_listed_over_every_transport(
    server: Any, wire: Any
) -> None:
    body = json.dumps(BROKEN).encode()
    wire.http_post("add_table_data", body)
    wire.http_post(None, body)
    wire.zmq_request(body)
    server.rotate()
    rows = wire.rows("select peer, reason from qasino_server_rejects")
    assert len(rows) == 3
    assert all("'bad name' is not a legal name" in reason for _, reason in rows)


@pytest.mark.parametrize("over", ["http", "zmq"])
@pytest.mark.parametrize(
    ("table", "options"),
    [
        ({"column_names": ["a", "A"], "column_types": ["int", "int"]}, {}),
        ({"column_types": ["int", "int"]}, {}),
        ({"column_types": [1]}, {}),
        ({"rows": 5}, {}),
        ({}, {"persist": "maybe"}),
        ({}, {"more": "\udc80"}),
    ],
)
def test_whose_it_was_is_told_where_that_could_be_read(
    server: Any, wire: Any, over: str, table: dict[str, Any], options: dict[str, Any]
) -> None:
    sent = {"tablename": "Disks", "column_names": ["a"], "column_types": ["int"], "rows": []}
    message = BROKEN | options | {"table": sent | table}
    body = json.dumps(message, ensure_ascii=False).encode(errors="surrogateescape")
    if over == "zmq":
        wire.zmq_request(body)
    else:
        wire.http_post("add_table_data", body)
    server.rotate()
    assert wire.rows("select identity, tablename from qasino_server_rejects") == [
        ["web-1", "Disks"]
    ]


def test_so_it_is_of_csv_and_of_single_values(server: Any, wire: Any) -> None:
    params = {"op": "add_csv_table_data", "identity": "web-1"}
    for body in (
        b"1\nDisks\na\nint\nA\nx\n",
        b"1,identity=web-2\nDisks\na\nbad\nA\n1\n",
        b"1,identity=web-2,persist=maybe\nDisks\na\nint\nA\n1\n",
        b"1\nbad name\na\nint\nA\n1\n",
        b"2\n",
        b"\xff",
    ):
        wire.http("POST", params, body)
    wire.http("POST", params | {"identity": "\n"}, b"1\nDisks\na\nint\nA\nx\n")
    wire.http_get({"op": "name_value_update", "identity": "db-1", "name": "load.1 m", "value": "1"})
    server.rotate()
    assert wire.rows("select identity, tablename from qasino_server_rejects") == [
        ["web-1", "Disks"],
        ["web-2", "Disks"],
        ["web-2", "Disks"],
        ["web-1", None],
        ["web-1", None],
        ["web-1", None],
        [None, "Disks"],
        ["db-1", "load"],
    ]


def test_a_publication_that_is_not_even_read_is_listed_too(make_server: Any, wire_to: Any) -> None:
    server = make_server(max_body_bytes=1000)
    wire = wire_to(server)
    large = json.dumps({**BROKEN, "more": "x" * 2000}).encode()
    wire.http_post("add_table_data", large)
    wire.http("POST", {"op": "add_table_data"}, iter([large[:900], large[900:]]))
    coded = {"Content-Encoding": "br"}
    wire.http("POST", {"op": "add_csv_table_data"}, b"1\n", coded)
    update = {"op": "name_value_update", "identity": "a", "name": "bad name.c", "value": "1"}
    wire.http_get(update)
    wire.http_post("query", large)
    wire.http("POST", {"op": "query"}, b"{}", coded)
    server.rotate()
    reasons = [row[0] for row in wire.rows("select reason from qasino_server_rejects")]
    assert len(reasons) == 4, reasons
    assert ["larger than 1000 bytes" in reason for reason in reasons] == [True, True, False, False]
    assert "'br' is not known here" in reasons[2]
    assert "'bad name' is not a legal name" in reasons[3]


def test_queries_that_cannot_be_read_are_no_rejected_publications(server: Any, wire: Any) -> None:
    for body in (b'{"op": "query"}', b"nonsense", b'{"op": "query", "sql": 5}'):
        wire.http_post("query", body)
        wire.zmq_request(body)
    server.rotate()
    assert wire.rows("select * from qasino_server_rejects") == []


def test_a_message_that_trips_the_reading_of_it_ends_no_port(
    wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No message is known to; one was, and took the server with it."""

    def trip(body: bytes) -> Any:
        raise RecursionError("as deep as never thought of")

    monkeypatch.setattr("qasino_server.zmq_port.decode_for_store", trip)
    (answer,) = wire.zmq_request({"op": "query", "sql": "select 1"})
    assert "the server failed at reading this" in json.loads(answer)["error_message"]
    monkeypatch.undo()
    (answer,) = wire.zmq_request({"op": "query", "sql": "select 1"})
    assert json.loads(answer)["table"]["rows"] == [["1"]]
