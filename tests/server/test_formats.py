"""Every statement, shortcuts of the server's own among them, in every format over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

HEADS = {
    "csv": "query_id,seconds,port,peer,sql\n",
    "tsv": "query_id\tseconds\tport\tpeer\tsql\n",
    "ndjson": "",
}


@pytest.mark.parametrize("name", HEADS)
def test_show_queries_can_be_streamed(wire: Any, name: str) -> None:
    status, _, body = wire.http_get({"op": "query", "sql": "show queries", "format": name})
    assert (status, body.decode()) == (200, HEADS[name])


def test_show_queries_in_the_other_formats(wire: Any) -> None:
    text = wire.http_get({"op": "query", "sql": "show queries", "format": "text"})[2].decode()
    assert text.endswith("0 rows returned\n")
    html = wire.http_get({"op": "query", "sql": "show queries", "format": "html"})[2].decode()
    assert "<th>query_id</th>" in html


def test_the_open_generation_can_be_streamed_too(server: Any, wire: Any) -> None:
    wire.publish("a", "t", ["x"], ["int"], [[1], [2]])
    query = {"op": "query", "sql": "select x from t", "format": "csv", "use_write_db": "1"}
    assert wire.http_get(query)[2] == b"x\n1\n2\n"
