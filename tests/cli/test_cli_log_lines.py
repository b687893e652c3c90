"""The log on stderr, and what becomes of who writes it where nobody reads."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

import pexpect
import pytest
from command import COMMAND, clean_environment
from server_process import FREE_PORTS, launch, ports_of
from wire import Wire, until

from qasino_cli.log_lines import MOST_WAITING_BYTES, Log

MISSING = re.compile(r"\S+ WARNING qasino\.log (\d+) lines? (?:is|are) missing here: nobody .*")


class Tube:
    """A log whose lines go into a pipe."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.stream = TextIOWrapper(os.fdopen(self.writer, "wb"), "utf-8")
        self.log = Log(self.stream)
        self.log.start()
        self._before = b""

    def lines(self, nr: int) -> list[str]:
        """The next lines."""
        while self._before.count(b"\n") < nr:
            self._before += os.read(self.reader, 1 << 20)
        *lines, self._before = self._before.split(b"\n", nr)
        return [line.decode() for line in lines]


@pytest.fixture
def tube() -> Iterator[Tube]:
    made = Tube()
    yield made
    made.log.stop()
    os.set_blocking(made.reader, False)
    while not made.log.join(0.01):
        with suppress(BlockingIOError):
            os.read(made.reader, 1 << 20)
    made.stream.close()
    os.close(made.reader)


def test_what_nobody_takes_is_counted_and_told_in_its_place_once_the_log_goes_on(
    tube: Tube,
) -> None:
    line = "{:07d} " + "x" * 1000
    nr_put = 4 * MOST_WAITING_BYTES // len(line)
    began = time.monotonic()
    for n in range(nr_put):
        tube.log.put(line.format(n))
    assert time.monotonic() - began < 5.0
    taken: list[int] = []
    missing = None
    while missing is None:
        (found,) = tube.lines(1)
        missing = MISSING.fullmatch(found)
        if missing is None:
            taken.append(int(found.split()[0]))
    assert taken == list(range(len(taken)))
    assert len(taken) + int(missing[1]) == nr_put
    tube.log.put("after it")
    assert tube.lines(1) == ["after it"]


def test_a_pipe_that_another_has_made_one_that_does_not_wait_loses_nothing(tube: Tube) -> None:
    os.set_blocking(tube.writer, False)
    fcntl.fcntl(tube.writer, fcntl.F_SETPIPE_SZ, 4096)
    wanted = [f"{n} {'x' * 100}" for n in range(1000)]
    for line in wanted:
        tube.log.put(line)
    assert tube.lines(1000) == wanted


def test_lines_that_could_not_be_written_are_told_before_the_first_that_can(tube: Tube) -> None:
    tube.log.put("first")
    assert tube.lines(1) == ["first"]
    kept = os.dup(tube.writer)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, tube.writer)
    os.close(full)
    tube.log.put("nowhere")
    until(lambda: not tube.log._waiting)
    tube.log.put("nor this, perhaps")
    until(lambda: not tube.log._waiting)
    os.dup2(kept, tube.writer)
    os.close(kept)
    tube.log.put("last")
    told = MISSING.fullmatch(tube.lines(1)[0])
    assert told
    found = tube.lines(3 - int(told[1]))
    assert found == ["nor this, perhaps", "last"][-len(found) :]


def rejected(wire: Wire) -> None:
    """A publication that is refused, which is a line of the log."""
    reply = wire.publish("h", "t", ["a" * 100], ["nosuch" * 100], [[1]])
    assert reply["response_op"] == "error"


def test_a_server_whose_log_nobody_reads_serves_and_ends_when_told_to(tmp_path: Path) -> None:
    ports_file = tmp_path / "ports.json"
    process = launch(tmp_path, "--ports-file", ports_file, "-g", 1, "--log-level", "debug")
    try:
        assert process.stderr is not None
        fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        with Wire(ports_of(process, ports_file)) as wire:
            for _ in range(100):
                rejected(wire)
            number = wire.query("select 1")["generation_number"]
            until(lambda: wire.query("select 1")["generation_number"] > number)
            assert wire.http("GET", path="/healthz/live")[0] == 200
        process.terminate()
        assert process.wait(6) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_server_whose_terminal_is_held_serves_and_ends_when_told_to(tmp_path: Path) -> None:
    ports_file = tmp_path / "ports.json"
    words = [*COMMAND, "server", *FREE_PORTS, "--ports-file", ports_file, "-g", 1]
    words += ["--static-db", tmp_path / "static.db", "--log-level", "debug"]
    child = pexpect.spawn(
        str(words[0]), [str(word) for word in words[1:]], env=clean_environment(), timeout=20
    )
    try:
        child.expect("only this host can connect")
        child.send("\x13")
        with Wire(json.loads(ports_file.read_text())) as wire:
            for _ in range(100):
                rejected(wire)
            number = wire.query("select 1")["generation_number"]
            until(lambda: wire.query("select 1")["generation_number"] > number)
        child.kill(signal.SIGTERM)
        until(lambda: not child.isalive(), 6.0)
        assert child.exitstatus == 0
    finally:
        child.close(force=True)
