"""SHOW, DESC and KILL -> the SQL or the command they stand for.

Those are the only words of ours in the language; everything else goes to SQLite untouched,
and SQLite judges it. A text that is none of them is returned as it came.

Reading takes time that grows with the text and no faster: in the patterns quantifiers are
possessive where they nest or follow each other, and what ends a shortcut is sought from its end.
"""

from __future__ import annotations

import re

import msgspec

from qasino_server.splitting import BLANKS

_DATETIME = "strftime('%Y-%m-%d %H:%M:%f UTC', {}, 'unixepoch')"


class Select(msgspec.Struct, frozen=True):
    """A statement for SQLite, with what is to be bound to it."""

    sql: str
    bindings: tuple[str, ...] = ()
    missing: str | None = None
    """What to say if it gives no row at all: the thing described does not exist."""
    own: bool = False
    """Whether it is ours, a SHOW or a DESC: quick, and what an operator in need asks first."""


class ShowQueries(msgspec.Struct, frozen=True):
    """The list of running queries is asked for."""


class Kill(msgspec.Struct, frozen=True):
    """The query of that id is to be stopped."""

    query_id: str


Statement = Select | ShowQueries | Kill

SHORTCUT_CHARS = 1000
_TYPED_CHARS = 50_000
"""A text longer than that, blanks and comments included, is no shortcut."""

_BEFORE = re.compile(rf"{BLANKS}*+", re.DOTALL)
_AFTER = rf"(?:{BLANKS}|;)"
_TO_PASS_OVER = re.compile(rf"{_AFTER}++")
_WORD = re.compile(r"""'[^']*+'|"[^"]*+"|`[^`]*+`|\[[^\]]*+\]|[^\s;'"`\[/-]++|.""")
_FIRST_WORD = re.compile(r"(?:show|desc|describe|kill)\b", re.IGNORECASE)
_QUOTED = r""""[^"]+"|'[^']+'|`[^`]+`|\[[^\]]+\]"""
_NAME = rf"""(?P<name>[^\s"'`\[\];]+|{_QUOTED})"""
_SCHEMA = rf"""(?:(?P<schema>[^\s"'`\[\];.]+|{_QUOTED})\s*\.\s*)"""

_INFO = f"""SELECT *, {_DATETIME.format("generation_start_epoch")} AS generation_start_datetime
FROM qasino_server_info"""
_TABLES = f"""SELECT *, {_DATETIME.format("last_update_epoch")} AS last_update_datetime
FROM qasino_server_tables"""
_CONNECTIONS = f"""SELECT *, {_DATETIME.format("last_update_epoch")} AS last_update_datetime
FROM qasino_server_connections ORDER BY identity"""
_VIEWS = "SELECT viewname, loaded, errormsg FROM qasino_server_views ORDER BY viewname"

_PLAIN = {
    "info": _INFO,
    "tables": f"{_TABLES} ORDER BY tablename",
    "connections": _CONNECTIONS,
    "views": _VIEWS,
}


def read_statement(sql: str) -> Statement:
    """Tell a shortcut of ours from a statement for SQLite."""
    words = _shortcut_words(sql)
    if not words:
        return Select(sql)
    for pattern, read in _SHORTCUTS:
        match = pattern.fullmatch(words)
        if match is not None:
            return read(match)
    return Select(sql)


def _shortcut_words(sql: str) -> str:
    """What may be a shortcut, without the blanks and comments around it but for those behind
    KILL; '' for no chance."""
    if len(sql) > _TYPED_CHARS:
        return ""
    before = _BEFORE.match(sql)
    begins = before.end() if before is not None else 0
    if len(sql) - begins > SHORTCUT_CHARS:
        return ""
    found = _FIRST_WORD.match(sql, begins)
    if found is None:
        return ""
    if found[0].lower() == "kill":
        return sql[begins:]  # the id may have what would be a comment elsewhere
    return sql[begins : _end_of_words(sql, found.end())]


def _end_of_words(text: str, begins: int) -> int:
    """Where blanks, comments and `;` begin that nothing follows; those in quotes are none."""
    place = ends = begins
    while place < len(text):
        passed_over = _TO_PASS_OVER.match(text, place)
        if passed_over is not None:
            place = passed_over.end()
        elif (word := _WORD.match(text, place)) is not None:
            place = ends = word.end()
    return ends


def _show(match: re.Match[str]) -> Statement:
    return Select(_PLAIN[match["what"].lower()], own=True)


def _show_like(match: re.Match[str]) -> Statement:
    quote = match["quote"]
    pattern = match["pattern"].replace(quote * 2, quote)
    return Select(f"{_TABLES} WHERE tablename LIKE ? ORDER BY tablename", (pattern,), own=True)


def _describe(match: re.Match[str]) -> Statement:
    names = tuple(_unquoted(match[part]) for part in ("name", "schema") if match[part])
    return Select(
        "SELECT name AS column_name, type AS column_type"
        f" FROM pragma_table_info({', '.join('?' * len(names))})",
        names,
        f"Table {'.'.join(reversed(names))} not found",
        own=True,
    )


def _describe_view(match: re.Match[str]) -> Statement:
    name = _unquoted(match["name"])
    return Select(
        'SELECT "view" FROM qasino_server_views WHERE viewname = ? COLLATE NOCASE',
        (name,),
        f"View {name} not found",
        own=True,
    )


def _kill(match: re.Match[str]) -> Statement:
    """Its id may have any character, of which some have to be in quotes."""
    quote = match["quote"]
    return Kill(match["bare"] or match["id"].replace(quote * 2, quote))


def _unquoted(name: str) -> str:
    return name[1:-1] if name[0] in "\"'`[" else name


_PATTERNS = (
    (r"show\s+queries", lambda match: ShowQueries()),
    (r"show\s+(?P<what>info|tables|connections|views)", _show),
    (
        r"show\s+tables\s+like\s+(?P<quote>['\"])(?P<pattern>(?:(?!(?P=quote)).|(?P=quote){2})*)"
        r"(?P=quote)",
        _show_like,
    ),
    (rf"desc(?:ribe)?\s+view\s+{_NAME}", _describe_view),
    (rf"desc(?:ribe)?\s+{_SCHEMA}?{_NAME}", _describe),
    (
        rf"""kill\s++(?:(?P<bare>[^\s'";]++)|(?P<quote>['"])(?P<id>(?:(?!(?P=quote)).|(?P=quote){{2}})++)"""
        rf"""(?P=quote)){_AFTER}*+""",
        _kill,
    ),
)
_SHORTCUTS = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), read) for pattern, read in _PATTERNS
)
