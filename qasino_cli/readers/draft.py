"""What every reader makes of its form: headers and rows of cells, and what is wrong with a row.

A cell is text that has no type yet (`str`), no value (None), or a value that came with its
type (`Typed`), as in JSON. Places are counted from 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from qasino_cli.errors import InputRejected
from qasino_server.table import Publication

RAW_CHARS = 120


class Typed(msgspec.Struct, frozen=True):
    """A value that came with its type: a JSON number, text, true or false."""

    value: Any


Cell = str | Typed | None


class Draft(msgspec.Struct):
    """A table as it stands in the input."""

    headers: list[str]
    rows: list[list[Cell]]
    lines: list[int]
    """Where each row begins: its line, or what `line_of` makes one of."""
    rejects: list[Reject] = []
    header_line: int = 1
    empty_is_null: bool = True
    """Whether an empty text cell is no value in this form."""
    text: str | None = None
    """Where rows begin at offsets of a text: that text."""

    def line_of(self, row: int) -> int:
        """The line a row begins on."""
        begins = self.lines[row]
        return begins if self.text is None else self.text.count("\n", 0, begins) + 1

    def raw_of(self, row: int) -> str:
        """The line it begins on as it stands there, where that is known."""
        if self.text is None:
            return ""
        return self.text[self.lines[row] :].split("\n", 1)[0].rstrip("\r")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says about the input."""

    form: str | None = None
    """One of FORMS, None to tell by the content."""
    tablename: str | None = None
    identity: str | None = None
    """Serves where the input names none."""
    types: Mapping[str, str] = {}
    """Column, as in the header or as mapped -> type."""
    strict_names: bool = False
    skip_bad_rows: bool = False


class Renamed(msgspec.Struct, frozen=True):
    """A header that is no legal name, and the name it got."""

    header: str
    name: str


class Inferred(msgspec.Struct, frozen=True):
    """The type a column got, and why."""

    column: str
    type: str
    why: str


class Reject(msgspec.Struct, frozen=True):
    """A row that was passed over."""

    line: int
    column: int | None
    reason: str
    raw: str


class Reading(msgspec.Struct, frozen=True):
    """A table as it will be published, and what was done to make it one."""

    publication: Publication
    form: str
    renamed: tuple[Renamed, ...] = ()
    inferred: tuple[Inferred, ...] = ()
    rejects: tuple[Reject, ...] = ()


class BadPlace(Exception):
    """Something is wrong at a place of the input."""

    def __init__(
        self, line: int, reason: str, column: int | None = None, raw: str = "", remedy: str = ""
    ) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason
        self.column = column
        self.raw = raw
        self.remedy = remedy
        """The option that would take it, where there is one."""

    def rejected(self, name: str) -> InputRejected:
        """As an error of that input: `file:line:column: reason`, the line, the remedy."""
        column = f":{self.column}" if self.column is not None else ""
        text = f"{name}:{self.line}{column}: {self.reason}"
        if self.raw:
            text += f"\n  {cut(self.raw)}"
        if self.remedy:
            text += f"\n  {self.remedy}"
        return InputRejected(text)

    def reject(self) -> Reject:
        """As a row that is passed over."""
        return Reject(self.line, self.column, self.reason, self.raw)


SKIP_REMEDY = "--on-error skip --rejects FILE publishes the other rows"


def cut(raw: str) -> str:
    """A line of the input as a sentence can show it."""
    from qasino_server.render import visible  # 15 ms, for inputs that are wrong

    shown = visible(raw)
    return shown if len(shown) <= RAW_CHARS else shown[: RAW_CHARS - 3] + "..."
