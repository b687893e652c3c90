"""How `qasino watch` ends: what it has begun ends with it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from watch_house import frame_of, group_lives
from wire import until

from qasino_cli.console import ExitCode

CHANGING = ("--interval", "0.1", "select hex(randomblob(9)) x")


def ended(process: Any, number: int) -> int:
    process.send_signal(number)
    return int(process.wait(15))


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, -signal.SIGTERM),
        (signal.SIGHUP, -signal.SIGHUP),
        (signal.SIGINT, ExitCode.INTERRUPTED),
    ],
)
def test_a_command_ends_with_the_stream_that_a_signal_ends(
    running: Callable[..., Any], tmp_path: Path, number: int, code: int
) -> None:
    began = tmp_path / "began"
    command = f"echo $$ > {began}.new; mv {began}.new {began}; sleep 60"
    process = running("--quiet", "--on-change", command, *CHANGING)
    until(began.exists)
    assert ended(process, number) == code
    assert not group_lives(int(began.read_text()))


def test_changes_that_wait_are_told_before_a_signal_ends_the_stream(
    running: Callable[..., Any], tmp_path: Path
) -> None:
    told, go = tmp_path / "told", tmp_path / "go"
    process = running(
        "--on-change", f"cat >> {told}; until [ -e {go} ]; do sleep 0.05; done", *CHANGING
    )
    until(lambda: (frame_of(process), told.exists())[1])
    last = frame_of(process)[-1]
    process.send_signal(signal.SIGTERM)
    go.touch()
    assert process.wait(15) == -signal.SIGTERM
    assert last in told.read_text()
