"""Compound SELECTs (UNION, VALUES, ..) in a text, by what they stand in. Pure.

SQLite has one type for a column of a compound. Where the compound is a table to another SELECT
(in FROM, in WITH, a view) and that type is REAL, the column's integers are read as REALs, and
past 2^53 those have other values; where it is the statement, or a value in it, they stay what
they are. So what has a compound there must not be made a table to a SELECT of ours.
"""

from __future__ import annotations

import re

_WORDS = ("union", "intersect", "except", "values")
_FOUND = re.compile(
    r"""'[^']*+'|"[^"]*+"|`[^`]*+`|\[[^\]]*+\]|--[^\n]*+|/\*.*?(?:\*/|\Z)"""
    rf"|(?P<table>\b(?:from|join|as|materialized|in|exists)\s*+\()|(?P<opens>\()|(?P<closes>\))"
    rf"|\b(?P<word>{'|'.join(_WORDS)})\b",
    re.IGNORECASE | re.DOTALL,
)
"""What is no SQL, parentheses by what stands before them, and the words of compounds."""


def has_bare_compound(sql: str, is_view: bool = False) -> bool:
    """Whether a compound is, or may be, something else there than a table to a SELECT.

    `is_view` is for what follows CREATE VIEW. VALUES counts wherever it stands: in FROM, too,
    SQLite leaves the integers of those rows alone.
    """
    lowered = sql.lower()
    if not any(word in lowered for word in _WORDS):
        return False
    bare = [not is_view]
    for found in _FOUND.finditer(sql):
        if found["word"] and (bare[-1] or found["word"].lower() == "values"):
            return True
        if found["table"] or found["opens"]:
            bare.append(not found["table"])
        elif found["closes"] and len(bare) > 1:
            bare.pop()
    return False
