"""The static tables: what there is, in memory, and the file that keeps it.

Written by the store's writer thread only; `tables` and `version` are replaced, never changed,
so that any thread may read them.
"""

from __future__ import annotations

from pathlib import Path

from qasino_server.database.durable import DurableFile, StaticTable
from qasino_server.errors import Full
from qasino_server.quota import Quota
from qasino_server.table import Publication


class Statics:
    """The static tables of a server."""

    def __init__(self, path: Path, quota: Quota) -> None:
        """Open the file. Raises StartError where it cannot be used."""
        self._file = DurableFile(path, quota.size_bytes)
        self._quota = quota
        self.path = path
        self.tables: dict[str, StaticTable] = {t.name.lower(): t for t in self._file.tables}
        self.version = 0
        """Grows with every change."""

    def replace(self, publication: Publication, epoch: float) -> StaticTable:
        """Replace the whole table; durable when this returns.

        Raises Full where there are as many as there may be, and what the file raises.
        """
        key = publication.table_key
        if len(self.tables) >= self._quota.tables and key not in self.tables:
            raise Full(
                f"there are {len(self.tables)} static tables, the most there may be (--max-tables);"
                " end one with drop_table first"
            )
        before = self.tables.get(key)
        nr_updates = before.nr_updates + 1 if before else 1
        table = self._file.replace(publication, nr_updates, epoch)
        self.tables = {**self.tables, key: table}
        self.version += 1
        return table

    def drop(self, key: str) -> None:
        """Remove a table that exists; durable when this returns."""
        self._file.drop(self.tables[key].name)
        self.tables = {name: table for name, table in self.tables.items() if name != key}
        self.version += 1

    def close(self) -> None:
        """Close the file."""
        self._file.close()
