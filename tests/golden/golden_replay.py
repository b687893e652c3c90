"""Says to our server what the ancestor was told when it was recorded, in the same order.

`requests.jsonl` holds the recordings: one JSON object a line with the recorded file's name, the
interface, the phase, what was sent and what came back. HTTP requests are wire bytes, answers
are bodies without chunk sizes; bytes that are no UTF-8 stand as lone surrogates. What is not
replayed (the ancestor's command line, HTTPS) has a name and nothing else.

The recording is one story: later answers depend on what was published before. So all of it is
replayed once, and a case that cannot be answered leaves its exception instead of an answer.
"""

from __future__ import annotations

import json
import re
import socket
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from itertools import groupby
from pathlib import Path
from typing import Any

import zmq
from wire import Wire, until

from qasino_server.server import Server
from qasino_server.settings import Settings

RECORDING = Path(__file__).with_name("requests.jsonl")
IDENTITY = "127.0.0.1"
"""The identity of the recorded server, and of ours."""

VIEWS = """\
- viewname: testview
  view: |
    create view testview as select
      * from qasino_server_info;
- viewname: badview
  view: |
    create vew badview as select * from qasino_server_info;
- viewname: latebound
  view: |
    create view latebound as select * from no_such_table_yet;
"""
"""What the recorded server's views file said."""

FIRST_ROTATION = "rotation gen0 -> gen1"
DANGER = 'separate instance "danger", generation 6 s'
DANGER_RESTARTED = 'separate instance "danger", restarted'
DANGER_VICTIM = 'separate instance "danger", generation 5 s'
RESTARTED = "same db dir after a restart"

_ROTATED_BEFORE = ("089", "289", "301", "302", "405")
"""The first recordings of a new generation, by the numbers their names begin with."""
_VICTIM = "401_danger_publish_victim.txt"
_CLI_PUBLISH = "086_cli_publish_csv_stdin.txt"

_ANSWER_ENDS = re.compile(rb"(?m)^(?:\d+ rows returned|SQL error: [^\r\n]*|Bye!)\r\n")


@dataclass(frozen=True)
class Case:
    """One recorded file."""

    file: str
    interface: str
    phase: str
    sent: tuple[str, ...] = ()
    received: tuple[str, ...] = ()
    """HTTP: a body; ZeroMQ: the frames; the line port: what came after each part sent."""
    status: int | None = None
    state: str = ""
    """Why there is no answer, where there is none."""


@dataclass(frozen=True)
class Answer:
    """What our server said; `parts` are as `Case.received` are."""

    parts: tuple[str, ...]
    status: int | None = None
    media_type: str = ""


Answers = dict[str, Answer | Exception]


def read_recording() -> list[Case]:
    """Every recorded case, in the order of the recording."""
    with RECORDING.open(encoding="utf-8") as lines:
        return [_case(json.loads(line)) for line in lines]


def _case(fields: dict[str, Any]) -> Case:
    tuples: dict[str, Any] = {
        key: tuple(fields[key]) for key in ("sent", "received") if key in fields
    }
    return Case(**(fields | tuples))


def replay(cases: Sequence[Case], place: Path) -> Answers:
    """Say everything again to servers that live in `place`; the answers by file name."""
    answers: Answers = {}
    told = {case.file: case for case in cases}
    for phase, group in groupby(cases, key=lambda case: _story(case.phase)):
        story = list(group)
        if phase == RESTARTED:
            _publish_static(place / "restarted")
        with _running(place, phase) as server, Wire(server.ports) as wire:
            if phase == DANGER_VICTIM:
                _http(wire, told[_VICTIM].sent[0])
                server.rotate()
            answers |= _replay_story(story, server, wire)
    return answers


def _story(phase: str) -> str:
    """The main instance has several phases, every other one has a name of its own."""
    return "main" if phase.startswith(("gen", "rotation")) else phase


@contextmanager
def _running(place: Path, story: str) -> Iterator[Server]:
    """A server for one story, in a directory of its own, with the main one's views."""
    home = place / ("restarted" if story == RESTARTED else story.replace(" ", "-"))
    home.mkdir(exist_ok=True)
    if story == "main":
        (home / "views.conf").write_text(VIEWS)
    settings = Settings(
        http_port=0,
        zmq_port=0,
        pubsub_port=0,
        line_port=0,
        identity=IDENTITY,
        static_db=home / "static.db",
        db_dir=home / "db",
        views_file=home / "views.conf",
    )
    with Server(settings) as server:
        server.start(heartbeat=False)
        yield server


