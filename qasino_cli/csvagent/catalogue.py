"""Which files are followed: as indexes, lists and directories name them now.

Order counts: the first file of a table is the one that is published, a second one is an error
of the second. One thread; nothing is sent here, nothing is watched.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import msgspec

from qasino_cli.csvagent.followed import FollowedFile
from qasino_cli.csvagent.index_files import (
    Entries,
    Listed,
    read_index,
    read_index_list,
    read_table_list,
)
from qasino_cli.csvagent.landmarks import Surveyor
from qasino_cli.csvagent.pace import Pace
from qasino_cli.csvagent.parcel import Claim, Wrapping
from qasino_cli.csvagent.table_file import BROKEN, MISSING, TableFile
from qasino_server.table import shown

SUFFIX = ".csv"
EVERY_CSV = "*.csv"
"""Stands among the names of a directory where every such file counts."""

OWN_TABLES = ("qasino_csvpublisher_info", "qasino_csvpublisher_tables", "qasino_agent_files")


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line names; absolute paths."""

    wrapping: Wrapping
    indexes: Sequence[str] = ()
    index_lists: Sequence[str] = ()
    directories: Sequence[str] = ()
    tables: Sequence[str] = ()
    """Publish these alone; with no name here and no table list, all."""
    table_lists: Sequence[str] = ()


class Trouble(msgspec.Struct, frozen=True):
    """An index, a list or a directory that cannot be used as it is."""

    path: str
    state: str
    sentence: str
    line: int | None = None
    mtime: float | None = None


class Places(msgspec.Struct, frozen=True):
    """Where to listen, and whom an event there concerns."""

    names: dict[str, set[str]]
    """Directory -> the names in it that count."""
    files: dict[str, list[FollowedFile[Any]]]
    """Real path -> the files that it is."""


_Key = tuple[str, str | None, int]
_Owners = dict[Claim, str]
"""What a file has for itself -> its path."""
Kept = FollowedFile[Any]


