"""Lines as a terminal has them: a character that takes two places there stands in two of them.

`column -t`, `df` and `ls` pad their cells by terminal places, what Go programs print is padded
by characters. Here a line gets a character for each place, so that places can be counted either
way; `back` is the way back. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_ODD = re.compile(r"\S?[^\x00-\u02ff]+")  # all below take one place, and an accent may follow
_FILL = 0x10FFFD  # the second place of a wide character
_FIRST = 0xF0000  # stand for a character and what takes no place after it
_MOST = _FILL - _FIRST
_OURS = re.compile(f"[{chr(_FIRST)}-{chr(_FILL)}]")


def may_be_wide(lines: Iterable[str]) -> bool:
    """Whether a line may have other places than characters; not where one of them has those
    that stand for others here."""
    odd = [line for line in lines if not line.isascii()]
    return bool(odd) and not any(map(_OURS.search, odd))


class TerminalPlaces:
    """Lines, a character for each of their places."""

    def __init__(self) -> None:
        self._back: dict[int, str] = {}
        self._known: dict[str, str] = {}
        self._stand_ins: dict[str, str] = {}

    def spread(self, line: str) -> str:
        """The line with a character for each place."""
        return line if line.isascii() else _ODD.sub(lambda found: self._spread(found[0]), line)

    def back(self, text: str) -> str:
        """A piece of a line that was spread, as it stood there."""
        return text if text.isascii() else text.translate(self._back)

    def _spread(self, odd: str) -> str:
        known = self._known.get(odd)
        if known is None:
            known = self._known[odd] = "".join(map(self._place, _clusters(odd)))
        return known

    def _place(self, cluster: tuple[str, int]) -> str:
        text, width = cluster
        if len(text) > 1 and len(self._back) < _MOST:
            text = self._stand_in(text)
        self._back[_FILL] = ""
        return text + chr(_FILL) * (width - 1)

    def _stand_in(self, text: str) -> str:
        known = self._stand_ins.get(text)
        if known is None:
            known = self._stand_ins[text] = chr(_FIRST + len(self._back))
            self._back[ord(known)] = text
        return known


def _clusters(text: str) -> list[tuple[str, int]]:
    """Each character that takes a place, with those after it that take none, and its width."""
    from wcwidth import wcwidth  # 15 ms, for what hardly any table holds

    found: list[tuple[str, int]] = []
    for character in text:
        width = wcwidth(character)
        if width == 0 and found:
            before, places = found[-1]
            found[-1] = (before + character, places)
        else:
            found.append((character, max(width, 1)))
    return found
