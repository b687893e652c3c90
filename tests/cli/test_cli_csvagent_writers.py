"""The agent under every way in which programs write files, with events and without."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
from agent_house import HURRY, House, csv_of, write_index
from wire import until

from qasino_server.server import Server

BEFORE = csv_of("t", [1])
AFTER = csv_of("t", [2])
LONG = csv_of("t", range(100, 140))
ROWS = "select n from t order by n"
BOTH = "select t.n, u.n from t, u"


@pytest.fixture(scope="module")
def shared(make_module_server: Callable[..., Server]) -> Server:
    return make_module_server()


@pytest.fixture
def house(shared: Server) -> Iterator[House]:
    shared.rotate()
    with ExitStack() as stack:
        yield House(shared, stack)


@pytest.fixture(params=["native", "polling"])
def poll(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "polling")


def changed(path: Path) -> str:
    """What a writer is to make of the file."""
    return path.read_text().replace("1,x", "2,x")


def in_place(path: Path) -> None:
    after = changed(path)
    path.write_text(after)


def atomic_rename(path: Path) -> None:
    after = changed(path)
    temporary = path.with_name(".t.csv.tmp")
    temporary.write_text(after)
    os.replace(temporary, path)


def rename_from_another_directory(path: Path) -> None:
    after = changed(path)
    elsewhere = path.parent.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "made.csv").write_text(after)
    os.replace(elsewhere / "made.csv", path)


def sed_in_place(path: Path) -> None:
    subprocess.run(["sed", "-i", "s/^1,x/2,x/", path], check=True)


def as_vim_does(path: Path) -> None:
    """Keep the old one as a backup, write the new one, drop the backup."""
    after = changed(path)
    backup = path.with_name("t.csv~")
    os.rename(path, backup)
    path.write_text(after)
    backup.unlink()


def truncate_and_write_again(path: Path) -> None:
    after = changed(path)
    path.write_text("")
    with open(path, "a") as file:
        file.write(after)


def remove_and_make_again(path: Path) -> None:
    after = changed(path)
    path.unlink()
    path.write_text(after)


def same_size_and_mtime(path: Path) -> None:
    after = changed(path)
    before = path.stat()
    path.write_text(after)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def through_a_mapping(path: Path) -> None:
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[mapped.find(b"1,x")] = ord("2")


def hard_link_into_place(path: Path) -> None:
    after = changed(path)
    other = path.with_name("other")
    other.write_text(after)
    path.unlink()
    os.link(other, path)


def directory_made_again(path: Path) -> None:
    after = changed(path)
    shutil.rmtree(path.parent)
    path.parent.mkdir()
    path.write_text(after)


def directory_replaced(path: Path) -> None:
    after = changed(path)
    fresh = path.parent.parent / "fresh"
    fresh.mkdir()
    (fresh / path.name).write_text(after)
    os.rename(path.parent, path.parent.parent / "old")
    os.rename(fresh, path.parent)


WRITERS = [
    in_place, atomic_rename, rename_from_another_directory, sed_in_place, as_vim_does,
    truncate_and_write_again, remove_and_make_again, same_size_and_mtime, through_a_mapping,
    hard_link_into_place, directory_made_again, directory_replaced,
]  # fmt: skip


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_what_a_writer_leaves_is_published(
    house: House, tmp_path: Path, poll: bool, write: Callable[[Path], None]
) -> None:
    """Of a file that an index names, and of one in a directory."""
    indexed, listed = tmp_path / "a" / "data" / "t.csv", tmp_path / "b" / "data" / "t.csv"
    for path, table in ((indexed, "t"), (listed, "u")):
        path.parent.mkdir(parents=True)
        path.write_text(BEFORE.replace("t\n", f"{table}\n", 1))
    index = write_index(tmp_path / "index.csv", "a/data/t.csv,t")
    agent = house.agent(poll=poll, indexes=[index], directories=[listed.parent])
    house.until_rows(BOTH, [[1, 1]])
    for path in (indexed, listed):
        write(path)
    house.until_rows(BOTH, [[2, 2]])
    for path in (indexed, listed):
        path.write_text(csv_of("t" if path is indexed else "u", [3]))  # and it is still heard
    house.until_rows(BOTH, [[3, 3]])
    assert (agent.polling is None) is not poll


def test_a_slow_writer_is_not_read_before_it_is_done(
    house: House, tmp_path: Path, poll: bool
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(BEFORE)
    house.agent(poll=poll, directories=[tmp_path])
    house.until_rows(ROWS, [[1]])
    seen = [house.maybe(ROWS)]
    pause = threading.Event()  # the writer's own slowness; nothing is waited for
    with open(path, "w") as file:
        for part in range(5):
            file.write(LONG[part * len(LONG) // 5 : (part + 1) * len(LONG) // 5])
            file.flush()
            pause.wait(0.05)
            seen.append(house.maybe(ROWS))
    house.until_rows(ROWS, [[n] for n in range(100, 140)])
    assert [rows for rows in seen if rows != [[1]]] == []


def test_a_new_file_of_a_slow_writer_is_not_read_before_it_is_done(
    house: House, tmp_path: Path, poll: bool
) -> None:
    path = tmp_path / "t.csv"
    patient = msgspec.structs.replace(HURRY, settle_s=1.0, patience_s=60.0)
    house.agent(poll=poll, pace=patient, directories=[tmp_path])
    seen = []
    pause = threading.Event()
    with open(path, "w") as file:
        for line in LONG.splitlines(keepends=True)[:12]:
            file.write(line)
            file.flush()
            pause.wait(0.03)
            seen.append(house.maybe(ROWS))
    house.until_rows("select count(*) from t", [[7]])
    assert [rows for rows in seen if rows] == []


def test_a_writer_that_dies_half_way_leaves_the_last_good_table_in_force(
    house: House, tmp_path: Path, poll: bool
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(BEFORE)
    house.agent(poll=poll, directories=[tmp_path])
    house.until_file(path, state="ok")
    path.write_text(AFTER.removesuffix(",x\n"))
    told = house.until_file(path, state="broken")
    assert (told["rows"], told["error_line"]) == (1, 6)
    house.rotate()
    house.until_rows(ROWS, [[1]])
    path.write_text(AFTER)
    house.until_rows(ROWS, [[2]])
    assert house.until_file(path, state="ok")["error"] is None


def test_a_link_that_is_turned_is_followed(house: House, tmp_path: Path, poll: bool) -> None:
    """As a package of configuration is switched: the directory behind a link is another one."""
    for name, text in (("v1", BEFORE), ("v2", AFTER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t.csv").write_text(text)
    current = tmp_path / "current"
    current.symlink_to("v1")
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "t.csv"
    path.symlink_to("../current/t.csv")
    house.agent(poll=poll, directories=[tmp_path / "data"])
    house.until_rows(ROWS, [[1]])
    (tmp_path / "turned").symlink_to("v2")
    os.replace(tmp_path / "turned", current)
    house.until_rows(ROWS, [[2]])
    (tmp_path / "v2" / "t.csv").write_text(csv_of("t", [3]))
    house.until_rows(ROWS, [[3]])


def test_touch_makes_a_file_young_again_without_reading_anything_new(
    house: House, tmp_path: Path, poll: bool
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(BEFORE)
    os.utime(path, (1000, 1000))
    house.agent(poll=poll, directories=[tmp_path], max_age_s=600)
    assert house.until_file(path, state="stale")["mtime"] == 1000
    assert house.maybe(ROWS) is None
    subprocess.run(["touch", path], check=True)
    house.until_rows(ROWS, [[1]])
    house.until_file(path, state="ok")


def test_a_directory_that_comes_later_is_found(house: House, tmp_path: Path, poll: bool) -> None:
    data = tmp_path / "not" / "yet" / "there"
    house.agent(poll=poll, directories=[data])
    assert house.until_file(data, state="missing")["table"] is None
    data.mkdir(parents=True)
    (data / "t.csv").write_text(BEFORE)
    house.until_rows(ROWS, [[1]])
    until(lambda: house.file(data) is None)


def test_a_file_that_never_rests_is_taken_in_the_end(
    house: House, tmp_path: Path, poll: bool
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(BEFORE)
    house.agent(poll=poll, directories=[tmp_path])
    house.until_rows(ROWS, [[1]])
    path.write_text(csv_of("t", []))
    done = threading.Event()

    def keep_writing() -> None:
        for n in range(10_000):
            with open(path, "a") as file:
                file.write(f"{n},x\n")
            if done.wait(0.01):
                return

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        house.until_rows("select count(*) > 20 from t", [[1]])
    finally:
        done.set()
        writer.join()
