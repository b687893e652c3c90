"""An error of a statement, and what could mend it.

    SQL error: no such table: disk
      select * from disk
                    ^
    did you mean disks?
    disk was last reported 94 s ago by web-01, web-02; they have stopped

First SQLite's own sentence, with a caret at the place; then names that are alike in the live
schema; then what the server knows of a table that is not there: who used to report it, that it
was refused and why, that it is a view that does not work, that it was in the snapshot before.
Asking costs a few small queries, only after an error that is about a name; what cannot be
asked is left out, and nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches

from qasino_cli import terminal
from qasino_cli.catalog import Ask, Catalog, fetch_catalog, literal
from qasino_cli.cells import clip
from qasino_cli.errors import BrokenOff, ServerRefused
from qasino_cli.sql.completion.scope import grouped
from qasino_cli.sql.completion.suggest import sight
from qasino_cli.sql.lexer import Token, meaningful, tokens
from qasino_server.errors import QasinoError, SqlError
from qasino_server.render import visible, width

_NAMED = (
    ("table", re.compile(r"no such table: (?:main\.|temp\.)?(?P<name>.+)")),
    ("table", re.compile(r"Table (?P<name>.+) not found")),
    ("column", re.compile(r"no such column: (?P<name>.+)")),
    ("column", re.compile(r"ambiguous column name: (?P<name>.+)")),
    (
        "column",
        re.compile(r"cannot join using column (?P<name>.+) - column not present in both tables"),
    ),
    ("function", re.compile(r"no such function: (?P<name>.+)")),
    ("function", re.compile(r"wrong number of arguments to function (?P<name>[^(]+)\(\)")),
    ("near", re.compile(r'near "(?P<name>.+)": syntax error')),
)
_HINT = " - should this be a string literal in single-quotes?"
CANDIDATES = 3


def explain(statement: str, error: ServerRefused | SqlError, ask: Ask | None = None) -> str:
    """The error in words; with `ask`, what the live schema says to it as well."""
    if isinstance(error, BrokenOff):
        return error.sentence
    kind, name = _about(error.sentence)
    offset = error.offset
    if offset is None or not 0 <= offset <= len(statement):
        offset = _place_of(statement, name)
    lines = [f"SQL error: {visible(error.sentence)}"]
    if offset is not None:
        lines += caret(statement, offset)
    if ask is not None and kind in ("table", "column", "function"):
        lines += map(visible, _known(statement, kind, name, offset or 0, ask))
    return "\n".join(lines)


def _about(sentence: str) -> tuple[str, str]:
    """What the error is about, and the name in it."""
    for kind, pattern in _NAMED:
        found = pattern.fullmatch(sentence.split("\n")[0].replace(_HINT, ""))
        if found is not None:
            return kind, found["name"].strip()
    return "", ""


def _place_of(statement: str, name: str) -> int | None:
    """Where a name stands in a statement, strings and comments passed over."""
    wanted = name.rpartition(".")[2].lower()
    for token in tokens(statement):
        if wanted and token.kind in ("word", "quoted", "operator", "number"):
            if token.name.lower() == wanted:
                return token.start
    return None


def caret(statement: str, offset: int) -> list[str]:
    """The line of the statement that holds the place, and a caret under it.

    A line too long for the terminal is cut on the left of the place, then on the right.
    """
    begins = statement.rfind("\n", 0, offset) + 1
    line = statement[begins:].split("\n", 1)[0]
    before, after = visible(statement[begins:offset]), visible(line[offset - begins :])
    room = max(terminal.size()[0] - 3, 20)
    if width(before) > room * 2 // 3:
        before = "…" + _ending(before, room * 2 // 3 - 1)
    return [f"  {before}{clip(after, room - width(before))}", f"  {' ' * width(before)}^"]


def _ending(text: str, columns: int) -> str:
    """The last so many columns of a text."""
    begins = max(0, len(text) - columns)
    while width(text[begins:]) > columns:
        begins += 1
    return text[begins:]


# --- What is known -----------------------------------------------------------------------------


def _known(statement: str, kind: str, name: str, offset: int, ask: Ask) -> list[str]:
    try:
        catalog = fetch_catalog(ask)
    except (QasinoError, ValueError, TypeError):
        return []
    lines = _candidates(statement, kind, name, offset, catalog)
    if kind == "table":
        for find in (_missed, _rejected, _broken_view, _before):
            lines += _asked(find, name, ask)
    return lines


def _asked(find: Callable[[str, Ask], Iterator[str]], name: str, ask: Ask) -> list[str]:
    try:
        return list(find(name.rpartition(".")[2], ask))
    except (QasinoError, ValueError, TypeError):
        return []


def _candidates(statement: str, kind: str, name: str, offset: int, catalog: Catalog) -> list[str]:
    qualifier, _, plain = name.rpartition(".")
    if kind == "table":
        names: Iterable[str] = (table.name for table in catalog.tables.values())
    elif kind == "function":
        names = catalog.functions
    else:
        names = _columns(statement, qualifier, offset, catalog)
    alike = close(plain, names)
    return [f"did you mean {' or '.join(alike)}?"] if alike else []


def _columns(statement: str, qualifier: str, offset: int, catalog: Catalog) -> list[str]:
    """The columns in sight at the place, those of the qualifier alone where there is one."""
    found: list[Token] = meaningful(tokens(statement))
    seen = sight(catalog, grouped(found, offset)[1], offset)
    names = []
    for source in seen.sources:
        if not qualifier or source.alias.lower() == qualifier.lower():
            prefix = f"{source.alias}." if len(seen.sources) > 1 and source.alias else ""
            names += [prefix + column.name for column in seen.columns(source)]
    return names


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


def _before(name: str, ask: Ask) -> Iterator[str]:
    """That the snapshot before has it."""
    rows = ask(
        f"select name from prev.sqlite_master where name = {literal(name)} collate nocase"
    ).rows
    for (found,) in rows:
        yield f"the snapshot before has it: prev.{found}"


def _ago(seconds: float) -> str:
    """`94 s`, `12 min`, `3 h`."""
    if seconds < 120:
        return f"{max(seconds, 0):.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
