"""What may stand at the cursor, given the clause, the sources in sight and the catalog."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from qasino_cli.catalog import Catalog, ColumnFact, TableFact
from qasino_cli.names import fit
from qasino_cli.sql.completion.candidates import (
    KEYWORDS,
    LIMIT,
    Offer,
    as_name,
    column_meta,
    table_meta,
)
from qasino_cli.sql.completion.scope import (
    Group,
    Source,
    core_around,
    ctes,
    levels,
    output_name,
    sees_outside,
    select_level,
    select_list,
    sources,
)
from qasino_cli.sql.lexer import Token

PREVIOUS = "prev"
SCHEMAS = (PREVIOUS, "main")
MAX_DEPTH = 8
"""Subqueries in subqueries are looked into so far; deeper ones have columns nobody reads."""

_COMMON = frozenset(
    "SELECT FROM WHERE GROUP ORDER BY HAVING LIMIT JOIN LEFT ON AND OR NOT IN AS IS NULL LIKE"
    " DISTINCT DESC ASC CASE WHEN THEN ELSE END WITH BETWEEN EXISTS UNION USING".split()
)

# The likelier in a place, the lower.
NEAR, FAR, ALIAS, FUNCTION, KEYWORD = range(5)


class Sight(msgspec.Struct, frozen=True):
    """What can be seen from the cursor."""

    catalog: Catalog
    sources: tuple[Source, ...]
    """Of the innermost SELECT and those around it that it sees, the nearest first."""
    ctes: tuple[Source, ...]
    aliases: tuple[str, ...]
    """What the select list of the innermost SELECT names."""
    nr_own: int
    """How many of the sources are the innermost SELECT's own."""

    def columns(self, source: Source, depth: int = 0) -> list[ColumnFact]:
        """The columns of a source, as far as they can be known."""
        if source.columns is not None:
            return [ColumnFact(name) for name in source.columns]
        if source.subquery is not None:
            return self._outputs(source.subquery, depth)
        name = (source.table or "").lower()
        for cte in self.ctes:
            if source.schema is None and cte.alias.lower() == name and cte is not source:
                return self.columns(cte, depth + 1) if depth < MAX_DEPTH else []
        table = self.catalog.table(name)
        return list(table.columns) if table is not None else []

    def _outputs(self, group: Group, depth: int) -> list[ColumnFact]:
        """The output columns of a subquery; those of a table keep their type."""
        if depth >= MAX_DEPTH:
            return []
        inner = sources(group.items)
        known = [(source, self.columns(source, depth + 1)) for source in inner]
        found: list[ColumnFact] = []
        for column in select_list(group):
            if isinstance(column[-1], Token) and column[-1].text == "*":
                wanted = _qualifier(column)
                for source, facts in known:
                    if wanted in ("", source.alias.lower()):
                        found.extend(facts)
            elif (name := output_name(column)) is not None:
                lower = name.lower()
                same = (fact for _, facts in known for fact in facts if fact.name.lower() == lower)
                found.append(next(same, ColumnFact(name)))
        return found


def _qualifier(column: Sequence[Token | Group]) -> str:
    first = column[0]
    return first.name.lower() if len(column) > 1 and isinstance(first, Token) else ""


def sight(catalog: Catalog, group: Group, cursor: int) -> Sight:
    """Look around from the cursor."""
    level = select_level(group)
    found: list[Source] = []
    nr_own = 0
    for around in levels(level):
        found += sources(core_around(around, cursor))
        nr_own = nr_own or len(found)
        if not sees_outside(around):
            break
    outputs = [output_name(column) for column in select_list(level)]
    return Sight(
        catalog=catalog,
        sources=tuple(found),
        ctes=tuple(cte for around in levels(group) for cte in ctes(around)),
        aliases=tuple(name for name in outputs if name),
        nr_own=nr_own if sources(core_around(level, cursor)) else 0,
    )


# --- Offers ------------------------------------------------------------------------------------


def qualified(seen: Sight, qualifier: str, clause: str, typed: str) -> Iterator[Offer]:
    """After `alias.` its columns; after a schema in FROM its tables, which views are none of."""
    if qualifier in SCHEMAS and clause == "from":
        yield from _tables(seen.catalog, typed, own=False)
        return
    for source in seen.sources:
        if source.alias.lower() == qualifier:
            label = source.table or source.alias
            yield from _columns(seen.columns(source), label, typed)
            return
    table = seen.catalog.table(qualifier)
    if table is not None:
        yield from _columns(table.columns, table.name, typed)


def _columns(facts: Sequence[ColumnFact], label: str, typed: str) -> Iterator[Offer]:
    for place, fact in enumerate(facts):
        if _may_be_shown(fact.name.lower(), typed, place):
            meta = column_meta(fact, label)
            yield Offer(fact.name, as_name(fact.name), "column", NEAR, meta, place)


def _may_be_shown(name: str, typed: str, place: int) -> bool:
    """Whether it is worth an offer: of a table's 2,000 columns few are."""
    return fit(typed.lower(), name) is not None if typed else place < LIMIT


