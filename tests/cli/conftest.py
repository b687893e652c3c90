"""Servers and input for the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from command import TABLE_CSV, http_url, start_qasino, zmq_url
from prompt_house import Sql, Start
from terminal_screen import Terminal
from watch_house import publish
from wire import Wire

from qasino_cli.catalog import Ask
from qasino_cli.client import open_client
from qasino_cli.connection import Connection
from qasino_server.message import Query
from qasino_server.server import Server


@pytest.fixture
def table_csv(tmp_path: Path) -> Path:
    """The seed's example table."""
    path = tmp_path / "myapplication_table1.csv"
    path.write_text(TABLE_CSV)
    return path


@pytest.fixture(params=["zmq", "http"])
def url(request: pytest.FixtureRequest, server: Server) -> str:
    """A server, over each transport in turn."""
    return zmq_url(server) if request.param == "zmq" else http_url(server)


@pytest.fixture
def ask(server: Server) -> Iterator[Ask]:
    """Asks a server in typed JSON."""
    client = open_client(Connection(host="127.0.0.1", port=server.ports["zmq"]))
    yield lambda sql: client.query(Query(sql=sql, typed=True))
    client.close()


@pytest.fixture
def rotate(server: Server, wire: Wire) -> Callable[..., None]:
    """A generation in which these hosts reported."""

    def turn(**used: int) -> None:
        for host, value in used.items():
            publish(wire, host, value)
        server.rotate()

    return turn


@pytest.fixture
def running(server: Server) -> Iterator[Callable[..., Any]]:
    """Starts `qasino watch ..` in the background; what still runs at the end is killed."""
    with ExitStack() as stack:

        def start(*args: object) -> Any:
            process = stack.enter_context(start_qasino("watch", "-s", zmq_url(server), *args))
            stack.callback(process.kill)
            return process

        yield start


@pytest.fixture
def screen(server: Server, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Starts `qasino watch ..` in a terminal; what still runs at the end is killed."""
    with ExitStack() as stack:

        def start(
            *args: object,
            columns: int = 80,
            lines: int = 16,
            clusters: bool = False,
            **variables: str,
        ) -> Terminal:
            terminal = Terminal(
                "watch",
                "-s",
                zmq_url(server),
                *args,
                home=tmp_path,
                columns=columns,
                lines=lines,
                variables=variables,
                clusters=clusters,
            )
            stack.callback(terminal.close)
            return terminal

        yield start


@pytest.fixture
def start(server: Server, tmp_path: Path) -> Iterator[Start]:
    """Starts prompts; what still runs at the end is killed."""
    with ExitStack() as stack:

        def make(url: str = zmq_url(server), *options: str, **variables: str) -> Sql:
            terminal = Sql("sql", "-s", url, *options, home=tmp_path, variables=variables)
            stack.callback(terminal.close)
            return terminal

        yield make
