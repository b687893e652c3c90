"""What every reader makes of its form: headers, rows that can be read again, and what is wrong.

A form is read twice, once for the types and once for the rows that are sent: 300,000 rows of 8
cells as Python objects would take 400 MB, reading them again takes less than a second.
Places are counted from 1, offsets into the text from 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from qasino_cli.errors import InputRejected
from qasino_server.table import Publication

RAW_CHARS = 120
MAX_UNPACKED_BYTES = 4 << 30
NOT_TEXT = re.compile("[\0\udc80-\udcff]")
"""What no text holds: NUL, and what a byte that is no UTF-8 becomes where bad rows are skipped."""

Cell = str | None
"""A text without a type, or the JSON of a value (`Draft.typed`); None is no value."""

Row = tuple[int, int, list[Cell]]
"""The line it begins on, the offset it begins at, its cells."""


class Draft(msgspec.Struct, kw_only=True):
    """A table as it stands in the input."""

    headers: Sequence[str]
    rows: Callable[[], Iterator[Row]]
    """Reads the rows, from the first on each time it is called."""
    typed: bool = False
    """Whether cells are JSON."""
    types: Sequence[tuple[str, str]] = ()
    """The type of each column and why, in a form that says so itself."""
    decimal_commas: bool = False
    """Whether commas may stand before decimals in it, since they do not part its fields."""
    empty_is_text: bool = False
    """Whether an empty cell is a text of its own, since the form has another way to say NULL."""
    header_line: int = 1
    header_columns: Sequence[int] = ()
    """Where in its line each header begins, where that is known."""
    raw: Callable[[int], str] = lambda begins: ""
    """The whole row that begins at an offset, as it stands there."""
    column: Callable[[int, int], int | None] = lambda begins, n: None
    """Where in its line the cell `n` (from 0) of the row that begins at an offset begins."""
    notes: list[str] = []
    header_row: str = ""
    """What its names stand in, where that may be a row and only they can tell."""
    renaming: str = ""
    """The options that name its columns, where nobody can change what stands in its header."""


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
    skip_lines: int = 0
    """Lines that stand before the header and are none of the table's."""
    header: Sequence[str] = ()
    """The names of the columns, where the input has no header."""
    max_unpacked_bytes: int = MAX_UNPACKED_BYTES


class Renamed(msgspec.Struct, frozen=True):
    """A header that is no legal name, and the name it got."""

    header: str
    name: str


class Inferred(msgspec.Struct, frozen=True):
    """The type a column got, and why."""

    column: str
    type: str
    why: str
    is_doubtful: bool = False
    """Whether who publishes it should be told, who alone knows what is meant."""


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
    """In the order of their lines."""
    notes: tuple[str, ...] = ()
    """What else was done to it, in words."""


class BadPlace(Exception):
    """Something is wrong at a place of the input."""

    def __init__(
        self,
        line: int,
        reason: str,
        column: int | None = None,
        raw: str = "",
        remedy: str = "",
        raw_begins: int = 1,
    ) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason
        self.column = column
        self.raw = raw
        self.remedy = remedy
        """The option that would take it, where there is one."""
        self.raw_begins = raw_begins
        """The column of the first character of `raw`."""

    def rejected(self, name: str) -> InputRejected:
        """As an error of that input: `file:line:column: reason`, the line, the remedy."""
        column = f":{self.column}" if self.column is not None else ""
        text = f"{name}:{self.line}{column}: {self.reason}"
        if self.raw.strip():
            text += f"\n  {cut(self.raw, (self.column or self.raw_begins) - self.raw_begins + 1)}"
        if self.remedy:
            text += f"\n  {self.remedy}"
        return InputRejected(text)

    def reject(self) -> Reject:
        """As a row that is passed over."""
        return Reject(self.line, self.column, self.reason, legible(self.raw))


SKIP_LINES_REMEDY = "--skip-lines N begins below a title, where the header is"
HEADER_REMEDY = "--header A,B names the columns if it is a row"
PARTS_REMEDY = "publish parts of it under identities of their own, the server merges them"
SKIP_REMEDY = "--on-error skip --rejects FILE publishes the other rows"


class Faults:
    """Takes every bad row: the first one is an error, or all of them are kept as rejects.

    A row is read more than once; it is known by its line, and where one line has several (an
    array of objects) by its offset as well.
    """

    def __init__(self, skip: bool) -> None:
        self.skip = skip
        self._rejects: dict[tuple[int, int], Reject] = {}

    def bad_row(self, fault: BadPlace, at: int = 0) -> None:
        """This row cannot be published. Raises it unless bad rows are passed over."""
        if not self.skip:
            fault.remedy = fault.remedy or SKIP_REMEDY
            raise fault
        self._rejects.setdefault((fault.line, at), fault.reject())

    def has(self, line: int, at: int = 0) -> bool:
        """Whether a row is among the rejects."""
        return (line, at) in self._rejects

    def is_text(self, line: int, raw: str) -> bool:
        """Whether a row is text throughout; if not, it is a bad row."""
        found = NOT_TEXT.search(raw)
        if found is None:
            return True
        what = "a NUL character stands there, text has none"
        if found[0] != "\0":
            what = f"byte 0x{ord(found[0]) - 0xDC00:02x} is not UTF-8"
        begins = raw.rfind("\n", 0, found.start()) + 1
        self.bad_row(BadPlace(line, what, found.start() - begins + 1, raw))
        return False

    def rejects(self) -> tuple[Reject, ...]:
        """The rows that were passed over, in the order of their lines."""
        return tuple(self._rejects[row] for row in sorted(self._rejects))


_BROKEN = re.compile("[\udc80-\udcff]")


def legible(raw: str) -> str:
    """A row as it stood, bytes that are no UTF-8 as \\xNN."""
    return _BROKEN.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", raw)


def cut(raw: str, column: int) -> str:
    """The line of a row as a sentence can show it, its fault within what is shown."""
    from qasino_server.render import visible  # 15 ms, for inputs that are wrong

    line = raw.split("\n", 1)[0].rstrip("\r")
    shown = visible(legible(line))
    if len(shown) <= RAW_CHARS:
        return shown
    at = len(visible(legible(line[: column - 1])))  # a tab is shown as two characters
    begins = max(0, min(at - RAW_CHARS // 2, len(shown) - RAW_CHARS))
    before = "..." if begins else ""
    after = "..." if begins + RAW_CHARS < len(shown) else ""
    return f"{before}{shown[begins : begins + RAW_CHARS]}{after}"
