"""A server as a process: how it starts, what ends it, and what a kill -9 leaves behind."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from command import COMMAND, clean_environment
from server_process import FREE_PORTS, Load, launch, ports_of
from wire import Wire, publication, until

Start = Callable[..., tuple["subprocess.Popen[bytes]", Wire]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers in `tmp_path`; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []
    wires: list[Wire] = []

    def begin(*options: object) -> tuple[subprocess.Popen[bytes], Wire]:
        ports_file = tmp_path / f"ports-{len(started)}.json"
        process = launch(tmp_path, "--ports-file", ports_file, *options)
        started.append(process)
        ports = ports_of(process, ports_file)
        assert ports, process.communicate()[1].decode()
        wires.append(Wire(ports))
        return process, wires[-1]

    yield begin
    for wire in wires:
        wire.close()
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_a_server_whose_stderr_is_closed_reloads_and_ends(tmp_path: Path) -> None:
    ports_file = tmp_path / "ports.json"
    options = [*FREE_PORTS, "--ports-file", ports_file, "--static-db", tmp_path / "static.db"]
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *COMMAND, "server", *map(str, options)],
        env=clean_environment(),
    )
    try:
        until(lambda: ports_file.exists(), 20.0)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def test_a_server_on_a_terminal_reloads_when_told_to_and_ends_when_that_is_closed(
    tmp_path: Path,
) -> None:
    options = [*FREE_PORTS, "--static-db", tmp_path / "static.db"]
    words = [*COMMAND, "server", *map(str, options)]
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(tmp_path / "notify"))
    heard.settimeout(20)
    environment = clean_environment(NOTIFY_SOCKET=str(tmp_path / "notify"))
    child = pexpect.spawn(words[0], words[1:], env=environment, timeout=20)
    try:
        assert heard.recv(100) == b"READY=1"
        os.kill(child.pid, signal.SIGHUP)
        assert heard.recv(100).startswith(b"RELOADING=1")
        assert heard.recv(100) == b"READY=1"
        with open(os.devnull) as nothing:
            os.dup2(nothing.fileno(), child.child_fd)  # a closed window: the kernel sends SIGHUP
        until(lambda: not child.isalive(), 20.0)
        assert child.exitstatus == 0
    finally:
        child.close(force=True)
        heard.close()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_five_seconds_under_load(
    start: Start, tmp_path: Path, sent: signal.Signals
) -> None:
    process, wire = start("-g", 1)
    load = Load(wire)
    until(lambda: load.accepted > 50)
    began = time.monotonic()
    process.send_signal(sent)
    _, narration = process.communicate(timeout=20)
    took_s = time.monotonic() - began
    load.end()
    assert (process.returncode, took_s < 5.0) == (0, True), (took_s, narration.decode())
    assert b"Traceback" not in narration
    assert list((tmp_path / "db").glob("run-*")) == []
    assert not (tmp_path / "ports-0.json").exists()


def test_after_a_kill_static_tables_are_as_promised_and_leftovers_are_cleared(
    start: Start, tmp_path: Path
) -> None:
    process, wire = start("-g", 1)
    load = Load(wire)
    promised = 0
    for number in range(1, 30):
        rows = [[number, n] for n in range(100)]
        reply = wire.publish("s", "kept", ["v", "n"], ["int", "int"], rows, static=1)
        assert reply["response_op"] == "ok"
        promised = number
    until(lambda: load.accepted > 20)
    process.kill()
    process.communicate()
    load.end()
    assert len(list((tmp_path / "db").glob("run-*"))) == 1
    _, again = start()
    assert again.rows("select v, count(*) from kept group by v") == [[promised, 100]]
    assert len(list((tmp_path / "db").glob("run-*"))) == 1


def test_a_server_does_not_import_what_nobody_has_asked_for_yet(tmp_path: Path) -> None:
    ports_file = tmp_path / "ports.json"
    process = launch(tmp_path, "--ports-file", ports_file, PYTHONPROFILEIMPORTTIME="1")
    try:
        assert ports_of(process, ports_file)
    finally:
        process.terminate()
        narration = process.communicate(timeout=20)[1].decode()
    imported = set(re.findall(r"\| +(\S+)$", narration, re.MULTILINE))
    assert "uvicorn" in imported
    assert imported.isdisjoint(
        {"yaml", "jinja2", "apsw.ext", "wcwidth", "httpx", "rich", "psutil", "passlib", "bcrypt"}
    )


@pytest.mark.parametrize("most", ["1K", "100K"])
def test_too_little_memory_is_told_by_the_option_that_bounds_it(tmp_path: Path, most: str) -> None:
    process = launch(tmp_path, "--max-memory", most)
    _, narration = process.communicate(timeout=20)
    assert process.returncode == 1
    assert b"SQLite may not take the memory to " in narration
    assert narration.endswith(b"(--max-memory)\n")


def test_a_second_server_on_the_same_directory_says_so(start: Start, tmp_path: Path) -> None:
    start()
    process = launch(tmp_path)
    _, narration = process.communicate(timeout=20)
    assert process.returncode == 1
    assert b"another server uses the db-dir" in narration
    assert narration.count(b"\n") == 1


def test_a_second_server_on_the_same_port_says_so_and_leaves_nothing(
    start: Start, tmp_path: Path
) -> None:
    _, wire = start()
    for name in ("http", "zmq", "pubsub", "line"):
        place = tmp_path / name
        process = launch(place, f"--{name}-port", wire.ports[name])
        _, narration = process.communicate(timeout=20)
        assert process.returncode == 1
        sentence = f"cannot listen on 127.0.0.1:{wire.ports[name]}: Address already in use\n"
        assert narration.endswith(sentence.encode())
        assert narration.count(b"\n") == 1
        assert list((place / "db").glob("run-*")) == []


def test_ports_can_be_closed(start: Start) -> None:
    _, wire = start("--line-port", "off", "--pubsub-port", "off", "--zmq-port", "off")
    assert list(wire.ports) == ["http"]


def test_logs_are_one_line_an_event_with_what_an_operator_looks_for(start: Start) -> None:
    process, wire = start("--log-level", "debug", "-g", 1)
    reply = wire.publish("web-1", "t", ["a"], ["int"], [[1], [2]])
    assert reply["response_op"] == "ok"
    until(lambda: wire.query("select a from t")["response_op"] == "result_table")
    process.terminate()
    _, narration = process.communicate(timeout=20)
    lines = narration.decode().splitlines()
    assert any("identity=web-1 table=t rows=2 seconds=0." in line for line in lines), lines
    assert any("INFO" in line and "rotation generation=" in line and "rows=2 seconds=" in line
               for line in lines), lines  # fmt: skip


def test_the_log_says_what_signals_have_it_do(start: Start) -> None:
    process, _ = start()
    assert process.stderr is not None
    process.send_signal(signal.SIGHUP)
    reading = b" INFO qasino.server reading certificate, users, keys and views again: SIGHUP\n"
    assert any(line.endswith(reading) for line in process.stderr)
    process.send_signal(signal.SIGINT)
    _, narration = process.communicate(timeout=20)
    assert narration.endswith(b" INFO qasino.server stopping: SIGINT\n")


def test_the_rotation_keeps_its_cadence_and_the_signal_goes_out(start: Start) -> None:
    import zmq

    _, wire = start("-g", 1)
    context: Any = zmq.Context()
    try:
        sub = context.socket(zmq.SUB)
        sub.linger = 0
        sub.subscribe(b"GENSIG")
        sub.rcvtimeo = 10_000
        sub.connect(f"tcp://127.0.0.1:{wire.ports['pubsub']}")
        frames = [sub.recv_multipart() for _ in range(3)]
        arrived = time.time()
    finally:
        context.destroy(linger=0)
    signals = [json.loads(frame[0].partition(b"\0")[2]) for frame in frames]
    numbers = [told["generation_number"] for told in signals]
    assert [len(frame) for frame in frames] == [1, 1, 1]
    assert all(told["op"] == "generation_signal" for told in signals)
    assert all(told["generation_duration_s"] == 1 for told in signals)
    assert numbers == sorted(set(numbers))
    assert abs(arrived - numbers[-1]) < 2.5


def test_a_body_that_stops_in_the_middle_at_a_kill_is_nowhere(start: Start) -> None:
    """Also where all but its last blank has come, and the table would be kept."""
    process, wire = start()
    body = json.dumps(publication("a", "kept", ["v"], ["int"], [[1]], static=1)).encode()
    head = (
        "POST /request?op=add_table_data HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
        f"Content-Length: {len(body) + 1}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", wire.ports["http"]), timeout=20) as made:
        answer = made.makefile("rb")
        made.sendall(head.encode())
        assert answer.readline() == b"HTTP/1.1 100 Continue\r\n"  # it waits for the body now
        made.sendall(body)
        process.send_signal(signal.SIGTERM)
        assert b"HTTP/1.1 503 Service Unavailable\r\n" in answer.read()
        process.communicate(timeout=20)
    assert process.returncode == 0
    _, again = start()
    assert again.rows("select count(*) from qasino_server_tables where tablename = 'kept'") == [[0]]


def test_the_supervisor_hears_of_ready_reload_and_stop(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        process, wire = start()
        assert heard.recv(100) == b"READY=1"
        assert wire.rows("select 1") == [[1]]
        process.send_signal(signal.SIGHUP)
        assert heard.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert heard.recv(100) == b"READY=1"
        process.send_signal(signal.SIGTERM)
        assert heard.recv(100) == b"STOPPING=1"
        assert process.wait(10) == 0


def test_a_server_whose_reload_fails_heeds_the_next_signal(tmp_path: Path) -> None:
    users = tmp_path / "users.yaml"
    users.write_text("users: {ann: {roles: [read], tokens: [secret]}}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(20)
        process = launch(tmp_path, "--users-file", users, NOTIFY_SOCKET=str(tmp_path / "notify"))
        try:
            assert heard.recv(100) == b"READY=1"
            resource.prlimit(process.pid, resource.RLIMIT_AS, (1 << 42, 1 << 42))
            os.truncate(users, 1 << 43)  # more than a process can have: a MemoryError
            process.send_signal(signal.SIGHUP)
            assert heard.recv(100).startswith(b"RELOADING=1")
            assert heard.recv(100) == b"READY=1"
            process.send_signal(signal.SIGTERM)
            assert heard.recv(100) == b"STOPPING=1"
            _, narration = process.communicate(timeout=20)
        finally:
            process.kill()
            process.communicate()
    assert process.returncode == 0
    assert b"the reload failed" in narration


def test_a_server_takes_all_the_descriptors_it_may_have(start: Start) -> None:
    process, _ = start()
    limits = Path(f"/proc/{process.pid}/limits").read_text()
    _, _, _, soft, hard, *_ = next(
        line.split() for line in limits.splitlines() if line.startswith("Max open files")
    )
    assert soft == hard


def test_a_query_cannot_forge_a_line_of_the_log(start: Start) -> None:
    process, wire = start("--slow-query", 0.000001)
    forged = "2026-01-01T00:00:00 INFO qasino.auth root logged in"
    for end in ("\n", "\r", "\x0b", "\x1b[2K\x1b[G", "\x85", "\u2028", "\u202e", "\x9b2K"):
        wire.rows(f"select 1 /* {end}{forged} */")
        assert "no query with the id" in str(wire.query(f"kill '{end}x{forged}'"))
    wire.line("select 2 /* \x1b]0;title\x07 */;")
    process.terminate()
    _, narration = process.communicate(timeout=20)
    lines = [line for line in narration.decode().splitlines() if forged in line]
    assert len(lines) >= 8
    assert all("WARNING qasino.dispatch query seconds=" in line for line in lines)
    assert all("peer=127.0.0.1:" in line and "user=-" in line for line in lines)
    assert not any(c in narration.decode() for c in "\r\x0b\x1b\x07\x85\u2028\u202e\x9b")
