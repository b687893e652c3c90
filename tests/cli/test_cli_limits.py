"""What the system does not give: a sentence, and the code that goes with it."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import pytest
from command import clean_environment
from server_process import FREE_PORTS, ports_of
from wire import until

from qasino_server.seats import seats_of_process

NO_THREAD = (
    "cannot start a thread: the limit on processes (ulimit -u, TasksMax=) or on memory is reached\n"
)


def run(preparation: str, *args: object) -> tuple[int, str]:
    """`qasino ARGS..` in a process prepared so: its exit code and what it says."""
    process = start(preparation, *args, stderr=subprocess.PIPE)
    try:
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    return process.returncode, said.decode()


def start(preparation: str, *args: object, stderr: int | IO[bytes]) -> subprocess.Popen[bytes]:
    """The same, which goes on."""
    program = f"{preparation}; from qasino_cli.main import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, args)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=clean_environment(),
    )


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


@pytest.mark.parametrize("nr_files", [12, 20, 127])
def test_a_server_short_of_descriptors_says_how_many_it_needs(
    nr_files: int, tmp_path: Path
) -> None:
    places = ("--db-dir", tmp_path / "db", "--static-db", tmp_path / "static.db")
    said = f"a server needs 128 open files and may have {nr_files} (ulimit -n, LimitNOFILE=)\n"
    assert run(with_files(nr_files), "server", *FREE_PORTS, *places) == (1, said)


@pytest.mark.parametrize(
    ("nr_files", "seats"),
    [(3, 1), (128, 16), (160, 48), (224, 112), (400, 200), (1024, 512), (4096, 3584)],
)
def test_connections_take_what_files_leave(
    monkeypatch: pytest.MonkeyPatch, nr_files: int, seats: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda of: (nr_files, nr_files))
    assert seats_of_process().most == seats


def test_generations_go_on_however_many_connections_a_server_with_few_files_has(
    tmp_path: Path,
) -> None:
    log, ports_file = tmp_path / "log", tmp_path / "ports.json"
    places = ("--db-dir", tmp_path / "db", "--static-db", tmp_path / "static.db")
    args = ("server", *FREE_PORTS, *places, "-g", 1, "--ports-file", ports_file)
    with log.open("wb") as stderr, ExitStack() as opened:
        process = start(with_files(128), *args, stderr=stderr)
        try:
            port = ports_of(process, ports_file)["http"]
            for _ in range(128):
                opened.enter_context(socket.create_connection(("127.0.0.1", port)))
            until(lambda: "connections refused" in log.read_text())
            before = log.read_text().count("rotation ")
            until(lambda: log.read_text().count("rotation ") > before + 2)
        finally:
            process.kill()
            process.communicate()
    assert "rotation failed" not in log.read_text()
