"""What would be published and why, on stdout; nothing is sent and no server is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from qasino_cli import terminal
from qasino_cli.console import counted
from qasino_cli.layout import lay_out
from qasino_cli.publish.inputs import Prepared
from qasino_server.table import Publication, Result

FIRST_ROWS = 5


def described(prepared: Sequence[Prepared]) -> Iterator[str]:
    """Lines: for each table its columns with their types and why, and its first rows."""
    for one in prepared:
        yield from _described(one)


def _described(one: Prepared) -> Iterator[str]:
    publication, reading = one.publication, one.reading
    rows = msgspec.json.decode(publication.rows_json)
    form = "" if reading is None else f", read as {reading.form}"
    yield (
        f"{one.name}: table {publication.tablename} of {publication.identity}, "
        f"{counted(len(rows), 'row')}{_kind(publication)}{form}"
    )
    headers = {} if reading is None else {r.name: r.header for r in reading.renamed}
    whys = {} if reading is None else {i.column: i.why for i in reading.inferred}
    yield from _table(
        ("column", "type", "header", "why"),
        [
            (c.name, c.type, headers.get(c.name, ""), whys.get(c.name, "the input says so"))
            for c in publication.columns
        ],
    )
    yield from _table(
        tuple(c.name for c in publication.columns), [tuple(r) for r in rows[:FIRST_ROWS]]
    )
    if one.nr_rejects:
        yield f"{counted(one.nr_rejects, 'bad row')} skipped"


def _kind(publication: Publication) -> str:
    for kind in ("static", "persist", "update"):
        if getattr(publication, kind):
            return f", {kind}"
    return "" if publication.ttl_s is None else f", for {publication.ttl_s:g} s"


def _table(names: tuple[str, ...], rows: list[tuple[object, ...]]) -> list[str]:
    result = Result(
        column_names=names, column_types=("",) * len(names), nr_rows=len(rows), rows=rows
    )
    return ["  " + line for line in lay_out(result, terminal.size()[0] - 2)]
