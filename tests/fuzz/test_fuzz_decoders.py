"""Wild input for what reads bytes: it is read, or refused with one sentence."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path

import pytest
import zmq
from fuzz_inputs import (
    CSV_BODIES,
    GZIP_BODIES,
    HEADERS,
    JSON_BODIES,
    OPS,
    PARAMS,
    SQL,
    TEXT,
    spoilt,
)
from fuzz_target import FUZZ, tried
from hypothesis import given
from hypothesis import strategies as st

from qasino_server.auth import _user_and_password
from qasino_server.browser import check_host, foreign_page
from qasino_server.csv_table import read_csv_table
from qasino_server.curve_keys import read_public_key
from qasino_server.errors import QasinoError
from qasino_server.gzip_body import check_coding, unpacked
from qasino_server.http_request import params_of
from qasino_server.message import (
    decode_for_store,
    decode_request,
    means_to_publish,
    query_from_params,
)
from qasino_server.publication_rules import name_value_from_params
from qasino_server.render import text_table
from qasino_server.splitting import Splitter
from qasino_server.statement import read_statement
from qasino_server.users import Roll, read_htpasswd, read_users
from qasino_server.views import read_views
from qasino_server.zmq_port import split_envelope


def read_or_refused(read: Callable[[], object]) -> None:
    """Nothing but an answer or a sentence."""
    tried["decoders"] += 1
    refused = refusal(read)
    if refused is not None:
        assert refused.status < 500
        assert refused.sentence
        assert "\n" not in refused.sentence
        refused.sentence.encode()


def refusal(read: Callable[[], object]) -> QasinoError | None:
    """What it is refused with; anything else is raised."""
    try:
        read()
    except QasinoError as error:
        return error
    return None


@FUZZ
@given(body=JSON_BODIES, op=st.none() | st.sampled_from(OPS))
def test_requests(body: bytes, op: str | None) -> None:
    means_to_publish(body, op)
    read_or_refused(lambda: decode_request(body, op))
    read_or_refused(lambda: decode_for_store(body, op))


@FUZZ
@given(body=CSV_BODIES, identity=st.none() | TEXT)
def test_csv_tables(body: bytes, identity: str | None) -> None:
    read_or_refused(lambda: read_csv_table(body, identity))


@FUZZ
@given(body=GZIP_BODIES, coding=st.none() | TEXT)
def test_gzip_bodies(body: bytes, coding: str | None) -> None:
    read_or_refused(lambda: check_coding(coding))
    read_or_refused(lambda: unpacked(body, 1 << 16))


@FUZZ
@given(params=PARAMS, query=st.binary(max_size=60))
def test_parameters(params: dict[str, str], query: bytes) -> None:
    read_or_refused(lambda: query_from_params(params))
    read_or_refused(lambda: name_value_from_params(params))
    read_or_refused(lambda: params_of({"query_string": query}))


@FUZZ
@given(headers=HEADERS, credentials=st.text(string.printable) | TEXT)
def test_headers(headers: list[bytes], credentials: str) -> None:
    pairs = [
        (name.lower(), value.strip()) for name, _, value in (h.partition(b":") for h in headers)
    ]
    read_or_refused(lambda: check_host(pairs, "127.0.0.1", ()))
    read_or_refused(lambda: foreign_page(pairs))
    read_or_refused(lambda: _user_and_password(credentials))


@FUZZ
@given(text=SQL)
def test_statements(text: str) -> None:
    read_or_refused(lambda: read_statement(text))
    read_or_refused(lambda: Splitter().feed(text))


@FUZZ
@given(frames=st.lists(st.binary(max_size=5), min_size=1, max_size=6))
def test_envelopes(frames: list[bytes]) -> None:
    envelope, payload = split_envelope(frames[0], [zmq.Frame(frame) for frame in frames[1:]])
    assert [*envelope, *(frame.bytes for frame in payload)] == frames


@FUZZ
@given(
    rows=st.lists(st.tuples(st.text(), st.binary(max_size=4) | st.floats() | st.none()), max_size=3)
)
def test_text_tables(rows: list[tuple[object, ...]]) -> None:
    text_table(["a", "b"], rows).encode("utf-8", "surrogatepass")


# --- Files -------------------------------------------------------------------------------------

_YAML = st.sampled_from(
    """
users:
ann:
  roles: [read]
  tokens: [x, 'sha256:00']
  tokens: ["\\ud800"]
  password: $2y$05$x
  identities: ['*']
- viewname: v
  view: create view v as select 1
  view: |
  view: "\\udc00"
- 2001-99-99
- !!int ''
- !!float x
- !!bool x
- !!timestamp x
- !!binary \u6f22
- !!python/object:os.system x
- !!set {a}
- !!omap [a]
&a [*a]
*a
- *b
? [a]
{a: b}
- 1_0:99
- 0x
- .inf
<<: [1]
[
}
\t- a
---
...
%YAML 9.9
﻿
""".split("\n")
)
YAML_FILES = st.one_of(
    spoilt(st.lists(_YAML, max_size=7).map(lambda lines: "\n".join(lines).encode())),
    st.sampled_from([b"[" * 500, b"- " + b"9" * 5000, b"{a: " * 500, b"- !!int 0b", b"a: &a [*a]"]),
    st.binary(max_size=60),
)


@FUZZ
@given(body=YAML_FILES)
def test_views_files(body: bytes) -> None:
    read_or_refused(lambda: read_views(body))


@FUZZ
@given(body=YAML_FILES)
def test_users_files(body: bytes) -> None:
    text = body.decode("utf-8", "replace")
    read_or_refused(lambda: read_users(text, Path("users.yaml"), Roll({}, {}, {}, {})))


@FUZZ
@given(
    body=spoilt(st.sampled_from([b"ann:$2y$05$" + b"x" * 53, b"# x\n\nbob:$apr1$a$" + b"y" * 22]))
)
def test_htpasswd_files(body: bytes) -> None:
    text = body.decode("utf-8", "replace")
    read_or_refused(lambda: read_htpasswd(text, Path("htpasswd")))


@FUZZ
@given(body=spoilt(st.just(b'curve\n    public-key = "' + b"x" * 40 + b'"\n')))
def test_key_files(tmp_path_factory: pytest.TempPathFactory, body: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "some.key"
    path.write_bytes(body)
    read_or_refused(lambda: read_public_key(path))
