"""Where generations live: a private directory of this process, gone with it.

    BASE/                    0700; BASE/lock is held while directories are made or cleared
      run-XXXXXXXX/          0700; run-XXXXXXXX/lock is held as long as the server lives
        1764000000.db        a generation; -compressed beside one (`generation_file`)

A killed server leaves its directory behind; the next start removes every sibling whose lock
nobody holds, and nothing that is not one of ours: a db-dir may hold what else a user keeps
there. BASE is /dev/shm/qasino-UID unless told otherwise, where anybody can put a directory or
a symbolic link of that name before us, or once ours is gone: it is looked at each time.

With a --db-dir of the user's own, BASE/lock is held all along: two servers that are given the
same directory are a mistake, and the second one says so.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path

from qasino_server.database.room import free_bytes
from qasino_server.errors import StartError

log = logging.getLogger("qasino.store")

_MADE_BY_US = re.compile(r"lock|\d+\.db(-journal|-compressed)?")
_SHM = Path("/dev/shm")
_SHM_ROOM_BYTES = 1 << 30  # Docker's /dev/shm has 64 MB: a generation would not fit


class RunDirectory:
    """The private directory of one server process, removed by `close`."""

    def __init__(self, db_dir: Path | None) -> None:
        """Take a directory below `db_dir`, or where there is room if that is None.

        Raises StartError where the place cannot be used or another server uses it.
        """
        self._base = db_dir if db_dir is not None else default_base()
        self._own = db_dir is not None
        """Whether the user chose it, for this server alone."""
        self._base_lock: int | None = None
        try:
            _make_private(self._base, shared_ok=self._own)
            self._base_lock = locked(self._base / "lock", wait=not self._own)
            _clear_leftovers(self._base)
            self.path = Path(tempfile.mkdtemp(prefix="run-", dir=self._base))
            self._run_lock = locked(self.path / "lock", wait=True)
        except BlockingIOError:
            raise StartError(
                f"another server uses the db-dir {self._base}; stop it or give another --db-dir"
            ) from None
        except OSError as error:
            raise StartError(f"cannot use the db-dir {self._base}: {error.strerror}") from None
        if not self._own:
            os.close(self._base_lock)
            self._base_lock = None

    def generation_path(self, number: int) -> Path:
        """The file of the generation of that number; the directory is there, and ours, even if
        somebody has removed it underneath (logind empties /dev/shm at a logout).

        Raises StartError where it cannot be made again.
        """
        try:
            if not _holds(self._run_lock, self.path / "lock"):
                self._make_again()
        except OSError as error:
            raise StartError(f"cannot use the db-dir {self.path}: {error.strerror}") from None
        return self.path / f"{number}.db"

    def _make_again(self) -> None:
        """Without its lock the directory would be taken for a dead server's."""
        log.warning("somebody has removed files in %s, which is made anew", self.path)
        _make_private(self._base, shared_ok=self._own)
        if self._base_lock is not None and not _holds(self._base_lock, self._base / "lock"):
            try:
                taken = locked(self._base / "lock", wait=False)
            except BlockingIOError:
                log.error("another server has taken the db-dir %s meanwhile", self._base)
            else:
                os.close(self._base_lock)
                self._base_lock = taken
        _make_private(self.path, shared_ok=False)
        taken = locked(self.path / "lock", wait=False)
        os.close(self._run_lock)
        self._run_lock = taken

    def close(self) -> None:
        """Remove the directory and let go of the locks; connections keep what they opened."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._run_lock)
        if self._base_lock is not None:
            os.close(self._base_lock)


def default_base() -> Path:
    """/dev/shm where it has room, since what is lost with the power is lost anyway."""
    name = f"qasino-{os.getuid()}"
    if _SHM.is_dir() and os.access(_SHM, os.W_OK) and free_bytes(_SHM) >= _SHM_ROOM_BYTES:
        return _SHM / name
    return Path(tempfile.gettempdir()) / name


def _make_private(path: Path, shared_ok: bool) -> None:
    """Make the directory, or make sure that the one that is there is ours."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not path.is_dir() or (path.is_symlink() and not shared_ok):
        raise StartError(f"the db-dir {path} is not a directory")
    if shared_ok:
        return
    if found.st_uid != os.getuid():
        raise StartError(f"the db-dir {path} belongs to another user; give another --db-dir")
    if found.st_mode & 0o022:
        raise StartError(f"the db-dir {path} can be written by others; give another --db-dir")


def locked(path: Path, wait: bool) -> int:
    """A descriptor of the file, which is made if need be, and ours alone while it is open.

    Raises BlockingIOError where it is another's and we do not `wait`, and OSError.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _holds(descriptor: int, path: Path) -> bool:
    """Whether the file of that name is still the one that is open."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False


def _clear_leftovers(base: Path) -> None:
    for sibling in base.glob("run-*"):
        if not _is_ours(sibling):
            continue
        try:
            lock = locked(sibling / "lock", wait=False)
        except OSError:
            continue
        shutil.rmtree(sibling, ignore_errors=True)
        os.close(lock)


def _is_ours(sibling: Path) -> bool:
    """Whether it is a directory as a server makes it, with nothing in it but what one does."""
    try:
        if not is_private(sibling):
            return False
        names = {entry.name for entry in sibling.iterdir()}
    except OSError:
        return False
    return ("lock" in names or not names) and all(_MADE_BY_US.fullmatch(name) for name in names)


def is_private(directory: Path) -> bool:
    """Whether it is a directory, no link to one, where nobody else can put anything.

    Raises OSError where there is nothing of that name.
    """
    found = directory.lstat()
    private = stat.S_ISDIR(found.st_mode) and found.st_mode & 0o777 == 0o700
    return private and found.st_uid == os.getuid()