class Catalogue:
    """The files of an agent."""

    def __init__(self, assignment: Assignment, pace: Pace) -> None:
        self._assignment = assignment
        self._pace = pace
        self._lists = {path: self._list(path) for path in assignment.index_lists}
        self._limits = {
            path: FollowedFile[Listed](path, read_table_list, pace)
            for path in assignment.table_lists
        }
        self._indexes: dict[str, FollowedFile[Entries]] = {}
        self._tables: dict[_Key, TableFile] = {}
        self._listings: dict[str, tuple[str, ...]] = {}
        self._unlisted: list[Trouble] = []
        self._turn = 0
        self._renamed = True
        """What is named is other than `_tables` has it."""
        self.version = 0
        """Counts how often other files were followed than before."""
        self._name_indexes()
        self.list_directories()

    def _list(self, path: str) -> FollowedFile[Listed]:
        return FollowedFile(path, partial(read_index_list, path), self._pace)

    # --- What there is ----------------------------------------------------------------------

    @property
    def tables(self) -> list[TableFile]:
        """Every table file there is a judgement on, in order, those left out by name excluded."""
        limit = self._limit()
        return [
            table
            for table in self._tables.values()
            if table.file.judged and _within(limit, table.tablename)
        ]

    @property
    def not_found(self) -> list[str]:
        """Of the tables that alone are wanted, those that no file is known to hold."""
        held = {(table.tablename or "").lower() for table in self.tables}
        return [name for name in self._assignment.tables if name.lower() not in held]

    @property
    def complete(self) -> bool:
        """Whether there is a judgement on everything that is named."""
        return all(file.judged for file in self._all_files())

    @property
    def nr_indexes(self) -> int:
        """How many index files are named."""
        return len(self._indexes)

    @property
    def look_at(self) -> float:
        """When a file is next to be looked at."""
        return min((file.look_at for file in self._all_files()), default=math.inf)

    def troubles(self) -> list[Trouble]:
        """The indexes, lists and directories with something wrong."""
        naming: list[FollowedFile[Any]] = [
            *self._lists.values(), *self._limits.values(), *self._indexes.values()
        ]  # fmt: skip
        return [*map(_trouble, filter(lambda file: file.flaw, naming)), *self._unlisted]

    def places(self) -> Places:
        """Where changes of all this can be heard of."""
        surveyor = Surveyor()
        names: dict[str, set[str]] = {}
        files: dict[str, list[FollowedFile[Any]]] = {}
        for file in self._all_files():
            where, marks = surveyor.landmarks(file.path)
            files.setdefault(os.path.join(*where), []).append(file)
            _add(names, marks)
        for path in self._assignment.directories:
            real, marks = surveyor.directory(path)
            _add(names, [*marks, (real, EVERY_CSV)] if os.path.isdir(real) else marks)
        return Places(names, files)

    def _all_files(self) -> Iterable[FollowedFile[Any]]:
        yield from self._lists.values()
        yield from self._limits.values()
        yield from self._indexes.values()
        for table in self._tables.values():
            yield table.file

    def _limit(self) -> set[str] | None:
        """The table names that are let through; None where all are."""
        if not self._assignment.tables and not self._limits:
            return None
        limit = {name.lower() for name in self._assignment.tables}
        for file in self._limits.values():
            limit.update(file.value or ())
        return limit

    # --- Keeping up -------------------------------------------------------------------------

    def look(self, now: float, hasty: bool = False) -> bool:
        """Judge what is due, but for large files; True where anything changed.

        `hasty` judges everything there is no judgement on, as it is.
        """
        changed = _look([*self._lists.values(), *self._limits.values()], now, hasty)
        if changed:
            self._name_indexes()
        changed |= _look(self._indexes.values(), now, hasty)
        if changed or self._renamed:
            self._name_tables()
            changed = True
        large = () if hasty else self._due_and_large(now)
        files = [table.file for table in self._tables.values() if table.file not in large]
        changed |= _look(files, now, hasty)
        if changed:
            self._drop_gone()
            self._settle_clashes()
        return changed

    def look_at_a_large_one(self, now: float) -> bool:
        """Judge one of the large files that are due, which may take seconds; True where that
        changed anything."""
        changed = _look(self._due_and_large(now)[:1], now, hasty=False)
        if changed:
            self._drop_gone()
            self._settle_clashes()
        return changed

    def _due_and_large(self, now: float) -> list[Kept]:
        due = (table.file for table in self._tables.values() if table.file.look_at <= now)
        return [file for file in due if file.large]

    def glance(self, now: float) -> None:
        """Look at every file from outside, and at what the directories hold."""
        self.list_directories()
        for file in self._all_files():
            file.glance(now)

    def compare_some(self, now: float) -> None:
        """Read some files though they look unchanged; all of them in `deep_turns` calls."""
        self._turn = (self._turn + 1) % self._pace.deep_turns
        for number, file in enumerate(self._all_files()):
            if number % self._pace.deep_turns == self._turn:
                file.reread(now)

    def forget(self) -> None:
        """Have everything read and judged anew."""
        for file in self._all_files():
            file.forget()

    def list_directories(self) -> None:
        """See which files the directories hold."""
        before, self._unlisted = self._unlisted, []
        for directory in self._assignment.directories:
            try:
                found = sorted(filter(_counts, os.listdir(directory)))
            except FileNotFoundError:
                self._unlisted.append(Trouble(directory, MISSING, "no such directory"))
                found = []
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                self._unlisted.append(Trouble(directory, BROKEN, reason))
                found = list(self._listings.get(directory, ()))
            self._list_as(directory, found)
        self._renamed |= before != self._unlisted

    def _list_as(self, directory: str, found: list[str]) -> None:
        """A name that is gone stays until its file is judged missing: it may be between a
        rename and the next."""
        before = self._listings.get(directory, ())
        gone = set(before) - set(found)
        kept = [name for name in gone if not self._is_missing(os.path.join(directory, name))]
        listed = tuple(sorted([*found, *kept]))
        self._renamed |= before != listed
        self._listings[directory] = listed

    def _is_missing(self, path: str) -> bool:
        table = self._tables.get((path, None, 0))
        return table is None or table.file.missing

    def _drop_gone(self) -> None:
        """Forget files of directories that are gone; an index goes on naming its own."""
        if any(table.given_name is None and table.file.missing for table in self._tables.values()):
            self.list_directories()
            self._name_tables()

    def _name_indexes(self) -> None:
        named = list(self._assignment.indexes)
        for file in self._lists.values():
            named += file.value or ()
        known = self._indexes
        self._indexes = {path: known.get(path) or self._index(path) for path in named}
        self._renamed = True

    def _index(self, path: str) -> FollowedFile[Entries]:
        return FollowedFile(path, partial(read_index, path), self._pace)

    def _name_tables(self) -> None:
        known = self._tables
        self._tables = {}
        self._renamed = False
        for path, tablename in self._named():
            nth = 0
            while (path, tablename, nth) in self._tables:
                nth += 1
            key = (path, tablename, nth)
            self._tables[key] = known.get(key) or self._table(*key)
        self.version += 1

    def _table(self, path: str, tablename: str | None, nth: int) -> TableFile:
        return TableFile(path, tablename, self._assignment.wrapping, self._pace, nth)

    def _named(self) -> Iterable[tuple[str, str | None]]:
        """Every file and the name its index gives it; a directory's file only if no index has
        it, and none of the indexes themselves."""
        limit = self._limit()
        place = Surveyor().place  # two paths with `..` or a link may lead to one
        taken = {place(path) for path in (*self._indexes, *self._lists, *self._limits)}
        for index in self._indexes.values():
            for entry in index.value or ():
                taken.add(place(entry.path))
                if _within(limit, entry.tablename):
                    yield entry.path, entry.tablename
        for directory, names in self._listings.items():
            for path in (os.path.join(directory, name) for name in names):
                if place(path) not in taken:
                    yield path, None

    def _settle_clashes(self) -> None:
        """Who has a table of an identity keeps it, else the first that could has it: a file that
        comes later takes it from nobody, one that is missing keeps it from nobody.

        At the start the order counts, not which file was judged before another.
        """
        owners: _Owners = {}
        for table in sorted(self.tables, key=lambda t: (not t.holds, t.file.value is None)):
            table.clash = self._clash(table, owners)
        if self.complete:
            for table in self.tables:
                table.held = None if table.parcel is None else table.parcel.claim

    def _clash(self, table: TableFile, owners: _Owners) -> str | None:
        name = table.tablename
        if name is None:
            return None
        if name.lower() in OWN_TABLES:
            return f"table {shown(name)} is the agent's own"
        value = table.file.value
        claim = value.claim if value else (name.lower(), self._assignment.wrapping.identity)
        owner = owners.setdefault(claim, table.path)
        if owner is table.path:
            return None
        return f"table {shown(name)} is published from {owner} already"


def _look(files: Iterable[Kept], now: float, hasty: bool) -> bool:
    changed = False
    for file in list(files):
        if file.look_at <= now or (hasty and not file.judged):
            changed |= file.look(now, hasty)
    return changed


def _within(limit: set[str] | None, tablename: str | None) -> bool:
    return limit is None or (tablename is not None and tablename.lower() in limit)


def _counts(name: str) -> bool:
    return name.endswith(SUFFIX) and not name.startswith(".")


def _add(names: dict[str, set[str]], marks: Iterable[tuple[str, str]]) -> None:
    for directory, name in marks:
        names.setdefault(directory, set()).add(name)


def _trouble(file: Kept) -> Trouble:
    assert file.flaw is not None
    state = MISSING if file.missing else BROKEN
    return Trouble(file.path, state, file.flaw.sentence, file.flaw.line, file.mtime)
