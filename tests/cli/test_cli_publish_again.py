"""`qasino publish` left to run: what it tells, what it keeps quiet, and how it ends."""

from __future__ import annotations

import csv
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from command import clean_environment, run_qasino, start_qasino, zmq_url
from wire import Wire, until

from qasino_cli.console import ExitCode
from qasino_cli.process_group import end_group
from qasino_server.server import Server

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts `qasino publish ..`; what still runs when the test ends is killed."""
    with ExitStack() as stack:

        def started(*args: object) -> subprocess.Popen[bytes]:
            process = stack.enter_context(start_qasino("publish", *args))
            stack.callback(process.kill)
            return process

        yield started


def line(process: subprocess.Popen[bytes]) -> str:
    """The next line on its stderr, without its end."""
    assert process.stderr is not None
    return process.stderr.readline().decode().rstrip("\n")


def ended(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> tuple[int, str]:
    """Send it a signal; its exit code, and what it said that nobody has read."""
    process.send_signal(number)
    _, rest = process.communicate(timeout=10)
    return process.returncode, rest.decode()


def counting(place: Path, then: str = "printf 'a,b\\n1,2\\n'") -> tuple[str, Callable[[], int]]:
    """A command that counts how often it is run, and how often that was."""
    counter = place / "rounds"
    counter.touch()
    return f"echo >> {counter}; {then}", lambda: len(counter.read_text())


def replace_rows(file: Path, rows: int) -> None:
    """Another table in the file, at one stroke."""
    new = file.with_suffix(".new")
    new.write_text("a,b\n" + "1,2\n" * rows)
    os.replace(new, file)


def nr_rows(wire: Wire) -> object:
    """How many rows `t` has in the generation being collected."""
    message = {"sql": "select count(*) from t", "typed": True, "use_write_db": True}
    answer = json.loads(wire.http_post("query", message)[2])
    return answer["table"]["rows"][0][0] if "table" in answer else None


@pytest.mark.parametrize("options", [(), ("--quiet",)])
def test_a_table_is_told_of_once_however_its_rows_change(
    start: Start, server: Server, wire: Wire, tmp_path: Path, options: tuple[str, ...]
) -> None:
    file = tmp_path / "t.csv"
    replace_rows(file, 1)
    process = start("-s", zmq_url(server), "--every", "0.02", "-I", "me", *options, file)
    for rows in (1, 2, 3):
        replace_rows(file, rows)
        assert until(lambda rows=rows: nr_rows(wire) == rows)
    code, said = ended(process)
    assert code == ExitCode.OK
    told = "published t: 1 row as me, visible in the next generation\n"
    assert said == ("" if options else told)


def test_that_columns_are_renamed_is_told_once(
    start: Start, server: Server, wire: Wire, tmp_path: Path
) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a b,c\n1,2\n")
    process = start("-s", zmq_url(server), "--every", "0.02", "-I", "me", file)
    assert line(process) == f"{file}: columns renamed: 'a b' -> a_b"
    assert line(process).startswith("published t: 1 row as me")
    new = file.with_suffix(".new")
    new.write_text("a b,c\n1,2\n3,4\n")
    os.replace(new, file)
    assert until(lambda: nr_rows(wire) == 2)
    assert ended(process) == (ExitCode.OK, "")


def test_a_table_that_becomes_empty_is_news(start: Start, server: Server, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    replace_rows(file, 1)
    process = start("-s", zmq_url(server), "--every", "0.02", "-I", "me", file)
    assert "1 row as me" in line(process)
    replace_rows(file, 0)
    assert "0 rows as me" in line(process)


@pytest.mark.parametrize("options", [(), ("--quiet",)])
def test_that_rows_are_skipped_is_news(
    start: Start, server: Server, wire: Wire, tmp_path: Path, options: tuple[str, ...]
) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b\n1,2\n")
    skipping = ("--every", "0.02", "-I", "me", "--on-error", "skip")
    process = start("-s", zmq_url(server), *skipping, *options, file)
    if not options:
        assert line(process) == "published t: 1 row as me, visible in the next generation"
    until(lambda: nr_rows(wire) == 1)
    new = file.with_suffix(".new")
    new.write_text("a,b\n1,2\nbad\n")
    os.replace(new, file)
    assert line(process).endswith("(1 bad row skipped)")


def test_a_failure_that_goes_on_is_told_once_and_its_end_too(
    start: Start, server: Server, tmp_path: Path
) -> None:
    bad = tmp_path / "bad"
    bad.touch()
    command, rounds = counting(tmp_path, f"test ! -e {bad} && printf 'a,b\\n1,2\\n'")
    process = start("-s", zmq_url(server), "--every", "0.3", "--table", "t", "--run", command)
    assert line(process).endswith("the command ended with 1")
    before = rounds()
    assert until(lambda: rounds() > before + 2)
    bad.unlink()
    assert line(process).startswith("published t: 1 row")
    bad.touch()
    assert line(process).endswith("the command ended with 1"), "it is news again"


@pytest.fixture
def static(wire: Wire, tmp_path: Path) -> list[Path]:
    """Files that the server refuses: it has static tables of their names."""
    files = [tmp_path / f"{name}.csv" for name in ("a", "b")]
    for file in files:
        file.write_text("n\n1\n")
        wire.publish("me", file.stem, ["n"], ["int"], [[1]], static=1)
    return files


def refusal(file: Path) -> str:
    """What is said of it."""
    return f"{file.stem} is a static table here; publish it with static, or end it with"


def test_what_is_refused_keeps_nothing_else_away(
    server: Server, wire: Wire, tmp_path: Path, static: list[Path]
) -> None:
    file = tmp_path / "t.csv"
    replace_rows(file, 3)
    first, second = static
    ran = run_qasino("publish", "-s", zmq_url(server), first, file, second)
    assert ran.returncode == ExitCode.REFUSED
    told, *refusals = ran.stderr.splitlines()
    assert told.startswith("published t: 3 rows")
    assert [said.partition(" drop_table")[0] for said in refusals] == [*map(refusal, static)]
    assert nr_rows(wire) == 3


def test_what_is_refused_again_and_again_is_told_once_and_the_others_go_on(
    start: Start, server: Server, wire: Wire, tmp_path: Path, static: list[Path]
) -> None:
    file = tmp_path / "t.csv"
    replace_rows(file, 1)
    process = start("-s", zmq_url(server), "--every", "0.02", "-I", "me", static[0], file)
    for rows in (1, 2, 3):
        replace_rows(file, rows)
        assert until(lambda rows=rows: nr_rows(wire) == rows)
    code, said = ended(process)
    assert code == ExitCode.REFUSED
    told, refused = said.splitlines()
    assert told == "published t: 1 row as me, visible in the next generation"
    assert refused.startswith(refusal(static[0]))


def test_sigterm_ends_it_with_the_code_of_the_last_round(
    start: Start, server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b\n1\n")
    process = start("-s", zmq_url(server), "--every", "5", file)
    assert line(process).startswith(f"{file}:2:2: ")
    assert ended(process)[0] == ExitCode.INPUT


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--keycols", "a"), "--keycols says which rows to change; it goes with --update\n"),
        (
            ("--on-error", "skip", "--rejects", "/nosuch/r.csv"),
            "--rejects: /nosuch/r.csv: No such file or directory\n",
        ),
    ],
)
@pytest.mark.parametrize("again", [("--every", "9"), ("--every-generation",)])
def test_options_that_make_no_sense_end_it(
    server: Server, tmp_path: Path, again: tuple[str, ...], options: tuple[str, ...], sentence: str
) -> None:
    file = tmp_path / "t.csv"
    replace_rows(file, 1)
    ran = run_qasino("publish", "-s", zmq_url(server), *again, *options, file)
    assert (ran.returncode, ran.stderr) == (ExitCode.USAGE, sentence)


def test_rejects_that_cannot_be_written_any_more_do_not_end_it(
    start: Start, server: Server, tmp_path: Path
) -> None:
    place = tmp_path / "kept"
    place.mkdir()
    process = start(
        *("-s", zmq_url(server), "--every", "0.1", "--on-error", "skip", "-I", "me", "--table"),
        *("t", "--rejects", place / "r.csv", "--run", "printf 'a,b\\n1,2\\n'"),
    )
    assert "1 row as me" in line(process)
    place.rename(tmp_path / "moved")
    assert line(process) == f"--rejects: {place}/r.csv: No such file or directory"
    (tmp_path / "moved").rename(place)
    assert "1 row as me" in line(process)


def test_rows_passed_over_are_written_in_each_round(
    start: Start, server: Server, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.csv"
    command, rounds = counting(tmp_path, "printf 'a,b\\n1,2\\n'; cat rounds")
    command = f"cd {tmp_path}; {command.replace('cat rounds', 'wc -l < rounds')}"
    process = start(
        *("-s", zmq_url(server), "--every", "0.3", "--on-error", "skip", "--rejects", rejects),
        *("-I", "me", "--table", "t", "--run", command),
    )
    assert line(process).endswith("(1 bad row skipped)")

    def newest() -> int:
        read = list(csv.DictReader(rejects.read_text().splitlines()))
        return int(read[0]["raw"]) if read else 0

    assert until(lambda: newest() > 2)
    assert rounds() > 2
    assert ended(process)[0] == ExitCode.INPUT


def test_a_command_that_hangs_is_ended_within_a_generation(
    start: Start, make_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = make_server(generation_duration_s=1)
    flag = tmp_path / "second"
    command = f"test -e {flag} && exec sleep 60; touch {flag}; printf 'a,b\\n1,2\\n'"
    process = start(
        *("-s", zmq_url(server), "--every-generation", "--table", "t", "--run", command)
    )
    assert line(process).startswith("published t")
    assert line(process).endswith("it took over 1 s and was ended")


def test_a_command_that_finds_no_room_now_is_run_again_later(
    start: Start, server: Server, tmp_path: Path
) -> None:
    flag = tmp_path / "t"
    command = f"test -e {flag} && printf 'a\\n1\\n' || printf 'a\\n'"
    process = start("-s", zmq_url(server), "--every", "0.1", "--table", "t", "--run", command)
    assert line(process).startswith("published t: 0 rows")
    before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, before[1]))  # no pipe can be made
    assert line(process).endswith(": the command cannot run: Too many open files")
    flag.touch()
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
    assert line(process).startswith("published t: 1 row")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_command_that_has_become_another_users_is_left_behind() -> None:
    """As sudo does: nobody but root can signal it then."""
    ends_it = (
        "import os, subprocess;"
        "from qasino_cli.process_group import end_group;"
        "command = subprocess.Popen(['sleep', '60'], start_new_session=True, stdout=2);"
        "os.setresuid(65534, 65534, 65534);"
        "print(command.pid, flush=True);"
        "end_group(command);"
        "os._exit(7)"
    )
    left = subprocess.run([sys.executable, "-c", ends_it], stdout=subprocess.PIPE, timeout=20)
    os.kill(int(left.stdout), signal.SIGKILL)
    assert left.returncode == 7


def test_all_that_a_command_started_has_time_to_end_well(tmp_path: Path) -> None:
    """The shell of a pipeline does not live to see what is in it clean up."""
    cleaned, ready = tmp_path / "cleaned", tmp_path / "ready"
    job = f"trap 'sleep 0.1; : > {cleaned}; exit' TERM; : > {ready}; while :; do sleep 0.01; done"
    command = subprocess.Popen(
        f'sh -c "{job}" | cat', shell=True, stdout=subprocess.PIPE, start_new_session=True
    )
    with command:
        until(ready.exists)
        end_group(command)
    assert cleaned.exists()


def test_a_generation_that_begins_during_the_first_round_gets_its_own(
    start: Start, server: Server, wire: Wire, tmp_path: Path
) -> None:
    go, started = tmp_path / "go", tmp_path / "started"
    os.mkfifo(go)
    command, rounds = counting(tmp_path)
    command = f"test -e {started} || {{ touch {started}; cat {go}; }}; {command}"
    start("-s", zmq_url(server), "--every-generation", "--table", "t", "--run", command)
    until(started.exists)
    wire.rotate_until_heard(server.rotate)
    go.write_bytes(b"")
    until(lambda: rounds() >= 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT])
@pytest.mark.parametrize("again", [(), ("--every", "60")])
def test_what_the_command_started_does_not_outlive_us(
    start: Start, server: Server, tmp_path: Path, number: int, again: tuple[str, ...]
) -> None:
    pids = tmp_path / "pids"
    command = f"trap '' TERM; sleep 60 & echo $! $$ > {pids}.new; mv {pids}.new {pids}; wait"
    process = start("-s", zmq_url(server), *again, "--table", "t", "--run", command)
    assert until(pids.exists)
    code, said = ended(process, number)
    expected = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.OK}
    assert code == (expected[number] if again and number in expected else _died_of(number))
    assert said == ""
    assert until(lambda: not any(_lives(int(pid)) for pid in pids.read_text().split()))


def test_a_command_does_not_outlive_a_signal_that_comes_as_it_starts(
    start: Start, server: Server, tmp_path: Path
) -> None:
    pids = [tmp_path / f"pid{n}" for n in range(6)]
    processes = [
        start(
            *("-s", zmq_url(server), "--table", "t"),
            *("--run", f"echo $$ > {pid}; kill -TERM $PPID; exec sleep 60 2>&-"),
        )
        for pid in pids
    ]
    assert [process.wait(20) for process in processes] == [-signal.SIGTERM] * len(pids)
    assert until(lambda: not any(pid.exists() and _lives(int(pid.read_text())) for pid in pids))


INTERRUPTED = """
import os, subprocess

