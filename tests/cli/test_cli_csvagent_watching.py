"""Hearing that something changed: where that is tried, when again, and where no more."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from agent_house import House, csv_of
from watchdog.events import FileSystemEventHandler
from wire import until

from qasino_cli.csvagent.catalogue import EVERY_CSV
from qasino_cli.csvagent.watching import RETRY_S, Watcher, native_observer
from qasino_server.server import Server

Told = list[tuple[str, bool]]


@pytest.fixture
def told() -> Told:
    """What watchers have told."""
    return []


@pytest.fixture
def watcher(told: Told) -> Iterator[Callable[..., Watcher]]:
    """Makes watchers that are closed when the test ends."""
    with ExitStack() as stack:

        def make(**options: Any) -> Watcher:
            made = Watcher(lambda path, whole: told.append((path, whole)), **options)
            stack.callback(made.close)
            return made

        yield make


def nr_watches() -> int:
    """How many directories this process has the kernel watch."""
    nr = 0
    for descriptor in os.listdir("/proc/self/fdinfo"):
        try:
            nr += Path("/proc/self/fdinfo", descriptor).read_text().count("inotify wd:")
        except FileNotFoundError:  # that of the listing itself
            pass
    return nr


def test_where_a_limit_was_reached_it_is_tried_again_after_a_while(
    watcher: Callable[..., Watcher],
    tmp_path: Path,
    told: Told,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    tries = []

    def observer() -> Any:
        tries.append(None)
        if len(tries) == 1:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return native_observer()

    made = watcher(make_observer=observer)
    names = {str(tmp_path): {"t.csv"}}
    for now in (0.0, RETRY_S / 2):
        made.follow(names, now)
        assert "max_user_instances" in (made.polling or "")
        assert len(tries) == 1
    made.follow(names, RETRY_S)
    assert (made.polling, len(tries)) == (None, 2)
    assert [line.message.partition(":")[0] for line in caplog.records] == [
        "polling for changes",
        "hearing of changes by events again",
    ]
    (tmp_path / "t.csv").write_text("a\n")
    until(lambda: (f"{tmp_path}/t.csv", True) in told)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fdinfo"), reason="Linux's way of showing it")
def test_a_directory_that_does_not_count_any_more_is_not_watched(
    watcher: Callable[..., Watcher], tmp_path: Path, told: Told
) -> None:
    before = nr_watches()
    made = watcher()
    places = [tmp_path / name for name in "abc"]
    for place in places:
        place.mkdir()
    made.follow({str(place): {"t.csv"} for place in places}, 0.0)
    assert nr_watches() == before + 3
    made.follow({str(places[0]): {"t.csv"}}, 1.0)
    until(lambda: nr_watches() == before + 1)
    for place in reversed(places):
        (place / "t.csv").write_text("a\n")
    until(lambda: told)
    assert {path for path, _ in told} == {f"{places[0]}/t.csv"}


def test_of_a_directory_that_is_another_one_now_the_new_one_is_heard(
    watcher: Callable[..., Watcher], tmp_path: Path, told: Told
) -> None:
    """And of what lies in it, names that count alone."""
    place = tmp_path / "data"
    place.mkdir()
    made = watcher()
    names = {str(place): {EVERY_CSV}}
    made.follow(names, 0.0)
    place.rename(tmp_path / "old")
    place.mkdir()
    made.follow(names, 1.0)
    (place / "t.txt").write_text("a\n")
    (place / "t.csv").write_text("a\n")
    until(lambda: (f"{place}/t.csv", True) in told)
    assert {path for path, _ in told} == {f"{place}/t.csv"}


def test_who_is_to_poll_takes_no_watch(server: Server, tmp_path: Path) -> None:
    def observer() -> Any:
        raise AssertionError("it was to poll")

    (tmp_path / "t.csv").write_text(csv_of("t", [1]))
    with ExitStack() as stack:
        house = House(server, stack)
        agent = house.agent(poll=True, make_observer=observer, directories=[tmp_path])
        house.until_rows("select n from t", [[1]])
        assert agent.polling == "--poll says so"


def test_watchdog_is_not_heard_on_its_own_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It looks once more where it is stopped in that moment, and calls it an error."""
    observer = native_observer()
    observer.schedule(FileSystemEventHandler(), str(tmp_path))
    (emitter,) = observer.emitters
    observer.stop()
    observer.join()
    emitter.queue_events(0)
    assert not caplog.records
    logging.getLogger("watchdog.observers.inotify").error("something else")
    assert [record.message for record in caplog.records] == ["something else"]
