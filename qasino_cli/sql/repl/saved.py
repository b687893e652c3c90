"""Saved queries: name -> SQL in a YAML file that a person can edit, too."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import yaml

from qasino_cli.errors import UsageFault
from qasino_cli.places import private_directory
from qasino_server.errors import BadRequest
from qasino_server.table import shown
from qasino_server.yaml_text import read_yaml

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class SavedQueries:
    """The queries in one file, read anew each time: another session may have saved some."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> dict[str, str]:
        """Every saved query, by name. Raises UsageFault where the file is no such file."""
        try:
            found = read_yaml(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except BadRequest as error:
            raise UsageFault(f"{self._path}: {error.sentence}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise UsageFault(f"{self._path}: {error}") from None
        if found is None:
            return {}
        if not isinstance(found, dict) or not all(isinstance(sql, str) for sql in found.values()):
            raise UsageFault(f"{self._path}: must have a line `name: SQL` for each query")
        return dict(sorted((str(name), sql) for name, sql in found.items()))

    def names(self) -> list[str]:
        """Their names, for completion: none where the file cannot be read."""
        try:
            return list(self.all())
        except UsageFault:
            return []

    def get(self, name: str) -> str:
        """The SQL of one. Raises UsageFault."""
        queries = self.all()
        if name not in queries:
            known = f"there are {', '.join(queries)}" if queries else "none is saved"
            raise UsageFault(f"no query is saved as {shown(name)}; {known}")
        return queries[name]

    def save(self, name: str, sql: str) -> None:
        """Save one under a name, in place of another of that name. Raises UsageFault."""
        if not _NAME.fullmatch(name):
            raise UsageFault(f"{shown(name)} is no name: letters, digits, _ . and - make one")
        self._write(self.all() | {name: sql})

    def forget(self, name: str) -> None:
        """Forget one. Raises UsageFault where there is none of that name."""
        self.get(name)
        self._write({known: sql for known, sql in self.all().items() if known != name})

    def _write(self, queries: dict[str, str]) -> None:
        """The file appears whole or stays as it was."""
        try:
            directory = private_directory(self._path.parent)
            descriptor, partial = tempfile.mkstemp(dir=directory, prefix=".queries")  # 0600
            with open(descriptor, "w", encoding="utf-8") as file:
                yaml.dump(queries, file, Dumper=_Readable, allow_unicode=True)
            os.replace(partial, self._path)
        except OSError as error:
            raise UsageFault(f"{self._path}: {error.strerror}") from None


class _Readable(yaml.SafeDumper):
    """SQL of several lines as a block, as a person would write it."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Readable.add_representer(str, _text)
