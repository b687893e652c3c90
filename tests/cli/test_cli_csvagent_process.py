"""`qasino csvagent` as a process: its options, its exit codes, signals, and its stderr."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from agent_house import CSVAGENT, IDENTITY, House, csv_of, write_index
from command import Ran, clean_environment, http_url, zmq_url
from terminal_screen import Terminal
from wire import until

from qasino_cli.console import ExitCode
from qasino_server.server import Server

BAD = "1\nbad\na,b\nint,int\nA,B\n1,2\n3,x\n"
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def house(server: Server) -> Iterator[House]:
    with ExitStack() as stack:
        yield House(server, stack)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts agents whose stderr is a file; whatever runs at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*args: object, **options: Any) -> subprocess.Popen[bytes]:
        with open(tmp_path / "stderr", "ab") as stderr:
            settings: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
            settings |= {"stderr": stderr, "env": clean_environment(), **options}
            command = settings.pop("args", [*CSVAGENT, *map(str, args)])
            started.append(subprocess.Popen(command, **settings))
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def run(*args: object, **variables: str) -> Ran:
    return subprocess.run(
        [*CSVAGENT, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=20,
        stdin=subprocess.DEVNULL,
        env=clean_environment(**variables),
    )


@pytest.mark.parametrize("option", ["-i", "--index", "--index-file"])
def test_the_seeds_command_line_works(
    house: House, start: Start, tmp_path: Path, option: str
) -> None:
    (tmp_path / "myapplication_table1.csv").write_text(csv_of("x", [1]))
    write_index(tmp_path / "myindex.csv", "myapplication_table1")
    server = ("-H", "127.0.0.1", "-p", house.server.ports["zmq"])
    process = start(option, "myindex.csv", "--identity", "1.2.3.4", *server, cwd=tmp_path)
    house.until_rows("select n from myapplication_table1", [[1]])
    house.until_rows("select identity from qasino_csvpublisher_info", [["1.2.3.4"]])
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == ExitCode.OK
    said = (tmp_path / "stderr").read_text()
    url = f"zmq://127.0.0.1:{house.server.ports['zmq']}"
    assert f"1 table from 1 index, identity 1.2.3.4, to {url}" in said
    assert len(said.splitlines()) == 2  # no line for each sending
    assert said.endswith(" INFO qasino.csvagent stopping: SIGTERM\n")


@pytest.mark.parametrize("transport", [zmq_url, http_url])
def test_sending_says_nothing(
    house: House, start: Start, tmp_path: Path, transport: Callable[[Server], str]
) -> None:
    (tmp_path / "t.csv").write_text(csv_of("t", [1]))
    process = start("--directory", tmp_path, "-s", transport(house.server), "-d", "0")
    house.until_rows("select n from t", [[1]])
    # Its first report follows, and is not to be taken for that of the next generation.
    house.until_rows("select state from qasino_agent_files", [["ok"]])
    house.rotate()
    house.until_rows("select n from t", [[1]])
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == ExitCode.OK
    greeting, ending = (tmp_path / "stderr").read_text().splitlines()
    assert greeting.endswith(transport(house.server))
    assert ending.endswith("stopping: SIGTERM")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well_though_no_server_is_there(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    process = start("--directory", tmp_path, "-s", "zmq://127.0.0.1:1")
    until(lambda: "stay ready until it is back" in (tmp_path / "stderr").read_text())
    process.send_signal(number)
    assert process.wait(5) == ExitCode.OK


def test_a_hangup_has_everything_read_anew(house: House, start: Start, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(csv_of("t", [1]))
    process = start("--directory", tmp_path, "-s", zmq_url(house.server), "-I", IDENTITY)
    read = "select read_epoch from qasino_csvpublisher_tables"
    (before,) = until(lambda: house.maybe(read))
    process.send_signal(signal.SIGHUP)
    until(lambda: (house.maybe(read) or [before])[0] > before)
    assert "reading everything anew" in (tmp_path / "stderr").read_text()


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_do_not_matter(
    house: House, start: Start, tmp_path: Path, closed: str
) -> None:
    (tmp_path / "t.csv").write_text("1\nt\n")  # so that there is something to say
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", *CSVAGENT]
    args = ["--directory", tmp_path, "-s", zmq_url(house.server), "-I", IDENTITY]
    process = start(args=[*command, *map(str, args)])
    house.until_file(tmp_path / "t.csv", state="broken")
    (tmp_path / "t.csv").write_text(csv_of("t", [1]))
    house.until_rows("select n from t", [[1]])
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == ExitCode.OK


def test_a_stderr_nobody_reads_any_more_does_not_matter(
    house: House, start: Start, tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    process = start("--directory", tmp_path, "-s", zmq_url(house.server), stderr=writer)
    os.close(writer)
    until(lambda: os.read(reader, 1000))
    os.close(reader)
    (tmp_path / "t.csv").write_text("1\nt\n")
    house.until_file(tmp_path / "t.csv", state="broken")
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == ExitCode.OK


def test_a_log_that_is_moved_or_cut_does_not_matter(
    house: House, start: Start, tmp_path: Path
) -> None:
    log, data = tmp_path / "stderr", tmp_path / "data"
    data.mkdir()
    start("--directory", data, "-s", zmq_url(house.server), "-I", IDENTITY)
    until(lambda: "identity web-1" in log.read_text())
    os.truncate(log, 0)
    (data / "t.csv").write_text("1\nt\n")
    until(lambda: "t.csv:3: broken: " in log.read_text())
    assert log.read_bytes().count(b"\0") == 0
    os.rename(log, tmp_path / "moved")
    (data / "t.csv").write_text(csv_of("t", [1]))
    house.until_file(data / "t.csv", state="ok")


# --- --check and --once ---------------------------------------------------------------------


def test_check_shows_every_file_sends_nothing_and_ends_with_4_on_an_error(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text(csv_of("good", [1, 2]))
    (tmp_path / "bad.csv").write_text(BAD)
    index = write_index(tmp_path / "index", "good", "bad", "none")
    ran = run("--check", "-i", index, "-i", tmp_path / "other", "-s", "zmq://127.0.0.1:1")
    assert ran.returncode == ExitCode.INPUT
    assert ran.stdout.splitlines() == [
        "path\ttable\tstate\trows\tline\terror",
        f"{tmp_path}/good.csv\tgood\tok\t2\t\\N\t\\N",
        f"{tmp_path}/bad.csv\tbad\tbroken\t\\N\t7\tcolumn b: 'x' is not a number (integer)",
        f"{tmp_path}/none.csv\tnone\tmissing\t\\N\t\\N\tno such file",
        f"{tmp_path}/other\t\\N\tmissing\t\\N\t\\N\tno such file",
    ]
    assert ran.stderr == "4 files: 1 ok, 1 broken, 2 missing\n"


def test_check_ends_with_0_where_all_is_well(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text(csv_of("good", [1, 2]))
    ran = run("--check", "--directory", tmp_path)
    assert (ran.returncode, ran.stderr) == (ExitCode.OK, "1 file: 1 ok\n")


def test_a_relative_name_in_a_directory_that_is_gone_is_a_usage_error(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    ran = subprocess.run(
        [
            "sh",
            "-c",
            f'cd {gone} && rmdir {gone} && exec "$@"',
            "sh",
            *CSVAGENT,
            "--check",
            "-i",
            "x",
        ],
        capture_output=True,
        text=True,
        timeout=20,
        env=clean_environment(),
    )
    assert ran.stderr.endswith("the directory we are in: No such file or directory\n")
    assert ran.returncode == ExitCode.USAGE


def test_an_absolute_name_needs_no_directory_to_be_in(tmp_path: Path) -> None:
    stats, gone = tmp_path / "stats", tmp_path / "gone"
    for made in (stats, gone):
        made.mkdir()
    (stats / "t.csv").write_text("a\n1\n")
    ran = subprocess.run(
        [
            *("sh", "-c", f'cd {gone} && rmdir {gone} && exec "$@"', "sh"),
            *CSVAGENT,
            *("--check", "--directory", stats),
        ],
        capture_output=True,
        text=True,
        timeout=20,
        env=clean_environment(),
    )
    assert ran.returncode == ExitCode.OK, ran.stderr


def test_on_a_terminal_check_draws_a_table_that_nothing_in_a_file_can_disturb(
    tmp_path: Path,
) -> None:
    (tmp_path / "bad.csv").write_text("1\nbad\na\n\x1b[2J[red]\nA\n")
    main, other = pty.openpty()
    process = subprocess.Popen(
        [*CSVAGENT, "--check", "--directory", str(tmp_path)],
        stdin=subprocess.DEVNULL, stdout=other, stderr=subprocess.DEVNULL,
        env=clean_environment(TERM="xterm", NO_COLOR="1"),
    )  # fmt: skip
    os.close(other)
    drawn = b""
    try:
        while part := os.read(main, 4096):
            drawn += part
    except OSError:  # Linux's way to say that the other end is closed
        pass
    os.close(main)
    assert process.wait(10) == ExitCode.INPUT
    assert b"\x1b" not in drawn
    assert b"[red]" in drawn


def test_on_a_terminal_check_writes_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    (tmp_path / "é.csv").write_text(csv_of("a", [1]))
    with closing(
        Terminal(
            *("--check", "--directory", tmp_path),
            home=tmp_path,
            columns=200,
            command=(*CSVAGENT,),
            variables={"PYTHONIOENCODING": "ascii"},
        )
    ) as terminal:
        assert terminal.wait() == ExitCode.OK
        assert "é.csv" in terminal.text


def test_once_sends_everything_and_ends(house: House, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_of("a", [1]))
    ran = run("--once", "--directory", tmp_path, "-s", zmq_url(house.server), "-I", IDENTITY)
    url = zmq_url(house.server)
    assert (ran.returncode, ran.stdout) == (ExitCode.OK, "")
    assert ran.stderr == f"published 1 table as {IDENTITY} to {url}\n"
    assert house.maybe("select n from a") == [[1]]
    assert (house.file(tmp_path / "a.csv") or {})["published_at"] > 0


def test_once_says_as_whom_files_speak_that_name_somebody(house: House, tmp_path: Path) -> None:
    url = zmq_url(house.server)
    args = ("--once", "--directory", tmp_path, "-s", url, "-I", "bar")
    (tmp_path / "a.csv").write_text(csv_of("a", [1], line_1="1,identity=foo"))
    assert run(*args).stderr == f"published 1 table as foo to {url}\n"
    (tmp_path / "b.csv").write_text(csv_of("b", [1]))
    assert run(*args).stderr == f"published 2 tables as 2 identities to {url}\n"


def test_once_sends_the_good_ones_and_names_the_bad(house: House, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_of("a", [1]))
    (tmp_path / "bad.csv").write_text(BAD)
    ran = run("--once", "--directory", tmp_path, "-s", zmq_url(house.server))
    assert ran.returncode == ExitCode.INPUT
    assert f"{tmp_path}/bad.csv:7: broken: column b" in ran.stderr
    assert house.maybe("select n from a") == [[1]]
    house.wire.publish("x", "s", ["n"], ["int"], [[1]], static=1)
    (tmp_path / "s.csv").write_text(csv_of("s", [1]))
    ran = run("--once", "--directory", tmp_path, "-s", zmq_url(house.server))
    assert ran.returncode == ExitCode.REFUSED


def test_once_names_the_bad_where_its_own_table_of_them_is_refused(
    house: House, tmp_path: Path
) -> None:
    house.wire.publish("x", "qasino_agent_files", ["n"], ["int"], [[1]], static=1)
    (tmp_path / "a.csv").write_text(csv_of("a", [1]))
    (tmp_path / "bad.csv").write_text(BAD)
    ran = run("--once", "--directory", tmp_path, "-s", zmq_url(house.server), "-I", IDENTITY)
    assert (ran.returncode, ran.stdout) == (ExitCode.REFUSED, "")
    bad, own, done = ran.stderr.splitlines()
    assert bad.startswith(f"{tmp_path}/bad.csv:7: broken: column b")
    assert own.startswith("qasino_agent_files: refused: ")
    assert "static" in own
    assert done.startswith("published 1 table as")
    assert house.maybe("select n from a") == [[1]]


def test_once_without_a_server_ends_with_3(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_of("a", [1]))
    ran = run("--once", "--directory", tmp_path, "-s", "zmq://127.0.0.1:1")
    assert (ran.returncode, len(ran.stderr.splitlines())) == (ExitCode.UNREACHABLE, 1)


def test_a_table_that_no_file_holds_is_said_to_be_missing(
    house: House, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(csv_of("a", [1]))
    (tmp_path / "stderr").touch()
    args = ("--directory", tmp_path, "-s", zmq_url(house.server), "-T", "A", "-T", "nosuch")
    sentence = "--table: no file holds a table 'nosuch'\n"
    for way in ("--check", "--once"):
        ran = run(way, *args)
        told, _, rest = ran.stderr.partition(sentence)
        assert (ran.returncode, told, rest.count("\n")) == (ExitCode.INPUT, "", 1)
    start(*args)
    until(lambda: sentence in (tmp_path / "stderr").read_text())


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ((), "name what to publish: --index FILE"),
        (("-i", "x", "--check", "--once"), "--check sends nothing"),
        (("-i", "x", "-x", "0"), "--interval: '0' is not a time of 1 s or more, such as"),
        (("-i", "x", "-d", "-1"), "--send-delay-max: '-1' is not"),
        (("-i", "x", "-g", "nan"), "--gen-signal-timeout: 'nan' is not"),
        (("-i", "x", "--max-age", "-5"), "--max-age: '-5' is not"),
        (("-i", "x", "-T", "no-name"), "--table: 'no-name' is not a legal name"),
        (("-i", "x", "-I", ""), "--identity: identity is empty"),
        (("-i", "x", "--log-level", "loud"), "--log-level: 'loud' is not one of"),
        (("--log-level", "INFO"), "name what to publish: --index FILE"),
        (("-i", "x", "--log-level", "INFO", "-I", ""), "--identity: identity is empty"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(
    args: tuple[str, ...], sentence: str
) -> None:
    ran = run(*args)
    assert (ran.returncode, ran.stdout) == (ExitCode.USAGE, "")
    assert ran.stderr.startswith(sentence)
