"""Settings and assembly: what is opened in which order, and closed in the reverse."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a server can be told, with the defaults of a server told nothing."""

    listen: str = "127.0.0.1"
    """The address all ports listen on."""
    http_port: int | None = 15597
    """0 takes a free port, None opens none; likewise the other ports."""
    zmq_port: int | None = 15598
    pubsub_port: int | None = 15596
    line_port: int | None = 15000
    generation_duration_s: int = 30
    identity: str = msgspec.field(default_factory=socket.gethostname)
    """The name the server gives itself in every answer."""
    db_dir: Path | None = None
    """Where generations live; None takes /dev/shm where there is room, else the temporary
    directory."""
    static_db: Path | None = None
    """The file of the static tables; None takes the user's state directory."""
    archive_dir: Path | None = None
    archive_keep: int = 120
    views_file: Path = Path("views.conf")
    query_timeout_s: float = 30.0
    max_rows: int = 100_000
    max_result_bytes: int = 64 << 20
    max_body_bytes: int = 64 << 20
    ports_file: Path | None = None
    """Written whole when every port is open: {"http": .., "zmq": .., "pubsub": .., "line": ..}."""
    forget_after_s: float = 24 * 3600.0
    """How long a (table, identity) that no longer reports is listed as missing."""
