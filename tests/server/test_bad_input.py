"""Whatever is wrong with a request gets a sentence, and the server is none the worse for it.

Most tests share one server on purpose: each of them leaves it to the next, and `unhurt` looks
after every one of them whether all ports answer, the clock turns, and nothing was kept.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import apsw
import pytest
import zmq
from wire import Wire, as_bytes, publication, read_all, until

from qasino_server.server import Server

TIMEOUT_S = 0.4
"""What a query of the shared server may take."""
LIMIT_BYTES = 2000
"""What a body of the small server may have."""
ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
TRILLION = (
    "with recursive n(i) as (select 1 union all select i + 1 from n limit 1000000)"
    " select a.i as a, b.i as b from n a, n b"
)

MakeServer = Callable[..., Server]
Json = dict[str, Any]


class Site:
    """A server that is ill-treated, and what its state is measured by."""

    def __init__(self, server: Server, wire: Wire) -> None:
        self.server = server
        self.wire = wire
        self._signals = wire.zmq_socket(zmq.SUB)
        self._number = 0
        self.clean = True
        until(self._signal_heard)

    def _signal_heard(self) -> int:
        self._number = self.server.rotate()
        return self._signals.poll(20)

    def close(self) -> None:
        """Close the client; the server is stopped by who made it."""
        self._signals.close()
        self.wire.close()

    def unhurt(self, *tables: str) -> None:
        """Every port answers, the generation turns, and these are all the tables there are."""
        number = self.server.rotate()
        assert number > self._number, "the server no longer rotates"
        self._number = number
        while self._next_signal() <= number:
            pass
        assert self.wire.query("select 1")["table"]["rows"] == [["1"]]
        by_zmq = json.loads(self.wire.zmq_request({"op": "query", "sql": "select 1"})[0])
        assert by_zmq["table"]["rows"] == [["1"]]
        assert self.wire.line("select 1;") == "1\r\n=\r\n1\r\n1 rows returned\r\n"
        assert self._tables() == set(tables)
        assert not self.server.failed
        self.clean = not tables

    def _next_signal(self) -> int:
        tag, _, signal = self._signals.recv().partition(b"\0")
        assert tag == b"GENSIG"
        return int(json.loads(signal)["generation_number"])

    def _tables(self) -> set[str]:
        rows = self.wire.rows(
            "select name from main.sqlite_schema where name not like 'qasino_server_%'"
            " union select name from static.sqlite_schema"
            " where type = 'table' and name not like 'qasino_%'"
            " union select tablename from qasino_server_tables"
            " where tablename not like 'qasino_server_%'"
            " union select tablename from qasino_server_sources"
        )
        return {name for (name,) in rows}


class Shared:
    """A site for one test after the other; who does not leave it clean is the last."""

    def __init__(self, make_server: MakeServer, **settings: Any) -> None:
        self._make_server = partial(make_server, **settings)
        self._site: Site | None = None

    @contextmanager
    def lend(self) -> Iterator[Site]:
        """For one test."""
        if self._site is None:
            server = self._make_server()
            self._site = Site(server, Wire(server.ports))
        self._site.clean = False
        yield self._site
        if not self._site.clean:
            self.close()

    def close(self) -> None:
        """The end of the server's client."""
        if self._site is not None:
            self._site.close()
            self._site = None


@pytest.fixture(scope="module")
def shared(make_module_server: MakeServer) -> Iterator[Callable[..., Shared]]:
    """Makes a site that tests share, of each sort once."""
    made: dict[str, Shared] = {}

    def get(sort: str, **settings: Any) -> Shared:
        if sort not in made:
            made[sort] = Shared(make_module_server, **settings)
        return made[sort]

    yield get
    for each in made.values():
        each.close()


@pytest.fixture
def site(shared: Callable[..., Shared]) -> Iterator[Site]:
    """The server most tests share; its queries have TIMEOUT_S."""
    with shared("site", query_timeout_s=TIMEOUT_S).lend() as lent:
        yield lent


@pytest.fixture
def patient(shared: Callable[..., Shared]) -> Iterator[Site]:
    """A server whose queries end long after any test: only a cancellation ends them."""
    with shared("patient", query_timeout_s=60.0).lend() as lent:
        yield lent


@pytest.fixture
def small(shared: Callable[..., Shared]) -> Iterator[Site]:
    """A server that takes bodies of 2,000 bytes."""
    with shared("small", max_body_bytes=LIMIT_BYTES).lend() as lent:
        yield lent


@pytest.fixture
def own_site(make_server: MakeServer) -> Iterator[Callable[..., Site]]:
    """Makes a server with these settings for one test alone."""
    made: list[Site] = []

    def make(**settings: Any) -> Site:
        server = make_server(**settings)
        made.append(Site(server, Wire(server.ports)))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(params=["http", "zmq"])
def transport(request: pytest.FixtureRequest) -> str:
    """The two ways a JSON request can come."""
    return str(request.param)


def ask(wire: Wire, transport: str, body: Any) -> tuple[int | None, Json]:
    """The status, if the transport has one, and the answer."""
    if transport == "http":
        status, headers, answer = wire.http_post(None, body)
        assert headers["content-type"] == "application/json"
        return status, strict_json(answer)
    (frame,) = wire.zmq_request(as_bytes(body))
    return None, strict_json(frame)


