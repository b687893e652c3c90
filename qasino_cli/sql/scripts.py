"""Statements that stand in options, in files and in pipes. Nothing is run here."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from qasino_cli.errors import InputRejected, UsageFault
from qasino_cli.pipes import lines_of
from qasino_cli.sql.script_reader import ScriptReader
from qasino_cli.sql.statements import Entry, Place

STDIN = "<stdin>"
"""Standard input, as psql names it in front of an error."""


def given_scripts(queries: Sequence[str], files: Sequence[str]) -> list[list[Entry]]:
    """What each -q and -f says to do, in this order. Raises UsageFault where that is nothing."""
    scripts = [entries_of(text) for text in queries]
    scripts += [entries_of(read_text(path), STDIN if path == "-" else path) for path in files]
    if scripts and not any(scripts):
        raise UsageFault("there is no statement in what -q and -f give")
    return scripts


def entries_of(text: str, name: str = "") -> list[Entry]:
    """Everything in a text; `name` is the file's, for the places of what stands in it."""
    reader = ScriptReader(name)
    return [*reader.feed(text), *reader.end()]


def read_text(path: str) -> str:
    """A file of statements. Raises InputRejected."""
    from qasino_cli.readers import read_file  # 10 ms, for -f alone

    return _decoded(Place(STDIN if path == "-" else path, 1), read_file(path))


def _decoded(begins: Place, body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = begins.below(body.count(b"\n", 0, error.start))
        raise InputRejected(f"{where} byte 0x{body[error.start]:02x} is not UTF-8") from None


def piped_entries() -> Iterator[Entry]:
    """What standard input says to do, each as soon as its end has come."""
    reader = ScriptReader(STDIN)
    for number, line in enumerate(lines_of(sys.stdin.fileno()), start=1):
        yield from reader.feed(_decoded(Place(STDIN, number), line))
    yield from reader.end()
