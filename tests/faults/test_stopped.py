"""SIGSTOP for longer than a generation, then SIGCONT: a suspended laptop, a frozen container."""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from collections import Counter as Counted
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from running import LONG, Running, Site
from server_process import GONE
from wire import until

from qasino_server.heartbeat import beats_to_skip

ROUNDS = 40 if LONG else 1
CROWDED = 0.45
"""Of a generation's time: two rotations that are nearer than this follow one another at once."""


class Counter(threading.Thread):
    """Publishes one row after the other, each from an identity of its own."""

    def __init__(self, running: Running) -> None:
        super().__init__()
        self.promised: set[int] = set()
        """The rows that were answered `ok`."""
        self.stopping = threading.Event()
        self._running = running

    def run(self) -> None:
        row = 0
        while not self.stopping.is_set():
            row += 1
            with suppress(*GONE):  # a request that takes longer than a client waits
                if self._running.publish(f"h{row}", "counted", row)["response_op"] == "ok":
                    self.promised.add(row)


class Archived(NamedTuple):
    """What an archive tells of the generations."""

    numbers: list[int]
    began: list[float]
    """When each became the snapshot, epoch seconds."""
    rows: Counted[int]
    """How many of them each row is in."""


def read(archive: Path) -> Archived:
    paths = sorted(archive.glob("qasino_*.db"), key=lambda path: int(path.stem[7:]))
    began, rows = [], Counted[int]()
    for path in paths:
        with closing(sqlite3.connect(path)) as kept:
            began += [at for (at,) in kept.execute("select generation_start_epoch from"
                                                   " qasino_server_info")]  # fmt: skip
            with suppress(sqlite3.OperationalError):  # nobody has published
                rows.update(row for (row,) in kept.execute("select v from counted"))
    return Archived([int(path.stem[7:]) for path in paths], began, rows)


def test_after_a_stop_the_generations_go_on_and_no_promise_is_broken(
    site: Site, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    running = site.start("--archive-dir", archive, "--archive-keep", 100_000)
    counter = Counter(running)
    counter.start()
    for n in range(ROUNDS):
        running.turns(2)
        running.send(signal.SIGSTOP)
        # After 2.9 and 1.9 s the next beat is due right after the late one.
        time.sleep((2.9, 1.9, 2.2, 2.6)[n % 4])  # it is the time that passes that matters
        running.send(signal.SIGCONT)
    running.turns(2)
    counter.stopping.set()
    counter.join(30)
    last = running.turns(2) - 1
    until(lambda: read(archive).numbers[-1] >= last)
    found = read(archive)
    assert found.numbers == sorted(set(found.numbers))
    gaps = [after - before for before, after in pairwise(found.began)]
    assert min(gaps[1:]) > CROWDED, gaps
    assert len([gap for gap in gaps if gap > 1.5]) >= ROUNDS
    assert {row: found.rows[row] for row in counter.promised if found.rows[row] != 1} == {}


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 10))
def test_the_next_beat_is_the_first_on_the_grid_that_leaves_time_to_publish(
    late: int, took: int, duration_s: int
) -> None:
    began, ended = late / 4, (late + took) / 4
    following = (1 + beats_to_skip(0, duration_s, began, ended)) * duration_s
    assert following >= max(ended, began + duration_s / 2)
    assert following == duration_s or following - duration_s < max(ended, began + duration_s / 2)


def test_clients_that_were_in_the_middle_of_something_get_their_answers(running: Running) -> None:
    with running.wire.connect("http") as half, running.wire.connect("line") as line:
        body = b'{"op": "query", "sql": "select 40 + 2"}'
        head = b"POST /request HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
        half.sendall(head % len(body) + body[:10])
        line.sendall(b"select 40 ")
        with running.wire.zmq_socket() as request:
            running.send(signal.SIGSTOP)
            half.sendall(body[10:])
            line.sendall(b"+ 2;\n")
            request.send(body)
            time.sleep(2.5)  # longer than two generations
            running.send(signal.SIGCONT)
            assert b'["42"]' in request.recv()
        assert b'["42"]' in half.recv(10_000)
        assert b"42" in line.recv(10_000)
