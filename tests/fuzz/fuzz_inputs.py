"""What is thrown at the ports: bytes, and messages that are nearly right."""

from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import quote

import apsw
from hypothesis import strategies as st

from qasino_server.message import OPS as KNOWN_OPS

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.sampled_from(["t", "u", "order", "T", "_", "a b", "", "sqlite_x", "qasino_server_info"])
IDENTITIES = st.sampled_from(["h", "web-1", "\u202e", ""]) | TEXT
FLAGS = st.sampled_from([True, False, 0, 1, 2, "yes", "no", "on", "maybe", None, [], 1.0])
CELLS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | TEXT
    | st.lists(st.none(), max_size=2)
)
JSON = st.recursive(
    CELLS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
)
OPS = [*KNOWN_OPS, "name_value_update", "nonsense"]


# --- SQL ---------------------------------------------------------------------------------------

FUNCTIONS = sorted(
    name for (name,) in apsw.Connection(":memory:").execute("select name from pragma_function_list")
)
_VALUES = st.sampled_from(
    "null 1 -1 0 9223372036854775807 -9223372036854775808 1e999 -1e999 0.1 '' 'x' x'00' x'ff'"
    " '\u6f22' 'a\u0301' '[1]' '{\"a\":[1]}' '$.a' '$[0]' '%s%d%z' '%' 'now' 'subsec' 'a' b c"
    " current_timestamp rowid t.* * :p ?1 zeroblob(9) randomblob(9)".split(" ")
)


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


_EXPRESSIONS = st.recursive(
    _VALUES,
    lambda inner: st.one_of(
        st.builds(
            lambda name, of: f'"{name}"({", ".join(of)})',
            st.sampled_from(FUNCTIONS),
            st.lists(inner, max_size=4),
        ),
        st.builds(
            lambda one, sign, two: f"({one} {sign} {two})",
            inner,
            st.sampled_from(
                "+ - * / % || | & << >> = <> < is like glob regexp match -> ->> ,".split()
            ),
            inner,
        ),
        st.builds(lambda of, kind: f"cast({of} as {kind})", inner, TEXT.map(_name)),
        st.builds(lambda of: f"(select {of})", inner),
        st.builds(lambda of: f"sum({of}) over (order by {of})", inner),
    ),
    max_leaves=6,
)


_SOURCES = st.sampled_from(
    "t|main.t|prev.t|static.u|temp.qasino_server_views|sqlite_schema|static.sqlite_schema|"
    "qasino_server_info|qasino_server_tables|json_each('[1,2]')|json_tree('{\"a\":1}')|"
    "pragma_table_info('t')|pragma_function_list|pragma_database_list|dbstat|sqlite_dbpage|"
    "generate_series(1,3)|fts5vocab|(values (1),(2))|t join u using (a)".split("|")
)
_PIECES = st.sampled_from(
    "select with recursive as values explain query plan pragma attach vacuum into create temp table"
    " view trigger virtual using insert delete update drop ; ;; -- /* */ ' \" ` [ ] ( ) , . * = t a"
    " union all except order by limit offset group having over partition window show desc describe"
    " kill tables info queries views like \n \r\n \0 \x04 \u00a0 \ufeff ? :a @b $c 1e 0x 'x' x'0'"
    " reindex analyze savepoint release begin commit return quit exit".split(" ")
)
SQL = st.one_of(
    st.builds(
        lambda of, place: f"select {', '.join(of)} from {place}",
        st.lists(_EXPRESSIONS, min_size=1, max_size=3),
        _SOURCES,
    ),
    _EXPRESSIONS.map(lambda of: f"select {of}"),
    st.lists(_PIECES, max_size=12).map(" ".join),
    st.text(max_size=40),
)

# --- JSON requests -----------------------------------------------------------------------------

TABLES = st.fixed_dictionaries(
    {},
    optional={
        "tablename": NAMES | JSON,
        "column_names": st.lists(NAMES, max_size=3) | st.just(["a", "b"]) | JSON,
        "column_types": st.just(["int", "text"]) | st.lists(TEXT, max_size=3) | JSON,
        "rows": st.lists(st.lists(JSON, min_size=2, max_size=2), max_size=4) | JSON,
        "column_descriptions": st.lists(TEXT, max_size=3) | JSON,
    },
)
REQUESTS = st.fixed_dictionaries(
    {"op": st.sampled_from(OPS)},
    optional={
        "identity": IDENTITIES | JSON,
        "table": TABLES | JSON,
        "sql": SQL,
        "persist": FLAGS,
        "static": FLAGS,
        "update": FLAGS,
        "replace": FLAGS,
        "typed": FLAGS,
        "use_write_db": FLAGS,
        "keycols": st.sampled_from(["a", "a;b", ";", "nope"]) | JSON,
        "ttl_s": st.sampled_from([1, 0, -1, "5", 1e400, "inf"]) | JSON,
        "query_id": st.sampled_from(["1", "q", ""]) | JSON,
        "tablename": NAMES | JSON,
    },
)


def as_json(value: Any) -> bytes:
    """As Python's own encoder writes it, NaN and half surrogates included."""
    return json.dumps(value).encode("utf-8", "surrogatepass")


