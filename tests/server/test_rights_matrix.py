"""Every role against every deed on every port: the same answer everywhere."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import trustme
import zmq
from wire import Wire, publication, until

from qasino_server.curve_keys import KeyPair, make_pair, read_public_key
from qasino_server.server import Server

ROLES = ("read", "publish", "static", "admin")
USERS = {
    "nothing": (),
    "reader": ("read",),
    "agent": ("publish",),
    "halfway": ("static",),
    "keeper": ("publish", "static"),
    "ops": ("admin",),
    "boss": ROLES,
}
ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"
CSV = "1\nt\na\nint\nA\n1\n"

Message = dict[str, Any]


def table(name: str = "t", identity: str = "web-1", **flags: Any) -> Message:
    return publication(identity, name, ["a"], ["int"], [[1]], **flags)


JSON_DEEDS: dict[str, tuple[str, Message, set[str]]] = {
    "query": ("query", {"sql": "select 1"}, {"read"}),
    "query of the open generation": ("query", {"sql": "select 1", "use_write_db": True}, {"read"}),
    "show": ("query", {"sql": "show tables"}, {"read"}),
    "show queries": ("query", {"sql": "show queries"}, {"read"}),
    "list": ("get_table_list", {}, {"read"}),
    "health": ("health", {}, set()),
    "publish": ("add_table_data", table(), {"publish"}),
    "persist": ("add_table_data", table("p", persist=1), {"publish"}),
    "update": ("add_table_data", table("u", update=1), {"publish"}),
    "static": ("add_table_data", table("s", static=1), {"publish", "static"}),
    "drop": ("drop_table", {"tablename": "p"}, {"admin"}),
    "drop a part": ("drop_table", {"tablename": "p", "identity": "web-1"}, {"admin"}),
    "kill": ("query", {"sql": "kill long"}, {"read", "admin"}),
    "cancel": ("cancel", {"query_id": "long"}, {"admin"}),
}
"""What is asked, and the roles it takes."""
HTTP_DEEDS: dict[str, tuple[str, str, str, set[str]]] = {
    "query by GET": ("GET", "/request?op=query&sql=select+1", "", {"read"}),
    "query as csv": ("GET", "/request?op=query&sql=select+1&format=csv", "", {"read"}),
    "csv": ("POST", "/request?op=add_csv_table_data&identity=web-1", CSV, {"publish"}),
    "name and value": (
        "GET",
        "/request?op=name_value_update&identity=web-1&name=n.a&value=1",
        "",
        {"publish"},
    ),
    "metrics": ("GET", "/metrics", "", {"read"}),
    "overview": ("GET", "/", "", {"read"}),
    "tables": ("GET", "/tables", "", {"read"}),
    "query page": ("GET", "/query?sql=select+1", "", {"read"}),
    "health": ("GET", "/healthz", "", set()),
}


class Site:
    """A server with all of these users, and the ways to it."""

    def __init__(self, server: Server, keys: dict[str, KeyPair], place: Path, ca: trustme.CA):
        self.server, self._keys = server, keys
        self._server_key = read_public_key(place / "server.key").encode()
        self._trust = ssl.create_default_context()
        ca.configure_trust(self._trust)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()

    def http(self, scheme: str, user: str, method: str, path: str, body: str = "") -> int:
        ports = self.server.ports
        made = (
            HTTPSConnection("localhost", ports["https"], timeout=20, context=self._trust)
            if scheme == "https"
            else HTTPConnection("127.0.0.1", ports["http"], timeout=20)
        )
        try:
            made.request(method, path, body, {"Authorization": f"Bearer token-{user}"})
            response = made.getresponse()
            response.read()
            return response.status
        finally:
            made.close()

    def zmq(self, user: str, message: Message) -> Message:
        with self._context.socket(zmq.REQ) as made:
            made.linger, made.rcvtimeo = 0, 20_000
            own = self._keys[user]
            made.curve_publickey, made.curve_secretkey = own.public.encode(), own.secret.encode()
            made.curve_serverkey = self._server_key
            made.connect(f"tcp://127.0.0.1:{self.server.ports['zmq']}")
            made.send_json(message)
            answer: Message = json.loads(made.recv())
            return answer

    def is_allowed(self, way: str, user: str, op: str, message: Message) -> bool:
        """Whether it was not forbidden; that it fails otherwise is no matter of rights."""
        if way == "zmq":
            return "may" not in str(self.zmq(user, {"op": op, **message}).get("error_message"))
        status = self.http(way, user, "POST", f"/request?op={op}", json.dumps(message))
        assert status in (200, 400, 403), status
        return status != 403

    def close(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture(scope="module")
def site(
    make_module_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    place = tmp_path_factory.mktemp("site")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(place / "server.pem")
    make_pair(place / "server")
    keys = {user: make_pair(place / "clients" / user) for user in (*USERS, "bound", "bound-ops")}
    entries = {
        user: {"roles": list(roles), "tokens": [f"token-{user}"]} for user, roles in USERS.items()
    }
    web = {"identities": ["web-*"]}
    entries["bound"] = {"roles": ["publish", "static"], "tokens": ["token-bound"], **web}
    entries["bound-ops"] = {"roles": ["admin"], "tokens": ["token-bound-ops"], **web}
    (place / "users.yaml").write_text(json.dumps({"users": entries}))
    server = make_module_server(
        https_port=0,
        tls_cert=place / "server.pem",
        tls_key=place / "server.pem",
        users_file=place / "users.yaml",
        curve_keys=place,
    )
    made = Site(server, keys, place, authority)
    yield made
    made.close()


@pytest.fixture
def long_query(site: Site) -> Iterator[None]:
    """A query of another user's that runs; whoever ends it, it begins again."""
    over = threading.Event()

    def keep_asking() -> None:
        while not over.is_set():
            site.zmq("boss", {"op": "query", "sql": ENDLESS, "query_id": "long"})

    asking = threading.Thread(target=keep_asking)
    asking.start()
    until(lambda: "long" in str(site.zmq("boss", {"op": "query", "sql": "show queries"})))
    yield
    over.set()
    until(lambda: site.zmq("boss", {"op": "cancel", "query_id": "long"}) and not asking.is_alive())


