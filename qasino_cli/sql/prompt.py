"""Statements typed at a prompt, one line after the other."""

from __future__ import annotations

import contextlib
import sys

from qasino_cli.console import ExitCode, on_terminal, say
from qasino_cli.errors import ServerRefused
from qasino_cli.sql.session import Session, error_text
from qasino_cli.sql.statements import Leave, own_command
from qasino_server.errors import QasinoError, SqlError
from qasino_server.statement import split

with contextlib.suppress(ImportError):
    import readline  # noqa: F401 - its import gives input() a line to edit and a history

PROMPT = "qasino> "
CONTINUED = "     > "


def converse(session: Session) -> ExitCode:
    """Run what is typed until quit;, exit; or Ctrl-D. Ctrl-C drops the line or the query."""
    typed = ""
    while True:
        try:
            typed += _line(CONTINUED if typed else PROMPT) + "\n"
        except EOFError:
            say("")
            return ExitCode.OK
        except KeyboardInterrupt:
            say("")
            typed = ""
            continue
        statements, typed = split(typed)
        if not _run(session, statements) or _leaves(typed):
            return ExitCode.OK


def _line(prompt: str) -> str:
    """One line from the keyboard; the prompt never gets among redirected results."""
    if on_terminal():
        return input(prompt)
    print(prompt, end="", file=sys.stderr, flush=True)
    return input()


def _leaves(typed: str) -> bool:
    """Whether somebody wants out who forgot the `;`."""
    try:
        return isinstance(own_command(typed), Leave)
    except SqlError:
        return False  # an unfinished SET


def _run(session: Session, statements: list[str]) -> bool:
    """Run them up to the first error; False where one says to leave."""
    for statement in statements:
        try:
            if not session.run(statement):
                return False
        except (ServerRefused, SqlError) as error:
            say(error_text(statement, error))
            break
        except QasinoError as error:
            say(error.sentence)
            break
        except KeyboardInterrupt:
            break
    return True