@st.composite
def spoilt(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """A message with a few bytes changed, left out or put in."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(data)))
        piece = draw(
            st.sampled_from([b"", b"\0", b"\xff", b'"', b"\\ud800", b"[[[[", b"}", b"1e999", b","])
        )
        data[place : place + draw(st.integers(0, 4))] = piece
    return bytes(data)


JSON_BODIES = spoilt(REQUESTS.map(as_json)) | st.binary(max_size=60)

# --- CSV and gzip ------------------------------------------------------------------------------

_CSV_LINES = st.sampled_from(
    [
        "1,identity=h",
        "1",
        "2",
        "t",
        "a,b",
        "int,text",
        "A,B",
        '1,"x"',
        '1,"x',
        ",",
        "",
        "a",
        '"',
        "1,2,3",
        "1,identity=h,persist=1,ttl_s=5",
        "9" * 5000 + ",x",
        "1_000,x",
        "nan,x",
        "\ufeff1",
        "1\0,x",
        "\r",
        "inf,\u2028",
    ]
)
CSV_BODIES = spoilt(
    st.lists(_CSV_LINES, max_size=9).map(lambda lines: "\n".join(lines).encode())
    | st.lists(_CSV_LINES, max_size=4).map(
        lambda rows: "\n".join(["1,identity=h", "t", "a,b", "int,text", "A,B", *rows]).encode()
    )
)
GZIP_BODIES = spoilt((JSON_BODIES | CSV_BODIES).map(gzip.compress)) | st.just(
    gzip.compress(b"[" * (8 << 20))
)

# --- HTTP --------------------------------------------------------------------------------------

PATHS = st.one_of(
    st.sampled_from(
        ["/request"] * 6
        + [
            "/",
            "/tables",
            "/query",
            "/events",
            "/metrics",
            "/healthz",
            "/healthz/live",
            "/favicon.ico",
            "/tables/t",
            "/assets/qasino.css",
            "*",
            "",
            "//",
            "/request/",
            "http://x/request",
        ]
    ),
    TEXT.map(lambda text: "/tables/" + quote(text, safe="")),
    TEXT.map(lambda text: "/assets/" + quote(text, safe="./%")),
    st.binary(max_size=10).map(lambda data: "/" + quote(data)),
    st.sampled_from(
        [
            "/tables/%",
            "/tables/%ff",
            "/assets/../site.py",
            "/assets/..%2f..%2fserver.py",
            "/%00",
            "/tables/\xe9",
        ]
    ),
)
PARAMS = st.dictionaries(
    st.sampled_from(
        "op sql format typed query_id use_write_db name value identity filter v".split()
    )
    | TEXT,
    st.sampled_from(
        [*OPS, "json", "text", "csv", "tsv", "ndjson", "html", "1", "t.a", "add_csv_table_data"]
    )
    | SQL
    | TEXT,
    max_size=5,
)
HEADERS = st.lists(
    st.sampled_from(
        [
            b"Content-Type: application/json",
            b"Content-Type: \xff",
            b"Content-Encoding: gzip",
            b"Content-Encoding: br",
            b"Content-Encoding: gzip, gzip",
            b"Accept: */*",
            b"Accept: application/openmetrics-text; version=9",
            b"Accept: \xff\xfe",
            b"Accept:",
            b"Host: localhost",
            b"Host: evil.example",
            b"Host: [",
            b"Host: [::1",
            b"Host: \xe9",
            b"Origin: null",
            b"Origin: http://[",
            b"Origin: http://\xff",
            b"Origin: ://",
            b"Origin: http://[::1]:x",
            b"Sec-Fetch-Site: cross-site",
            b"Sec-Fetch-Site: \x80",
            b"User-Agent: Mozilla/5.0",
            b"Accept-Language: en",
            b"Authorization: Basic !!",
            b"Authorization: Bearer \xff",
            b"Authorization: Basic OnA=",
            b"Authorization: Basic",
            b"Authorization: \xa0 x",
            b"Expect: 100-continue",
            b"Upgrade: websocket",
            b"Upgrade: h2c",
            b"Range: bytes=0-",
            b"X: " + b"y" * 9000,
            b"X-Forwarded-For: \xff",
            b"X-Forwarded-Proto: https",
            b"Cookie: a=b",
            b"TE: trailers",
        ]
    ),
    max_size=4,
)
RAW_HTTP = st.lists(
    st.sampled_from(
        [
            b"GET ",
            b"POST ",
            b"PRI ",
            b"G\0T ",
            b"get ",
            b"/",
            b"/request?op=query&sql=select+1",
            b"/request",
            b" HTTP/1.1",
            b" HTTP/1.0",
            b" HTTP/2.0",
            b" HTTP/9",
            b"\r\n",
            b"\r\n\r\n",
            b"\n\n",
            b"\r",
            b"\n",
            b"Host: localhost\r\n",
            b"Host:",
            b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
            b"Connection: keep-alive\r\n",
            b"Content-Length: 5\r\n",
            b"Content-Length: -1\r\n",
            b"Content-Length: 99999999999999999999\r\n",
            b"Content-Length: 5, 6\r\n",
            b"Content-Length: 0x5\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Transfer-Encoding: identity\r\n",
            b"Transfer-Encoding: gzip, chunked\r\n",
            b"5\r\nhello\r\n",
            b"0\r\n\r\n",
            b"fffffffff\r\n",
            b"-1\r\n",
            b"zz\r\n",
            b"5;x=y\r\n",
            b"\0",
            b"\xff",
            b": ",
            b" Folded: x\r\n",
            b"x" * 70000,
            b"\x16\x03\x01\x02\x00\x01",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b'{"op":"query","sql":"select 1"}',
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ]
    )
    | st.binary(max_size=20),
    max_size=12,
).map(b"".join)
