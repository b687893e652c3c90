"""Users over HTTPS and HTTP: who is let in, what they may do, and what a flood cannot do."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import ssl
import subprocess
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPSConnection, IncompleteRead
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import trustme
from passlib.hash import apr_md5_crypt
from wire import until

from qasino_server.auth import WAITING_PER_ADDRESS, Gate
from qasino_server.errors import StartError
from qasino_server.server import Server
from qasino_server.settings import Settings
from qasino_server.users import Users

MakeServer = Callable[..., Server]
Answer = tuple[int, dict[str, str], Any]

TABLE = {"tablename": "t", "column_names": ["a"], "column_types": ["int"], "rows": [[1]]}


def bcrypt_hash(password: str) -> str:
    """As `htpasswd -B` writes it, at the least cost there is."""
    return "$2y" + bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()[3:]


def basic(user: str, password: str) -> dict[str, str]:
    coded = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {coded}"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class Door:
    """An HTTP or HTTPS port, asked as a client with these headers would."""

    def __init__(self, port: int, trust: ssl.SSLContext | None = None) -> None:
        self.port = port
        self.trust = trust

    def ask(
        self, op: str, message: dict[str, Any], headers: dict[str, str] | None = None
    ) -> Answer:
        made: HTTPConnection
        if self.trust is None:
            made = HTTPConnection("127.0.0.1", self.port, timeout=20)
        else:
            made = HTTPSConnection("localhost", self.port, timeout=20, context=self.trust)
        try:
            made.request("POST", f"/request?op={op}", json.dumps(message), headers or {})
            response = made.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return response.status, found, json.loads(response.read())
        finally:
            made.close()

    def query(self, sql: str, headers: dict[str, str] | None = None) -> Answer:
        return self.ask("query", {"sql": sql}, headers)

    def publish(self, headers: dict[str, str], identity: str = "web-1", **keys: Any) -> Answer:
        return self.ask("add_table_data", {"identity": identity, "table": TABLE, **keys}, headers)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def keys(tmp_path: Path, authority: trustme.CA) -> Path:
    """A directory with server.crt and server.key, as the ancestor has it."""
    made = tmp_path / "keys"
    made.mkdir()
    write_certificate(made, authority)
    return made


def write_certificate(place: Path, authority: trustme.CA) -> None:
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    (place / "server.crt").write_bytes(
        b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    )
    (place / "server.key").write_bytes(certificate.private_key_pem.bytes())


@pytest.fixture
def trust(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def htpasswd(tmp_path: Path) -> Path:
    path = tmp_path / "htpasswd"
    path.write_text(
        f"# who may come in\nann:{bcrypt_hash('right')}\nbob:{apr_md5_crypt.hash('old')}\n"
    )
    return path


@pytest.fixture
def https(make_server: MakeServer, keys: Path, htpasswd: Path, trust: ssl.SSLContext) -> Door:
    server = make_server(https_port=0, keys_dir=keys, htpasswd_file=htpasswd)
    return Door(server.ports["https"], trust)


# --- HTTPS and the htpasswd file ---------------------------------------------------------------


@pytest.mark.parametrize(("user", "password"), [("ann", "right"), ("bob", "old")])
def test_who_gives_the_right_password_is_answered(https: Door, user: str, password: str) -> None:
    for _ in range(2):  # the second time it is remembered
        status, _, body = https.query("select 1 one", basic(user, password))
        assert (status, body["table"]["rows"]) == (200, [["1"]])


def test_over_https_any_name_will_do_for_a_loopback_address(https: Door) -> None:
    """That the name is the server's the certificate tells; /etc/hosts may have it there."""
    named = {**basic("ann", "right"), "Host": "stats.example.com"}
    assert https.query("select 1", named)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("ann", "wrong"),
        basic("ann", ""),
        basic("nobody", "right"),
        basic("ann", "right" + "x" * 80),
        basic("ann", "rig\0ht"),
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic"},
        {"Authorization": "Basic " + base64.b64encode(b"no colon").decode()},
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe:x").decode()},
        {"Authorization": "Digest username=ann"},
        bearer("guess"),
    ],
)
def test_everybody_else_is_asked_who_they_are(https: Door, headers: dict[str, str]) -> None:
    status, found, body = https.query("select 1", headers)
    assert status == 401
    assert found["www-authenticate"].startswith("Basic realm=")
    assert body["response_op"] == "error"


