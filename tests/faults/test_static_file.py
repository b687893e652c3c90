"""The static tables' file is broken, locked or gone: a sentence, and live tables that go on."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from running import Running, Site
from wire import until

from qasino_server.errors import StartError
from qasino_server.quota import Quota
from qasino_server.statics import Statics

ROWS = [[n, "x" * 100] for n in range(2000)]


@pytest.fixture(scope="module")
def a_static_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a table of some pages, of a server that has ended."""
    site = Site(tmp_path_factory.mktemp("static"))
    running = site.start()
    answer = running.wire.publish("p", "kept", ["n", "x"], ["int", "text"], ROWS, static=1)
    assert answer["response_op"] == "ok"
    running.stop()
    site.end()
    return site.static_db


@pytest.fixture
def static_db(site: Site, a_static_db: Path) -> Path:
    """The same, for a server that is started at `site`."""
    shutil.copy(a_static_db, site.static_db)
    return site.static_db


# --- At the start -------------------------------------------------------------------------------


def garbage_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"garbage!" * 12)


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 100)


def one_page_only(path: Path) -> None:
    os.truncate(path, 4096)


def flipped_register(path: Path) -> None:
    """The pages behind the schema's: the register of the tables among them."""
    with path.open("r+b") as file:
        file.seek(4096)
        page = file.read(2 * 4096)
        file.seek(4096)
        file.write(bytes(byte ^ 0xFF for byte in page))


def foreign_register(path: Path) -> None:
    with closing(sqlite3.connect(path)) as made:
        made.execute("update qasino_server_static set register = '{}'")
        made.commit()


def another_programs(path: Path) -> None:
    """A database whose table has the register's name and not its columns."""
    path.unlink()
    with closing(sqlite3.connect(path)) as made:
        made.execute("create table qasino_server_static (a)")
        made.commit()


@pytest.mark.parametrize(
    "harm",
    [garbage_header, truncated, one_page_only, flipped_register, foreign_register,
     another_programs],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_a_sentence_that_says_how_to_go_on(
    static_db: Path, harm: Callable[[Path], None]
) -> None:
    harm(static_db)
    with pytest.raises(StartError) as refused:
        Statics(static_db, Quota())
    said = str(refused.value)
    assert str(static_db) in said
    assert "move the file away to start without" in said


def test_a_directory_in_the_files_place_is_no_file_to_move_away(static_db: Path) -> None:
    """It may be /tmp."""
    static_db.unlink()
    static_db.mkdir()
    with pytest.raises(StartError) as refused:
        Statics(static_db, Quota())
    assert refused.value.sentence == (
        f"the static tables in {static_db} cannot be read: Is a directory; --static-db names a file"
    )


def test_a_server_that_cannot_use_the_file_starts_without_it(site: Site, static_db: Path) -> None:
    garbage_header(static_db)
    assert "move the file away to start without" in site.refusal()
    static_db.rename(static_db.with_name("broken.db"))
    assert site.start().publish("p", "kept", 1, static=1)["response_op"] == "ok"


def test_a_page_of_a_tables_rows_that_is_broken_costs_that_table_alone(
    site: Site, static_db: Path
) -> None:
    """Starting does not read it all: what is broken is found by who asks for it."""
    size = static_db.stat().st_size
    with static_db.open("r+b") as file:
        file.seek(size - 5 * 4096)
        file.write(os.urandom(4096))
    running = site.start()
    assert running.publish("p", "other", 1, static=1)["response_op"] == "ok"
    answer = running.wire.query("select count(*), sum(length(x)) from kept")
    assert "malformed" in answer["error_message"]
    assert running.sees("select v from other", [[1]])
    running.is_well()
    answer = running.wire.publish("p", "kept", ["n", "x"], ["int", "text"], ROWS, static=1)
    assert answer["response_op"] in ("ok", "error")


def test_a_file_that_another_program_has_locked_is_told_as_that(
    site: Site, static_db: Path
) -> None:
    with closing(sqlite3.connect(static_db)) as other:
        other.execute("pragma locking_mode=exclusive")
        other.execute("begin exclusive")
        said = site.refusal()
    assert "locked" in said
    assert "move the file away" not in said
    assert site.start().sees("select count(*) from kept", [[len(ROWS)]])


def test_a_place_where_no_file_can_be_is_a_sentence(site: Site) -> None:
    (site.place / "file").touch()
    said = site.refusal("--static-db", site.place / "file" / "static.db")
    assert said.startswith("cannot open the static tables in ")


# --- While it runs ------------------------------------------------------------------------------


def removed(path: Path) -> None:
    for name in ("", "-wal", "-shm"):
        Path(f"{path}{name}").unlink(missing_ok=True)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def overwritten(path: Path) -> None:
    """As a backup that is copied over it."""
    path.write_bytes(b"no database " * 1000)


@pytest.mark.parametrize("harm", [removed, emptied, overwritten])
def test_live_tables_go_on_without_the_static_ones(
    site: Site, static_db: Path, harm: Callable[[Path], None]
) -> None:
    running = site.start()
    assert running.sees("select sum(length(x)) from kept", [[len(ROWS) * 100]])
    harm(static_db)
    for n in range(3):
        running.publish("a", "t", n, replace=1)
        running.wire.query("select sum(length(x)) from kept")
        until(lambda n=n: running.sees("select v from t", [[n]]))
    for answer in (
        running.publish("p", "later", 1, static=1),
        running.wire.post("drop_table", tablename="kept"),
    ):
        assert answer["response_op"] == "error", answer
        assert f"{static_db}, was removed or overwritten while" in answer["error_message"]
    answer = running.wire.query("select count(*) from kept")
    assert "the static tables cannot be read" in answer["error_message"]
    assert "rotation failed" not in running.said()


def test_a_file_that_is_cut_off_under_a_query_ends_the_query_and_not_the_server(
    site: Site,
) -> None:
    """A mapped page that is gone is a SIGBUS."""
    running = site.start()
    wire = running.wire
    rows = [[n, "x" * 1000] for n in range(20_000)]
    answer = wire.publish("p", "kept", ["n", "x"], ["int", "text"], rows, static=1)
    assert answer["response_op"] == "ok"
    running.stop()
    running = site.start()
    slow = (
        "with recursive r(i) as (select 1 union all select i + 1 from r limit 300)"
        " select count(*) from r, kept where x like '%y%' || i"
    )
    answers: list[dict[str, Any]] = []
    asking = threading.Thread(target=lambda: answers.append(running.wire.query(slow)))
    asking.start()
    until(lambda: running.wire.rows("show queries"))
    emptied(site.static_db)
    asking.join(30)
    assert "malformed" in answers[0]["error_message"]
    running.is_well()


def test_a_lock_that_another_program_holds_costs_static_publications_alone(
    running: Running, site: Site
) -> None:
    running.publish("p", "kept", 1, static=1)
    with closing(sqlite3.connect(site.static_db)) as other:
        other.execute("begin immediate")
        answer = running.publish("p", "kept", 2, static=1)
        assert "locked" in answer["error_message"]
        assert "busy" in answer["error_message"] or "try again" in answer["error_message"]
        for n in range(2):
            running.publish("a", "t", n, replace=1)
            until(lambda n=n: running.sees("select t.v, kept.v from t, kept", [[n, 1]]))
    assert running.publish("p", "kept", 3, static=1)["response_op"] == "ok"
    assert running.sees("select v from kept", [[3]])
    assert "rotation failed" not in running.said()