def strict_json(data: bytes) -> Any:
    """JSON as the standard has it: no NaN, no Infinity, in UTF-8."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(data.decode(), parse_constant=refuse)


def is_error(answer: Json, *places: str) -> None:
    """An error whose sentence matches each of these, and shows nothing of the insides."""
    assert answer["response_op"] == "error", answer
    assert answer["identity"] == "test-server"
    assert answer.keys() <= {
        *("response_op", "identity", "error_message", "error_offset", "error_hint"),
    }
    sentence = answer["error_message"]
    for place in places:
        assert re.search(place, sentence), sentence
    assert not re.search(r"Traceback|Error\(|<class|object at 0x|msgspec|apsw", sentence)
    assert "\n" not in sentence
    assert len(sentence) < 1000


@pytest.fixture
def refused(site: Site, transport: str) -> Callable[..., None]:
    """Sends a request that must be refused with a sentence that matches, leaving no trace."""

    def refuse(body: Any, *places: str, status: int = 400) -> None:
        got, answer = ask(site.wire, transport, body)
        is_error(answer, *places)
        assert got in (None, status)
        site.unhurt()

    return refuse


MISSING = object()
_IN_TABLE = ("tablename", "column_names", "column_types", "column_descriptions", "rows")


def message(**changes: Any) -> Json:
    """A publication of one table that is right, but for these keys; MISSING leaves one out."""
    body: Json = {"op": "add_table_data"} | publication(
        "h", "t", ["a", "b"], ["int", "text"], [[1, "x"], [2, "y"]]
    )
    for key, value in changes.items():
        place = body["table"] if key in _IN_TABLE else body
        place[key] = value
        if value is MISSING:
            del place[key]
    return body


def message_with(rows: bytes) -> bytes:
    """The same publication with rows as they stand here."""
    return as_bytes(message(rows="ROWS")).replace(b'"ROWS"', rows)


# --- JSON -----------------------------------------------------------------------------------

NOT_JSON = {
    "words": b"hello",
    "CSV": b"a,b\n1,2\n",
    "half an object": b'{"op": "query", "sql": "select 1"',
    "half a string": b'{"op": "que',
    "single quotes": b"{'op': 'get_table_list'}",
    "bare keys": b'{op: "get_table_list"}',
    "a comma after the last key": b'{"op": "get_table_list",}',
    "two documents": b'{"op": "get_table_list"} {"op": "get_table_list"}',
    "a NUL after the end": b'{"op": "get_table_list"}\0',
    "a comment": b'{"op": "get_table_list" /* all */}',
    "a byte order mark": b'\xef\xbb\xbf{"op": "get_table_list"}',
    "UTF-16": '{"op": "get_table_list"}'.encode("utf-16"),
    "bytes that are no text": bytes(range(128, 256)),
    "NUL bytes": bytes(100),
    "an HTTP request": b"GET / HTTP/1.1\r\n\r\n",
    "a NaN for a flag": b'{"op": "get_table_list", "typed": NaN}',
    "half a surrogate pair": b'{"op": "query", "sql": "select \'\\ud800\'"}',
    "deep nesting": b'{"op": ' + b"[" * 100_000,
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_not_json_is_refused_as_such(refused: Callable[..., None], body: bytes) -> None:
    refused(body, "not JSON|not UTF-8|nested too deeply")


CELLS_NOT_JSON = {
    "a comma after the last cell": b"[[1, 2,]]",
    "a comma after the last row": b"[[1, 2],]",
    "a comma before the first": b"[[,1, 2]]",
    "NaN": b"[[1, NaN]]",
    "Infinity": b"[[1, Infinity]]",
    "-Infinity": b"[[1, -Infinity]]",
    "undefined": b"[[1, undefined]]",
    "True": b"[[1, True]]",
    "a leading zero": b"[[1, 01]]",
    "a plus sign": b"[[1, +1]]",
    "no digit after the point": b"[[1, 1.]]",
    "no digit before the point": b"[[1, .5]]",
    "hexadecimal": b"[[1, 0x10]]",
    "single quotes": b"[[1, 'x']]",
    "an unknown escape": b'[[1, "\\x41"]]',
    "a line end in a string": b'[[1, "x\ny"]]',
    "a NUL byte in a string": b'[[1, "x\0y"]]',
    "a comment": b"[[1, /* two */ 2]]",
    "a bare key": b"[[1, {a: 1}]]",
    "a comma in an object": b'[[1, {"a": 1,}]]',
    "no comma": b"[[1 2]]",
    "half a surrogate pair": b'[[1, "\\ud800"]]',
    "rows that do not end": b"[[1, 2]",
}


@pytest.mark.parametrize("rows", CELLS_NOT_JSON.values(), ids=CELLS_NOT_JSON)
def test_rows_that_are_not_json_are_refused_with_the_byte(
    refused: Callable[..., None], rows: bytes
) -> None:
    refused(message_with(rows), r"not JSON: .*(byte \d+|surrogate)")


def test_cells_nested_without_end_are_refused(refused: Callable[..., None]) -> None:
    refused(message_with(b"[[1, " + b"[" * 100_000 + b"]" * 100_000 + b"]]"), "nested too deeply")


def test_cells_nested_deeper_than_sqlite_reads_are_refused(refused: Callable[..., None]) -> None:
    refused(message_with(b"[[1, " + b"[" * 1500 + b"]" * 1500 + b"]]"), "nested too deeply")


@pytest.mark.parametrize("body", [b"", b" \r\n\t"], ids=["nothing", "blanks"])
def test_an_empty_message_is_refused(refused: Callable[..., None], body: bytes) -> None:
    refused(body, "request is empty")


@pytest.mark.parametrize("body", [[], "query", 5, None, True, [{"op": "query"}]], ids=repr)
def test_json_that_is_no_object_is_refused(refused: Callable[..., None], body: Any) -> None:
    refused(body, "the request must be a JSON object, not ")


# --- UTF-8 ----------------------------------------------------------------------------------

BAD_UTF8 = {
    "a stray byte": b"\xff",
    "half a character": b"\xc3",
    "an overlong NUL": b"\xc0\x80",
    "an encoded surrogate": b"\xed\xa0\x80",
    "beyond Unicode": b"\xf4\x90\x80\x80",
    "Latin-1": "Grüße".encode("latin-1"),
}


@pytest.mark.parametrize("text", BAD_UTF8.values(), ids=BAD_UTF8)
def test_rows_that_are_not_utf8_are_refused_with_the_byte(
    refused: Callable[..., None], text: bytes
) -> None:
    body = message_with(b'[[1, "' + text + b'"]]')
    at = body.decode("utf-8", "replace").index("\ufffd")
    of_rows = at - body.index(b"[[")
    refused(body, rf"not UTF-8: byte 0x{body[at]:02x} at byte ({at}|{of_rows})\b")


def test_a_key_inside_a_cell_that_is_not_utf8_is_refused(refused: Callable[..., None]) -> None:
    refused(message_with(b'[[1, {"\xff": 1}]]'), "not UTF-8: byte 0xff")


IN_UTF8_TOO = {
    "tablename": message(tablename="HERE"),
    "column name": message(column_names=["a", "HERE"]),
    "column type": message(column_types=["int", "HERE"]),
    "identity": message(identity="HERE"),
    "op": {"op": "HERE"},
    "sql": {"op": "query", "sql": "select 'HERE'"},
    "query_id": {"op": "cancel", "query_id": "HERE"},
}


@pytest.mark.parametrize("body", IN_UTF8_TOO.values(), ids=IN_UTF8_TOO)
def test_a_name_that_is_not_utf8_is_refused(refused: Callable[..., None], body: Json) -> None:
    data = as_bytes(body).replace(b"HERE", b"x\xff")
    refused(data, rf"not UTF-8: byte 0xff at byte {data.index(0xFF)}\b")


def test_an_unknown_key_that_is_not_utf8_is_refused(refused: Callable[..., None]) -> None:
    refused(b'{"op": "query", "sql": "select 1", "comment": "\xff"}', "not UTF-8: byte 0xff")
    refused(b'{"op": "query", "sql": "select 1", "\xff": ""}', "not UTF-8: byte 0xff")


# --- Keys and their types -------------------------------------------------------------------

REQUIRED = {
    "op": ({"sql": "select 1"}, r"op\b"),
    "identity": (message(identity=MISSING), "identity is missing"),
    "table": (message(table=MISSING), "table is missing"),
    "tablename": (message(tablename=MISSING), r"table\.tablename"),
    "column_names": (message(column_names=MISSING), r"table\.column_names is missing"),
    "column_types": (message(column_types=MISSING), r"table\.column_types is missing"),
    "rows": (message(rows=MISSING), r"table\.rows is missing"),
    "sql": ({"op": "query"}, "'sql'"),
    "query_id of cancel": ({"op": "cancel"}, "query_id is missing"),
    "tablename of drop_table": ({"op": "drop_table"}, "tablename is missing"),
}


@pytest.mark.parametrize(("body", "place"), REQUIRED.values(), ids=REQUIRED)
def test_a_missing_key_is_named(refused: Callable[..., None], body: Json, place: str) -> None:
    refused(body, place)


WRONG_TYPES: dict[str, tuple[Sequence[Any], str]] = {
    "identity": ([5, 1.5, True, [], {}, ["h"]], "identity must be a string"),
    "table": ([5, "t", True, [], [[1]]], "table must be a JSON object, not "),
    "tablename": ([5, None, True, ["t"], {}], r"table\.tablename must be a string"),
    "column_names": ([5, "a,b", True, {"a": 1}], r"table\.column_names must be a JSON array"),
    "column_types": ([5, "int", True, {"a": 1}], r"table\.column_types must be a JSON array"),
    "column_descriptions": ([5, "x", {}], r"table\.column_descriptions must be a JSON array"),
    "rows": ([5, "[[1]]", True, {"0": [1, "x"]}, None], r"table\.rows must be a JSON array"),
    "persist": (["maybe", 2, -1, 0.5, [], {}, "y"], "persist must be true or false"),
    "static": (["maybe", 2, [], {}], "static must be true or false"),
    "update": (["maybe", 2, [], {}], "update must be true or false"),
    "replace": (["maybe", 2, [], {}], "replace must be true or false"),
    "keycols": ([5, True, ["a"], {}], "keycols must be a string"),
    "ttl_s": (
        [0, -1, "soon", True, [], {}, "nan", "1_0", 366 * 86400 + 1, 1e300, 10**400],
        r"ttl_s must be a number of seconds above 0 and at most 31622400 \(366 days\), not",
    ),
}


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [(key, value, place) for key, (values, place) in WRONG_TYPES.items() for value in values],
    ids=lambda value: repr(value)[:30],
)
def test_a_key_of_the_wrong_type_is_named(
    refused: Callable[..., None], key: str, value: Any, place: str
) -> None:
    refused(message(**{key: value}), place)


WRONG_QUERY_TYPES: dict[str, tuple[Sequence[Any], str]] = {
    "sql": ([5, None, True, ["select 1"], {}], "sql must be a string"),
    "typed": (["maybe", 2, [], {}], "typed must be true or false"),
    "use_write_db": (["maybe", 2, [], {}], "use_write_db must be true or false"),
    "query_id": ([5, "", True, [], "x" * 129, "a\nb"], "query_id must be a string of 1 to 128 "),
}


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [(key, value, place) for key, (values, place) in WRONG_QUERY_TYPES.items() for value in values],
    ids=lambda value: repr(value)[:30],
)
def test_a_key_of_a_query_of_the_wrong_type_is_named(
    refused: Callable[..., None], key: str, value: Any, place: str
) -> None:
    refused({"op": "query", "sql": "select 1", key: value}, place)


@pytest.mark.parametrize("value", [5, True, [], {}, ["query"]], ids=repr)
def test_an_op_of_the_wrong_type_is_refused(refused: Callable[..., None], value: Any) -> None:
    refused({"op": value, "sql": "select 1"}, "op must be a string")


def test_a_number_of_thousands_of_digits_where_none_belongs_is_refused(
    refused: Callable[..., None],
) -> None:
    body = as_bytes(message(persist="HERE")).replace(b'"HERE"', b"9" * 5000)
    refused(body, "out of range.*persist")


@pytest.mark.parametrize("op", ["", "QUERY", "insert", "quer\u00ff", "query ", "x" * 10_000, "\0"])
def test_an_unknown_op_is_named(refused: Callable[..., None], op: str) -> None:
    refused({"op": op, "sql": "select 1"}, "Unrecognized op '", "query, add_table_data")


@pytest.mark.parametrize("identity", ["", "x" * 257, "a\nb", "a\0b", "\u202e", "\x7f"], ids=repr)
def test_an_identity_that_cannot_be_shown_is_refused(
    refused: Callable[..., None], identity: str
) -> None:
    refused(message(identity=identity), "^identity ")


def test_an_unknown_key_column_is_named(refused: Callable[..., None]) -> None:
    refused(message(update=1, keycols="a;nope"), "keycols names 'nope'", "a, b")


@pytest.mark.parametrize("other", [{"persist": 1}, {"update": 1}, {"ttl_s": 5}], ids=repr)
def test_flags_that_exclude_each_other_are_named(refused: Callable[..., None], other: Json) -> None:
    refused(message(static=1, **other), "static goes with none of persist, update and ttl_s")


@pytest.mark.parametrize(
    "other", [{"identity": 5}, {"tablename": "no name"}, {"identity": "", "tablename": 5}], ids=repr
)
def test_what_is_wrong_with_an_option_is_told_before_what_is_wrong_with_a_name(
    refused: Callable[..., None], other: Json
) -> None:
    refused(message(persist="maybe", **other), "^persist must be true or false")


# --- Rows -----------------------------------------------------------------------------------

KINDS = {
    "plain": {},
    "replace": {"replace": 1},
    "persist": {"persist": 1},
    "ttl_s": {"ttl_s": 60},
    "update": {"update": 1},
    "keycols": {"update": 1, "keycols": "a"},
    "static": {"static": 1},
}
"""The same rows go different ways."""

BAD_ROWS = {
    "too short": ([[1, "x"], [2]], "row 2 has 1 cells.* 2 cells"),
    "too long": ([[1, "x"], [2, "y"], [3, "z", None]], "row 3 has 3 cells"),
    "empty": ([[]], "row 1 has 0 cells"),
    "the thousandth": ([[1, "x"]] * 999 + [[1]] + [[1, "x"]] * 10, "row 1000 has 1 cells"),
    "a string": ([[1, "x"], "ab"], "row 2 is of type text"),
    "a string with JSON": (["[1,2]"], "row 1 is of type text"),
    "an object": ([{"a": 1, "b": "x"}], "row 1 is of type object"),
    "null": ([[1, "x"], None], "row 2 is of type null"),
    "a number": ([5], "row 1 is of type integer"),
    "true": ([True], "row 1 is of type true"),
}


@pytest.mark.parametrize(("rows", "place"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_row_that_does_not_fit_is_counted_out(
    site: Site, transport: str, rows: list[Any], place: str
) -> None:
    for flags in KINDS.values():
        status, answer = ask(site.wire, transport, message(rows=rows, **flags))
        is_error(answer, place)
        assert status in (None, 400)
    site.unhurt()


@pytest.mark.parametrize("flags", KINDS.values(), ids=KINDS)
def test_a_refused_repeat_leaves_what_was_published_before(site: Site, flags: Json) -> None:
    assert site.wire.post(**message(**flags))["response_op"] == "ok"
    is_error(site.wire.post(**message(rows=[[3, "z"], [4]], **flags | {"replace": 1})), "row 2 ")
    site.unhurt("t")
    assert site.wire.rows("select a, b from t order by a") == [[1, "x"], [2, "y"]]
    if {"persist", "ttl_s", "static"} & flags.keys():
        assert site.wire.post("drop_table", tablename="t")["response_op"] == "ok"
    site.server.rotate()
    site.unhurt()


# --- Names, types, columns ------------------------------------------------------------------

ILLEGAL = {
    "empty": "",
    "a blank": "a b",
    "a trailing line end": "abc\n",
    "a leading blank": " abc",
    "a digit first": "1a",
    "a dash": "a-b",
    "a point": "main.t",
    "a dollar": "a$",
    "a NUL": "a\0b",
    "a quote": 'a"b',
    "an umlaut": "größe",
    "a full-width letter": "ａ",
    "an Arabic digit": "a١",
    "a combining mark": "e\u0301",
    "129 characters": "x" * 129,
    "a megabyte": "x" * 1_000_000,
    "only quotes": '""',
    "an injection": 't" (a int); drop table qasino_server_info; --',
    "an injection by quotes": "t'); attach 'x' as y; --",
    "a bracket": "[t]",
    "a path": "../../etc/passwd",
    "an expression": "randomblob(2000000000)",
}


@pytest.mark.parametrize("name", ILLEGAL.values(), ids=ILLEGAL)
def test_an_illegal_table_name_is_refused(refused: Callable[..., None], name: str) -> None:
    refused(message(tablename=name), "^table.tablename: ['\"]")


@pytest.mark.parametrize("name", ILLEGAL.values(), ids=ILLEGAL)
def test_an_illegal_column_name_is_refused_with_its_place(
    refused: Callable[..., None], name: str
) -> None:
    refused(message(column_names=["a", name]), "^column 2: ['\"]")


def test_names_of_128_characters_are_taken(site: Site, transport: str) -> None:
    name = "x" * 128
    body = message(tablename=name, column_names=["a", name], replace=1)
    assert ask(site.wire, transport, body)[1]["response_op"] == "ok"
    site.unhurt(name)
    site.unhurt()


RESERVED = [
    "sqlite_x",
    "SQLITE_sequence",
    "sqlite_schema",
    "qasino_server_x",
    "qasino_server_info",
    "Qasino_Server_Tables",
]


@pytest.mark.parametrize("name", RESERVED)
def test_the_servers_own_table_names_are_refused(site: Site, transport: str, name: str) -> None:
    for flags in KINDS.values():
        status, answer = ask(site.wire, transport, message(tablename=name, **flags))
        is_error(answer, f"table.tablename: '{name}' is reserved")
        assert status in (None, 400)
    site.unhurt()


@pytest.mark.parametrize("name", ["sqlite_version", "qasino_server_x"])
def test_the_servers_own_prefixes_are_for_tables_alone(
    own_site: Callable[..., Site], name: str
) -> None:
    """A table of versions has a column sqlite_version; it hides nothing of the server's."""
    answer = own_site().wire.post(**message(column_names=["a", name]))
    assert answer["response_op"] == "ok"


