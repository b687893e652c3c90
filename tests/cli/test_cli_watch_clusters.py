"""Rows of flags, joined pictures and Hindi on a screen: terminals count their columns otherwise."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from terminal_screen import Terminal
from watch_house import QUERY
from wire import Wire

from qasino_cli.cells import width_alone
from qasino_cli.layout import Look
from qasino_cli.watch.diff import Picture, RowState
from qasino_cli.watch.frame import frame
from qasino_cli.watch.view import View
from qasino_server.render import width
from qasino_server.server import Server

FLAG = "🇩🇪 Berlin"
FAMILY = "👩‍👩‍👧‍👦 fam"
HINDI = "हिन्दी"
WARNING = "⚠️ warn"


@pytest.mark.parametrize(
    ("clusters", "hosts"),
    [(True, [FLAG, FAMILY, HINDI, WARNING, "plain"]), (False, [FLAG, "plain"])],
)
def test_a_number_beside_a_flag_is_the_one_that_is_there(
    screen: Callable[..., Terminal], server: Server, wire: Wire, clusters: bool, hosts: list[str]
) -> None:
    """And the help over such rows is whole, and the rows after it."""

    def report(*used: int) -> None:
        rows = list(zip(hosts, used, strict=False))
        table = {
            "tablename": "disks",
            "column_names": ["host", "used"],
            "column_types": ["text", "int"],
            "rows": rows,
        }
        wire.http_post("add_table_data", {"identity": "a", "table": table})
        server.rotate()

    def rows() -> list[str]:
        return [" ".join(line.split()) for line in terminal.lines[5:] if line]

    def see(*used: int, mark: str) -> None:
        wanted = [f"{host} {value}{mark}" for host, value in zip(hosts, used, strict=False)]
        terminal.until(lambda: sorted(rows()) == sorted(wanted), f"{wanted}")

    report(1, 1, 1, 1, 1)
    terminal = screen(QUERY, clusters=clusters)
    see(1, 1, 1, 1, 1, mark="")
    report(1002, 2002, 3002, 4002, 5002)
    terminal.type("n")
    see(1002, 2002, 3002, 4002, 5002, mark="▲")
    report(1013, 2113, 13002, 4802, 5003)
    terminal.type("n")
    see(1013, 2113, 13002, 4802, 5003, mark="▲")
    report(7, 21, 130, 48, 5)
    terminal.type("n")
    see(7, 21, 130, 48, 5, mark="▼")
    before = terminal.lines[5:]
    terminal.type("?")
    terminal.until(lambda: terminal.lines[0] == "keys; ? for more", "the first line of the help")
    terminal.until(lambda: terminal.lines[1:3] == ["↑ k      up", "↓ j      down"], "the keys")
    terminal.until(
        lambda: terminal.lines[-1] == "+        show the columns that are hidden", "the last key"
    )
    terminal.type("k")
    terminal.until(lambda: terminal.lines[5:] == before, "the rows again")


@pytest.mark.parametrize("clusters", [True, False])
def test_the_first_line_is_whole_where_the_last_one_is_hindi(
    screen: Callable[..., Terminal], clusters: bool
) -> None:
    """To go back to it from there takes more columns than prompt_toolkit knows of."""
    rows = " union ".join(f"select {n} n, '{HINDI if clusters else FLAG}' x" for n in range(9))
    terminal = screen(f"{rows} order by n", lines=8, clusters=clusters)
    terminal.see("9 rows")
    terminal.type("e\x15select 1 n\r")
    terminal.until(lambda: terminal.lines[0].split("  ")[0] == "select 1 n", "the statement")
    terminal.type("?")
    terminal.until(lambda: terminal.lines[0] == "keys; ? for more", "the first line of the help")


@pytest.mark.parametrize("text", [FLAG, FAMILY, HINDI, WARNING, FLAG * 9, HINDI + FLAG])
def test_a_line_fits_however_its_columns_are_counted(text: str) -> None:
    """What does not fit is cut with an ellipsis: a terminal would leave out digits without one."""
    row = RowState(key=(text,), cells=(text, 123456), status="same")
    state = View(sql="select 1", picture=Picture(names=("x", "n"), rows=(row,)))
    for columns in range(3, 150):
        line = "".join(text for _, text in frame(state, columns, 9, 1.0, Look())[-4])
        assert max(width(line), width_alone(line)) <= columns
        assert line.endswith(("123456", "…")) or "1" not in line
