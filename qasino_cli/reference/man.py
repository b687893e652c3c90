"""The command tree and what is written by hand -> man pages, in man(7).

By hand: DESCRIPTION, EXIT STATUS, FILES, SEE ALSO, in `pages/`, one file a page, as man(7) itself.
From the tree: NAME, SYNOPSIS, OPTIONS, ENVIRONMENT, and the EXAMPLES of a command.
"""

from __future__ import annotations

import re
from pathlib import Path

from qasino_cli import __version__
from qasino_cli.reference.tree import PROGRAM, Command, Option, own_options

PAGES = Path(__file__).parent / "pages"
WRITTEN = "2026-11-24"  # goes with the version: a page made again is to be the same
_OTHERWISE = {
    "QASINO_TOKEN": "The token itself, where \\fB\\-\\-token\\-file\\fR names a file that has it.",
}
"""Variables that say something else than their option."""
ABOUT = "ask what is going on on your machines, right now, in SQL"


def main_page(tree: list[Command]) -> str:
    """qasino(1)."""
    listed = "\n".join(
        f".TP\n.BR {PROGRAM}\\-{command.name} (1)\n{_text(command.help)}" for command in tree
    )
    return "\n".join(
        [
            _head(PROGRAM, ABOUT),
            ".SH SYNOPSIS",
            f".B {PROGRAM}",
            "[\\fIOPTION\\fR] \\fICOMMAND\\fR [\\fIOPTION\\fR...]",
            _by_hand(PROGRAM, "DESCRIPTION"),
            ".SH OPTIONS",
            *(_option(option) for option in own_options()),
            ".SH COMMANDS",
            listed,
            _by_hand(PROGRAM),
        ]
    )


def page(command: Command) -> str:
    """The page of one command."""
    name = f"{PROGRAM}-{command.name}"
    synopsis = f".B {PROGRAM} {command.name}\n[\\fIOPTION\\fR...]"
    if command.argument:
        synopsis += f" {_text(command.argument)}"
    return "\n".join(
        [
            _head(name, command.help[:1].lower() + command.help[1:].rstrip(".")),
            ".SH SYNOPSIS",
            synopsis,
            _by_hand(name, "DESCRIPTION"),
            ".SH OPTIONS",
            *(_option(option) for option in command.options),
            *_environment(command),
            f".SH EXAMPLES\n.nf\n{_text(command.examples)}\n.fi",
            _by_hand(name),
        ]
    )


def _head(name: str, about: str) -> str:
    title = name.upper().replace("-", "\\-")
    return (
        f'.\\" made by python -m qasino_cli.reference; the words by hand are in its pages\n'
        f'.TH {title} 1 "{WRITTEN}" "{PROGRAM} {__version__}" "User Commands"\n'
        f".SH NAME\n{name.replace('-', chr(92) + '-')} \\- {_text(about)}"
    )


def _option(option: Option) -> str:
    flags = ", ".join(f"\\fB{_text(flag)}\\fR" for flag in option.flags)
    value = f" \\fI{_text(option.metavar)}\\fR" if option.metavar else ""
    return f".TP\n{flags}{value}\n{_text(option.help)}"


def _environment(command: Command) -> list[str]:
    found = [option for option in command.options if option.variable]
    if not found:
        return []
    lines = [".SH ENVIRONMENT"]
    for option in found:
        long = next(flag for flag in option.flags if flag.startswith("--"))
        usual = f"The same as \\fB{_text(long)}\\fR."
        meaning = _OTHERWISE.get(option.variable or "", usual)
        lines.append(f".TP\n.B {option.variable}\n{meaning}")
    return lines


def _by_hand(name: str, only: str | None = None) -> str:
    """The sections written by hand: one of them, or all but the DESCRIPTION."""
    text = (PAGES / f"{name}.man").read_text(encoding="utf-8")
    sections = re.split(r"(?m)^(?=\.SH )", text)
    wanted = [
        section.rstrip()
        for section in sections
        if section.strip() and section.startswith(".SH DESCRIPTION") == (only == "DESCRIPTION")
    ]
    return "\n".join(wanted)


def _text(text: str) -> str:
    """Plain text as man(7) takes it: backslashes, hyphens of options, dots at a line's start."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)
