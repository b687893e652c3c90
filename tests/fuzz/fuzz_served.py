"""A real server in a process of its own, for the fuzzers: its log and its memory are its own.

    python fuzz_served.py DIRECTORY [SETTING=VALUE ..]

writes DIRECTORY/ports.json, logs to stderr and serves until its stdin is closed. What uvicorn
has to say of an application that failed is logged here, where the server itself would not.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from qasino_server.server import Server
from qasino_server.settings import Settings

BROKEN_OFF_ON_PURPOSE = "ASGI callable returned without completing response."
GONE = "the handler is closed"
"""uvloop's word for a client that went away while its answer was on the way to uvicorn, which has
not heard of it yet: nobody's fault."""


def settings(place: Path, words: list[str]) -> Settings:
    """Settings of a server that keeps everything in `place` and is soon out of patience."""
    chosen: dict[str, Any] = dict(word.split("=", 1) for word in words)
    paths = {name: Path(value) for name, value in chosen.items()}
    return Settings(
        http_port=0,
        https_port=0,
        zmq_port=0,
        pubsub_port=0,
        line_port=0,
        identity="fuzzed",
        generation_duration_s=1,
        query_timeout_s=2.0,
        max_body_bytes=1 << 20,
        max_result_bytes=4 << 20,
        max_generation_bytes=64 << 20,
        max_memory_bytes=512 << 20,
        forget_after_s=1.0,
        static_db=place / "static.db",
        db_dir=place / "db",
        views_file=place / "views.conf",
        ports_file=place / "ports.json",
        **paths,
    )


def is_news(record: logging.LogRecord) -> bool:
    """Whether a record of uvicorn's tells of a fault of ours."""
    error = record.exc_info[1] if record.exc_info else None
    return record.msg != BROKEN_OFF_ON_PURPOSE and GONE not in str(error)


def main() -> None:
    """Serve until stdin ends."""
    place = Path(sys.argv[1])
    logging.basicConfig(level="WARNING", format="%(levelname)s %(name)s %(message)s")
    with Server(settings(place, sys.argv[2:])) as server:
        server.start()
        uvicorn = logging.getLogger("uvicorn.error")
        uvicorn.setLevel("ERROR")
        uvicorn.addFilter(is_news)
        sys.stdin.read()
        sys.exit(1 if server.failed else 0)


if __name__ == "__main__":
    main()
