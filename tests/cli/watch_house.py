"""What is watched in tests, and how its frames are read."""

from __future__ import annotations

from typing import Any

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
