"""What would be published and why, on stdout; nothing is sent and no server is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from qasino_cli import terminal
from qasino_cli.console import counted
from qasino_cli.layout import lay_out
from qasino_cli.publish.inputs import Prepared
from qasino_cli.readers.draft import legible
from qasino_server.render import visible
from qasino_server.table import Publication, Result

FIRST_ROWS = 5

_items = msgspec.json.Decoder(list[msgspec.Raw])


def described(prepared: Sequence[Prepared]) -> Iterator[str]:
    """Lines: for each table its columns with their types and why, and its first rows."""
    for one in prepared:
        yield from _described(one)


def _described(one: Prepared) -> Iterator[str]:
    publication, reading = one.publication, one.reading
    rows = _items.decode(publication.rows_json)
    form = "" if reading is None else f", read as {reading.form}"
    yield visible(
        f"{legible(one.name)}: table {publication.tablename} of {publication.identity}, "
        f"{counted(len(rows), 'row')}{_kind(publication)}{form}"
    )
    headers = {} if reading is None else {r.name: r.header for r in reading.renamed}
    yield from _table(
        ("column", "type", "header", "why"),
        [(c.name, c.type, headers.get(c.name, ""), _why(one, c.name)) for c in publication.columns],
    )
    yield from _table(
        tuple(c.name for c in publication.columns),
        [tuple(map(_value, _items.decode(row))) for row in rows[:FIRST_ROWS]],
    )
    for note in () if reading is None else reading.notes:
        yield visible(f"  {note}")
    yield from _passed_over(one)


def _why(one: Prepared, column: str) -> str:
    """Why a column has its type, or what it means where that was never a question."""
    if one.reading is None:
        own = one.publication
        names = (c.name for c in own.columns)
        return dict(zip(names, own.descriptions, strict=False)).get(column, "")
    whys = {inferred.column: inferred.why for inferred in one.reading.inferred}
    added = all(c.name != column for c in one.reading.publication.columns)
    return whys.get(column, "--add-identity-column" if added else "the input says so")


def _value(cell: msgspec.Raw) -> object:
    """A cell as the server will have it."""
    text = bytes(cell).decode()
    if text.startswith(("[", "{")):
        return text
    try:
        value = msgspec.json.decode(cell)
    except msgspec.ValidationError:  # a number no double holds: an infinity
        return float(text)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return float(text)
    return value


def _kind(publication: Publication) -> str:
    kinds = [kind for kind in ("static", "persist", "update") if getattr(publication, kind)]
    if publication.ttl_s is not None:
        kinds.append(f"for {publication.ttl_s:g} s")
    return "".join(f", {kind}" for kind in kinds)


def _passed_over(one: Prepared) -> Iterator[str]:
    if one.reading is None or not one.nr_rejects:
        return
    yield f"{counted(one.nr_rejects, 'bad row')} skipped"
    for reject in islice(one.reading.rejects, FIRST_ROWS):
        column = "" if reject.column is None else f":{reject.column}"
        yield visible(f"  {legible(one.name)}:{reject.line}{column}: {reject.reason}")


def _table(names: tuple[str, ...], rows: list[tuple[object, ...]]) -> list[str]:
    result = Result(
        column_names=names, column_types=("",) * len(names), nr_rows=len(rows), rows=rows
    )
    return ["  " + line for line in lay_out(result, terminal.size()[0] - 2)]