@pytest.mark.parametrize(
    ("names", "place"),
    [
        (["a", "a"], r"columns 1 and 2 are both named 'a'"),
        (["a", "A"], r"columns 1 and 2 are both named 'A'"),
        (["aB", "x", "Ab"], r"columns 1 and 3 are both named 'Ab'"),
    ],
)
def test_two_columns_of_one_name_are_refused_in_any_case(
    refused: Callable[..., None], names: list[str], place: str
) -> None:
    types = ["int"] * len(names)
    refused(message(column_names=names, column_types=types, rows=[]), place)


@pytest.mark.parametrize(
    "name", ["blob", "", "int ", "integer primary key", "text); --", "decimal(10,2)", "x" * 10_000]
)
def test_an_unknown_type_is_refused_with_its_column(
    refused: Callable[..., None], name: str
) -> None:
    refused(message(column_types=["int", name]), r"^column 2 \(b\): '.*' is not a column type")


@pytest.mark.parametrize("entry", [None, 5, True, [], {}], ids=repr)
def test_an_entry_of_the_header_that_is_no_string_is_refused_with_its_place(
    refused: Callable[..., None], entry: Any
) -> None:
    refused(message(column_names=["a", entry]), "table.column_names: entry 2 must be a string")
    refused(message(column_types=["int", entry]), "table.column_types: entry 2 must be a string")


