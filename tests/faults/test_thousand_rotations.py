"""A thousand rotations beside readers that hold snapshots: all that is held comes back."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from running import LONG, Held, Running
from server_process import ENDLESS, GONE
from wire import Wire, until

from qasino_server.server import Server

ROTATIONS = 1000 if LONG else 6
HAND_ROTATIONS = 5000 if LONG else 250
WARM = 60 if LONG else 3
MEBIBYTE = 1 << 20


class Holder(threading.Thread):
    """Asks for what takes longer than a generation, again and again."""

    def __init__(self, running: Running) -> None:
        super().__init__()
        self.stopping = threading.Event()
        self._running = running

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                self._running.wire.query(f"{ENDLESS} -- held")
            except GONE:  # it takes longer than a client waits, which ends it on the server
                continue


def publish(running: Running, n: int) -> None:
    rows: list[list[Any]] = [[k, "x" * 100] for k in range(500)]
    for host in range(4):
        running.wire.publish(f"h{host}", "t", ["k", "x"], ["int", "text"], rows, replace=1)
    running.publish("p", f"t{n % 7}", n, ttl_s=5)
    running.publish("p", "kept", n, persist=1, replace=1)


def settled(running: Running) -> Held:
    """What is held once nobody asks."""
    until(lambda: running.sees("select 1", [[1]]) and running.held().files == 3, 30)
    return running.held()


def test_what_is_held_after_many_rotations_is_what_was_held_before(running: Running) -> None:
    holders = [Holder(running) for _ in range(2)]

    def turn(times: int) -> None:
        for n in range(times):
            publish(running, n)
            running.turns()

    turn(WARM)
    before = settled(running)
    for holder in holders:
        holder.start()
    turn(ROTATIONS)
    for holder in holders:
        holder.stopping.set()
    for query_id, *_ in running.wire.rows("show queries"):
        running.wire.query(f"kill {query_id}")
    for holder in holders:
        holder.join(60)
    turn(3)
    after = settled(running)
    assert after.descriptors <= before.descriptors + 3, (before, after)
    assert after.private_bytes < before.private_bytes + 8 * MEBIBYTE, (before, after)


def test_hundreds_of_rotations_by_hand_leave_no_more_than_fifty(
    make_server: Callable[..., Server], wire_to: Callable[[Server], Wire]
) -> None:
    """The same at the speed of the disk, in this process, with a query that never ends beside."""
    server = make_server(query_timeout_s=1000)
    wire = wire_to(server)
    db_dir = server.settings.db_dir
    assert db_dir is not None

    def turn(times: int) -> tuple[int, int, int]:
        for n in range(times):
            wire.publish("a", f"t{n % 7}", ["v"], ["int"], [[n]], replace=1)
            wire.publish("p", "kept", ["v"], ["int"], [[n]], persist=1, replace=1)
            server.rotate()
        until(lambda: len(list(db_dir.glob("run-*/*.db"))) == 3)
        gc.collect()
        return len(os.listdir("/proc/self/fd")), threading.active_count(), _rss_bytes()

    with wire.connect("line") as holder:
        holder.sendall(f"{ENDLESS};\n".encode())
        until(lambda: wire.rows("show queries"))
        before = turn(50)
        after = turn(HAND_ROTATIONS)
    assert after[0] <= before[0] + 3
    assert after[1] <= before[1] + 1
    assert after[2] < before[2] + 12 * MEBIBYTE, (before, after)


def _rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
