"""Hearing that something changed: watchdog on directories, and when that is not to be had.

Directories are watched, never files, each once and by its real path (`landmarks`). Events are
hints: what they mean, `followed` finds out by looking, and a rescan finds what no event told.

Where inotify is at its limits, or a directory lies on a network file system (whose changes by
other hosts tell nothing here), the agent polls instead and says so. Polling is the rescan done
more often, not watchdog's PollingObserver: that one compares size and mtime only and so misses
a rewrite that keeps both; and beside the rescan it would be a second walk over the same files
(1,000 files: 0.50 % of a processor alone, the whole agent polling 0.35 %; tests/bench).

watchdog calls `_Handler` on a thread of its own; everything else is the agent's thread.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qasino_cli.csvagent.catalogue import EVERY_CSV, SUFFIX
from qasino_server.mounts import MOUNTS, kind_of, mounts

log = logging.getLogger("qasino.csvagent")

RETRY_S = 60.0  # until limits that were reached are tried again

_LIMITS = {
    errno.EMFILE: "no inotify instance is left (fs.inotify.max_user_instances, or open files)",
    errno.EAGAIN: "no thread is left (ulimit -u, TasksMax=)",
    errno.ENFILE: "no file descriptor is left on this machine",
    errno.ENOSPC: "no inotify watch is left (fs.inotify.max_user_watches)",
}
_REMOTE = frozenset(
    "nfs nfs4 cifs smb3 smbfs fuse.sshfs 9p afs ceph fuse.ceph lustre glusterfs fuse.glusterfs"
    " ncpfs virtiofs fuse.s3fs fuse.rclone".split()
)

Tell = Callable[[str, bool], None]
"""What to call with a real path; True where its writer has finished with it or it is gone."""


def native_observer() -> Any:
    """watchdog's observer of this system, started. Raises OSError where a limit is reached."""
    from watchdog.observers import Observer

    logging.getLogger("watchdog.observers.inotify").addFilter(_is_news)
    observer = Observer()
    try:
        observer.start()
    except RuntimeError:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from None
    return observer


def _is_news(record: logging.LogRecord) -> bool:
    """watchdog calls it an error where one of its threads is stopped in the moment it looks."""
    return "called when the thread is inactive" not in record.getMessage()


class Watcher:
    """Keeps watches on the directories that count, as far as the system lets it."""

    def __init__(
        self,
        tell: Tell,
        *,
        poll: bool = False,
        make_observer: Callable[[], Any] = native_observer,
        mounts: Path = MOUNTS,
    ) -> None:
        self.polling: str | None = "--poll says so" if poll else None
        """Why events cannot be relied upon; None where they can."""
        self.listens = not poll
        """Whether it is of any use to tell it where."""
        self._tell = tell
        self._make_observer = make_observer
        self._mounts = mounts
        self._observer: Any = None
        self._handler: Any = None
        self._names: dict[str, set[str]] = {}
        self._watches: dict[str, tuple[Any, tuple[int, int]]] = {}
        self._remote: str | None = None
        self._dead: set[str] = set()
        self._lock = threading.Lock()
        self._retry_at = 0.0

    def follow(self, names: Mapping[str, set[str]], now: float) -> None:
        """Watch these directories for these names, and no others."""
        if names.keys() != self._names.keys():
            self._remote = remote_directory(names, self._mounts)
        self._names = dict(names)
        self._drop_watches()
        reason = self._remote
        if self._remote is None and now >= self._retry_at:
            reason = self._add_watches()
            self._retry_at = now + RETRY_S if reason else 0.0
        elif self._remote is None:
            reason = self.polling
        self._say(reason)

    def close(self) -> None:
        """Stop listening."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None

    def _say(self, reason: str | None) -> None:
        if reason == self.polling:
            return
        if reason is not None:
            log.warning("polling for changes: %s", reason)
        else:
            log.info("hearing of changes by events again")
        self.polling = reason

    def _drop_watches(self) -> None:
        """End the watches of directories that do not count any more, or are other ones now.

        A watch belongs to the directory it was made on, not to its path.
        """
        with self._lock:
            dead, self._dead = self._dead, set()
        for path, (watch, identity) in list(self._watches.items()):
            if path in dead or path not in self._names or _identity(path) != identity:
                self._observer.unschedule(watch)
                del self._watches[path]

    def _add_watches(self) -> str | None:
        """Watch what is not watched yet; what stands in the way of that."""
        try:
            if self._observer is None:
                self._handler = _Handler(self._heard)
                self._observer = self._make_observer()
            for path in self._names.keys() - self._watches.keys():
                self._watch(path)
        except OSError as error:
            return _LIMITS.get(error.errno or 0, (error.strerror or str(error)).lower())
        return None

    def _watch(self, path: str) -> None:
        from watchdog import events

        identity = _identity(path)
        if identity is None:
            return  # gone again; the watch on its parent tells when it is back
        if not os.access(path, os.R_OK):
            raise PermissionError(errno.EACCES, f"{path} may not be read")
        kinds = ("Created", "Moved", "Deleted")
        wanted = [
            getattr(events, f"{what}{kind}Event") for what in ("File", "Dir") for kind in kinds
        ]
        try:
            watch = self._observer.schedule(
                self._handler, path, event_filter=[*wanted, events.FileClosedEvent]
            )
        except (FileNotFoundError, NotADirectoryError):
            return
        self._watches[path] = watch, identity

    def _heard(self, kind: str, path: str) -> None:
        """An event, on a thread of watchdog's."""
        directory, name = os.path.split(path)
        if path in self._watches and kind in ("deleted", "moved"):
            with self._lock:
                self._dead.add(path)
            self._tell(path, False)
        names = self._names.get(directory)
        if names and (name in names or (EVERY_CSV in names and name.endswith(SUFFIX))):
            self._tell(path, kind != "created")


class _Handler:
    """What watchdog calls with each event: both ends of a move are told.

    A file that comes from a directory that is not watched tells `created`, no more; one that is
    opened for writing does so as well, and `closed` when it is written.
    """

    def __init__(self, heard: Callable[[str, str], None]) -> None:
        self._heard = heard

    def dispatch(self, event: Any) -> None:
        self._heard(event.event_type, os.fsdecode(event.src_path))
        if event.event_type == "moved" and event.dest_path:
            self._heard("closed", os.fsdecode(event.dest_path))


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def remote_directory(directories: Mapping[str, Any], told: Path) -> str | None:
    """The first of the directories that lies on a network file system, in a sentence."""
    points = mounts(told)
    for directory in sorted(directories):
        kind = kind_of(directory, points)
        if kind in _REMOTE:
            return f"{directory} is on {kind}, where other hosts' changes make no events"
    return None
