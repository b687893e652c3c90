"""The places in the file system that decide what a path leads to.

A watch on a file ends when an editor renames another one into its place, and a watch through a
symbolic link sees nothing when the link is turned. So directories are watched, by their real
paths, each for certain names: a file is one name in one directory, and every link on the way to
it another. Nothing is watched here; this room only finds out where to.
"""

from __future__ import annotations

import os
from collections import deque

Landmark = tuple[str, str]
"""A directory, with no link in its path, and a name in it."""

_MOST_LINKS = 40  # as many as Linux follows


class Surveyor:
    """Resolves paths; what it found about a directory serves all files in it.

    Keep one for one pass only: what it remembers is not looked up again.
    """

    def __init__(self) -> None:
        self._directories: dict[str, tuple[str, frozenset[Landmark]]] = {}
        self._there: dict[str, bool] = {}
        """Whether there is such a directory."""

    def landmarks(self, path: str) -> tuple[Landmark, frozenset[Landmark]]:
        """Where the file really is, and every landmark on the way (that one among them)."""
        directory, _, name = path.rpartition("/")
        at, marks = self.directory(directory or "/")
        if name in ("", ".", "..") or _target(f"{at}/{name}") is not None:
            return self._behind_links(at, name, marks)
        where = (at, name)
        there = self._there.get(at)
        if there is None:
            there = self._there[at] = os.path.isdir(at)
        return where, marks | {where if there else _nearest(*where)}

    def place(self, path: str) -> Landmark:
        """The real directory that holds this name, and the name, be it a link or not."""
        directory, _, name = path.rpartition("/")
        return self.directory(directory or "/")[0], name

    def _behind_links(
        self, at: str, name: str, marks: frozenset[Landmark]
    ) -> tuple[Landmark, frozenset[Landmark]]:
        found = set(marks)
        real = self._walk(at, [name], found)
        where = (os.path.dirname(real), os.path.basename(real))
        found.add(_nearest(*where))
        return where, frozenset(found)

    def directory(self, path: str) -> tuple[str, frozenset[Landmark]]:
        """The real path of a directory, and the landmarks on the way to it."""
        known = self._directories.get(path)
        if known is None:
            marks: set[Landmark] = set()
            real = self._walk("/", path.split("/"), marks)
            if real != "/":
                marks.add(_nearest(os.path.dirname(real), os.path.basename(real)))
            known = self._directories[path] = real, frozenset(marks)
        return known

    def _walk(self, at: str, names: list[str], marks: set[Landmark]) -> str:
        """Follow the names, noting the links; the real path, though its end may be missing."""
        left = deque(names)
        links = 0
        while left:
            name = left.popleft()
            if name in ("", "."):
                continue
            if name == "..":
                at = os.path.dirname(at)
                continue
            here = os.path.join(at, name)
            target = _target(here) if links < _MOST_LINKS else None
            if target is None:
                at = here
                continue
            links += 1
            marks.add((at, name))
            left.extendleft(reversed(target.split("/")))
            at = "/" if target.startswith("/") else at
        return at


def absolute(path: str, folder: str) -> str:
    """The path from the root, `folder` being where a relative one begins.

    `..` is kept: after a link it does not lead to where the text says.
    """
    joined = os.path.join(folder, path)
    return joined if ".." in joined.split("/") else os.path.normpath(joined)


def _target(path: str) -> str | None:
    """What a link says; None where the path is no link."""
    try:
        return os.readlink(path)
    except (OSError, ValueError):
        return None


def _nearest(directory: str, name: str) -> Landmark:
    """The landmark, or the nearest one above it whose directory exists."""
    while not os.path.isdir(directory) and directory != "/":
        directory, name = os.path.dirname(directory), os.path.basename(directory)
    return directory, name
