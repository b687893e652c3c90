"""Every statement, shortcuts of the server's own among them, in every format over HTTP."""

from __future__ import annotations

import json
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


def test_what_the_url_of_a_post_says_of_a_query_counts(wire: Any) -> None:
    wire.publish("a", "t", ["x"], ["int"], [[1]])
    body = {"sql": "select x from t", "typed": 0}
    for typed, cell in (("1", 1), ("0", "1")):
        status, _, told = wire.http_post("query", body, typed=typed, use_write_db="yes")
        assert (status, json.loads(told)["table"]["rows"]) == (200, [[cell]])
    assert b"no such table" in wire.http_post("query", body)[2]
    for wrong in ({"typed": "maybe"}, {"query_id": ""}, {"use_write_db": "2"}):
        status, _, told = wire.http_post("query", body, **wrong)
        assert (status, next(iter(wrong)) in told.decode()) == (400, True)


@pytest.mark.parametrize("name", HEADS)
def test_a_line_longer_than_a_value_may_be_is_streamed_all_the_same(
    make_server: Any, wire_to: Any, name: str
) -> None:
    wire = wire_to(make_server(max_result_bytes=2_000_000, max_body_bytes=2_000_000))
    wide, row = "y" * 1_500_000, ["short", "x"]
    wire.publish("a", "t", ["w", "x"], ["text", "text"], [row, [wide, "x"], row])
    query = {"op": "query", "format": name, "use_write_db": "1"}
    status, _, body = wire.http_get(query | {"sql": "select w, x, w as again from t"})
    assert status == 200
    assert body.count(b"\n") == 3 + (name != "ndjson")
    assert body.count(wide.encode()) == 2
    assert body.count(b"short") == 4


def test_a_stream_of_text_that_is_no_utf8_has_marks_in_its_place(wire: Any) -> None:
    query = {"op": "query", "format": "csv", "sql": "select cast(x'ff41' as text) as x"}
    assert wire.http_get(query)[2] == "x\n\ufffdA\n".encode()


@pytest.mark.parametrize("name", [*HEADS, "json", "text", "html"])
@pytest.mark.parametrize("sql", ["desc nope", "desc view nope"])
def test_what_is_not_there_is_said_in_every_format(wire: Any, name: str, sql: str) -> None:
    status, _, body = wire.http_get({"op": "query", "sql": sql, "format": name})
    assert (status, b"nope not found" in body) == (400, True)


def test_a_table_in_html_that_was_cut_says_so(make_server: Any, wire_to: Any) -> None:
    wire = wire_to(make_server(max_rows=2))
    for count, says_so in ((2, False), (3, True)):
        values = ", ".join(f"({n})" for n in range(count))
        query = {"op": "query", "sql": f"values {values}", "format": "html"}
        html = wire.http_get(query)[2].decode()
        assert html.count("<td>") == 2
        assert html.endswith("returns at once)</p>\n") is says_so
        assert html.count("(cut: the result has more rows") == says_so


@pytest.mark.parametrize("again", ["", " from (select 1 union select 2)"], ids=["few", "wrapped"])
def test_an_infinity_is_null_when_typed_and_told_beside(wire: Any, again: str) -> None:
    sql = f"select 1.5 as a, null as b, 9e999 as c, -9e999 as d{again}"
    nr_rows = 2 if again else 1
    for ask in (wire.post, lambda op, **keys: json.loads(wire.zmq_request({"op": op, **keys})[0])):
        for _ in range(3):
            typed = ask("query", sql=sql, typed=True)
            assert typed["table"]["rows"] == [[1.5, None, None, None]] * nr_rows
            told = [[n, *cell] for n in range(nr_rows) for cell in ((2, "Inf"), (3, "-Inf"))]
            assert typed["infinities"] == told
        strings = ask("query", sql=sql)
        assert strings["table"]["rows"] == [["1.5", "", "Inf", "-Inf"]] * nr_rows
        assert "infinities" not in strings
        assert "infinities" not in ask("query", sql="select null as a, 1e300 as b", typed=True)


def test_what_is_told_of_infinities_counts_as_part_of_the_answer(
    make_server: Any, wire_to: Any
) -> None:
    wire = wire_to(make_server(max_result_bytes=100_000))
    many = "with recursive n(i) as (select 1 union all select i + 1 from n limit 20000)"
    answer = wire.http_post("query", {"sql": f"{many} select 9e999 as x from n", "typed": True})[2]
    told = json.loads(answer)
    assert told["truncated"]
    assert len(told["infinities"]) == len(told["table"]["rows"]) > 1000
    assert len(answer) < 110_000