@pytest.mark.parametrize("name", ["X-Forwarded-Proto", "X-Forwarded-Scheme", "Forwarded"])
def test_nobody_talks_their_way_past_the_door(https: Door, name: str) -> None:
    """What a proxy would say of the scheme, said by the client itself."""
    value = "proto=http" if name == "Forwarded" else "http"
    assert https.query("select 1", {name: value})[0] == 401


def test_a_browser_that_knows_no_password_changes_nothing(https: Door) -> None:
    assert https.publish({})[0] == 401


def test_the_plain_ports_stay_open_beside_an_htpasswd_file(
    make_server: MakeServer, keys: Path, htpasswd: Path
) -> None:
    server = make_server(https_port=0, keys_dir=keys, htpasswd_file=htpasswd)
    assert Door(server.ports["http"]).query("select 1")[0] == 200
    assert {"http", "https", "zmq", "pubsub", "line"} == set(server.ports)


def test_a_changed_htpasswd_file_counts_at_once(https: Door, htpasswd: Path) -> None:
    assert https.query("select 1", basic("ann", "right"))[0] == 200
    htpasswd.write_text(f"ann:{bcrypt_hash('new')}\n")
    assert https.query("select 1", basic("ann", "right"))[0] == 401
    assert https.query("select 1", basic("ann", "new"))[0] == 200
    htpasswd.write_text("half a li")
    assert https.query("select 1", basic("ann", "new"))[0] == 200


def test_old_tls_is_not_spoken(https: Door, authority: trustme.CA) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(old)
    with warnings.catch_warnings():  # that it is deprecated is the point
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("DEFAULT:@SECLEVEL=0")  # else it is ours that does not speak it
    with pytest.raises(ssl.SSLError, match=r"EOF|ALERT_PROTOCOL_VERSION"):
        Door(https.port, old).query("select 1")


def test_a_new_certificate_is_used_after_a_reload(
    make_server: MakeServer, keys: Path, htpasswd: Path
) -> None:
    server = make_server(https_port=0, keys_dir=keys, htpasswd_file=htpasswd)
    other = trustme.CA()
    trust = ssl.create_default_context()
    other.configure_trust(trust)
    door = Door(server.ports["https"], trust)
    with pytest.raises(ssl.SSLCertVerificationError):
        door.query("select 1")
    write_certificate(keys, other)
    server.reload()
    assert door.query("select 1", basic("ann", "right"))[0] == 200
    whole = (keys / "server.crt").read_bytes()
    write_certificate(keys, trustme.CA())  # whose key comes a moment later
    another = (keys / "server.crt").read_bytes()
    write_certificate(keys, other)
    for unusable in (b"broken", another, whole[:200]):
        (keys / "server.crt").write_bytes(unusable)
        server.reload()
        assert door.query("select 1", basic("ann", "right"))[0] == 200


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"keys_dir": "keys"}, "HTTPS asks for users"),
        ({"tls_cert": "keys/server.crt"}, "go together"),
        ({"keys_dir": "keys", "tls_cert": "keys/server.crt"}, "--keys-dir has the certificate"),
        ({"keys_dir": "none", "htpasswd_file": "htpasswd"}, "cannot read"),
        ({"keys_dir": "swapped", "htpasswd_file": "htpasswd"}, "no certificate and its key"),
        ({"require_auth": True}, "--require-auth needs users"),
        ({"htpasswd_file": "none"}, "No such file"),
        ({"htpasswd_file": "plain"}, "line 1: user 'ann': the password is no bcrypt"),
        ({"htpasswd_file": "twice"}, "line 2: user 'ann' stands there twice"),
        ({"users_file": "empty"}, "Expected `object`"),
        ({"users_file": "norole"}, "'boss' is not a role"),
        ({"users_file": "typo"}, "user 'ann': Object contains unknown field `rolls`"),
    ],
)
def test_a_server_that_could_not_keep_its_door_does_not_start(
    make_server: MakeServer,
    tmp_path: Path,
    keys: Path,
    htpasswd: Path,
    settings: dict[str, Any],
    sentence: str,
) -> None:
    swapped = tmp_path / "swapped"
    swapped.mkdir()
    (swapped / "server.crt").write_bytes((keys / "server.key").read_bytes())
    (swapped / "server.key").write_bytes((keys / "server.crt").read_bytes())
    (tmp_path / "plain").write_text("ann:secret\n")
    (tmp_path / "twice").write_text(f"ann:{bcrypt_hash('a')}\nann:{bcrypt_hash('b')}\n")
    (tmp_path / "empty").write_text("")
    (tmp_path / "norole").write_text("users: {ann: {roles: [boss]}}\n")
    (tmp_path / "typo").write_text("users: {ann: {rolls: [read]}}\n")
    placed = {k: tmp_path / v if isinstance(v, str) else v for k, v in settings.items()}
    with pytest.raises(StartError) as caught:
        make_server(https_port=0, **placed)
    assert sentence in caught.value.sentence
    assert "secret" not in caught.value.sentence


