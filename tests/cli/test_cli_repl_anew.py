"""The menu of a prompt whose server has other tables than when it was opened."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from command import zmq_url
from prompt_house import Sql, Start
from wire import Wire

from qasino_server.server import Server

Serve = Callable[..., Server]


@pytest.fixture
def serve(
    make_server: Callable[..., Server], wire_to: Callable[[Server], Wire], tmp_path: Path
) -> Serve:
    """Starts a server that has this table alone, and whose loss is soon noticed."""

    def make(table: str, **ports: int) -> Server:
        places = {"db_dir": tmp_path / table, "static_db": tmp_path / f"{table}.db"}
        server = make_server(generation_duration_s=1, **places, **ports)
        wire_to(server).publish("web-1", table, ["n"], ["int"], [[1]])
        server.rotate()
        return server

    return make


def toolbar(terminal: Sql) -> str:
    """Server and generation, without its age; '' while it is being drawn."""
    return (re.findall(r"zmq://.* │ generation \d+(?=,)", terminal.text) or [""])[-1]


def test_an_open_menu_has_the_tables_of_the_server_that_comes_back(
    start: Start, serve: Serve
) -> None:
    first = serve("apple")
    terminal = start(zmq_url(first))
    terminal.connected()
    terminal.type("select * from a")
    terminal.see("apple")
    first.stop()
    terminal.see("server lost, reconnecting")
    serve("aardvark", zmq_port=first.ports["zmq"])
    terminal.see("aardvark")
    assert "apple" not in terminal.text
    terminal.type("\t;\r")
    terminal.see("from aardvark;", "n ─ 1 1 row in")


def test_a_prompt_that_began_before_its_server_gets_a_menu(start: Start, serve: Serve) -> None:
    server = serve("apple")
    server.stop()
    terminal = start(zmq_url(server))
    terminal.prompt()
    terminal.see("cannot reach it yet")
    terminal.type("select * from a")
    terminal.see("from a")
    serve("aardvark", zmq_port=server.ports["zmq"])
    terminal.see("aardvark")


def test_an_open_menu_has_the_tables_of_the_next_generation(
    start: Start, server: Server, wire: Wire
) -> None:
    terminal = start()
    terminal.connected()
    terminal.type("select * from aa")
    terminal.see("from aa")
    wire.publish("web-1", "aardvark", ["n"], ["int"], [[1]])
    server.rotate()
    terminal.see("aardvark")


def test_a_line_of_the_history_gets_no_menu_where_the_tables_change(
    start: Start, server: Server, wire: Wire
) -> None:
    """In a menu that opens the next Up would choose, where it was to bring the line before."""
    wire.publish("web-1", "apple", ["n"], ["int"], [[1]])
    server.rotate()
    terminal = start()
    terminal.connected()
    terminal.run("\\echo earlier", "earlier")
    terminal.run("\\d apple", "n INTEGER")
    terminal.type("\x1b[A")
    terminal.see("qasino> \\d apple")
    before = toolbar(terminal)
    for table in ("apple", "apple_tree"):
        wire.publish("web-1", table, ["n"], ["int"], [[1]])
    server.rotate()
    terminal.until(lambda: toolbar(terminal) not in ("", before), "another generation")
    terminal.type("\x1b[A")
    terminal.see("qasino> \\echo earlier")
    assert "apple_tree" not in terminal.text