def test_names_and_types_of_different_number_are_refused(refused: Callable[..., None]) -> None:
    refused(message(column_types=["int"]), "column_names has 2 .*column_types 1")
    refused(message(column_types=["int"] * 3), "column_names has 2 .*column_types 3")
    refused(message(column_descriptions=["one"]), "column_descriptions has 1 entries for 2")


def test_a_table_without_columns_is_refused(refused: Callable[..., None]) -> None:
    refused(message(column_names=[], column_types=[], rows=[]), "column_names is empty")
    refused(message(column_names=[], column_types=[], rows=[[]]), "column_names is empty")


def wide(count: int, **changes: Any) -> Json:
    """A publication of that many columns."""
    return message(
        column_names=[f"c{n}" for n in range(count)],
        column_types=["int"] * count,
        rows=[list(range(count))] * 3,
        **changes,
    )


def test_a_table_of_2001_columns_is_refused(refused: Callable[..., None]) -> None:
    refused(wide(2001), "2001 columns, the most is 2000")


@pytest.mark.parametrize("flags", [{}, {"static": 1}, {"update": 1}, {"persist": 1}], ids=repr)
def test_a_table_of_2000_columns_is_taken_and_told(site: Site, flags: Json) -> None:
    assert site.wire.post(**wide(2000, **flags))["response_op"] == "ok"
    site.unhurt("t")
    rows = [list(range(2000))] * (1 if "update" in flags else 3)
    assert site.wire.rows("select * from t") == rows
    for form in ("csv", "tsv", "ndjson", "text", "html"):
        params = {"op": "query", "sql": "select * from t", "format": form}
        assert site.wire.http_get(params)[0] == 200
    site.wire.post("drop_table", tablename="t")
    site.server.rotate()
    site.unhurt()


def test_two_publishers_cannot_make_a_table_of_2001_columns(site: Site, transport: str) -> None:
    assert site.wire.post(**wide(2000))["response_op"] == "ok"
    more = message(identity="other", column_names=["c0", "more"])
    is_error(ask(site.wire, transport, more)[1], "2001 columns", "the most is 2000")
    site.unhurt("t")
    assert site.wire.rows("select count(*) from t") == [[3]]
    site.unhurt()


def test_an_update_by_more_keys_than_sqlite_nests_finds_its_row(site: Site) -> None:
    assert site.wire.post(**wide(1001, update=1))["response_op"] == "ok"
    assert site.wire.post(**wide(1001, update=1))["response_op"] == "ok"
    site.unhurt("t")
    assert site.wire.rows("select count(*) from t") == [[1]]
    site.unhurt()


NAMES_OF_OTHERS = (
    *("json_each", "jsonb_each", "json_tree", "dbstat", "rtree", "fts5", "pragma_table_info"),
    *("prev", "static", "main", "temp", "carrying", "staged", "matched", "q", "rowid", "c0"),
)
"""Names that mean something to SQLite, or to our own statements."""


@pytest.mark.parametrize("flags", [{}, {"static": 1}, {"update": 1}], ids=repr)
@pytest.mark.parametrize("name", NAMES_OF_OTHERS)
def test_a_table_named_like_something_of_sqlite_hurts_nobody(
    site: Site, name: str, flags: Json
) -> None:
    status, _, answer = site.wire.http_post(None, message(tablename=name, **flags))
    assert status in (200, 400), answer
    assert site.wire.post(**message(tablename="other"))["response_op"] == "ok"
    site.unhurt("other", *([name] if status == 200 else []))
    assert site.wire.rows("desc other") == [["a", "INTEGER"], ["b", "TEXT"]]
    if status == 200:
        assert site.wire.rows(f'select a from "{name}" order by a') == [[1], [2]]
        site.wire.post("drop_table", tablename=name)
        site.server.rotate()
    site.unhurt()


