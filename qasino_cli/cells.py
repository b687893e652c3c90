"""Cells of a result as text of a certain width: what every drawing of rows stands on.

Widths are terminal cells, not characters: a CJK character takes two, a combining mark none.
Text is made visible first (`shown_cell`, `visible`); no control character is passed here but what
makes lines of it.
"""

from __future__ import annotations

import re
import unicodedata
from codecs import getincrementaldecoder
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from qasino_server.render import text_cell, visible, width

ELLIPSIS = "…"
_JOINER = "\u200d"
NULL = "NULL"
_NUMBERS = {int, float, bool}
CHARS_A_COLUMN = 8
"""The longest pictures in use (a family of four, each with a skin tone) take 11 for 2 columns."""
PICTURE_COLUMNS = 2
_ESCAPE = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|[nrt])")
_ESCAPE_CHARS = 6
"""What stands for a control character in a visible text, and how long that is at most."""


def shown_cell(cell: Any) -> str:
    """A typed cell for eyes, before its control characters are made visible.

    NULL is named, and a text that reads so is quoted: without colours it would pass for it.
    """
    if cell is None:
        return NULL
    text = text_cell(cell)
    return f"'{NULL}'" if text == NULL else text


def visible_lines(text: str) -> str:
    """What is for programs as a terminal may have it: lines and tabs stay, else it is visible."""
    return "\n".join(
        "\t".join(map(visible, line.split("\t"))) if "\t" in line else visible(line)
        for line in text.split("\n")
    )


def visible_pieces(pieces: Iterable[str | bytes]) -> Iterator[str]:
    """The same of a stream, whose pieces of bytes may end within a character."""
    decoder = getincrementaldecoder("utf-8")("replace")
    for piece in pieces:
        yield visible_lines(piece if isinstance(piece, str) else decoder.decode(piece))
    yield visible_lines(decoder.decode(b"", final=True))


def width_alone(text: str) -> int:
    """Terminal cells of a visible text where no character makes another wider or narrower: many
    terminals count so, and prompt_toolkit does."""
    if text.isascii():
        return len(text)
    from wcwidth import wcwidth

    return sum(max(wcwidth(character), 0) for character in text)


def is_numeric(kinds: Collection[type], declared: str) -> bool:
    """Whether a column of cells of these types holds numbers alone; one without any goes by its
    declared type."""
    present = set(kinds) - {type(None)}
    return present <= _NUMBERS if present else declared.upper() in ("INTEGER", "REAL")


def pad(text: str, columns: int, right: bool = False) -> str:
    """Fill up with blanks to so many columns; a longer text stays as it is."""
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks


def clip(text: str, columns: int, ellipsis: str = ELLIPSIS) -> str:
    """The text in at most so many columns; where something is missing it ends in the ellipsis.

    A character that is two columns wide is never halved, nor a sequence joined to one picture,
    nor, where there is room for it, what stands for a control character. No more than
    CHARS_A_COLUMN characters stand in a column on average: a letter under 100,000 combining marks
    is cut too, in no more time than any other.
    """
    most = max(columns, 1) * CHARS_A_COLUMN
    if len(text) <= most and width(text) <= columns:
        return text
    room = columns - len(ellipsis)
    if room <= 0:
        return ellipsis[: max(columns, 0)]
    beginning = text[:most]
    cut = room
    if not beginning.isascii():
        cut = _between(beginning, _longest(beginning, room))
    return text[: _before_escape(text, cut)] + ellipsis


def _before_escape(text: str, cut: int) -> int:
    """The same place, or the one before the escape it would halve; the same where that would
    leave nothing."""
    begins = max(cut - _ESCAPE_CHARS + 1, 0)
    window = text[begins : cut + _ESCAPE_CHARS - 1]
    for found in _ESCAPE.finditer(window) if "\\" in window else ():
        if found.start() < cut - begins < found.end():
            return begins + found.start() or cut
    return cut


def _between(text: str, cut: int) -> int:
    """The same place, or the one before the picture it would halve: a heart is red only with
    what follows it.

    What is wider than a picture can be is a row of skin tones or joiners that join nothing.
    """
    before = cut
    while 0 < before < len(text) and (_extends(text[before]) or text[before - 1] == _JOINER):
        before -= 1
    return before if width(text[before:cut]) <= PICTURE_COLUMNS else cut


def _extends(character: str) -> bool:
    """Whether it belongs to the character before it."""
    return (
        character == _JOINER
        or "\U0001f3fb" <= character <= "\U0001f3ff"  # skin tones
        or unicodedata.category(character) in ("Mn", "Me")
    )


def _longest(text: str, columns: int) -> int:
    """How many characters of a visible text stand in so many columns.

    Halving finds a length that fits, if not always the longest: a selector of text (U+FE0E)
    makes the picture before it narrower.
    """
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if width(text[:middle]) <= columns:
            low = middle
        else:
            high = middle - 1
    return low