NOTHING_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    "token",
    ["", " ", f"sha256:{NOTHING_SHA256}", f"SHA256:{NOTHING_SHA256.upper()}"],
)
def test_no_token_is_empty(make_server: MakeServer, tmp_path: Path, token: str) -> None:
    path = tmp_path / "users.yaml"
    path.write_text(json.dumps({"users": {"ann": {"roles": ["read"], "tokens": [token]}}}))
    with pytest.raises(StartError, match="user 'ann': a token is empty, and would let everybody"):
        make_server(users_file=path)


@pytest.mark.parametrize("token", ["tök", " secret", "secret ", "sec ret", "sec\tret", "secret\n"])
def test_no_token_is_one_that_nobody_can_send(
    make_server: MakeServer, tmp_path: Path, token: str
) -> None:
    """It was taken without a word, and answered 401 for ever."""
    path = tmp_path / "users.yaml"
    path.write_text(json.dumps({"users": {"ann": {"roles": ["read"], "tokens": [token]}}}))
    with pytest.raises(
        StartError, match="user 'ann': a token has ASCII characters alone"
    ) as caught:
        make_server(users_file=path)
    assert token.strip() not in caught.value.sentence


@pytest.mark.parametrize("digest", ["", "ab", "g" * 64, f"{NOTHING_SHA256}0", f"{'a' * 64} "])
def test_a_digest_that_is_none_is_no_token_either(
    make_server: MakeServer, tmp_path: Path, digest: str
) -> None:
    path = tmp_path / "users.yaml"
    token = f"Sha256:{digest}"
    path.write_text(json.dumps({"users": {"ann": {"roles": ["read"], "tokens": [token]}}}))
    with pytest.raises(
        StartError, match="user 'ann': a token's digest is sha256: and 64"
    ) as caught:
        make_server(users_file=path)
    assert not digest or digest not in caught.value.sentence


def test_a_digest_counts_in_capitals_as_well(make_server: MakeServer, tmp_path: Path) -> None:
    path = tmp_path / "users.yaml"
    digest = f"SHA256:{hashlib.sha256(b'tk').hexdigest().upper()}"
    path.write_text(json.dumps({"users": {"ann": {"roles": ["read"], "tokens": [digest]}}}))
    door = Door(make_server(users_file=path).ports["http"])
    assert door.query("select 1", bearer("tk"))[0] == 200
    assert door.query("select 1", bearer(digest))[0] == 401
    assert door.query("select 1", bearer(f"sha256:{digest[7:]}"))[0] == 401


# --- The users file ----------------------------------------------------------------------------


USERS = """\
users:
  reader: {tokens: [tr], roles: [read]}
  agent: {tokens: [ta], roles: [publish], identities: ["web-*", db-1]}
  keeper: {tokens: ["sha256:1ec22d56dbbc91e849b00643bc4f10eb764441c93bde5c6090fe81db55cf6932"],
           roles: [publish, static]}
  ops: {tokens: [to], roles: [read, admin]}
"""


@pytest.fixture
def users_file(tmp_path: Path) -> Path:
    path = tmp_path / "users.yaml"
    path.write_text(USERS)
    return path


@pytest.fixture
def door(make_server: MakeServer, users_file: Path, htpasswd: Path) -> Door:
    server = make_server(users_file=users_file, htpasswd_file=htpasswd)
    assert set(server.ports) == {"http"}  # the others could not ask
    return Door(server.ports["http"])


