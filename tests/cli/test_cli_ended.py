"""`qasino sql` that is told to end while the server is at work on what it has asked."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command import COMMAND, clean_environment, start_qasino
from prompt_house import Start
from wire import Wire, until

from qasino_cli.console import ExitCode

ENDLESS = "with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r"
ENDINGS = [
    (signal.SIGINT, ExitCode.INTERRUPTED),
    (signal.SIGTERM, -signal.SIGTERM),
    (signal.SIGHUP, -signal.SIGHUP),
]


SAID = re.compile(
    rb"(cancelled after \d\d?\.\d s|interrupted; the server has not confirmed the cancellation)\n"
)
"""Where it has 0.2 s for it, and where the machine is slow."""


@pytest.mark.parametrize(("number", "code"), ENDINGS)
def test_who_ends_the_command_cancels_its_query_on_the_server(
    url: str, wire: Wire, number: signal.Signals, code: int
) -> None:
    process = start_qasino("sql", "-s", url, "-q", ENDLESS)
    until(lambda: any(ENDLESS in str(row) for row in wire.rows("show queries")))
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (code, b"")
    assert SAID.fullmatch(err)
    until(lambda: not any(ENDLESS in str(row) for row in wire.rows("show queries")))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_is_ignored_stays_so(url: str, wire: Wire, number: signal.Signals) -> None:
    """As nohup has it, and a shell that starts something with `&`."""
    ignoring = ["sh", "-c", f'trap "" {number.name[3:]}; exec "$@"', "sh", *COMMAND]
    words = [*ignoring, "sql", "-s", url, "-q", ENDLESS]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, env=clean_environment()) as process:
        until(lambda: any(ENDLESS in str(row) for row in wire.rows("show queries")))
        process.send_signal(number)
        time.sleep(0.001)  # nor is the other one to come first
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM


@pytest.mark.parametrize(("number", "code"), ENDINGS)
@pytest.mark.parametrize("way", ["-q", "-f"])
def test_a_signal_that_comes_twice_at_once_cancels_the_query_too(
    url: str, wire: Wire, tmp_path: Path, number: signal.Signals, code: int, way: str
) -> None:
    """`timeout` sends its own to the command and then to all of the group."""
    file = tmp_path / "endless.sql"
    file.write_text(ENDLESS)
    process = start_qasino("sql", "-s", url, way, ENDLESS if way == "-q" else file)
    until(lambda: any(ENDLESS in str(row) for row in wire.rows("show queries")))
    process.send_signal(number)
    time.sleep(0.001)  # the two are not to be taken for one by the kernel
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (code, b"")
    assert SAID.fullmatch(err)
    until(lambda: not any(ENDLESS in str(row) for row in wire.rows("show queries")))


def test_a_prompt_that_is_ended_right_after_ctrl_c_ends_with_its_query_cancelled(
    start: Start, url: str, wire: Wire
) -> None:
    terminal = start(url)
    terminal.prompt()
    terminal.type(ENDLESS + ";\r")
    until(lambda: any(ENDLESS in str(row) for row in wire.rows("show queries")))
    terminal.child.kill(signal.SIGINT)
    terminal.child.kill(signal.SIGTERM)
    assert terminal.wait() == 128 + signal.SIGTERM
    until(lambda: not any(ENDLESS in str(row) for row in wire.rows("show queries")))
