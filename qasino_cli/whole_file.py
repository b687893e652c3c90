"""A file that is written whole or not at all, in the place of the one that has been there."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path


def is_there(path: str) -> bool:
    """Whether a file would be overwritten. What is wrong with a name is said when it is written."""
    try:
        return Path(path).expanduser().is_file()
    except (OSError, RuntimeError, ValueError):
        return False


def write_whole(path: str, text: str, mode: int = 0o666) -> None:
    """Write the text to a file; where that fails, what has been there stays.

    A symbolic link stays one, and the file keeps its mode; a new one has `mode`, as far as the
    umask lets it. Raises OSError; RuntimeError and ValueError where nobody has that name, or
    nothing can.
    """
    target = Path(path).expanduser().resolve()
    try:
        old = target.stat()
    except FileNotFoundError:
        old = None
    if old is not None and not stat.S_ISREG(old.st_mode):
        target.write_text(text, encoding="utf-8")  # a pipe is nothing to put another in place of
        return
    if old is not None:
        open(target, "r+b").close()  # who may not write to it may not put another in its place
    try:
        _put(target, text, old, mode)
    except PermissionError:
        if old is None:
            raise
        target.write_text(text, encoding="utf-8")  # nobody may write beside it


def _put(target: Path, text: str, old: os.stat_result | None, mode: int) -> None:
    """Put a file in its place, like the one that has been there."""
    partial = target.with_name(f".qasino-{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    descriptor = os.open(partial, flags, mode if old is None else 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            if old is not None:
                _make_alike(descriptor, old)
            file.write(text)
        partial.replace(target)
    except BaseException:
        partial.unlink()
        raise


def _make_alike(descriptor: int, old: os.stat_result) -> None:
    with suppress(PermissionError):  # what belongs to others root alone can give them back
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
