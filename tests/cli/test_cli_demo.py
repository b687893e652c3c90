"""`qasino server` as a process, and its demo of this machine."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command import run_qasino, start_qasino
from wire import Wire, until

from qasino_cli.console import ExitCode
from qasino_cli.demo import connection_to
from qasino_cli.errors import UsageFault
from qasino_cli.outgoing import encode_publication
from qasino_cli.this_host import this_hosts_tables
from qasino_server.message import Publish, decode_request
from qasino_server.settings import Settings

HOST = socket.gethostname()
Start = Callable[..., tuple[subprocess.Popen[bytes], dict[str, int]]]


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Start]:
    """Starts `qasino server ARGS..` and waits for its ports; ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*args: object, **variables: str) -> tuple[subprocess.Popen[bytes], dict[str, int]]:
        ports_file = tmp_path / f"ports{len(started)}.json"
        (tmp_path / "views.conf").touch()
        process = start_qasino(
            *("server", "--http-port", 0, "--zmq-port", 0, "--pubsub-port", 0, "--line-port", 0),
            *("--ports-file", ports_file, "--db-dir", tmp_path / "db"),
            *("--static-db", tmp_path / "static.db", "--views-file", tmp_path / "views.conf"),
            *args,
            **variables,
        )
        started.append(process)
        until(lambda: ports_file.exists() or process.poll() is not None)
        return process, json.loads(ports_file.read_text())

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def narration(process: subprocess.Popen[bytes]) -> str:
    """Stop a server and return all it said."""
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (ExitCode.OK, b"")
    return err.decode()


def test_the_demo_publishes_this_machine_and_its_queries_answer(start_server: Start) -> None:
    process, ports = start_server("--demo", "-g", "1")
    with Wire(ports) as wire:
        tables = "select tablename from qasino_server_tables where tablename in"
        until(lambda: len(wire.rows(f"{tables} ('processes', 'mounts', 'interfaces')")) == 3)
        pid = f"select host from processes where pid = {os.getpid()}"
        until(lambda: wire.rows(pid) == [[HOST]])
        first = wire.query("select 1")["generation_number"]
        until(lambda: wire.query("select 1")["generation_number"] > first + 1)
        assert wire.rows(pid) == [[HOST]]  # published again for a later generation
        assert process.stderr is not None
        # What comes before depends on the host: how much memory, which descriptors.
        assert any("in 1 second, try:" in line.decode() for line in process.stderr)
        commands = [process.stderr.readline().decode() for _ in range(3)]
        for command in commands:
            ran = run_qasino(*shlex.split(command)[1:])
            assert (ran.returncode, ran.stderr) == (ExitCode.OK, ""), command
    assert "WARNING" not in narration(process)


def test_the_demo_does_without_zeromq(start_server: Start) -> None:
    process, ports = start_server("--demo", "-g", "1", "--zmq-port", "off", "--pubsub-port", "off")
    with Wire(ports) as wire:
        until(lambda: wire.query("select * from mounts")["response_op"] == "result_table")
    said = narration(process)
    assert "were not published" not in said
    assert "HTTP Request" not in said


def test_the_environment_and_a_file_configure_a_server(start_server: Start, tmp_path: Path) -> None:
    config = tmp_path / "qasino.yaml"
    config.write_text("identity: from-file\ngeneration-duration: 77\nlog-level: warning\n")
    process, ports = start_server(
        *("--config", "~/qasino.yaml"),
        QASINO_SERVER_IDENTITY="from-env",
        QASINO_SERVER_MAX_ROWS="3",
        HOME=str(tmp_path),
    )
    with Wire(ports) as wire:
        answer = wire.query("select generation_duration_s from qasino_server_info")
    assert (answer["identity"], answer["table"]["rows"]) == ("from-env", [["77"]])
    said = narration(process).splitlines()
    assert len(said) == 2
    assert " INFO qasino.server qasino from-env listens on 127.0.0.1: " in said[0]
    assert " INFO qasino.server only this host can connect; " in said[1]


def test_a_stopped_and_continued_server_still_hears_a_sigterm(start_server: Start) -> None:
    for _ in range(5):
        process, _ports = start_server()
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=6)
        assert process.returncode == ExitCode.OK


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--http-port", "x"), ExitCode.USAGE, "--http-port: 'x' is not a port"),
        (("--config", "/nosuch"), ExitCode.USAGE, "--config: /nosuch: No such file"),
        (("--listen", "192.0.2.1"), ExitCode.REFUSED, "cannot listen on 192.0.2.1:"),
    ],
)
def test_a_server_that_cannot_start_says_why_in_a_sentence(
    arguments: tuple[str, ...], code: ExitCode, sentence: str, tmp_path: Path
) -> None:
    places = ("--db-dir", tmp_path / "db", "--static-db", tmp_path / "static.db")
    ran = run_qasino("server", *places, *arguments)
    assert ran.returncode == code
    assert ran.stderr.startswith(sentence)
    assert len(ran.stderr.splitlines()) == 1


def test_the_demo_is_refused_where_it_would_not_be_let_in(tmp_path: Path) -> None:
    """It began, and was refused in every generation."""
    with pytest.raises(UsageFault, match="nobody's user") as refused:
        connection_to(Settings(users_file=tmp_path / "users.yaml"), {"http": 1, "zmq": 2})
    remedy = refused.value.sentence.split("`")[1].split()
    ran = run_qasino(*remedy[1:], "--dry-run")
    assert ran.returncode == ExitCode.OK, ran.stderr
    asked_over_https = Settings(htpasswd_file=tmp_path / "htpasswd")
    assert connection_to(asked_over_https, {"http": 1, "zmq": 2}).port == 2


def test_a_demo_of_nobody_does_not_start(tmp_path: Path) -> None:
    places = ("--db-dir", tmp_path / "db", "--static-db", tmp_path / "static.db")
    ports = [part for name in ("http", "zmq", "pubsub", "line") for part in (f"--{name}-port", 0)]
    ran = run_qasino("server", "--demo", *places, *ports, QASINO_IDENTITY="\udcff")
    assert ran.returncode == ExitCode.USAGE
    assert ran.stderr.splitlines()[-1].startswith("QASINO_IDENTITY: identity ")
    assert "Traceback" not in ran.stderr


def test_this_hosts_tables_are_publications_the_server_takes() -> None:
    tables = this_hosts_tables("me")
    assert [table.tablename for table in tables] == ["processes", "mounts", "interfaces"]
    for table in tables:
        assert decode_request(encode_publication(table)) == Publish(table)


def test_command_lines_go_without_their_arguments() -> None:
    (processes, _, _) = this_hosts_tables("me")
    names = [column.name for column in processes.columns]
    mine = next(
        row for row in json.loads(processes.rows_json) if row[names.index("pid")] == os.getpid()
    )
    assert " " not in mine[names.index("command")]
    assert mine[names.index("rss_bytes")] > 1_000_000