def test_a_table_that_hides_every_name_of_the_rowid_is_refused(
    refused: Callable[..., None],
) -> None:
    header = {"column_names": ["rowid", "_rowid_", "oid"], "column_types": ["int"] * 3}
    refused(message(**header, rows=[]), "rowid, _rowid_ and oid")


# --- Other operations -----------------------------------------------------------------------


def test_to_drop_or_cancel_what_is_not_there_is_refused(refused: Callable[..., None]) -> None:
    refused({"op": "drop_table", "tablename": "nope"}, "no static or persistent table named nope")
    refused({"op": "drop_table", "tablename": "sqlite_schema"}, "tablename: .* is reserved")
    refused({"op": "drop_table", "tablename": 'x"; drop table y'}, "tablename: .* not a legal name")
    refused({"op": "drop_table", "tablename": "t", "identity": 5}, "identity must be a string")
    refused({"op": "cancel", "query_id": "nope"}, "no query with the id nope")


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({"value": "1", "identity": "h"}, "name is missing"),
        ({"name": "t.a", "identity": "h"}, "value is missing"),
        ({"name": "t.a", "value": "1"}, "identity is missing"),
        ({"name": "t", "value": "1", "identity": "h"}, "name must be table.column"),
        ({"name": ".a", "value": "1", "identity": "h"}, "name's table: ''"),
        ({"name": "t.", "value": "1", "identity": "h"}, "name's column: ''"),
        ({"name": "t.a.b", "value": "1", "identity": "h"}, "name's column: 'a.b'"),
        ({"name": "t.identity", "value": "1", "identity": "h"}, "cannot be identity"),
        ({"name": "sqlite_x.a", "value": "1", "identity": "h"}, "is reserved"),
        ({"name": "t.a", "value": "1", "identity": ""}, "identity is empty"),
    ],
    ids=repr,
)
def test_a_name_value_update_that_is_wrong_is_refused(site: Site, params: Json, place: str) -> None:
    status, _, body = site.wire.http_get({"op": "name_value_update", **params})
    assert status == 400
    is_error(strict_json(body), place)
    site.unhurt()


def test_a_name_value_update_by_head_changes_nothing(site: Site) -> None:
    update = {"op": "name_value_update", "name": "t.a", "value": "1", "identity": "h"}
    status, headers, _ = site.wire.http("HEAD", update)
    assert (status, headers["allow"]) == (405, "GET, HEAD, POST")
    assert site.wire.http("HEAD", {"op": "query", "sql": "select 1"})[0] == 200
    site.unhurt()


CSV_TABLE = b"1,identity=h\nt\na,b\nint,text\nfirst,second\n1,x\n"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "line 1 is missing"),
        (b"2\nt\n", "line 1: '2' is not a version"),
        (b"1,identity=h\nt\n", "line 3 is missing"),
        (CSV_TABLE.replace(b"identity=h", b"nope=1"), "line 1: 'nope=1' is not an option"),
        (CSV_TABLE.replace(b",identity=h", b""), "identity is missing"),
        (CSV_TABLE.replace(b"\nt\n", b"\nt,u\n"), "line 2 holds the table name alone"),
        (CSV_TABLE.replace(b"\nt\n", b"\nsqlite_x\n"), "'sqlite_x' is reserved"),
        (CSV_TABLE.replace(b"a,b", b"a,A"), "columns 1 and 2 are both named"),
        (CSV_TABLE.replace(b"int,text", b"int,blob"), r"column 2 \(b\): 'blob'"),
        (CSV_TABLE.replace(b"first,second", b"a,b,c"), "line 5: 3 descriptions for 2 columns"),
        (CSV_TABLE + b"2,y,z\n", "line 7: the row has 3 cells"),
        (CSV_TABLE + b'2,"y\ny"\n3\n', "line 9: the row has 1 cells"),
        (CSV_TABLE + b"two,y\n", "line 7, column a: 'two' is not a number"),
        (CSV_TABLE + b"-+1,y\n", r"line 7, column a: '-\+1' is not a number"),
        (CSV_TABLE + b"2,y\xff\n", "line 7: byte 0xff at byte 48 is not UTF-8"),
        (CSV_TABLE + b'2,"y\n', "line 7: not well-formed CSV"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_csv_table_that_is_wrong_is_refused_with_the_line(
    site: Site, body: bytes, place: str
) -> None:
    status, _, answer = site.wire.http_post("add_csv_table_data", body)
    assert status == 400
    is_error(strict_json(answer), place)
    site.unhurt()


def test_a_refused_publication_is_listed_with_its_reason(site: Site) -> None:
    site.wire.http_post("add_table_data", b"{nonsense")
    site.wire.http_post("add_table_data", message(identity="culprit", rows=[[1]]))
    site.unhurt()
    rejects = site.wire.rows("select identity, reason from qasino_server_rejects order by epoch")
    (nobody, not_json), (culprit, bad_row) = rejects[-2:]
    assert nobody is None
    assert "not JSON" in not_json
    assert culprit == "culprit"
    assert "row 1 has 1 cells" in bad_row


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
    is_error(strict_json(body), "Unrecognized op 'nope'")
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


def receive(made: socket.socket, size_bytes: int) -> bytes:
    """Exactly so many bytes."""
    data = b""
    while len(data) < size_bytes:
        part = made.recv(size_bytes - len(data))
        assert part, "closed"
        data += part
    return data


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


# --- Statements that are none, or too many --------------------------------------------------

NO_STATEMENTS = {
    "nothing": ("", "no statement"),
    "blanks": (" \n\t", "no statement"),
    "only a comment": ("-- select 1", "no statement"),
    "only semicolons": (";;;", "no statement"),
    "nonsense": ("hello", 'near "hello": syntax error'),
    "half a statement": ("select", "Incomplete sql statement"),
    "half a string": ("select 'a", "unrecognized token"),
    "no such table": ("select * from nope", "no such table: nope"),
    "no such column": ("select nope", "no such column: nope"),
    "no such function": ("select nope()", "no such function: nope"),
    "a parameter": ("select ?", "has parameters"),
    "a named parameter": ("select :a, @b, $c", "has parameters"),
    "a NUL": ("select 1\0", "NUL"),
    "too many columns": ("select " + ", ".join("1" * 2001), "too many columns"),
    "too many terms": (" union all ".join(["select 1"] * 501), "too many terms"),
    "too deep": ("select " + "(" * 5000 + "1" + ")" * 5000, "limit|too large|overflow"),
    "SHOW of what is not": ("show nope", 'near "show": syntax error'),
    "DESC of nothing": ("desc", 'near "desc": syntax error'),
    "DESC of what is not": ("desc nope", "Table nope not found"),
    "DESC VIEW of what is not": ("desc view nope", "View nope not found"),
    "KILL of what is not": ("kill nope", "no query with the id nope"),
}


@pytest.mark.parametrize(("sql", "place"), NO_STATEMENTS.values(), ids=NO_STATEMENTS)
def test_what_is_no_statement_is_refused_in_sqlites_words(
    refused: Callable[..., None], sql: str, place: str
) -> None:
    refused({"op": "query", "sql": sql}, place)


def test_the_place_of_an_error_is_told_in_characters(site: Site) -> None:
    answer = site.wire.query("select 'größe', nope from qasino_server_info")
    is_error(answer, "no such column: nope")
    assert answer["error_offset"] == len("select 'größe', ")
    site.unhurt()


def test_a_table_that_only_the_snapshot_before_has_is_told_as_such(
    server: Server, wire: Wire
) -> None:
    table = {"tablename": "gone", "column_names": ["x"], "column_types": ["int"], "rows": [[1]]}
    wire.http_post("add_table_data", {"identity": "a", "table": table})
    server.rotate()
    server.rotate()
    answer = wire.query("select * from gone")
    is_error(answer, "no such table: gone")
    assert answer["error_hint"] == "the snapshot before has it: prev.gone"
    asked = {"op": "query", "sql": "select * from gone", "format": "text"}
    told = "SQL error: no such table: gone\nthe snapshot before has it: prev.gone\n"
    assert wire.http_get(asked)[::2] == (400, told.encode())
    assert told.replace("\n", "\r\n") in wire.line("select * from gone;")
    assert "error_hint" not in wire.query("select * from nowhere")


@pytest.mark.parametrize(
    "sql",
    [
        "select 1; select 2",
        "select 1;; select 2",
        "select 1; /* second */ select 2",
        "select 1; -- second\nselect 2;",
        "select 1; nonsense",
        "select 1; '",
        "select 1; delete from qasino_server_info",
        "select ';'; select 2",
    ],
)
def test_two_statements_in_one_are_refused(refused: Callable[..., None], sql: str) -> None:
    refused({"op": "query", "sql": sql}, "two statements; send one")


@pytest.mark.parametrize(
    "sql",
    [
        "select 1;",
        " ;; select 1 ; ; ",
        "select 1; -- select 2",
        "select 1 /* ; select 2 */;",
        "/* never closed is closed */ select 1 /* ; select 2",
        "select 1 -- ;",
        "select 1" + ";" * 100_000,
        "values (1)",
        "with a as (select 1) select * from a",
    ],
    ids=lambda sql: sql[:40],
)
def test_one_statement_with_blanks_and_comments_is_one(
    site: Site, transport: str, sql: str
) -> None:
    answer = ask(site.wire, transport, {"op": "query", "sql": sql})[1]
    assert answer["table"]["rows"] == [["1"]]
    site.unhurt()


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(" " * 23 + "select 1", id="blanks"),
        pytest.param("/**/" * 22 + "select 1", id="comments"),
        pytest.param("\n" * 23 + "select 1", id="line ends"),
        pytest.param("/*" * 25 + "select 1", id="comments never closed"),
        pytest.param("show x" + " " * 22 + "y", id="after SHOW"),
        pytest.param("show x" + "/**/" * 21 + "y", id="comments after SHOW"),
        pytest.param("kill" + " " * 22 + "'", id="after KILL"),
        pytest.param("select 1" + " " * 100_000, id="at the end"),
        pytest.param("show tables like '" + "''" * 50_000, id="quotes"),
        pytest.param("desc " + "x" * 100_000 + " y", id="a long name"),
    ],
)
def test_how_long_reading_a_statement_takes_does_not_grow_without_bound(
    site: Site, sql: str
) -> None:
    began = time.process_time()
    site.wire.query(sql)
    assert time.process_time() - began < 1.0
    site.unhurt()


