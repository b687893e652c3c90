"""Files, pipes and the output of commands -> publications, all read and checked before any goes."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

import msgspec

from qasino_cli.console import say, typed_in
from qasino_cli.errors import InputRejected, UsageFault
from qasino_cli.process_group import end_group
from qasino_cli.publish.wishes import Wishes
from qasino_cli.readers import STDIN, Reading, read_file, read_input, shown_path
from qasino_cli.readers.draft import Reject, legible
from qasino_server.table import Publication

MAX_OUTPUT_BYTES = 1 << 30  # what a command may print: it is read whole, and more than once
MOST_SHOWN = 80
"""Characters of a command in a sentence."""
_CHUNK = 1 << 16
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT)


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


Rejected = tuple[str, Sequence[Reject]]
"""An input, as a sentence names it, and the rows of it that were passed over."""


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


# --- Commands ----------------------------------------------------------------------------------


def run_command(
    command: str, wishes: Wishes, limit_s: Callable[[], float | None]
) -> list[Prepared]:
    """What a shell command prints, as it is to be sent. Raises InputRejected.

    One that takes longer than the limit is ended, with all it has started. What it writes to
    stderr goes to ours.
    """
    name = f"the output of {_as_typed(command)}"
    body = _output(command, name, limit_s())
    try:
        return [_prepared(STDIN, name, body, wishes)]
    except NothingLeft:  # its sentence has the name already
        raise
    except InputRejected as error:
        reason = error.sentence.removeprefix(name).removeprefix(shown_path(STDIN))
        raise InputRejected(name + reason) from None


def _as_typed(command: str) -> str:
    """In quotes, on one line, cut where it is long; its own backslashes as they are."""
    text = command
    if not text.isprintable():
        from qasino_server.render import visible  # 15 ms, for what hardly any command holds

        text = visible(text)
    quote = '"' if "'" in text else "'"
    return f"{quote}{text if len(text) <= MOST_SHOWN else f'{text[:MOST_SHOWN]}...'}{quote}"


def _output(command: str, name: str, limit_s: float | None) -> bytes:
    with _started(command, name) as process:
        parts = []
        printed_bytes = 0
        for part in _parts(process, limit_s):
            if part is None:
                raise InputRejected(f"{name}: it took over {limit_s:g} s and was ended")
            parts.append(part)
            printed_bytes += len(part)
            if printed_bytes > MAX_OUTPUT_BYTES:
                raise InputRejected(f"{name}: it is over {MAX_OUTPUT_BYTES >> 30} GiB")
        code = process.wait()
    if code:
        ended = f"ended with {code}" if code > 0 else f"was killed by signal {-code}"
        raise InputRejected(f"{name}: the command {ended}")
    return b"".join(parts)


@contextlib.contextmanager
def _started(command: str, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command in a process group of its own, none of which outlives a failure here, as far as
    it is ours to end. Raises InputRejected where the system has no room for it now."""
    with _outlived_by_none() as running:
        try:
            process = subprocess.Popen(
                command,
                shell=True,
                stdout=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise InputRejected(f"{name}: the command cannot run: {error.strerror}") from None
        try:
            running(process)
            yield process
        except BaseException:
            end_group(process)
            raise
        finally:
            assert process.stdout is not None
            process.stdout.close()


@contextlib.contextmanager
def _outlived_by_none() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Where a signal would end us without a word, end the command first; gives what is to be
    called with it once it runs. A signal that came before is heeded then: what it raises would
    have been raised where nobody knew of the command yet.

    It has a session of its own, so nobody else sends it what a closed terminal sends.
    """
    processes: list[subprocess.Popen[bytes]] = []
    early: list[int] = []
    hows = {int(number): signal.getsignal(number) for number in _ENDING}
    heeded = {number: how for number, how in hows.items() if how not in (signal.SIG_IGN, None)}

    def heed(number: int, frame: FrameType | None = None) -> None:
        how = heeded[number]
        if not processes:
            early.append(number)
        elif callable(how):
            how(number, frame)
        else:
            end_group(processes[0])
            signal.signal(number, how)
            os.kill(os.getpid(), number)

    def running(process: subprocess.Popen[bytes]) -> None:
        processes.append(process)
        if early:
            heed(early[0])

    for number in heeded:
        signal.signal(number, heed)
    try:
        yield running
    finally:
        for number, how in heeded.items():
            if signal.getsignal(number) is heed:  # what it was for has not changed that meanwhile
                signal.signal(number, how)
        if early and not processes:
            os.kill(os.getpid(), early[0])


def _parts(process: subprocess.Popen[bytes], limit_s: float | None) -> Iterator[bytes | None]:
    """What the process prints, until it has ended; None where that is not within the limit."""
    assert process.stdout is not None
    ends = None if limit_s is None else time.monotonic() + limit_s
    poller = select.poll()
    poller.register(process.stdout, select.POLLIN)
    while poller.poll(None if ends is None else max(0.0, ends - time.monotonic()) * 1000):
        part = os.read(process.stdout.fileno(), _CHUNK)
        if part:
            yield part
            continue
        try:  # it may live on with its stdout closed
            process.wait(None if ends is None else max(0.0, ends - time.monotonic()))
            return
        except subprocess.TimeoutExpired:
            break
    yield None


# --- What is told ------------------------------------------------------------------------------


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


def check_rejects_path(path: Path, inputs: Sequence[str]) -> None:
    """Raise UsageFault where writing the rejects would destroy an input."""
    for given in inputs:
        with contextlib.suppress(OSError):
            there = os.fstat(sys.stdin.fileno()) if given == STDIN else os.stat(given)
            if not stat.S_ISCHR(there.st_mode) and os.path.samestat(os.stat(path), there):
                raise UsageFault(f"--rejects: {path} is an input; name another file")


def rejected_of(prepared: Sequence[Prepared]) -> list[Rejected]:
    """What was passed over of each input that was read."""
    return [(one.name, one.reading.rejects) for one in prepared if one.reading is not None]


def write_rejects(path: Path, rejected: Sequence[Rejected]) -> None:
    """Write the rows that were passed over, as CSV, or NDJSON by the name of the file.

    Raises UsageFault.
    """
    rows = [
        (legible(name), reject.line, reject.column, reject.reason, reject.raw)
        for name, rejects in rejected
        for reject in rejects
    ]
    write = _write_ndjson if path.suffix.lower() in (".ndjson", ".jsonl") else _write_csv
    try:
        write(path, rows)
    except OSError as error:
        raise UsageFault(f"--rejects: {path}: {error.strerror}") from None


_Row = tuple[str, int, int | None, str, str]
_KEYS = ("file", "line", "column", "reason", "raw")


def _write_csv(path: Path, rows: Sequence[_Row]) -> None:
    import csv

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_KEYS)
        writer.writerows(rows)


def _write_ndjson(path: Path, rows: Sequence[_Row]) -> None:
    lines = [msgspec.json.encode(dict(zip(_KEYS, row, strict=True))) for row in rows]
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def say_all(lines: Sequence[str]) -> None:
    """Each line on stderr."""
    for line in lines:
        say(line)