@pytest.mark.parametrize(
    ("token", "may"),
    [
        ("tr", {"query"}),
        ("ta", {"publish"}),
        ("tk", {"publish", "static"}),
        ("to", {"query", "drop"}),
    ],
)
def test_a_role_may_do_what_it_is_for_and_nothing_else(
    door: Door, token: str, may: set[str]
) -> None:
    headers = bearer(token)
    answers = {
        "query": door.query("select 1", headers),
        "publish": door.publish(headers),
        "static": door.publish(headers, static=1),
        "drop": door.ask("drop_table", {"tablename": "none"}, headers),
    }
    allowed = {deed for deed, (status, _, _) in answers.items() if status != 403}
    assert allowed - {"static"} == may - {"static"}
    assert ("static" in may) == (answers["static"][0] != 403)
    for deed in answers.keys() - allowed:
        assert "may not" in answers[deed][2]["error_message"]


def test_one_host_cannot_speak_for_another(door: Door) -> None:
    assert door.publish(bearer("ta"), identity="web-7")[0] == 200
    assert door.publish(bearer("ta"), identity="db-1")[0] == 200
    status, _, body = door.publish(bearer("ta"), identity="db-2")
    assert status == 403
    assert body["error_message"] == (
        "user agent may not publish as 'db-2'; their identities are web-*, db-1"
    )


def test_a_users_file_with_half_a_character_leaves_those_in_force_who_were(
    door: Door, users_file: Path
) -> None:
    users_file.write_text(USERS.replace("to]", '"\\ud800"]'))
    assert door.query("select 1", bearer("to"))[0] == 200


def test_who_may_not_read_any_more_does_not_follow_on(
    make_server: MakeServer, users_file: Path
) -> None:
    server = make_server(users_file=users_file)
    made = HTTPConnection("127.0.0.1", server.ports["http"], timeout=20)
    with closing(made):
        made.request("GET", "/events", headers=bearer("tr"))
        events = made.getresponse()
        number = server.rotate()
        while f"id: {number}" not in (line := events.readline().decode()):
            assert line
        users_file.write_text(USERS.replace("[read]", "[publish]"))
        number = server.rotate()
        with suppress(IncompleteRead):  # it ends as it does with a server that stops
            while line := events.readline().decode():
                assert f"id: {number}" not in line
        made.close()
        made.request("GET", "/events", headers=bearer("tr"))
        assert made.getresponse().status == 403


def test_users_of_the_htpasswd_file_alone_may_all_but_administer(door: Door) -> None:
    ann = basic("ann", "right")
    assert door.query("select 1", ann)[0] == 200
    assert door.publish(ann)[0] == 200
    assert door.ask("drop_table", {"tablename": "t"}, ann)[0] == 403


ENDLESS = "with recursive c(n) as (select 1 union all select n + 1 from c) select max(n) from c"


@pytest.mark.parametrize("killer", ["tr", "to"])
def test_a_query_is_ended_by_its_user_or_by_an_admin(
    make_server: MakeServer, users_file: Path, killer: str
) -> None:
    users_file.write_text(USERS + "  two: {tokens: [t2], roles: [read]}\n")
    door = Door(make_server(users_file=users_file).ports["http"])
    ended: list[Answer] = []
    message = {"sql": ENDLESS, "query_id": "long"}
    asking = threading.Thread(target=lambda: ended.append(door.ask("query", message, bearer("tr"))))
    asking.start()
    while "long" not in str(door.query("show queries", bearer("to"))[2]):
        pass
    assert door.query("kill long", bearer("t2"))[0] == 403
    assert door.ask("cancel", {"query_id": "long"}, bearer("t2"))[0] == 403
    elsewhere = bearer(killer) | {"Origin": "https://attacker.example"}
    assert door.query("kill long", elsewhere)[0] == 403
    assert door.ask("cancel", {"query_id": "long"}, elsewhere)[0] == 403
    assert door.query("kill long", bearer(killer))[0] == 200
    asking.join(20)
    assert "cancelled" in ended[0][2]["error_message"]


def test_plain_http_asks_where_it_is_told_to(make_server: MakeServer, htpasswd: Path) -> None:
    server = make_server(htpasswd_file=htpasswd, require_auth=True)
    door = Door(server.ports["http"])
    assert set(server.ports) == {"http"}
    assert door.query("select 1")[0] == 401
    assert door.query("select 1", basic("ann", "right"))[0] == 200