class Begun(subprocess.Popen):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        print(self.pid, flush=True)
        os.kill(os.getpid(), int(os.environ["SIGNAL"]))  # before anybody knows of it

subprocess.Popen = Begun
from qasino_cli.main import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT])
@pytest.mark.parametrize("again", [(), ("--every", "60")])
def test_nor_one_that_comes_before_it_is_known(
    server: Server, number: int, again: tuple[str, ...]
) -> None:
    options = ["--table", "t", "--run", "exec sleep 60 >&- 2>&-", *again]
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, "publish", "-s", zmq_url(server), *options],
        capture_output=True,
        timeout=20,
        env=clean_environment(SIGNAL=str(int(number))),
    )
    expected = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.OK}
    assert ran.returncode == (
        expected[number] if again and number in expected else _died_of(number)
    )
    assert ran.stderr == b""
    assert not _lives(int(ran.stdout))


def _died_of(number: int) -> int:
    return ExitCode.INTERRUPTED if number == signal.SIGINT else -number


def _lives(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def test_a_command_is_not_given_what_we_read() -> None:
    ran = run_qasino("publish", "--table", "t", "--dry-run", "--run", "cat", stdin="a\n1\n")
    assert (ran.returncode, ran.stdout) == (ExitCode.INPUT, "")
    assert ran.stderr.startswith("the output of 'cat'")


def test_what_a_command_says_on_stderr_is_shown(server: Server) -> None:
    ran = run_qasino(
        *("publish", "-s", zmq_url(server), "--table", "t", "--run", "echo oh no >&2; exit 7")
    )
    assert ran.returncode == ExitCode.INPUT
    assert ran.stderr == "oh no\nthe output of 'echo oh no >&2; exit 7': the command ended with 7\n"


def test_a_command_killed_by_a_signal_is_said_to_be() -> None:
    ran = run_qasino("publish", "--table", "t", "--run", "kill -9 $$")
    assert ran.stderr == "the output of 'kill -9 $$': the command was killed by signal 9\n"


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("exit 3 # it's", '"exit 3 # it\'s"'),
        ("exit 3 # \\d\n", "'exit 3 # \\d\\n'"),
        ("exit 3 #" + "x" * 72, "'exit 3 #" + "x" * 72 + "'"),
        ("exit 3 #" + "x" * 73, "'exit 3 #" + "x" * 72 + "...'"),
    ],
)
def test_a_command_is_named_on_one_line_and_not_at_length(command: str, named: str) -> None:
    ran = run_qasino("publish", "--table", "t", "--run", command)
    assert ran.stderr == f"the output of {named}: the command ended with 3\n"


