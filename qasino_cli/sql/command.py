"""The command `qasino sql`: its options, and where the statements come from."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from qasino_cli import options
from qasino_cli.config import load_config
from qasino_cli.connection import Connection
from qasino_cli.console import ExitCode, on_terminal, typed_in
from qasino_cli.ending import tidy_when_ended
from qasino_cli.errors import UsageFault
from qasino_cli.sql.batch import Batch, Commander
from qasino_cli.sql.present import FORMATS, choose_format
from qasino_cli.sql.screen import Screen
from qasino_cli.sql.scripts import given_scripts, piped_entries
from qasino_cli.sql.session import Session


@options.connected
def sql(
    *,
    statements: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SQL...]", help="Statements, as -q gives them."),
    ] = None,
    query: Annotated[
        list[str] | None,
        typer.Option("-q", "-c", "--query", metavar="SQL", help="A statement; may be repeated."),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(
            "-f",
            "--file",
            metavar="FILE",
            help="A file of statements, run after those of -q; - is stdin.",
        ),
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
    no_header: Annotated[
        bool, typer.Option("--no-header", help="csv and tsv without the line of names.")
    ] = False,
    null: Annotated[
        str | None,
        typer.Option(
            "--null",
            metavar="TEXT",
            help=r"What NULL is in csv and tsv. [default: nothing in csv, \N in tsv]",
            show_default=False,
        ),
    ] = None,
    fail_empty: Annotated[
        bool, typer.Option("--fail-empty", help="Exit with 5 where a query has no rows.")
    ] = False,
    identity: Annotated[
        str | None, typer.Option("-I", "--identity", metavar="IDENTITY", hidden=True)
    ] = None,
    connection: Connection,
) -> ExitCode:
    """Ask a server in SQL: statements given here, from a file or a pipe, or at a prompt.

    stdout gets the answers and nothing else. SHOW tables, SHOW info, SHOW queries and
    DESC TABLE show what there is; SET use_write_db = true asks the generation being
    collected instead of the last finished one. \\? lists the commands of the prompt, which
    work in files and pipes as well.

    \b
    Examples:
      qasino sql -q "show tables"
      qasino sql -s http://localhost:15597 -q "select * from mounts" --format csv > mounts.csv
      echo "select count(*) from processes;" | qasino sql
    """
    config = load_config()
    for_eyes = on_terminal() and null is None and not no_header
    chosen = choose_format(form, os.environ.get("QASINO_FORMAT"), for_eyes, config.format)
    null = None if null is None else options.in_utf8("--null", null)
    queries = [options.in_utf8("-q", text) for text in (*(query or []), *(statements or []))]
    if sys.stdin is None and not (queries or file):
        raise UsageFault("standard input is closed; give statements by -q or -f")
    given = given_scripts(queries, file or [])
    prompting = not given and typed_in()
    screen = Screen(config, chosen, not no_header, null, prompting)
    tidy_when_ended()
    with Session(connection) as session:
        if prompting:
            from qasino_cli.sql.repl import converse

            return converse(session, config, screen)
        batch = Batch(session, screen, _commander, keep_going, fail_empty, piped=not given)
        return batch.run(given or [piped_entries()])


def _commander(batch: Batch) -> Commander:
    from qasino_cli.sql.repl import Script  # 30 ms, for scripts with commands

    return Script(batch)
