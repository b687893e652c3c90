"""The server under fire, seen from outside: its ports, its log, what it holds."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import TracebackType

import zmq
from hypothesis import HealthCheck, settings
from wire import until

_EXAMPLES = os.environ.get("QASINO_FUZZ_EXAMPLES")
LONG = _EXAMPLES is not None
FUZZ = settings(
    max_examples=int(_EXAMPLES or 160),
    deadline=None,
    derandomize=not LONG,
    database=None,
    suppress_health_check=list(HealthCheck),
)
"""The same inputs at every run of CI; by hand as many as one likes, always new ones."""

BOUND_S = 15.0
"""An input has its answer, or its connection an end, within that."""
_START_S = 60.0
_FAULT = re.compile(rb"^(ERROR|CRITICAL) |^Traceback|^  File |Fatal Python error", re.MULTILINE)
_WARM = 50
"""Inputs after which a server holds what it will: connections, threads, modules."""
GROWTH_BYTES = 48 << 20
"""What a process may grow by, however many inputs it has seen: caches fill, arenas stay."""

tried: Counter[str] = Counter()
"""Inputs, by the port they went to; the summary of a run tells."""


class Target:
    """One server in a process of its own."""

    def __init__(self, place: Path, **settings: Path) -> None:
        words = [f"{name}={value}" for name, value in settings.items()]
        command = [
            sys.executable,
            str(Path(__file__).with_name("fuzz_served.py")),
            str(place),
            *words,
        ]
        self._log_path = place / "log"
        self._log = self._log_path.open("wb")
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=self._log)
        ports_file = place / "ports.json"
        until(lambda: ports_file.exists() or self._process.poll() is not None, _START_S)
        self.ports: dict[str, int] = json.loads(ports_file.read_text())
        self._seen = 0
        self._at_first = (0, 0, 0)
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()

    # --- Talking ----------------------------------------------------------------------------

    def tell(self, port: str, data: bytes, name: str = "", ended: bool = True) -> bytes:
        """Send bytes, and that there will be no more; all that comes until the server closes.

        Which it must, within a bound. Not `ended`, the connection waits for an answer first.
        """
        self._count(name or port)
        heard = b""
        with socket.create_connection(("127.0.0.1", self.ports[port]), BOUND_S) as made:
            try:
                made.sendall(data)
                if ended:
                    made.shutdown(socket.SHUT_WR)
                while part := made.recv(1 << 16):
                    heard += part
            except OSError as error:
                if isinstance(error, TimeoutError):
                    raise
                # Else it did not read to the end, and said so.
        return heard

    def ask(self, frames: list[bytes], kind: int = zmq.DEALER) -> list[bytes]:
        """Send a ZeroMQ message; the frames of the one answer, which must come."""
        self._count("zmq")
        with self.context.socket(kind) as made:
            made.linger = 0
            made.sndtimeo = made.rcvtimeo = int(BOUND_S * 1000)
            made.connect(f"tcp://127.0.0.1:{self.ports['zmq']}")
            made.send_multipart(frames)
            return made.recv_multipart()

    def _count(self, name: str) -> None:
        tried[name] += 1
        self._seen += 1
        if self._seen == _WARM:
            self._at_first = self.held()

    # --- Looking ----------------------------------------------------------------------------

    def check_log(self) -> None:
        """No traceback, no error."""
        log = self._log_path.read_bytes()
        fault = _FAULT.search(log)
        assert fault is None, log[max(0, fault.start() - 2000) : fault.end() + 6000].decode()

    def check_alive(self) -> None:
        """It runs, and it has nothing to say."""
        assert self._process.poll() is None, self._log_path.read_text()[-4000:]
        self.check_log()

    def held(self) -> tuple[int, int, int]:
        """Descriptors, threads, and bytes of memory."""
        proc = Path(f"/proc/{self._process.pid}")
        pages = int((proc / "statm").read_text().split()[1])
        return (
            len(list((proc / "fd").iterdir())),
            len(list((proc / "task").iterdir())),
            pages * 4096,
        )

    def holds_no_more_than_at_first(self) -> None:
        """Descriptors and threads come back to where they were, and memory near it."""
        assert self._seen > _WARM
        fds, threads, memory = self._at_first
        # A rotation under way opens a connection for each reader; to_thread keeps its threads.
        until(lambda: self.held()[0] <= fds + 30, BOUND_S)
        until(lambda: self.held()[1] <= threads + 12, BOUND_S)
        grown = self.held()[2] - memory
        assert grown <= GROWTH_BYTES, f"{grown >> 20} MiB more than before"

    # --- The end ----------------------------------------------------------------------------

    def close(self) -> None:
        """End it, and have it end well."""
        self.context.destroy(linger=0)
        assert self._process.stdin is not None
        self._process.stdin.close()
        began = time.monotonic()
        try:
            assert self._process.wait(BOUND_S) == 0, self._log_path.read_text()[-4000:]
        finally:
            self._process.kill()
            self._process.wait()
            self._log.close()
        assert time.monotonic() - began < BOUND_S
        self.check_log()

    def __enter__(self) -> Target:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
