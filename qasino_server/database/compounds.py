"""Compound SELECTs (UNION, VALUES, ..) in a text, by what they stand in. Pure.

SQLite has one type for a column of a compound. Where the compound is a table to another SELECT
(in FROM, in WITH, a view) and that type is REAL, the column's integers are read as REALs, and
past 2^53 those have other values; where it is the statement, or a value in it, they stay what
they are. So what has a compound there must not be made a table to a SELECT of ours.
"""

from __future__ import annotations

import re

from qasino_server.database.sqltext import PASSED_OVER

_WORDS = ("union", "intersect", "except", "values")
_BEFORE_TABLES = ("from", "join", "as", "materialized", "in", "exists")
"""What stands before a SELECT in parentheses that is a table, or of no value itself. Another word
that ends so is a function's name, and no SELECT follows its parenthesis."""
_NEAR_CHARS = 30
_FOUND = re.compile(
    rf"""{PASSED_OVER}|"[^"]*+(?:"|\Z)|\(|\)|"""
    + "|".join(rf"{word}\b(?<!\w{word})" for word in _WORDS),
    re.DOTALL,
)
"""What is no SQL, parentheses, and the words of compounds. Each alternative begins with a letter
or a mark of its own: what lies between is passed over thirty times as fast."""


def has_bare_compound(sql: str, is_view: bool = False) -> bool:
    """Whether a compound is, or may be, something else there than a table to a SELECT.

    `is_view` is for what follows CREATE VIEW. VALUES counts wherever it stands: in FROM, too,
    SQLite leaves the integers of those rows alone.
    """
    lowered = sql.lower()
    if not any(word in lowered for word in _WORDS):
        return False
    bare = [not is_view]
    for found in _FOUND.finditer(lowered):
        token = found[0]
        if token == "(":
            before = lowered[max(0, found.start() - _NEAR_CHARS) : found.start()]
            bare.append(not before.rstrip().endswith(_BEFORE_TABLES))
        elif token == ")" and len(bare) > 1:
            bare.pop()
        elif token in _WORDS and (bare[-1] or token == "values"):
            return True
    return False
