"""A server in a process of its own, told by its standard input when to rotate.

Prints its ports; then for each line `rotate` or `report` one JSON object.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from qasino_server.server import Server, Settings


def memory() -> dict[str, int]:
    """Proportional and private resident memory of this process, bytes."""
    fields = {}
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split(":")
        fields[name] = int(value.split()[0]) * 1024
    return {"pss": fields["Pss"], "private": fields["Private_Clean"] + fields["Private_Dirty"]}


def report(directory: Path) -> dict[str, Any]:
    """Memory, and the files of the generations."""
    files = {path.name: path.stat().st_size for path in directory.rglob("*.db")}
    return {"memory": memory(), "files": files}


def main() -> None:
    """Serve until the standard input ends."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        place = Path(name)
        settings = Settings(
            http_port=0,
            zmq_port=0,
            pubsub_port=0,
            line_port=None,
            db_dir=place / "db",
            static_db=place / "static.db",
            views_file=place / "views.conf",
        )
        with Server(settings) as server:
            server.start(heartbeat=False)
            print(json.dumps(server.ports), flush=True)
            for command in sys.stdin:
                began = time.perf_counter()
                if command.strip() == "rotate":
                    server.rotate()
                    told: Any = {"seconds": time.perf_counter() - began}
                else:
                    told = report(place / "db")
                print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
