"""What is watched in tests, how its frames are read, and what it leaves behind."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import psutil
from wire import Wire

QUERY = "select host, used from disks order by host"


def publish(wire: Wire, identity: str, used: int, name: str = "disks") -> None:
    table = {
        "tablename": name,
        "column_names": ["host", "used"],
        "column_types": ["text", "int"],
        "rows": [[identity, used]],
    }
    wire.http_post("add_table_data", {"identity": identity, "table": table})


def frame_of(process: Any) -> list[str]:
    """The next frame of TSV."""
    lines = []
    while line := process.stdout.readline().decode().rstrip("\n"):
        lines.append(line)
    return lines


def group_lives(leader: int) -> bool:
    """Whether anybody of a process group still runs."""
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False
