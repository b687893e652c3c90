"""What is watched in tests, how its frames are read, and what it leaves behind."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Any

import psutil
from wire import Wire, until

from qasino_server.table import Result

QUERY = "select host, used from disks order by host"


def publish(wire: Wire, identity: str, used: int, name: str = "disks") -> None:
    table = {
        "tablename": name,
        "column_names": ["host", "used"],
        "column_types": ["text", "int"],
        "rows": [[identity, used]],
    }
    wire.http_post("add_table_data", {"identity": identity, "table": table})


def result_of(
    names: tuple[str, ...], rows: list[tuple[Any, ...]], number: int = 0, truncated: bool = False
) -> Result:
    """What the generation of that number answered."""
    return Result(
        column_names=names,
        column_types=("",) * len(names),
        nr_rows=len(rows),
        rows=rows,
        generation_number=number,
        truncated=truncated,
    )


def frame_of(process: Any) -> list[str]:
    """The next frame of TSV."""
    lines = []
    while line := process.stdout.readline().decode().rstrip("\n"):
        lines.append(line)
    return lines


def until_another_second(frame: list[str]) -> None:
    """Wait until the generations of a server that begins have other numbers than that frame's:
    those are seconds, which differ wherever generations last longer than in tests."""
    number = int(frame[0].split()[2].rstrip(","))
    until(lambda: time.time() >= number + 1)


def group_lives(leader: int) -> bool:
    """Whether anybody of a process group still runs."""
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False
