"""Statements that stand in options, in files and in pipes. Nothing is run here."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from qasino_cli.errors import InputRejected, UsageFault
from qasino_cli.sql.statements import Entry
from qasino_server.statement import Splitter, split


def given_entries(queries: Sequence[str], files: Sequence[str]) -> list[Entry]:
    """What -q and -f say to do, in this order. Raises UsageFault where that is nothing."""
    texts = [*queries, *(read_text(path) for path in files)]
    entries = [entry for text in texts for entry in entries_of(text)]
    if texts and not entries:
        raise UsageFault("there is no statement in what -q and -f give")
    return entries


def entries_of(text: str) -> list[Entry]:
    """Everything in a text; its last statement needs no `;`."""
    entries, rest = _read(text)
    return [*entries, Entry("statement", rest.strip())] if rest else entries


def _read(text: str) -> tuple[list[Entry], str]:
    """What is complete, and what follows it; '' where that says nothing."""
    if "\\" not in text:
        statements, rest = split(text)
        return list(map(_as_entry, statements)), rest
    from qasino_cli.sql.entries import read_script  # 5 ms, for scripts with commands

    return read_script(text)


def read_text(path: str) -> str:
    """A file of statements. Raises InputRejected."""
    from qasino_cli.readers import read_file, shown_path  # 10 ms, for -f alone

    return _decoded(shown_path(path), read_file(path))


def _decoded(name: str, body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise InputRejected(
            f"{name}: line {line}: byte 0x{body[error.start]:02x} is not UTF-8"
        ) from None


def piped_entries() -> Iterator[Entry]:
    """What standard input says to do, each as soon as its end has come."""
    splitter, script, held = Splitter(), None, ""
    for line in sys.stdin.buffer:
        held += _decoded("standard input", line)
        if script is None and b"\\" in line:
            from qasino_cli.sql.entries import ScriptReader  # 5 ms, for scripts with commands

            script, held = ScriptReader(), splitter.begun + held
        if script is not None:
            yield from script.feed(held)
            held = ""
        elif b";" in line:
            yield from map(_as_entry, splitter.feed(held))
            held = ""
    begun = splitter.begun if script is None else script.pending + script.rest
    yield from entries_of(begun + held)


def _as_entry(statement: str) -> Entry:
    return Entry("statement", statement)
