"""What has an input space: bytes off the wire, CSV, statements, and the formats going out."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from qasino_server.csv_table import read_csv_table
from qasino_server.errors import BadRequest
from qasino_server.message import ListTables, decode_request
from qasino_server.publication_rules import flag, make_publication
from qasino_server.render import (
    CsvStream,
    NdjsonStream,
    TsvStream,
    distinct,
    html_fragment,
    text_table,
    visible,
    width,
)
from qasino_server.splitting import Splitter
from qasino_server.statement import Kill, Select, ShowQueries, read_statement
from qasino_server.table import check_columns
from qasino_server.zmq_port import split_envelope

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)
KEYS = st.sampled_from(
    "op identity table persist static update keycols replace ttl_s sql typed query_id tablename"
    " use_write_db".split()
)
OPS = ["query", "add_table_data", "get_table_list", "health", "cancel", "drop_table", "nonsense"]
TABLES = st.fixed_dictionaries(
    {},
    optional={
        "tablename": JSON | st.just("t"),
        "column_names": JSON | st.just(["a"]),
        "column_types": JSON | st.just(["int"]),
        "rows": JSON | st.just([[1]]),
        "column_descriptions": JSON,
    },
)


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=200), op=st.none() | st.sampled_from(OPS))
def test_any_bytes_are_a_request_or_refused_with_a_sentence(body: bytes, op: str | None) -> None:
    _is_read_or_refused(body, op)


@settings(max_examples=500, deadline=None)
@given(
    fields=st.dictionaries(KEYS, JSON, max_size=6),
    op=st.sampled_from(OPS),
    table=st.none() | TABLES,
)
def test_any_json_is_a_request_or_refused_with_a_sentence(
    fields: dict[str, Any], op: str, table: Any
) -> None:
    body = {**fields, "op": op, **({"table": table} if table is not None else {})}
    _is_read_or_refused(json.dumps(body).encode(), None)


@pytest.mark.parametrize("op", ["add_table_data", "query"])
@pytest.mark.parametrize("key", ["persist", "ttl_s", "typed", "column_names", "column_types"])
def test_json_is_read_or_refused_however_deep_it_is_nested(op: str, key: str) -> None:
    """What is read in a second step must not fail where the first has just not."""
    for depth in range(sys.getrecursionlimit() - 200, sys.getrecursionlimit() + 10):
        nested = b"[" * depth + b"]" * depth
        parts = {b"column_names": b'["a"]', b"column_types": b'["int"]', b"rows": b"[]"}
        table = b",".join(b'"%b":%b' % part for part in {**parts, key.encode(): nested}.items())
        body = b'{"op":"%b","%b":%b,"sql":"","identity":"a","table":{"tablename":"t",%b}}'
        _is_read_or_refused(body % (op.encode(), key.encode(), nested, table), None)


@pytest.mark.parametrize("key", ["column_names", "column_types", "column_descriptions"])
def test_a_header_that_cannot_be_read_is_refused_with_its_place_in_the_body(key: str) -> None:
    header = {"column_names": ["a"], "column_types": ["int"], key: ["HERE"]}
    table = json.dumps({"tablename": "t", **header, "rows": []}).replace("HERE", "\\ud800!!")
    body = f'{{"op":"add_table_data","identity":"a","table":{table}}}'
    sentence = _refusal(lambda: decode_request(body.encode()))
    assert sentence is not None
    assert sentence.endswith(f"half a surrogate pair (byte {body.index('!')})")


def test_a_number_in_a_header_is_no_string_however_large() -> None:
    table = b'{"tablename":"t","column_names":["a",1e999],"column_types":["int"],"rows":[]}'
    body = b'{"op":"add_table_data","identity":"a","table":%b}' % table
    sentence = _refusal(lambda: decode_request(body))
    assert sentence == "table.column_names: entry 2 must be a string"


IN_TABLE = ("tablename", "column_names", "column_types", "column_descriptions")
AT_TOP = (
    "op identity persist static update keycols replace ttl_s sql typed query_id use_write_db"
    " tablename table"
).split()


@pytest.mark.parametrize("entry", ["[]", '""', '"\\\\"'])
@pytest.mark.parametrize("key", [*(f"table.{key}" for key in IN_TABLE), *AT_TOP, "unknown"])
def test_what_is_refused_is_not_made_into_values(key: str, entry: str) -> None:
    """Half a million of them would be a hundred megabytes, and a port's time."""
    body = _with_an_array_at(key, ",".join([entry] * 500_000))
    tracemalloc.start()
    try:
        for op in OPS:
            _is_read_or_refused(body, op)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1.5 * len(body) + (1 << 20)