@pytest.mark.parametrize("way", ["http", "https", "zmq"])
def test_a_deed_takes_its_roles_on_every_port(site: Site, long_query: None, way: str) -> None:
    wrong = [
        (user, deed)
        for user, roles in USERS.items()
        for deed, (op, message, needed) in JSON_DEEDS.items()
        if site.is_allowed(way, user, op, message) != (needed <= set(roles))
    ]
    assert wrong == []


@pytest.mark.parametrize("way", ["http", "https"])
def test_so_does_what_only_http_has(site: Site, way: str) -> None:
    wrong = [
        (user, deed, status)
        for user, roles in USERS.items()
        for deed, (method, path, body, needed) in HTTP_DEEDS.items()
        if ((status := site.http(way, user, method, path, body)) == 200) != (needed <= set(roles))
    ]
    assert wrong == []


@pytest.mark.parametrize("way", ["http", "https", "zmq"])
def test_an_identity_is_bound_on_every_port(site: Site, way: str) -> None:
    for identity, flags in (
        ("web-1", {}),
        ("web-", {"persist": 1}),
        ("web-x.example", {"update": 1}),
        ("web-1", {"static": 1}),
    ):
        kind = "".join(flags)
        own, other = table(f"b{kind}", identity, **flags), table(f"b{kind}", "db-1", **flags)
        assert site.is_allowed(way, "bound", "add_table_data", own), own
        assert not site.is_allowed(way, "bound", "add_table_data", other), other
        for close in ("WEB-1", "xweb-1", "web"):
            message = table(f"b{kind}", close, **flags)
            assert not site.is_allowed(way, "bound", "add_table_data", message), close
    drop = {"tablename": "bpersist"}
    assert site.is_allowed(way, "bound-ops", "drop_table", {**drop, "identity": "web-1"})
    assert not site.is_allowed(way, "bound-ops", "drop_table", {**drop, "identity": "db-1"})
    assert not site.is_allowed(way, "bound-ops", "drop_table", drop)


@pytest.mark.parametrize("op", ["add_table_data", "add_csv_table_data"])
def test_who_may_not_publish_is_told_before_the_body_is_read(site: Site, op: str) -> None:
    """All of it was read, unpacked and understood first, whoever sent it."""
    head = f"POST /request?op={op} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000000\r\n"
    with Wire(site.server.ports) as wire, wire.connect("http") as made:
        made.sendall(f"{head}Authorization: Bearer token-reader\r\n\r\n".encode())
        assert made.recv(1000).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("user", ["reader", "halfway"])
def test_nor_is_what_they_send_listed_among_what_publishers_do_wrong(site: Site, user: str) -> None:
    """A thousand of them pushed all others out of the list."""
    counted = "select count(*) from qasino_server_rejects where reason like '%may not publish%'"

    def listed() -> Any:
        site.server.rotate()
        return site.zmq("boss", {"op": "query", "sql": counted})["table"]["rows"]

    before = listed()
    message = {"op": "add_table_data", **table()}
    assert "may not publish" in site.zmq(user, message)["error_message"]
    assert site.http("http", user, "POST", "/request", json.dumps(message)) == 403
    assert listed() == before
    assert not site.is_allowed("zmq", "bound", "add_table_data", table(identity="db-1"))
    assert listed() != before


@pytest.mark.parametrize("way", ["http", "https"])
def test_also_in_csv_and_by_name_and_value(site: Site, way: str) -> None:
    for identity, status in (("web-1", 200), ("db-1", 403)):
        csv = urlencode({"op": "add_csv_table_data", "identity": identity})
        assert site.http(way, "bound", "POST", f"/request?{csv}", CSV) == status
        value = urlencode(
            {"op": "name_value_update", "identity": identity, "name": f"n{way}.a", "value": 1}
        )
        assert site.http(way, "bound", "GET", f"/request?{value}") == status


def test_an_identity_in_the_body_does_not_hide_behind_one_in_the_url(site: Site) -> None:
    body = json.dumps(table(identity="db-1"))
    path = "/request?op=add_table_data&identity=web-1"
    assert site.http("http", "bound", "POST", path, body) == 403


def test_nobody_unknown_is_served_on_any_port(site: Site) -> None:
    assert set(site.server.ports) == {"http", "https", "zmq", "pubsub"}, "no line port"
    with Wire(site.server.ports) as wire:
        for method, path, body, needed in HTTP_DEEDS.values():
            target, _, params = path.partition("?")
            status, _, _ = wire.http(method, params, body.encode() or None, path=target)
            assert status == (401 if needed else 200), path
        assert wire.http("GET", path="/events")[0] == 401
        with wire.zmq_socket() as made, suppress(zmq.Again):
            made.sndtimeo = 300  # it has nobody to send to once the server has refused its greeting
            made.send_json({"op": "query", "sql": "select 1"})
            assert not made.poll(300)
