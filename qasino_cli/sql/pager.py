"""Lines that do not fit the screen, through the user's pager; others straight to stdout.

The pager is that of config.yaml, else QASINO_PAGER, else PAGER, else less; an empty one is
none. less is told, unless LESS says otherwise, to pass colours (R), cut long lines (S) instead
of folding them, leave the text on the screen (X) and end at once if it fits (F). Colours it is
told to pass by a LESS that says nothing of them as well: it would show them as codes.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence

from qasino_cli import terminal
from qasino_cli.console import ExitCode, on_terminal, say, write
from qasino_server.render import width

_LESS = "FRSX"
_SIDEWAYS = ("most", "ov", "pspg")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def show(lines: Sequence[str], configured: str | None = None, beside: int = 1) -> None:
    """Write the lines, through the pager where a screen is there and does not take them with as
    many others `beside` them.

    Whoever leaves the pager early has seen enough; Ctrl-C in it is the pager's.
    """
    command = pager_command(configured) if on_terminal() else None
    if command is None or fits(lines, beside):
        write("\n".join(lines) + "\n")
    else:
        _page(lines, command)


def fits(lines: Sequence[str], beside: int = 1) -> bool:
    """Whether the screen takes them all, with so many lines left for what comes under them."""
    return len(lines) + beside <= terminal.size()[1] and _fit_in_width(lines)


def _fit_in_width(lines: Sequence[str]) -> bool:
    columns = terminal.size()[0]
    return all(_shown_width(line) <= columns for line in lines)


def _shown_width(line: str) -> int:
    return width(_COLOURS.sub("", line))


def pager_command(configured: str | None) -> str | None:
    """The shell command to page with; None where nothing is to be paged."""
    for wish in (configured, os.environ.get("QASINO_PAGER"), os.environ.get("PAGER")):
        if wish is not None:
            return wish.strip() or None
    return "less" if shutil.which("less") and not terminal.dumb() else None


def goes_sideways(configured: str | None) -> bool:
    """Whether the pager shows lines wider than the screen whole, to who scrolls: less does, unless
    LESS has it fold them."""
    program, *options = (pager_command(configured) or "").split() or [""]
    name = os.path.basename(program)
    told = [*os.environ.get("LESS", _LESS).split(), *options]
    return name in _SIDEWAYS or (name == "less" and any(map(_cuts_lines, told)))


def _cuts_lines(option: str) -> bool:
    """Whether an option of less, or several in a word, cuts long lines."""
    return "S" in option if not option.startswith("--") else option == "--chop-long-lines"


@contextlib.contextmanager
def alone_on_terminal() -> Iterator[None]:
    """Within the block Ctrl-C is for the program we wait for, which has the terminal.

    A handler of ours rather than SIG_IGN, which it would inherit: Ctrl-C must end one that hangs.
    """
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def interrupted(code: int) -> bool:
    """Whether Ctrl-C has ended the program we waited for; its shell says so in its own way."""
    return code in (-signal.SIGINT, ExitCode.INTERRUPTED)


def _page(lines: Sequence[str], command: str) -> None:
    environment = {"LESS": _LESS} | os.environ
    if any(map(_COLOURS.search, lines)):
        environment["LESS"] = f"-R {environment['LESS']}"  # in front: what LESS says comes after it
    if fits(lines) or not _fit_in_width(lines):
        environment["LESS"] += " -+F"  # it would take a few lines for what fits, and end
    with alone_on_terminal():
        pager = subprocess.Popen(command, shell=True, stdin=subprocess.PIPE, env=environment)
        with contextlib.suppress(BrokenPipeError):
            pager.communicate(("\n".join(lines) + "\n").encode())
        if pager.returncode == 127:
            say(f"the pager {command!r} was not found; here it is without")
            write("\n".join(lines) + "\n")
