"""Files, pipes and the output of commands -> publications, all read and checked before any goes."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from qasino_cli.console import say, typed_in
from qasino_cli.errors import InputRejected, UsageFault
from qasino_cli.publish.wishes import Wishes
from qasino_cli.readers import STDIN, Reading, read_file, read_input, shown_path
from qasino_server.table import Publication, shown


class Prepared(msgspec.Struct, frozen=True):
    """A table that is ready to be sent, and how it was read."""

    name: str
    """The input, as a sentence names it."""
    publication: Publication
    reading: Reading | None = None
    """None where nothing was read: this host's own tables."""

    @property
    def nr_rejects(self) -> int:
        """Rows that were passed over."""
        return 0 if self.reading is None else len(self.reading.rejects)


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
    return paths


def read_all(
    paths: Sequence[str], wishes: Wishes, read: Callable[[str], bytes] = read_file
) -> list[Prepared]:
    """Every file as it is to be sent. Raises InputRejected at the first bad one."""
    return without_twins([_prepared(path, shown_path(path), read(path), wishes) for path in paths])


def _prepared(path: str, name: str, body: bytes, wishes: Wishes) -> Prepared:
    reading = read_input(path, body, wishes.wanted)
    return Prepared(name, wishes.laid_over(name, reading.publication), reading)


def without_twins(prepared: list[Prepared]) -> list[Prepared]:
    """The same, once no two are one table of one identity: the second would replace the first."""
    seen: dict[tuple[str, str], str] = {}
    for one in prepared:
        publication = one.publication
        other = seen.setdefault((publication.table_key, publication.identity), one.name)
        if other != one.name and not publication.update:
            raise InputRejected(
                f"{other} and {one.name} both hold the table {publication.tablename} of"
                f" {publication.identity}, and the second would replace the first; put them"
                " together, or publish them under different names or identities"
            )
    return prepared


def run_command(command: str, wishes: Wishes, timeout_s: float | None) -> list[Prepared]:
    """What a shell command prints, as it is to be sent. Raises InputRejected.

    One that takes longer than `timeout_s` is ended, with all it has started.
    """
    name = f"the output of {shown(command)}"
    with subprocess.Popen(
        command,
        shell=True,
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            body, _ = process.communicate(timeout=timeout_s)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise InputRejected(f"{name}: it took over {timeout_s:g} s and was ended") from None
            raise
    if process.returncode:
        raise InputRejected(f"{name}: the command ended with {process.returncode}")
    return [_prepared(STDIN, name, body, wishes)]


def say_mapping(prepared: Sequence[Prepared]) -> None:
    """Tell which headers got other names."""
    for one in prepared:
        if one.reading is not None and one.reading.renamed:
            pairs = ", ".join(f"{r.header!r} -> {r.name}" for r in one.reading.renamed)
            say(f"{one.name}: columns renamed: {pairs}")


def write_rejects(path: Path, prepared: Sequence[Prepared]) -> None:
    """Write the rows that were passed over as CSV. Raises UsageFault."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["file", "line", "column", "reason", "raw"])
            for one in prepared:
                for reject in one.reading.rejects if one.reading else ():
                    place = [one.name, reject.line, reject.column]
                    writer.writerow([*place, reject.reason, reject.raw])
    except OSError as error:
        raise UsageFault(f"--rejects: {path}: {error.strerror}") from None
