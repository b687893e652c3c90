"""The file of a generation as those see it who read it, and how it takes less room once it is
the snapshot before and nobody asks for that.

Rates are asked of few servers, and of those again and again. Elsewhere the snapshot before
would be a third of the memory, for nobody. Compressed it takes a third of that, and whoever
asks first waits until it is restored; from then on it stays plain.

Both go block by block, from the end of the one file to the end of the other, each of which is
cut: never more than one copy, and whoever stops in the middle has lost nothing. A file that is
open here is not cut, since reading what is mapped and gone would end the process (SIGBUS).
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from types import ModuleType

import apsw

from qasino_server.database.directory import is_private
from qasino_server.database.room import Reserve
from qasino_server.errors import Busy

BLOCK_BYTES = 1 << 20
_LEVEL = 1
"""Of 85 MB of a fleet's rows 29 % are left, at 260 MB/s; level -1 leaves 34 at 370, 3 28 at 200.
zlib leaves 33 at 90 and is restored at half the rate."""
_LEFT_FREE_BYTES = 16 << 20
"""For those who publish, beside the reserve."""
GONE = "the snapshot before is gone by now; ask again"

Stopped = Callable[[], bool]


class GenerationFile:
    """One such file; any thread."""

    def __init__(self, path: Path, reserve: Reserve) -> None:
        """`reserve` is what restoring it leaves free."""
        self.path = path
        self._reserve = reserve
        self.tables: frozenset[str] = frozenset()
        """The keys of its tables, as they were when somebody opened it last."""
        self.view_faults: tuple[tuple[int, int], Mapping[str, str]] = ((-1, -1), {})
        """The versions of an overlay and of the schema, and what is wrong with the views then:
        looked at once, for all who open it."""
        self.away = False
        """Whether, as the snapshot before, it is to be compressed, and others are opened without
        it."""
        self.asked = False
        """Whether a query has read it as the snapshot before, or has tried to."""
        self._compressed = path.with_name(f"{path.name}-compressed")
        self._pieces_bytes: list[int] = []
        """What is compressed, the end of the file first."""
        self._nr_open = 0
        self._nr_restoring = 0
        self._removed = False
        self._when_closed: Callable[[], None] | None = None
        self._lock = threading.Lock()

    # --- Who has it open ----------------------------------------------------------------------

    def opening(self) -> None:
        """Somebody is about to open it. Raises apsw.CantOpenError where it is not whole."""
        with self._lock:
            if self._pieces_bytes:
                raise apsw.CantOpenError(f"{self.path} is compressed")
            self._nr_open += 1

    def closed(self) -> None:
        """They have closed it, or could not open it."""
        with self._lock:
            self._nr_open -= 1
            if self._nr_open:
                return
            call, self._when_closed = self._when_closed, None
        if call is not None:
            call()

    def when_closed(self, call: Callable[[], None]) -> None:
        """Call it once nobody has it open, now or in the thread of who closes it."""
        with self._lock:
            if self._nr_open:
                self._when_closed = call
                return
        call()

    # --- How much room it takes ---------------------------------------------------------------

    def compress(self, stopped: Stopped) -> None:
        """Compress it, as far as nobody asks for it. Raises OSError; nothing is lost then."""
        if self._removed:  # who had it open has kept it open for long
            return
        with self._both(os.O_CREAT) as (plain, compressed):
            while self._compress_a_block(plain, compressed, stopped):
                pass

    def _compress_a_block(self, plain: FileIO, compressed: FileIO, stopped: Stopped) -> bool:
        """Whether there may be more."""
        with self._lock:
            size_bytes = plain.seek(0, os.SEEK_END)
            if not size_bytes or self.asked or self._nr_open or stopped():
                return False
            start = (size_bytes - 1) // BLOCK_BYTES * BLOCK_BYTES
            piece = _zstd().compress(_read(plain, start), _LEVEL)
            _append(compressed, piece)
            self._pieces_bytes.append(len(piece))
            plain.truncate(start)
            return True

    @contextmanager
    def restored(self, stopped: Stopped) -> Iterator[bool]:
        """Have it whole and plain, whether it is, and there to be opened while the context lasts.

        It takes 2 ms for each MB. False once `stopped` says so. Raises Busy where there is no
        room, or where it had been removed before.
        """
        self.asked = True
        with self._lock:  # whatever goes on is done; nothing is compressed any more
            whole = not self._pieces_bytes
            self._nr_restoring += 1
        try:
            yield whole or self._try_to_restore(stopped)
        finally:
            with self._lock:
                self._nr_restoring -= 1
                self._unlink_if_removed()

    def _try_to_restore(self, stopped: Stopped) -> bool:
        try:
            return self._restore(stopped)
        except FileNotFoundError:
            raise Busy(GONE) from None
        except (OSError, _zstd().ZstdError) as error:
            raise Busy(f"the snapshot before cannot be restored: {error}") from None

    def _restore(self, stopped: Stopped) -> bool:
        self._check_room(len(self._pieces_bytes) * BLOCK_BYTES - sum(self._pieces_bytes))
        with self._both() as (plain, compressed):
            while self._restore_a_block(plain, compressed):
                if stopped():
                    return False
                self._check_room(BLOCK_BYTES)  # others write there too
        return True

    def _check_room(self, needed_bytes: int) -> None:
        """Without room to finish the generation there would be no rotation any more, and so
        nothing that lets go of this."""
        if not self._reserve.can_finish(needed_bytes + _LEFT_FREE_BYTES):
            raise Busy("there is no room to restore the snapshot before, which was compressed")

    def _restore_a_block(self, plain: FileIO, compressed: FileIO) -> bool:
        """Whether there are more; of threads that do it at once each does some."""
        with self._lock:
            if self._pieces_bytes:
                start = compressed.seek(0, os.SEEK_END) - self._pieces_bytes[-1]
                _append(plain, _zstd().decompress(_read(compressed, start)))
                self._pieces_bytes.pop()
                compressed.truncate(start)
            return bool(self._pieces_bytes)

    @contextmanager
    def _both(self, create: int = 0) -> Iterator[tuple[FileIO, FileIO]]:
        """The plain file and the compressed one. Raises FileNotFoundError where the directory is
        not ours any more: somebody else's may have taken its place, as `directory` says."""
        if not is_private(self.path.parent):
            raise FileNotFoundError(f"{self.path.parent} is not ours any more")
        with _opened(self.path, 0) as plain, _opened(self._compressed, create) as compressed:
            yield plain, compressed

    def remove(self) -> None:
        """Remove it, whatever it is, once nobody restores it. Raises OSError."""
        with self._lock:
            self._removed = True
            self._unlink_if_removed()

    def _unlink_if_removed(self) -> None:
        if self._removed and not self._nr_restoring:
            for path in (self.path, self._compressed):
                path.unlink(missing_ok=True)


def _zstd() -> ModuleType:
    """24 ms that a server with small generations never pays."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def _opened(path: Path, flags: int) -> FileIO:
    flags |= os.O_RDWR | os.O_NOFOLLOW
    return FileIO(path, "r+", opener=lambda name, _: os.open(name, flags, 0o600))


def _read(file: FileIO, start: int) -> bytes:
    """What there is from there on."""
    file.seek(start)
    return file.readall()


def _append(file: FileIO, data: bytes) -> None:
    """Write it at the end, in whole or not at all."""
    size_bytes = file.seek(0, os.SEEK_END)
    left = memoryview(data)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError:
        file.truncate(size_bytes)
        raise
