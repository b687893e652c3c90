"""The live schema as values, and the queries that fetch it: what completion and \\d read.

Nothing here is a connection; `ask` runs one query, typed, and returns its rows. Statics of
SQLite itself (keywords, functions) come from the library this client has, until a server has
told its own functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from math import inf
from typing import Any, TypeVar

import msgspec

from qasino_cli.errors import ServerRefused
from qasino_cli.names import Names
from qasino_server.table import Result

Ask = Callable[[str], Result]
_Row = TypeVar("_Row")

_TABLES = "select tablename, nr_rows, static from qasino_server_tables"
_COLUMNS = (
    "select tablename, column_name, column_type, nr_identities"
    " from qasino_server_columns order by tablename, position"
)
_VIEWS = (
    "select v.viewname, c.name, c.type from qasino_server_views v, pragma_table_info(v.viewname) c"
    " where v.loaded"
)
_VIEW_NAMES = "select viewname from qasino_server_views where loaded"
_VIEW = "select name, type from pragma_table_info({view})"
_FUNCTIONS = (
    "select distinct name from pragma_function_list where name not in"
    " ('bm25', 'fts3_tokenizer', 'highlight', 'load_extension', 'match', 'matchinfo', 'offsets',"
    " 'optimize', 'snippet', 'sqlite_log') and name not glob 'fts5*'"
    " and name not glob 'geopoly_*' and name not glob 'rtree*' order by name"
)
"""Those that servers refuse are no help: they load code, or belong to tables nobody can make."""
_OWN_PREFIX = "qasino_server_"
_VALUES = (
    "select {column} v, count(*) n from {table} where length({column}) <= 100"
    " group by 1 order by n desc, v limit 20"
)


class ColumnFact(msgspec.Struct, frozen=True):
    """A column of a table."""

    name: str
    type: str = ""
    nr_identities: int = 0
    """How many identities sent it for the snapshot."""


class TableFact(msgspec.Struct, frozen=True):
    """A table or a view."""

    name: str
    kind: str
    """table, static, internal (the server's own) or view."""
    columns: tuple[ColumnFact, ...] = ()
    nr_rows: int | None = None
    """None for a view, whose rows would have to be counted."""

    @property
    def nr_identities(self) -> int:
        """How many identities reported it, as its most common column tells."""
        return max((column.nr_identities for column in self.columns), default=0)


class Catalog(msgspec.Struct, frozen=True, dict=True):
    """All tables and views of one snapshot, by lower-case name."""

    tables: Mapping[str, TableFact] = {}
    functions: tuple[str, ...] = ()
    generation_number: int = 0

    def table(self, name: str) -> TableFact | None:
        """The table of that name, as SQLite compares names."""
        return self.tables.get(name.lower())

    @cached_property
    def columns_by_name(self) -> dict[str, list[tuple[ColumnFact, TableFact]]]:
        """Lower-case column name -> where it stands; made once for each snapshot, when needed."""
        found: dict[str, list[tuple[ColumnFact, TableFact]]] = {}
        for table in self.tables.values():
            for column in table.columns:
                found.setdefault(column.name.lower(), []).append((column, table))
        return found

    @cached_property
    def column_index(self) -> Names:
        """All column names, made ready to be searched."""
        return Names(self.columns_by_name)

    @cached_property
    def table_indexes(self) -> dict[str, Names]:
        """Kind -> all names of tables of that kind, made ready to be searched."""
        by_kind: dict[str, list[str]] = {}
        for name, table in self.tables.items():
            by_kind.setdefault(table.kind, []).append(name)
        return {kind: Names(names) for kind, names in by_kind.items()}

    def offers_as(self, other: Catalog) -> bool:
        """Whether both have the same names to complete; rows and identities always change."""
        return self._offered == other._offered

    @property
    def _offered(self) -> object:
        tables = {
            name: (table.name, table.kind, [(column.name, column.type) for column in table.columns])
            for name, table in self.tables.items()
        }
        return tables, self.functions

    def make_ready(self) -> Catalog:
        """Itself, with everything made that a keystroke would have to wait for."""
        _ = self.column_index, self.table_indexes
        return self


EMPTY = Catalog()


def fetch_catalog(ask: Ask) -> Catalog:
    """The schema as the server has it now.

    Raises what `ask` raises, and ServerRefused where these tables of the server's own hold
    something else than ours do.
    """
    tables = ask(_TABLES)
    columns = _grouped(_as(tuple[str, str, str, int], ask(_COLUMNS)))
    views = _views(ask)
    facts = [
        _table(name, nr_rows, static, columns.get(name, ()))
        for name, nr_rows, static in _as(tuple[str, int, int], tables)
    ]
    facts += [TableFact(name, "view", its_columns) for name, its_columns in views.items()]
    return Catalog(
        tables={fact.name.lower(): fact for fact in facts},
        functions=tuple(name for (name,) in _as(tuple[str], ask(_FUNCTIONS))),
        generation_number=tables.generation_number,
    )


def _views(ask: Ask) -> dict[str, tuple[ColumnFact, ...]]:
    """Each view's columns; none where it is over a table that nobody reports now."""
    try:
        result = ask(_VIEWS)
    except ServerRefused:  # one such view has all of them refused
        names = _as(tuple[str], ask(_VIEW_NAMES))
        return {name: _view_columns(ask, name) for (name,) in names}
    return _grouped(_as(tuple[str, str, str], result))


def _view_columns(ask: Ask, view: str) -> tuple[ColumnFact, ...]:
    try:
        result = ask(_VIEW.format(view=literal(view)))
    except ServerRefused:
        return ()
    return tuple(ColumnFact(*column) for column in _as(tuple[str, str], result))


def _as(row: type[_Row], result: Result) -> list[_Row]:
    try:
        # `row` is a type that is handed in, which mypy does not take in a type.
        return msgspec.convert(result.rows, list[row])  # type: ignore[valid-type]
    except msgspec.ValidationError as error:
        raise ServerRefused(f"the server describes its tables in another way: {error}") from None


def _grouped(rows: Iterable[tuple[Any, ...]]) -> dict[str, tuple[ColumnFact, ...]]:
    found: dict[str, list[ColumnFact]] = {}
    for table, *column in rows:
        found.setdefault(table, []).append(ColumnFact(*column))
    return {table: tuple(columns) for table, columns in found.items()}


def _table(name: str, nr_rows: int, static: int, columns: tuple[ColumnFact, ...]) -> TableFact:
    own = name.lower().startswith(_OWN_PREFIX)
    kind = "internal" if own else "static" if static else "table"
    return TableFact(name, kind, columns, nr_rows)


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def fetch_values(ask: Ask, table: str, column: str) -> tuple[str, ...]:
    """The 20 commonest values of a column in the snapshot, as SQL literals, the commonest first.

    Text longer than 100 characters is left out, and an infinity, which has no literal. Raises what
    `ask` raises.
    """
    sql = _VALUES.format(table=quoted(table), column=quoted(column))
    rows = ask(sql).rows
    return tuple(literal(value) for value, _ in rows if value not in (None, inf, -inf))


def literal(value: Any) -> str:
    """A value as SQL writes it."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)
