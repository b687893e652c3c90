"""What the system does not give: a sentence, and the code that goes with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command import clean_environment
from server_process import FREE_PORTS

NO_THREAD = (
    "cannot start a thread: the limit on processes (ulimit -u, TasksMax=) or on memory is reached\n"
)


def run(preparation: str, *args: object) -> tuple[int, str]:
    """`qasino ARGS..` in a process prepared so: its exit code and what it says."""
    program = f"{preparation}; from qasino_cli.main import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", program, *map(str, args)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        env=clean_environment(),
    )
    return ran.returncode, ran.stderr


WITHOUT_THREADS = "import threading; threading.stack_size(1 << 45)"


def test_a_server_that_gets_no_thread_says_what_bounds_them(tmp_path: Path) -> None:
    places = ("--db-dir", tmp_path / "db", "--static-db", tmp_path / "static.db")
    assert run(WITHOUT_THREADS, "server", *FREE_PORTS, *places) == (1, NO_THREAD)


@pytest.mark.parametrize(
    "args",
    [
        ("sql", "-q", "select 1", "-s", "zmq://localhost:1"),
        ("sql", "-q", "select 1", "-s", "http://localhost:1"),
        ("csvagent", "--directory", "/", "-s", "zmq://localhost:1"),
    ],
)
def test_a_client_that_gets_no_thread_says_what_bounds_them(args: tuple[str, ...]) -> None:
    assert run(WITHOUT_THREADS, *args) == (1, NO_THREAD)
