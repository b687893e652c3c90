"""The values that travel between rooms: columns, publications, receipts, results, figures.

All frozen. A publication's rows stay the JSON text they came as until they are stored
(`database/cells`, `database/rows`).
The values are msgspec structs because they are made in about 0.2 microseconds where a
frozen dataclass of this size takes 2, and one is made for every message.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from sys import getsizeof
from typing import Any

import msgspec

from qasino_server.errors import BadRequest, QasinoError

MAX_COLUMNS = 2000  # SQLite's own limit for a table (SQLITE_MAX_COLUMN)
MAX_NAME_CHARS = 128
MAX_IDENTITY_CHARS = 256

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_RESERVED = ("sqlite_", "qasino_server_")

_TYPES = {
    "TEXT": ("string", "str", "ip", "text", "varchar", "char"),
    "INTEGER": ("integer", "int", "ll", "time", "bigint"),
    "REAL": ("float", "real", "double"),
}
TYPE_NAMES = {word: kind for kind, words in _TYPES.items() for word in words}
"""Every type a publisher may name, in lower case, and what SQLite calls it."""


class Column(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """A column of a table: its name as published, and TEXT, INTEGER or REAL."""

    name: str
    type: str

    @property
    def key(self) -> str:
        """The name as SQLite compares it: ASCII, case-insensitive."""
        return self.name.lower()


Columns = tuple[Column, ...]


class Publication(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One table from one identity, checked except for its rows."""

    identity: str
    tablename: str
    columns: Columns
    rows_json: str
    """A JSON array; that each element is an array of `len(columns)` is checked when stored."""
    descriptions: tuple[str, ...] = ()
    """A sentence for each column, or none at all."""
    persist: bool = False
    static: bool = False
    update: bool = False
    keycols: tuple[str, ...] = ()
    """The columns an update finds its rows by; empty means all columns."""
    replace: bool = False
    """A repeat replaces the rows of this identity instead of being passed over."""
    ttl_s: float | None = None
    """Rows are carried until so many seconds after their publication."""
    name_value: bool = False
    """It came as a `name_value_update`."""
    note: str | None = None
    """A remark of the reader's for the receipt."""

    @property
    def table_key(self) -> str:
        """The table's name as SQLite compares it."""
        return self.tablename.lower()

    @property
    def pair(self) -> tuple[str, str]:
        """Whose rows these are: the table's key and the identity."""
        return self.tablename.lower(), self.identity

    @property
    def claim(self) -> tuple[str, str | None]:
        """What it is the whole of: its pair, a static one the table, whoever else sent any."""
        return self.tablename.lower(), None if self.static else self.identity

    @property
    def carried(self) -> bool:
        """Whether its rows are to live on in the next generation."""
        return self.persist or self.ttl_s is not None

    @property
    def size_bytes(self) -> int:
        """How much memory it holds while it waits, near enough."""
        size_bytes = _held_bytes(self.rows_json) + 500 + 100 * len(self.columns)
        if self.descriptions:
            size_bytes += sum(map(_held_bytes, self.descriptions))
        return size_bytes


def _held_bytes(text: str) -> int:
    """One emoji makes each character of a text take four bytes."""
    return len(text) if text.isascii() else getsizeof(text)


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """The answer to a publication that is now part of a generation."""

    generation_number: int
    nr_rows: int
    applied: bool = True
    """False where it repeated one that counts already; nothing changed then."""
    message: str | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a query gave: rows as Python tuples, or the rows' JSON as SQLite built it."""

    column_names: tuple[str, ...]
    column_types: tuple[str, ...]
    """The declared type of each column, '' for an expression."""
    nr_rows: int
    rows: Sequence[tuple[Any, ...]] = ()
    rows_json: bytes | None = None
    """A JSON array of arrays, UTF-8 as it goes out; where it is given, `rows` is empty."""
    max_widths: tuple[int, ...] = ()
    """The widest cell or heading of each column, in characters; strings form only."""
    infinities_json: bytes = b""
    """What `rows_json` has null for and is none, typed form only: JSON arrays of row, column and
    Inf or -Inf, joined by commas."""
    truncated: bool = False
    generation_number: int = 0
    generation_age_s: float = 0.0
    elapsed_s: float = 0.0

    def signed(self, generation_number: int, generation_age_s: float, began_s: float) -> Result:
        """The same, of a query of that generation that began then (`time.perf_counter`)."""
        return msgspec.structs.replace(
            self,
            generation_number=generation_number,
            generation_age_s=generation_age_s,
            elapsed_s=time.perf_counter() - began_s,
        )


