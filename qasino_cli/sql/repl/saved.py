"""Saved queries: name -> SQL in a YAML file that a person can edit, too."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from qasino_cli.errors import UsageFault
from qasino_cli.places import Missing, private_directory, text_of
from qasino_cli.whole_file import write_whole
from qasino_server.errors import BadRequest
from qasino_server.table import shown
from qasino_server.yaml_text import read_yaml

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_OTHER_BREAKS = re.compile("[\x85\u2028\u2029]")


class SavedQueries:
    """The queries in one file, read anew each time: another session may have saved some."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> dict[str, str]:
        """Every saved query, by name. Raises UsageFault where the file is no such file."""
        return self._read(self._text())

    def _text(self) -> str:
        try:
            return text_of(self._path)
        except Missing:
            return ""

    def _read(self, text: str) -> dict[str, str]:
        try:
            found = read_yaml(text, names_as_written=True)
        except BadRequest as error:
            raise UsageFault(f"{self._path}: {error.sentence}") from None
        if found is None:
            return {}
        if not isinstance(found, dict) or not all(
            isinstance(part, str) for entry in found.items() for part in entry
        ):
            raise UsageFault(f"{self._path}: must have a line `name: SQL` for each query")
        return dict(sorted(found.items()))

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
        self._change(name, sql)

    def forget(self, name: str) -> None:
        """Forget one. Raises UsageFault where there is none of that name."""
        self.get(name)
        self._change(name, None)

    def _change(self, name: str, sql: str | None) -> None:
        """Have one be so, or gone, and leave what a person wrote around it, unless that cannot be
        told apart."""
        text = self._text()
        wanted = {known: its for known, its in self._read(text).items() if known != name}
        if sql is not None:
            wanted[name] = sql
        changed = _changed(text, name, "" if sql is None else _dumped({name: sql}))
        try:
            kept = self._read(changed) == wanted
        except UsageFault:
            kept = False
        self._write(changed if kept else _dumped(wanted))

    def _write(self, text: str) -> None:
        """The file appears whole or stays as it was, also where the path is a link to it."""
        try:
            private_directory(self._path.parent)
            write_whole(str(self._path), text, mode=0o600)
        except OSError as error:
            raise UsageFault(f"{self._path}: {error.strerror}") from None


def _changed(text: str, name: str, entry: str) -> str:
    """The text of the file with that entry in the place of its own of that name, or at the end."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    entries = root.value if isinstance(root, yaml.MappingNode) else []
    for key, value in entries:
        if key.value == name:
            begins, ends = key.start_mark.index, value.end_mark.index
            if not entry:  # its remark goes with it
                ends = text.find("\n", ends - 1) + 1 or len(text)
            elif not text[begins:ends].endswith("\n"):
                entry = entry.rstrip("\n")
            return text[:begins] + entry + text[ends:]
    between = "" if not text or text.endswith("\n") else "\n"
    return text + between + entry


def _dumped(queries: dict[str, str]) -> str:
    text: str = yaml.dump(queries, Dumper=_Readable, allow_unicode=True)
    return text if queries else ""


class _Readable(yaml.SafeDumper):
    """SQL of several lines as a block, as a person would write it."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    if _OTHER_BREAKS.search(text):  # which yaml would read as a blank, unless they are escaped
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Readable.add_representer(str, _text)
