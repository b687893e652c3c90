"""Text -> statements, and SHOW, DESC and KILL -> the SQL or the command they stand for.

Those are the only words of ours in the language; everything else goes to SQLite untouched,
and SQLite judges it. A text that is none of them is returned as it came.

The patterns take time that grows with the text and no faster: quantifiers are possessive
where they nest, and a shortcut has SHORTCUT_CHARS at most.
"""

from __future__ import annotations

import re

import msgspec

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

_PLAIN_TEXT = re.compile(r"(?:[^'\"`\[;/-]++|-(?=[^-])|/(?=[^*]))*+")
_CLOSERS = {"'": "'", '"': '"', "`": "`", "[": "]", "--": "\n", "/*": "*/"}
"""What opens a string, a name or a comment, and what ends it. A doubled quote reads as two
strings, side by side."""
_BLANKS = r"(?:\s++|--[^\n]*+(?:\n|\Z)|/\*[^*]*+(?:\*(?!/)[^*]*+)*+\*/)"
_BEFORE = re.compile(rf"{_BLANKS}*+", re.DOTALL)
_SHORTCUT = re.compile(
    rf"(?P<words>(?:show|desc|describe|kill)\b.*?)(?:{_BLANKS}|;)*+",
    re.IGNORECASE | re.DOTALL,
)
_NAME = r"""(?P<name>[^\s"'`\[\];]+|"[^"]+"|'[^']+'|`[^`]+`|\[[^\]]+\])"""

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
    """What may be a shortcut, without the blanks and comments around it; '' for no chance."""
    if len(sql) > _TYPED_CHARS:
        return ""
    before = _BEFORE.match(sql)
    begins = before.end() if before is not None else 0
    if len(sql) - begins > SHORTCUT_CHARS:
        return ""
    found = _SHORTCUT.fullmatch(sql, begins)
    return found["words"] if found is not None else ""


class Splitter:
    """Text as it comes, in pieces of any size -> whole statements.

    The text is split as SQLite reads it: a `;` in quotes, in brackets or in a comment ends
    nothing. Each character is looked at once, however the text is cut: one that comes byte by
    byte costs no more than one that comes whole.
    """

    def __init__(self) -> None:
        self.rest = ""
        """What has come of a statement whose `;` has not; '' where that is blanks and comments."""
        self._text = ""
        self._seen = 0
        """How much of the text has been read."""
        self._closer = ""
        """What ends the string, name or comment we are in."""
        self._says_something = False
        """Whether the text has more than blanks and comments."""

    def feed(self, text: str) -> list[str]:
        """The statements that are complete with this text, without their `;`."""
        self._text += text
        statements: list[str] = []
        begins = 0
        while self._read_on():
            if self._says_something:
                statements.append(self._text[begins : self._seen].strip())
            self._says_something = False
            self._seen += 1
            begins = self._seen
        self._keep(begins)
        return statements

    def _read_on(self) -> bool:
        """Read up to the next `;` that ends a statement; False where there is none yet."""
        while True:
            if self._closer and not self._read_to_closer():
                return False
            begins = self._seen
            found = _PLAIN_TEXT.match(self._text, begins)
            self._seen = found.end() if found is not None else begins
            if not self._says_something and self._seen > begins:
                self._says_something = not self._text[begins : self._seen].isspace()
            mark = self._text[self._seen : self._seen + 2]
            if mark[:1] == ";":
                return True
            if not self._open(mark):
                return False

    def _open(self, mark: str) -> bool:
        """Enter a string, a name or a comment; False where more has to come to tell."""
        comment = mark in ("--", "/*")
        opener = mark if comment else mark[:1]
        if opener not in _CLOSERS:
            return False
        self._closer = _CLOSERS[opener]
        self._seen += len(opener)
        self._says_something = self._says_something or not comment
        return True

    def _read_to_closer(self) -> bool:
        place = self._text.find(self._closer, self._seen)
        if place < 0:
            # A part of `*/` may have come.
            self._seen = max(self._seen, len(self._text) - len(self._closer) + 1)
            return False
        self._seen = place + len(self._closer)
        self._closer = ""
        return True

    def _keep(self, begins: int) -> None:
        """Keep what follows the last statement; of a mere comment that it has begun."""
        self._text = self._text[begins:]
        self._seen -= begins
        tail = self._text[self._seen :]
        if self._says_something or (tail and not self._closer):
            self.rest = self._text
            return
        self.rest = ""
        opener = {"\n": "--", "*/": "/*"}.get(self._closer, "")
        self._text, self._seen = opener + tail, len(opener)


def split(text: str) -> tuple[list[str], str]:
    """The complete statements, without their `;`, and what follows the last `;`.

    Statements of blanks and comments alone are left out; a rest of them is ''.
    """
    splitter = Splitter()
    statements = splitter.feed(text)
    return statements, splitter.rest


def _show(match: re.Match[str]) -> Statement:
    return Select(_PLAIN[match["what"].lower()], own=True)


def _show_like(match: re.Match[str]) -> Statement:
    quote = match["quote"]
    pattern = match["pattern"].replace(quote * 2, quote)
    return Select(f"{_TABLES} WHERE tablename LIKE ? ORDER BY tablename", (pattern,), own=True)


def _describe(match: re.Match[str]) -> Statement:
    name = _unquoted(match["name"])
    return Select(
        "SELECT name AS column_name, type AS column_type FROM pragma_table_info(?)",
        (name,),
        f"Table {name} not found",
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
    (rf"desc(?:ribe)?\s+{_NAME}", _describe),
    (
        r"""kill\s+(?P<quote>['"]?)(?P<id>[^'";]+)(?P=quote)""",
        lambda m: Kill(m["id"].strip()),
    ),
)
_SHORTCUTS = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), read) for pattern, read in _PATTERNS
)
