"""Wild input where everybody is asked who they are: CURVE, HTTPS, and HTTP with users."""

from __future__ import annotations

import base64
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
import trustme
import zmq
from fuzz_inputs import RAW_HTTP
from fuzz_target import BOUND_S, FUZZ, Target, tried
from hypothesis import given
from hypothesis import strategies as st
from test_fuzz_http import check_responses, request
from test_fuzz_zmq import GREETING, RAW_ZMTP

from qasino_server.curve_keys import KeyPair, make_pair, read_public_key

TOKEN = "let-me-in"
CURVE_GREETING = GREETING.replace(b"NULL\0", b"CURVE")
HELLO = b"\x04\xc8\x05HELLO\x01\0" + b"\0" * 72 + b"\x07" * 32 + b"\0" * 8 + b"\x09" * 80
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + b"\x05" * 193


@pytest.fixture(scope="module")
def ann(tmp_path_factory: pytest.TempPathFactory) -> tuple[KeyPair, str]:
    """The keys of a client, and the server's public one."""
    place = tmp_path_factory.mktemp("curve")
    make_pair(place / "server")
    pair = make_pair(place / "clients" / "ann")
    return pair, str(place)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, ann: tuple[KeyPair, str]) -> Iterator[Target]:
    """A server that asks everybody."""
    place = tmp_path_factory.mktemp("guarded")
    certificate = trustme.CA().issue_cert("localhost")
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    (place / "server.crt").write_bytes(chain)
    (place / "server.key").write_bytes(certificate.private_key_pem.bytes())
    users = place / "users.yaml"
    quick = bcrypt.hashpw(b"a password", bcrypt.gensalt(4)).decode()
    users.write_text(
        f"users:\n  ann:\n    roles: [read]\n    tokens: [{TOKEN}]\n    password: {quick}\n"
    )
    with Target(place, keys_dir=place, users_file=users, curve_keys=Path(ann[1])) as made:
        yield made


CREDENTIALS = st.one_of(
    st.binary(max_size=40),
    st.binary(max_size=40).map(lambda data: b"Bearer " + data),
    st.binary(max_size=80).map(lambda data: b"Basic " + base64.b64encode(data)),
    st.text(max_size=20).map(
        lambda t: b"Basic " + base64.b64encode(t.encode("utf-8", "replace") + b":x")
    ),
    st.sampled_from([b"Basic", b"Bearer", b"", b"basic  ", b"Digest x", b"BEARER " + b"x" * 9000]),
).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b""))


@FUZZ
@given(credentials=CREDENTIALS, path=st.sampled_from(["/request", "/", "/metrics", "/events"]))
def test_any_credentials(guarded: Target, credentials: bytes, path: str) -> None:
    headers = [b"Authorization: " + credentials]
    answer = guarded.tell(
        "http", request("GET", path, "op=query&sql=select+1", headers, b""), ended=False
    )
    assert answer[:12] in (b"HTTP/1.1 401", b"HTTP/1.1 400"), answer[:300]
    check_responses(answer)


@FUZZ
@given(
    data=st.one_of(
        RAW_HTTP,
        st.builds(
            lambda a, b: a + b,
            st.sampled_from([TLS_HELLO, TLS_HELLO[:9], b"\x16\x03"]),
            st.binary(max_size=50),
        ),
    )
)
def test_any_bytes_where_tls_is_spoken(guarded: Target, data: bytes) -> None:
    guarded.tell("https", data)


@FUZZ
@given(data=RAW_HTTP)
def test_any_bytes_inside_tls(guarded: Target, data: bytes) -> None:
    check_responses(tell_over_tls(guarded, data))


def tell_over_tls(guarded: Target, data: bytes) -> bytes:
    """As `Target.tell`, inside TLS."""
    tried["https (inside)"] += 1
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", guarded.ports["https"]), BOUND_S)
    heard = b""
    with context.wrap_socket(plain, suppress_ragged_eofs=True) as made:
        try:
            made.sendall(data)
            with socket.socket(fileno=os.dup(made.fileno())) as underneath:
                underneath.shutdown(socket.SHUT_WR)
            while part := made.recv(1 << 16):
                heard += part
        except (ConnectionError, ssl.SSLError):
            pass  # it did not read to the end, and said so
    return heard


def curve_bytes() -> st.SearchStrategy[bytes]:
    """A CURVE greeting and what is no handshake."""
    pieces = st.sampled_from([HELLO, HELLO[:50], b"\x04\x26\x08INITIATE", b"\x04\x05\x04PING"])
    rest = st.lists(pieces | st.binary(max_size=60), max_size=4).map(b"".join)
    return rest.map(lambda data: CURVE_GREETING + data)


@pytest.mark.parametrize("port", ["zmq", "pubsub"])
@FUZZ
@given(data=curve_bytes() | RAW_ZMTP)
def test_any_handshake(guarded: Target, port: str, data: bytes) -> None:
    heard = guarded.tell(port, data, f"{port} (CURVE)")
    assert b"response_op" not in heard
    assert b"GENSIG" not in heard


def test_the_server_is_as_it_was(guarded: Target, ann: tuple[KeyPair, str]) -> None:
    headers = [b"Authorization: Bearer " + TOKEN.encode()]
    plain = request("GET", "/request", "op=query&sql=select+1+one", headers, b"")
    assert b'"rows":[["1"]]' in guarded.tell("http", plain, ended=False)
    assert b'"rows":[["1"]]' in ask_with_key(guarded, *ann)
    guarded.check_alive()
    guarded.holds_no_more_than_at_first()


def ask_with_key(guarded: Target, own: KeyPair, place: str) -> bytes:
    with guarded.context.socket(zmq.REQ) as made:
        made.linger = 0
        made.rcvtimeo = int(BOUND_S * 1000)
        made.curve_publickey = own.public.encode()
        made.curve_secretkey = own.secret.encode()
        made.curve_serverkey = read_public_key(Path(place) / "server.key").encode()
        made.connect(f"tcp://127.0.0.1:{guarded.ports['zmq']}")
        made.send(b'{"op":"query","sql":"select 1 one"}')
        return made.recv()
