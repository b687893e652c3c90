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
from qasino_cli.watch.query import Update, Watched
from qasino_server.server import Server
from qasino_server.table import Result

RESULT = Result(
    column_names=("n",), column_types=("",), rows=[(1,)], nr_rows=1, generation_number=30
)


def test_with_an_interval_generations_bring_no_question(server: Server) -> None:
    heard: list[float] = []
    connection = read_connection(Given(server=zmq_url(server)), {})
    feed = Feed(connection, Watched("select 1"), lambda _: heard.append(time.monotonic()), 1.5)
    feed.start()
    until(lambda: (server.rotate(), len(heard) == 3)[1])
    feed.stop()
    assert feed.join(10)
    assert heard[2] - heard[0] > 2.5


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
    frames = Frames(Plan(watched=Watched("select 1")), "tsv", False, None)
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
