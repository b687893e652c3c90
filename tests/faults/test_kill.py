"""kill -9 at random moments under load: what was answered `ok` and static is there, whole."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq
from running import LONG, Running, Site
from server_process import GONE, Load
from wire import Wire, publication

ROUNDS = 300 if LONG else 2
SEED = random.SystemRandom().randrange(1 << 30)
Send = Callable[[dict[str, Any]], bool]


def rows_of(version: int) -> list[list[object]]:
    """Each version has another number of rows: half of one is not the whole of another."""
    return [[version, n, "x" * 20] for n in range(50 + version % 37)]


class StaticPublisher(threading.Thread):
    """Replaces one static table over and over, until its server is gone."""

    def __init__(self, table: str, send: Send, first_version: int, drops: bool = False) -> None:
        super().__init__()
        self.table = table
        self.sent: Any = first_version
        """The version that was sent last; None is the end of the table."""
        self.promised: Any = first_version
        """The version that was answered `ok` last."""
        self._send = send
        self._drops = drops

    def run(self) -> None:
        version = self.sent or 0
        while True:
            version += 1
            dropping = self._drops and version % 2 == 0
            message = (
                {"op": "drop_table", "tablename": self.table}
                if dropping
                else {"op": "add_table_data", "static": 1}
                | publication("p", self.table, ["v", "n", "x"], ["int"] * 3, rows_of(version))
            )
            self.sent = None if dropping else version
            if not self._send(message):
                return
            self.promised = self.sent


def over_http(running: Running) -> Send:
    def send(message: dict[str, Any]) -> bool:
        try:
            answer = json.loads(running.wire.http_post(message["op"], message)[2])
        except GONE:
            return False
        assert answer["response_op"] == "ok", answer
        return True

    return send


def over_zmq(running: Running) -> Send:
    def send(message: dict[str, Any]) -> bool:
        with running.wire.zmq_socket() as made:
            made.send(json.dumps(message).encode())
            while not made.poll(50, zmq.POLLIN):
                if running.process.poll() is not None:
                    return False
            answer = json.loads(made.recv())
        assert answer["response_op"] == "ok", answer
        return True

    return send


def stored_version(wire: Wire, table: str) -> int | None:
    """The version of a static table that is there, whole; None where there is no table."""
    answer = wire.query(f"select v, count(*), min(n), max(n) from {table} group by v", typed=True)
    if answer["response_op"] == "error":
        assert "no such table" in answer["error_message"], answer
        return None
    ((version, *found),) = answer["table"]["rows"]
    assert found == [len(rows_of(version)), 0, len(rows_of(version)) - 1]
    return int(version)


def test_a_kill_at_any_moment_breaks_no_promise_and_leaves_nothing(
    site: Site, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    versions: dict[str, Any] = dict.fromkeys(("by_http", "by_zmq", "comes_and_goes"))
    archive = tmp_path / "archive"
    for _ in range(ROUNDS):
        running = site.start("--archive-dir", archive)
        assert len(list(site.db_dir.glob("run-*"))) == 1
        publishers = [
            StaticPublisher("by_http", over_http(running), versions["by_http"]),
            StaticPublisher("by_zmq", over_zmq(running), versions["by_zmq"]),
            StaticPublisher("comes_and_goes", over_http(running), versions["comes_and_goes"], True),
        ]
        load = Load(running.wire)
        for publisher in publishers:
            publisher.start()
        time.sleep(chance.uniform(0, 1.5))  # a moment, not a wait
        running.kill()
        load.end()
        for publisher in publishers:
            publisher.join(30)
        if chance.random() < 0.5:
            site.start_and_kill(chance.uniform(0, 0.6), "--archive-dir", archive)
        again = site.start("--archive-dir", archive)
        for publisher in publishers:
            found = stored_version(again.wire, publisher.table)
            assert found in (publisher.promised, publisher.sent), (SEED, publisher.table)
            versions[publisher.table] = found
        again.kill()
    for kept in archive.glob("qasino_*.db"):
        assert sqlite3.connect(kept).execute("pragma integrity_check").fetchall() == [("ok",)]
    site.start()


def test_static_tables_survive_a_kill_in_the_middle_of_the_first_of_all(site: Site) -> None:
    """The file is new: what makes it comes first, and a kill may hit that too."""
    for after_s in [n / 50 for n in range(10, 40, 1 if LONG else 15)]:
        site.start_and_kill(after_s)
        site.static_db.unlink(missing_ok=True)
    running = site.start()
    assert running.publish("p", "kept", 1, static=1)["response_op"] == "ok"
    running.kill()
    assert site.start().sees("select v from kept", [[1]])


def test_what_a_dead_server_left_is_cleared_and_nothing_else(site: Site, tmp_path: Path) -> None:
    mine, dead, archive = site.db_dir / "mine", site.db_dir / "run-dead", tmp_path / "archive"
    for directory in (mine, dead, archive):
        directory.mkdir(mode=0o700, parents=True)
    (dead / "lock").touch()
    for path in (mine / "1.db", dead / "1.db", archive / "qasino_1.partial", archive / "x.partial"):
        path.touch()
    site.start("--archive-dir", archive)
    assert (mine / "1.db").exists()
    assert len(list(site.db_dir.glob("run-*"))) == 1
    assert not dead.exists()
    assert list(archive.glob("*.partial")) == [archive / "x.partial"]
