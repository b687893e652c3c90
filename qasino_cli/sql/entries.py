"""A text -> what is to be done, one thing after the other, as psql and mysql read it. Pure.

Statements end in `;`. A backslash outside strings, names and comments begins a command, which
takes the rest of its line, up to another backslash; `\\\\` ends it without beginning one. \\g, \\gx
and \\G end the statement before them in place of the `;`; \\watch and \\e take it over; before all
others it stands on, unfinished. After \\G, which is mysql's, the line goes on with SQL.

What is typed has shortcuts that need no `;` because nothing could follow them (SHOW, DESC, SET,
KILL, quit, help), and the dot commands of the sqlite3 shell, to be told what they are here.
"""

from __future__ import annotations

import re

from qasino_cli.sql.lexer import Token, each_token, tokens
from qasino_cli.sql.statements import Entry
from qasino_server.statement import Scan

_SHORTCUT = re.compile(
    r"\s*(show|desc|describe|set|kill|quit|exit|help)\b[^;]*", re.IGNORECASE | re.DOTALL
)
_ALONE = ("QUIT", "EXIT", "HELP")
_COMMAND = re.compile(r"\\(?:[?!\\]|[^\s\\;|'\"!]*)")
_DOTTED = re.compile(r"\s*(\.[a-z]\w*[^;\n]*)(?:\n|;|\Z)")
_ARGUMENT = re.compile(r"(?:'[^'\n]*'|\"[^\"\n]*\"|[^\\\n])*+")
_ENDS = ("\\g", "\\gx", "\\G")
_TAKES_OVER = ("\\watch", "\\e", "\\r")
_TO_LINE_END = ("\\!", "\\save")
"""Their argument may hold backslashes, as one that begins with `|` may."""
_AS_IT_STANDS = (*_TO_LINE_END, "\\echo", "\\qecho", "\\warn")
"""Theirs may end in `;`, which for others ends the command as it does a statement."""


def read_entries(text: str) -> tuple[list[Entry], str]:
    """What is complete in what was typed, and what is not yet."""
    entries, pending, rest = _typed(text)
    return entries, pending + rest


def is_complete(text: str) -> bool:
    """Whether Enter is to run it: nothing in it waits for more, or it ends in a command."""
    reader = ScriptReader()
    reader.feed(text)
    if reader.in_comment:
        return False
    entries, pending, rest = _typed(text)
    return not rest.strip() and (not pending or bool(entries))


class ScriptReader:
    """A file or a pipe as it comes -> what is to be done, each as soon as its end is there.

    Each line is read once, however many a statement has.
    """

    def __init__(self) -> None:
        self._scan = Scan(";\\")
        self._pieces: list[str] = []
        """What has come of the statement since `pending`."""
        self.pending = ""
        """What stands before the last command, unfinished."""

    @property
    def rest(self) -> str:
        """What has come since the last command, or the last end of a statement."""
        return "".join(self._pieces)

    @property
    def in_comment(self) -> bool:
        """Whether a comment that has its own end has begun, and that has not come."""
        return self._scan.closer == "*/"

    def feed(self, text: str) -> list[Entry]:
        """What is complete with this text, which is whole lines, or the last there is."""
        scan, begins = self._scan, 0
        scan.text, scan.seen = text, 0
        entries: list[Entry] = []
        while scan.read_on():
            said = self.pending + self.rest + text[begins : scan.seen]
            self._pieces = []
            begins = self._end(said, text, scan.seen, entries)
            scan.seen = begins
        self._pieces.append(text[begins:])
        return entries

    def _end(self, said: str, text: str, place: int, entries: list[Entry]) -> int:
        """Add what ends or begins at a place; where the text goes on."""
        statement = _worded(said)
        self.pending = ""
        if text[place] == ";":
            entries += [Entry("statement", statement)] if statement else []
            return place + 1
        name, argument, goes_on = _command_at(text, place)
        if statement and name in _ENDS:
            entries.append(Entry("statement", statement, name != "\\g", argument))
        else:
            self.pending = "" if name in _TAKES_OVER or not statement else said
            if name != "\\\\":
                command = f"{name} {argument}".rstrip()
                entries.append(Entry("command", command, pending=statement))
        return goes_on


def read_script(text: str) -> tuple[list[Entry], str]:
    """The same for a file, where every statement has its end."""
    entries, pending, rest = _read(text)
    rest = pending + rest
    return entries, rest if _says_anything(rest) else ""


def _typed(text: str) -> tuple[list[Entry], str, str]:
    dotted = _DOTTED.fullmatch(text)
    if dotted is not None:
        return [Entry("command", dotted[1].strip())], "", ""
    entries, pending, rest = _read(text)
    last = pending + rest
    if last.strip() and _needs_no_end(last):
        return [*entries, _shortcut(last.strip())], "", ""
    return (entries, pending, rest) if _says_anything(last) else (entries, "", "")


def _read(text: str) -> tuple[list[Entry], str, str]:
    """The entries; what stands before the last command, unfinished; and what follows it."""
    script = ScriptReader()
    return script.feed(text), script.pending, script.rest


def _command_at(text: str, begins: int) -> tuple[str, str, int]:
    """The command there, its argument, and where the text goes on."""
    found = _COMMAND.match(text, begins)
    assert found is not None
    name, after = found[0], found.end()
    if name == "\\G":
        goes_on = re.compile(r"[ \t]*;?").match(text, after)
        return name, "", goes_on.end() if goes_on is not None else after
    line_end = text.find("\n", after)
    line = text[after : line_end if line_end >= 0 else len(text)]
    if name not in _TO_LINE_END and not line.lstrip().startswith("|"):
        argument = _ARGUMENT.match(line)
        line = argument[0] if argument is not None else line
    after += len(line)
    if text.startswith("\\\\", after):
        after += 2
    argument_text = line.strip()
    if argument_text == ";" or not (argument_text.startswith("|") or name in _AS_IT_STANDS):
        argument_text = argument_text.removesuffix(";").rstrip()
    return name, argument_text, after


def _worded(text: str) -> str:
    """A statement without the blanks around it; '' where it says nothing."""
    return text.strip() if _says_anything(text) else ""


def _says_anything(text: str) -> bool:
    return any(token.kind not in ("blank", "comment") for token in each_token(text, 0))


def _needs_no_end(text: str) -> bool:
    """Whether it is a shortcut, whole, on one line."""
    words: list[Token] = [t for t in tokens(text.strip()) if t.kind not in ("blank", "comment")]
    if not _SHORTCUT.fullmatch(text.rstrip()) or any(token.open for token in words):
        return False
    return len(words) > 1 if words[0].upper not in _ALONE else len(words) == 1


def _shortcut(text: str) -> Entry:
    return Entry("command", "\\?") if text.upper() == "HELP" else Entry("statement", text)
