"""The README is run: every command of its tour, in its order, against a real server.

`$ ` begins a command and `> ` continues it; what follows is what it prints, `...` standing
for what differs from run to run. A reader takes a while between two commands: generations end
meanwhile, so what stays for one of them is gone.
"""

from __future__ import annotations

import doctest
import hashlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from command import COMMAND, clean_environment, run_qasino, start_qasino, zmq_url
from server_process import ports_of

from qasino_cli.commands import ROOMS
from qasino_cli.reference.tree import commands
from qasino_cli.server import greeting
from qasino_cli.server_options import read_configuration, read_file
from qasino_server.server import Server

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


def block(form: str, begins: str) -> str:
    """The block of this form in whose text these words stand first, or in its first comment."""
    found = [
        text
        for text in re.findall(rf"^```{form}\n(.*?)^```$", README.read_text(), re.S | re.M)
        if begins in text.partition("\n")[0]
    ]
    assert len(found) == 1, begins
    return str(found[0])


def command_with(words: str) -> str:
    """The only command of a console block that has these words."""
    (found,) = [command for command, _ in console_commands() if words in command]
    return found


@pytest.fixture
def secured(shell: Callable[[str], str], tmp_path: Path) -> Path:
    """A directory with what the README puts into /etc/qasino; ops has the password `secret`."""
    for words in ("openssl req", "qasino keys", "openssl rand"):
        shell(command_with(words))
    token = hashlib.sha256((tmp_path / "agents.token").read_text().strip().encode()).hexdigest()
    password = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    users = block("yaml", "/etc/qasino/users.yaml")
    users = users.replace("$2y$05$...", password).replace("9f86d081884c7d65...", token)
    (tmp_path / "users.yaml").write_text(users)
    server = block("yaml", "/etc/qasino/server.yaml").replace("/etc/qasino", str(tmp_path))
    server = server.replace("/var/lib/qasino", str(tmp_path / "var"))
    (tmp_path / "server.yaml").write_text(server)
    for half, name in (
        ("clients/web-1.key_secret", "web-1.key_secret"),
        ("server.key", "stats.key"),
    ):
        shutil.copy(tmp_path / "curve" / half, tmp_path / f"copied-{name}")
    config = block("yaml", "config.yaml on web-1")
    (tmp_path / "config.yaml").write_text(config.replace("~/", f"{tmp_path}/copied-"))
    return tmp_path


@pytest.mark.skipif(not shutil.which("openssl"), reason="the certificate is made by openssl")
def test_the_server_of_the_network_section_leaves_no_door_open(secured: Path) -> None:
    own_ports = ("--https-port", 0, "--zmq-port", 0, "--pubsub-port", 0)
    ports_file = secured / "ports.json"
    server = start_qasino(
        *("server", "--config", secured / "server.yaml", "--listen", "127.0.0.1", *own_ports),
        *("--ports-file", ports_file, "--db-dir", secured / "generations"),
    )
    try:
        ports = ports_of(server, ports_file)
        assert set(ports) == {"https", "zmq", "pubsub"}
        config = (secured / "config.yaml").read_text()
        (secured / "config.yaml").write_text(
            config.replace("stats.example.com", f"127.0.0.1:{ports['zmq']}")
        )
        key = {"QASINO_CONFIG": str(secured / "config.yaml")}
        token = ("--token-file", secured / "agents.token")
        https = ("-k", "-s", f"https://127.0.0.1:{ports['https']}")
        ops = ("-k", "-s", f"https://ops@127.0.0.1:{ports['https']}")
        table = ("publish", "--table", "t", "-I")
        assert run_qasino(*table, "web-1", "-s", "stats", stdin="a\n1\n", **key).returncode == 0
        assert run_qasino(*table, "web-7", *https, *token, stdin="a\n1\n").returncode == 0
        assert run_qasino(*table, "db-1", *https, *token, stdin="a\n1\n").returncode == 1
        assert run_qasino("sql", "-q", "select 1", *ops, QASINO_PASSWORD="secret").returncode == 0
        assert run_qasino("sql", "-q", "select 1", *ops, QASINO_PASSWORD="guess").returncode == 1
    finally:
        server.terminate()
        said = server.communicate(timeout=30)[1].decode()
    assert server.returncode == 0, said
    beside_refusals = [line for line in said.splitlines() if "qasino.dispatch" not in line]
    assert "WARNING" not in "\n".join(beside_refusals)
    settings = read_configuration({}, {}, read_file(secured / "server.yaml")).settings
    assert settings.listen == "0.0.0.0"
    assert "WARNING" not in "\n".join(greeting(settings, ports))


def test_the_line_of_the_crontab_works_as_cron_runs_it(server: Server, tmp_path: Path) -> None:
    found = re.search(r"^(\* ){5}(/usr/local/bin/qasino publish .*)$", README.read_text(), re.M)
    assert found is not None
    assert "%" not in found[2]  # to cron, the end of the line
    assert found[0] in run_qasino("publish", "--help").stdout
    command = found[2].replace("/usr/local/bin/qasino", shlex.join(COMMAND))
    poor = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "SHELL": "/bin/sh", "LOGNAME": "root"}
    at_home = {"QASINO_SERVER": zmq_url(server)}
    ran = subprocess.run(
        ["/bin/sh", "-c", command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=tmp_path,
        env=poor | at_home,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")  # cron mails what is said
    for _ in range(2):  # the generations of a minute
        server.rotate()
        sql = ("-s", zmq_url(server), "-q", "select count(*) > 0 from disks", "--no-header")
        assert run_qasino("sql", *sql, "--format", "tsv").stdout == "1\n"


def unit(of: str) -> str:
    """The unit of the server or the agent."""
    units = re.findall(r"^```ini\n(.*?)^```$", README.read_text(), re.S | re.M)
    (found,) = [text for text in units if f"qasino {of} " in text]
    return str(found)


@pytest.mark.parametrize("of", ["server", "csvagent"])
def test_a_units_options_are_the_commands(of: str) -> None:
    found = re.search(rf"^ExecStart=/usr/local/bin/qasino {of} (.*)$", unit(of), re.M)
    assert found is not None
    (command,) = [command for command in commands() if command.name == of]
    known = {flag for option in command.options for flag in option.flags}
    assert {word for word in found[1].split() if word.startswith("-")} <= known


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize("of", ["server", "csvagent"])
def test_systemd_finds_no_fault_in_a_unit(of: str, tmp_path: Path) -> None:
    file = tmp_path / f"qasino-{of}.service"
    file.write_text(unit(of).replace("/usr/local/bin/qasino", COMMAND[0]))
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(SYSTEMD_LOG_LEVEL="warning"),
    )
    complaints = [line for line in ran.stderr.splitlines() if file.name in line]
    assert complaints == [], ran.stderr


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
