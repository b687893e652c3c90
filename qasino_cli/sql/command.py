"""The command `qasino sql`: its options, and where the statements come from."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from qasino_cli import options
from qasino_cli.connection import Connection
from qasino_cli.console import ExitCode, on_terminal, typed_in
from qasino_cli.errors import InputRejected, UsageFault
from qasino_cli.readers import read_file, shown_path
from qasino_cli.sql.present import FORMATS, choose_format
from qasino_cli.sql.session import Session
from qasino_cli.sql.statements import split_all
from qasino_server.statement import split


@options.connected
def sql(
    connection: Connection,
    query: Annotated[
        list[str] | None,
        typer.Option("-q", "--query", metavar="SQL", help="A statement; may be repeated."),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option("-f", "--file", metavar="FILE", help="A file of statements; - is stdin."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help=f"One of {', '.join(FORMATS)}. [env: QASINO_FORMAT] [default: table on a"
            " terminal, else tsv]",
            show_default=False,
        ),
    ] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Go on after a statement that failed.")
    ] = False,
    identity: Annotated[
        str | None, typer.Option("-I", "--identity", metavar="IDENTITY", hidden=True)
    ] = None,
) -> ExitCode:
    """Ask a server in SQL: what -q says, statements from a file or a pipe, or a prompt.

    stdout gets the answers and nothing else. SHOW tables, SHOW info, SHOW queries and
    DESC TABLE show what there is; SET use_write_db = true asks the generation being
    collected instead of the last finished one.

    \b
    Examples:
      qasino sql -q "show tables"
      qasino sql -s http://stats:15597 -q "select * from mounts" --format csv > mounts.csv
      echo "select count(*) from processes;" | qasino sql
    """
    form = choose_format(form, os.environ.get("QASINO_FORMAT"), on_terminal())
    given = given_statements(query or [], file or [])
    with Session(connection, form) as session:
        if given:
            return session.run_all(given, keep_going)
        if not typed_in():
            return session.run_all(piped_statements(), keep_going)
        return _converse(session)


def _converse(session: Session) -> ExitCode:
    from qasino_cli.sql.prompt import converse

    return converse(session)


def given_statements(queries: Sequence[str], files: Sequence[str]) -> list[str]:
    """The statements of -q and -f, in this order. Raises UsageFault where they hold none."""
    texts = [*queries, *(_read_text(path) for path in files)]
    statements = [statement for text in texts for statement in split_all(text)]
    if texts and not statements:
        raise UsageFault("there is no statement in what -q and -f give")
    return statements


def _read_text(path: str) -> str:
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