# --- Writing --------------------------------------------------------------------------------

WRITES = [
    "insert into kept values (2, 'y')",
    "insert or replace into kept values (1, 'y')",
    "replace into kept values (1, 'y')",
    "with a as (select 2) insert into kept select *, 'y' from a",
    "insert into kept values (2, 'y') returning *",
    "update kept set a = 2",
    "update kept set a = 2 returning a",
    "delete from kept",
    "delete from kept returning *",
    "delete from static.still",
    "insert into qasino_server_info select * from qasino_server_info",
    "delete from prev.qasino_server_info",
    "delete from sqlite_schema",
    "delete from temp.qasino_server_views",
    "attach 'FILE' as x",
    "attach ':memory:' as x",
    "attach 'file:FILE?mode=rwc' as x",
    "detach static",
    "detach prev",
    "vacuum",
    "vacuum main",
    "vacuum into 'FILE'",
    "vacuum static into 'FILE'",
    "create table x (a)",
    "create table x as select 1",
    "create table static.x (a)",
    "create temp table x (a)",
    "create table temp.x as select 1",
    "create table if not exists kept (a)",
    "create view x as select 1",
    "create temp view x as select 1",
    "create trigger x after insert on kept begin select 1; end",
    "create temp trigger x after insert on main.kept begin select 1; end",
    "create index x on kept (a)",
    "create unique index static.x on still (a)",
    "create virtual table x using fts5(a)",
    "create virtual table temp.x using fts5(a)",
    "drop table kept",
    "drop table if exists kept",
    "drop table if exists nope",
    "drop table static.still",
    "drop view temp.x",
    "drop index if exists x",
    "drop trigger if exists x",
    "alter table kept rename to x",
    "alter table kept add column x",
    "alter table kept drop column b",
    "alter table static.still rename column a to x",
    "reindex",
    "reindex kept",
    "analyze",
    "analyze kept",
    "begin",
    "begin immediate",
    "begin exclusive",
    "commit",
    "end",
    "rollback",
    "savepoint x",
    "release x",
    "rollback to x",
    "explain select 1",
    "explain delete from kept",
    "explain query plan delete from kept",
    "explain query plan insert into kept values (2, 'y')",
    "explain query plan create table x (a)",
    "explain query plan attach 'FILE' as x",
    "explain query plan pragma user_version",
    "pragma query_only = 0",
    "pragma writable_schema = 1",
    "pragma writable_schema",
    "pragma journal_mode = wal",
    "pragma static.journal_mode = delete",
    "pragma synchronous = off",
    "pragma temp_store_directory = '/'",
    "pragma data_store_directory = '/'",
    "pragma user_version = 5",
    "pragma user_version",
    "pragma table_info(kept)",
    "pragma table_list",
    "pragma database_list",
    "pragma hard_heap_limit = 1",
    "pragma soft_heap_limit = 1",
    "pragma mmap_size = 0",
    "pragma cache_size = -100000000",
    "pragma case_sensitive_like = 1",
    "pragma foreign_keys = 1",
    "pragma incremental_vacuum",
    "pragma optimize",
    "pragma wal_checkpoint(truncate)",
    "pragma static.wal_checkpoint",
    "pragma shrink_memory",
    "pragma trusted_schema = 1",
    "pragma threads = 8",
    "pragma integrity_check",
    "pragma nope",
    "select * from pragma_database_list",
    "select * from pragma_user_version",
    "select * from pragma_integrity_check",
    "select * from pragma_wal_checkpoint",
    "select load_extension('FILE')",
    "select load_extension('FILE', 'main')",
    "select * from (select load_extension('FILE'))",
    "values (load_extension('FILE'))",
    "select readfile('FILE')",
    "select writefile('FILE', 'x')",
    "select edit('x')",
    "select sqlite_log(1, 'x')",
    "select fts3_tokenizer('simple', x'0102030405060708')",
    "select fts3_tokenizer('simple')",
    "grant all on kept to public",
    "copy kept to 'FILE'",
    ".shell touch FILE",
    ".open FILE",
]

