"""What every command has in common: help, usage errors, exit codes, closed pipes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tomllib
from pathlib import Path

import pytest
from command import COMMAND, clean_environment, run_qasino, zmq_url

from qasino_cli import __version__
from qasino_cli.commands import ROOMS, app
from qasino_cli.console import ExitCode, code_for, counted
from qasino_cli.errors import (
    BrokenOff,
    InputRejected,
    ServerRefused,
    Unreachable,
    UsageFault,
)
from qasino_cli.this_host import TABLES
from qasino_server.errors import StartError
from qasino_server.server import Server

PROJECT = Path(__file__).resolve().parents[2]


def test_the_version_is_printed_without_importing_anything_slow() -> None:
    ran = subprocess.run(
        [COMMAND[0], "-X", "importtime", *COMMAND[1:], "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == f"qasino {__version__}\n"
    imported = set(re.findall(r"\| +(\S+)$", ran.stderr, re.MULTILINE))
    assert imported.isdisjoint({"typer", "zmq", "msgspec", "httpx", "rich"})


def test_the_version_has_a_short_name_that_help_tells() -> None:
    assert run_qasino("-V").stdout == f"qasino {__version__}\n"
    assert re.search(r"^  -V, --version +Show the version", run_qasino("-h").stdout, re.MULTILINE)
    ran = run_qasino("-V", "sql")  # past the short way that imports nothing
    assert (ran.stdout, ran.returncode) == (f"qasino {__version__}\n", ExitCode.OK)


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert __version__ == project["version"]


def test_an_image_is_built_of_all_that_the_project_names() -> None:
    """pip found no man pages to install."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    setuptools = project["tool"]["setuptools"]
    named = [project["project"]["readme"], *project["project"]["license-files"]]
    named += [name for names in setuptools["data-files"].values() for name in names]
    named += [name.rstrip("*") for name in setuptools["packages"]["find"]["include"]]
    copied = re.findall(
        r"^COPY (?!--)(.+) \S+$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE
    )
    there = {name for line in copied for name in line.split()}
    assert {"pyproject.toml", *(name.partition("/")[0] for name in named)} <= there


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (("publish", "-s", "localhost:1", "-"), {"httpx", "rich", "psutil", "asyncio", "apsw"}),
        (
            ("publish", "-s", "http://localhost:1", "-"),
            {"zmq", "click", "rich", "pygments", "asyncio", "apsw"},
        ),
        (
            ("sql", "-s", "localhost:1", "-q", "x"),
            {"httpx", "rich", "psutil", "asyncio", "apsw", "wcwidth", "html", "qasino_cli.readers"},
        ),
        (("--help",), {"httpx", "rich", "zmq", "apsw"}),
    ],
)
def test_a_command_imports_only_what_it_needs(arguments: tuple[str, ...], absent: set[str]) -> None:
    ran = subprocess.run(
        [COMMAND[0], "-X", "importtime", *COMMAND[1:], *arguments],
        input='{"tablename":"t","column_names":["a"],"column_types":["int"],"rows":[]}',
        capture_output=True,
        text=True,
        env=clean_environment(),
    )
    assert absent.isdisjoint(re.findall(r"\| +(\S+)$", ran.stderr, re.MULTILINE))


def test_the_collector_passes_over_what_was_imported_and_works_again() -> None:
    script = (
        "import atexit, gc, sys\n"
        "from qasino_cli.main import main\n"
        "atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count() > 10_000))\n"
        "sys.argv[1:] = ['sql', '-s', 'localhost:1', '-q', 'x']\n"
        "main()"
    )
    ran = subprocess.run(
        [COMMAND[0], "-c", script], capture_output=True, text=True, env=clean_environment()
    )
    assert (ran.stdout, ran.returncode) == ("True True\n", ExitCode.UNREACHABLE)


@pytest.mark.parametrize("command", ROOMS)
def test_every_command_teaches_by_example(command: str) -> None:
    ran = run_qasino(command, "--help")
    assert ran.returncode == ExitCode.OK
    assert f"Examples:\n    qasino {command}" in ran.stdout
    assert "[default: (" not in ran.stdout  # typer would say it a second time
    assert ran.stderr == ""
    assert run_qasino(command, "-h").stdout == ran.stdout


def test_help_is_a_word_too() -> None:
    for words, option in ((("help",), ("-h",)), (("help", "sql"), ("sql", "--help"))):
        ran = run_qasino(*words)
        assert (ran.returncode, ran.stdout) == (ExitCode.OK, run_qasino(*option).stdout)
    ran = run_qasino("help", "nosuch")
    assert ran.returncode == ExitCode.USAGE
    assert "No such command 'nosuch'" in ran.stderr


def test_an_example_asks_for_what_the_demo_has() -> None:
    for command in ("sql", "watch"):
        page = PROJECT / "man" / f"qasino-{command}.1"
        for text in (run_qasino(command, "--help").stdout, page.read_text()):
            asked = set(re.findall(r"\"select .*? from (\w+)", text))
            assert asked
            assert asked <= set(TABLES)
            assert not re.search(r"-s (?!\S*localhost)\w+", text.replace("\\", ""))


