"""An error of a statement, and what could mend it.

    SQL error: no such table: disk
      select * from disk
                    ^
    did you mean disks?
    disk was last reported 94 s ago by web-01, web-02; they have stopped

First SQLite's own sentence, with a caret at the place; then names that are alike in the live
schema; then what the server knows of a table that is not there: who used to report it, that it
was refused and why, that it is a view that does not work; then what it said of it by itself.
Asking costs a few small queries, only after an error that is about a name; what cannot be
asked is left out, and nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches

from qasino_cli import terminal
from qasino_cli.catalog import Ask, Catalog, fetch_catalog, literal, quoted
from qasino_cli.cells import ELLIPSIS, clip
from qasino_cli.console import counted
from qasino_cli.errors import BrokenOff, NotLetIn, ServerRefused
from qasino_cli.sql.completion.scope import Source, grouped
from qasino_cli.sql.completion.suggest import Sight, sight
from qasino_cli.sql.lexer import Token, meaningful, tokens
from qasino_server.errors import QasinoError, SqlError
from qasino_server.render import visible, width

_NAMED = (
    ("table", re.compile(r"no such table: (?:main\.|temp\.)?(?P<name>.+)")),
    ("table", re.compile(r"Table (?P<name>.+) not found")),
    ("column", re.compile(r'no such column: "?(?P<name>.+?)"?')),
    ("ambiguous", re.compile(r"ambiguous column name: (?P<name>.+)")),
    (
        "column",
        re.compile(r"cannot join using column (?P<name>.+) - column not present in both tables"),
    ),
    ("function", re.compile(r"no such function: (?P<name>.+)")),
    ("near", re.compile(r"wrong number of arguments to function (?P<name>[^(]+)\(\)")),
    ("near", re.compile(r'near "(?P<name>.+)": syntax error')),
)
_HINT = " - should this be a string literal in single-quotes?"
_BEFORE_TABLE = ("FROM", "JOIN", ",", ".", "DESC", "DESCRIBE")
_NAMES = ("word", "quoted", "operator", "number")
CANDIDATES = 3
_NO_PREV = (
    "there is no one before: it is the first, or none is kept (--no-prev, or the disk has no room)"
)
_UNASKABLE = (QasinoError, ValueError, TypeError, AttributeError, LookupError)
"""What asking may end in: a server that is away, or one that answers with other columns."""


def explain(
    statement: str,
    error: ServerRefused | SqlError,
    ask: Ask | None = None,
    ask_open: Ask | None = None,
    title: str = "SQL error",
) -> str:
    """The error in words; with `ask`, what the live schema says to it as well.

    `ask_open` asks the generation that is being collected, as `ask` does the snapshot.
    """
    if isinstance(error, BrokenOff | NotLetIn):
        return error.sentence
    kind, name, offset = _fault(statement, error)
    lines = [f"{title}: {visible(error.sentence)}"]
    if offset is not None:
        lines += caret(statement, offset)
    catalog = None
    if ask is not None and kind in ("table", "column", "ambiguous", "function"):
        catalog = _catalog(ask)
        lines += map(visible, _known(statement, kind, name, offset or 0, catalog, ask))
    if error.hint:
        lines.append(visible(error.hint))
    here = catalog is not None and catalog.table(name.rpartition(".")[2]) is not None
    if ask_open is not None and kind == "table" and not here:
        lines += map(visible, _asked(_collected, name, ask_open))
    return "\n".join(lines)


def coming(error: ServerRefused | SqlError, ask: Ask, ask_open: Ask) -> str:
    """The table that is not there and is being collected, or has come since it was asked for; ''
    where it is another error, or that cannot be asked."""
    kind, name = _about(error.sentence)
    if kind != "table" or "." in name:  # in `prev` none will come that is collected now
        return ""
    return name if _asked(_collected, name, ask_open) or _asked(_collected, name, ask) else ""


def line_of_fault(statement: str, error: ServerRefused | SqlError) -> int:
    """How many lines below the first one the fault is; the first word where nobody knows."""
    _, _, offset = _fault(statement, error)
    if offset is None:
        offset = next((token.start for token in meaningful(tokens(statement))), 0)
    return statement.count("\n", 0, offset)


def _fault(statement: str, error: ServerRefused | SqlError) -> tuple[str, str, int | None]:
    """What an error is about, the name in it, and where in the statement that stands."""
    kind, name = _about(error.sentence)
    offset = error.offset
    if offset is None or not 0 <= offset <= len(statement):
        offset = _place_of(statement, kind, name)
    return kind, name, offset


def _about(sentence: str) -> tuple[str, str]:
    """What the error is about, and the name in it."""
    for kind, pattern in _NAMED:
        found = pattern.fullmatch(sentence.split("\n")[0].replace(_HINT, ""))
        if found is not None:
            return kind, found["name"].strip()
    return "", ""


def _place_of(statement: str, kind: str, name: str) -> int | None:
    """Where a name stands in a statement, strings and comments passed over.

    SQLite tells no place for a table: it is looked for where tables stand, since a column
    before it may have the same name.
    """
    found = meaningful(tokens(statement))
    parts = [part.lower() for part in name.split(".") if part]
    if kind == "table":
        parts = parts[-1:]
    places = [n for n in range(len(found)) if _stands(parts, found, n)] if parts else []
    of_tables = [n for n in places if kind == "table" and n and found[n - 1].upper in _BEFORE_TABLE]
    chosen = of_tables or places
    return found[chosen[0]].start if chosen else None


def _stands(parts: Sequence[str], found: Sequence[Token], at: int) -> bool:
    """Whether the parts of a name stand there, a `.` between them."""
    own = found[at : at + 2 * len(parts) - 1]
    names = [token.name.lower() for token in own[::2] if token.kind in _NAMES]
    return names == list(parts) and all(token.text == "." for token in own[1::2])


def caret(statement: str, offset: int) -> list[str]:
    """The line of the statement that holds the place, and a caret under it.

    A line too long for the terminal is cut on the right of the place, and on the left where
    that is not enough.
    """
    begins = statement.rfind("\n", 0, offset) + 1
    line = statement[begins:].split("\n", 1)[0]
    before, after = visible(statement[begins:offset]), visible(line[offset - begins :])
    room = max(terminal.size()[0] - 3, 20)
    mark = ELLIPSIS if terminal.speaks_unicode() else "~"
    if width(before) > room * 2 // 3 and width(before) + width(after) > room:
        before = mark + _ending(before, room * 2 // 3 - 1)
    after = clip(after, room - width(before), mark)
    return [f"  {before}{after}", f"  {' ' * width(before)}^"]


def _ending(text: str, columns: int) -> str:
    """The last so many columns of a text."""
    begins = max(0, len(text) - columns)
    while width(text[begins:]) > columns:
        begins += 1
    return text[begins:]


# --- What is known -----------------------------------------------------------------------------


def _catalog(ask: Ask) -> Catalog | None:
    """The schema, None where it cannot be asked for."""
    try:
        return fetch_catalog(ask)
    except _UNASKABLE:
        return None


def _known(
    statement: str, kind: str, name: str, offset: int, catalog: Catalog | None, ask: Ask
) -> list[str]:
    if catalog is None:
        return []
    qualifier, _, plain = name.rpartition(".")
    if kind == "table" and catalog.table(plain) is not None:  # the name is right
        return _not_there(plain, qualifier.lower(), ask)
    lines = _candidates(statement, kind, name, offset, catalog)
    if kind == "table":
        for find in (_missed, _rejected, _broken_view):
            lines += _asked(find, name, ask)
    return lines


def _not_there(name: str, schema: str, ask: Ask) -> list[str]:
    """Where a table was looked for that the snapshot has."""
    if schema in ("", "main"):
        where = "not yet in the generation being collected"
    elif schema == "prev":
        where = "was not in the one before" if _has_prev(ask) else _NO_PREV
    else:
        return []
    return [f"{name} is in the snapshot, and {where}"]


def _has_prev(ask: Ask) -> bool:
    """Whether there is a snapshot before; each has this table. Yes, where it cannot be asked."""
    try:
        ask("select 1 from prev.qasino_server_info limit 1")
    except ServerRefused:
        return False
    except _UNASKABLE:
        return True
    return True


def _asked(find: Callable[[str, Ask], Iterator[str]], name: str, ask: Ask) -> list[str]:
    try:
        return list(find(name.rpartition(".")[2], ask))
    except _UNASKABLE:
        return []


def _candidates(statement: str, kind: str, name: str, offset: int, catalog: Catalog) -> list[str]:
    qualifier, _, plain = name.rpartition(".")
    if kind in ("column", "ambiguous"):
        found: list[Token] = meaningful(tokens(statement))
        seen = sight(catalog, grouped(found, offset)[1], offset)
        return _column_hints(plain, qualifier, seen, every=kind == "ambiguous")
    names: Iterable[str] = catalog.functions
    if kind == "table":
        names = (table.name for table in catalog.tables.values())
    return _did_you_mean(close(plain, names))


def _did_you_mean(names: Sequence[str]) -> list[str]:
    return [f"did you mean {' or '.join(names[:CANDIDATES])}?"] if names else []


def _column_hints(plain: str, qualifier: str, seen: Sight, every: bool) -> list[str]:
    """What a column could be: one of that very name in sight, one alike, one of another table.

    With `every` the name stands for too many columns: they are all told.
    """
    aliases = [source.alias.lower() for source in seen.sources]
    found = [
        (source, column.name)
        for source in seen.sources
        for column in seen.columns(source)
        if source.alias and column.name.lower() == plain.lower()
    ]
    exact = [f"{_path(source, aliases)}.{name}" for source, name in found]
    if every:
        twice = [exact.count(path) > 1 for path in exact]
        if any(twice):
            return _alias_each(found[twice.index(True)][0].alias)
        return _did_you_mean(exact)
    hints = _did_you_mean(exact or close(plain, _columns(seen, qualifier)))
    return hints or _elsewhere(plain, seen.catalog)


def _alias_each(name: str) -> list[str]:
    """What to do where no name in sight tells two tables apart."""
    return [f"two tables go by the name {name} here; give each an alias of its own"]


def _path(source: Source, aliases: Sequence[str]) -> str:
    """What a source goes by, with its schema where another goes by the same (`prev.t join t`)."""
    is_alone = aliases.count(source.alias.lower()) == 1 or source.alias != source.table
    return source.alias if is_alone else f"{source.schema or 'main'}.{source.alias}"


def _columns(seen: Sight, qualifier: str) -> list[str]:
    """The columns in sight, those of the qualifier alone where there is one."""
    names = []
    for source in seen.sources:
        if not qualifier or source.alias.lower() == qualifier.lower():
            prefix = f"{source.alias}." if source.alias and (qualifier or seen.sources[1:]) else ""
            names += [prefix + column.name for column in seen.columns(source)]
    return names


def _elsewhere(plain: str, catalog: Catalog) -> list[str]:
    """The tables that do have a column of that name."""
    tables = [table.name for _, table in catalog.columns_by_name.get(plain.lower(), [])]
    if not tables:
        return []
    more = f" and {len(tables) - CANDIDATES} more" if len(tables) > CANDIDATES else ""
    return [f"{plain} is a column of {', '.join(tables[:CANDIDATES])}{more}"]


def close(wanted: str, names: Iterable[str]) -> list[str]:
    """The names most like the wanted one: few letters differ, or one holds the other."""
    by_lower: dict[str, str] = {}
    for name in names:
        by_lower.setdefault(name.rpartition(".")[2].lower(), name)
    lower = wanted.lower()
    alike = get_close_matches(lower, by_lower, CANDIDATES, 0.7)
    if len(lower) >= 3:
        alike += sorted(
            (n for n in by_lower if lower in n or (len(n) >= 3 and n in lower)), key=len
        )
    return [by_lower[name] for name in dict.fromkeys(alike) if name != lower][:CANDIDATES]


def _missed(name: str, ask: Ask) -> Iterator[str]:
    """Who used to report it."""
    rows = ask(
        "select identity, unixepoch('now', 'subsec') - last_update_epoch from"
        f" qasino_server_missing where tablename = {literal(name)} collate nocase"
        " order by last_update_epoch desc"
    ).rows
    if rows:
        who = ", ".join(str(row[0]) for row in rows[:3])
        more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
        stopped = "it has stopped" if len(rows) == 1 else "they have stopped"
        yield f"{name} was last reported {_ago(rows[0][1])} ago by {who}{more}; {stopped}"


def _rejected(name: str, ask: Ask) -> Iterator[str]:
    """That somebody tried to publish it."""
    rows = ask(
        "select coalesce(identity, peer), unixepoch('now', 'subsec') - epoch, reason from"
        f" qasino_server_rejects where tablename = {literal(name)} collate nocase"
        " order by epoch desc limit 1"
    ).rows
    for who, age_s, reason in rows:
        yield f"{name} was sent by {who} {_ago(age_s)} ago and refused: {reason}"


def _broken_view(name: str, ask: Ask) -> Iterator[str]:
    """That it is a view which does not work."""
    rows = ask(
        f"select errormsg from qasino_server_views where viewname = {literal(name)} collate nocase"
        " and not loaded"
    ).rows
    for (reason,) in rows:
        yield f"{name} is a view that does not work: {reason}"


def _collected(name: str, ask_open: Ask) -> Iterator[str]:
    """That it will be in the next snapshot."""
    rows = ask_open(f"select count(*) from main.{quoted(name)}").rows
    for (nr_rows,) in rows:
        yield f"{name} is being collected: {counted(nr_rows, 'row')} for the next generation so far"


def _ago(seconds: float) -> str:
    """`94 s`, `12 min`, `3 h`."""
    if seconds < 120:
        return f"{max(seconds, 0):.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
