"""The db-dir is removed underneath a running server, as logind does to /dev/shm at a logout."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from running import LONG, Running, Site
from server_process import ENDLESS
from wire import until

ROUNDS = 30 if LONG else 1


def content_of(directory: Path) -> None:
    """The generations alone."""
    for path in directory.glob("run-*/*"):
        path.unlink(missing_ok=True)


def runs_of(directory: Path) -> None:
    """The servers' own directories."""
    for path in directory.glob("run-*"):
        shutil.rmtree(path, ignore_errors=True)


def the_whole(directory: Path) -> None:
    """All of it."""
    shutil.rmtree(directory, ignore_errors=True)


class Follower(threading.Thread):
    """Asks for the same rows all the time; the answers that were not as they should be."""

    def __init__(self, running: Running) -> None:
        super().__init__()
        self.failures: list[dict[str, Any]] = []
        self.asked = 0
        self.stopping = threading.Event()
        self._running = running

    def run(self) -> None:
        while not self.stopping.is_set():
            answer = self._running.wire.query("select kept.v from kept, t")
            if answer["response_op"] != "result_table":
                self.failures.append(answer)
            self.asked += 1


@pytest.mark.parametrize("remove", [content_of, runs_of, the_whole])
def test_one_generation_is_lost_at_most_and_queries_go_on(site: Site, remove: Any) -> None:
    running = site.start("-g", 2)

    def nr_lost() -> int:
        return running.said().count("rotation failed")

    for n in range(ROUNDS):
        running.publish("p", "kept", 1, persist=1, replace=1)
        running.publish("a", "t", 0, persist=1, replace=1)
        until(lambda: running.sees("select kept.v from kept, t", [[1]]))
        follower = Follower(running)
        follower.start()
        before = running.generation()
        remove(site.db_dir)
        until(lambda n=n: nr_lost() > n, 20)
        running.publish("p", "kept", 1, persist=1, replace=1)
        running.publish("a", "t", 0, persist=1, replace=1)
        until(lambda before=before: running.generation() > before, 20)
        follower.stopping.set()
        follower.join(30)
        assert (follower.failures, follower.asked > 10) == ([], True)
    assert nr_lost() == ROUNDS
    for directory in (site.db_dir, next(site.db_dir.glob("run-*"))):
        assert directory.stat().st_mode & 0o777 == 0o700


def test_a_slow_query_does_not_take_the_others_with_it(site: Site) -> None:
    """It leaves the express for another reader with its connection, and the file is gone."""
    running = site.start("-g", 3)
    running.turns()
    runs_of(site.db_dir)
    with running.wire.connect("line") as slow, running.wire.connect("line") as another:
        for made in (slow, another):
            made.sendall(f"{ENDLESS};\n".encode())
        until(lambda: running.wire.rows("show queries"))
        number = running.generation()
        answers = []
        while (answer := running.wire.query("select 1"))["response_op"] == "result_table":
            answers.append(answer)
            if answer["generation_number"] > number + 3:
                break
    assert answer["response_op"] == "result_table", answer


def test_a_second_server_leaves_the_directory_of_one_that_was_robbed_alone(site: Site) -> None:
    """Whose lock was removed lives all the same."""
    first = site.start()
    the_whole(site.db_dir)
    first.turns()
    assert "another server uses the db-dir" in site.refusal_beside(
        "--static-db", site.place / "other.db"
    )
    first.turns(2)
    assert first.said().count("rotation failed") == 1
    assert len(list(site.db_dir.glob("run-*"))) == 1
