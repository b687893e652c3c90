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


def with_files(nr: int) -> str:
    return f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({nr}, {nr}))"


@pytest.mark.parametrize("nr_files", [7, 8, 10, 12])
@pytest.mark.parametrize("command", ["sql", "publish", "csvagent", "watch"])
def test_a_client_short_of_descriptors_says_what_bounds_them(
    command: str, nr_files: int, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("1\nt\na\nint\nA\n1\n")
    args: dict[str, tuple[object, ...]] = {
        "sql": ("-q", "select 1"),
        "publish": (tmp_path / "t.csv",),
        "csvagent": ("--once", "--directory", tmp_path),
        "watch": ("--once", "select 1"),
    }
    # What is imported late finds its files closed, which is another sentence.
    imported = "import qasino_cli.zmq_client, qasino_cli.generation_clock, qasino_cli.watch.command"
    prepared = f"{imported}; {with_files(nr_files)}"
    code, said = run(prepared, command, *args[command], "-s", "zmq://127.0.0.1:1")
    sentence = "cannot reach zmq://127.0.0.1:1: too many open files (ulimit -n, LimitNOFILE=)"
    assert (code, said.splitlines()[-1]) == (3, sentence)


def test_an_agent_short_of_descriptors_goes_on(tmp_path: Path) -> None:
    """It waits for them as for a server that is away."""
    (tmp_path / "t.csv").write_text("1\nt\na\nint\nA\n1\n")
    program = f"{with_files(24)}; from qasino_cli.main import main; main()"
    words = ["csvagent", "--directory", str(tmp_path), "-s", "zmq://127.0.0.1:1"]
    agent = subprocess.Popen(
        [sys.executable, "-c", program, *words], stderr=subprocess.PIPE, env=clean_environment()
    )
    try:
        assert agent.stderr is not None
        assert any(b"too many open files (ulimit" in line for line in agent.stderr)
        agent.terminate()
        assert agent.wait(10) == 0
    finally:
        agent.kill()
        agent.communicate()


@pytest.mark.parametrize("nr_files", [12, 20, 99])
def test_a_server_short_of_descriptors_says_how_many_it_needs(
    nr_files: int, tmp_path: Path
) -> None:
    places = ("--db-dir", tmp_path / "db", "--static-db", tmp_path / "static.db")
    said = f"a server needs 100 open files and may have {nr_files} (ulimit -n, LimitNOFILE=)\n"
    assert run(with_files(nr_files), "server", *FREE_PORTS, *places) == (1, said)
