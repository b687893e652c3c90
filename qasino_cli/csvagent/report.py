"""The agent's own tables: what it publishes, and what is wrong with which file.

Two are the ancestor's, column for column; the third is ours. Values in, publications out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from qasino_cli.csvagent.catalogue import OWN_TABLES, Catalogue, Trouble
from qasino_cli.csvagent.table_file import TableFile
from qasino_server.publication_rules import encode_rows
from qasino_server.table import Publication, columns_of, shown

INFO, TABLES, FILES = OWN_TABLES

_COLUMNS = {
    INFO: "identity varchar, update_epoch int, nr_tables int, nr_errors int",
    TABLES: "identity varchar, tablename varchar, read_epoch real, read_time_s int, mtime int,"
    " nr_errors int, error_message varchar, nr_rows int, filepath varchar",
    FILES: "identity text, path text, table text, state text, rows int, mtime real,"
    " published_at real, error text, error_line int",
}


class FileRow(msgspec.Struct, frozen=True, kw_only=True):
    """A file as the tables and `--check` show it."""

    path: str
    table: str | None
    state: str
    given_table: str | None = None
    """The name an index gives the table; None where the file itself names it."""
    nth: int = 0
    """Of those named with the same path and table."""
    names_files: bool = False
    """It is an index, a list or a directory, and has a row only while it is in trouble."""
    rows: int | None = None
    mtime: float | None = None
    published_at: float | None = None
    error: str | None = None
    error_line: int | None = None
    read_epoch: float = 0.0
    read_time_s: float = -1.0

    @property
    def place(self) -> str:
        """The file, and the line of its error where that is known."""
        return self.path if self.error_line is None else f"{self.path}:{self.error_line}"


def rows_of(catalogue: Catalogue, max_age_s: float | None) -> list[FileRow]:
    """What there is to say of each file, and of whatever names files and cannot."""
    tables = [_file_row(table, max_age_s) for table in catalogue.tables]
    return [*tables, *map(_trouble_row, catalogue.troubles())]


def _file_row(table: TableFile, max_age_s: float | None) -> FileRow:
    """A table file now; `rows` are those in force."""
    error = table.error(max_age_s)
    return FileRow(
        path=_legible(table.path),
        table=table.tablename,
        state=table.state(max_age_s),
        given_table=table.given_name,
        nth=table.nth,
        rows=table.file.value.nr_rows if table.file.value else None,
        mtime=_epoch(table.file.mtime),
        published_at=_epoch(table.published_at),
        error=None if error is None else _legible(error),
        error_line=table.error_line,
        read_epoch=round(table.file.read_epoch, 2),
        read_time_s=round(table.file.read_time_s, 6),
    )


def _trouble_row(trouble: Trouble) -> FileRow:
    """An index, list or directory with something wrong; it has no table."""
    return FileRow(
        path=_legible(trouble.path),
        table=None,
        state=trouble.state,
        names_files=True,
        mtime=_epoch(trouble.mtime),
        error=_legible(trouble.sentence),
        error_line=trouble.line,
    )


def notes_of(catalogue: Catalogue) -> list[str]:
    """What is said once, when all files have been read: it is in no row."""
    return [f"--table: no file holds a table {shown(name)}" for name in catalogue.not_found]


def own_tables(identity: str, rows: Sequence[FileRow], nr_sent: int) -> list[Publication]:
    """What the agent says about itself; `nr_sent` tables are in force."""
    named = [row for row in rows if row.table is not None]
    return [
        info_table(identity, rows, nr_sent),
        _publication(identity, TABLES, [_ancestors_row(identity, row) for row in named]),
        _publication(identity, FILES, [_our_row(identity, row) for row in rows]),
    ]


def info_table(identity: str, rows: Sequence[FileRow], nr_sent: int) -> Publication:
    """The first of them, which is small however many files there are."""
    errors = sum(row.error is not None for row in rows)
    return _publication(identity, INFO, [[identity, _epoch(time.time()), nr_sent, errors]])


def _ancestors_row(identity: str, row: FileRow) -> list[Any]:
    return [
        identity, row.table, row.read_epoch, row.read_time_s, row.mtime or 0,
        int(row.error is not None), row.error or "", -1 if row.rows is None else row.rows, row.path,
    ]  # fmt: skip


def _our_row(identity: str, row: FileRow) -> list[Any]:
    return [
        identity, row.path, row.table, row.state, row.rows, row.mtime, row.published_at, row.error,
        row.error_line,
    ]  # fmt: skip


def _publication(identity: str, tablename: str, rows: list[list[Any]]) -> Publication:
    return Publication(
        identity=identity,
        tablename=tablename,
        columns=columns_of(_COLUMNS[tablename]),
        rows_json=encode_rows(rows),
        replace=True,
    )


def _epoch(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def _legible(text: str) -> str:
    """A file's name may be no UTF-8, what is sent and printed must be."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