def _publish_static(home: Path) -> None:
    """What the server had been told before its restart was recorded."""
    with _running(home.parent, RESTARTED) as server, Wire(server.ports) as wire:
        told = wire.publish("s", "st", ["a", "b"], ["int", "text"], [[1, "x"]], static=1)
        assert told["response_op"] == "ok", told


def _replay_story(story: Sequence[Case], server: Server, wire: Wire) -> Answers:
    answers: Answers = {}
    signals: list[str] = []
    with wire.zmq_socket(zmq.SUB) as subscriber:
        for case in story:
            try:
                _turn(case, server, subscriber, signals)
                answer = _replay_case(case, wire, signals)
            except (OSError, HTTPException, zmq.ZMQError) as error:
                answers[case.file] = error
            else:
                if answer is not None:
                    answers[case.file] = answer
    return answers


def _turn(case: Case, server: Server, subscriber: zmq.Socket[bytes], signals: list[str]) -> None:
    """Rotate where the recorded server did; keep the signals of those who listened in time."""
    if case.phase == FIRST_ROTATION:
        until(lambda: server.rotate() and subscriber.poll(50))
        signals.append(_frame(subscriber))
    elif case.file.startswith(_ROTATED_BEFORE):
        server.rotate()
        if signals:
            signals.append(_frame(subscriber))


def _frame(subscriber: zmq.Socket[bytes]) -> str:
    """A signal; it must be one frame."""
    [frame] = subscriber.recv_multipart()
    return frame.decode()


def _replay_case(case: Case, wire: Wire, signals: list[str]) -> Answer | None:
    if case.file == _CLI_PUBLISH:
        _publish_as_the_cli_did(wire, case.sent[0])
    elif case.interface == "PUB":
        return Answer(tuple(signals if len(case.received) > 1 else signals[-1:]))
    elif case.sent and case.interface == "HTTP":
        return _http(wire, case.sent[0])
    elif case.sent and case.interface == "ZMQ":
        frames = wire.zmq_request([part.encode() for part in case.sent])
        return Answer(tuple(frame.decode() for frame in frames))
    elif case.sent and case.interface == "LINE":
        return _line(wire, case.sent)
    return None


def _publish_as_the_cli_did(wire: Wire, csv: str) -> None:
    """Three tables came from the ancestor's publisher; SHOW tables has them ever after."""
    for table in ("clipubh", "clipubz"):
        wire.publish("cli1", table, ["a"], ["int"], [[1]])
    status, _, body = wire.http_post("add_csv_table_data", csv.encode(), identity="cli1")
    assert status == 200, body


def _http(wire: Wire, request: str) -> Answer:
    """Send the bytes of a request as they were, but for the port they were meant for."""
    host = f"Host: {wire.host}:{wire.ports['http']}\r"
    here = re.sub(r"(?m)^Host: .*?\r$", host, request, count=1)
    with wire.connect("http") as made:
        made.sendall(here.encode("utf-8", "surrogateescape"))
        with HTTPResponse(made, method=request.split(" ", 1)[0]) as response:
            response.begin()
            body = response.read().decode("utf-8", "surrogateescape")
            return Answer((body,), response.status, response.headers.get_content_type())


def _line(wire: Wire, sent: Sequence[str]) -> Answer:
    """Type one part after another, each when the answers to those before have come."""
    parts: list[str] = []
    typed = ""
    with wire.connect("line") as made:
        for part in sent:
            made.sendall(part.encode())
            nr_statements, typed = _cut_statements(typed + part)
            answer = _read_answers(made, nr_statements)
            parts.append(answer.decode())
            if answer.endswith(b"Bye!\r\n"):
                parts += [""] * (len(sent) - len(parts))
                break
        else:
            made.shutdown(socket.SHUT_WR)
        parts[-1] += _read_answers(made, None).decode()
    return Answer(tuple(parts))


def _cut_statements(typed: str) -> tuple[int, str]:
    """How many statements the text holds, and what stands after the last of them.

    A ; with nothing before it is none.
    """
    count, begin = 0, 0
    for found in re.finditer(";", typed):
        if sqlite3.complete_statement(typed[begin : found.end()]):
            count += bool(typed[begin : found.start()].strip())
            begin = found.end()
    return count, typed[begin:]


def _read_answers(made: socket.socket, nr_answers: int | None) -> bytes:
    """So many answers of the line port, or all there are until it closes."""
    received = b""
    while nr_answers is None or len(_ANSWER_ENDS.findall(received)) < nr_answers:
        data = made.recv(1 << 16)
        if not data:
            break
        received += data
    return received
