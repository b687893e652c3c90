"""A statement whose compared values may be parameters: the same one, and the values. Pure.

    SELECT load FROM hosts WHERE host = 'web1' AND load > 7
    SELECT load FROM hosts WHERE host = ? AND load > ?      ('web1', 7)

Pages, alerts and scripts ask the same of one host after another, and what SQLite has prepared for
one it can run for the others. Only what says nothing else in its place is taken out: a text or a
whole number right behind a comparison, behind the WHERE of the statement itself. A number in
ORDER BY means a column, one in what is selected is in the column's name, and a text behind LIKE
tells how to search. What is not read for sure (comments, compounds, or parentheses within others
before that WHERE) stays as it is.
"""

from __future__ import annotations

import re

import msgspec

from qasino_server.database.sqltext import PASSED_OVER
from qasino_server.remembered import remembered

_WHERE = "where"
_IN_NAMES = r"\w$\x80-\U0010ffff"
"""What SQLite takes for a part of a name."""
_UP_TO_WHERE = re.compile(
    rf"""\s*+select(?![{_IN_NAMES}])(?:(?!where(?![{_IN_NAMES}]))[{_IN_NAMES}]++"""
    rf"""|[^{_IN_NAMES}'"`\[()?]++|"[^"]*+"|\([^'"`\[()?]*+\))*+where[^{_IN_NAMES}]""",
    re.IGNORECASE,
)
_NOT_FOR_SURE = ("?", "--", "/*", "union", "intersect", "except")
"""What none is read for sure with. An ORDER BY of a compound is compared with what it selects."""
_COMPARISONS = frozenset(("=", "==", "<>", "!=", "<", "<=", ">", ">="))
_TEXT = r"'((?:[^'\0\ud800-\udfff]|'')*+)'"
_NUMBER = r"(-?+[0-9]{1,18}+)(?![\w.])"
"""18 digits are within 64 bits."""
_FOUND = re.compile(
    rf"""([-<>=!|&]++)(?:[ \t\n\f\r]*+(?:{_TEXT}|{_NUMBER}))?+|{PASSED_OVER}|"[^"]*+(?:"|\Z)"""
)
"""Marks, and the value behind them; or what is in quotes."""


class Parameters(msgspec.Struct, frozen=True):
    """A statement with parameters, and what is to be bound to them."""

    sql: str
    values: tuple[str | int, ...]


def with_parameters(sql: str) -> Parameters | None:
    """The statement without its compared values; None where it has none."""
    lowered = sql.lower()
    begins = lowered.find(_WHERE) + len(_WHERE)
    if not _is_up_to_where(sql[: begins + 1]) or any(part in lowered for part in _NOT_FOR_SURE):
        return None
    values: list[str | int] = []

    def take_out(found: re.Match[str]) -> str:
        marks, text, number = found.groups()
        if marks not in _COMPARISONS or text is number is None:
            return found[0]
        values.append(int(number) if text is None else text.replace("''", "'"))
        return f"{marks} ?"

    rest = _FOUND.sub(take_out, sql[begins:])
    return Parameters(sql[:begins] + rest, tuple(values)) if values else None


@remembered(256)
def _is_up_to_where(sql: str) -> bool:
    """Whether it is a SELECT from its first word to its own WHERE, and one character more."""
    return _UP_TO_WHERE.fullmatch(sql) is not None
