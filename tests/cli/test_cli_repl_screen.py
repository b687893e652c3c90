"""What of the tables and their cells comes onto the screen of a prompt."""

from __future__ import annotations

from prompt_house import Start
from wire import Wire

from qasino_server.server import Server


def test_a_publisher_cannot_turn_what_is_typed(start: Start, server: Server, wire: Wire) -> None:
    """A value with a mark that reverses what follows stands in the menu, and then in the text."""
    wire.publish("web-1", "evil", ["c"], ["text"], [["\u202ea"], ["\u202eb"]])
    server.rotate()
    terminal = start()
    terminal.prompt()
    terminal.see("generation")
    terminal.type("select count(*) many from evil where c = ")
    terminal.see("\\u202ea of c", "\\u202eb of c")
    terminal.type("\t")
    terminal.see("where c = '\\u202ea'")
    terminal.type("\r;\r")
    terminal.see("many ──── 1", "1 row in")
    assert "\u202e".encode() not in terminal.written
