"""The disk of the generations, or of the static tables, is full: sentences, and back by itself."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from running import LONG, Running, Site
from wire import until

SIZE_BYTES = 24 << 20
ROUNDS = 10 if LONG else 1
WIDE = [["x" * 1000] for _ in range(1000)]
Disk = Callable[[str], Path]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Makes small file systems of their own."""
    mounted: list[Path] = []

    def mount(name: str) -> Path:
        place = tmp_path / name
        place.mkdir()
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "tmpfs", str(place)],
            capture_output=True,
            text=True,
        )
        if made.returncode:
            pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path, leave_bytes: int = 0) -> Path:
    """Take what is left of a file system but so much."""
    ballast = place / "ballast"
    with ballast.open("ab") as file:
        try:
            while (left := _free(place) - leave_bytes) > 0:
                file.write(b"x" * min(left, 1 << 20))
                file.flush()
        except OSError:
            pass
    return ballast


def _free(place: Path) -> int:
    space = os.statvfs(place)
    return space.f_bavail * space.f_frsize


def archived(archive: Path, sql: str) -> list[int]:
    """The numbers that a query finds in all archived generations."""
    found: list[int] = []
    for path in archive.glob("qasino_*.db"):
        with closing(sqlite3.connect(path)) as kept, suppress(sqlite3.OperationalError):
            found += [n for (n,) in kept.execute(sql)]
    return found


def publish_until_refused(running: Running, table: str, **flags: object) -> tuple[int, str]:
    """How many publications of 1 MB were taken, and what the first other one was told."""
    for n in range(100):
        answer = running.wire.publish(f"h{n}", table, ["x"], ["text"], WIDE, **flags)
        if answer["response_op"] != "ok":
            return n, str(answer["error_message"])
    raise AssertionError("never refused")


def test_with_a_full_disk_publications_are_refused_and_it_recovers(disk: Disk, site: Site) -> None:
    place = disk("ram")
    running = site.start("--db-dir", place / "db")
    for _ in range(ROUNDS):
        running.publish("a", "t", 1, replace=1)
        running.publish("p", "kept", 2, persist=1, replace=1)
        until(lambda: running.sees("select t.v, kept.v from t, kept", [[1, 2]]))
        ballast = fill(place)
        taken, told = publish_until_refused(running, "wide")
        assert (taken, "no room" in told) == (0, True), told
        stays = running.wire.rows("select v from t")
        # The file of a generation that was removed meanwhile has left room: fill that, too.
        until(lambda: fill(place) and "goes on until there is" in running.said())
        assert running.wire.rows("select v from t") == stays
        ballast.unlink()
        until(lambda: running.publish("a", "t", 3, replace=1)["response_op"] == "ok")
        until(lambda: running.sees("select v from t", [[3]]))
        assert running.sees("select v from kept", [[2]])
        running.is_well()


def test_generations_that_fill_the_disk_themselves_do_not_block_it(disk: Disk, site: Site) -> None:
    """--max-generation-bytes is larger than there is room for: the server's own files fill it."""
    place = disk("ram")
    running = site.start("--db-dir", place / "db", "-g", 2, "--max-generation-bytes", 1 << 30)
    for _ in range(4):
        _, told = publish_until_refused(running, "wide", replace=1)
        assert "no room" in told
        running.turns()
    assert "rotation failed" not in running.said(), running.said()


@pytest.mark.parametrize("leave_bytes", [0, 2_500_000])
def test_what_was_answered_ok_is_seen_however_little_is_left(
    disk: Disk, site: Site, tmp_path: Path, leave_bytes: int
) -> None:
    place, archive = disk("ram"), tmp_path / "archive"
    running = site.start("--db-dir", place / "db", "--archive-dir", archive)
    promised = []
    running.turns()

    def publish(first: int) -> str:
        """Rows until one is refused; what it was told."""
        for n in range(first, first + 300):
            row = [[n, "y" * 9000]]
            answer = running.wire.publish(f"h{n}", "t", ["n", "x"], ["int", "text"], row)
            if answer["response_op"] != "ok":
                return str(answer["error_message"])
            promised.append(n)
        raise AssertionError("never refused")

    with suppress(AssertionError):
        publish(0)
    ballast = fill(place, leave_bytes)
    assert "no room" in publish(1000)
    fill(place)
    until(lambda: "goes on until there is" in running.said())
    assert running.wire.query("select 1")["response_op"] == "result_table"
    ballast.unlink()
    running.turns(3)
    until(lambda: sorted(archived(archive, "select n from t")) == promised, 30)


@pytest.mark.parametrize("options", [(), ("--max-generation-bytes", 1 << 30)])
def test_rows_that_live_on_are_carried_however_many_were_taken(
    disk: Disk, site: Site, options: tuple[object, ...]
) -> None:
    """They, what comes beside them, and the snapshot before never need more than is there."""
    running = site.start("--db-dir", disk("ram") / "db", *options)
    taken, _ = publish_until_refused(running, "kept", persist=1)
    assert taken > 3
    for _ in range(3):
        publish_until_refused(running, "beside")
        running.turns()
        assert running.sees("select count(*) from kept", [[taken * len(WIDE)]])
    assert running.wire.post("drop_table", tablename="kept")["response_op"] == "ok"
    running.turns(2)


