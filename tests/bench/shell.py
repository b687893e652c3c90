"""The sqlite3 shell on a snapshot's file, as a measure of SQLite itself."""

from __future__ import annotations

import os
import shutil
import subprocess

from tests.bench.registry import Skipped


def need_shell() -> None:
    """Raise Skipped where there is none."""
    if shutil.which("sqlite3") is None:
        raise Skipped("the sqlite3 shell is not here; apt-get install sqlite3")


def shell(file: str, sql: str, *options: str) -> int:
    """Run a statement and read what is said; its bytes."""
    command = ["sqlite3", "-readonly", *options, f"file:{file}?immutable=1", sql]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        size, reader = 0, process.stdout.fileno()
        while part := os.read(reader, 1 << 20):
            size += len(part)
    if process.returncode:
        raise RuntimeError(f"sqlite3 ended with {process.returncode}")
    return size
