"""Simple clients: of HTTP/1.0, which knows no chunks, and such as close their side first."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlencode

import pytest
from wire import Wire, read_all

COUNTING = "with recursive n(i) as (select 1 union all select i + 1 from n limit 300000)"


def asked(sql: str, format_name: str, method: str = "GET") -> bytes:
    params = urlencode({"op": "query", "sql": sql, "format": format_name})
    return f"{method} /request?{params} HTTP/1.0\r\n\r\n".encode()


def test_a_stream_comes_as_it_is_and_ends_with_the_connection(wire: Wire) -> None:
    sql = f"{COUNTING} select i from n"
    head, _, body = wire.http_raw(asked(sql, "csv")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head.lower()
    assert body == "".join(f"{n}\n" for n in ("i", *range(1, 300_001))).encode()


@pytest.mark.parametrize("format_name", ["csv", "tsv", "ndjson", "json", "text", "html"])
def test_every_format_is_whole(wire: Wire, format_name: str) -> None:
    head, _, body = wire.http_raw(asked("select 7 as n", format_name)).partition(b"\r\n\r\n")
    query = {"op": "query", "sql": "select 7 as n", "format": format_name}
    status, headers, whole = wire.http_get(query)
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert headers["content-type"].encode() in head
    if format_name != "json":  # which tells the time
        assert body == whole


@pytest.mark.parametrize("more", ["", "Sec-Fetch-Site: same-origin\r\n"], ids=["direct", "usual"])
@pytest.mark.parametrize("count", [1, 3])
def test_who_sends_no_more_is_answered(wire: Wire, more: str, count: int) -> None:
    """printf .. | nc -N: over HTTP it got nothing, on the line port it did."""
    body = json.dumps({"sql": f"{COUNTING} select max(i) from n", "typed": True})
    head = "POST /request?op=query HTTP/1.1\r\nHost: localhost\r\n"
    one = f"{head}{more}Content-Length: {len(body)}\r\n\r\n{body}".encode()
    with wire.connect("http") as made:
        made.sendall(one * count)
        made.shutdown(socket.SHUT_WR)
        assert read_all(made).count(b'"rows":[[300000]]') == count


@pytest.mark.parametrize(
    ("sent", "answers", "told"),
    [
        ("select 7 a", 1, "7"),
        ("select 1 a;\nselect 7 a\n", 2, "7"),
        ("select 7 a -- that is all", 1, "7"),
        ("help\nselect 7 a", 1, "7"),
        ("select 7 a;\n-- that is all", 1, "7"),
        ("select 7 a;\nquit", 1, "Bye!"),
        ("select 7 a from", 0, "SQL error: Incomplete sql statement"),
        ("select '7", 0, "SQL error: unrecognized token"),
        ("\n", 0, ""),
    ],
)
def test_a_last_statement_needs_no_semicolon_where_no_more_is_sent(
    wire: Wire, sent: str, answers: int, told: str
) -> None:
    """echo "select .." | nc -N: it vanished without a word."""
    with wire.connect("line") as made:
        made.sendall(sent.encode())
        made.shutdown(socket.SHUT_WR)
        answer = read_all(made).decode()
    assert answer.count("1 rows returned") == answers
    assert told in answer
    assert bool(answer) is bool(told)


def test_by_head_there_is_no_body(wire: Wire) -> None:
    head, _, body = wire.http_raw(asked("select 7", "csv", "HEAD")).partition(b"\r\n\r\n")
    assert (head.startswith(b"HTTP/1.1 200 "), body) == (True, b"")


def test_a_stream_that_is_broken_off_does_not_look_whole(wire: Wire) -> None:
    """Without chunks the end of the connection is all that tells the end."""
    least = "-9223372036854775807 - 1"
    sql = f"{COUNTING} select abs(case i when 290000 then {least} else i end) from n"
    with wire.connect("http") as made:
        made.sendall(asked(sql, "csv"))
        with pytest.raises(ConnectionResetError):
            read_all(made)
