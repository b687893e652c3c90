"""How results look: what options and commands have set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import IO

import msgspec

from qasino_cli import terminal
from qasino_cli.cells import visible_pieces
from qasino_cli.config import Config
from qasino_cli.console import on_terminal, say, write
from qasino_cli.errors import UsageFault
from qasino_cli.layout import Expanded, Look, lay_out, shows_all
from qasino_cli.sql import pager
from qasino_cli.sql.outlet import Outlet
from qasino_cli.sql.present import present
from qasino_cli.sql.streamed import split_head, with_null
from qasino_cli.sql.table_view import PIPE_COLUMNS, cut_note, look_for, note, write_lines
from qasino_server.table import Result

_NOTES = 2
"""The lines under a result: how much it is, and that not all of it is shown."""
_AROUND_ROWS = 3
"""Those of a table beside its rows: names, rule, the columns that are left out."""


class Screen:
    """Shows results, on the terminal or where its outlet leads."""

    def __init__(
        self,
        config: Config,
        form: str,
        header: bool = True,
        null: str | None = None,
        prompting: bool = True,
    ) -> None:
        """`prompting` has a person who asks one thing after the other; else all is shown."""
        self.form = form
        self.header = header
        """Whether csv and tsv begin with the names."""
        self.null = null
        """What NULL is written as in csv and tsv; None is the format's own way."""
        self.expanded: Expanded = False
        self.timing = prompting or (form == "table" and on_terminal())
        self._prompting = prompting
        self.last: Result | None = None
        """The last result, for \\last."""
        self.prompt_lines: Callable[[int], int] = lambda height: 1
        """How many lines the next prompt takes of a screen so high."""
        self.paging = True
        """Whether what does not fit goes through the pager, but for tables, which are cut."""
        self._gathered: list[tuple[Result, bool]] | None = None
        """What is shown at the end of `shown_whole`, and whether as records."""
        self.outlet = Outlet()
        self._config = config
        self._with_tables: set[IO[bytes] | None] = set()
        """The files that have a table of Markdown, None for the terminal."""

    @property
    def _pager(self) -> str | None:
        """The pager that was wished for, '' for none."""
        return self._config.pager if self.paging else ""

    @property
    def look(self) -> Look:
        """How lines on the terminal are dressed."""
        return look_for(self._config.colors, self._config.theme)

    @property
    def _look_of_one(self) -> Look:
        """The same for what was asked by somebody, who may ask for it as records."""
        shown_by = "\\gx" if self._prompting else "--format vertical"
        return msgspec.structs.replace(self.look, shown_by=shown_by)

    @property
    def plain(self) -> bool:
        """Whether rows are shown as they come from a server that streams csv, tsv and ndjson."""
        return not self.timing and self.expanded is not True

    def show(self, result: Result, vertical: bool = False) -> None:
        """Show a result, as much of it as a screen takes, and a note under it."""
        if self._gathered is not None:
            self._gathered.append((result, vertical))
            return
        self.last = result
        records = vertical or self.expanded is True
        if self.form != "table":
            form = "vertical" if records else self.form
            gap = self._gap() if form == "markdown" else ""
            self._show_raw(chain([gap], present(result, form, self.header, self.null)))
        elif self.outlet.file is not None:
            plain = lay_out(result, PIPE_COLUMNS, expanded=records)
            self.outlet.write(line + "\n" for line in plain)
        else:
            self._show_table(result, vertical or self.expanded)
        self._note(result)

    @contextmanager
    def unpaged(self) -> Iterator[None]:
        """Within the block nothing waits for somebody to leave a pager."""
        before, self.paging = self.paging, False
        try:
            yield
        finally:
            self.paging = before

    @contextmanager
    def shown_whole(self) -> Iterator[None]:
        """What the block shows at a prompt is shown whole, through the pager where all of it
        together does not fit: it answers one question, of which \\last would know the end."""
        if not (self._prompting and self.outlet.seen and self.form == "table"):
            yield
            return
        gathered = self._gathered = []
        try:
            yield
        except KeyboardInterrupt:
            gathered.clear()
            raise
        finally:
            self._gathered = None
            self._show_whole(gathered)

    def _show_whole(self, results: Sequence[tuple[Result, bool]]) -> None:
        columns, look = self._columns(), self.look
        drawn = [
            lay_out(result, columns, expanded=vertical or self.expanded, look=look)
            for result, vertical in results
        ]
        beside = len(results) + self._prompt_lines()
        paged = sum(map(len, drawn)) + beside > terminal.size()[1]
        if paged:
            lines = [line for one in drawn for line in ["", *one]]
            pager.show(lines[1:], self._pager, beside)
        for (result, _), one in zip(results, drawn, strict=True):
            self.last = result
            if not paged:
                write_lines(one)
            self._note(result)

    def show_last(self) -> None:
        """The whole of the last result, through the pager where it does not fit."""
        if self.last is None:
            raise UsageFault(
                "there is no result yet; over HTTP csv, tsv and ndjson are kept with \\timing alone"
            )
        columns = self._columns()
        if on_terminal() and self.expanded is False and pager.goes_sideways(self._pager):
            columns = PIPE_COLUMNS
        lines = lay_out(self.last, columns, expanded=self.expanded, look=self._look_of_one)
        pager.show(lines, self._pager, self._prompt_lines())

    def page(self, lines: Sequence[str]) -> None:
        """Lines of our own, such as help."""
        pager.show(lines, self._pager, self._prompt_lines())

    def _show_table(self, result: Result, expanded: Expanded) -> None:
        height, beside = terminal.size()[1], self._beside()
        screen = self._prompting and on_terminal()
        pages = screen and self.paging and pager.pager_command(self._pager) is not None
        lines = height - beside - _AROUND_ROWS if screen else None
        columns, look = self._columns(), self._look_of_one
        drawn = lay_out(result, columns, lines, expanded, look, whole_records=pages)
        if pages and expanded and len(drawn) + beside > height:
            pager.show(drawn, self._pager, beside)
            return
        write_lines(drawn)
        if not shows_all(result, lines):
            say(f"the first and last of {result.nr_rows:,} rows; \\last shows all")

    def _gap(self) -> str:
        """What stands between two tables of Markdown, which are one without it."""
        prompt_between = self._prompting and self.outlet.seen
        gap = "\n" if self.outlet.file in self._with_tables and not prompt_between else ""
        self._with_tables.add(self.outlet.file)
        return gap

    def _show_raw(self, pieces: Iterator[str]) -> None:
        """What a format gives; at a prompt through the pager where it has more lines than fit."""
        if not (self._prompting and self.outlet.seen and self.paging):
            self._write_raw(pieces)
            return
        text = "".join(visible_pieces(pieces))
        lines = text.removesuffix("\n").split("\n")
        if len(lines) + self._beside() > terminal.size()[1]:
            pager.show(lines, self._pager, self._beside())
        else:
            write(text)

    def _beside(self) -> int:
        """What a result leaves room for: its notes and the next prompt, which would push its
        beginning off the screen."""
        return _NOTES + self._prompt_lines()

    def _prompt_lines(self) -> int:
        return self.prompt_lines(terminal.size()[1])

    def _columns(self) -> int:
        return terminal.size()[0] if on_terminal() else PIPE_COLUMNS

    def stream(self, pieces: Iterator[bytes]) -> bool:
        """Write a result as it comes, of which nothing is kept; whether it has rows.

        Raises what `write` raises.
        """
        self.last = None
        head, rows = split_head(pieces, self.form)
        if self.null is not None:
            rows = with_null(rows, self.form, self.null)
        if self.header:
            self._write_raw([head])
        first = next(filter(None, rows), b"")
        self._write_raw(chain([first], rows))
        return bool(first)

    def _write_raw(self, pieces: Iterable[str | bytes]) -> None:
        """Write a result for programs; a person who sees it is shown what would steer the terminal.

        Raises what `write` raises.
        """
        self.outlet.write(visible_pieces(pieces) if self.outlet.seen else pieces)

    def _note(self, result: Result) -> None:
        if self.timing:
            say(note(result))
        if (cut := cut_note(result)) is not None:
            say(cut)