def _with_an_array_at(key: str, entries: str) -> bytes:
    table = {"tablename": "t", "column_names": ["a"], "column_types": ["int"], "rows": []}
    message: dict[str, Any] = {"op": "query", "sql": "", "identity": "a", "table": table}
    place, _, name = key.rpartition(".")
    (message["table"] if place else message)[name] = ["HERE"]
    return json.dumps(message).replace('"HERE"', entries).encode()


@pytest.mark.parametrize("key", AT_TOP)
def test_an_array_in_a_key_that_the_op_does_not_have_is_no_fault(key: str) -> None:
    body = json.dumps({key: [{}]}).encode()
    if key == "table":
        assert _refusal(lambda: decode_request(body, "get_table_list"))
    else:
        assert decode_request(body, "get_table_list") == ListTables()


@pytest.mark.parametrize("nr_columns", [2000, 2001])
def test_a_header_is_counted_before_it_is_read_only_to_be_refused(nr_columns: int) -> None:
    """As long as names and their escapes may be, and one more."""
    described = [str(n) + '"\\' * 500 for n in range(nr_columns)]
    table = {
        "tablename": "t",
        "column_names": [f"c{n:0120}" for n in range(nr_columns)],
        "column_types": ["int"] * nr_columns,
        "column_descriptions": described,
        "rows": [],
    }
    body = json.dumps({"identity": "a", "table": table}).replace("c0", "\\u0063" + "\\u0030")
    sentence = _refusal(lambda: decode_request(body.encode(), "add_table_data"))
    if nr_columns == 2000:
        assert sentence is None
    else:
        assert sentence == "the table has 2001 columns, the most is 2000"


def _is_read_or_refused(body: bytes, op: str | None) -> None:
    sentence = _refusal(lambda: decode_request(body, op))
    assert sentence is None or (sentence and "\n" not in sentence)


def _refusal(read: Callable[[], object]) -> str | None:
    """The sentence it is refused with, None where it is read; anything else is raised."""
    try:
        read()
    except BadRequest as error:
        return error.sentence
    return None


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        *((word, True) for word in (True, 1, "YES", "1", "true")),
        *((word, False) for word in (False, 0, "no", "", None)),
    ],
)
def test_flags_are_read_as_people_write_them(value: Any, meant: bool) -> None:
    assert flag(value, "persist") is meant


@pytest.mark.parametrize("value", [2, 1.5, "maybe", [], {}, [True]])
def test_what_is_no_flag_is_refused(value: Any) -> None:
    with pytest.raises(BadRequest, match="persist must be true or false"):
        flag(value, "persist")


# --- CSV ---------------------------------------------------------------------------------------

CSV_ROWS = st.lists(
    st.tuples(
        TEXT.map(lambda text: text.replace("\r", "")),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(allow_nan=False),
    ),
    max_size=5,
)


@settings(max_examples=200, deadline=None)
@given(rows=CSV_ROWS)
def test_a_csv_table_gives_back_every_cell_that_was_written(rows: list[tuple[Any, ...]]) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([["1", "identity=me"], ["t"], ["s", "i", "r"], ["string", "int", "real"]])
    writer.writerow(["S", "I", "R"])
    writer.writerows([[s, "" if i is None else i, "" if r is None else r] for s, i, r in rows])
    publication = read_csv_table(out.getvalue().encode())
    assert publication.identity == "me"
    assert publication.descriptions == ("S", "I", "R")
    # 9e999 is how an infinity travels, and Python's reader makes one of it too.
    assert json.loads(publication.rows_json) == [list(row) for row in rows]


