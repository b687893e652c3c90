"""The README is run: every command of its tour, in its order, against a real server.

`$ ` begins a command and `> ` continues it; what follows is what it prints, `...` standing
for what differs from run to run. A reader takes a while between two commands: generations end
meanwhile, so what stays for one of them is gone.
"""

from __future__ import annotations

import doctest
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qasino_cli.commands import ROOMS

README = Path(__file__).parent.parent / "README.md"


def console_commands() -> list[tuple[str, str]]:
    """(command, expected output) of every console block."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"^```console\n(.*?)^```$", README.read_text(), re.S | re.M):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], ""))
            elif line.startswith("> "):
                command, output = found[-1]
                found[-1] = (f"{command}\n{line[2:]}", output)
            else:
                command, output = found[-1]
                found[-1] = (command, f"{output}{line}\n")
    return found


def at_home(command: str, ports: dict[str, int]) -> str:
    """The command with this server's ports in the place of the default ones."""
    for name, port in (("http", 15597), ("line", 15000)):
        command = command.replace(f"localhost:{port}", f"127.0.0.1:{ports[name]}")
    return command


@pytest.fixture
def shell(make_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command as a reader would, `qasino` being this one."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    qasino = binaries / "qasino"
    qasino.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m qasino_cli.main "$@"\n')
    qasino.chmod(0o755)
    server = make_server(views_file=tmp_path / "views.conf")
    monkeypatch.setenv("PATH", f"{binaries}:/usr/local/bin:/usr/bin:/bin")
    monkeypatch.setenv("QASINO_SERVER", f"zmq://127.0.0.1:{server.ports['zmq']}")
    for name in ("QASINO_FORMAT", "QASINO_IDENTITY", "QASINO_PASSWORD"):
        monkeypatch.delenv(name, raising=False)

    def run(command: str) -> str:
        for _ in range(2):
            server.rotate()
        ran = subprocess.run(
            ["bash", "-c", at_home(command, server.ports)],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
        )
        return ran.stdout.decode().replace("\r\n", "\n")

    return run


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("bash")), reason="the tour uses bash and curl"
)
def test_every_command_of_the_tour_prints_what_the_readme_shows(shell: Any) -> None:
    checker = doctest.OutputChecker()
    commands = console_commands()
    assert len(commands) > 20
    for command, expected in commands:
        printed = shell(command)
        assert checker.check_output(expected, printed, doctest.ELLIPSIS), (
            f"$ {command}\nexpected:\n{expected}\nprinted:\n{printed}"
        )


def test_the_two_commands_that_do_all_the_set_up_are_there() -> None:
    text = README.read_text()
    commands = re.findall(r"^```sh\n(.*)\n```$", text, re.M)
    assert len(commands) == 2
    assert commands[0].endswith("&& .venv/bin/qasino server --demo")
    assert commands[1].endswith("&& .venv/bin/python -m pytest -n auto")
    assert "-m pytest -n auto$" in (README.parent / ".ci" / "run").read_text()


def test_every_command_is_in_the_readme() -> None:
    for command in ROOMS:
        assert f"qasino {command}" in README.read_text()


def test_the_changelogs_newest_heading_is_the_version() -> None:
    from importlib.metadata import version

    heading = re.search(r"^## (\S+)", (README.parent / "CHANGELOG.md").read_text(), re.M)
    assert heading is not None
    assert heading[1] == version("qasino")
