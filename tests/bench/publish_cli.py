"""What `qasino publish` takes: `python -m tests.bench.publish_cli [ROWS]`

Start-up over each transport beside `--version` of the same minute (the median of 20, wall time
of the whole process), then a large table in each form: wall time, rows/s and the most memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tests.bench.processes import Host

STARTS = 20
COMMAND = [sys.executable, "-m", "qasino_cli.main"]


def once_s(*args: object) -> float:
    """Wall time of a command, which must succeed."""
    began = time.perf_counter()
    subprocess.run([*COMMAND, *map(str, args)], check=True, capture_output=True)
    return time.perf_counter() - began


def starts_ms(ways: dict[str, Sequence[object]]) -> dict[str, float]:
    """The median of each way; they take turns, so that all see the same machine."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(STARTS):
        for name, args in ways.items():
            taken[name].append(once_s(*args) * 1000)
    return {name: median(times) for name, times in taken.items()}


def write_forms(place: Path, rows: int) -> list[Path]:
    """One table in several forms."""
    cells = [(f"host-{n}", n % 100 + 0.5, n, f"some text {n}") for n in range(rows)]
    names = ("host", "cpu", "mem", "text")
    csv, ndjson, columns = (place / f"t{end}" for end in (".csv", ".ndjson", ".txt"))
    csv.write_text("\n".join([",".join(names), *(",".join(map(str, c)) for c in cells), ""]))
    ndjson.write_text("".join(json.dumps(dict(zip(names, c, strict=True))) + "\n" for c in cells))
    columns.write_text("\n".join(["HOST CPU MEM TEXT", *(" ".join(map(str, c)) for c in cells)]))
    return [csv, ndjson, columns]


def large(url: str, path: Path) -> tuple[float, float]:
    """Wall time in seconds and the most memory in MiB of publishing one file."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [*COMMAND, "publish", "-s", url, path], stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, path
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def main() -> None:
    """Print the figures."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    host = Host()
    zmq_url = f"zmq://127.0.0.1:{host.ports['zmq']}"
    http_url = f"http://127.0.0.1:{host.ports['http']}"
    try:
        with tempfile.TemporaryDirectory() as place:
            small = Path(place) / "small.csv"
            small.write_text("a,b\n1,2\n")
            found = starts_ms(
                {
                    "--version": ["--version"],
                    "publish, ZeroMQ": ["publish", "-s", zmq_url, small],
                    "publish, HTTP": ["publish", "-s", http_url, small],
                    "publish --dry-run": ["publish", "--dry-run", small],
                    "publish --this-host": ["publish", "-s", zmq_url, "--this-host"],
                }
            )
            for name, ms in found.items():
                print(f"{name:22} {ms:6.0f} ms  {ms / found['--version']:5.1f} x --version")
            for path in write_forms(Path(place), rows):
                seconds, mib = large(zmq_url, path)
                mb = path.stat().st_size / 1e6
                print(
                    f"{path.suffix:8} {rows} rows, {mb:5.1f} MB: {seconds:5.2f} s,"
                    f" {rows / seconds:9,.0f} rows/s, {mib:5.0f} MiB"
                )
    finally:
        host.close()


if __name__ == "__main__":
    main()