@pytest.mark.parametrize("digits", [309, 4_300, 4_301, 100_000])
@pytest.mark.parametrize("sign", ["", "-", "+"])
def test_a_whole_number_beyond_a_double_is_an_infinity_however_long(digits: int, sign: str) -> None:
    table = f"1,identity=i\nt\na\nint\n\n{sign}{'9' * digits}\n"
    ((cell,),) = json.loads(
        read_csv_table(table.encode()).rows_json, parse_int=float, parse_float=float
    )
    assert cell == (-math.inf if sign == "-" else math.inf)


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=300))
def test_any_bytes_are_a_csv_table_or_refused_with_the_line(body: bytes) -> None:
    table = b"1,identity=me\nt\na,b\nint,string\nA,B\n" + body
    sentence = _refusal(lambda: read_csv_table(table))
    assert sentence is None or "line " in sentence


@given(width=st.integers(1, 9), every=st.booleans())
def test_a_csv_table_is_what_it_was_when_a_spreadsheet_has_padded_it(
    width: int, every: bool
) -> None:
    lines = ["1,identity=me", "t", "a,b", "int,string", "A", "1,x", ",", "2,"]
    padded = [line + "," * max(0, width - 1 - line.count(",")) for line in lines]
    if every:
        cells = [",".join(f'"{cell}"' for cell in line.split(",")) for line in padded]
        padded = cells
    table, saved = ("\r\n".join(body).encode() for body in (lines, padded))
    assert read_csv_table(saved) == read_csv_table(table)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["1,identity=me,persist=perhaps"], "line 1: persist must be true or false"),
        (["1,identity=me,update=1,keycols=z"], "line 1: keycols names 'z'"),
        (["1"], "identity is missing"),
        (["1,identity=me", "bad name"], "line 2: tablename: 'bad name' is not a legal name"),
        (["1,identity=me", "sqlite_t"], "line 2: tablename: 'sqlite_t' is reserved"),
        (["1,identity=me", "t", "a b"], "lines 3 and 4: column 1: 'a b' is not a legal name"),
        (["1,identity=me", "t", "a", "money"], "lines 3 and 4: column 1 (a): 'money' is not"),
    ],
)
def test_what_is_wrong_in_the_head_of_a_csv_table_is_told_with_its_line(
    lines: list[str], told: str
) -> None:
    table = [*lines, *["1", "t", "a", "int", "of a", "1"][len(lines) :]]
    sentence = _refusal(lambda: read_csv_table("\n".join(table).encode()))
    assert sentence is not None
    assert sentence.startswith(told)


@given(st.text(min_size=1), st.sampled_from(["x", "\xe9", "\u20ac", "\U0001f600"]))
def test_what_waits_is_counted_as_the_memory_it_takes(more: str, character: str) -> None:
    """One emoji makes four megabytes of one; so much too wide was the bound on what waits."""
    rows_json = json.dumps([[character + more + "x" * 10_000]], ensure_ascii=False)
    words = (character * 10_000,)
    publication = make_publication(
        identity="i",
        tablename="t",
        columns=check_columns(("a",), ("text",)),
        rows_json=rows_json,
        descriptions=words,
    )
    held_bytes = sys.getsizeof(rows_json) + sys.getsizeof(*words)
    assert held_bytes <= publication.size_bytes + 200 <= held_bytes + 1000


def test_a_csv_table_takes_little_more_memory_than_its_text() -> None:
    table = b"1,identity=me\nt\na\nstring\nA\n" + b"a\n" * 20_000
    tracemalloc.start()
    try:
        assert len(read_csv_table(table).rows_json) == 120_001
        assert tracemalloc.get_traced_memory()[1] < 800_000
    finally:
        tracemalloc.stop()


def test_unusual_line_ends_inside_a_cell_end_no_line() -> None:
    body = "1,identity=me\nt\na\nstring\nA\none\u2028line\x0bstill\n"
    assert json.loads(read_csv_table(body.encode()).rows_json) == [["one\u2028line\x0bstill"]]


# --- Statements --------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        "select 1",
        "'a;b'",
        '"x;y"',
        "`;`",
        "[;]",
        "-- no;\n",
        "/* ; */",
        " ",
        "\n",
        "a-b",
        "1/2",
        "''",
    ]
)


@settings(max_examples=300, deadline=None)
@given(statements=st.lists(st.lists(PIECES, min_size=1, max_size=6).map("".join), max_size=5))
def test_statements_are_split_at_the_semicolons_that_end_them(statements: list[str]) -> None:
    found, rest = _split("".join(f"{text};" for text in statements))
    comments = ("-- no;\n", "/* ; */", " ", "\n")
    wanted = []
    for text in statements:
        bare = text
        for comment in comments:
            bare = bare.replace(comment, "")
        if bare:
            wanted.append(text.strip())
    assert (found, rest) == (wanted, "")