HIDING = [
    "/* select */ delete from kept",
    "-- select 1\ndelete from kept",
    "/* select 1; */ /**/ -- x\n\t drop table kept",
    "; delete from kept",
    ";;;/**/;drop table kept",
    "select 1 /*;*/; delete from kept",
    "DeLeTe FrOm kept",
    "\ufeffdelete from kept",
    "\u00a0delete from kept",
    "select (delete from kept)",
    "select * from (delete from kept returning *)",
    "with x as (delete from kept returning *) select * from x",
    "with x as (select 1) delete from kept",
    "select 1 union delete from kept",
    "select 1) ; delete from kept; --",
    "select 1)) select 1 from (select (1",
    'select 1) select * from "=q"; --',
    "1 as (select 1)",
    "select 1 -- \r\n; delete from kept",
    "desc kept; drop table kept",
    "desc kept drop table kept",
    "desc 'kept'; drop table kept; --'",
    'desc "kept"); drop table kept; --',
    "desc kept') union select sql, 1 from sqlite_schema; --",
    "desc [kept]; drop table kept",
    "desc view x' or 1=1; drop table kept; --",
    'desc view "x"; drop table kept',
    "show tables; drop table kept",
    "show tables like 'x'; drop table kept; --'",
    "show tables like 'x' union select sql, 1, 1, 1, 1, 1 from sqlite_schema",
    "show info; drop table kept",
    "show queries; drop table kept",
    "kill 1; drop table kept",
    "kill 1' or 1=1",
]


@pytest.fixture
def kept(shared: Callable[..., Shared]) -> Iterator[Site]:
    """A site with tables worth writing to."""
    with shared("kept", query_timeout_s=5.0).lend() as site:
        publish = partial(site.wire.publish, "h", columns=["a", "b"], types=["int", "text"])
        assert publish("kept", rows=[[1, "x"]], persist=1)["response_op"] == "ok"
        assert publish("still", rows=[[1, "x"]], static=1)["response_op"] == "ok"
        site.server.rotate()
        site.server.rotate()
        yield site
        site.clean = True


def nothing_written(site: Site) -> None:
    """What was published is as it was, on every connection there is."""
    site.unhurt("kept", "still")
    for _ in range(4):
        assert site.wire.rows(
            "select k.a, k.b, s.a, s.b, (select count(*) from pragma_table_info('kept')),"
            " (select group_concat(name) from temp.sqlite_schema)"
            " from main.kept k, static.still s"
        ) == [[1, "x", 1, "x", 2, "qasino_server_views"]]


def told_over(wire: Wire, way: str, sql: str) -> bytes:
    """The answer to a statement, over one of the ways it can come."""
    if way == "line":
        return wire.line(f"{sql};").encode()
    if way == "zmq":
        return wire.zmq_request({"op": "query", "sql": sql})[0]
    if way == "http":
        status, _, body = wire.http_post("query", {"sql": sql})
    elif way == "open generation":
        status, _, body = wire.http_post("query", {"sql": sql, "use_write_db": 1})
    else:
        status, _, body = wire.http_get({"op": "query", "sql": sql, "format": way})
    assert status >= 400, (sql, body)
    return body


@pytest.mark.parametrize("way", ["http", "zmq", "line", "text", "csv", "html", "open generation"])
def test_every_kind_of_write_is_refused(kept: Site, way: str, tmp_path: Path) -> None:
    target = tmp_path / "written"
    for sql in WRITES:
        answer = told_over(kept.wire, way, sql.replace("FILE", str(target)))
        assert b'"response_op":"error"' in answer or answer.startswith(b"SQL error: "), sql
        assert not list(tmp_path.glob("written*")), sql
        assert kept.wire.rows("select a, b from kept") == [[1, "x"]], sql
    nothing_written(kept)


@pytest.mark.parametrize("sql", HIDING)
def test_a_write_that_hides_is_refused(kept: Site, sql: str) -> None:
    for transport in ("http", "zmq"):
        status, answer = ask(kept.wire, transport, {"op": "query", "sql": sql})
        is_error(answer)
        assert status in (None, 400)
    nothing_written(kept)


def test_a_write_that_is_refused_says_what_it_tried(kept: Site) -> None:
    query = kept.wire.query
    is_error(query("delete from kept"), "not authorized: DELETE kept; queries only read")
    is_error(query("attach 'x' as y"), "not authorized: ATTACH")
    is_error(query("select load_extension('x')"), "not authorized.* function: load_extension")
    is_error(query("pragma writable_schema = 1"), "not authorized: PRAGMA writable_schema")
    is_error(query("explain select 1"), "only reading is possible here", "EXPLAIN QUERY PLAN")
    nothing_written(kept)


# --- Queries without measure ----------------------------------------------------------------


def seconds_of(call: Callable[[], Any]) -> tuple[float, Any]:
    """How long it took, and what it gave."""
    began = time.monotonic()
    answer = call()
    return time.monotonic() - began, answer


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


@pytest.fixture
def beside() -> Iterator[Callable[[Callable[[], Any]], Future[Any]]]:
    """Runs something in a thread while the test goes on."""
    with ThreadPoolExecutor(16) as pool:
        yield pool.submit


def running(wire: Wire) -> list[list[Any]]:
    """SHOW queries: id, seconds, port, peer, sql."""
    return wire.rows("show queries")


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


# --- Cells that are hard to tell ------------------------------------------------------------

CELLS: dict[str, tuple[str, str, Any]] = {
    # SQL, as a string, typed
    "NULL": ("null", "", None),
    "an empty string": ("''", "", ""),
    "a blob of text": ("cast('größe' as blob)", "größe", "größe"),
    "a blob of bytes": ("x'00ff'", "00ff", "00ff"),
    "an empty blob": ("x''", "", ""),
    "a blob that is JSONB": ("jsonb('[]')", "\x0b", "\x0b"),
    "text that is not UTF-8": ("cast(x'ff' as text)", "\ufffd", "\ufffd"),
    "half a character": ("cast(x'61c3' as text)", "a\ufffd", "a\ufffd"),
    "a surrogate": ("cast(x'eda080' as text)", "\ufffd" * 3, "\ufffd" * 3),
    "an infinity": ("9e999", "Inf", None),
    "a negative infinity": ("-9e999", "-Inf", None),
    "no number": ("9e999 - 9e999", "", None),
    "a NUL": ("char(97, 0, 98)", "a\0b", "a\0b"),
    "a NUL at the end": ("char(97, 0)", "a\0", "a\0"),
    "control characters": ("char(27, 7, 8, 127)", "\x1b\x07\x08\x7f", "\x1b\x07\x08\x7f"),
    "line ends": ("char(13, 10, 10)", "\r\n\n", "\r\n\n"),
    "quotes": ("'\"''\\,;' || char(9)", "\"'\\,;\t", "\"'\\,;\t"),
    "the last character": ("char(1114111)", "\U0010ffff", "\U0010ffff"),
    "a line separator": ("char(8232)", "\u2028", "\u2028"),
    "a text that turns": ("char(8238)", "\u202e", "\u202e"),
    "markup": ("'<script>&'", "<script>&", "<script>&"),
    "the largest integer": ("9223372036854775807", str(2**63 - 1), 2**63 - 1),
    "the smallest integer": ("-9223372036854775807 - 1", str(-(2**63)), -(2**63)),
    "a tenth": ("0.1", "0.1", 0.1),
}