def test_an_error_in_a_commands_output_names_the_command() -> None:
    ran = run_qasino("publish", "--table", "t", "--run", "printf 'a,b\\n1\\n'")
    assert ran.returncode == ExitCode.INPUT
    assert ran.stderr.startswith("the output of \"printf 'a,b\\n1\\n'\":2:2: the row has 1 field")


def test_df_itself_is_published(server: Server, wire: Wire) -> None:
    ran = run_qasino("publish", "-s", zmq_url(server), "--table", "df", "--run", "df -P /")
    assert ran.returncode == ExitCode.OK, ran.stderr
    server.rotate()
    assert wire.rows("select Mounted_on from df") == [["/"]]


ENDS_WHEN_BACK = """
import os, signal
from qasino_cli.publish import repeating

say = repeating.say

def said(sentence):
    say(sentence)
    if "is back" in sentence:
        os.kill(os.getpid(), signal.SIGTERM)

repeating.say = said
from qasino_cli.main import main
main()
"""


def test_a_round_that_sigterm_ends_counts_as_far_as_it_has_come(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    """It ended with the code of the round before, when the server had been away."""
    places = {"db_dir": tmp_path / "d", "static_db": tmp_path / "s.db"}
    first = make_server(**places)
    url, port = zmq_url(first), first.ports["zmq"]
    first.stop()
    run = ("publish", "-s", url, "--table", "t", "--run", "printf 'a,b\\n1,2\\n'", "--every", "0.1")
    process = subprocess.Popen(
        [sys.executable, "-c", ENDS_WHEN_BACK, *run],
        stderr=subprocess.PIPE,
        env=clean_environment(),
    )
    with process, ExitStack() as stack:
        stack.callback(process.kill)
        assert "nothing listens there" in line(process)
        make_server(**places, zmq_port=port)
        assert "is back" in line(process)
        assert process.wait(20) == ExitCode.OK
