"""Wild input on the ZeroMQ ports: envelopes, frames, JSON, and bytes that are no ZeroMQ."""

from __future__ import annotations

import json

import pytest
import zmq
from fuzz_inputs import JSON_BODIES, SQL, as_json
from fuzz_target import FUZZ, Target
from hypothesis import given
from hypothesis import strategies as st

GREETING = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + b"\0" * 32
READY = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03REQ"
RAW_ZMTP = st.lists(
    st.sampled_from(
        [
            GREETING,
            GREETING.replace(b"NULL", b"PLAIN"),
            GREETING.replace(b"NULL\0", b"CURVE"),
            GREETING[:10],
            b"\xff\0\0\0\0\0\0\0\x01\x7f",
            b"\x01\0",
            READY,
            READY.replace(b"REQ", b"SUB"),
            READY.replace(b"\x19", b"\xff"),
            b"\x04\x06\x05ERROR",
            b"\x04\x0a\x09SUBSCRIBEx",
            b"\x04\x05\x04PING\0\0",
            b"\0\0",
            b"\x01\0\0\x05hello",
            b"\0\x22" + b'{"op":"query","sql":"select 1 a"}'.ljust(34),
            b"\x02\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x02\0\0\0\0\0\x10\0\0",
            b"\x06\0\0\0\0\0\0\0\x01x",
            b"\xff" * 64,
            b"GET / HTTP/1.1\r\n\r\n",
        ]
    )
    | st.binary(max_size=70),
    max_size=8,
).map(b"".join)


def check_reply(frames: list[bytes]) -> None:
    """One JSON object, or the two of a list of tables."""
    documents = [json.loads(frame, parse_constant=lambda name: 1 / 0) for frame in frames]
    said = documents[0]["response_op"]
    assert said in ("ok", "result_table", "tables_list", "health", "error")
    assert len(documents) == (2 if said == "tables_list" else 1)
    if said == "error":
        assert documents[0]["error_message"].isprintable() or said


@FUZZ
@given(body=JSON_BODIES | SQL.map(lambda sql: as_json({"op": "query", "sql": sql})))
def test_any_message(target: Target, body: bytes) -> None:
    check_reply(target.ask([body], zmq.REQ))


@FUZZ
@given(
    envelope=st.lists(st.binary(min_size=1, max_size=9), max_size=3),
    empty=st.booleans(),
    payload=st.lists(JSON_BODIES, max_size=3),
)
def test_any_envelope(
    target: Target, envelope: list[bytes], empty: bool, payload: list[bytes]
) -> None:
    sent = [*envelope, *([b""] if empty else []), *payload] or [b""]
    back = target.ask(sent)
    hops = sent[: sent.index(b"") + 1] if b"" in sent else []
    assert back[: len(hops)] == hops
    check_reply(back[len(hops) :])


@pytest.mark.parametrize("port", ["zmq", "pubsub"])
@FUZZ
@given(data=RAW_ZMTP)
def test_any_bytes(target: Target, port: str, data: bytes) -> None:
    target.tell(port, data, f"{port} (raw)")


def test_the_server_is_as_it_was(target: Target) -> None:
    check_reply(target.ask([b"", b'{"op":"query","sql":"select 1"}'])[1:])
    target.check_alive()
    target.holds_no_more_than_at_first()
