"""What is asked at every generation: the query, who is missing from its tables, a condition.

A result that cannot be believed is *unknown*: the server is lost, the next generation has not
come, somebody who used to report one of the query's tables no longer does, no one generation has
answered all that was asked, a statement that was answered before is refused now, a table of it is
coming with the next generation, or the server may have begun anew (`anew`). An absence of rows is
news only where nobody is missing.
"""

from __future__ import annotations

import time
from itertools import pairwise

import msgspec

from qasino_cli.catalog import Ask, literal
from qasino_cli.errors import ServerRefused
from qasino_cli.sql.completion.scope import Group, grouped, searched, sources
from qasino_cli.sql.lexer import meaningful, tokens
from qasino_server.table import Result

BEFORE_CONDITION = "select exists (select 1 from (select (\n"
NR_NAMED = 3
"""Of those who are missing so many are named."""
ATTEMPTS = 3
"""So often all questions are asked again until one snapshot answers them."""
LOST = "lost: "
"""What begins why a result is unknown where the server did not answer."""
TORN = "torn: another generation has begun between the questions"


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """What one occasion brought."""

    result: Result | None = None
    sql: str = ""
    """The statement whose result it is."""
    error: str | None = None
    """What the server says against the statement, explained; may have several lines."""
    unknown: str | None = None
    """Why the result is not to be believed, or is not there."""
    holds: bool | None = None
    """Whether the condition holds; None where there is none, or it is unknown."""
    refused_by: int | None = None
    """The number of the snapshot that refuses what was answered before, or what the next one will
    answer; None where there was no answer at all."""
    duration_s: float = 30.0
    """How long a generation lasts."""
    took_s: float = 0.0
    """How long the result was waited for; its generation has become older by that."""

    @property
    def lost(self) -> str | None:
        """Why the server did not answer; None where it did."""
        unknown = self.unknown or ""
        return unknown.removeprefix(LOST) if unknown.startswith(LOST) else None


class Watched(msgspec.Struct, frozen=True):
    """What is watched."""

    sql: str
    condition: str | None = None
    """rows, empty, or an SQL expression over the rows."""
    ignore_missing: bool = False

    @property
    def condition_sql(self) -> str:
        """The condition over the rows, which with an aggregate are one; '' for none in SQL.

        The server looks for a row that has it: of a long result it returns only so many. Each
        part stands on lines of its own, so that what is shown of an error is what was typed.
        """
        if self.condition in (None, "rows", "empty"):
            return ""
        return (
            f"{BEFORE_CONDITION}{self.condition}\n) as holds from (\n{bare(self.sql)}\n))"
            " where holds)"
        )

    @property
    def takes_conditions(self) -> bool:
        """Whether there is something an SQL condition can look at: the shortcuts and EXPLAIN
        stand in no parentheses."""
        words = meaningful(tokens(self.sql))
        return not words or words[0].upper not in ("SHOW", "DESC", "DESCRIBE", "EXPLAIN", "KILL")


def bare(sql: str) -> str:
    """A statement without what may stand behind it: blanks, comments and `;`."""
    words = meaningful(tokens(sql))
    while words and words[-1].text == ";":
        words.pop()
    return sql[: words[-1].end] if words else ""


def look(watched: Watched, ask: Ask) -> Update:
    """Ask everything of one snapshot. Raises what the client raises."""
    for _ in range(ATTEMPTS):
        update, nr_snapshots = _look_once(watched, ask)
        if nr_snapshots == 1:
            return update
    return msgspec.structs.replace(update, unknown=TORN, holds=None)


def _look_once(watched: Watched, ask: Ask) -> tuple[Update, int]:
    """What was found, and how many snapshots it is of.

    A statement goes on on the snapshot that it began on, however long it takes: what is quick is
    asked before it, of that one too.
    """
    numbers: set[int] = set()

    def noting(sql: str) -> Result:
        result = ask(sql)
        numbers.add(result.generation_number)
        return result

    asked = watched.condition_sql or watched.sql  # the condition may name tables of its own
    missing = "" if watched.ignore_missing else who_is_missing(asked, noting)
    asked_at = time.monotonic()
    result = noting(watched.sql)
    took_s = time.monotonic() - asked_at
    holds = _holds(watched, result, noting)
    found = Update(
        result=result,
        sql=watched.sql,
        unknown=missing or None,
        holds=None if missing else holds,
        took_s=took_s,
    )
    return found, len(numbers)


def _holds(watched: Watched, result: Result, ask: Ask) -> bool | None:
    """Whether the condition holds; None where there is none."""
    if watched.condition is None:
        return None
    if watched.condition in ("rows", "empty"):
        return bool(result.nr_rows or result.truncated) == (watched.condition == "rows")
    return bool(ask(watched.condition_sql).rows[0][0])


def who_is_missing(sql: str, ask: Ask) -> str:
    """`missing: web-03 (disks), ..` of the tables a query names; '' where nobody is."""
    names = tables_read(sql, ask)
    if not names:
        return ""
    rows = ask(
        "select identity, tablename, count(*) over () from qasino_server_missing"
        f" where lower(tablename) in ({_listed(names)}) order by tablename, identity"
        f" limit {NR_NAMED}"
    ).rows
    if not rows:
        return ""
    shown = ", ".join(f"{identity} ({table})" for identity, table, _ in rows)
    nr_more = rows[0][2] - len(rows)
    return f"missing: {shown}" + (f" and {nr_more} more" if nr_more else "")


def tables_read(sql: str, ask: Ask) -> set[str]:
    """The tables a query names, lower case, those of its views too."""
    found: set[str] = set()
    new = table_names(sql)
    while new:
        found |= new
        new = {name for view in _definitions(new, ask) for name in table_names(view)} - found
    return found


def _definitions(names: set[str], ask: Ask) -> list[str]:
    """Of those names that are a view's; in one row, so that no limit of rows hides one.

    Raises ServerRefused where the server returns less than that.
    """
    rows = ask(
        "select json_group_array(view) from qasino_server_views where loaded and lower(viewname) in"
        f" ({_listed(names)})"
    ).rows
    if not rows:
        raise ServerRefused("the views of the query are longer than a result may be (--max-result)")
    return msgspec.json.decode(rows[0][0], type=list[str])


def _listed(names: set[str]) -> str:
    return ", ".join(literal(name) for name in sorted(names))


def table_names(sql: str) -> set[str]:
    """The names after FROM, JOIN and IN, on every level of a statement."""
    root, _ = grouped(meaningful(tokens(sql)), 0)
    found: set[str] = set()
    levels = [root]
    while levels:
        level = levels.pop()
        read = [*sources(level.items), *searched(level.items)]
        found |= {source.table.lower() for source in read if source.table}
        levels += [item for item in level.items if isinstance(item, Group)]
    return found


def is_ordered(sql: str) -> bool:
    """Whether the statement itself says in which order its rows come."""
    root, _ = grouped(meaningful(tokens(sql)), 0)
    words = [word for word in root.keywords() if word]
    return any(pair == ("ORDER", "BY") for pair in pairwise(words))
