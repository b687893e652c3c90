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
    """The cases whose names begin with one of these, or match it as a pattern; all for none.

    Raises LookupError for a name that finds nothing.
    """
    names = list(wanted)
    for name in names:
        if not any(_fits(case, name) for case in cases):
            raise LookupError(f"no case is named {name}; --list shows them")
    return [case for case in cases if not names or any(_fits(case, name) for name in names)]


def _fits(case: Case, name: str) -> bool:
    return case.name.startswith(name) or fnmatchcase(case.name, name)
