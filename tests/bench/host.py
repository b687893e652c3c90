"""A server in a process of its own, told by its standard input when to rotate.

`python -m tests.bench.host '{"heartbeat": true, "generation_duration_s": 5}'`: settings of the
server as JSON. Prints what it has bound and where its generations live; then, for each line
`rotate`, one JSON object. Ends with its standard input.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from qasino_server.interpreter import keep_what_is_here
from qasino_server.server import Server
from qasino_server.settings import Settings


def settings_in(place: Path, overrides: dict[str, Any]) -> Settings:
    """Free ports, everything in `place`, the rest as a server told nothing has it."""
    defaults = {
        "http_port": 0,
        "zmq_port": 0,
        "pubsub_port": 0,
        "line_port": None,
        "slow_query_s": 3600.0,  # they are meant to be slow
        "db_dir": place / "db",
        "static_db": place / "static.db",
        "views_file": place / "views.conf",
    }
    return Settings(**{**defaults, **overrides})


def rotated(server: Server, directory: Path) -> dict[str, Any]:
    """Rotate; how long it took, the new snapshot's number and its file."""
    began = time.perf_counter()
    number = server.rotate()
    seconds = time.perf_counter() - began
    file = next(directory.rglob(f"{number}.db"), None)
    return {"seconds": seconds, "number": number, "file": str(file)}


def main() -> None:
    """Serve until the standard input ends."""
    # What is slow or refused is meant to be, or counted by who asks.
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    overrides = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    heartbeat = overrides.pop("heartbeat", False)
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="qasino-bench-") as name:
        place = Path(name)
        with Server(settings_in(place, overrides)) as server:
            server.start(heartbeat=heartbeat)
            keep_what_is_here()
            print(json.dumps({"ports": server.ports, "db_dir": str(place / "db")}), flush=True)
            for _ in sys.stdin:
                print(json.dumps(rotated(server, place / "db")), flush=True)


if __name__ == "__main__":
    main()
