"""`qasino server` as a process of its own, and a load that goes on until it is gone."""

from __future__ import annotations

import json
import subprocess
import threading
from http.client import HTTPException
from pathlib import Path
from typing import IO

from command import start_qasino
from wire import Wire, until

FREE_PORTS = ("--http-port", 0, "--zmq-port", 0, "--pubsub-port", 0, "--line-port", 0)

GONE = (OSError, ValueError, HTTPException)
"""What a client sees of a server that goes away."""

ENDLESS = "with recursive r(i) as (select 1 union all select i + 1 from r) select max(i) from r"


def launch(
    place: Path, *options: object, stderr: int | IO[bytes] = subprocess.PIPE, **variables: str
) -> subprocess.Popen[bytes]:
    """`qasino server` that keeps everything in `place`, with these environment variables."""
    return start_qasino(
        "server", *FREE_PORTS, "--db-dir", place / "db", "--static-db", place / "static.db",
        "--views-file", place / "views.conf", *options, stderr=stderr, **variables,
    )  # fmt: skip


def ports_of(process: subprocess.Popen[bytes], ports_file: Path) -> dict[str, int]:
    """The ports of a server that was just launched, once it serves; {} if it has ended."""
    until(lambda: ports_file.exists() or process.poll() is not None, within_s=60)
    if process.poll() is not None:
        return {}
    ports: dict[str, int] = json.loads(ports_file.read_text())
    return ports


class Load:
    """Publishers and readers in threads that go on until the server goes away."""

    def __init__(self, wire: Wire) -> None:
        self.accepted = 0
        self._wire = wire
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._publish, args=(n,)) for n in range(4)]
        self._threads += [threading.Thread(target=self._ask) for _ in range(2)]
        for thread in self._threads:
            thread.start()

    def _publish(self, number: int) -> None:
        sent = 0
        while not self._stopping.is_set():
            sent += 1
            rows = [[n, "x" * 50] for n in range(200)]
            try:
                self._wire.publish(f"p{number}-{sent}", "load", ["n", "x"], ["int", "text"], rows)
            except GONE:
                return
            self.accepted += 1

    def _ask(self) -> None:
        while not self._stopping.is_set():
            try:
                self._wire.query(ENDLESS)
            except GONE:
                return

    def end(self) -> None:
        """Let the threads go, and wait for them."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(20)
