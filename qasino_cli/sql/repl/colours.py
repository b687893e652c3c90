"""SQL in colour while it is typed, and the colours of the prompt."""

from __future__ import annotations

from collections.abc import Callable

from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.lexers import Lexer
from prompt_toolkit.styles import Style

from qasino_cli.sql.completion.candidates import KEYWORDS
from qasino_cli.sql.lexer import Token, tokens

_WORDS = frozenset(KEYWORDS) | {"SHOW", "DESC", "DESCRIBE", "KILL", "QUIT", "EXIT"}
MAX_CHARS = 20_000
"""A longer text is typed without colours: a paste must not stall."""

_THEMES = {
    "dark": {
        "keyword": "#5fafff bold",
        "string": "#87d787",
        "number": "#d7af5f",
        "comment": "#8a8a8a italic",
        "quoted": "#d7afff",
        "parameter": "#d7afff",
        "command": "#ffaf5f bold",
        "prompt": "bold",
        "bottom-toolbar": "noreverse bg:#303030 #bcbcbc",
        "bottom-toolbar.trouble": "#ffaf00 bold",
    },
    "light": {
        "keyword": "#005faf bold",
        "string": "#005f00",
        "number": "#875f00",
        "comment": "#767676 italic",
        "quoted": "#5f00af",
        "parameter": "#5f00af",
        "command": "#af5f00 bold",
        "prompt": "bold",
        "bottom-toolbar": "noreverse bg:#dadada #303030",
        "bottom-toolbar.trouble": "#af0000 bold",
    },
}


def style_of(theme: str) -> Style:
    """The colours of a theme; `auto` is dark, since terminals do not tell in time."""
    return Style.from_dict(_THEMES["light" if theme == "light" else "dark"])


class SqlColours(Lexer):
    """Colours by token."""

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        """The fragments of each line."""
        if len(document.text) > MAX_CHARS:
            lines: list[StyleAndTextTuples] = [[("", line)] for line in document.lines]
        else:
            lines = _lines(document.text)
        return lambda number: lines[number] if number < len(lines) else []


def _lines(text: str) -> list[StyleAndTextTuples]:
    lines: list[StyleAndTextTuples] = [[]]
    command = text.lstrip().startswith("\\")
    for token in tokens(text):
        style = "class:command" if command else _style(token)
        first, *others = token.text.split("\n")
        lines[-1].append((style, first))
        lines.extend([(style, other)] for other in others)
    return lines


def _style(token: Token) -> str:
    if token.kind == "word":
        return "class:keyword" if token.upper in _WORDS else ""
    return f"class:{token.kind}" if token.kind not in ("blank", "operator") else ""
