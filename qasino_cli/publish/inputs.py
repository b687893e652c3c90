"""Files, pipes and the output of commands -> publications, all read and checked before any goes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import msgspec

from qasino_cli.console import say, typed_in
from qasino_cli.errors import InputRejected, UsageFault
from qasino_cli.publish.rejects import Rejected
from qasino_cli.publish.running import as_typed, output_of
from qasino_cli.publish.wishes import Wishes
from qasino_cli.readers import STDIN, Reading, read_file, read_input, shown_path
from qasino_cli.readers.draft import Reject
from qasino_server.table import Publication


class Prepared(msgspec.Struct, frozen=True):
    """A table that is ready to be sent, and how it was read."""

    name: str
    """The input, as a sentence names it."""
    publication: Publication
    message: bytes
    reading: Reading | None = None
    """None where nothing was read: this host's own tables."""

    @property
    def nr_rejects(self) -> int:
        """Rows that were passed over."""
        return 0 if self.reading is None else len(self.reading.rejects)


class NothingLeft(InputRejected):
    """Every row of an input is bad; what was passed over until then is to be kept all the same."""

    def __init__(self, name: str, rejects: Sequence[Reject]) -> None:
        first = rejects[0]
        super().__init__(f"{name}:{first.line}: {first.reason}; no row is left to publish")
        self.rejected: list[Rejected] = [(name, rejects)]


Gather = Callable[[], list[Prepared]]
"""Reads everything there is to publish, as it is now. Raises InputRejected."""


def choose_paths(paths: Sequence[str], tablename: str | None, again: bool) -> Sequence[str]:
    """The files to read; standard input where none is named and nobody would have to type it.

    `again` is whether they will be read more than once. Raises UsageFault.
    """
    if not paths and typed_in():
        raise UsageFault("name a FILE to publish, or pipe one in; qasino publish --help has more")
    if len(paths) > 1 and tablename is not None:
        raise UsageFault(f"--table names one table, but {len(paths)} files are given")
    paths = paths or [STDIN]
    if list(paths).count(STDIN) > 1:
        raise UsageFault("standard input (-) can be read once")
    if again and STDIN in paths:
        raise UsageFault("standard input can be read once; name a FILE, or a command with --run")
    if STDIN in paths and sys.stdin is None:
        raise UsageFault("standard input is closed")
    return paths


def read_all(
    paths: Sequence[str], wishes: Wishes, read: Callable[[str], bytes] = read_file
) -> list[Prepared]:
    """Every file as it is to be sent. Raises InputRejected at the first bad one."""
    prepared: list[Prepared] = []
    for path in paths:
        try:
            prepared.append(_prepared(path, shown_path(path), read(path), wishes))
        except NothingLeft as error:
            error.rejected[:0] = rejected_of(prepared)
            raise
    return without_twins(prepared)


def _prepared(path: str, name: str, body: bytes, wishes: Wishes) -> Prepared:
    reading = read_input(path, body, wishes.wanted)
    if wishes.types and not reading.inferred:
        raise UsageFault(f"--types: {name} says its types itself; change them there")
    if reading.rejects and reading.publication.rows_json == "[]":
        raise NothingLeft(name, reading.rejects)
    return Prepared(name, *wishes.laid_over(name, reading.publication), reading)


def without_twins(prepared: list[Prepared]) -> list[Prepared]:
    """The same, once none of them would replace another. Raises InputRejected."""
    seen: dict[tuple[str, str | None], str] = {}
    for one in prepared:
        key = one.publication.claim
        if key in seen and not one.publication.update:
            raise InputRejected(_replacing(seen[key], one))
        seen[key] = one.name
    return prepared


def _replacing(first: str, second: Prepared) -> str:
    publication = second.publication
    table, others = f"static table {publication.tablename}", "names"
    if not publication.static:
        table = f"table {publication.tablename} of {publication.identity}"
        others = "names or identities"
    return (
        f"{first} and {second.name} both hold the {table}, and the second would replace the"
        f" first; put them together, or publish them under different {others}"
    )


def run_command(
    command: str, wishes: Wishes, limit_s: Callable[[], float | None]
) -> list[Prepared]:
    """What a shell command prints, as it is to be sent. Raises InputRejected.

    One that takes longer than the limit is ended, with all it has started. What it writes to
    stderr goes to ours.
    """
    name = f"the output of {as_typed(command)}"
    body = output_of(command, name, limit_s())
    try:
        return [_prepared(STDIN, name, body, wishes)]
    except NothingLeft:  # its sentence has the name already
        raise
    except InputRejected as error:
        reason = error.sentence.removeprefix(name).removeprefix(shown_path(STDIN))
        raise InputRejected(name + reason) from None


def mapping_lines(prepared: Sequence[Prepared]) -> list[str]:
    """Which headers got other names, and what else was done to each input."""
    lines = []
    for one in prepared:
        if one.reading is None:
            continue
        if one.reading.renamed:
            pairs = ", ".join(f"{r.header!r} -> {r.name}" for r in one.reading.renamed)
            lines.append(f"{one.name}: columns renamed: {pairs}")
        lines += [f"{one.name}: {note}" for note in one.reading.notes]
    return lines


def rejected_of(prepared: Sequence[Prepared]) -> list[Rejected]:
    """What was passed over of each input that was read."""
    return [(one.name, one.reading.rejects) for one in prepared if one.reading is not None]


def say_all(lines: Sequence[str]) -> None:
    """Each line on stderr."""
    for line in lines:
        say(line)
