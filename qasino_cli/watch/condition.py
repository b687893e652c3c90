"""What is wrong with the text of a condition, in that text's own places. Pure.

A condition is asked in parentheses of ours. One that ends too early or too late would have its
error, or even its answer, outside what somebody typed.
"""

from __future__ import annotations

from qasino_cli.sql.lexer import meaningful, tokens
from qasino_server.errors import SqlError

_OPEN = {"string": "string", "quoted": "quoted name", "comment": "comment"}


def is_empty(condition: str) -> bool:
    """Whether it says nothing: blanks and comments alone."""
    return not meaningful(tokens(condition))


def flaw(condition: str) -> SqlError | None:
    """What is opened and not closed, or closed and not opened; None for neither."""
    opened: list[int] = []
    for token in tokens(condition):
        if token.open and not token.text.startswith("--"):  # that one ends with its line
            return _at(token.start, f"the {_OPEN[token.kind]} that begins here never ends")
        if token.text == "(":
            opened.append(token.start)
        elif token.text == ")":
            if not opened:
                return _at(token.start, "the parenthesis that closes here was never opened")
            opened.pop()
    if opened:
        return _at(opened[-1], "the parenthesis that opens here is never closed")
    return None


def unfinished(condition: str) -> SqlError:
    """Sound as far as it goes, and SQLite wants more."""
    return _at(meaningful(tokens(condition))[-1].end, "it ends too early")


def _at(offset: int, sentence: str) -> SqlError:
    """`offset` is in characters of the condition."""
    return SqlError(sentence, offset)
