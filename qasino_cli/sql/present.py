"""Result -> the text of a format. Pure.

table      for eyes: columns aligned, numbers to the right, NULL told from '' (see `layout`)
text       the ancestor's table, as the line port draws it
csv tsv    the server's own streams: what HTTP answers, byte for byte
ndjson     likewise, but a REAL may be spelt otherwise: 1e300 for 1.0e+300
json       an array of objects for each result
markdown   a table to paste
vertical   a line for each cell
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import msgspec

from qasino_cli.cells import is_numeric, shown_cell
from qasino_cli.errors import UsageFault
from qasino_server.render import (
    STREAMS,
    Cell,
    CsvStream,
    Stream,
    TsvStream,
    distinct,
    json_cell,
    stream_for,
    text_table,
    visible,
    width,
)
from qasino_server.table import Result, shown

FORMATS = ("table", "text", "csv", "tsv", "json", "ndjson", "markdown", "vertical")
_BATCH_ROWS = 1000

Pieces = Iterator[str]


def choose_format(
    option: str | None, environment: str | None, terminal: bool, usual: str | None = None
) -> str:
    """The format that is meant: the option, else QASINO_FORMAT, else what stdout is.

    `usual` is what the configuration wants on a terminal. Raises UsageFault for one that does
    not exist, whichever is meant.
    """
    sources = ("--format", option), ("QASINO_FORMAT", environment), ("config.yaml", usual)
    for source, name in sources:
        if name and name not in FORMATS:
            raise UsageFault(
                f"{source}: {shown(name)} is not a format; there are {', '.join(FORMATS)}"
            )
    return option or environment or (terminal and usual) or ("table" if terminal else "tsv")


def wants_strings(form: str) -> bool:
    """Whether the format shows the server's own strings instead of typed cells."""
    return form == "text"


def present(result: Result, form: str, header: bool = True, null: str | None = None) -> Pieces:
    """The answer in any format but `table`, in pieces of whole lines.

    `header` and `null` are for csv and tsv: without the names, NULL as this text, which in tsv
    is written as it is.
    """
    if form in STREAMS:
        return _streamed(result, form, header, null)
    return _WRITERS[form](result)


def _streamed(result: Result, form: str, header: bool, null: str | None) -> Pieces:
    stream = _stream_for(form, null)
    head = stream.head(result.column_names)
    if header:
        yield head
    rows = iter(result.rows)
    while batch := list(islice(rows, _BATCH_ROWS)):
        yield stream.rows(batch)


def _stream_for(form: str, null: str | None) -> Stream:
    if null and form == "csv":
        return _NamedNullCsv(null)
    if null is not None and form == "tsv":
        return _NamedNullTsv(null)
    stream = stream_for(form)
    assert stream is not None
    return stream


class _NamedNullCsv(CsvStream):
    """CSV with a text for NULL, quoted where others would be."""

    def __init__(self, null: str) -> None:
        self._null = super()._field(null)

    def _field(self, cell: Cell) -> str:
        return self._null if cell is None else super()._field(cell)


class _NamedNullTsv(TsvStream):
    """TSV with another text for NULL, written as it is: the one it has is \\N."""

    def __init__(self, null: str) -> None:
        self._null = null

    def _field(self, cell: Cell) -> str:
        return self._null if cell is None else super()._field(cell)


def _text(result: Result) -> Pieces:
    yield text_table(result.column_names, result.rows)


def _json(result: Result) -> Pieces:
    """One array, an object a line: JSON for programs, lines for grep."""
    names = distinct(result.column_names)
    before = "["
    for row in result.rows:
        cells = dict(zip(names, map(json_cell, row), strict=True))
        yield before + msgspec.json.encode(cells).decode()
        before = ",\n"
    yield "]\n" if result.rows else "[]\n"


def _markdown(result: Result) -> Pieces:
    rules = ["---:" if numeric else "---" for numeric in _numeric(result)]
    yield _markdown_line([_markdown_cell(name) for name in result.column_names])
    yield _markdown_line(rules)
    for row in result.rows:
        yield _markdown_line([_markdown_cell(shown_cell(cell)) for cell in row])


def _numeric(result: Result) -> list[bool]:
    """Which columns hold numbers."""
    columns = list(zip(*result.rows, strict=True)) or [()] * len(result.column_names)
    kinds = (set(map(type, cells)) for cells in columns)
    return list(map(is_numeric, kinds, result.column_types))


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _markdown_cell(text: str) -> str:
    return visible(text).replace("|", "\\|")


def _vertical(result: Result) -> Pieces:
    names = [visible(name) for name in result.column_names]
    widest = max(map(width, names), default=0)
    labels = [name + " " * (widest - width(name)) for name in names]
    for number, row in enumerate(result.rows, start=1):
        yield f"-[ {number} ]{'-' * widest}\n"
        for label, cell in zip(labels, row, strict=True):
            yield f"{label} | {visible(shown_cell(cell))}\n"


_WRITERS: dict[str, Callable[[Result], Pieces]] = {
    "text": _text,
    "json": _json,
    "markdown": _markdown,
    "vertical": _vertical,
}
