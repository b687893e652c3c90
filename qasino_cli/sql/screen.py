"""Where results go and how they look: the prompt's settings, and what \\o has opened."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from qasino_cli import terminal
from qasino_cli.config import Config
from qasino_cli.console import say, write
from qasino_cli.errors import UsageFault
from qasino_cli.layout import Expanded, Look, lay_out, shows_all
from qasino_cli.sql import pager
from qasino_cli.sql.present import present
from qasino_cli.sql.table_view import PIPE_COLUMNS, cut_note, look_for, note
from qasino_server.table import Result, shown

LINES_BESIDE = 5
"""What a screen shows besides rows: header, rule, two notes, the prompt."""
LEAST_ROWS = 10


class Screen:
    """Shows results, on the terminal or where \\o sends them."""

    def __init__(self, config: Config, form: str) -> None:
        self.form = form
        self.expanded: Expanded = False
        self.timing = True
        self.last: Result | None = None
        """The last result, for \\last."""
        self._config = config
        self._file: IO[str] | None = None
        self._process: subprocess.Popen[str] | None = None

    @property
    def look(self) -> Look:
        """How lines on the terminal are dressed."""
        return look_for(self._config.colors, self._config.theme)

    def show(self, result: Result, vertical: bool = False) -> None:
        """Show a result, as much of it as a screen takes, and a note under it."""
        self.last = result
        if self.form != "table":
            self._write(present(result, self.form))
        elif self._file is not None:
            plain = lay_out(result, PIPE_COLUMNS, expanded=vertical or self.expanded is True)
            self._write(line + "\n" for line in plain)
        else:
            self._show_table(result, vertical or self.expanded)
        self._note(result)

    def show_last(self) -> None:
        """The whole of the last result, through the pager where it does not fit."""
        if self.last is None:
            raise UsageFault("there is no result yet")
        columns = terminal.size()[0]
        lines = lay_out(self.last, columns, expanded=self.expanded, look=self.look)
        pager.show(lines, self._config.pager)

    def page(self, lines: Sequence[str]) -> None:
        """Lines of our own, such as help."""
        pager.show(lines, self._config.pager)

    def redirect(self, target: str) -> None:
        """Send results to a file or `| command` from now on; '' is the terminal again.

        Raises UsageFault where the file cannot be opened.
        """
        self.close()
        try:
            if target.startswith("|"):
                self._process = subprocess.Popen(
                    target[1:], shell=True, stdin=subprocess.PIPE, text=True, encoding="utf-8"
                )
                self._file = self._process.stdin
            elif target:
                self._file = Path(target).expanduser().open("w", encoding="utf-8")
        except OSError as error:
            raise UsageFault(f"\\o: {shown(target)}: {error.strerror}") from None

    def close(self) -> None:
        """End what \\o has begun."""
        file, process = self._file, self._process
        self._file = self._process = None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                say(f"\\o: {error.strerror}")
        if process is not None:
            process.wait()

    def _show_table(self, result: Result, expanded: Expanded) -> None:
        columns, height = terminal.size()
        lines = max(height - LINES_BESIDE, LEAST_ROWS) if terminal.watched(sys.stdout) else None
        drawn = lay_out(result, columns, lines, expanded, self.look)
        if expanded and len(drawn) >= height:
            pager.show(drawn, self._config.pager)
        else:
            write("\n".join(drawn) + "\n")
        if not shows_all(result, lines):
            say(f"the first and last of {result.nr_rows:,} rows; \\last shows all")

    def _write(self, pieces: Iterable[str]) -> None:
        for piece in pieces:
            if self._file is None:
                write(piece)
            else:
                self._to_file(piece)

    def _to_file(self, piece: str) -> None:
        assert self._file is not None
        try:
            self._file.write(piece)
            self._file.flush()
        except OSError as error:
            self.close()
            raise UsageFault(f"\\o ended: {error.strerror}") from None

    def _note(self, result: Result) -> None:
        if self.timing:
            say(note(result))
        if (cut := cut_note(result)) is not None:
            say(cut)
