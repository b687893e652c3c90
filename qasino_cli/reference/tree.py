"""The command tree as values: what completions and man pages are made of."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from typer.main import get_command

from qasino_cli.commands import ROOMS, app
from qasino_cli.server_options import OPTIONS

PROGRAM = "qasino"
_TABLES = {("publish", "--table"), ("publish", "--drop"), ("csvagent", "--table")}
_CHOICE = re.compile(r"One of ((?:[\w-]+, )+[\w-]+)[.:]?")
_OF_THEM = re.compile(r"Of them: ((?:[\w-]+, )+[\w-]+)\.")
_ENV = re.compile(r"\s*\[env: (\w+)\]")


class Option(msgspec.Struct, frozen=True):
    """One option of a command."""

    flags: tuple[str, ...]
    metavar: str
    """What follows it; '' for an option that stands alone."""
    help: str
    repeats: bool
    completes: str
    """files, directories, tables, servers, choices, list (of choices, commas between), words or ''
    for nothing."""
    choices: tuple[str, ...] = ()
    variable: str | None = None
    """The environment variable that says the same."""


HELP = Option(("-h", "--help"), "", "Show the help and exit.", False, "")


class Command(msgspec.Struct, frozen=True):
    """One command."""

    name: str
    help: str
    """One line."""
    examples: str
    """What --help shows, as it is typed."""
    options: tuple[Option, ...]
    argument: str
    """How its argument is written; '' for none."""
    takes_files: bool


def commands() -> list[Command]:
    """Every command, in the order of --help."""
    group = get_command(app)
    context = group.make_context(PROGRAM, [], resilient_parsing=True)
    return [_command(name, group.get_command(context, name)) for name in ROOMS]  # type: ignore[attr-defined]  # a group


def own_options() -> tuple[Option, ...]:
    """The options that stand before a command."""
    return (*(_option(PROGRAM, found) for found in get_command(app).params), HELP)


def _command(name: str, found: Any) -> Command:
    shown = [p for p in found.params if not getattr(p, "hidden", False)]
    arguments = [p for p in shown if p.param_type_name == "argument"]
    options = [_option(name, p) for p in shown if p.param_type_name == "option"]
    argument = " ".join(str(p.metavar or p.name.upper()) for p in arguments)
    return Command(
        name=name,
        help=ROOMS[name].help,
        examples=_examples(found.help),
        options=(*options, HELP),
        argument=argument,
        takes_files="FILE" in argument or name == "keys",  # which are to be made there
    )


def _examples(help: str) -> str:
    lines = help.partition("Examples:\n")[2].rstrip().split("\n")
    return "\n".join(line.removeprefix("  ") for line in lines)


def _option(command: str, found: Any) -> Option:
    flags = (*found.opts, *found.secondary_opts)
    alone = bool(found.is_flag)
    help = " ".join((found.help or "").split())
    variable = _ENV.search(help)
    metavar = "" if alone else str(found.metavar or found.name.upper())
    choices = _choices(metavar, help)
    return Option(
        flags=flags,
        metavar=metavar,
        help=help,
        repeats=bool(found.multiple),
        completes="" if alone else _completes(command, flags, metavar, choices),
        choices=choices,
        variable=_variable(command, found.name) or (variable[1] if variable else None),
    )


def _choices(metavar: str, help: str) -> tuple[str, ...]:
    """`abort|skip`, or what the help lists after "One of"."""
    if "|" in metavar and metavar.replace("|", "").replace("-", "").isalpha():
        return tuple(metavar.split("|"))
    listed = _CHOICE.search(help) or _OF_THEM.search(help)
    if listed is None and ": " in help:
        listed = re.search(r": ((?:[a-z]+, ){2,}[a-z]+)\.", help)
    return tuple(listed[1].split(", ")) if listed else ()


def _completes(command: str, flags: tuple[str, ...], metavar: str, choices: tuple[str, ...]) -> str:
    if choices:
        return "list" if "," in metavar else "choices"
    if any((command, flag) in _TABLES for flag in flags):
        return "tables"
    if "--server" in flags:
        return "servers"
    return {"DIR": "directories", "FILE": "files"}.get(metavar, "words")


def _variable(command: str, parameter: str) -> str | None:
    """The server's options are environment variables, but for those that are typed alone."""
    named = OPTIONS if command == "server" else ()
    return next((option.variable for option in named if option.parameter == parameter), None)
