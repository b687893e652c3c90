"""How long commands take to begin, and as multiples of Python's own beginning.

With bytecode, as pip leaves it where it installs: a checkout in a place that Python may not write
to, or is told not to (PYTHONDONTWRITEBYTECODE), would be compiled anew by each command.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.bench.figures import Figure, no_more_than, of_medians
from tests.bench.plan import Plan
from tests.bench.processes import Host
from tests.bench.registry import Case
from tests.bench.rounds import interleaved

TURNS = 3
"""Of each command in a round: they are short."""
_PATIENCE_S = 30.0


def _qasino() -> list[str]:
    """The command as it is installed, else its module."""
    command = Path(sys.executable).with_name("qasino")
    return [str(command)] if command.exists() else [sys.executable, "-m", "qasino_cli.main"]


def _with_bytecode(place: Path) -> dict[str, str]:
    """An environment whose commands keep theirs below `place`."""
    kept = {name: value for name, value in os.environ.items() if "BYTECODE" not in name}
    return kept | {"PYTHONPYCACHEPREFIX": str(place / "bytecode")}


def _wall_ms(environment: dict[str, str], command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return (time.perf_counter() - began) * 1000


def _ready_ms(environment: dict[str, str], place: Path) -> float:
    """Until a server has written the ports it serves."""
    ports = place / "ports.json"
    places = ["--static-db", place / "static.db", "--db-dir", place / "db", "--ports-file", ports]
    names = ("http", "zmq", "pubsub", "line")
    free = [word for name in names for word in (f"--{name}-port", "0")]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*_qasino(), "server", *map(str, places), *free],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        while not ports.exists():
            if process.poll() is not None or time.perf_counter() > began + _PATIENCE_S:
                raise RuntimeError(f"the server is not ready: {process.returncode}")
            time.sleep(0.001)
        return (time.perf_counter() - began) * 1000
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)


def _run(plan: Plan) -> Iterator[Figure]:
    with Host() as host, tempfile.TemporaryDirectory() as name:
        place = Path(name)
        environment = _with_bytecode(place)
        wall_ms = partial(_wall_ms, environment)
        small = place / "small.csv"
        small.write_text("a,b\n1,2\n")
        publish = [*_qasino(), "publish", "--identity", "me", str(small), "-s"]
        ways = {
            "python -c pass": partial(wall_ms, [sys.executable, "-c", "pass"]),
            "qasino --help": partial(wall_ms, [*_qasino(), "--help"]),
        }
        for kind in ("zmq", "http"):
            url = f"{kind}://127.0.0.1:{host.ports[kind]}"
            ways[f"qasino publish, {kind}"] = partial(wall_ms, [*publish, url])
        ways["qasino server, ready"] = partial(_ready_ms, environment, place)
        for first in ways.values():
            first()  # compiles what it imports
        found = interleaved(ways, plan.rounds * TURNS if plan.rounds > 1 else 1)
    goals_ms = {"qasino --help": 150, "qasino server, ready": 500}
    for name, samples in found.items():
        reference = found["python -c pass"] if name != "python -c pass" else []
        goal = no_more_than(goals_ms.get(name, 250)) if reference else None
        yield of_medians(name, "ms", samples, reference, "python -c pass", goal)


CASE = Case("start", "wall time of whole commands", _run)
