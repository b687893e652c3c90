"""How much room there is: of a directory's file system, and of memory where it is one.

Linux tells; elsewhere the file system alone is asked.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from qasino_server.mounts import MOUNTS, kind_of, mounts

_LEAST_BYTES = 16 << 20
_LEAST_RESERVE_BYTES = 1 << 20
_MUCH_BYTES = 1 << 60
_ASK_AGAIN_S = 0.02
_IN_MEMORY = {"tmpfs", "ramfs"}
_CGROUP = Path("/sys/fs/cgroup")


class Reserve:
    """What publications leave free in a directory, so that their generation can be finished.

    They were answered `ok`: the server's own tables, which come last, must not fail for want
    of room, and rows that live on must find it in the next generation too, whatever the file is
    full of: no more than half of what there is for both is taken. What others write there can
    still take it; then finishing waits (`can_finish`).
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._size_bytes = _LEAST_RESERVE_BYTES
        self._asked_at = float("-inf")
        self._left_bytes = 0
        self._open: Path | None = None
        self._owed: Path | None = None
        self._carried_bytes = 0

    def collects(self, generation: Path, owed: Path | None) -> None:
        """That file is the open one now, into which rows of the file `owed` are still carried."""
        self._open, self._owed, self._carried_bytes = generation, owed, 0
        self._asked_at = float("-inf")

    def carried(self, size_bytes: int) -> None:
        """So much of what is owed has been written."""
        self._carried_bytes += size_bytes

    def took(self, size_bytes: int) -> None:
        """What the server's own tables took in a generation; the next may have twice as many."""
        self._size_bytes = _LEAST_RESERVE_BYTES + 2 * size_bytes

    def can_store(self, size_bytes: int) -> bool:
        """Whether publications of that size leave enough.

        The file system is asked again after some time, and before the answer is no: what is
        taken off for each publication is twice what it may need.
        """
        now, least_bytes = time.monotonic(), 2 * (size_bytes + self._size_bytes)
        if now > self._asked_at + _ASK_AGAIN_S or self._left_bytes < least_bytes:
            self._asked_at, self._left_bytes = now, self._room_bytes()
        if self._left_bytes < least_bytes:
            return False
        self._left_bytes -= 2 * size_bytes
        return True

    def can_finish(self, after_bytes: int = 0) -> bool:
        """Whether a generation can be finished, also once so much more has been written."""
        return self._free_bytes() >= self._size_bytes + self._owed_bytes() + after_bytes

    def _room_bytes(self) -> int:
        """What publications may take: of what is free beside what is owed, and so that the open
        file and its copy fit where the others are gone, as they are when it is carried."""
        free, owed, size = self._free_bytes(), self._owed_bytes(), size_of(self._open)
        others = _size_of_all(self._directory) - size
        return min(free - owed, free + others - (size + 2 * owed))

    def _owed_bytes(self) -> int:
        """What may still be written for rows that are carried: at most all of their file."""
        return max(0, size_of(self._owed) - self._carried_bytes)

    def _free_bytes(self) -> int:
        return free_bytes_if_there(self._directory)


def free_bytes(directory: Path) -> int:
    """What may still be written there. Raises OSError where there is no such directory."""
    space = os.statvfs(directory)
    return space.f_bavail * space.f_frsize


def free_bytes_if_there(directory: Path) -> int:
    """Likewise; much where somebody has removed it: whoever writes there finds out."""
    try:
        return free_bytes(directory)
    except OSError:
        return _MUCH_BYTES


def size_of(path: Path | None) -> int:
    """Bytes; 0 where somebody has removed the file: what is open of it still serves."""
    if path is None:
        return 0
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _size_of_all(directory: Path) -> int:
    try:
        return sum([size_of(path) for path in directory.iterdir()])
    except OSError:  # somebody has removed it
        return 0


def share_of_room(directory: Path, told: Path = MOUNTS) -> int:
    """What one generation may take unless told otherwise: a quarter of what is free now.

    Three of them can exist at once (`prev`, the snapshot, the one being collected), and
    something has to be left. Where that is little it is a third: two always fit, so that what
    lives on can be carried; `prev` goes without then.
    """
    free = free_bytes(directory)
    if kind_of(str(directory.resolve()), mounts(told)) in _IN_MEMORY:
        free = min(free, available_memory_bytes())
    return max(min(_LEAST_BYTES, free // 3), free // 4)


def available_memory_bytes() -> int:
    """What this process could still take, its control group's bound included."""
    known = [_meminfo("MemAvailable"), _left_in_cgroup()]
    return min([size for size in known if size is not None], default=1 << 40)


def memory_bytes() -> int:
    """All memory of the machine, or of the control group where that has less."""
    known = [_meminfo("MemTotal"), _number(_CGROUP / "memory.max")]
    return min([size for size in known if size is not None], default=1 << 40)


def _meminfo(name: str) -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError, IndexError):
        pass
    return None


def _left_in_cgroup() -> int | None:
    most, taken = _number(_CGROUP / "memory.max"), _number(_CGROUP / "memory.current")
    return None if most is None or taken is None else max(0, most - taken)


def _number(path: Path) -> int | None:
    """The number in a file; None where there is none, such as `max`."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