@settings(max_examples=300, deadline=None)
@given(text=st.text("';\"`[]-/*\n ab", max_size=40), size=st.integers(1, 5))
def test_a_text_in_pieces_is_split_as_the_whole_text_is(text: str, size: int) -> None:
    """Blanks and comments before a statement may be lost on the way."""
    text = text.replace(";", ";1")
    splitter = Splitter()
    pieces = [text[n : n + size] for n in range(0, len(text), size)]
    found = [statement for piece in pieces for statement in splitter.feed(piece)]
    statements, rest = _split(text)
    assert len(found) == len(statements)
    assert [*map(_without_head, [*found, splitter.rest])] == [
        *map(_without_head, [*statements, rest])
    ]


def _split(text: str) -> tuple[list[str], str]:
    splitter = Splitter()
    return splitter.feed(text), splitter.rest


def _without_head(text: str) -> str:
    """Without blanks and comments before it."""
    return re.sub(r"\A(?:\s|--[^\n]*\n|/\*.*?\*/)*", "", text, flags=re.DOTALL)


def test_a_text_that_comes_byte_by_byte_costs_no_more_than_one_that_comes_whole() -> None:
    for begun in ("a-" * 500_000, "'" + ";" * 1_000_000, "/* " + "x" * 1_000_000, "\n" * 1_000_000):
        splitter = Splitter()
        splitter.feed(begun)
        began = time.process_time()
        for _ in range(1_000):
            splitter.feed("x")
        assert time.process_time() - began < 5, "it was 800 s"


@settings(max_examples=300, deadline=None)
@given(text=st.text("';\"`[]-/*\n ab", max_size=60))
def test_no_character_of_a_text_is_lost_by_splitting_it_twice(text: str) -> None:
    statements, rest = _split(text)
    # A line end, since a statement may end in a comment.
    again, rest_again = _split("".join(f"{s}\n;" for s in statements) + rest)
    assert again == statements
    assert rest_again.strip() == rest.strip()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("show queries", ShowQueries),
        ("KILL 7;", Kill),
        ("kill 'a b'", Kill),
        ("select 'show tables'", Select),
        ("showtables", Select),
        ("show tables; drop table t", Select),
    ],
)
def test_only_shortcuts_are_read_as_shortcuts(text: str, kind: type) -> None:
    statement = read_statement(text)
    assert type(statement) is kind
    if kind is Select:
        assert statement == Select(text)


AFTER = re.compile(r"(?:\s++|;|--[^\n]*+(?:\n|\Z)|/\*(?:(?!\*/).)*+\*/)*+", re.DOTALL)


@settings(max_examples=500, deadline=None)
@given(text=st.text("/*-; \na'", max_size=12))
def test_no_shortcut_is_read_as_another_for_what_follows_it(text: str) -> None:
    """`kill job--1` killed job."""
    sql = f"kill 7{text}"
    statement = read_statement(sql)
    if isinstance(statement, Kill):
        assert statement.query_id.split() == [statement.query_id]
        assert sql.startswith(f"kill {statement.query_id}")
        after = sql.removeprefix(f"kill {statement.query_id}")
        assert AFTER.fullmatch(after)
        assert not after.startswith(("-", "/"))
    if AFTER.fullmatch(text):
        assert read_statement(f"desc t{text}") == read_statement("desc t")
        assert read_statement(f"kill '7'{text}") == Kill("7")


@given(query_id=st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=128))
def test_any_id_can_be_killed_in_quotes(query_id: str) -> None:
    for quote in "'\"":
        quoted = quote + query_id.replace(quote, quote * 2) + quote
        assert read_statement(f"kill {quoted};") == Kill(query_id)


def test_marks_in_quotes_end_no_shortcut() -> None:
    like = read_statement("show tables like '%--%' -- of those")
    assert isinstance(like, Select)
    assert like.bindings == ("%--%",)


