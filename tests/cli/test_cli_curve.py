"""Clients with CURVE keys: where they are named, and what is said of a key that does not fit."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Ran, run_qasino, start_qasino, zmq_url
from wire import until

from qasino_cli.clock import Beat
from qasino_cli.connection import Connection, CurveKeys
from qasino_cli.console import ExitCode
from qasino_cli.errors import Unreachable
from qasino_cli.generation_clock import GenerationClock
from qasino_cli.zmq_client import ZmqClient
from qasino_server.curve_keys import make_pair, read_pair, read_public_key
from qasino_server.message import Query
from qasino_server.server import Server

MakeServer = Callable[..., Server]
GIVE_UP_S = 20.0


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """The keys of a server that knows ann; mallory made hers herself."""
    place = tmp_path / "curve"
    for name in ("server", "clients/ann", "../mallory", "../other"):
        make_pair(place / name)
    return place


@pytest.fixture
def guarded(make_server: MakeServer, keys: Path) -> Server:
    return make_server(curve_keys=keys, generation_duration_s=300)


def options(keys: Path, own: str = "clients/ann", server: str = "server") -> list[object]:
    return [
        *("--curve-key", keys / f"{own}.key_secret"),
        *("--curve-server-key", keys / f"{server}.key"),
    ]


def connection_to(server: Server, keys: Path, own: str = "clients/ann") -> Connection:
    pair = read_pair(keys / f"{own}.key_secret")
    public = read_public_key(keys / "server.key")
    return Connection(
        host="127.0.0.1", port=server.ports["zmq"], curve=CurveKeys(pair, public), timeout_s=5
    )


def ask(server: Server, *more: object, **variables: str) -> Ran:
    return run_qasino("sql", "-s", zmq_url(server), *more, "-q", "select 1 one", **variables)


# --- Where keys are named ----------------------------------------------------------------------


def test_with_the_right_keys_one_publishes_and_asks(
    guarded: Server, keys: Path, table_csv: Path
) -> None:
    published = run_qasino("publish", "-s", zmq_url(guarded), *options(keys), table_csv)
    assert published.returncode == ExitCode.OK, published.stderr
    guarded.rotate()
    ran = run_qasino(
        *("sql", "-s", zmq_url(guarded), *options(keys)),
        *("-q", "select stat1 from myapplication_table1"),
    )
    assert ran.stdout == "stat1\n123\n"


def test_keys_come_from_the_environment_and_the_servers_may_be_the_key_itself(
    guarded: Server, keys: Path
) -> None:
    own, public = str(keys / "clients" / "ann.key_secret"), read_public_key(keys / "server.key")
    ran = ask(guarded, QASINO_CURVE_KEY=own, QASINO_CURVE_SERVER_KEY=public)
    assert (ran.stdout, ran.stderr) == ("one\n1\n", "")


def test_keys_come_from_the_configuration_and_completion_has_them_too(
    guarded: Server, keys: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        f"servers:\n  lab:\n    url: {zmq_url(guarded)}\n    curve_server_key: {keys}/server.key\n"
        f"    curve_key: {keys}/clients/ann.key_secret\n"
    )
    variables = {"QASINO_CONFIG": str(config), "QASINO_SERVER": "lab"}
    assert run_qasino("sql", "-q", "select 1 one", **variables).stdout == "one\n1\n"
    variables["XDG_CACHE_HOME"] = str(tmp_path)
    found = run_qasino("__complete", "tables", "qasino_server_inf", **variables)
    assert found.stdout == "qasino_server_info\n"


def test_an_agent_with_keys_follows_the_signal(guarded: Server, keys: Path, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "t.csv").write_text("a\n1\n")
    ann = ZmqClient(connection_to(guarded, keys))
    agent = start_qasino(
        *("csvagent", "--directory", tmp_path / "tables", "-I", "web-1"),
        *("-s", zmq_url(guarded), *options(keys)),
    )

    def rows() -> int:
        return len(ann.query(Query(sql="select a from t where a", typed=True)).rows)

    def there() -> bool:
        guarded.rotate()
        try:
            return rows() == 1
        except Exception:  # no such table yet
            return False

    with agent:
        try:
            until(there)
            guarded.rotate()
            until(there)  # the generation lasts 300 s: only the signal tells it to publish again
        finally:
            agent.kill()
            ann.close()


def test_the_signal_is_heard_with_keys(guarded: Server, keys: Path) -> None:
    clock = GenerationClock(connection_to(guarded, keys))
    ends = time.monotonic() + GIVE_UP_S
    try:
        heard = None
        while heard is None and time.monotonic() < ends:
            guarded.rotate()
            heard = clock.wait(0.1)
    finally:
        clock.close()
    assert heard is not None
    assert heard.generation_number is not None


def test_a_signal_that_is_not_for_us_is_left_alone_and_the_own_clock_beats(
    make_server: MakeServer, keys: Path
) -> None:
    """Who has no keys hears nothing, but does not knock ten times a second either."""
    server = make_server(curve_keys=keys, generation_duration_s=1)
    knocks = 0

    def count_knocks(door: socket.socket) -> None:
        nonlocal knocks
        while True:
            try:
                door.accept()[0].close()
            except OSError:
                return
            knocks += 1

    with socket.create_server(("127.0.0.1", 0)) as door:
        counting = threading.Thread(target=count_knocks, args=(door,))
        counting.start()
        for port in (server.ports["pubsub"], door.getsockname()[1]):
            clock = GenerationClock(
                Connection(
                    scheme="http",
                    host="127.0.0.1",
                    port=server.ports["http"],
                    pubsub_port=port,
                )
            )
            try:
                assert clock.wait(GIVE_UP_S) == Beat(None, 1.0)
            finally:
                clock.close()
        door.shutdown(socket.SHUT_RDWR)
        counting.join()
    assert knocks == 1


# --- Keys that do not fit ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "server", "sentence"),
    [
        (None, "server", "it asks for keys; give --curve-key and --curve-server-key"),
        ("clients/ann", "../other", "it has another key than --curve-server-key says"),
    ],
)
def test_a_wrong_key_is_known_at_once_and_named(
    guarded: Server, keys: Path, own: str | None, server: str, sentence: str
) -> None:
    began = time.monotonic()
    assert ask(guarded, *options(keys)).returncode == ExitCode.OK
    usual_s, began = time.monotonic() - began, time.monotonic()
    ran = ask(guarded, *([] if own is None else options(keys, own, server)))
    assert time.monotonic() - began < 2 * usual_s + 3
    assert ran.stderr == f"cannot reach {zmq_url(guarded)}: {sentence}\n"
    assert (ran.returncode, ran.stdout) == (ExitCode.UNREACHABLE, "")


def test_a_key_the_server_does_not_know_is_told_with_what_to_do(
    guarded: Server, keys: Path
) -> None:
    ran = ask(guarded, *options(keys, "../mallory"))
    assert ran.returncode == ExitCode.UNREACHABLE
    public = read_public_key(keys.parent / "mallory.key")
    assert ran.stderr == (
        f"cannot reach {zmq_url(guarded)}: it does not know your key; {public} belongs into a"
        " NAME.key in the clients directory of its --curve-keys, which SIGHUP has it read again\n"
    )


def test_a_server_without_a_key_is_not_taken_for_the_right_one(server: Server, keys: Path) -> None:
    ran = ask(server, *options(keys))
    assert ran.returncode == ExitCode.UNREACHABLE
    assert "it has no key, and so may be anybody" in ran.stderr


def test_a_client_that_was_refused_is_let_in_once_its_key_is_known(
    guarded: Server, keys: Path
) -> None:
    client = ZmqClient(connection_to(guarded, keys, "../mallory"))
    try:
        for _ in range(3):
            with pytest.raises(Unreachable, match="does not know your key"):
                client.query(Query(sql="select 1"))
        (keys / "clients" / "mallory.key").write_bytes((keys.parent / "mallory.key").read_bytes())
        guarded.reload()
        assert client.query(Query(sql="select 1")).rows == [("1",)]
    finally:
        client.close()


def test_a_hangup_has_a_server_read_its_keys_again(keys: Path, tmp_path: Path) -> None:
    ports_file = tmp_path / "ports.json"
    running = start_qasino(
        *("server", "--http-port", "off", "--line-port", "off", "--zmq-port", 0),
        *("--pubsub-port", 0, "--db-dir", tmp_path / "db", "--static-db", tmp_path / "s.db"),
        *("--curve-keys", keys, "--ports-file", ports_file),
    )
    with running:
        try:
            until(ports_file.exists)
            url = f"zmq://127.0.0.1:{json.loads(ports_file.read_text())['zmq']}"
            own = options(keys, "../mallory")
            asking = ("sql", "-s", url, *own, "-q", "select 1 one")
            assert "does not know your key" in run_qasino(*asking).stderr
            known = keys / "clients" / "mallory.key"
            known.write_bytes((keys.parent / "mallory.key").read_bytes())
            running.send_signal(signal.SIGHUP)
            until(lambda: run_qasino(*asking).stdout == "one\n1\n")
        finally:
            running.kill()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--curve-key", "KEYS/clients/ann.key_secret"], "go together: CURVE needs both"),
        (["--curve-server-key", "KEYS/server.key"], "go together: CURVE needs both"),
        (
            ["--curve-key", "KEYS/clients/ann.key", "--curve-server-key", "KEYS/server.key"],
            "clients/ann.key: there is no secret CURVE key in it; that is NAME.key_secret",
        ),
        (
            ["--curve-key", "KEYS/clients/ann.key_secret", "--curve-server-key", "KEYS/none"],
            "none: No such file or directory",
        ),
    ],
)
def test_keys_that_are_none_are_a_usage_error(keys: Path, given: list[str], sentence: str) -> None:
    ran = run_qasino("sql", *(text.replace("KEYS", str(keys)) for text in given), "-q", "x")
    assert ran.returncode == ExitCode.USAGE
    assert sentence in ran.stderr
