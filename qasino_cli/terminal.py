"""What the terminal can do: colours, columns, characters.

NO_COLOR     any value but the empty one: no colour, whatever else is said
             (https://no-color.org)
FORCE_COLOR  any value but the empty one: colour, in a pipe too
TERM=dumb    no colour, and nothing that moves the cursor
"""

from __future__ import annotations

import os
import shutil
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

USUAL_COLUMNS = 80
USUAL_LINES = 24
SEQUENCE_S = 0.05
"""The rest of what a key sends comes within that."""


def watched(stream: IO[Any] | None) -> bool:
    """Whether a person reads what is written there; None is a stream closed before we began."""
    return stream is not None and stream.isatty()


def attached() -> bool:
    """Whether this process has a terminal that is still there; a closed one sends SIGHUP too."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def forget_typed() -> None:
    """Drop the keys that were pressed and that nobody has read."""
    with suppress(OSError, ValueError, termios.error):  # it is no terminal any more
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def coloured(stream: IO[Any] | None, wish: str = "auto") -> bool:
    """Whether to write colours to a stream; `wish` is auto, always or never."""
    if os.environ.get("NO_COLOR") or wish == "never":
        return False
    if os.environ.get("FORCE_COLOR") or wish == "always":
        return True
    return watched(stream) and not dumb()


def dumb() -> bool:
    """Whether the terminal can do nothing but print lines."""
    return os.environ.get("TERM", "dumb") == "dumb"


def size() -> tuple[int, int]:
    """Columns and lines of the terminal, as it is at this moment."""
    found = shutil.get_terminal_size((USUAL_COLUMNS, USUAL_LINES))
    return found.columns, found.lines


def speaks_unicode() -> bool:
    """Whether stdout takes box characters and the ellipsis; else ASCII stands for them."""
    encoding = (sys.stdout and sys.stdout.encoding) or "ascii"
    return encoding.lower().replace("-", "") in ("utf8", "utf16", "utf32")


@contextmanager
def unechoed() -> Iterator[None]:
    """Within the block the terminal shows no key by itself: the prompt shows them all.

    Before a prompt has the terminal, and from one to the next, keys would be shown where the
    cursor happens to be, and by that prompt again.
    """
    try:
        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
    except (OSError, ValueError, termios.error):  # it is no terminal that has an echo
        yield
        return
    silent = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    try:
        termios.tcsetattr(descriptor, termios.TCSANOW, silent)
        yield
    finally:
        with suppress(termios.error):  # its window is closed
            termios.tcsetattr(descriptor, termios.TCSANOW, before)
