"""When `qasino watch` asks, and which answers are frames of its stream."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from command import run_qasino, zmq_url
from watch_house import frame_of
from wire import Wire, until

from qasino_cli.connection import Given, read_connection
from qasino_cli.console import ExitCode
from qasino_cli.watch.batch import Frames, Plan
from qasino_cli.watch.feed import LATE, Feed
from qasino_cli.watch.herald import Herald
from qasino_cli.watch.query import Update, Watched
from qasino_server.server import Server
from qasino_server.table import Result

AGE = (
    "select unixepoch('subsec') - generation_start_epoch age_s, generation_duration_s duration_s"
    " from qasino_server_info"
)
RESULT = Result(
    column_names=("n",), column_types=("",), rows=[(1,)], nr_rows=1, generation_number=30
)


def test_with_an_interval_generations_bring_no_question(server: Server) -> None:
    heard: list[float] = []
    connection = read_connection(Given(server=zmq_url(server)), {})
    feed = Feed(connection, Watched("select 1"), lambda _: heard.append(time.monotonic()), 0.75)
    feed.start()
    until(lambda: (server.rotate(), len(heard) == 3)[1])
    feed.stop()
    assert feed.join(10)
    assert heard[2] - heard[0] > 1.0


def test_a_server_that_began_anew_with_longer_generations_is_not_late(
    running: Callable[..., Any], make_server: Callable[..., Server], tmp_path: Path
) -> None:
    places = {"db_dir": tmp_path / "d", "static_db": tmp_path / "s.db"}
    brief = make_server(**places, generation_duration_s=1)
    process = running("-s", zmq_url(brief), "--interval", "0.2", "--format", "ndjson", AGE)
    process.stdout.readline()
    brief.stop()
    ports = {"zmq_port": brief.ports["zmq"], "pubsub_port": brief.ports["pubsub"]}
    make_server(**places, **ports, generation_duration_s=60)
    told = until(lambda: _of_age(process, 1.5))
    assert told["unknown"] is None


def _of_age(process: Any, age_s: float) -> Any:
    """The next frame of rows if the server that gave it is so old, else None."""
    told = msgspec.json.decode(process.stdout.readline())
    rows = told.get("rows")
    return told if rows and rows[0]["age_s"] > age_s and rows[0]["duration_s"] == 60 else None


def test_rows_that_differ_within_a_generation_are_news(
    running: Callable[..., Any], wire: Wire, tmp_path: Path
) -> None:
    def keep(value: int) -> None:
        table = {"tablename": "v", "column_names": ["v"], "column_types": ["int"]}
        told = {"identity": "a", "static": 1, "table": table | {"rows": [[value]]}}
        wire.http_post("add_table_data", told)

    keep(1)
    told = tmp_path / "told"
    process = running("--interval", "0.1", "--on-change", f"cat >> {told}", "select v from v")
    first = frame_of(process)
    keep(2)
    second = frame_of(process)
    assert (first[-1], second[-1]) == ("1", "2")
    assert first[0].split(",")[0] == second[0].split(",")[0]
    assert until(lambda: told.exists() and '"v":2' in told.read_text())


def test_frames_within_a_generation_count(server: Server) -> None:
    asked = ("--interval", "0.1", "--count", "3", "select hex(randomblob(9)) x")
    ran = run_qasino("watch", "-s", zmq_url(server), *asked)
    assert (ran.returncode, ran.stdout.count("# generation")) == (ExitCode.OK, 3)


def test_a_server_that_is_lost_is_told_of_once_and_is_no_frame(
    capsys: pytest.CaptureFixture[str],
) -> None:
    frames = Frames(Plan(watched=Watched("select 1")), "tsv", False, Herald(None, (), print))
    lost = Update(unknown="lost: away")
    seen = Update(result=RESULT)
    late = msgspec.structs.replace(seen, unknown=LATE)
    written = []
    for update in (seen, lost, lost, seen, late, late):
        frames.take(update)
        written.append(capsys.readouterr().out.split("\n"))
    assert [bool(lines[0]) for lines in written] == [True, True, False, True, True, False]
    assert (written[1][0], written[4][1]) == ("# unknown: lost: away", f"# unknown: {LATE}")
    assert frames.nr_frames == 1
