"""The log of an agent: a line where something changed, none where it goes on as it was."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Sequence

import msgspec

from qasino_cli.console import counted
from qasino_cli.csvagent.report import FileRow
from qasino_cli.csvagent.table_file import OK, REFUSED, STALE, UNANSWERED

log = logging.getLogger("qasino.csvagent")

MANY = 5  # files with the same news share a line from here on
_NUMBER = re.compile(r"\d+")


class Journal:
    """Remembers what was said of each file."""

    def __init__(self) -> None:
        self._said: dict[_Subject, _News] = {}

    def note(self, rows: Sequence[FileRow]) -> None:
        """Say what is other than last time."""
        before, self._said = self._said, {_subject(row): _news(row) for row in rows}
        changed = defaultdict(list)
        for row in rows:
            if before.get(_subject(row), (OK, None)) != _news(row):
                changed[_news(row)].append(row)
        for (state, error), group in changed.items():
            _say(state, error, group)
        for gone in before.keys() - self._said.keys():
            if any(gone.path == row.path for row in rows):
                continue
            if gone.names_files:
                log.info("%s: no longer %s", gone.path, before[gone][0])
            else:
                log.info("%s: not followed any more", gone.path)


class _Subject(msgspec.Struct, frozen=True):
    """What stays the same of a row: not the table that a file names, which may be unknown yet."""

    path: str
    given_table: str | None
    nth: int
    names_files: bool


_News = tuple[str, str | None]
"""The state and the sentence to it."""


def _subject(row: FileRow) -> _Subject:
    return _Subject(row.path, row.given_table, row.nth, row.names_files)


def _news(row: FileRow) -> _News:
    # That of a stale file counts seconds, a refusal the rows of a full generation, and
    # another the bytes of a message; that alone is no news.
    counting = row.error is not None and row.state in (STALE, REFUSED, UNANSWERED)
    return row.state, _NUMBER.sub("0", row.error or "") if counting else row.error


def _say(state: str, error: str | None, group: Sequence[FileRow]) -> None:
    level = logging.INFO if state == OK else logging.WARNING
    if len(group) >= MANY:
        files = counted(len(group), "file")
        log.log(level, "%s, %s first: %s%s", files, group[0].path, state, _because(group[0]))
        return
    for row in group:
        log.log(level, "%s: %s%s", row.place, state, _because(row))


def _because(row: FileRow) -> str:
    return f": {row.error}" if row.error else ""