@pytest.mark.parametrize(("between", "last"), [(";", "x"), ("; ", "x"), (" ", "'")])
def test_a_shortcut_with_much_between_its_words_is_read_at_once(between: str, last: str) -> None:
    text = f"kill {between * 990}"[:990] + last
    began = time.process_time()
    for _ in range(1_000):
        read_statement(text)
    assert time.process_time() - began < 4, "it was 9 to 25 s"


# --- Formats -----------------------------------------------------------------------------------

CELLS = st.none() | st.integers(-(2**63), 2**63 - 1) | TEXT
ROWS = st.lists(st.tuples(CELLS, CELLS), max_size=5)


@settings(deadline=None)
@given(rows=ROWS)
def test_csv_can_be_read_back_with_null_told_from_an_empty_string(rows: list[Any]) -> None:
    stream = CsvStream()
    text = stream.head(["a", "b,c"]) + stream.rows(rows)
    assert text.startswith('a,"b,c"\n')
    read = list(csv.reader(io.StringIO(text, newline=""), strict=True))[1:]
    assert read == [["" if c is None else str(c) for c in row] for row in rows]
    if rows == [(None, "")]:
        assert text.endswith(',""\n')


@settings(deadline=None)
@given(rows=ROWS)
def test_tsv_is_a_line_a_row_and_can_be_read_back(rows: list[Any]) -> None:
    stream = TsvStream()
    lines = stream.rows(rows).split("\n")[:-1]
    assert len(lines) == len(rows)
    escapes = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\\\": "\\"}

    def unescaped(text: str) -> str | None:
        if text == "\\N":
            return None
        out, at = "", 0
        while at < len(text):
            pair = escapes.get(text[at : at + 2])
            out, at = (out + pair, at + 2) if pair else (out + text[at], at + 1)
        return out

    read = [[unescaped(cell) for cell in line.split("\t")] for line in lines]
    assert read == [[None if c is None else str(c) for c in row] for row in rows]


@settings(deadline=None)
@given(rows=ROWS)
def test_ndjson_is_an_object_a_line_with_distinct_keys(rows: list[Any]) -> None:
    stream = NdjsonStream()
    stream.head(["a", "a"])
    lines = stream.rows(rows).split("\n")[:-1] if rows else []
    assert [list(json.loads(line).items()) for line in lines] == [
        [("a", first), ("a:1", second)] for first, second in rows
    ]


def test_distinct_names_stay_distinct_whatever_they_are() -> None:
    assert distinct(["a", "a:1", "a", "a"]) == ["a", "a:1", "a:2", "a:3"]


@settings(deadline=None)
@given(rows=ROWS)
def test_no_cell_drives_a_terminal_or_breaks_a_line_of_a_text_table(rows: list[Any]) -> None:
    table = text_table(["a", "b"], rows)
    lines = table.split("\n")
    assert len(lines) == len(rows) + 4
    assert all(ord(character) >= 32 and character != "\x7f" for line in lines for character in line)
    widths = {width(line) for line in lines[:-2]}
    assert len(widths) == 1


def test_marks_that_turn_the_reading_direction_are_made_visible() -> None:
    assert visible("a\u202eb\x1b[2J\x9b") == "a\\u202eb\\x1b[2J\\x9b"


def test_html_shows_hostile_cells_as_text() -> None:
    assert html_fragment(["<i>"], [("<script>alert('x')</script>",), (None,)]) == (
        "<table>\n<thead><tr><th>&lt;i&gt;</th></tr></thead>\n<tbody>\n"
        "<tr><td>&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;</td></tr>\n"
        '<tr><td class="null"></td></tr>\n</tbody>\n</table>\n'
    )


@pytest.mark.parametrize(
    ("frames", "envelope", "payload"),
    [
        ([b"r", b"", b"x"], [b"r", b""], [b"x"]),
        ([b"r", b"x"], [b"r"], [b"x"]),
        ([b"r", b"hop", b"", b"x"], [b"r", b"hop", b""], [b"x"]),
        ([b"r", b"", b""], [b"r", b""], [b""]),
        ([b"r"], [b"r"], []),
    ],
)
def test_envelopes_of_every_kind_of_client_are_told_from_what_they_carry(
    frames: list[bytes], envelope: list[bytes], payload: list[bytes]
) -> None:
    found, rest = split_envelope(frames[0], [zmq.Frame(frame) for frame in frames[1:]])
    assert (found, [frame.bytes for frame in rest]) == (envelope, payload)
