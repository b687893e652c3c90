"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import apsw

CORES = 2
"""The goals are for a box with two: client and server share them."""
_PACKAGES = ("apsw", "msgspec", "pyzmq", "uvicorn", "httptools", "uvloop", "qasino")


def keep_to_two_cores() -> None:
    """Have this process, and what it starts, use two cores of those it may use."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:CORES]))


def facts() -> dict[str, Any]:
    """Cores, memory and versions."""
    return {
        "processor": _processor(),
        "cores_used": len(os.sched_getaffinity(0)),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load_before": os.getloadavg()[0],
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "sqlite": apsw.sqlite_lib_version(),
        "sqlite3_shell": _said(["sqlite3", "--version"]),
        "wrk": _said(["wrk", "--version"]),
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _said(command: list[str]) -> str | None:
    """The first words of what a program says of itself; None where there is none."""
    if shutil.which(command[0]) is None:
        return None
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    words = said.removeprefix(command[0]).split()
    return words[0] if words else None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
