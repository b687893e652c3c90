"""CURVE on the ZeroMQ ports: whose key is known is served, with their rights; nobody else is."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from wire import TIMEOUT_S, Wire, publication, until

from qasino_server.curve_keys import KeyPair, make_pair, read_pair, read_public_key
from qasino_server.errors import BadRequest, StartError
from qasino_server.server import Server
from qasino_server.zmq_port import bind, port_of

MakeServer = Callable[..., Server]
Answer = dict[str, Any]

SILENCE_MS = 300
"""How long a test waits for an answer that must not come."""


class Caller:
    """A ZeroMQ client with keys, or without."""

    def __init__(self, server: Server, own: KeyPair | None, server_key: str = "") -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._own, self._server_key = own, server_key
        self._port = server.ports
        self._request = self.socket(zmq.REQ, server.ports["zmq"])

    def socket(self, kind: int, port: int) -> zmq.Socket[bytes]:
        made = self._context.socket(kind)
        made.linger = 0
        made.rcvtimeo = made.sndtimeo = int(TIMEOUT_S * 1000)
        if self._own is not None:
            made.curve_publickey = self._own.public.encode()
            made.curve_secretkey = self._own.secret.encode()
            made.curve_serverkey = self._server_key.encode()
        made.connect(f"tcp://127.0.0.1:{port}")
        return made

    def ask(self, op: str, **keys: Any) -> Answer:
        self._request.send_json({"op": op, **keys})
        answer: Answer = json.loads(self._request.recv())
        return answer

    def query(self, sql: str) -> Any:
        """The rows, or the sentence of the error."""
        answer = self.ask("query", sql=sql)
        return answer.get("error_message") or answer["table"]["rows"]

    def publish(self, identity: str, **flags: Any) -> str:
        """ok, or the sentence of the error."""
        told = self.ask("add_table_data", **publication(identity, "t", ["a"], ["int"], [[1]]))
        return str(told.get("error_message", told["response_op"]))

    def is_heard(self) -> bool:
        """Whether an answer comes, for a little while."""
        try:
            self._request.send_json({"op": "query", "sql": "select 1"}, zmq.NOBLOCK)
        except zmq.Again:  # after a refusal ZeroMQ has nobody left to send it to
            return False
        return bool(self._request.poll(SILENCE_MS))

    def hears_signal(self, server: Server, within_s: float) -> bool:
        """Whether a subscription gets a signal, however often there is one."""
        ends = time.monotonic() + within_s
        with self.socket(zmq.SUB, server.ports["pubsub"]) as listening:
            listening.subscribe(b"")
            while time.monotonic() < ends:
                server.rotate()
                if listening.poll(SILENCE_MS // 10):
                    return True
        return False

    def close(self) -> None:
        self._context.destroy(linger=0)


MakeCaller = Callable[..., Caller]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """The keys of a server that knows ann and web-1."""
    place = tmp_path / "curve"
    make_pair(place / "server")
    for name in ("ann", "web-1"):
        make_pair(place / "clients" / name)
    make_pair(tmp_path / "stranger")
    return place


@pytest.fixture
def server(make_server: MakeServer, keys: Path) -> Server:
    return make_server(curve_keys=keys)


@pytest.fixture
def call(keys: Path) -> Iterator[MakeCaller]:
    """Makes clients of a server by the names of their keys; None is a client without."""
    made: list[Caller] = []

    def make(server: Server, name: str | None, server_key: str | None = None) -> Caller:
        place = keys.parent if name == "stranger" else keys / "clients"
        own = None if name is None else read_pair(place / f"{name}.key_secret")
        public = server_key or read_public_key(keys / "server.key")
        made.append(Caller(server, own, public))
        return made[-1]

    yield make
    for caller in made:
        caller.close()


# --- Who is let in -----------------------------------------------------------------------------


def test_whose_key_is_known_asks_and_publishes(server: Server, call: MakeCaller) -> None:
    ann = call(server, "ann")
    assert ann.query("select 1") == [["1"]]
    assert call(server, "web-1").publish("web-1") == "ok"
    server.rotate()
    assert ann.query("select a from t") == [["1"]]


def test_whoever_has_not_the_right_keys_gets_nothing(server: Server, call: MakeCaller) -> None:
    another = read_public_key(make_pair_file(server))
    strangers = [
        call(server, None),
        call(server, "stranger"),
        call(server, "ann", server_key=another),
    ]
    assert [stranger.is_heard() for stranger in strangers] == [False] * 3
    assert call(server, "ann").query("select 1") == [["1"]]


def make_pair_file(server: Server) -> Path:
    assert server.settings.curve_keys is not None
    stem = server.settings.curve_keys.parent / "another"
    make_pair(stem)
    return stem.with_suffix(".key")


@pytest.mark.parametrize("port", ["zmq", "pubsub"])
@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 100_000,
        b"\xff\0\0\0\0\0\0\0\1\x7f\3\1CURVE" + b"\0" * 47 + b"\4\xc8\5HELLO" + b"x" * 194,
        b"\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL" + b"\0" * 48 + b"\4\x05\5READY",
    ],
)
def test_garbage_harms_nobody(
    server: Server, call: MakeCaller, keys: Path, port: str, garbage: bytes
) -> None:
    with Wire(server.ports) as wire:
        held = [wire.connect(port) for _ in range(5)]
        for made in held:
            made.sendall(garbage)
        assert call(server, "ann").query("select 1") == [["1"]]
        for made in held:
            made.close()
    assert call(server, "web-1").query("select 1") == [["1"]]


def test_the_signal_is_for_those_with_a_key(server: Server, call: MakeCaller) -> None:
    assert call(server, "ann").hears_signal(server, TIMEOUT_S)
    assert not call(server, None).hears_signal(server, SILENCE_MS / 1000)
    assert not call(server, "stranger").hears_signal(server, SILENCE_MS / 1000)


def test_nobody_comes_in_while_nobody_checks(keys: Path, tmp_path: Path) -> None:
    """libzmq lets everybody in where no handler of its questions is there, unless told not to."""
    from qasino_server.curve_gate import CurveGate
    from qasino_server.users import Users

    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    users = Users(None, None, keys / "clients")
    gate = CurveGate(context, keys / "server.key_secret", users, lambda name, error: None)
    with context.socket(zmq.ROUTER) as router, zmq.Context() as other:
        gate.guard(router)
        bind(router, "127.0.0.1", 0)
        gate.close()
        ann = read_pair(keys / "clients" / "ann.key_secret")
        with other.socket(zmq.DEALER) as asking:
            asking.linger = 0
            asking.curve_publickey = ann.public.encode()
            asking.curve_secretkey = ann.secret.encode()
            asking.curve_serverkey = read_public_key(keys / "server.key").encode()
            asking.connect(f"tcp://127.0.0.1:{port_of(router)}")
            asking.send(b"let me in")
            assert not router.poll(SILENCE_MS)
    context.destroy(linger=0)


def test_many_come_at_once(server: Server, call: MakeCaller) -> None:
    callers = [call(server, name) for name in ("ann", "web-1", "stranger") * 10]
    heard: list[bool] = []
    asking = [
        threading.Thread(target=lambda caller=caller: heard.append(caller.is_heard()))
        for caller in callers
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(TIMEOUT_S)
    assert sorted(heard) == [False] * 10 + [True] * 20


# --- What changes ------------------------------------------------------------------------------


def test_a_reload_lets_a_new_key_in_and_an_old_one_out(
    server: Server, call: MakeCaller, keys: Path
) -> None:
    ann, web = call(server, "ann"), call(server, "web-1")
    assert ann.query("select 1") == [["1"]]
    assert web.query("select 1") == [["1"]]
    (keys / "clients" / "ann.key").unlink()
    make_pair(keys / "clients" / "new")
    assert not call(server, "new").is_heard()
    server.reload()
    assert call(server, "new").query("select 1") == [["1"]]
    assert not call(server, "ann").is_heard()
    assert ann.query("select 1") == "the key of this connection is no longer known here"
    assert web.query("select 1") == [["1"]]


def test_a_broken_key_file_leaves_the_keys_as_they_were(
    server: Server, call: MakeCaller, keys: Path
) -> None:
    (keys / "clients" / "ann.key").unlink()
    (keys / "clients" / "half.key").write_text('curve\n    public-key = "short"\n')
    server.reload()
    assert call(server, "ann").query("select 1") == [["1"]]


# --- Users -------------------------------------------------------------------------------------


def users_file(keys: Path, text: str) -> Path:
    path = keys.parent / "users.yaml"
    path.write_text(text.replace("WEB", read_public_key(keys.parent / "stranger.key")))
    return path


USERS = """\
users:
  web-1: {roles: [publish], identities: ["web-*"]}
  ops: {curve_keys: ["WEB"], roles: [read, admin]}