def test_an_archive_that_is_full_makes_room_for_itself(disk: Disk, site: Site) -> None:
    place = disk("disk")
    (place / "qasino_1.db").write_bytes(b"x" * (SIZE_BYTES // 2))
    fill(place).rename(place / "qasino_2.db")
    running = site.start("--archive-dir", place, "--archive-keep", 1)
    until(lambda: "No space left" in running.said())
    until(lambda: not {"qasino_1.db", "qasino_2.db"} & set(os.listdir(place)))
    running.publish("a", "t", 5, persist=1)
    until(lambda: 5 in archived(place, "select v from t"))
    until(lambda: len(list(place.glob("qasino_*"))) == 1)


def test_an_archive_on_the_disk_of_the_generations_leaves_it_to_them(
    disk: Disk, site: Site
) -> None:
    """It filled it before it had --archive-keep; rows that live on could not be carried then."""
    place = disk("both")
    archive = place / "archive"
    running = site.start("--db-dir", place / "db", "--archive-dir", archive)
    for n in range(3):
        answer = running.wire.publish(f"h{n}", "kept", ["x"], ["text"], WIDE, persist=1)
        assert answer["response_op"] == "ok"
    until(lambda: "the archive has fewer than --archive-keep" in running.said(), 40)
    until(lambda: sum(archived(archive, "select count(*) from kept")) >= 3 * len(WIDE))
    taken, _ = publish_until_refused(running, "kept", persist=1)
    assert taken > 5
    until(lambda: "is not archived: the generations need the disk" in running.said())
    running.turns(2)
    assert running.sees("select count(*) from kept", [[taken * len(WIDE)]])
    running.is_well()


def test_a_file_that_may_not_grow_is_as_a_full_disk(site: Site) -> None:
    """Where nothing can be mounted: the kernel refuses what is beyond a file's bound."""
    running = site.start()
    running.publish("a", "t", 1, replace=1)
    until(lambda: running.sees("select v from t", [[1]]))
    before = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (3 << 20, -1))
    _, told = publish_until_refused(running, "wide", replace=1)
    assert "no room" in told
    assert running.wire.query("select 1")["response_op"] == "result_table"
    answer = running.wire.publish("p", "kept", ["x"], ["text"], WIDE * 6, static=1)
    assert answer["error_message"].endswith("nothing was stored")
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, before)
    assert running.publish("p", "kept", 7, static=1)["response_op"] == "ok"
    running.turns(2)
    assert running.publish("a", "t", 2, replace=1)["response_op"] == "ok"
    until(lambda: running.sees("select t.v, kept.v from t, kept", [[2, 7]]))


def test_static_tables_with_a_full_disk_stay_as_they_were(disk: Disk, site: Site) -> None:
    place = disk("disk")
    running = site.start("--static-db", place / "static.db")
    for n in range(ROUNDS):
        assert running.publish("p", "kept", n, static=1)["response_op"] == "ok"
        ballast = fill(place)
        answer = running.wire.publish("p", "kept", ["x"], ["text"], WIDE * 2, static=1)
        assert "no room" in answer["error_message"]
        assert running.sees("select v from kept", [[n]])
        running.publish("a", "t", n, replace=1)
        until(lambda n=n: running.sees("select v from t", [[n]]))
        ballast.unlink()
        assert running.publish("p", "kept", n + 1, static=1)["response_op"] == "ok"
        assert running.sees("select v from kept", [[n + 1]])
    assert "rotation failed" not in running.said(), running.said()
    running.kill()
    assert site.start("--static-db", place / "static.db").sees("select v from kept", [[ROUNDS]])


def test_static_tables_that_have_filled_their_disk_can_be_dropped(disk: Disk, site: Site) -> None:
    """Dropping needs room in the log; and what was dropped makes room for as much again."""
    place = disk("disk")
    running = site.start("--static-db", place / "static.db")

    def store(n: int) -> str:
        answer = running.wire.publish("p", f"t{n}", ["x"], ["text"], WIDE, static=1)
        return str(answer.get("error_message"))

    told = [store(n) for n in range(30)]
    taken = told.index(next(sentence for sentence in told if sentence != "None"))
    assert taken > 10
    assert "has no room for this; nothing was stored" in told[taken]
    for _ in range(2):
        assert [store(0), store(taken - 1)] == ["None", "None"]
        assert running.wire.post("drop_table", tablename="t1")["response_op"] == "ok"
        assert store(1) == "None"
        running.stop()
        running = site.start("--static-db", place / "static.db")
    every = " union all ".join(f"select x from t{n}" for n in range(taken))
    assert running.sees(f"select count(*) from ({every})", [[taken * len(WIDE)]])


def test_a_drop_that_others_leave_no_room_for_says_so(disk: Disk, site: Site) -> None:
    place = disk("disk")
    running = site.start("--static-db", place / "static.db")
    running.publish("p", "kept", 1, static=1)
    ballast = fill(place)
    answer = running.wire.post("drop_table", tablename="kept")
    assert "has no room even to drop one; make" in answer["error_message"], answer
    ballast.unlink()
    assert running.wire.post("drop_table", tablename="kept")["response_op"] == "ok"


def test_a_server_on_a_full_disk_says_so_at_the_start(disk: Disk, site: Site) -> None:
    place = disk("disk")
    ballast = fill(place)
    said = site.refusal("--static-db", place / "state" / "static.db")
    assert "static tables" in said
    said = site.refusal("--db-dir", place / "db")
    assert "db" in said
    ballast.unlink()
    site.start("--db-dir", place / "db", "--static-db", place / "state" / "static.db")
