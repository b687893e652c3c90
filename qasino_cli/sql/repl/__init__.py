"""`qasino sql` with a person at the keyboard."""

from __future__ import annotations

import contextlib
import io
import sys
from typing import TYPE_CHECKING

from qasino_cli import terminal
from qasino_cli.config import Config
from qasino_cli.console import ExitCode, on_terminal, say
from qasino_cli.ending import Ended
from qasino_cli.sql.entries import is_complete
from qasino_cli.sql.repl.commands import find_command
from qasino_cli.sql.repl.live import Live
from qasino_cli.sql.repl.script import Script
from qasino_cli.sql.repl.shell import CONTINUED, PROMPT, Shell
from qasino_cli.sql.screen import Screen
from qasino_cli.sql.session import Session

if TYPE_CHECKING:
    from qasino_cli.sql.repl.prompt import Prompt

__all__ = ["Script", "converse"]


def converse(session: Session, config: Config, screen: Screen) -> ExitCode:
    """Run what is typed until quit, exit or Ctrl-D."""
    prompts: list[Prompt] = []
    live = Live(session.connection, lambda offers: prompts[0].news(offers) if prompts else None)
    shell = Shell(session, screen, live, find_command)
    plain = terminal.dumb() or not (on_terminal() or terminal.watched(sys.stderr))
    live.start()
    try:
        with contextlib.nullcontext() if plain else terminal.unechoed():
            say(f"qasino at {session.connection.url}; \\? for help")
            if not plain:
                from qasino_cli.sql.repl.prompt import Prompt  # prompt_toolkit takes 100 ms

                prompts.append(Prompt(shell, config))
        return _at_prompt(shell, prompts[0]) if prompts else _plainly(shell)
    finally:
        live.stop()
        if (trouble := screen.outlet.close()) is not None:
            say(f"\\o: {trouble}")


def _at_prompt(shell: Shell, prompt: Prompt) -> ExitCode:
    while True:
        try:
            text = prompt.read()
            if text.strip() and not shell.type(text):
                return ExitCode.OK
        except EOFError:
            return ExitCode.OK
        except Ended:
            raise
        except KeyboardInterrupt:
            say("")  # just before the prompt, or just behind it; either way that begins a line


def _plainly(shell: Shell) -> ExitCode:
    """Line by line, for a terminal that can do nothing else."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # the shell says what is no UTF-8
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - its import gives input() a line to edit and a history
    typed = ""
    while True:
        try:
            typed += _line(CONTINUED if typed else PROMPT) + "\n"
        except EOFError:
            say("")
            return ExitCode.OK
        except Ended:
            raise
        except KeyboardInterrupt:
            say("")
            typed = ""
            continue
        if is_complete(typed):
            text, typed = typed, ""
            if not shell.type(text):
                return ExitCode.OK
            typed = _resumed(shell)


def _resumed(shell: Shell) -> str:
    """What stands at the prompt again: shown, since nobody can edit it here."""
    begun = shell.take_next()
    if begun:
        say(begun)
    return begun and begun + "\n"


def _line(prompt: str) -> str:
    """One line from the keyboard; the prompt never gets among redirected results."""
    if on_terminal():
        return input(prompt)
    print(prompt, end="", file=sys.stderr, flush=True)
    return input()
