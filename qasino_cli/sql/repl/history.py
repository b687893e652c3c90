"""What was typed before: one file for all sessions, the newest last, this user's alone.

A line of the file is a JSON string, so that a statement of several lines is one entry. Sessions
append under a lock, so none loses another's lines; at a start the file is cut to its newest
entries. What begins with a blank is not kept: that is how one keeps a secret out of it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec
from prompt_toolkit.history import History

from qasino_cli.console import say
from qasino_cli.places import private_directory

KEPT = 10_000
_CUT_AT = 12_000
"""The file is cut once it has so many entries, not at every start."""


class FileHistory(History):
    """The history of the prompt; where the file cannot be used, of this session alone."""

    def __init__(self, path: Path) -> None:
        """Read the file now: what there is to be said about it comes before the prompt."""
        super().__init__()
        self._path = path
        self._usable = True
        self._before: list[str] = []
        try:
            private_directory(path.parent)
            self._before = _read(path)
        except OSError as error:
            self._give_up(error)

    def load_history_strings(self) -> Iterable[str]:
        """The newest first."""
        return reversed(self._before)

    def append_string(self, string: str) -> None:
        """Keep an entry, here and in the file; not one that begins with a blank."""
        if string[:1].isspace() or not string.strip():
            return
        if self._loaded_strings[:1] != [string]:
            super().append_string(string)

    def store_string(self, string: str) -> None:
        """Write one entry into the file."""
        if not self._usable:
            return
        try:
            _append(self._path, string)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._usable = False
        say(f"history is not kept: {self._path}: {error.strerror}")


def _append(path: Path, entry: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with open(descriptor, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(msgspec.json.encode(entry) + b"\n")


def _read(path: Path) -> list[str]:
    """Every entry, the oldest first; lines that are none are passed over."""
    try:
        with open(path, "rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            os.fchmod(file.fileno(), 0o600)
            lines = file.readlines()
            if len(lines) > _CUT_AT:
                lines = lines[-KEPT:]
                file.seek(0)
                file.writelines(lines)
                file.truncate()
    except FileNotFoundError:
        return []
    return [entry for line in lines[-KEPT:] if (entry := _entry(line)) is not None]


def _entry(line: bytes) -> str | None:
    try:
        return msgspec.json.decode(line, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
