"""The typer application: which commands there are, each imported when it is asked for.

A command's room is imported only to run it or to show its help, since what one of them needs
(httpx, rich, the server) takes longer to import than another takes to run.
"""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from qasino_cli.console import ExitCode, closed, finish, unwritten
from qasino_server.errors import QasinoError

SETTINGS: dict[str, Any] = {
    # rich's help would cost 60 ms at every start that shows help, and 0 ms elsewhere.
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "add_completion": False,
}


class _Room(NamedTuple):
    module: str
    function: str
    help: str


ROOMS = {
    "server": _Room("qasino_cli.server", "server", "Run a server; --demo shows this machine."),
    "sql": _Room("qasino_cli.sql.command", "sql", "Ask a server in SQL."),
    "publish": _Room(
        "qasino_cli.publish.command", "publish", "Publish tables from files or a pipe."
    ),
    "watch": _Room("qasino_cli.watch.command", "watch", "Watch a query, live; or wait for it."),
    "csvagent": _Room(
        "qasino_cli.csvagent.command", "csvagent", "Publish CSV files in every generation."
    ),
    "keys": _Room("qasino_cli.keys", "keys", "Make CURVE keys for ZeroMQ."),
}


@contextmanager
def _shown() -> Iterator[None]:
    """Raise OSError where typer ends after help or a version that was to go to a closed stdout:
    it writes nothing then and says nothing."""
    try:
        yield
    except typer.Exit:
        if sys.stdout is None:
            raise closed() from None
        raise


class _Rooms(TyperGroup):
    """A group whose commands are imported one at a time, and ended by `console.finish`."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Read what stands before the command. Ends in SystemExit where help cannot be written:
        of a pipe that nobody reads typer would make an exit code of its own."""
        try:
            with _shown():
                return super().make_context(*args, **extra)
        except OSError as error:
            sys.exit(unwritten(error))

    def list_commands(self, ctx: Any) -> list[str]:
        return list(ROOMS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        room = ROOMS.get(cmd_name)
        return None if room is None else _load(cmd_name, room)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] == "help":  # as git and docker have it
            if not args[1:]:
                typer.echo(ctx.get_help())
                raise typer.Exit
            args = [*args[1:], "--help"]
        self.commands.update(dict.fromkeys(ROOMS, TyperCommand("?")))  # for "did you mean"
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, room.help) for name, room in ROOMS.items()])

    def invoke(self, ctx: Any) -> Any:
        """Parse and run the command, and exit with what `finish` makes of its end."""
        with _shown():
            code = finish(lambda: _code(super(_Rooms, self).invoke(ctx)))
        gc.freeze()  # nor is there anything to gain from what was imported since
        sys.exit(code)


class _Command(TyperCommand):
    """A command of which what the system refuses is not taken for a stdout that takes no more."""

    def invoke(self, ctx: Any) -> Any:
        """Run it. Raises what it raises, an OSError as a QasinoError."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except OSError as error:
            where = "" if error.filename is None else f"{error.filename}: "
            raise QasinoError(f"{where}{error.strerror or error}") from error


def _code(returned: Any) -> ExitCode | None:
    return returned if isinstance(returned, ExitCode) else None


def _load(name: str, room: _Room) -> Any:
    try:
        function = getattr(importlib.import_module(room.module), room.function)
    finally:
        gc.freeze()  # see `main`
        gc.enable()
    single = typer.Typer(**SETTINGS)
    single.command(name, cls=_Command)(function)
    return typer.main.get_command(single)


app = typer.Typer(
    cls=_Rooms,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},  # every command's, too
    **SETTINGS,
)


@app.callback()
def qasino(
    version: bool = typer.Option(False, "-V", "--version", help="Show the version and exit."),
) -> None:
    """Ask what is going on on your machines, right now, in SQL.

    \b
    Examples:
      qasino server --demo
      qasino publish mytable.csv
      qasino sql -q "show tables"

    Exit codes: 0 ok, 1 refused by the server, 2 usage, 3 server not reached in time,
    4 input rejected, 5 condition of watch not met, or no rows where --fail-empty, 130 interrupted.
    """
    if version:
        from qasino_cli import __version__

        typer.echo(f"qasino {__version__}")
        raise typer.Exit


def run() -> None:
    """Run the command line; ends in SystemExit."""
    try:
        app(prog_name="qasino")
    except OSError as error:  # of help and usage; what the rooms write is `console.write`'s
        sys.exit(unwritten(error))