def test_the_help_lists_the_commands_and_the_exit_codes() -> None:
    help_text = run_qasino("--help").stdout
    assert run_qasino("-h").stdout == help_text
    for command, room in ROOMS.items():
        assert re.search(rf"^  {command} +{re.escape(room.help)}$", help_text, re.MULTILINE)
    for code in ExitCode:
        assert re.search(rf"\b{code.value} ", help_text)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("sq",), "No such command 'sq'. Did you mean 'sql'?"),
        (("sql", "--bogus"), "No such option: --bogus"),
        (("sql", "-p", "x", "-q", "select 1"), "Invalid value for '-p' / '--port': 'x'"),
    ],
)
def test_a_wrong_command_line_is_a_usage_error(arguments: tuple[str, ...], sentence: str) -> None:
    ran = run_qasino(*arguments)
    assert ran.returncode == ExitCode.USAGE
    assert sentence in ran.stderr
    assert ran.stdout == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("arguments", [("--help",), ("sql", "--help"), ("--version",)])
def test_help_that_cannot_be_written_is_one_sentence(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        ran = subprocess.run(
            [*COMMAND, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )
    assert ran.returncode == ExitCode.REFUSED
    assert ran.stderr == "standard output: No space left on device\n"


SHOWN = [("--help",), ("help",), ("help", "sql"), ("server", "--help"), ("-V",), ("-V", "server")]
"""Help and the version, in every way to ask for them."""


@pytest.mark.parametrize("arguments", SHOWN, ids=" ".join)
def test_help_that_nobody_can_see_is_one_sentence(arguments: tuple[str, ...]) -> None:
    ran = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )
    assert (ran.returncode, ran.stderr) == (ExitCode.REFUSED, "standard output: it is closed\n")


@pytest.mark.parametrize("arguments", SHOWN, ids=" ".join)
def test_help_that_nobody_reads_any_more_ends_as_cat_does(arguments: tuple[str, ...]) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    ran = subprocess.run(
        [*COMMAND, *arguments],
        stdout=writes,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )
    os.close(writes)
    assert (ran.returncode, ran.stderr) == (-signal.SIGPIPE, "")


def look_for_nothing() -> None:
    os.stat("/nosuch/file")


def test_what_the_system_refuses_a_command_is_not_laid_to_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    room = ROOMS["keys"]._replace(module=__name__, function=look_for_nothing.__name__)
    monkeypatch.setitem(ROOMS, "keys", room)
    with pytest.raises(SystemExit) as ended:
        app(["keys"], prog_name="qasino")
    assert ended.value.code == ExitCode.REFUSED
    assert capsys.readouterr().err == "/nosuch/file: No such file or directory\n"


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        (("sql", "-q"), "-q"),
        (("sql", "-q", "select 1", "--null"), "--null"),
        (("sql", "-q", "select 1", "-u", "me", "-w"), "the password"),
        (("watch", "--once"), "SQL"),
        (("watch", "--once", "select 1", "--until"), "--until"),
        (("publish", "-", "--update", "--keycols"), "--keycols"),
    ],
)
def test_a_word_that_is_not_utf8_is_named_and_never_shown(
    arguments: tuple[str, ...], flag: str
) -> None:
    ran = subprocess.run(
        [*COMMAND, *arguments, b"\xfc"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        env=clean_environment(),
    )
    assert ran.stderr == f"{flag}: what stands there is not UTF-8\n"
    assert ran.returncode == ExitCode.USAGE


@pytest.mark.parametrize(
    ("redirection", "arguments", "code", "said"),
    [
        (">&-", ("sql", "--format", "table", "-q", "select 1"), 1, "standard output: it is closed"),
        (">&-", ("sql", "-q", "selct"), 1, 'SQL error: near "selct": syntax error\n  selct\n  ^'),
        ("<&-", ("sql",), 2, "standard input is closed; give statements by -q or -f"),
        ("<&-", ("sql", "-f", "-"), 4, "standard input: it is closed"),
        ("2>&-", ("sql", "-q", "selct"), 1, ""),
        ("2>&-", ("publish", "--table", "t", "{csv}"), 0, ""),
        ("2>&-", ("publish", "--table", "t", "--dry-run", "{csv}"), 0, ""),
    ],
)
def test_a_stream_that_is_closed_from_the_beginning_does_no_harm(
    server: Server,
    table_csv: Path,
    redirection: str,
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    """As cron and careless scripts start commands."""
    words = [word.format(csv=table_csv) for word in arguments]
    ran = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=clean_environment(QASINO_SERVER=zmq_url(server)),
    )
    assert (ran.returncode, ran.stderr.strip()) == (code, said)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ServerRefused("no"), 1),
        (BrokenOff("cut"), 1),
        (StartError("taken"), 1),
        (UsageFault("what?"), 2),
        (Unreachable("nobody"), 3),
        (InputRejected("FILE: bad"), 4),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_error_has_its_exit_code(error: BaseException, code: int) -> None:
    assert code_for(error) == code


def test_one_row_is_not_one_rows() -> None:
    assert [counted(n, "row") for n in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]