def test_a_flood_of_wrong_passwords_holds_nobody_up(
    make_server: MakeServer, tmp_path: Path
) -> None:
    """Each check takes a tenth of a second; the flood would take ten. Others ask meanwhile."""
    slow = "$2y" + bcrypt.hashpw(b"right", bcrypt.gensalt(10)).decode()[3:]
    users = tmp_path / "users.yaml"
    users.write_text(f"users:\n  ann: {{password: '{slow}', tokens: [t], roles: [read]}}\n")
    server = make_server(users_file=users, listen="127.0.0.1")
    door = Door(server.ports["http"])
    assert door.query("select 1", basic("ann", "right"))[0] == 200
    statuses: list[int] = []

    def guess(number: int) -> None:
        statuses.append(door.query("select 1", basic("ann", f"guess{number}"))[0])

    flood = [threading.Thread(target=guess, args=(n,)) for n in range(40)]
    for thread in flood:
        thread.start()
    for _ in range(20):
        assert door.query("select 1", bearer("t"))[0] == 200
        assert door.query("select 1", basic("ann", "right"))[0] == 200
    for thread in flood:
        thread.join(20)
    assert set(statuses) <= {401, 503}
    assert 503 in statuses, "more waited than may"


def test_who_is_not_let_in_is_logged_by_address_and_without_the_secret(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "qasino.auth")
    for headers in (basic("anna", "guessed"), bearer("guessed")):
        assert door.query("select 1", headers)[0] == 401
    assert [record.getMessage() for record in caplog.records] == [
        "wrong password address=127.0.0.1 user='anna'",
        "unknown token address=127.0.0.1",
    ]


def test_the_time_of_a_check_does_not_tell_who_exists() -> None:
    """Names that do not exist take as long as those that do: some a slow hash, some a quick one."""
    gate = Gate(Users(None, None), lambda name, error: None)
    hashes = [bcrypt_hash("a"), apr_md5_crypt.hash("b")]
    drawn = [gate._decoy(f"user{n}", hashes) for n in range(100)]
    assert 20 < drawn.count(hashes[0]) < 80
    assert drawn == [gate._decoy(f"user{n}", hashes) for n in range(100)]
    assert gate._decoy("user", [])


def test_a_right_password_is_checked_once_however_often_it_waits(tmp_path: Path) -> None:
    """Told by the processor time of the thread that checks, when it answers."""
    path = tmp_path / "htpasswd"
    slow = "$2y" + bcrypt.hashpw(b"right", bcrypt.gensalt(10)).decode()[3:]
    path.write_text(f"ann:{slow}\n")
    spent_s: list[float] = []
    outcomes: list[Any] = []

    def answer(outcome: Any) -> None:
        spent_s.append(time.thread_time())
        outcomes.append(outcome)

    gate = Gate(Users(path, None), lambda name, error: None)
    header = basic("ann", "right")["Authorization"]
    for _ in range(WAITING_PER_ADDRESS):
        assert gate.identify(header, "127.0.0.1", answer) is None
    gate.start()
    until(lambda: len(outcomes) == WAITING_PER_ADDRESS)
    gate.stop()
    gate.join(5)
    assert [outcome.name for outcome in outcomes] == ["ann"] * WAITING_PER_ADDRESS
    assert spent_s[-1] < 2 * spent_s[0]


@pytest.mark.skipif(shutil.which("htpasswd") is None, reason="apache2-utils is not here")
@pytest.mark.parametrize("kind", ["-B", "-m", ""])
def test_what_htpasswd_writes_is_understood(
    make_server: MakeServer, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "made"
    command = ["htpasswd", *filter(None, [kind]), "-c", "-b", str(path), "ann", "right w\u00f6rd"]
    subprocess.run(command, check=True, capture_output=True)
    server = make_server(htpasswd_file=path, require_auth=True)
    door = Door(server.ports["http"])
    assert door.query("select 1", basic("ann", "right w\u00f6rd"))[0] == 200
    assert door.query("select 1", basic("ann", "right word"))[0] == 401


def test_the_defaults_ask_nobody() -> None:
    assert not Settings().asks_everywhere
