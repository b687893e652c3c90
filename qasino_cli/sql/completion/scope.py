"""What a half-written statement means at the cursor: which sources, which clause.

A statement is read by parentheses. Each pair of them is a level; a level with a SELECT has its
own sources (FROM on either side of the cursor), and sees those of the levels around it. Nothing
here knows a schema: a source names a table, or the select list of a subquery.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from qasino_cli.sql.lexer import Token

_CLAUSES = {
    "SELECT": "select",
    "FROM": "from",
    "JOIN": "from",
    "WHERE": "where",
    "ON": "on",
    "USING": "using",
    "BY": "by",
    "HAVING": "where",
    "LIMIT": "limit",
    "OFFSET": "limit",
    "VALUES": "values",
    "UNION": "start",
    "EXCEPT": "start",
    "INTERSECT": "start",
}
_FROM_ENDS = {
    "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "SELECT",
    "VALUES",
}  # fmt: skip
_NO_SOURCE = _FROM_ENDS | {"ON", "USING", "JOIN", "FROM", "NOT"}
_NO_ALIAS = _NO_SOURCE | {
    "LEFT", "RIGHT", "FULL", "INNER", "OUTER", "CROSS", "NATURAL", "WINDOW", "INDEXED",
}  # fmt: skip
"""These may name a table all the same: `from full`."""


class Group:
    """What stands between two parentheses, or the whole statement."""

    def __init__(self, start: int, parent: Group | None = None) -> None:
        self.start = start
        self.end: int | None = None
        """Where its `)` stands; None while there is none."""
        self.parent = parent
        self.items: list[Token | Group] = []
        self.selects = False
        """Whether it has a SELECT of its own."""
        self.selecting: Group | None = None
        """The nearest around it that has one."""
        if parent is not None:
            self.selecting = parent if parent.selects else parent.selecting

    def keywords(self) -> list[str]:
        """The words of this level, upper case, '' for everything else."""
        return [
            item.upper if isinstance(item, Token) and item.kind == "word" else ""
            for item in self.items
        ]


class Source(msgspec.Struct, frozen=True):
    """One thing a level selects from."""

    alias: str
    """The name it goes by; '' for a subquery without one."""
    table: str | None = None
    schema: str | None = None
    subquery: Group | None = None
    columns: tuple[str, ...] | None = None
    """Column names where the statement itself tells them (`WITH t(a, b)`)."""


def grouped(found: list[Token], cursor: int) -> tuple[Group, Group]:
    """The statement as groups, and the innermost of them that holds the cursor.

    A FROM ends what is open in the expression before it: the `)` is only going to be typed.
    """
    root = here = Group(0)
    for token in found:
        if token.kind == "word" and token.upper == "FROM":
            if _compares(here):
                token = token._replace(kind="operator")
            else:
                here = _ended(here, token.start)
        if token.kind == "operator" and token.text == "(":
            inner = Group(token.start, here)
            here.items.append(inner)
            here = inner
        elif token.kind == "operator" and token.text == ")" and here.parent is not None:
            here.end = token.start
            here = here.parent
        else:
            here.items.append(token)
            here.selects |= token.kind == "word" and token.upper == "SELECT"
    return root, _holding(root, cursor)


def _ended(group: Group, place: int) -> Group:
    """The group whose FROM stands there, once those in its expressions end before it."""
    while group.selecting is not None and group.parent is not None and not group.selects:
        group.end = place
        group = group.parent
    return group


def _compares(group: Group) -> bool:
    """Whether a FROM that comes next is that of IS DISTINCT FROM."""
    last = [_word(item) for item in group.items[-2:]]
    return last in (["IS", "DISTINCT"], ["NOT", "DISTINCT"])


def _holding(group: Group, cursor: int) -> Group:
    """The innermost group around the cursor; without recursion, however deep it is."""
    while True:
        for item in group.items:
            if isinstance(item, Group) and item.start < cursor:
                if item.end is None or cursor <= item.end:
                    group = item
                    break
        else:
            return group


def clause_at(group: Group, cursor: int) -> str:
    """The clause the cursor stands in, from the last keyword before it on that level."""
    clause = "start"
    for item in group.items:
        if item.start >= cursor:
            break
        if isinstance(item, Token) and item.kind == "word" and item.end < cursor:
            clause = _CLAUSES.get(item.upper, clause)
    return clause


def clause_around(group: Group, cursor: int) -> str:
    """The same; between parentheses of an expression, the clause that the expression stands in."""
    clause = clause_at(group, cursor)
    while clause == "start" and group.parent is not None and not group.selects:
        group, cursor = group.parent, group.start
        clause = clause_at(group, cursor)
        if clause == "from":
            return "start"  # of a subquery, or a list of what is joined
    return clause


def levels(group: Group) -> list[Group]:
    """The group and those around it, the innermost first."""
    found = [group]
    while found[-1].parent is not None:
        found.append(found[-1].parent)
    return found


def sees_outside(level: Group) -> bool:
    """Whether what is in these parentheses sees the sources around them: not a subquery that is
    selected from, nor the body of a common table expression. Of parentheses in parentheses the
    outermost decide."""
    if level.parent is None:
        return True
    before = _before(level)
    clause = clause_at(level.parent, level.start)
    if clause == "from":
        begins_source = _word(before) in ("FROM", "JOIN")
        return isinstance(before, Token) and before.is_name and not begins_source
    if clause == "start" and before is None:
        return True  # the first thing in parentheses of its own
    return not (_word(before) in ("AS", "MATERIALIZED") and ctes(level.parent))


def _before(group: Group) -> Token | Group | None:
    """What stands before a group on its parent's level."""
    assert group.parent is not None
    place = group.parent.items.index(group)
    return group.parent.items[place - 1] if place else None


