"""Existing schema + publication -> what to create and add. A pure plan, no SQL.

A table's columns are the union of what its publishers send; names compare without case; the
type a column has stays. A table that the last snapshot had starts with the columns somebody
sent for it, in its order, so that the order does not depend on who comes first in this
generation.
"""

from __future__ import annotations

import msgspec

from qasino_server.errors import Refused
from qasino_server.table import MAX_COLUMNS, Columns


class Plan(msgspec.Struct, frozen=True):
    """How a publication goes into its table."""

    create: bool
    """The table does not exist yet in this generation; its columns are all `columns`."""
    add: Columns
    """Columns the existing table lacks, in the order they were sent."""
    columns: Columns
    """All columns of the table afterwards."""
    targets: tuple[str, ...]
    """The table's own name for each column of the publication, in the publication's order."""
    sent: Columns
    """The publication's columns as the table has them, in its order."""
    notes: tuple[str, ...] = ()
    """Columns whose type differs from the one the table has, in words."""


def plan_merge(existing: Columns | None, inherited: Columns, publication_columns: Columns) -> Plan:
    """Plan one publication.

    `existing` are the table's columns in this generation, None where there is no such table;
    `inherited` are those it begins with, which somebody sent for the last snapshot.
    """
    base = inherited if existing is None else existing
    known = {column.key: column for column in base}
    add = tuple(column for column in publication_columns if column.key not in known)
    columns = base + add
    if len(columns) > MAX_COLUMNS:
        raise Refused(
            f"the table would have {len(columns)} columns with those that are new in this"
            f" publication, the most is {MAX_COLUMNS}"
        )
    known.update((column.key, column) for column in add)
    targets = tuple(known[column.key].name for column in publication_columns)
    own = set(targets)
    return Plan(
        create=existing is None,
        add=add,
        columns=columns,
        targets=targets,
        sent=tuple(column for column in columns if column.name in own),
        notes=tuple(
            f"column {column.name} is {known[column.key].type} here, not {column.type}"
            for column in publication_columns
            if known[column.key].type != column.type
        ),
    )
