"""Rows that live on (persist, ttl) come into the next generation from the file of the one before,
in portions, while publications go on.

As `intake`, at the writer's desk only, inside its transaction.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from qasino_server.database.generation import Generation
from qasino_server.database.ranges import Ranges, count_rows, joined, split
from qasino_server.merge import Plan, plan_merge
from qasino_server.store.ledger import Arrears, Ledger, Pair, TableState
from qasino_server.store.schemas import Schemas
from qasino_server.store.shapes import Shapes
from qasino_server.table import Columns

CARRY_ROWS, CARRY_PAIRS, CARRY_S = 20_000, 500, 0.005
"""Rows carried in one go, of so many pairs, and after how long no other statement is begun; 6.5 ms
at most, so that publications get in between."""


class _Part(NamedTuple):
    """What one portion carries of a pair."""

    pair: Pair
    owed: Arrears
    rows: Ranges
    left: Ranges


class CarryFirst(Exception):
    """The pair's rows cannot be carried yet: the publication has to wait a moment."""


class Carrying:
    """What one generation is owed by the one before."""

    def __init__(
        self, generation: Generation, ledger: Ledger, schemas: Schemas, shapes: Shapes
    ) -> None:
        self._generation = generation
        self._ledger = ledger
        self._schemas = schemas
        self._shapes = shapes
        self.attached = False
        """Whether the generation before is sealed and attached."""
        self._rows_at_once = CARRY_ROWS
        """How many rows may still be carried for updates in this transaction."""

    def attach(self, sealed: Path) -> None:
        """Read from this file from now on. Raises apsw.Error where it cannot be opened."""
        self._generation.attach_source(sealed)
        self.attached = True

    def detach(self) -> None:
        """Let go of it. Raises apsw.Error where there is no memory: it stays attached, unused."""
        self.attached = False
        self._generation.detach_source()

    def begin(self) -> None:
        """A transaction has begun."""
        self._rows_at_once = CARRY_ROWS

    def carry_at_once(self, pair: Pair, owed: Arrears) -> None:
        """Carry all that a pair is owed, if that is not more than a portion with what was carried
        so in this transaction. Raises CarryFirst."""
        nr_rows = count_rows(owed.left)
        if not self.attached or nr_rows > self._rows_at_once:
            raise CarryFirst
        self._rows_at_once -= nr_rows
        self._carry([_Part(pair, owed, owed.left, ())])

    def owes_any(self, pairs: Iterable[Pair]) -> bool:
        """Whether rows of one of them are still to be carried."""
        return any(pair in self._ledger.arrears for pair in pairs)

    def carry_some(self, first: Iterable[Pair] = ()) -> None:
        """Carry one portion of what is owed, of these pairs before others; `ledger.arrears` is not
        empty."""
        ends = time.monotonic() + CARRY_S
        for parts in self._next_parts(first):
            self._carry(parts)
            if time.monotonic() > ends:
                return

    def _next_parts(self, first: Iterable[Pair]) -> Iterable[list[_Part]]:
        """One portion, in lists of what takes one statement: of one table, the same columns."""
        together: dict[tuple[str, int], list[_Part]] = {}
        rows_left = CARRY_ROWS
        for pair, owed in self._ledger.next_owed(CARRY_PAIRS, first):
            rows, left = split(owed.left, rows_left)
            parts = together.setdefault((pair[0], owed.source.shape), [])
            parts.append(_Part(pair, owed, rows, left))
            rows_left -= count_rows(rows)
            if not rows_left:
                break
        return together.values()

    def _carry(self, parts: Sequence[_Part]) -> None:
        """Copy them from the generation before."""
        before, sent = parts[0].owed.table, columns_owed(parts[0].owed)
        plan, table = self.table_for(parts[0].pair[0], parts[0].owed)
        names = list(zip([column.name for column in sent], plan.targets, strict=True))
        source, rows = (before.name, before.columns), [part.rows for part in parts]
        self._book_carried(
            parts, plan, table, self._generation.carry(source, table.name, names, rows)
        )

    def table_for(self, key: str, owed: Arrears) -> tuple[Plan, TableState]:
        """The table that rows of the generation before go into, made if it is not there."""
        existing = self._ledger.table(key)
        columns = existing.columns if existing is not None else None
        plan = plan_merge(columns, self._ledger.inherited(key), columns_owed(owed))
        return plan, self._schemas.ensure_table(key, owed.table.name, plan)

    def _book_carried(
        self, parts: Sequence[_Part], plan: Plan, table: TableState, carried: Sequence[Ranges]
    ) -> None:
        """Enter what the pairs have now, and what is still owed."""
        ledger, before = self._ledger, parts[0].owed.table
        table, shape = self._shapes.carry(table, plan.sent)
        nr_done, epoch, upserted = 0, table.last_update_epoch, table.upserted
        for (pair, owed, _, left), ranges in zip(parts, carried, strict=True):
            present = ledger.source(pair)
            if present is not None:
                ranges = joined(present.ranges, ranges)
            ledger.put_source(
                pair, msgspec.structs.replace(owed.source, ranges=ranges, shape=shape, fresh=False)
            )
            ledger.put_arrears(pair, msgspec.structs.replace(owed, left=left) if left else None)
            nr_done += not left
            epoch = max(epoch, owed.source.update_epoch)
            upserted = upserted or owed.source.upserted
        ledger.put_table(
            parts[0].pair[0],
            msgspec.structs.replace(
                table,
                nr_updates=table.nr_updates + nr_done,
                last_update_epoch=epoch,
                upserted=upserted,
                descriptions=table.descriptions.carry(before.descriptions, plan.sent),
            ),
        )


def columns_owed(owed: Arrears) -> Columns:
    """The columns that were sent for what is owed."""
    return owed.table.shapes[owed.source.shape]
