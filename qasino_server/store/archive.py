"""Finished generations: kept as plain SQLite files where that is asked for, compressed while they
are the one before and nobody asks for that, removed when nobody can.

A thread of its own, because a copy from /dev/shm to a disk takes as long as it takes and the
next rotation must not wait for it.
"""

from __future__ import annotations

import logging
import os
import queue
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from qasino_server.database.directory import locked
from qasino_server.database.generation_file import GenerationFile
from qasino_server.database.room import free_bytes, size_of
from qasino_server.errors import StartError
from qasino_server.interpreter import step_back
from qasino_server.service import OnDeath, Service

log = logging.getLogger("qasino.archive")

_ROOM_FOR = 3
"""Generations as large as the one that is to be copied: what the archive leaves free where it is
on their disk. It fills up while it keeps fewer than it may, and they must not stop for that."""
COPIES_MAX = 2
"""Snapshots that are being copied or wait for it. Each keeps its file where generations live, in
memory mostly: a disk that is slow, or a network's that hangs, would fill it."""


class Archive(Service):
    """Keeps the newest `keep` snapshots in `directory`, fewer where the disk is that of the
    generations and they need it; with None none is kept."""

    def __init__(
        self, directory: Path | None, keep: int, compress_after_s: float, on_death: OnDeath
    ) -> None:
        """The snapshot before is compressed `compress_after_s` after its rotation.

        Raises StartError where the directory cannot be made or written, or is another server's.
        """
        super().__init__("archive", on_death)
        self._compress_after_s = compress_after_s
        self._to_compress: tuple[float, GenerationFile] | None = None
        """When which one is to be compressed; another takes its place at the next rotation."""
        self._directory = directory
        self._nr_kept = keep
        self._copies: set[Path] = set()
        """The snapshots that are copied or wait for it."""
        self._kept: list[str] = []
        """The names of those that this server has archived, the newest last."""
        self._is_short = False
        """Whether it was said that the disk has no room for all that may be kept."""
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = None if directory is None else _taken(directory)

    def close(self) -> None:
        """Leave the directory to others; safe to call twice."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def keep(self, snapshot: Path, number: int) -> None:
        """Archive the snapshot of that number, unless too many wait for that already; its file
        must stay until `remove`, or the end of this thread."""
        if self._directory is None or not number:  # what is there before the first is none
            return
        if len(self._copies) >= COPIES_MAX:
            log.error("generation %d is not archived: the ones before it still are", number)
            return
        self._copies.add(snapshot)
        self._work.put(partial(self._keep_copy, snapshot, number))

    def compress(self, before: GenerationFile) -> None:
        """Compress the snapshot before, if it still is that in `compress_after_s`."""
        self._work.put(partial(self._put_off, before))

    def remove(self, retired: GenerationFile) -> None:
        """Remove a snapshot's file: after what was asked before, unless that is to copy others."""
        if self._copies and retired.path not in self._copies:
            self._try(retired.remove)
        else:
            self._work.put(retired.remove)

    def wake(self) -> None:
        self._work.put(None)

    def run(self) -> None:
        """Work off what was asked, then end when stopped."""
        step_back()
        while (act := self._next()) is not None or not self.stopping.is_set():
            if act is not None:
                self._try(act)

    def _next(self) -> Callable[[], None] | None:
        """What was asked, or what is due meanwhile."""
        if self._to_compress is None:
            return self._work.get()
        due, before = self._to_compress
        try:
            return self._work.get(timeout=max(0.0, due - time.monotonic()))
        except queue.Empty:
            self._to_compress = None
            return partial(before.compress, self.stopping.is_set)

    def _put_off(self, before: GenerationFile) -> None:
        self._to_compress = time.monotonic() + self._compress_after_s, before

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (OSError, MemoryError) as error:
            log.error("a retired generation was left as it was: %s", str(error) or "out of memory")

    def _keep_copy(self, snapshot: Path, number: int) -> None:
        try:
            try:
                if self._has_room(snapshot, number):
                    self._copy(snapshot, number)
            finally:
                self._thin_out()  # which may give the next one the room this one had not
        except OSError as error:
            log.error("archive of generation %s failed: %s", number, error)
        finally:
            self._copies.discard(snapshot)

    def _copy(self, snapshot: Path, number: int) -> None:
        """Appear in the archive whole or not at all, readable by its owner only."""
        assert self._directory is not None
        target = self._directory / f"qasino_{number}.db"
        half = target.with_suffix(".partial")
        half.unlink(missing_ok=True)
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with snapshot.open("rb") as source, os.fdopen(descriptor, "wb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
            if target.exists():  # that of a server whose clock was ahead of ours
                log.warning("%s was there already and is replaced: was the clock set back?", target)
            half.rename(target)
            self._kept.append(target.name)
        except OSError:
            half.unlink(missing_ok=True)  # it would keep the disk full
            raise

    def _has_room(self, snapshot: Path, number: int) -> bool:
        """Whether a copy leaves the generations what they may need of a disk that is theirs too.

        The oldest of the archive go for that, and where it is not enough, for them alone.
        """
        assert self._directory is not None
        size_bytes = snapshot.stat().st_size
        if self._directory.stat().st_dev != snapshot.stat().st_dev:
            return True
        oldest_first = self._oldest_first()
        may_be_free = free_bytes(self._directory) + sum(map(size_of, oldest_first))
        copied = may_be_free >= (_ROOM_FOR + 1) * size_bytes
        needed_bytes = (_ROOM_FOR + copied) * size_bytes
        gone = [old.name for old in oldest_first if self._makes_room(old, needed_bytes)]
        if gone:
            log.log(
                logging.DEBUG
                if self._is_short
                else logging.WARNING,  # at each generation, from now
                "the archive has fewer than --archive-keep: its disk is that of the generations"
                " and has room for no more; removed: %s",
                ", ".join(gone),
            )
            self._is_short = True
        if not copied:
            log.error("generation %d is not archived: the generations need the disk", number)
        return copied

    def _makes_room(self, old: Path, needed_bytes: int) -> bool:
        """Whether it had to be removed to have so much free."""
        assert self._directory is not None
        if free_bytes(self._directory) >= needed_bytes:
            return False
        old.unlink(missing_ok=True)
        return True

    def _thin_out(self) -> None:
        """Remove all but the newest."""
        kept = self._oldest_first()
        for old in kept[: max(0, len(kept) - self._nr_kept)]:
            old.unlink(missing_ok=True)

    def _oldest_first(self) -> list[Path]:
        """What is archived: the largest numbers, then what this server has archived, are newest.

        Numbers are the clock's; where that was set back, older snapshots have larger ones.
        """
        assert self._directory is not None
        ours = [path for path in self._directory.glob("qasino_*.db") if _number_of(path) >= 0]
        del self._kept[: max(0, len(self._kept) - self._nr_kept)]
        when = {name: n for n, name in enumerate(self._kept)}
        return sorted(ours, key=lambda path: (when.get(path.name, -1), _number_of(path)))


def _taken(directory: Path) -> int:
    """Each server thins out what is there: two would remove each other's."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = locked(directory / ".lock", wait=False)
        for half in directory.glob("qasino_*.partial"):  # of a server that was killed
            half.unlink(missing_ok=True)
    except BlockingIOError:
        raise StartError(
            f"another server archives in {directory}; stop it or give another --archive-dir"
        ) from None
    except OSError as error:
        raise StartError(f"cannot use {directory} as archive: {error.strerror}") from None
    return lock


def _number_of(path: Path) -> int:
    """The generation in it; -1 for a file that is not ours."""
    digits = path.stem.removeprefix("qasino_")
    return int(digits) if digits.isascii() and digits.isdigit() else -1