class TableSummary(msgspec.Struct, frozen=True):
    """A line of qasino_server_tables, and what else is known of a table at a glance."""

    name: str
    nr_rows: int
    nr_updates: int
    last_update_epoch: float
    static: bool = False
    nr_columns: int = 0
    nr_identities: int = 1
    persistent: bool = False
    """Whether rows of it live on in the next generation."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a finished generation amounts to."""

    tables: Sequence[TableSummary]
    """All that are not static, the server's own among them."""
    nr_rows: int
    """Rows of its tables that are not the server's own; those that were carried are among them."""
    nr_rows_published: int
    """Rows that were published while it was collected."""
    nr_identities: int
    nr_missing: int
    """(table, identity) pairs that used to report and did not."""
    nr_identities_missing: int
    """Identities that used to report a table and did not."""
    nr_queries: int
    """Received while it was collected."""


def check_name(name: object, what: str) -> str:
    """Return `name` if it may name a table or a column, else say why not.

    `what` is the place for the sentence, such as "table.tablename".
    """
    if not isinstance(name, str):
        raise BadRequest(f"{what} must be a string")
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"{what}: {shown(name)} is not a legal name; a name is a letter or _ followed by"
            " letters, digits and _"
        )
    if len(name) > MAX_NAME_CHARS:
        raise BadRequest(
            f"{what}: {shown(name)} has {len(name)} characters, the most is {MAX_NAME_CHARS}"
        )
    return name


def check_tablename(name: object, what: str = "table.tablename") -> str:
    """Return `name` if a publisher may give it to a table."""
    return _check_tablename(name, what) if isinstance(name, str) else check_name(name, what)


@lru_cache(maxsize=1024)
def _check_tablename(name: str, what: str) -> str:
    checked = check_name(name, what)
    for prefix in _RESERVED:
        if checked.lower().startswith(prefix):
            raise BadRequest(
                f"{what}: {shown(checked)} is reserved, names that begin with {prefix} are the"
                " server's own"
            )
    return checked


def check_identity(identity: object) -> str:
    """Return `identity` if it can name a publisher: 1 to 256 printable characters."""
    if (
        isinstance(identity, str)
        and 0 < len(identity) <= MAX_IDENTITY_CHARS
        and identity.isprintable()
    ):
        return identity
    raise BadRequest(_wrong_identity(identity))


def _wrong_identity(identity: object) -> str:
    if identity is None:
        return "identity is missing; every publication says who sends it"
    if not isinstance(identity, str):
        return "identity must be a string"
    if not identity:
        return "identity is empty; it takes 1 to 256 printable characters"
    if len(identity) > MAX_IDENTITY_CHARS:
        return f"identity has {len(identity)} characters, the most is {MAX_IDENTITY_CHARS}"
    return f"identity {shown(identity)} has unprintable characters"


def blame(error: QasinoError, identity: object, tablename: object) -> None:
    """Note whose publication, and of which table, is wrong, as far as those are legal."""
    with suppress(BadRequest):
        error.identity = check_identity(identity)
    with suppress(BadRequest):
        error.tablename = check_tablename(tablename)


def check_columns(names: tuple[object, ...], types: tuple[object, ...]) -> Columns:
    """Return the columns, or say which one is wrong and why."""
    if not names:
        raise BadRequest("table.column_names is empty; a table has at least one column")
    if len(names) > MAX_COLUMNS:
        raise BadRequest(f"the table has {len(names)} columns, the most is {MAX_COLUMNS}")
    if len(names) != len(types):
        raise BadRequest(
            f"table.column_names has {len(names)} entries and table.column_types {len(types)};"
            " each column needs a name and a type"
        )
    seen: dict[str, int] = {}
    columns = []
    for position, (name, type_name) in enumerate(zip(names, types, strict=True), start=1):
        column = Column(
            check_name(name, f"column {position}"),
            _check_type(type_name, position, name),
        )
        if column.key in seen:
            raise BadRequest(
                f"columns {seen[column.key]} and {position} are both named {shown(column.name)}"
                " (upper and lower case are the same)"
            )
        seen[column.key] = position
        columns.append(column)
    return tuple(columns)


def columns_of(text: str) -> Columns:
    """The columns of a table of our own, written "name type, name type"."""
    pairs = [part.split() for part in text.split(",")]
    return check_columns(tuple(name for name, _ in pairs), tuple(kind for _, kind in pairs))


def _check_type(type_name: object, position: int, name: object) -> str:
    kind = TYPE_NAMES.get(type_name.lower()) if isinstance(type_name, str) else None
    if kind is None:
        raise BadRequest(
            f"column {position} ({name}): {shown(type_name)} is not a column type; the types are"
            f" {', '.join(TYPE_NAMES)}"
        )
    return kind


def shown(value: object, limit: int = 80) -> str:
    """A value as a sentence can show it: quoted, on one line, cut where it is long."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}...{text[-1]}"
