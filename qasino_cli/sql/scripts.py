"""Statements that stand in options, in files and in pipes. Nothing is run here."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from qasino_cli.errors import InputRejected, UsageFault
from qasino_cli.sql.statements import split_all
from qasino_server.statement import split


def given_statements(queries: Sequence[str], files: Sequence[str]) -> list[str]:
    """The statements of -q and -f, in this order. Raises UsageFault where they hold none."""
    texts = [*queries, *(read_text(path) for path in files)]
    statements = [statement for text in texts for statement in split_all(text)]
    if texts and not statements:
        raise UsageFault("there is no statement in what -q and -f give")
    return statements


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


def piped_statements() -> Iterator[str]:
    """Statements from standard input, each as soon as its `;` has come."""
    typed = ""
    for line in sys.stdin.buffer:
        typed += _decoded("standard input", line)
        if ";" in line.decode(errors="replace"):
            statements, typed = split(typed)
            yield from statements
    yield from split_all(typed)
