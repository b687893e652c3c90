"""Which names fit what was typed, and which of them fit best.

    0  it begins with it             hos    hostname
    1  a part of it does             mb     free_mb
    2  it holds it                   ostn   hostname
    3  its letters come in order     fmb    free_mb

Within a class the shorter name comes first. Many names are searched as one text, the shorter
ones first, class by class, and only until there are enough. 60,000 names take less than 1 ms, and
12 where few have these letters in order; to look at each of them in Python takes 100.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

PREFIX, PART, INSIDE, SCATTERED = range(4)


def fit(typed: str, name: str) -> int | None:
    """The class in which a lower-case name fits lower-case letters; None where it does not."""
    if name.startswith(typed):
        return PREFIX
    if "_" + typed in name:
        return PART
    if typed in name:
        return INSIDE
    letters = iter(name)
    return SCATTERED if all(letter in letters for letter in typed) else None


class Names:
    """Many lower-case names, made ready to be searched again and again."""

    def __init__(self, names: Iterable[str]) -> None:
        by_name = sorted({name for name in names if "\n" not in name})
        self._text = "".join(f"\n{name}" for name in sorted(by_name, key=len)) + "\n"

    def search(self, typed: str, limit: int) -> list[tuple[int, str]]:
        """The best `limit` names with their classes, the best first."""
        text = self._text
        if "\n" in typed or any(letter not in text for letter in typed):
            return []
        found: dict[str, int] = {}
        for rank, names in self._classes(typed):
            fresh = (name for name in names if name not in found)
            found.update(dict.fromkeys(list(islice(fresh, limit - len(found))), rank))
            if len(found) >= limit:
                break
        return [(rank, name) for name, rank in found.items()]

    def _classes(self, typed: str) -> Iterator[tuple[int, Iterator[str]]]:
        if typed in self._text:  # else three looks at everything would tell no more than this one
            yield PREFIX, self._beginning(typed)
            if not typed:
                return
            yield PART, self._holding("_" + typed)
            yield INSIDE, self._holding(typed)
        yield SCATTERED, self._scattered(typed)

    def _beginning(self, typed: str) -> Iterator[str]:
        text, at = self._text, self._text.find("\n" + typed)
        while 0 <= at < len(text) - 1:
            ends = text.index("\n", at + 1)
            yield text[at + 1 : ends]
            at = text.find("\n" + typed, ends)

    def _holding(self, part: str) -> Iterator[str]:
        text, at = self._text, self._text.find(part)
        while at >= 0:
            ends = text.index("\n", at)
            yield text[text.rindex("\n", 0, at) + 1 : ends]
            at = text.find(part, ends)

    def _scattered(self, typed: str) -> Iterator[str]:
        """Each letter is looked for from the last one on, so nothing is tried twice."""
        steps = "".join(rf"[^{re.escape(c)}\n]*+{re.escape(c)}" for c in typed)
        pattern = re.compile(rf"\n{steps}[^\n]*+")
        return (found[0][1:] for found in pattern.finditer(self._text))
