"""The writable generation being collected: one SQLite file, one connection, one writer.

Nothing here decides anything: what to create, add, insert or delete was planned above.

Not every method may run while a transaction is open; those that may not say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, chain, islice, pairwise
from pathlib import Path
from typing import Any

import apsw
import msgspec

from qasino_server.database.cells import Cells
from qasino_server.database.ranges import Ranges, RowRange, count_rows, ranges_json
from qasino_server.database.rows import (
    CheckedRows,
    appended,
    bind_values,
    check_rows,
    insert_rows,
    json_cells,
)
from qasino_server.database.sqltext import (
    ROWID_NAMES,
    defined,
    file_uri,
    quoted,
    quoted_all,
    rowid_name,
)
from qasino_server.database.transaction import Transaction
from qasino_server.database.upsert import Upsert, count_unmatched, upsert
from qasino_server.remembered import remembered
from qasino_server.table import Columns

_PORTION_ROWS = 2000
_COPIED_ROWS, _COPIED_CELLS = 500, 200_000
"""Of a table that columns are added to: rows for each of the columns, and cells, that are copied
to a new one. SQLite reads all there is of the schema for each column that it adds: 1900 columns
took 2.6 s, and 50 where there are 5,000 tables 1 s; copying 10,000 rows of 10 takes 10 to 20 ms."""
_STATEMENTS = 300
"""Kept prepared: a few for each header that is sent."""
_PAGE_BYTES = 4096
_MAX_PAGES = 4294967294  # SQLite's own
_NO_BOUND_BYTES = 1 << 40


class Generation:
    """The file of the generation that is being collected."""

    def __init__(self, path: Path, max_bytes: int = _NO_BOUND_BYTES) -> None:
        """Create the file. Raises apsw.Error where that fails (disk full, directory gone).

        Past `max_bytes` writing raises apsw.FullError, except `unbounded`.

        journal_mode=memory and exclusive locking make it as fast as `:memory:`: what a power
        cut loses is the present, and that is published again in the next generation.
        """
        self.path = path
        self._connection = apsw.Connection(
            file_uri(path, "mode=rwc"), flags=_READ_WRITE, statementcachesize=_STATEMENTS
        )
        for pragma in (
            f"page_size={_PAGE_BYTES}",
            "journal_mode=memory",
            "synchronous=off",
            "locking_mode=exclusive",
            "temp_store=memory",
            "cache_size=-32768",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        self._execute = self._connection.execute
        self._insert = self._connection.cursor().execute
        self.transaction = Transaction(self._connection)
        self.max_bytes = max_bytes
        self._max_pages = max_bytes // _PAGE_BYTES + 1
        self._execute(f"PRAGMA max_page_count={self._max_pages}")

    # --- Room -------------------------------------------------------------------------------

    def size_bytes(self) -> int:
        """What the file holds; pages that were freed do not count."""
        (pages,), (free,) = self._execute("PRAGMA page_count; PRAGMA freelist_count")
        return int(pages - free) * _PAGE_BYTES

    @contextmanager
    def unbounded(self) -> Iterator[None]:
        """Within it the file may grow past its bound: for what was promised, and our own."""
        self._execute(f"PRAGMA max_page_count={_MAX_PAGES}")
        try:
            yield
        finally:
            self._execute(f"PRAGMA max_page_count={self._max_pages}")

    # --- Schema -----------------------------------------------------------------------------

    def create_table(self, name: str, columns: Columns) -> None:
        """Create the table with exactly these columns."""
        self._execute(f"CREATE TABLE main.{quoted(name)} ({defined(columns)})")

    def add_columns(self, name: str, before: Columns, add: Columns) -> None:
        """Append columns to those it had `before`; rows already there have NULL in them."""
        if any(column.key in ROWID_NAMES for column in add) or self._is_small(name, before, add):
            self._rebuild(name, before, before + add)
            return
        for column in add:
            self._execute(
                f"ALTER TABLE main.{quoted(name)} ADD COLUMN {quoted(column.name)} {column.type}"
            )

    def _is_small(self, name: str, before: Columns, add: Columns) -> bool:
        """Whether copying its rows takes less than it may take to add the columns one by one."""
        most_rows = min(_COPIED_ROWS * len(add), _COPIED_CELLS // len(before))
        last = self._execute(f"SELECT max({rowid_name(before)}) FROM main.{quoted(name)}").get
        return (last or 0) <= most_rows

    def _rebuild(self, name: str, before: Columns, after: Columns) -> None:
        """The same rows under the same rowids in a table of more columns.

        SQLite creates tables with a column named rowid, but does not add one later.
        """
        kept = quoted_all([column.name for column in before])
        self._execute(
            f'CREATE TEMP TABLE kept AS SELECT {rowid_name(before)} AS "=rowid", {kept}'
            f" FROM main.{quoted(name)}"
        )
        self.drop_table(name)
        self.create_table(name, after)
        self._execute(
            f"INSERT INTO main.{quoted(name)} ({rowid_name(after)}, {kept})"
            " SELECT * FROM temp.kept ORDER BY rowid"
        )
        self._execute("DROP TABLE temp.kept")

    def drop_table(self, name: str) -> None:
        """Remove the table with its rows."""
        self._execute(f"DROP TABLE IF EXISTS main.{quoted(name)}")

    # --- Rows -------------------------------------------------------------------------------

    def check_rows(self, rows_json: str, nr_columns: int) -> CheckedRows:
        """Read the rows, to be inserted; each must be an array of `nr_columns` cells.

        Raises BadRequest with the number of the first row that is not, counted from 1.
        """
        return check_rows(self._connection, rows_json, nr_columns)

    def insert(self, name: str, targets: Sequence[str], rows: CheckedRows) -> Ranges:
        """Append the rows; cell n goes into column `targets[n]`."""
        if rows.cells is not None:
            return self.insert_alike(name, targets, rows.cells)[0]
        insert_rows(self._connection, _into(name, targets), len(targets), rows)
        return appended(self._connection, rows.nr_rows)

    def insert_alike(self, name: str, targets: Sequence[str], cells: Cells) -> list[Ranges]:
        """Append the rows of many publications; where those of each are."""
        bind_values(self._insert, _into(name, targets), len(targets), cells.values)
        return self._ranges_of(cells.counts)

    def _ranges_of(self, counts: Sequence[int]) -> list[Ranges]:
        first = self._connection.last_insert_rowid() - sum(counts) + 1
        firsts = accumulate(counts, initial=first)
        return [
            (RowRange(first, following - 1),) if first < following else ()
            for first, following in pairwise(firsts)
        ]

    def upsert(self, wanted: Upsert) -> Ranges:
        """Merge rows into a table by key columns; the rows that were appended."""
        return upsert(self._connection, wanted)

    def count_unmatched(self, wanted: Upsert, there: Columns) -> int:
        """How many rows `upsert` would append, once the table has more than the columns `there`."""
        return count_unmatched(self._connection, wanted, there)

    def delete(self, table: tuple[str, Columns], ranges: Ranges) -> None:
        """Remove the rows of these ranges."""
        name, columns = table
        rowid = rowid_name(columns)
        for r in ranges:
            self._execute(
                f"DELETE FROM main.{quoted(name)} WHERE {rowid} BETWEEN ? AND ?", (r.first, r.last)
            )

    # --- Carrying ---------------------------------------------------------------------------

    def attach_source(self, path: Path) -> None:
        """Make a sealed generation readable to `carry`. Not inside a transaction."""
        self._execute("ATTACH ? AS carrying", (file_uri(path, "mode=ro&immutable=1"),))

    def detach_source(self) -> None:
        """The end of carrying. Not inside a transaction."""
        self._execute("DETACH carrying")

    def carry(
        self,
        source: tuple[str, Columns],
        target: str,
        columns: Sequence[tuple[str, str]],
        rows: Sequence[Ranges],
    ) -> list[Ranges]:
        """Append rows of many pairs of the attached generation; where those of each are.

        `columns` are (theirs, ours) by name.
        """
        name, source_columns = source
        theirs = ", ".join(f'"=t".{quoted(pair[0])}' for pair in columns)
        rowid = f'"=t".{rowid_name(source_columns)}'
        # One loop in the other, which CROSS JOIN holds SQLite to: pair by pair, the rows of each in
        # their order. An ORDER BY that says so would have it sort them.
        self._execute(
            f"INSERT INTO main.{quoted(target)} ({quoted_all([pair[1] for pair in columns])})"
            f' SELECT {theirs} FROM json_each(?) AS "=r" CROSS JOIN carrying.{quoted(name)} AS "=t"'
            f' WHERE {rowid} BETWEEN "=r".value->>0 AND "=r".value->>1',
            (ranges_json(list(chain.from_iterable(rows))),),
        )
        return self._ranges_of(list(map(count_rows, rows)))

    # --- The end ----------------------------------------------------------------------------

    def write_table(self, name: str, columns: Columns, rows: Sequence[Sequence[object]]) -> None:
        """Create and fill one of the server's own tables."""
        self.create_table(name, columns)
        select = f"SELECT {json_cells(len(columns))} FROM json_each(?)"
        self._fill(f"INSERT INTO main.{quoted(name)} {select}", rows)

    def write_select(self, name: str, columns: Columns, select: str) -> None:
        """Create one of the server's own tables and fill it with what a SELECT gives."""
        self.create_table(name, columns)
        self._execute(f"INSERT INTO main.{quoted(name)} {select}")

    def stage_table(
        self, name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
    ) -> None:
        """Create and fill a TEMP table for `write_select` and `ask`; `columns` as in SQL."""
        self._execute(f"CREATE TEMP TABLE {quoted(name)} ({', '.join(columns)})")
        select = f"SELECT {json_cells(len(columns))} FROM jsonb_each(?)"
        self._fill(f"INSERT INTO temp.{quoted(name)} {select}", rows)

    def ask(self, select: str) -> list[tuple[Any, ...]]:
        """The rows of a SELECT; few, since all are fetched."""
        return self._execute(select).fetchall()

    def _fill(self, insert: str, items: Iterable[object]) -> None:
        """Run a statement for the JSON of portions of these items.

        `executemany` of 100,000 rows took 9 s beside one busy Python thread, one statement
        0.14 s. They are cut into portions, since encoding holds the GIL: 150,000 rows in one
        go kept everybody waiting for 50 ms.
        """
        left = iter(items)
        while portion := list(islice(left, _PORTION_ROWS)):
            self._execute(insert, (msgspec.json.encode(portion).decode(),))

    def seal(self) -> None:
        """Close the file; from now on it is only read. Not inside a transaction."""
        self._connection.close()


_READ_WRITE = (
    apsw.SQLITE_OPEN_READWRITE
    | apsw.SQLITE_OPEN_CREATE
    | apsw.SQLITE_OPEN_URI
    | apsw.SQLITE_OPEN_NOMUTEX  # one thread at a time; its mutex was 3 to 8 % of storing
)


@remembered(256)
def _into(name: str, targets: Sequence[str]) -> str:
    return f"main.{quoted(name)} ({quoted_all(targets)})"
