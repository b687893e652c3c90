"""Names of tables, columns and files as SQL wants them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote as url_quote

import apsw

from qasino_server.errors import Refused
from qasino_server.table import Columns

ROWID_NAMES = ("rowid", "_rowid_", "oid")
PASSED_OVER = r"""'[^']*+(?:'|\Z)|`[^`]*+(?:`|\Z)|\[[^\]]*+(?:\]|\Z)|--[^\n]*+|/\*.*?(?:\*/|\Z)"""
"""What is none of a statement's words, but for double quotes. A doubled quote reads as two
strings, side by side. What is not closed goes on to the end: reading it takes no longer so."""
_QUOTED_NAME = re.compile(rf"""{PASSED_OVER}|"(?P<name>(?:[^"]|"")*+)(?:"|\Z)""", re.DOTALL)
_KEYWORDS = frozenset(word.upper() for word in apsw.keywords)


def quoted(name: str) -> str:
    """A checked name as SQL wants it; always quoted, so that `order` is a name like others."""
    return f'"{name}"'


def quoted_all(names: Iterable[str]) -> str:
    """Checked names, in a row."""
    return ", ".join(map(quoted, names))


def defined(columns: Columns) -> str:
    """The columns as CREATE TABLE wants them."""
    return ", ".join(f"{quoted(column.name)} {column.type}" for column in columns)


def plain(name: str) -> str:
    """A checked name as a person would type it: quoted only where SQLite needs that."""
    return quoted(name) if name.upper() in _KEYWORDS else name


def with_names_only(sql: str) -> str:
    """The statement with backquotes for double quotes: those SQLite takes for no text.

    What follows stays in its place, unless a name has backquotes.
    """
    return _QUOTED_NAME.sub(_in_backquotes, sql)


def _in_backquotes(found: re.Match[str]) -> str:
    name = found["name"]
    if name is None:
        return found[0]
    name = name.replace('""', '"').replace("`", "``")
    return f"`{name}`".ljust(len(found[0]))


def rowid_name(columns: Columns) -> str:
    """A name of the rowid that no column of the table hides. Raises Refused where all are taken."""
    taken = {column.key for column in columns}
    for name in ROWID_NAMES:
        if name not in taken:
            return name
    raise Refused("a table cannot have columns named rowid, _rowid_ and oid all at once")


def file_uri(path: Path, options: str) -> str:
    """The SQLite URI of a file."""
    return f"file:{url_quote(str(path))}?{options}"
