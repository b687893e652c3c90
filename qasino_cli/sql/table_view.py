"""The table for a terminal, drawn by rich.

Cells are `Text`, which rich takes as they are: in a plain string it would read markup and
emoji names, and change the data. Control characters are made visible before.
"""

from __future__ import annotations

import sys
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from qasino_cli.cells import right_aligned
from qasino_cli.console import counted, write
from qasino_server.render import text_cell, text_table, visible
from qasino_server.table import Result

RICH_ROWS = 2000
"""rich lays out some 2,500 rows a second; a longer result is drawn the plain way."""

_PIPE_COLUMNS = 1 << 16  # where there is no terminal nothing is folded


def draw(result: Result) -> None:
    """Draw the result on stdout, folded to the terminal's width."""
    write(_plain(result) if result.nr_rows > RICH_ROWS else _drawn(result))


def _plain(result: Result) -> str:
    rows = [["NULL" if cell is None else cell for cell in row] for row in result.rows]
    return text_table(result.column_names, rows)


def _drawn(result: Result) -> str:
    """What rich would print; printing it ourselves leaves a closed pipe to `console`."""
    console = _console()
    with console.capture() as captured:
        console.print(_table(result))
    return captured.get()


def _console() -> Console:
    if sys.stdout.isatty():
        return Console(file=sys.stdout, highlight=False)
    return Console(file=sys.stdout, highlight=False, width=_PIPE_COLUMNS)


def _table(result: Result) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name, right in zip(result.column_names, right_aligned(result), strict=True):
        table.add_column(Text(visible(name)), justify="right" if right else "left", overflow="fold")
    for row in result.rows:
        table.add_row(*map(_cell, row))
    return table


def _cell(cell: Any) -> Text:
    if cell is None:
        return Text("NULL", style="dim")
    return Text(visible(text_cell(cell)))


def note(result: Result) -> str:
    """What stands under a table: how much, how fast, from when."""
    age = f"{result.generation_age_s:.0f} s old"
    return (
        f"{counted(result.nr_rows, 'row')} in {result.elapsed_s * 1000:.1f} ms,"
        f" generation {result.generation_number}, {age}"
    )
