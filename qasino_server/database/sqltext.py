"""Names of tables, columns and files as SQL wants them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote as url_quote

import apsw

from qasino_server.errors import Refused
from qasino_server.table import Columns

ROWID_NAMES = ("rowid", "_rowid_", "oid")
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
