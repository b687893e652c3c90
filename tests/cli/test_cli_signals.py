"""What signals ask of the services that run for weeks."""

from __future__ import annotations

import os
import shlex
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest
from command import COMMAND, clean_environment
from server_process import FREE_PORTS
from wire import until


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    """What a service manager hears."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        yield manager


@pytest.fixture
def behind_a_shell(tmp_path: Path) -> Iterator[Callable[..., tuple[pexpect.spawn, int]]]:
    """Has an interactive shell on a terminal run a line in the background; it, and the process."""
    started: list[int] = []
    environment = clean_environment(NOTIFY_SOCKET=str(tmp_path / "notify"))
    shell = pexpect.spawn(
        "bash", ["--norc", "--noprofile", "-i"], env=environment, timeout=20, encoding="utf-8"
    )

    def run(line: str) -> tuple[pexpect.spawn, int]:
        shell.sendline(f"{line} & echo begun=$!.")
        shell.expect(r"begun=(\d+)\.")
        started.append(int(shell.match.group(1)))
        return shell, started[-1]

    yield run
    shell.close(force=True)
    for process in started:
        if runs(process):
            os.kill(process, signal.SIGKILL)


def close_terminal(shell: pexpect.spawn) -> None:
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), shell.child_fd)  # a closed window: the kernel sends SIGHUP
    until(lambda: not shell.isalive(), 20.0)


def runs(process: int) -> bool:
    """Whether a process that is no child of ours is there, and not as a zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("how", ["nohup", "env"])
def test_a_server_whose_log_is_a_file_outlives_its_terminal(
    behind_a_shell: Callable[..., tuple[pexpect.spawn, int]],
    heard: socket.socket,
    tmp_path: Path,
    how: str,
) -> None:
    words = [*COMMAND, "server", *FREE_PORTS, "--static-db", tmp_path / "static.db"]
    log = tmp_path / "log"
    shell, process = behind_a_shell(f"{how} {shlex.join(map(str, words))} >{log} 2>&1")
    assert heard.recv(100) == b"READY=1"
    close_terminal(shell)
    assert heard.recv(100).startswith(b"RELOADING=1")
    assert heard.recv(100) == b"READY=1"
    os.kill(process, signal.SIGTERM)
    assert heard.recv(100) == b"STOPPING=1"
    until(lambda: not runs(process), 20.0)


@pytest.mark.parametrize("how", ["nohup", "env"])
def test_an_agent_whose_log_is_a_file_outlives_its_terminal(
    behind_a_shell: Callable[..., tuple[pexpect.spawn, int]], tmp_path: Path, how: str
) -> None:
    words = [*COMMAND, "csvagent", "--directory", tmp_path, "-s", "zmq://127.0.0.1:1"]
    log = tmp_path / "log"
    shell, process = behind_a_shell(f"{how} {shlex.join(map(str, words))} >{log} 2>&1")
    until(lambda: log.exists() and "stay ready until it is back" in log.read_text(), 20.0)
    close_terminal(shell)
    until(lambda: "reading everything anew" in log.read_text(), 20.0)
    assert runs(process)
    os.kill(process, signal.SIGTERM)
    until(lambda: not runs(process), 20.0)


def test_an_agent_on_a_terminal_ends_when_that_is_closed(tmp_path: Path) -> None:
    words = [*COMMAND, "csvagent", "--directory", tmp_path, "-s", "zmq://127.0.0.1:1"]
    child = pexpect.spawn(
        str(words[0]), [str(word) for word in words[1:]], env=clean_environment(), timeout=20
    )
    try:
        child.expect("stay ready until it is back")
        close_terminal(child)
        assert child.exitstatus == 0
    finally:
        child.close(force=True)
