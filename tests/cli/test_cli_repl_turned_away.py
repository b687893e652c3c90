"""A server that does not let the prompt in, or not any more."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command import http_url, start_qasino, zmq_url
from prompt_house import Start
from wire import until

from qasino_cli.connection import Connection
from qasino_cli.console import ExitCode
from qasino_cli.errors import NotLetIn
from qasino_cli.sql.repl.live import Live
from qasino_server.curve_keys import make_pair
from qasino_server.server import Server

MakeServer = Callable[..., Server]


class Door:
    """A server of short generations that knows one user, by a token."""

    def __init__(self, make_server: MakeServer, place: Path) -> None:
        self._users = place / "users.yaml"
        self.let_in("a-token")
        places = {"db_dir": place / "another", "static_db": place / "another.db"}
        self.server = make_server(generation_duration_s=1, users_file=self._users, **places)

    def let_in(self, token: str) -> None:
        digest = hashlib.sha256(token.encode()).hexdigest()
        self._users.write_text(f"users: {{ann: {{tokens: ['sha256:{digest}'], roles: [read]}}}}")

    def change(self, token: str) -> None:
        """Only this token is good from now on."""
        self.let_in(token)
        self.server.reload()


@pytest.fixture
def door(make_server: MakeServer, tmp_path: Path) -> Door:
    return Door(make_server, tmp_path)


def nr_refused(log: pytest.LogCaptureFixture) -> int:
    return sum("unknown token" in record.getMessage() for record in log.records)


WATCHES = [("sql", "-q", "select 1 one \\watch"), ("watch", "--interval", "0.2", "select 1 one")]


@pytest.mark.parametrize("words", WATCHES, ids=["sql", "watch"])
def test_a_watch_ends_where_the_server_does_not_let_us_in_any_more(
    door: Door, words: tuple[str, ...]
) -> None:
    """Though the statement was answered before: it is no table that has gone."""
    url = http_url(door.server)
    with start_qasino(*words, "-s", url, QASINO_TOKEN="a-token") as process:
        assert process.stdout is not None
        while process.stdout.readline() != b"1\n":
            assert process.poll() is None
        door.change("another")
        _, err = process.communicate(timeout=20)
    assert process.returncode == ExitCode.REFUSED
    assert f"{url} does not take the token: " in err.decode()


@pytest.mark.parametrize("words", WATCHES, ids=["sql", "watch"])
def test_so_it_does_over_zeromq_where_its_role_is_taken_away(
    make_server: MakeServer, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """That port has no status for a refusal: the prompt waited in silence."""
    users = tmp_path / "users.yaml"
    users.write_text("users: {ann: {roles: [read]}}")
    keys = tmp_path / "curve"
    make_pair(keys / "server")
    make_pair(keys / "clients" / "ann")
    server = make_server(users_file=users, curve_keys=keys, generation_duration_s=1)
    own = ("--curve-key", keys / "clients" / "ann.key_secret")
    with start_qasino(
        *words, "-s", zmq_url(server), *own, "--curve-server-key", keys / "server.key"
    ) as process:
        assert process.stdout is not None
        while process.stdout.readline() != b"1\n":
            assert process.poll() is None
        users.write_text("users: {ann: {roles: [publish]}}")
        server.reload()
        _, err = process.communicate(timeout=20)
    assert process.returncode == ExitCode.REFUSED
    assert "user ann may not query" in err.decode()


def test_who_was_turned_away_before_the_wait_began_is_not_waited_for(door: Door) -> None:
    """The door may close between a statement's answer and the wait for the next generation."""
    at = Connection(scheme="http", host="127.0.0.1", port=door.server.ports["http"], token="wrong")
    live = Live(at, lambda offers: None)
    live.start()
    try:
        until(lambda: live.status.turned_away)
        with ThreadPoolExecutor(1) as pool:
            try:
                waits = pool.submit(live.wait_for_generation, live.nr_generations)
                with pytest.raises(NotLetIn, match="does not take the token"):
                    waits.result(timeout=10)
            finally:
                door.change("wrong")
                live.refresh()  # ends a wait that goes on all the same
    finally:
        live.stop()


def test_a_door_that_closes_after_the_first_look_is_noticed_at_once(door: Door) -> None:
    """The clock was told nothing, and had the next look half a minute later."""
    at = Connection(
        scheme="http", host="127.0.0.1", port=door.server.ports["http"], token="a-token"
    )
    live = Live(at, lambda offers: door.change("another"))
    live.start()
    try:
        until(lambda: live.status.turned_away)
        assert live.nr_generations == 1
    finally:
        live.stop()


def test_a_prompt_that_is_not_let_in_says_so_and_does_not_knock_again_by_itself(
    door: Door, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    terminal = start(http_url(door.server), QASINO_TOKEN="wrong")
    terminal.prompt()
    terminal.see("not let in, \\conninfo says why")
    terminal.run("\\conninfo", "does not take the token")
    knocked = nr_refused(caplog)
    door.server.rotate()
    with pytest.raises(AssertionError):
        until(lambda: nr_refused(caplog) != knocked, within_s=2.5)
    terminal.run("\\refresh")
    until(lambda: nr_refused(caplog) > knocked)
    door.change("wrong")
    terminal.run("select 6 * 7 x;", "42")
    terminal.see("generation")
    terminal.gone("not let in")
    assert terminal.leave() == 0


def test_a_server_that_was_never_reached_is_not_said_to_be_lost(start: Start) -> None:
    terminal = start("http://127.0.0.1:1")
    terminal.prompt()
    terminal.see("cannot reach it yet")