"""


def test_a_key_gives_its_user_their_rights(
    make_server: MakeServer, call: MakeCaller, keys: Path
) -> None:
    server = make_server(curve_keys=keys, users_file=users_file(keys, USERS))
    assert set(server.ports) == {"http", "zmq", "pubsub"}  # the line port could not ask
    web, ann, ops = (call(server, name) for name in ("web-1", "ann", "stranger"))
    assert web.publish("web-7") == "ok"
    assert web.publish("db-1") == (
        "user web-1 may not publish as 'db-1'; their identities are web-*"
    )
    assert web.query("select 1") == "user web-1 may not query: that takes the role read"
    assert ann.query("select 1") == [["1"]]  # known by the directory alone: all but admin
    assert ann.publish("db-1") == "ok"
    assert "admin" in ann.ask("drop_table", tablename="t")["error_message"]
    assert ops.query("select 1") == [["1"]]
    assert (
        "no static or persistent table" in ops.ask("drop_table", tablename="none")["error_message"]
    )


def test_rights_change_with_the_users_file_on_a_connection_that_stands(
    make_server: MakeServer, call: MakeCaller, keys: Path
) -> None:
    file = users_file(keys, USERS)
    server = make_server(curve_keys=keys, users_file=file)
    ops = call(server, "stranger")
    assert ops.query("select 1") == [["1"]]
    file.write_text("users: {ops: {roles: [read]}}\n")
    assert "no longer known" in ops.query("select 1")
    assert not call(server, "stranger").is_heard()


def test_a_query_over_zeromq_is_ended_by_its_user_alone(
    make_server: MakeServer, call: MakeCaller, keys: Path
) -> None:
    server = make_server(curve_keys=keys, users_file=users_file(keys, USERS))
    endless = "with recursive c(n) as (select 1 union all select n + 1 from c) select max(n) from c"
    ended: list[Answer] = []
    asking = call(server, "stranger")
    running = threading.Thread(
        target=lambda: ended.append(asking.ask("query", sql=endless, query_id="long"))
    )
    running.start()
    ann = call(server, "ann")
    until(lambda: "long" in str(ann.query("show queries")))
    assert "may not" in ann.ask("cancel", query_id="long")["error_message"]
    assert call(server, "stranger").ask("cancel", query_id="long")["response_op"] == "ok"
    running.join(TIMEOUT_S)
    assert "cancelled" in ended[0]["error_message"]


# --- Ports and starts --------------------------------------------------------------------------


def test_keys_alone_leave_the_other_ports_open(server: Server) -> None:
    assert set(server.ports) == {"http", "zmq", "pubsub", "line"}
    with Wire(server.ports) as wire:
        assert wire.rows("select 1") == [[1]]


def test_keys_are_enough_where_only_zeromq_is_open(
    make_server: MakeServer, call: MakeCaller, keys: Path
) -> None:
    server = make_server(curve_keys=keys, require_auth=True, http_port=None)
    assert set(server.ports) == {"zmq", "pubsub"}
    assert call(server, "ann").query("select 1") == [["1"]]


def no_secret(keys: Path) -> None:
    (keys / "server.key_secret").unlink()


def public_only(keys: Path) -> None:
    (keys / "server.key_secret").write_text((keys / "server.key").read_text())


def swapped(keys: Path) -> None:
    secret = (keys / "server.key_secret").read_text()
    old, new = (read_public_key(keys / name) for name in ("server.key", "clients/ann.key"))
    (keys / "server.key_secret").write_text(secret.replace(old, new))


def no_clients(keys: Path) -> None:
    for path in (keys / "clients").iterdir():
        path.unlink()
    (keys / "clients").rmdir()


def twice(keys: Path) -> None:
    (keys / "clients" / "bob.key").write_text((keys / "clients" / "ann.key").read_text())


def no_key(keys: Path) -> None:
    (keys / "clients" / "bob.key").write_bytes(b"\xff")


def blank(keys: Path) -> None:
    (keys / "clients" / "bob the builder.key").write_text("")


@pytest.mark.parametrize(
    ("harm", "settings", "sentence"),
    [
        (no_secret, {}, "server.key_secret: No such file or directory"),
        (public_only, {}, "there is no secret CURVE key in it"),
        (swapped, {}, "the public key does not belong to the secret one"),
        (no_clients, {}, "clients: No such file or directory; it holds a NAME.key for each client"),
        (twice, {}, "bob.key: the key is also that of user 'ann'"),
        (no_key, {}, "bob.key: not a CURVE key file"),
        (blank, {}, "the name of a user has no blanks"),
        (lambda keys: None, {"require_auth": True}, "--require-auth asks over HTTP too"),
    ],
)
def test_a_server_whose_keys_are_none_does_not_start(
    make_server: MakeServer,
    keys: Path,
    harm: Callable[[Path], None],
    settings: dict[str, Any],
    sentence: str,
) -> None:
    secret = read_pair(keys / "server.key_secret").secret
    harm(keys)
    with pytest.raises(StartError) as caught:
        make_server(curve_keys=keys, **settings)
    assert sentence in caught.value.sentence
    assert secret not in caught.value.sentence


# --- Files -------------------------------------------------------------------------------------


def test_a_pair_is_made_once_and_its_secret_is_private(tmp_path: Path) -> None:
    old_mask = os.umask(0)
    try:
        pair = make_pair(tmp_path / "new" / "ann")
        make_pair(tmp_path / "outer" / "inner" / "bob")
    finally:
        os.umask(old_mask)
    secret, public = (tmp_path / "new" / f"ann.{kind}" for kind in ("key_secret", "key"))
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    for made in ("new", "outer", "outer/inner"):
        assert stat.S_IMODE((tmp_path / made).stat().st_mode) == 0o700
    assert pair.secret not in public.read_text()
    assert (read_pair(secret), read_public_key(public)) == (pair, pair.public)
    for gone, kept in ((public, secret), (secret, public)):
        before = kept.read_text()
        gone.unlink(missing_ok=True)
        with pytest.raises(BadRequest, match="File exists; no key was made"):
            make_pair(tmp_path / "new" / "ann")
        assert (kept.read_text(), gone.exists()) == (before, False)
        gone.write_text("another")


def test_certificates_of_pyzmq_are_read(tmp_path: Path) -> None:
    from zmq.auth import create_certificates, load_certificate

    public_file, secret_file = create_certificates(tmp_path, "theirs", {"name": "x = y"})
    public, secret = load_certificate(secret_file)
    assert secret is not None
    assert read_pair(Path(secret_file)) == KeyPair(public.decode(), secret.decode())
    assert read_public_key(Path(public_file)) == public.decode()
    ours = make_pair(tmp_path / "ours")
    assert load_certificate(tmp_path / "ours.key_secret") == (
        ours.public.encode(),
        ours.secret.encode(),
    )
