"""The different sets of columns that were sent for a table: how many of them are remembered.

Which columns somebody sent says what the table begins with in the next generation, and how many
identities have each. Most tables have one such set.
"""

from __future__ import annotations

import msgspec

from qasino_server.store.ledger import TableState
from qasino_server.table import Columns

_SHAPES_MAX = 1_000
"""Of a table: columns that were sent together."""
_COLUMNS_MAX = 100_000
"""In the shapes of all tables but the first of each. Headers that are each another subset of 2,000
columns made a rotation 3 s long, without one row."""


class Shapes:
    """Of one generation."""

    def __init__(self) -> None:
        self._columns = 0
        """In the shapes that count towards _COLUMNS_MAX."""

    def add(self, table: TableState, sent: Columns) -> tuple[TableState, int]:
        """The table with this shape, which somebody has sent, and its place.

        Of so many that nobody means them, the rest count as having sent every column.
        """
        table, place = self._placed(table, sent)
        if place in table.only_carried:
            table = msgspec.structs.replace(table, only_carried=table.only_carried - {place})
        return table, place

    def carry(self, table: TableState, sent: Columns) -> tuple[TableState, int]:
        """The same where somebody sent it for a generation before, and carried rows have it."""
        nr_shapes = len(table.shapes)
        table, place = self._placed(table, sent)
        if place == nr_shapes and not table.has_all:
            table = msgspec.structs.replace(table, only_carried=table.only_carried | {place})
        return table, place

    def _placed(self, table: TableState, sent: Columns) -> tuple[TableState, int]:
        for place, shape in enumerate(table.shapes):
            if shape == sent:
                return table, place
        nr_shapes = len(table.shapes)
        if nr_shapes:
            columns = self._columns + len(sent)
            if nr_shapes >= _SHAPES_MAX or columns > _COLUMNS_MAX:
                return _as_all(table)
            self._columns = columns
        return msgspec.structs.replace(table, shapes=(*table.shapes, sent)), nr_shapes


def _as_all(table: TableState) -> tuple[TableState, int]:
    """The table with its one shape that has every column, the last one, and its place."""
    shapes = table.shapes[:-1] if table.has_all else table.shapes
    as_all = msgspec.structs.replace(table, shapes=(*shapes, table.columns), has_all=True)
    return as_all, len(shapes)


def union(first: Columns, second: Columns) -> Columns:
    """The shape of rows of which some came in the one, some in the other."""
    known = {column.key for column in first}
    return first + tuple(column for column in second if column.key not in known)
