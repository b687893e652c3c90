"""Whatever is wrong with a request gets a sentence, and the server is none the worse for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from ill_treated import (
    MISSING,
    Json,
    Site,
    ask,
    is_error,
    message,
    message_with,
    strict_json,
)
from wire import as_bytes

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


@pytest.mark.parametrize("cell", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_has_not_is_told_for_what_it_is(
    refused: Callable[..., None], cell: str
) -> None:
    """Python's json writes them without a word."""
    refused(message_with(f"[[1, {cell}]]".encode()), r"byte \d+\); JSON has no NaN and no Infinity")


@pytest.mark.parametrize("half", ["\\ud800x\\u", "\\ud800\\u0041", "\\udc00"])
def test_half_a_surrogate_pair_is_told_for_what_it_is(
    refused: Callable[..., None], half: str
) -> None:
    refused(message_with(f'[[1, "{half} and much more"]]'.encode()), "half a surrogate pair")


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
def test_a_table_of_2000_columns_is_taken_and_told(patient: Site, flags: Json) -> None:
    assert patient.wire.post(**wide(2000, **flags))["response_op"] == "ok"
    patient.unhurt("t")
    rows = [list(range(2000))] * (1 if "update" in flags else 3)
    assert patient.wire.rows("select * from t") == rows
    for form in ("csv", "tsv", "ndjson", "text", "html"):
        params = {"op": "query", "sql": "select * from t", "format": form}
        assert patient.wire.http_get(params)[0] == 200
    patient.wire.post("drop_table", tablename="t")
    patient.server.rotate()
    patient.unhurt()


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
        (CSV_TABLE + b"2,y,\n", "line 7: the row has 3 cells"),
        (CSV_TABLE.replace(b"\nt\n", b"\nt,,\n") + b"2,y,z\n", "line 7: the row has 3 cells"),
        (CSV_TABLE.replace(b"\nt\n", b"\n,,\n"), "line 2 holds the table name alone"),
        (CSV_TABLE.replace(b",", b";"), "line 1: '1;identity=h' has semicolons"),
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
