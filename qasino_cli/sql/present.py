"""Result -> the text of a format. Pure, but for the table on a terminal, which rich draws.

table      for eyes: columns aligned, numbers to the right, NULL told from ''
text       the seed's table, as the line port draws it
csv tsv ndjson   the server's own streams: what HTTP answers, byte for byte
json       an array of objects for each result
markdown   a table to paste
vertical   a line for each cell
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import msgspec

from qasino_cli.cells import right_aligned, shown_cell
from qasino_cli.errors import UsageFault
from qasino_server.render import (
    Stream,
    distinct,
    json_cell,
    stream_for,
    text_table,
    visible,
    width,
)
from qasino_server.table import Result, shown

FORMATS = ("table", "text", "csv", "tsv", "json", "ndjson", "markdown", "vertical")
STREAMS = ("csv", "tsv", "ndjson")
_BATCH_ROWS = 1000

Pieces = Iterator[str]


def choose_format(option: str | None, environment: str | None, terminal: bool) -> str:
    """The format that is meant: the option, else QASINO_FORMAT, else what stdout is.

    Raises UsageFault for one that does not exist.
    """
    for source, name in (("--format", option), ("QASINO_FORMAT", environment)):
        if name:
            if name not in FORMATS:
                raise UsageFault(
                    f"{source}: {shown(name)} is not a format; there are {', '.join(FORMATS)}"
                )
            return name
    return "table" if terminal else "tsv"


def wants_strings(form: str) -> bool:
    """Whether the format shows the server's own strings instead of typed cells."""
    return form == "text"


def present(result: Result, form: str) -> Pieces:
    """The answer in any format but `table`, in pieces of whole lines."""
    stream = stream_for(form)
    if stream is not None:
        return _streamed(result, stream)
    return _WRITERS[form](result)


def _streamed(result: Result, stream: Stream) -> Pieces:
    yield stream.head(result.column_names)
    rows = iter(result.rows)
    while batch := list(islice(rows, _BATCH_ROWS)):
        yield stream.rows(batch)


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
    rules = ["---:" if right else "---" for right in right_aligned(result)]
    yield _markdown_line([_markdown_cell(name) for name in result.column_names])
    yield _markdown_line(rules)
    for row in result.rows:
        yield _markdown_line([_markdown_cell(shown_cell(cell)) for cell in row])


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
