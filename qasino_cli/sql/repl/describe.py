"""What \\d and its kin ask, in SQL: they are queries like any other, and shown like any other."""

from __future__ import annotations

from qasino_cli.catalog import literal

MAIN = "main"
"""The snapshot's schema."""
PREVIOUS = "prev"
"""That of the snapshot before."""
_CLOSES = {'"': '"', "'": "'", "`": "`", "[": "]"}
"""How SQLite has a name that was begun with a quote end."""

_NAMES = """\
with reported as (
  select tablename, max(nr_identities) as identities from {schema}.qasino_server_columns
  group by tablename
)
select t.tablename as name,
  case when t.tablename like 'qasino_server_%' then 'internal' when static then 'static'
       else 'table' end as kind,
  nr_rows as "rows", identities,
  round(unixepoch('now', 'subsec') - last_update_epoch, 1) as updated_s_ago
from {schema}.qasino_server_tables t left join reported using (tablename)
where {where}
order by kind = 'internal', name"""

_VIEWS = """\
select viewname as name, case when loaded then 'view' else 'broken view' end as kind, errormsg
from qasino_server_views where {where} order by 1"""

_COLUMNS = """\
select column_name as "column", column_type as type, nr_identities as identities,
  coalesce(description, '') as description
from {schema}.qasino_server_columns where tablename = {name} collate nocase order by position"""

_VIEW_COLUMNS = """\
select name as "column", type from pragma_table_info({name})"""

_SOURCES = """\
select identity, sum(nr_rows) as "rows", round(unixepoch('now', 'subsec') - max(update_epoch), 1)
  as updated_s_ago
from {schema}.qasino_server_sources where tablename = {name} collate nocase
group by identity order by identity"""

_DEFINITION = """\
select view, errormsg from qasino_server_views where viewname = {name} collate nocase"""


def split(name: str) -> tuple[str, str]:
    """The schema that is meant, and the name or pattern in it without its quotes."""
    schema, dot, plain = name.partition(".")
    schema = _unquoted(schema).lower()
    if dot and schema in (MAIN, PREVIOUS):
        return schema, _unquoted(plain)
    return MAIN, _unquoted(name)


def _unquoted(name: str) -> str:
    closes = _CLOSES.get(name[:1])
    return name[1:-1] if closes and name.endswith(closes) and len(name) > 1 else name


def tables(pattern: str = "", schema: str = MAIN) -> str:
    """All tables, or those a shell pattern fits."""
    return _NAMES.format(schema=schema, where=_fits("tablename", pattern))


def views(pattern: str = "") -> str:
    """All views, the broken ones too."""
    return _VIEWS.format(where=_fits("viewname", pattern))


def columns(name: str, schema: str = MAIN) -> str:
    """The columns of a table, who sends them, what they mean."""
    return _COLUMNS.format(name=literal(name), schema=schema)


def view_columns(name: str) -> str:
    """The columns of a view."""
    return _VIEW_COLUMNS.format(name=literal(name))


def sources(name: str, schema: str = MAIN) -> str:
    """Who reported how many rows of a table, and when."""
    return _SOURCES.format(name=literal(name), schema=schema)


def definition(name: str) -> str:
    """How a view is made."""
    return _DEFINITION.format(name=literal(name))


def _fits(column: str, pattern: str) -> str:
    """A pattern with * and ?, as psql has them; case does not matter."""
    return f"lower({column}) glob {literal(pattern.lower() or '*')}"
