"""What was typed at the prompt -> what is to be done, one thing after the other. Pure.

Three kinds of things can stand in one text: statements that end in `;` (or in `\\G`, which
shows their rows as records), our own commands, which take the rest of their line, and
shortcuts that need no `;` because nothing could follow them (SHOW, DESC, SET, KILL, quit).
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from qasino_cli.sql.lexer import Token, tokens

_SHORTCUT = re.compile(
    r"\s*(show|desc|describe|set|kill|quit|exit)\b[^;]*", re.IGNORECASE | re.DOTALL
)


class Entry(msgspec.Struct, frozen=True):
    """One thing to do."""

    kind: Literal["statement", "command"]
    text: str
    vertical: bool = False
    """Its rows are wanted as records."""


def read_entries(text: str) -> tuple[list[Entry], str]:
    """What is complete in a text, and what is not yet."""
    entries: list[Entry] = []
    rest = text
    while rest.strip():
        if rest.lstrip().startswith("\\"):
            line, _, rest = rest.lstrip().partition("\n")
            entries.append(Entry("command", line.strip()))
            continue
        entry, after = _first_statement(rest)
        if entry is None:
            break
        if entry.text:
            entries.append(entry)
        rest = after
    if rest.strip() and _needs_no_end(rest):
        return [*entries, Entry("statement", rest.strip())], ""
    return entries, rest if _says_anything(rest) else ""


def is_complete(text: str) -> bool:
    """Whether Enter is to run it: nothing in it waits for more."""
    return not read_entries(text)[1]


def _first_statement(text: str) -> tuple[Entry | None, str]:
    """The statement up to the first `;` or `\\G`; None where neither has come."""
    found = tokens(text)
    for n, token in enumerate(found):
        if token.text == ";" and token.kind == "operator":
            return Entry("statement", _worded(text[: token.start])), text[token.end :]
        if token.text == "\\" and n + 1 < len(found) and found[n + 1].text in ("G", "g"):
            after = text[found[n + 1].end :].lstrip(" \t")
            vertical = found[n + 1].text == "G"
            entry = Entry("statement", _worded(text[: token.start]), vertical)
            return entry, after.removeprefix(";")
    return None, text


def _worded(text: str) -> str:
    """A statement without the blanks around it; '' where it says nothing."""
    return text.strip() if _says_anything(text) else ""


def _says_anything(text: str) -> bool:
    return any(token.kind not in ("blank", "comment") for token in tokens(text))


def _needs_no_end(text: str) -> bool:
    """Whether it is a shortcut, whole, on one line."""
    words: list[Token] = [t for t in tokens(text.strip()) if t.kind not in ("blank", "comment")]
    if not _SHORTCUT.fullmatch(text.rstrip()) or any(token.open for token in words):
        return False
    return len(words) > 1 or words[0].upper in ("QUIT", "EXIT")