def select_level(group: Group) -> Group:
    """The nearest level with a SELECT of its own: parentheses of an expression are none."""
    for level in levels(group):
        if level.selects:
            return level
    return group


def core_around(level: Group, cursor: int) -> list[Token | Group]:
    """The items of the SELECT the cursor is in, where a level has several with UNION."""
    core: list[Token | Group] = []
    for item in level.items:
        if isinstance(item, Token) and item.upper in ("UNION", "EXCEPT", "INTERSECT"):
            if item.start >= cursor:
                break
            core = []
        core.append(item)
    return core


def sources(items: Sequence[Token | Group]) -> list[Source]:
    """What these items select from, in order."""
    found: list[Source] = []
    expecting = False
    in_from = False
    items, n = list(items), 0
    while n < len(items):
        item = items[n]
        word = _word(item)
        if word in ("FROM", "JOIN"):
            expecting = in_from = True
            n += 1
        elif in_from and _text(item) == ",":
            expecting = True
            n += 1
        elif expecting and isinstance(item, Group) and not _is_select(item):
            items[n : n + 1] = item.items  # of `(a join b)` each is a source of its own
        elif expecting and word not in _NO_SOURCE:
            source, n = _source(items, n)
            expecting = False
            if source is not None:
                found.append(source)
        else:
            if word in _FROM_ENDS:
                expecting = in_from = False
            n += 1
    return found


def searched(items: Sequence[Token | Group]) -> list[Source]:
    """The tables these items look something up in, with `x in t`; none is in sight for that."""
    after = [n + 1 for n, item in enumerate(items) if _word(item) == "IN" and n + 1 < len(items)]
    found = [_source(items, n)[0] for n in after if isinstance(items[n], Token)]
    return [source for source in found if source is not None]


def _is_select(group: Group) -> bool:
    """Whether it has rows of its own, and is no list of what is joined."""
    return not {"SELECT", "VALUES"}.isdisjoint(group.keywords())


def _source(items: Sequence[Token | Group], n: int) -> tuple[Source | None, int]:
    """The source that begins at item n, and where the rest begins."""
    first = items[n]
    if isinstance(first, Group):
        alias, n = _alias(items, n + 1)
        return Source(alias, subquery=first), n
    if not first.is_name:
        return None, n + 1
    schema, name, n = None, first.name, n + 1
    if n + 1 < len(items) and _text(items[n]) == ".":
        after = items[n + 1]
        if isinstance(after, Token) and after.is_name:
            schema, name, n = name, after.name, n + 2
    if n < len(items) and isinstance(items[n], Group):
        n += 1  # a table function's arguments
    alias, n = _alias(items, n)
    return Source(alias or name, table=name, schema=schema), n


def _alias(items: Sequence[Token | Group], n: int) -> tuple[str, int]:
    if n < len(items) and _word(items[n]) == "AS":
        n += 1
    if n < len(items):
        item = items[n]
        if isinstance(item, Token) and item.is_name and _word(item) not in _NO_ALIAS:
            return item.name, n + 1
    return "", n


def ctes(level: Group) -> list[Source]:
    """The common table expressions of a level: `WITH a AS (..), b(x, y) AS (..)`."""
    words = level.keywords()
    begins = words.index("WITH") if "WITH" in words else len(words)
    if begins == len(words) or "SELECT" in words[:begins]:
        return []
    found: list[Source] = []
    items, n = level.items, begins + 1
    while n < len(items):
        item = items[n]
        word = _word(item)
        if word == "SELECT":
            break
        if isinstance(item, Token) and item.kind in ("word", "quoted") and word != "RECURSIVE":
            source, n = _cte(items, n)
            if source is not None:
                found.append(source)
        else:
            n += 1
    return found


def _cte(items: list[Token | Group], n: int) -> tuple[Source | None, int]:
    first = items[n]
    assert isinstance(first, Token)
    columns: tuple[str, ...] | None = None
    n += 1
    if n < len(items) and isinstance(group := items[n], Group):
        columns = tuple(
            item.name
            for item in group.items
            if isinstance(item, Token) and item.kind in ("word", "quoted")
        )
        n += 1
    while n < len(items) and _word(items[n]) in ("AS", "NOT", "MATERIALIZED"):
        n += 1
    if n < len(items) and isinstance(body := items[n], Group):
        return Source(first.name, subquery=body, columns=columns), n + 1
    return None, n


def select_list(group: Group) -> list[list[Token | Group]]:
    """The items of each output column of a SELECT."""
    words = group.keywords()
    if "SELECT" not in words:
        return []
    columns: list[list[Token | Group]] = [[]]
    for item in group.items[words.index("SELECT") + 1 :]:
        word = _word(item)
        if word in ("FROM", "WHERE", "UNION", "EXCEPT", "INTERSECT", "ORDER", "GROUP", "LIMIT"):
            break
        if _text(item) == ",":
            columns.append([])
        elif word not in ("DISTINCT", "ALL") or columns[-1]:
            columns[-1].append(item)
    return [column for column in columns if column]


def output_name(column: list[Token | Group]) -> str | None:
    """What an output column is called; None for an expression without a name, and for `*`."""
    last = column[-1]
    if not isinstance(last, Token) or last.kind not in ("word", "quoted"):
        return None
    if len(column) == 1 or _text(column[-2]) == "." or _word(column[-2]) == "AS":
        return last.name
    before = column[-2]
    if isinstance(before, Group) or before.kind != "operator":
        return last.name
    return None


def _word(item: Token | Group | None) -> str:
    return item.upper if isinstance(item, Token) and item.kind == "word" else ""


def _text(item: Token | Group) -> str:
    return item.text if isinstance(item, Token) else ""