def tables(seen: Sight, typed: str) -> Iterator[Offer]:
    """After FROM and JOIN: tables and views, common table expressions, the schema `prev`."""
    for cte in seen.ctes:
        yield Offer(cte.alias, as_name(cte.alias), "table", 0, "with", -1)
    yield from _tables(seen.catalog, typed, own=True)
    yield Offer(PREVIOUS, PREVIOUS, "schema", 2, "the snapshot before", 1 << 30)


def _tables(catalog: Catalog, typed: str, own: bool) -> Iterator[Offer]:
    """The likeliest tables of each kind, and views where they are `own`."""
    for place, table in enumerate(likely_tables(catalog, typed)):
        kind = "view" if table.kind == "view" else "table"
        if own or kind == "table":
            group = 1 if table.kind == "internal" else 0
            yield Offer(table.name, as_name(table.name), kind, group, table_meta(table), place)


def likely_tables(catalog: Catalog, typed: str) -> Iterator[TableFact]:
    """As many of each kind as are shown: those that fit best, else the first in their order."""
    if typed:
        for names in catalog.table_indexes.values():
            for _, name in names.search(typed.lower(), LIMIT):
                yield catalog.tables[name]
        return
    taken: Counter[str] = Counter()
    for table in catalog.tables.values():
        taken[table.kind] += 1
        if taken[table.kind] <= LIMIT:
            yield table


def expression(seen: Sight, clause: str, typed: str, upper: bool) -> Iterator[Offer]:
    """Where a value may stand: columns, aliases, functions, keywords."""
    yield from _columns_in_sight(seen, typed)
    if not seen.sources and clause == "select":
        yield from _columns_anywhere(seen.catalog, typed)
    for source in seen.sources:
        if source.alias:
            meta = source.table if source.table and source.table != source.alias else "source"
            yield Offer(source.alias, as_name(source.alias), "alias", ALIAS, meta)
    if clause in ("by", "where"):
        for place, name in enumerate(seen.aliases):
            yield Offer(name, as_name(name), "alias", NEAR, "of the select list", 1000 + place)
    if typed:
        for function in seen.catalog.functions:
            yield Offer(function, function + "(", "function", FUNCTION, "function")
        yield from keywords(upper)  # a menu of them after every blank would be in the way


def _columns_in_sight(seen: Sight, typed: str) -> Iterator[Offer]:
    """Every column once; where several sources have it, with each of their names before it."""
    by_name: dict[str, list[tuple[Source, ColumnFact]]] = {}
    for source in seen.sources:
        for fact in seen.columns(source):
            by_name.setdefault(fact.name.lower(), []).append((source, fact))
    for place, (name, entries) in enumerate(by_name.items()):
        for source, fact in entries if _may_be_shown(name, typed, place) else ():
            label = source.table or source.alias
            text = as_name(fact.name)
            if len(entries) > 1 and source.alias:
                text = f"{as_name(source.alias)}.{text}"
            yield Offer(fact.name, text, "column", NEAR, column_meta(fact, label), place)


def _columns_anywhere(catalog: Catalog, typed: str) -> Iterator[Offer]:
    """Before there is a FROM: the columns of all tables that fit, each name once."""
    if typed:
        names = [name for _, name in catalog.column_index.search(typed.lower(), LIMIT)]
    else:
        names = list(catalog.columns_by_name)[:LIMIT]
    for place, name in enumerate(names):
        found = catalog.columns_by_name[name]
        column, table = found[0]
        group = FAR if table.kind == "internal" else NEAR
        meta = column_meta(column, table.name, len(found) - 1)
        yield Offer(column.name, as_name(column.name), "column", group, meta, place)


def keywords(upper: bool) -> Iterator[Offer]:
    """SQLite's keywords, as they are being typed."""
    for word in KEYWORDS:
        group = KEYWORD if word in _COMMON else KEYWORD + 1
        yield Offer(word.lower(), word if upper else word.lower(), "keyword", group)


def common_columns(seen: Sight, typed: str) -> Iterator[Offer]:
    """In USING (..): what the source just joined has in common with one before it."""
    own = seen.sources[: seen.nr_own]
    if len(own) < 2:
        return
    before = {fact.name.lower() for source in own[:-1] for fact in seen.columns(source)}
    shared = [fact for fact in seen.columns(own[-1]) if fact.name.lower() in before]
    yield from _columns(shared, own[-1].table or own[-1].alias, typed)


def conditions(seen: Sight) -> Iterator[Offer]:
    """After ON: `a.host = b.host` for every name the two have in common."""
    own = seen.sources[: seen.nr_own]
    if len(own) < 2:
        return
    joined = own[-1]
    for fact in seen.columns(joined):
        for source in own[:-1]:
            if any(f.name.lower() == fact.name.lower() for f in seen.columns(source)):
                name = as_name(fact.name)
                text = f"{as_name(source.alias)}.{name} = {as_name(joined.alias)}.{name}"
                yield Offer(text, text, "join", -1, "same name")


def column_source(seen: Sight, qualifier: str, name: str) -> tuple[str, str] | None:
    """(table, column) that a column reference means; None where that is no table's."""
    for source in seen.sources:
        if qualifier in ("", source.alias.lower()) and source.table is not None:
            for fact in seen.columns(source):
                if fact.name.lower() == name.lower():
                    table = seen.catalog.table(source.table)
                    return None if table is None else (table.name, fact.name)
    return None
