"""How the tables of the open generation grow: what the columns that were sent ask for, and the
statements that bring it about.

As `intake`, at the writer's desk only, inside its transaction.
"""

from __future__ import annotations

import msgspec

from qasino_server.database.generation import Generation
from qasino_server.database.sqltext import rowid_name
from qasino_server.merge import Plan, plan_merge
from qasino_server.store.ledger import Ledger, TableState
from qasino_server.table import Columns, Publication

_PLANNED_COLUMNS_MAX = 500_000


class Schemas:
    """The tables of one generation, made and widened."""

    def __init__(self, generation: Generation, ledger: Ledger) -> None:
        self._generation = generation
        self._ledger = ledger
        self._plans: dict[tuple[str, Columns], tuple[Columns, Plan]] = {}
        self._planned_columns = 0
        """In the headers of the plans that are remembered."""

    def is_planned(self, key: str, columns: Columns) -> bool:
        """Whether a plan for them is remembered, whatever has become of its table since."""
        return (key, columns) in self._plans

    def nr_of_new(self, key: str, columns: Columns) -> int:
        """How many columns a table that is made for these has at most."""
        return len(columns) + len(self._ledger.inherited(key))

    def adds_columns(self, key: str, columns: Columns) -> bool:
        """Whether a table has not all of these yet, or is none."""
        table = self._ledger.table(key)
        known = {column.key for column in table.columns} if table is not None else set()
        return any(column.key not in known for column in columns)

    def adds(self, publication: Publication) -> bool:
        """Whether it may add columns to its table, or makes it."""
        key, columns = publication.table_key, publication.columns
        table, remembered = self._ledger.table(key), self._plans.get((key, columns))
        # It may have been made for a table that is dropped by now, or rolled back.
        if table is not None and remembered is not None and remembered[0] is table.columns:
            return False
        return self.adds_columns(key, columns)

    def plan(self, key: str, columns: Columns) -> Plan:
        """The merge plan; remembered, since a fleet sends one header over and over."""
        table = self._ledger.table(key)
        existing = table.columns if table is not None else None
        remembered = self._plans.get((key, columns))
        if remembered is not None and remembered[0] is existing:
            return remembered[1]
        plan = plan_merge(existing, self._ledger.inherited(key), columns)
        rowid_name(plan.columns)
        if existing is not None and not plan.add:
            self._planned_columns += len(columns)
            if self._planned_columns > _PLANNED_COLUMNS_MAX:
                self._plans.clear()
                self._planned_columns = len(columns)
            self._plans[key, columns] = (existing, plan)
        return plan

    def new_name(self, key: str, tablename: str) -> str:
        """What a table that is made is called: as it was, whoever comes first this time."""
        before = self._ledger.before(key)
        return before.name if before is not None else tablename

    def ensure_table(self, key: str, tablename: str, plan: Plan) -> TableState:
        """Create the table, which somebody calls so, or add what it lacks."""
        table = self._ledger.table(key)
        if plan.create or table is None:
            name = self.new_name(key, tablename)
            self._generation.create_table(name, plan.columns)
            return TableState(name=name, columns=plan.columns)
        if plan.add:
            self._generation.add_columns(table.name, table.columns, plan.add)
            return msgspec.structs.replace(table, columns=plan.columns)
        return table

    def drop_if_unsent(self, table_key: str) -> None:
        """A table nobody has sent is no table."""
        for pair in self._ledger.pairs_of(table_key):
            if self._ledger.source(pair) is not None or self._ledger.owed(pair) is not None:
                return
        table = self._ledger.table(table_key)
        if table is not None:
            self._generation.drop_table(table.name)
            self._ledger.put_table(table_key, None)
