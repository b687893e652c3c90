"""Where files are: those that somebody names, and where those of this user's belong, as the
XDG Base Directory Specification has it.

Whoever writes a file makes its directory first, by `private_directory`.
https://specifications.freedesktop.org/basedir-spec/latest/
"""

from __future__ import annotations

import os
from pathlib import Path

from qasino_cli.errors import UsageFault


class Homeless(UsageFault):
    """There is no such home."""


class Missing(UsageFault):
    """There is no such file."""


def expanded(text: str) -> Path:
    """The path that is meant, where `~` and `~user` are homes. Raises Homeless where none is."""
    try:
        return Path(without_nul(text)).expanduser()
    except RuntimeError:
        raise Homeless(f"{_shown(text)}: nobody's home is {_shown(text.split('/')[0])}") from None


def paths_beginning(text: str) -> list[str]:
    """The paths that begin so, as they would be typed on, a `/` behind directories; in order.

    Hidden ones only where their dot is typed; none where nothing can be read.
    """
    directory, slash, begun = text.rpartition("/")
    try:
        with os.scandir(expanded(directory + slash or ".")) as entries:
            return sorted(
                f"{directory}{slash}{entry.name}{'/' if entry.is_dir() else ''}"
                for entry in entries
                if entry.name.startswith(begun) and (begun or not entry.name.startswith("."))
            )
    except (OSError, UsageFault):
        return []


def text_of(path: Path) -> str:
    """What a file holds. Raises Missing where there is none, UsageFault where it is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise Missing(f"{path}: {error.strerror}") from None
    except OSError as error:
        raise UsageFault(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageFault(f"{path}: not UTF-8") from None


def is_out_of_sight(path: Path) -> bool:
    """Whether this user may not even look whether there is such a file."""
    try:
        path.stat()
    except PermissionError:  # of a directory: a file is found whoever may read it
        return True
    except OSError:
        return False
    return False


def without_nul(text: str) -> str:
    """A path or a command, as the system takes it. Raises UsageFault for a NUL byte in it."""
    if "\0" in text:
        raise UsageFault(f"{_shown(text)}: there is a NUL byte in it")
    return text


def _shown(text: str) -> str:
    from qasino_server.table import shown  # 30 ms: a shell completes with this room

    return shown(text)


CONFIG_VARIABLE = "QASINO_CONFIG"


def config_file() -> Path:
    """`config.yaml`; QASINO_CONFIG names another.

    Raises Homeless where this user may not look for it, as in the home of whoever has become them
    by a program that keeps HOME.
    """
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    path = _base("XDG_CONFIG_HOME", ".config") / "config.yaml"
    if is_out_of_sight(path):
        raise Homeless(f"{path}: its directory is not ours to look into")
    return path


def queries_file() -> Path:
    """The saved queries, where `config.yaml` is unless QASINO_CONFIG names another."""
    return _base("XDG_CONFIG_HOME", ".config") / "queries.yaml"


def history_file() -> Path:
    """What was typed at the prompt."""
    return _base("XDG_STATE_HOME", ".local/state") / "history"


def cache_directory() -> Path:
    """What can be found out again."""
    return _base("XDG_CACHE_HOME", ".cache")


def private_directory(path: Path) -> Path:
    """Make a directory that only this user can look into; one that is there stays as it is."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def _base(variable: str, under_home: str) -> Path:
    """The specification: a relative path in the variable counts as unset."""
    named = os.environ.get(variable, "")
    base = Path(named) if os.path.isabs(named) else expanded(f"~/{under_home}")
    return base / "qasino"
