"""Processes of the bench's own: they begin, say one line of JSON, and end with their input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_END_S = 60.0


class Process:
    """A module of the bench, running. Use it as a context manager, or close it."""

    def __init__(self, module: str, *args: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self.said = self._read()
        """Its first line."""

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise RuntimeError(f"{self._process.args} ended without a word")
        return json.loads(line)

    def ask(self, line: str) -> Any:
        """Send a line; the line that comes back."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._read()

    def finish(self) -> Any:
        """End its input and wait; its last line of JSON, if it says one."""
        told, _ = self._process.communicate(timeout=_END_S)
        return json.loads(told) if told.strip() else None

    def close(self) -> None:
        """End it; safe to call twice."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Host(Process):
    """A Qasino server; see `tests.bench.host`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__("tests.bench.host", json.dumps(settings))
        self.ports: dict[str, int] = self.said["ports"]
        self.db_dir = Path(self.said["db_dir"])

    def rotate(self) -> dict[str, Any]:
        """Rotate by hand: `seconds`, the snapshot's `number` and its `file`."""
        told: dict[str, Any] = self.ask("rotate")
        return told


class Bare(Process):
    """A server that does nothing; see `tests.bench.bare`. `kind` is http or zmq."""

    def __init__(self, kind: str) -> None:
        super().__init__("tests.bench.bare", kind)
        self.port: int = self.said["port"]


class Beside(Process):
    """Queries at full speed from a process of their own; see `tests.bench.beside`."""

    def __init__(self, kind: str, port: int, sql: str, connections: int) -> None:
        super().__init__("tests.bench.beside", kind, str(port), sql, str(connections))

    def rate(self) -> float:
        """End it; the queries/s that were answered."""
        told = self.finish()
        return float(told["answered"] / told["took_s"])


class Paced(Process):
    """Queries at an even pace from a process of their own; see `tests.bench.paced`."""

    def __init__(self, port: int, per_s: float, mix: list[dict[str, Any]]) -> None:
        told = {"port": port, "per_s": per_s, "mix": mix}
        super().__init__("tests.bench.paced", json.dumps(told))
