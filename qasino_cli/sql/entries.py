"""What was typed -> what is to be done, and whether Enter is to do it. Pure.

It is read as a script is, and has shortcuts that need no `;` because nothing could follow them
(SHOW, DESC, SET, KILL, quit, help), and the dot commands of the sqlite3 shell, to be told what
they are here.
"""

from __future__ import annotations

import re

from qasino_cli.sql.lexer import Token, tokens
from qasino_cli.sql.script_reader import ScriptReader
from qasino_cli.sql.statements import Entry

_SHORTCUT = re.compile(
    r"\s*(show|desc|describe|set|kill|quit|exit|help)\b[^;]*", re.IGNORECASE | re.DOTALL
)
_ALONE = ("QUIT", "EXIT", "HELP")
_DOTTED = re.compile(r"\s*(\.[a-z]\w*[^;\n]*)(?:\n|;|\Z)")


_NO_TEXT = re.compile("[\ud800-\udfff]")


def undecoded(text: str) -> tuple[int, str] | None:
    """Where the first byte that is no UTF-8 stands, and the sentence that says so; None for none.

    Who reads keys decodes such a byte as a surrogate, which no server would understand.
    """
    found = _NO_TEXT.search(text)
    if found is None:
        return None
    return found.start(), f"byte 0x{ord(found[0]) & 0xFF:02x} is not UTF-8"


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


def _typed(text: str) -> tuple[list[Entry], str, str]:
    """The entries; what stands before the last command, unfinished; and what follows it."""
    dotted = _DOTTED.fullmatch(text)
    if dotted is not None:
        return [Entry("command", dotted[1].strip())], "", ""
    reader = ScriptReader()
    entries = list(map(_helped, reader.feed(text)))
    last = reader.unfinished
    if last and _needs_no_end(last):
        return [*entries, _helped(Entry("statement", last.strip()))], "", ""
    return (entries, reader.pending, reader.rest) if last else (entries, "", "")


def _needs_no_end(text: str) -> bool:
    """Whether it is a shortcut, whole, on one line."""
    words: list[Token] = [t for t in tokens(text.strip()) if t.kind not in ("blank", "comment")]
    if not _SHORTCUT.fullmatch(text.rstrip()) or any(token.open for token in words):
        return False
    return len(words) > 1 if words[0].upper not in _ALONE else len(words) == 1


def _helped(entry: Entry) -> Entry:
    """What is typed for help is a command, with a `;` or without."""
    asks = entry.kind == "statement" and entry.text.upper() == "HELP"
    return Entry("command", "\\?") if asks else entry
