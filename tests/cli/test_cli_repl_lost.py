"""A \\watch whose server is lost, at the prompt and in a batch."""

from __future__ import annotations

import select
from collections.abc import Callable
from pathlib import Path

from command import start_qasino, zmq_url
from prompt_house import Start

from qasino_cli.console import ExitCode
from qasino_server.server import Server

MakeServer = Callable[..., Server]


def short_lived(make_server: MakeServer, place: Path) -> Server:
    """A server whose generations last a second, so that a lost one is soon late."""
    places = {"db_dir": place / "another", "static_db": place / "another.db"}
    return make_server(generation_duration_s=1, **places)


def test_a_watch_in_a_batch_ends_where_the_server_is_lost(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server = short_lived(make_server, tmp_path)
    with start_qasino("sql", "-s", zmq_url(server), "-q", "select 1 one \\watch") as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == [b"one\n", b"1\n"]
        while not select.select([process.stdout], [], [], 0.1)[0]:
            server.rotate()  # it follows the generations now
        server.stop()
        _, err = process.communicate(timeout=20)
    assert process.returncode == ExitCode.UNREACHABLE
    assert b"nothing listens there" in err


def test_a_watch_at_the_prompt_tells_that_the_server_is_lost(
    make_server: MakeServer, start: Start, tmp_path: Path
) -> None:
    server = short_lived(make_server, tmp_path)
    terminal = start(zmq_url(server))
    terminal.prompt()
    terminal.type("select 6 * 7 as answer \\watch\r")
    terminal.see("answer ────── 42")
    server.stop()
    terminal.see("nothing listens there")
    terminal.prompt()
    assert terminal.leave() == 0
