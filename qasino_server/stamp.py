"""Whether a file has changed since it was read: one stat(), cheap enough for every request."""

from __future__ import annotations

import os
from pathlib import Path

Stamp = tuple[int, int, int, int]


def stamp_of(path: Path) -> Stamp | None:
    """When it was written and changed, its size and its inode; None where there is no such file.

    A file replaced by another of the same size in the same instant still has another inode. One
    that could not be read and now may be has changed without being written.
    """
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
