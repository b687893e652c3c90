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


def read_entries(text: str) -> tuple[list[Entry], str]:
    """What is complete in what was typed, and what is not yet."""
    entries, pending, rest = _typed(text)
    return entries, pending + rest


def is_complete(text: str) -> bool:
    """Whether Enter is to run it: nothing in it waits for more, or it ends in a command."""
    entries, pending, rest = _typed(text)
    return not rest.strip() and (not pending or bool(entries))


def read_script(text: str) -> tuple[list[Entry], str]:
    """The same for a file or a pipe, where every statement has its end."""
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
    entries: list[Entry] = []
    pending, begins = "", 0
    while (end := _next_end(text, begins)) is not None:
        said = pending + text[begins : end.start]
        statement = _worded(said)
        pending = ""
        if end.text == ";":
            begins = end.end
            entries += [Entry("statement", statement)] if statement else []
            continue
        name, argument, begins = _command_at(text, end.start)
        if statement and name in _ENDS:
            entries.append(Entry("statement", statement, name != "\\g", argument))
        else:
            pending = "" if name in _TAKES_OVER or not statement else said
            if name != "\\\\":
                command = f"{name} {argument}".rstrip()
                entries.append(Entry("command", command, pending=statement))
    return entries, pending, text[begins:]


def _next_end(text: str, begins: int) -> Token | None:
    """The next `;` or backslash that is one."""
    for token in each_token(text, begins):
        if token.kind == "operator" and token.text in (";", "\\"):
            return token
    return None


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
    return name, line.strip().removesuffix(";") if line.strip() == ";" else line.strip(), after


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
