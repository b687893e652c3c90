"""What a process uses and holds, as the kernel tells it from outside."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ ", re.ASCII)


def cpu_s(pid: int) -> float:
    """Processor time a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pss_bytes(pid: int) -> int:
    """Its proportional share of everything."""
    return _rollup(pid, "Pss")


def anonymous_bytes(pid: int) -> int:
    """Its own memory, without the files it maps."""
    return _rollup(pid, "Pss_Anon")


def _rollup(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def held_bytes(pid: int, db_dir: Path) -> int:
    """PSS, and what the files in `db_dir` hold beyond what of them is mapped and so in it."""
    mapped = 0
    ours = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if _MAPPING.match(line):
            ours = f" {db_dir}/" in line and not line.endswith(" (deleted)")
        elif ours and line.startswith("Pss:"):
            mapped += int(line.split()[1]) * 1024
    return pss_bytes(pid) + max(0, file_bytes(db_dir) - mapped)


def file_bytes(db_dir: Path) -> int:
    """What the files of the generations take."""
    total = 0
    for path in db_dir.rglob("*.db*"):
        try:
            total += path.stat().st_blocks * 512
        except FileNotFoundError:  # retired meanwhile
            continue
    return total


class _Answered(Protocol):
    answered: int

    @property
    def rate(self) -> float: ...


class Meter:
    """What a server's process uses for each answer: it says more than a rate on a busy machine."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.used_us: dict[str, list[float]] = {}
        """By way the processor time for each answer, microseconds, round by round."""

    def rate(self, way: str, send: Callable[[], _Answered]) -> float:
        """The rate at which a client gets answers, with its use noted."""
        before = cpu_s(self._pid)
        done = send()
        used_us = 1e6 * (cpu_s(self._pid) - before) / max(1, done.answered)
        self.used_us.setdefault(way, []).append(used_us)
        return done.rate


class Sampled:
    """The most of something, looked at again and again while the context lasts."""

    def __init__(self, look: Callable[[], int], every_s: float) -> None:
        self._look, self._every_s = look, every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler")
        self.peak = 0

    def _run(self) -> None:
        while True:
            self.peak = max(self.peak, self._look())
            if self._stopping.wait(self._every_s):
                return

    def __enter__(self) -> Sampled:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopping.set()
        self._thread.join()