def cells_of(data: str, delimiter: str) -> list[list[str]]:
    """CSV as Python's own reader has it."""
    return list(csv.reader(io.StringIO(data, newline=""), delimiter=delimiter, strict=True))


@pytest.mark.parametrize(("sql", "string", "typed"), CELLS.values(), ids=CELLS)
def test_a_cell_that_is_hard_to_tell_is_told_well_formed(
    site: Site, transport: str, sql: str, string: str, typed: Any
) -> None:
    sql = f"select {sql} as c, 'x' as x union all select 'y', 'z'"
    ask_for = partial(ask, site.wire, transport)
    answer = ask_for({"op": "query", "sql": sql})[1]
    assert answer["table"]["rows"] == [[string, "x"], ["y", "z"]]
    answer = ask_for({"op": "query", "sql": sql, "typed": True})[1]
    assert answer["table"]["rows"] == [[typed, "x"], ["y", "z"]]
    site.unhurt()


@pytest.mark.parametrize(("sql", "string", "typed"), CELLS.values(), ids=CELLS)
def test_a_cell_that_is_hard_to_tell_is_well_formed_in_every_format(
    site: Site, sql: str, string: str, typed: Any
) -> None:
    sql = f"select {sql} as c, 'x' as x union all select 'y', 'z'"
    told: dict[str, str] = {}
    for form in ("csv", "tsv", "ndjson", "text", "html"):
        status, _, body = site.wire.http_get({"op": "query", "sql": sql, "format": form})
        assert status == 200
        told[form] = body.decode()
    assert cells_of(told["csv"], ",") == [["c", "x"], [string, "x"], ["y", "z"]]
    assert [line.count("\t") for line in told["tsv"].split("\n")] == [1, 1, 1, 0]
    lines = [strict_json(line.encode()) for line in told["ndjson"].split("\n")[:-1]]
    assert lines == [{"c": typed, "x": "x"}, {"c": "y", "x": "z"}]
    head, rule, first, second, count = told["text"].split("\n")[:-1]
    assert (head.split(), rule.split()[1], count) == (["c", "x"], "=", "2 rows returned")
    assert first.endswith("  x")
    assert second.endswith("  z")
    assert re.fullmatch(r"[^\x00-\x1f\x7f-\x9f\u2028\u202e]*", first)
    assert told["html"].count("<tr>") == 3
    assert told["html"].count("<td") == 4
    assert "<script" not in told["html"]
    by_line = site.wire.line(f"{sql};")
    assert by_line.count("\r\n") == by_line.count("\n") == 5
    site.unhurt()


def test_cells_that_are_hard_to_tell_come_back_as_they_were_published(
    site: Site, transport: str
) -> None:
    texts = [string for _, string, _ in CELLS.values() if "\ufffd" not in string]
    rows = [[1, text] for text in texts]
    assert ask(site.wire, transport, message(rows=rows))[1]["response_op"] == "ok"
    site.unhurt("t")
    assert site.wire.rows("select b from t order by rowid") == [[text] for text in texts]
    site.unhurt()


@pytest.mark.parametrize(
    ("cell", "typed"),
    [(b"1e999", None), (b"-1e999", None), (b"9" * 400, None), (b"1" + b"0" * 20, 1e20)],
    ids=["infinity", "negative infinity", "400 digits", "beyond 64 bits"],
)
def test_numbers_beyond_measure_are_taken_as_sqlite_reads_them(
    site: Site, cell: bytes, typed: Any
) -> None:
    for type_name in ("real", "int"):
        body = as_bytes(message(column_types=["int", type_name], rows="ROWS"))
        rows = b"[[1, %s]]" % cell
        assert site.wire.http_post(None, body.replace(b'"ROWS"', rows))[0] == 200
        site.unhurt("t")
        assert site.wire.rows("select b, typeof(b) from t") == [[typed, "real"]]
    site.unhurt()


# --- Functions that do not hear ---------------------------------------------------------------
# The last tests of this file, since what they set going takes a while to end.


@pytest.fixture(scope="module")
def deaf_for() -> Callable[[float], str]:
    """Makes a statement that computes for so many seconds in one call, whatever one says."""
    connection = apsw.Connection(":memory:")

    def sql(length: int) -> str:
        return f"select instr(hex(zeroblob(1000000)), hex(zeroblob({length})) || '1') as found"

    took_s, _ = seconds_of(lambda: connection.execute(sql(8000)).fetchall())
    connection.close()
    return lambda seconds: sql(min(400_000, int(8000 * seconds / took_s)))


@pytest.fixture
def quiet_after() -> Iterator[None]:
    """Waits for the threads that a test leaves computing, so that the next has the machine."""
    before = set(threading.enumerate())
    yield
    until(lambda: not [t for t in set(threading.enumerate()) - before if "reader" in t.name], 30)


def test_a_function_that_does_not_hear_is_given_up(
    quiet_after: None,
    own_site: Callable[..., Site],
    deaf_for: Callable[[float], str],
    beside: Callable[..., Any],
) -> None:
    place = own_site(query_timeout_s=0.3)
    sql = deaf_for(1.6)
    deaf = beside(lambda: seconds_of(lambda: place.wire.http_post("query", {"sql": sql})))
    until(lambda: running(place.wire))
    answered = 0
    while not deaf.done():
        assert place.wire.rows("select 1") == [[1]]
        answered += 1
    assert answered > 3, "they have waited for it"
    took_s, (status, _, body) = deaf.result()
    assert 1.2 < took_s < 6.0
    assert status == 504
    is_error(strict_json(body), r"did not end within 0\.3 s")
    assert not running(place.wire)
    place.unhurt()


def test_several_functions_that_do_not_hear_are_given_up_at_once(
    quiet_after: None,
    own_site: Callable[..., Site],
    deaf_for: Callable[[float], str],
    beside: Callable[..., Any],
) -> None:
    place = own_site(query_timeout_s=0.3)
    sql = deaf_for(1.3)
    ways = ["http", "zmq", "http", "line"]
    call = partial(told_over, place.wire, sql=sql)
    deaf = [beside(partial(seconds_of, partial(call, way=way))) for way in ways]
    for each in deaf:
        took_s, answer = each.result()
        assert took_s < 6.0
        assert b"did not end within 0.3 s" in answer
    assert seconds_of(lambda: place.wire.rows("select 1"))[0] < 0.8
    place.unhurt()


def test_functions_that_do_not_hear_leave_a_reader_to_quick_queries(
    quiet_after: None,
    own_site: Callable[..., Site],
    deaf_for: Callable[[float], str],
    beside: Callable[..., Any],
) -> None:
    place = own_site(query_timeout_s=30.0)
    sql = deaf_for(0.8 * min(4, os.cpu_count() or 1))  # 3.2 s, four at once
    deaf = [beside(lambda: place.wire.query(sql)) for _ in range(4)]
    until(lambda: len(running(place.wire)) == 4)
    took_s, rows = seconds_of(lambda: place.wire.rows("select 1"))
    for each in deaf:
        each.result()
    assert rows == [[1]]
    assert took_s < 6.0
