"""Which kind of file system a directory is on, as Linux tells; elsewhere nothing is known."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
"""Where Linux tells what is mounted."""

_OCTAL = re.compile(r"\\([0-3][0-7]{2})")

Mount = tuple[str, str]
"""Where something is mounted, and the kind of file system it is."""


def mounts(told: Path = MOUNTS) -> list[Mount]:
    """Everything that is mounted, of two in one place the later one last."""
    try:
        lines = os.fsdecode(told.read_bytes()).split("\n")
    except OSError:  # no Linux
        return []
    # A name may hold any blank but those the kernel writes otherwise.
    split = (line.split(" ") for line in lines)
    return [(_unescaped(fields[1]), fields[2]) for fields in split if len(fields) > 2]


def kind_of(directory: str, mounted: Sequence[Mount]) -> str:
    """The kind of the one mounted nearest above a real path; '' where nothing tells."""
    above = [(len(point), kind) for point, kind in mounted if _lies_in(directory, point)]
    longest = max((length for length, _ in above), default=0)
    return next((kind for length, kind in reversed(above) if length == longest), "")


def _lies_in(directory: str, point: str) -> bool:
    return directory == point or directory.startswith(point.rstrip("/") + "/")


def _unescaped(point: str) -> str:
    """The kernel writes a blank as \\040."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), point)
