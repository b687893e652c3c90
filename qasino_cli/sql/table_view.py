"""A result on stdout as a table, and the words that stand under it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from qasino_cli import terminal
from qasino_cli.console import counted, write
from qasino_cli.layout import Look
from qasino_server.table import Result

PIPE_COLUMNS = 1 << 16
"""How wide a table is where there is no terminal: nothing is cut but the longest of cells.

Without a limit one cell of 1 MB would have 10,000 rows filled up with blanks to 10 GB.
"""
_BATCH_LINES = 1000


def look_for(colours: str = "auto", theme: str = "auto") -> Look:
    """How stdout wants its lines, after the user's configuration.

    Nobody is asked for the background: terminals answer that late or not at all. A dark one
    is the rule.
    """
    return Look(
        colours=terminal.coloured(sys.stdout, colours),
        theme="light" if theme == "light" else "dark",
        unicode=terminal.speaks_unicode(),
        breaks_lines=terminal.watched(sys.stdout),
    )


def write_lines(lines: Sequence[str]) -> None:
    """Lines on stdout, many at a time."""
    for begins in range(0, len(lines), _BATCH_LINES):
        write("\n".join(lines[begins : begins + _BATCH_LINES]) + "\n")


def note(result: Result) -> str:
    """What stands under a table: how much, how fast, from when."""
    age = f"{result.generation_age_s:.0f} s old"
    return (
        f"{counted(result.nr_rows, 'row')} in {result.elapsed_s * 1000:.1f} ms,"
        f" generation {result.generation_number}, {age}"
    )


def cut_note(result: Result) -> str | None:
    """What is said where the server gave less than there is."""
    if not result.truncated:
        return None
    return f"cut after {result.nr_rows} rows: the server returns no more at once (--max-rows)"
