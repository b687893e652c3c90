"""Many publishers and readers across many fast rotations: rules 1, 4 and 14, for real.

Each accepted publication must be in exactly the snapshot its receipt names, whole; every
retired snapshot is archived, so all of them can be looked at afterwards.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import zmq
from wire import Wire, as_bytes, publication

from qasino_server.server import Server

ROTATIONS = 25
PUBLISHERS = 6
READERS = 3
ROWS = 7


class Publisher(threading.Thread):
    """Publishes until told to stop; remembers every receipt."""

    def __init__(self, wire: Any, number: int, stopping: threading.Event) -> None:
        super().__init__()
        self.wire = wire
        self.number = number
        self.stopping = stopping
        self.accepted: list[tuple[int, str]] = []
        self.unexpected: list[Any] = []

    def run(self) -> None:
        sent = 0
        while not self.stopping.is_set():
            sent += 1
            token = f"p{self.number}-{sent}"
            body = json.dumps(
                {
                    "op": "add_table_data",
                    "identity": token,
                    "table": {
                        "tablename": "load",
                        "column_names": ["token", "n", f"extra{self.number}"],
                        "column_types": ["text", "int", "int"],
                        "rows": [[token, n, sent] for n in range(ROWS)],
                    },
                }
            ).encode()
            reply = self.send(body)
            if reply.get("response_op") == "ok" and reply["applied"]:
                self.accepted.append((reply["generation_number"], token))
            else:
                self.unexpected.append(reply)

    def send(self, body: bytes) -> Any:
        if self.number % 2:
            return json.loads(self.wire.http_post("add_table_data", body)[2])
        return json.loads(self.wire.zmq_request(body)[0])


class Reader(threading.Thread):
    """Asks until told to stop whether what it sees is one generation, whole."""

    SQL = f"""select (select generation_number from qasino_server_info) as number,
        (select count(*) from load) as rows,
        (select sum(nr_rows) from qasino_server_sources where tablename = 'load') as booked,
        (select count(*) from (select 1 from load group by token having count(*) <> {ROWS}))"""

    def __init__(self, wire: Any, stopping: threading.Event) -> None:
        super().__init__()
        self.wire = wire
        self.stopping = stopping
        self.seen: list[int] = []
        self.unexpected: list[Any] = []

    def run(self) -> None:
        while not self.stopping.is_set():
            reply = self.wire.query(self.SQL, typed=True)
            if reply["response_op"] != "result_table":
                if "no such table: load" not in reply["error_message"]:
                    self.unexpected.append(reply)
                continue
            number, rows, booked, broken = reply["table"]["rows"][0]
            self.seen.append(number)
            if number != reply["generation_number"] or rows != booked or broken:
                self.unexpected.append(reply)


def test_every_accepted_publication_is_in_exactly_one_snapshot_whole(
    make_server: Any, wire_to: Any, tmp_path: Path
) -> None:
    server: Server = make_server(archive_dir=tmp_path / "archive", archive_keep=ROTATIONS + 10)
    stopping = threading.Event()
    publishers = [Publisher(wire_to(server), n, stopping) for n in range(PUBLISHERS)]
    readers = [Reader(wire_to(server), stopping) for _ in range(READERS)]
    for thread in (*publishers, *readers):
        thread.start()
    for _ in range(ROTATIONS):
        before = sum(len(p.accepted) for p in publishers)
        while sum(len(p.accepted) for p in publishers) < before + 10:
            assert all(thread.is_alive() for thread in publishers)
            stopping.wait(0.002)
        server.rotate()
    stopping.set()
    for thread in (*publishers, *readers):
        thread.join(30)
    for _ in range(2):
        server.rotate()
    server.stop()
    assert [t.unexpected for t in (*publishers, *readers)] == [[]] * (PUBLISHERS + READERS)
    assert all(reader.seen == sorted(reader.seen) for reader in readers)
    promised = Counter(pair for p in publishers for pair in p.accepted)
    assert _archived(tmp_path / "archive") == Counter({pair: ROWS for pair in promised})
    assert len({number for number, _ in promised}) >= ROTATIONS


def _archived(directory: Path) -> Counter[tuple[int, str]]:
    """(generation, token) -> rows, over all archived snapshots."""
    found: Counter[tuple[int, str]] = Counter()
    for path in directory.glob("qasino_*.db"):
        with closing(sqlite3.connect(path)) as connection:
            ((number,),) = connection.execute("select generation_number from qasino_server_info")
            if connection.execute("select 1 from sqlite_master where name = 'load'").fetchone():
                rows = connection.execute("select token, count(*) from load group by token")
                found.update({(number, token): count for token, count in rows})
    return found


def test_however_many_requests_come_at_once_each_is_answered_once(server: Server) -> None:
    """Publications and queries of one connection, more in a row than the port takes in one go."""
    with Wire(server.ports) as wire, wire.zmq_socket(zmq.DEALER) as made:
        sent = 0
        for burst in (1, 2, 3, 4, 5, 8, 64, 300, 600):
            for n in range(burst):
                one = publication(f"h{burst}-{n}", "t", ["n"], ["int"], [[n]])
                query = {"op": "query", "sql": f"select {n}"}
                made.send(as_bytes({"op": "add_table_data", **one} if n % 3 else query))
            answers = Counter(
                json.loads(made.recv_multipart()[-1])["response_op"] for _ in range(burst)
            )
            queries = (burst + 2) // 3
            assert answers == Counter(ok=burst - queries, result_table=queries)
            sent += burst - queries
        assert not made.poll(0)
        server.rotate()
        assert wire.rows("select count(*) from t") == [[sent]]
