"""What a case is, and how cases are found by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

import msgspec

from tests.bench.figures import Figure
from tests.bench.plan import Plan

Run = Callable[[Plan], Iterator[Figure]]


class Case(msgspec.Struct, frozen=True):
    """A row of the table of goals, or a part of one."""

    name: str
    title: str
    run: Run


class Skipped(Exception):
    """What a case needs is not on this machine; the sentence says what."""


def chosen(cases: Sequence[Case], wanted: Iterable[str]) -> list[Case]:
    """The cases of these names, all where nobody is named.

    A name that is none's is a beginning, or a pattern. Raises LookupError where it finds nothing.
    """
    names: set[str] = set()
    for word in wanted:
        found = _named(cases, word)
        if not found:
            raise LookupError(f"no case is named {word}; --list shows them")
        names.update(found)
    return [case for case in cases if not names or case.name in names]


def _named(cases: Sequence[Case], word: str) -> list[str]:
    names = [case.name for case in cases]
    if word in names:
        return [word]
    return [name for name in names if name.startswith(word) or fnmatchcase(name, word)]
