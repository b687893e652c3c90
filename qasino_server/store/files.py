"""The files of the generations: made, read, kept as the snapshot before, archived, removed."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from qasino_server.database.directory import RunDirectory
from qasino_server.database.generation import Generation
from qasino_server.database.generation_file import GenerationFile
from qasino_server.database.room import Reserve, size_of
from qasino_server.database.snapshot import Snapshot
from qasino_server.store.archive import Archive

log = logging.getLogger("qasino.store")

PREV_STAYS_GENERATIONS = 10
"""Rotations for which the snapshot before stays plain after somebody has asked for it: who does
so every few minutes is not to wait each time."""


class Files:
    """Those of one store; for the thread that rotates, but for `of`, which any may call."""

    def __init__(
        self,
        directory: RunDirectory,
        archive: Archive,
        *,
        max_bytes: int,
        keep_prev: bool,
        compress_from_bytes: int,
    ) -> None:
        """A generation takes `max_bytes` at most; the snapshot before is compressed from
        `compress_from_bytes` on."""
        self.reserve = Reserve(directory.path)
        self._directory = directory
        self._archive = archive
        self._max_bytes = max_bytes
        self._keep_prev = keep_prev
        self._compress_from_bytes = compress_from_bytes
        self._known: dict[Path, GenerationFile] = {}
        self._lost: list[GenerationFile] = []
        self._nr_unasked = PREV_STAYS_GENERATIONS
        """Rotations since somebody asked for the snapshot before; at first as if long ago."""

    def new_generation(self, number: int) -> Generation:
        """Make the file of the generation of that number. Raises StartError or apsw.Error."""
        return Generation(self._directory.generation_path(number), self._max_bytes)

    def of(self, path: Path) -> GenerationFile:
        """The one there is for that path: it counts who has it open."""
        return self._known.setdefault(path, GenerationFile(path, self.reserve))

    def to_be_kept(self, snapshot: Snapshot) -> GenerationFile | None:
        """The file of the snapshot that is about to be the one before, None where none is kept.

        It is away where it is large and nobody has asked for the one before for some time. None
        is kept either where the rows that are carried now need its room: they were promised.
        """
        if not self._keep_prev:
            return None
        before, kept = snapshot.place.previous, snapshot.place.snapshot
        given_back = size_of(before.path) if before is not None else 0
        if not self.reserve.can_finish(-given_back):
            log.warning("no room to keep the snapshot before (prev) in %s", self._directory.path)
            return None
        self._nr_unasked = 0 if before is not None and before.asked else self._nr_unasked + 1
        large = size_of(kept.path) >= self._compress_from_bytes
        kept.away = large and self._nr_unasked >= PREV_STAYS_GENERATIONS
        return kept

    def retire(self, past: Snapshot, now: Snapshot) -> None:
        """A snapshot has taken the place of the one that is past: see to its file, and to that
        of the one before it."""
        self._archive.keep(past.place.snapshot.path, past.number)
        if past.place.previous is not None:
            self._remove(past.place.previous)
        kept = now.place.previous
        if kept is None:
            self._remove(past.place.snapshot)
        elif kept.away:  # last, since it takes its time
            kept.when_closed(partial(self._archive.compress, kept))

    def lose(self, path: Path) -> None:
        """That generation never becomes a snapshot; its rows may still have to be carried."""
        self._lost.append(self.of(path))

    def remove_lost(self) -> None:
        """Remove lost generations, whose rows are carried; on a full disk their room is needed."""
        for file in self._lost:
            self._remove(file)
        self._lost.clear()

    def _remove(self, file: GenerationFile) -> None:
        self._known.pop(file.path, None)
        self._archive.remove(file)
