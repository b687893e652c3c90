"""Wild input on the HTTP port: each has a well-formed answer or an end, and leaves nothing."""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

from fuzz_inputs import (
    CSV_BODIES,
    GZIP_BODIES,
    HEADERS,
    JSON_BODIES,
    PARAMS,
    PATHS,
    RAW_HTTP,
    SQL,
    as_json,
)
from fuzz_target import FUZZ, Target
from hypothesis import given
from hypothesis import strategies as st

_START = re.compile(rb"HTTP/1\.1 ([1-5]\d\d) [^\r\n]*\r\n")
OURS = {200, 400, 401, 403, 404, 405, 408, 413, 415, 431, 503, 504}
"""Every status the server means to give; 500 is a fault."""


def check_responses(data: bytes) -> None:
    """Whatever came back is HTTP, response by response; the last may be cut off."""
    while data:
        start = _START.match(data)
        assert start is not None, data[:300]
        status = int(start[1])
        head, end, data = data[start.end() :].partition(b"\r\n\r\n")
        assert end, "a head without an end"
        if status == 100:
            continue
        assert status in OURS, (status, data[:500])
        headers = dict(_header(line) for line in head.split(b"\r\n"))
        if headers.get(b"transfer-encoding") == b"chunked":
            return  # a stream: it ends with the connection
        length = int(headers.get(b"content-length", b"0"))
        if headers[b"content-type"].startswith(b"text/event-stream"):
            return
        body, data = data[:length], data[length:]
        if len(body) == length:
            check_body(status, headers[b"content-type"], body)


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b": ")
    assert colon, line
    return name.lower(), value


def check_body(status: int, media_type: bytes, body: bytes) -> None:
    """JSON says what it is, and an error never comes with a 200."""
    text = body.decode()
    if media_type != b"application/json" or not body:
        return
    documents = list(_documents(text))
    said = documents[0].get("response_op")
    if "live" in documents[0]:
        return
    assert said in ("ok", "result_table", "tables_list", "error")
    assert (said == "error") == (status >= 400), (status, text[:300])
    assert len(documents) == (2 if said == "tables_list" else 1)


def _documents(text: str) -> object:
    decoder, place = json.JSONDecoder(parse_constant=lambda name: 1 / 0), 0
    while place < len(text.rstrip()):
        document, place = decoder.raw_decode(text, place)
        yield document


def request(method: str, path: str, query: str, headers: list[bytes], body: bytes) -> bytes:
    """A request as it stands on the wire, whole."""
    target = f"{path}?{query}" if query else path
    lines = [f"{method} {target} HTTP/1.1".encode("latin-1", "replace"), *headers]
    if not any(line.startswith(b"Host") for line in headers):
        lines.append(b"Host: localhost")
    lines += [b"Connection: close", b"Content-Length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def still_answers(target: Target) -> None:
    """A plain query has its answer."""
    plain = request("GET", "/request", "op=query&sql=select+1+one", [], b"")
    answer = target.tell("http", plain, ended=False)
    assert b'"rows":[["1"]]' in answer
    target.check_alive()


@FUZZ
@given(data=RAW_HTTP)
def test_any_bytes(target: Target, data: bytes) -> None:
    check_responses(target.tell("http", data))


@FUZZ
@given(
    method=st.sampled_from(
        ["GET"] * 5 + ["POST", "HEAD", "PUT", "OPTIONS", "TRACE", "DELETE", "X"]
    ),
    path=PATHS,
    params=PARAMS,
    headers=HEADERS,
    body=st.just(b"") | JSON_BODIES,
)
def test_any_request(
    target: Target,
    method: str,
    path: str,
    params: dict[str, str],
    headers: list[bytes],
    body: bytes,
) -> None:
    query = urlencode(params, errors="surrogatepass")
    message = request(method, path, query, headers, body)
    answer = target.tell("http", message, ended=path == "/events")
    if method != "HEAD":
        check_responses(answer)


@FUZZ
@given(
    op=st.sampled_from(["", "op=add_csv_table_data", "op=add_table_data", "op=query&format=csv"]),
    body=JSON_BODIES | CSV_BODIES | GZIP_BODIES,
    gzipped=st.booleans(),
    chunks=st.none() | st.integers(1, 50),
)
def test_any_body(target: Target, op: str, body: bytes, gzipped: bool, chunks: int | None) -> None:
    headers = [b"Content-Encoding: gzip"] if gzipped else []
    if chunks is None:
        message = request("POST", "/request", op, headers, body)
    else:
        parts = [body[n : n + chunks] for n in range(0, len(body), chunks)][:200]
        head = request("POST", "/request", op, [*headers, b"Transfer-Encoding: chunked"], b"")
        head = head.replace(b"Content-Length: 0\r\n", b"")
        message = head + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
    check_responses(target.tell("http", message, ended=False))


@FUZZ
@given(
    sql=SQL,
    form=st.sampled_from(["json", "text", "csv", "tsv", "ndjson", "html"]),
    typed=st.booleans(),
)
def test_any_statement(target: Target, sql: str, form: str, typed: bool) -> None:
    body = as_json({"sql": sql, "typed": typed})
    message = request("POST", "/request", f"op=query&format={form}", [], body)
    check_responses(target.tell("http", message, ended=False))


def test_the_server_is_as_it_was(target: Target) -> None:
    still_answers(target)
    target.holds_no_more_than_at_first()
