"""A candidate and how candidates are ranked: how well it fits, then what it is, then its length."""

from __future__ import annotations

import re
from collections.abc import Iterable

import apsw
import msgspec

from qasino_cli.catalog import ColumnFact, TableFact, quoted
from qasino_cli.names import fit
from qasino_server.render import visible

LIMIT = 50

KEYWORDS = tuple(sorted(apsw.keywords))
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset(apsw.keywords)


class Candidate(msgspec.Struct, frozen=True):
    """Something that could stand at the cursor."""

    text: str
    """What is inserted."""
    start: int
    """Where it begins to replace, counted from the cursor: 0 or less."""
    display: str
    meta: str
    """What is said beside it: its type, where it stands, who reports it."""
    kind: str
    """column, table, view, alias, schema, function, keyword, value, join, file or command."""


class Offer(msgspec.Struct, frozen=True):
    """A name that is on offer in one place, before it is known how well it fits."""

    name: str
    """What the typed letters are compared with."""
    text: str
    kind: str
    group: int = 0
    """The less, the likelier in this place."""
    meta: str = ""
    keep_order: int = 0
    """Among those nobody has typed a letter of: the place it has by itself."""
    display: str = ""
    """What it looks like; '' as its name."""


def ranked(offers: Iterable[Offer], typed: str, replaced: int) -> list[Candidate]:
    """The offers that fit, the best first, no text twice."""
    lower = typed.lower()
    found = []
    for offer in offers:
        rank = fit(lower, offer.name.lower())
        if rank is not None:
            order = offer.keep_order if not typed else 0
            found.append((rank, offer.group, order, len(offer.name), offer.name, offer))
    found.sort(key=lambda entry: entry[:5])
    best: dict[str, Candidate] = {}
    for *_, offer in found:
        if len(best) == LIMIT:
            break
        best.setdefault(
            offer.text.lower() if offer.kind == "keyword" else offer.text,
            Candidate(offer.text, -replaced, _display(offer), offer.meta, offer.kind),
        )
    return list(best.values())


def _display(offer: Offer) -> str:
    """Publishers name columns and send values: neither is to steer the terminal."""
    return visible(offer.display or offer.name)


def as_name(name: str) -> str:
    """A name as it is written in SQL: quoted only where it has to be."""
    if _PLAIN.fullmatch(name) and name.upper() not in _RESERVED:
        return name
    return quoted(name)


def table_meta(table: TableFact) -> str:
    """`table · 3 identities · 120 rows`."""
    if table.kind == "view":
        return "view"
    parts = [table.kind]
    if table.kind == "table":
        parts.append(_counted(table.nr_identities, "identity", "identities"))
    if table.nr_rows is not None:
        parts.append(_counted(table.nr_rows, "row", "rows"))
    return " · ".join(parts)


def column_meta(column: ColumnFact, table: str, more_tables: int = 0) -> str:
    """`REAL · hosts · 12 identities`."""
    where = table if not more_tables else f"{table} and {more_tables} more"
    parts = [part for part in (column.type, where) if part]
    if column.nr_identities:
        parts.append(_counted(column.nr_identities, "identity", "identities"))
    return " · ".join(parts)


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
