"""The agent: indexes and directories, states, its own tables, a server that comes and goes."""

from __future__ import annotations

import errno
import math
import mmap
import os
import random
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from agent_house import HURRY, IDENTITY, House, csv_of, write_index
from hypothesis import given
from hypothesis import strategies as st
from wire import until

from qasino_cli.clock import Beat, IntervalClock
from qasino_cli.connection import Connection
from qasino_cli.csvagent.catalogue import Assignment, Catalogue
from qasino_cli.csvagent.courier import Courier
from qasino_cli.csvagent.followed import (
    MAX_FILE_BYTES,
    FollowedFile,
    Judgement,
    read_whole,
    sight_of,
)
from qasino_cli.csvagent.index_files import read_index, read_index_list, read_table_list
from qasino_cli.csvagent.landmarks import Surveyor
from qasino_cli.csvagent.parcel import Wrapping, pack
from qasino_cli.csvagent.table_file import TableFile
from qasino_cli.csvagent.watching import remote_directory
from qasino_cli.errors import ServerRefused
from qasino_server.server import Server

K = TypeVar("K")
MakeServer = Callable[..., Server]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture(scope="module")
def shared(make_module_server: MakeServer) -> Server:
    return make_module_server()


@pytest.fixture
def house(shared: Server, stack: ExitStack) -> House:
    """A server with nothing in it, not even a schema that it remembers."""
    for _ in range(2):
        shared.rotate()
    return House(shared, stack)


@pytest.fixture
def own_house(server: Server, stack: ExitStack) -> House:
    """For what a server keeps."""
    return House(server, stack)


# --- Indexes and directories ----------------------------------------------------------------


def test_a_page_of_a_web_server_is_no_table() -> None:
    """As `curl -o table.csv` leaves one where -f is missing."""
    packed = pack("/d/t.csv", b"<html>\n<body>502</body></html>\n", None, Wrapping("me"))
    assert packed.flaw is not None
    assert packed.flaw.sentence.startswith("this looks like HTML")


def test_a_table_that_is_drawn_is_no_table_to_publish() -> None:
    for mark in ("", "\ufeff"):
        body = f"{mark}+---+\n| a |\n+---+\n| 1 |\n+---+\n".encode()
        packed = pack("/d/t.csv", body, None, Wrapping("me"))
        assert packed.flaw is not None
        assert packed.flaw.sentence.startswith("this is a table as it is drawn for people; qasino")


def test_both_forms_of_an_index_line_name_files_beside_the_index(
    house: House, tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "one.csv").write_text(csv_of("name_in_the_file_does_not_count", [1]))
    (tmp_path / "deep" / "a,b.csv").write_text(csv_of("two", [2]))
    index = write_index(
        tmp_path / "index.csv",
        "one",
        "",
        "# a remark",
        '"deep/a,b.csv",two',
        "deep/../one.csv,three",
    )
    house.agent(indexes=[index])
    house.until_rows("select one.n, two.n, three.n from one, two, three", [[1, 2, 1]])


def test_an_index_list_names_indexes_and_is_followed_itself(house: House, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_index(tmp_path / f"{name}.index", name)
        (tmp_path / f"{name}.csv").write_text(csv_of(name, [1]))
    lists = tmp_path / "list"
    lists.write_text(f"# ours\n{tmp_path}/a.index\n")
    house.agent(index_lists=[lists])
    house.until_rows("select n from a", [[1]])
    lists.write_text("a.index\nb.index\n")
    house.until_rows("select n from b", [[1]])


def test_a_list_with_a_nul_in_it_has_a_flaw_and_its_other_lines_count(
    house: House, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(csv_of("t", [1]))
    write_index(tmp_path / "index.csv", "t")
    indexes, tables = tmp_path / "indexes", tmp_path / "tables"
    indexes.write_text("index.csv\n\0\0\0\n")
    tables.write_text("t\n\0\n")
    house.agent(index_lists=[indexes], table_lists=[tables])
    for path in (indexes, tables):
        told = house.until_file(path, state="broken")
        assert (told["error_line"], told["error"][:15]) == (2, "a NUL character")
    house.until_file(tmp_path / "t.csv", state="ok")


def test_a_name_that_no_file_can_have_is_a_reason(tmp_path: Path) -> None:
    path = f"{tmp_path}/a\0b"
    reason = "no file can have such a name"
    assert (sight_of(path).reason, read_whole(path)[1].reason) == (reason, reason)
    (where, _) = Surveyor().landmarks(path)
    assert where == (str(tmp_path), "a\0b")


def test_an_index_is_read_again_when_it_changes(house: House, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(csv_of(name, [1]))
    index = write_index(tmp_path / "index.csv", "a")
    house.agent(indexes=[index])
    house.until_file(tmp_path / "a.csv", state="ok")
    write_index(index, "b")
    house.until_rows("select n from b", [[1]])
    until(lambda: house.file(tmp_path / "a.csv") is None)
    house.rotate()
    house.until_rows("select n from b", [[1]])
    assert house.maybe("select * from a") is None


def test_an_index_that_is_not_there_yet_is_named_and_waited_for(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    index = tmp_path / "index.csv"
    house.agent(indexes=[index])
    told = house.until_file(index, state="missing")
    assert (told["table"], told["error"]) == (None, "no such file")
    (tmp_path / "a.csv").write_text(csv_of("a", [1]))
    write_index(index, "a")
    house.until_rows("select n from a", [[1]])
    until(lambda: house.file(index) is None)
    until(lambda: f"{index}: no longer missing" in caplog.text)
    assert "not followed" not in caplog.text


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "it is empty"),
        ("a\n", 1, "'a' is no version of an index"),
        ("2\na\n", 1, "'2' is no version of an index"),
        ("1\na\nx,y,z\n", 3, "'x,y,z' has 3 fields"),
        ("1\na\nqasino_server_x\n", 3, "is reserved"),
        ("1\na\n\nno-name\n", 4, "'no-name' is not a legal name"),
        ("1\na\n,b\n", 3, "',b' names no file"),
        ('1\na\n"b\n', 3, "not well-formed CSV"),
        (b"1\na\n\xff\n", 3, "byte 0xff is not UTF-8"),
    ],
)
def test_a_broken_index_is_named_with_its_line_and_the_last_good_one_stays(
    house: House, tmp_path: Path, text: str | bytes, line: int, reason: str
) -> None:
    (tmp_path / "a.csv").write_text(csv_of("a", [1]))
    index = write_index(tmp_path / "index.csv", "a")
    house.agent(indexes=[index])
    house.until_file(tmp_path / "a.csv", state="ok")
    index.write_bytes(text if isinstance(text, bytes) else text.encode())
    told = house.until_file(index, state="broken")
    assert told["error_line"] == line
    assert reason in told["error"]
    assert house.file(tmp_path / "a.csv") is not None


def test_a_table_named_twice_is_an_error_of_the_second(house: House, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / f"{name}.csv").write_text(csv_of("t", [1]))
    index = write_index(tmp_path / "index.csv", "first.csv,t", "second.csv,T")
    house.agent(indexes=[index])
    told = house.until_file(tmp_path / "second.csv", state="broken")
    assert told["error"] == f"table 'T' is published from {tmp_path / 'first.csv'} already"
    assert house.until_file(tmp_path / "first.csv", state="ok")["rows"] == 1
    write_index(index, "second.csv,T")
    house.until_file(tmp_path / "second.csv", state="ok")


def test_a_file_that_comes_later_takes_no_table_from_another(house: House, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text(csv_of("t", [1]))
    house.agent(directories=[tmp_path])
    house.until_file(tmp_path / "one.csv", state="ok")
    (tmp_path / "ONE.csv").write_text(csv_of("T", [2]))
    told = house.until_file(tmp_path / "ONE.csv", state="broken")
    assert told["error"] == f"table 'T' is published from {tmp_path / 'one.csv'} already"
    house.until_file(tmp_path / "one.csv", state="ok")
    (tmp_path / "one.csv").unlink()
    house.until_file(tmp_path / "ONE.csv", state="ok")


def test_a_missing_file_of_an_index_keeps_its_table_from_no_other(
    house: House, tmp_path: Path
) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text(csv_of("t", [1]))
    second.write_text(csv_of("t", [2]))
    house.agent(indexes=[write_index(tmp_path / "index", "a.csv,t", "b.csv,t")])
    house.until_file(first, state="ok")
    house.until_file(second, state="broken")
    first.unlink()
    house.until_file(second, state="ok")
    house.until_file(first, state="missing")
    house.until_rows("select n from t", [[2]])
    first.write_text(csv_of("t", [1]))
    told = house.until_file(first, state="broken")
    assert told["error"] == f"table 't' is published from {second} already"


def test_the_agents_own_tables_cannot_be_named(house: House, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(csv_of("qasino_agent_files", [1]))
    house.agent(directories=[tmp_path])
    assert "is the agent's own" in house.until_file(tmp_path / "x.csv", state="broken")["error"]


def test_only_the_tables_asked_for_are_published(house: House, tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / f"{name}.csv").write_text(csv_of(name, [1]))
    names = tmp_path / "names"
    names.write_text("# more\nb\n")
    index = write_index(tmp_path / "index", "a", "c")
    house.agent(indexes=[index], directories=[tmp_path], tables=["A"], table_lists=[names])
    house.until_rows("select path from qasino_agent_files order by 1",
                     [[f"{tmp_path}/a.csv"], [f"{tmp_path}/b.csv"]])  # fmt: skip
    names.write_text("d\n")
    house.until_rows("select n from d", [[1]])
    until(lambda: house.file(tmp_path / "b.csv") is None)


def test_a_table_list_that_is_missing_lets_nothing_through(house: House, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_of("a", [1]))
    house.agent(directories=[tmp_path], table_lists=[tmp_path / "names"])
    house.until_file(tmp_path / "names", state="missing")
    assert house.maybe("select * from a") is None


def test_files_come_to_a_directory_and_go(house: House, tmp_path: Path) -> None:
    house.agent(directories=[tmp_path], start=False)
    (tmp_path / "a.csv").write_text(csv_of("a", [1]))
    (tmp_path / ".b.csv").write_text(csv_of("b", [1]))
    (tmp_path / "c.csv.tmp").write_text(csv_of("c", [1]))
    house.until_rows("select n from a", [[1]])
    (tmp_path / "a.csv").unlink()
    until(lambda: house.file(tmp_path / "a.csv") is None)

    def gone() -> bool:
        """In a generation the agent has sent all its tables for; one was on its way before."""
        house.rotate()
        until(lambda: house.maybe("select nr_tables from qasino_csvpublisher_info") == [[0]])
        return [house.maybe(f"select * from {name}") for name in "abc"] == [None] * 3

    until(gone)


def test_a_file_that_an_index_has_over_another_way_is_no_file_of_the_directory(
    house: House, tmp_path: Path
) -> None:
    (tmp_path / "idx").mkdir()
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "stats.csv").write_text("a,b\n1,2\n")
    write_index(tables / "index.csv", "stats.csv,mystats")
    index = tmp_path / "idx" / ".." / "tables" / "index.csv"
    house.agent(indexes=[index], directories=[tables])
    house.until_rows("select a from mystats", [[1]])
    named = 'select "table", state from qasino_agent_files'
    house.until_rows(named, [["mystats", "ok"]])
    assert house.maybe("select * from stats") is None


# --- States ---------------------------------------------------------------------------------


def test_one_bad_file_does_not_stop_the_others(house: House, tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text(csv_of("good", [1, 2]))
    (tmp_path / "bad.csv").write_text("1\nbad\na,b\nint,int\nA,B\n1,2\n3,x\n")
    (tmp_path / "dir.csv").mkdir()
    os.mkfifo(tmp_path / "fifo.csv")  # opening it to read would wait for a writer
    index = write_index(tmp_path / "index", "good", "bad", "none", "dir", "fifo")
    house.agent(indexes=[index])
    told = house.until_file(tmp_path / "bad.csv", state="broken")
    assert (told["error_line"], told["error"]) == (7, "column b: 'x' is not a number (integer)")
    assert (told["rows"], told["published_at"]) == (None, None)
    assert house.until_file(tmp_path / "none.csv", state="missing")["error"] == "no such file"
    for name in ("dir", "fifo"):
        told = house.until_file(tmp_path / f"{name}.csv", state="broken")
        assert told["error"] == "this is not a regular file"
    house.until_rows("select n from good order by n", [[1], [2]])


def test_a_file_whose_name_is_no_text_is_named_all_the_same(house: House, tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/\xff.csv"
    with open(odd, "w") as file:
        file.write("1\nodd\n")
    (tmp_path / "t.csv").write_text(csv_of("t", [1]))
    house.agent(directories=[tmp_path])
    house.until_rows("select n from t", [[1]])
    house.until_rows("select path from qasino_agent_files where state = 'broken'",
                     [[f"{tmp_path}/\ufffd.csv"]])  # fmt: skip


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_broken(house: House, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(csv_of("t", [1]))
    path.chmod(0)
    house.agent(directories=[tmp_path])
    assert house.until_file(path, state="broken")["error"] == "permission denied"


def test_a_deleted_file_is_missing_and_its_table_ends_with_the_generation(
    house: House, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(csv_of("a", [1]))
    house.agent(indexes=[write_index(tmp_path / "index", "a")])
    house.until_file(path, state="ok")
    path.unlink()
    told = house.until_file(path, state="missing")
    assert (told["rows"], told["mtime"]) == (None, None)
    house.rotate()
    until(lambda: house.file(path))
    assert house.maybe("select * from a") is None


def test_a_refused_table_says_so_and_comes_back_when_the_server_takes_it(
    own_house: House, tmp_path: Path
) -> None:
    own_house.wire.publish("x", "t", ["n"], ["int"], [[1]], static=1)
    path = tmp_path / "t.csv"
    path.write_text(csv_of("t", [1]))
    own_house.agent(directories=[tmp_path])
    told = own_house.until_file(path, state="refused")
    assert "static" in told["error"]
    assert own_house.wire.post("drop_table", tablename="t")["response_op"] == "ok"
    own_house.rotate()
    own_house.until_file(path, state="ok")
    own_house.until_rows("select n from t", [[1]])


def test_a_file_goes_stale_by_the_time_alone(house: House, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(csv_of("t", [1]))
    house.agent(directories=[tmp_path], max_age_s=0.3)
    house.until_rows("select n from t", [[1]])

    def told_stale_and_sent_no_more() -> bool:
        house.rotate()
        told = house.file(path)
        is_stale = told is not None and told["state"] == "stale"
        return is_stale and house.maybe("select n from t") is None

    until(told_stale_and_sent_no_more)


# --- What is sent ---------------------------------------------------------------------------


def test_every_generation_gets_every_table_though_nothing_is_read_again(
    house: House, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(csv_of("t", [1]))
    house.agent(directories=[tmp_path])
    read = house.until_file(path, state="ok")["mtime"]
    (first,) = house.maybe("select read_epoch from qasino_csvpublisher_tables") or []
    for _ in range(3):
        house.rotate()
        house.until_rows("select n from t", [[1]])
    house.until_rows("select read_epoch from qasino_csvpublisher_tables", [first])
    assert house.until_file(path, state="ok")["mtime"] == read


def test_the_options_on_line_1_count_and_a_file_may_speak_for_another(
    own_house: House, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(
        csv_of("t", [1]).replace("1\n", "1,identity=db-9,persist=1\n", 1)
    )
    (tmp_path / "u.csv").write_text(csv_of("t", [2]))
    own_house.agent(directories=[tmp_path])
    sources = "select identity from qasino_server_sources where tablename = 't' order by 1"
    own_house.until_rows("select n from t order by n", [[1], [2]])
    own_house.rotate()
    assert own_house.wire.rows(sources) == [["db-9"], [IDENTITY]]


def test_an_identity_column_is_added_where_there_is_none(house: House, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(csv_of("t", [1], note='"a\nb"'))
    (tmp_path / "u.csv").write_text("1\nu\nIdentity,n\nstr,int\nI,N\nown,1\n")
    house.agent(directories=[tmp_path], identity_column=True)
    house.until_rows("select * from t", [[IDENTITY, 1, "a\nb"]])
    house.until_rows("select * from u", [["own", 1]])


def test_a_directory_may_hold_plain_csv_too(house: House, tmp_path: Path) -> None:
    path = tmp_path / "my hosts.csv"
    path.write_text("host;Use%\na;007\n")
    house.agent(directories=[tmp_path])
    told = house.until_file(path, state="ok")
    house.until_rows(f"select * from {told['table']}", [["a", "007"]])
    path.write_text("host;Use%\na;1;2\n")
    told = house.until_file(path, state="broken")
    assert (told["error_line"], told["rows"]) == (2, 1)
    assert "\n" not in told["error"]


@pytest.mark.parametrize("head", ["1", "1\n", "1\nt", "1,persist=1\n", "1\nt\nn,note"])
def test_the_head_of_a_table_is_no_table(house: House, tmp_path: Path, head: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(csv_of("t", [1]))
    house.agent(directories=[tmp_path])
    house.until_file(path, state="ok")
    path.write_text(head)
    assert house.until_file(path, state="broken")["table"] == "t"
    house.until_rows("select n from t", [[1]])


def test_the_own_tables_have_the_ancestors_columns_and_ours(house: House, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(csv_of("t", [1, 2]))
    (tmp_path / "v.csv").write_text("1\nv\n")
    house.agent(directories=[tmp_path])
    house.until_file(tmp_path / "v.csv", state="broken")
    names: dict[str, Any] = {}
    for table in ("qasino_csvpublisher_info", "qasino_csvpublisher_tables", "qasino_agent_files"):
        answer = house.wire.query(f"select * from {table}", use_write_db=True)
        names[table] = " ".join(answer["table"]["column_names"])
    assert names == {
        "qasino_csvpublisher_info": "identity update_epoch nr_tables nr_errors",
        "qasino_csvpublisher_tables": "identity tablename read_epoch read_time_s mtime nr_errors"
        " error_message nr_rows filepath",
        "qasino_agent_files": "identity path table state rows mtime published_at error error_line",
    }
    info = house.maybe("select identity, nr_tables, nr_errors from qasino_csvpublisher_info")
    assert info == [[IDENTITY, 1, 1]]
    tables = "select tablename, nr_errors, error_message, nr_rows, filepath, read_epoch > 0"
    assert house.maybe(f"{tables} from qasino_csvpublisher_tables where nr_errors = 0") == [
        ["t", 0, "", 2, str(path), 1]
    ]


@pytest.mark.parametrize(("most_s", "duration_s", "below_s"), [(15, 30, 15), (15, 4, 2), (0, 9, 0)])
def test_the_delay_is_random_up_to_its_bound_and_half_a_generation(
    house: House, tmp_path: Path, most_s: float, duration_s: float, below_s: float
) -> None:
    agent = house.agent(directories=[tmp_path], send_delay_max_s=most_s)
    delays = [agent.delay_s(Beat(1, duration_s)) for _ in range(300)]
    assert 0 <= min(delays)
    assert below_s * 0.9 <= max(delays) <= below_s
    assert len(set(delays)) > 250 or below_s == 0


def test_the_delay_after_beats_of_our_own_stays_as_it_was_drawn(
    house: House, tmp_path: Path
) -> None:
    """They come at any time of a generation: of two delays one may fall before its end and the
    next after the end of the following one."""
    agent = house.agent(directories=[tmp_path], send_delay_max_s=15)
    assert len({agent.delay_s(Beat(None, 30)) for _ in range(20)}) == 1
    assert 0 < agent.delay_s(Beat(None, 30)) < 15
    assert agent.delay_s(Beat(None, 4)) < 2


def test_the_delay_leaves_the_time_that_sending_takes(house: House, tmp_path: Path) -> None:
    """Of 3,000 tables some missed the end of the generation."""
    (tmp_path / "t.csv").write_text(csv_of("t", [1]))
    agent = house.agent(directories=[tmp_path], send_delay_max_s=15)
    house.until_rows("select n from t", [[1]])
    until(lambda: agent.delay_s(Beat(1, 1e-6)) == 0)
    assert max(agent.delay_s(Beat(1, 30)) for _ in range(100)) > 10


class Sidetracked(Courier):
    """Does something else as well after it has sent the table t for the first time."""

    def __init__(self, connection: Connection, then: Callable[[], None]) -> None:
        super().__init__(connection, HURRY, random.Random(1))
        self._then: Callable[[], None] | None = then

    def deliver(
        self, parcels: Iterable[tuple[K, bytes]], nr: int, within_s: float
    ) -> Iterator[tuple[K, ServerRefused | None]]:
        for table, refusal in super().deliver(parcels, nr, within_s):
            yield table, refusal
            if self._then is not None and isinstance(table, TableFile) and table.tablename == "t":
                then, self._then = self._then, None
                then()


def test_a_generation_that_begins_during_the_first_sending_gets_everything_too(
    house: House, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(csv_of("t", [1]))
    written = (tmp_path / "t.csv").stat().st_ctime
    until(lambda: time.time() - written > HURRY.settle_s)  # then it is read and sent at once
    begun = threading.Event()

    def rotate() -> None:
        house.wire.rotate_until_heard(house.server.rotate)
        begun.set()

    courier = Sidetracked(house.connection(), rotate)
    house.agent(directories=[tmp_path], courier=courier, start=False)
    assert begun.wait(10)
    house.until_rows("select n from t", [[1]])


def test_an_interval_needs_no_signal(
    make_server: MakeServer, stack: ExitStack, tmp_path: Path
) -> None:
    house = House(make_server(pubsub_port=None, generation_duration_s=600), stack)
    (tmp_path / "t.csv").write_text(csv_of("t", [1]))
    house.agent(directories=[tmp_path], clock=IntervalClock(0.2))
    for _ in range(2):
        house.rotate()
        house.until_rows("select n from t", [[1]])


def test_reading_anew_finds_what_left_no_trace(house: House, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(csv_of("t", [1]))
    agent = house.agent(directories=[tmp_path])
    read = "select read_epoch from qasino_csvpublisher_tables"
    (before,) = until(lambda: house.maybe(read))
    agent.reread()
    until(lambda: (house.maybe(read) or [before])[0] > before)
    assert house.until_file(path, state="ok")["rows"] == 1


# --- A server that comes and goes -----------------------------------------------------------


@pytest.fixture
def left_alone(
    make_server: MakeServer, stack: ExitStack, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Callable[..., Callable[[], House]]:
    """An agent that follows these, of the files a, b and c, has lost its server, and sees a change
    of a.csv; what it gives lets a server be there again."""
    caplog.set_level("INFO")
    for name in "abc":
        (tmp_path / f"{name}.csv").write_text(csv_of(name, [1]))

    def follow(**followed: Any) -> Callable[[], House]:
        first = make_server(generation_duration_s=600)
        house = House(first, stack)
        house.agent(**followed)
        house.until_rows("select a.n, b.n, c.n from a, b, c", [[1, 1, 1]])
        ports = {f"{name}_port": first.ports[name] for name in ("zmq", "pubsub")}
        first.stop()
        (tmp_path / "a.csv").write_text(csv_of("a", [2]))  # noticed while nobody is there
        until(lambda: "stay ready until it is back" in caplog.text)
        return lambda: House(make_server(**ports), stack)

    return follow


def test_a_server_that_comes_back_gets_everything_at_once(
    left_alone: Callable[..., Callable[[], House]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    again = left_alone(directories=[tmp_path])()
    again.until_rows("select a.n, b.n, c.n from a, b, c", [[2, 1, 1]])
    assert caplog.text.count("stay ready until it is back") == 1


def test_a_server_that_comes_back_gets_nothing_that_is_not_named_any_more(
    left_alone: Callable[..., Callable[[], House]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    index = write_index(tmp_path / "index.csv", "a.csv,a", "b.csv,b", "c.csv,c")
    comes_back = left_alone(indexes=[index])
    write_index(index, "c.csv,c")
    until(lambda: "b.csv: not followed any more" in caplog.text)
    again = comes_back()
    again.until_rows("select c.n from c", [[1]])
    again.until_file(tmp_path / "c.csv", state="ok")  # told when all that waited is sent
    assert again.maybe("select n from a") is None
    assert again.maybe("select n from b") is None


def test_an_agent_may_be_there_before_the_server(
    make_server: MakeServer, stack: ExitStack, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    (tmp_path / "t.csv").write_text(csv_of("t", [1]))
    early = House(make_server(), stack)
    where = Connection(scheme="zmq", host="127.0.0.1", port=port, pubsub_port=1)
    early.agent(directories=[tmp_path], connection=where, start=False)
    late = House(
        make_server(zmq_port=port, static_db=tmp_path / "late.db", db_dir=tmp_path / "late"), stack
    )
    late.until_rows("select n from t", [[1]])


def test_a_table_too_large_for_the_server_does_not_stop_the_others(
    make_server: MakeServer, stack: ExitStack, tmp_path: Path
) -> None:
    house = House(make_server(max_body_bytes=50_000), stack)
    (tmp_path / "a.csv").write_text(csv_of("a", range(20_000)))
    (tmp_path / "b.csv").write_text(csv_of("b", [1]))
    house.agent(directories=[tmp_path], start=False)
    house.until_rows("select n from b", [[1]])


# --- What no event tells ----------------------------------------------------------


class _Limited:
    """An observer on a machine where no watch is left."""

    def __init__(self, number: int) -> None:
        self._number = number

    def schedule(self, *_: Any, **__: Any) -> None:
        raise OSError(self._number, os.strerror(self._number))

    def stop(self) -> None: ...
    def join(self) -> None: ...


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "fs.inotify.max_user_watches"),
        (errno.EMFILE, "fs.inotify.max_user_instances"),
    ],
)
@pytest.mark.parametrize("where", ["at the start", "at a watch"])
def test_where_inotify_is_at_its_limits_the_agent_polls_and_says_so(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    number: int, sentence: str, where: str,
) -> None:  # fmt: skip
    def observer() -> Any:
        if where == "at a watch":
            return _Limited(number)
        raise OSError(number, os.strerror(number))

    path = tmp_path / "t.csv"
    path.write_text(csv_of("t", [1]))
    agent = house.agent(directories=[tmp_path], make_observer=observer)
    house.until_rows("select n from t", [[1]])
    path.write_text(csv_of("t", [2]))
    house.until_rows("select n from t", [[2]])
    assert sentence in (agent.polling or "")
    assert caplog.text.count("polling for changes: ") == 1


def test_on_a_network_file_system_the_agent_polls_and_says_so(house: House, tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    data = tmp_path / "my data"
    data.mkdir()
    mounts.write_text(
        f"/dev/x / ext4 rw 0 0\nsrv:/x {str(data).replace(' ', chr(92) + '040')} nfs4 rw 0 0\n"
    )
    path = data / "t.csv"
    path.write_text(csv_of("t", [1]))
    agent = house.agent(directories=[data], mounts=mounts)
    path.write_text(csv_of("t", [2]))
    house.until_rows("select n from t", [[2]])
    assert agent.polling == f"{data} is on nfs4, where other hosts' changes make no events"


class _Deaf:
    """An observer whose events all get lost."""

    def schedule(self, *_: Any, **__: Any) -> object:
        return object()

    def unschedule(self, _: object) -> None: ...
    def stop(self) -> None: ...
    def join(self) -> None: ...


def test_where_every_event_is_lost_a_rescan_finds_what_changed(
    house: House, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(csv_of("t", [1]))
    pace = msgspec.structs.replace(HURRY, rescan_s=0.1)
    house.agent(directories=[tmp_path], make_observer=_Deaf, pace=pace)
    path.write_text(csv_of("t", [2]))
    house.until_rows("select n from t", [[2]])
    (tmp_path / "u.csv").write_text(csv_of("u", [3]))
    house.until_rows("select n from u", [[3]])


def times(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_ctime_ns


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="no file system in memory")
def test_a_write_that_leaves_no_trace_outside_is_found_by_comparing(house: House) -> None:
    """Through a mapping that stays open, on a file system that then keeps the old times."""
    pace = msgspec.structs.replace(HURRY, rescan_s=0.1, deep_turns=2)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        path = Path(name) / "t.csv"
        path.write_text(csv_of("t", [1]))
        with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
            mapped[0] = mapped[0]
            house.agent(directories=[name], pace=pace)
            house.until_rows("select n from t", [[1]])
            before = times(path)
            mapped[mapped.find(b"1,x")] = ord("2")
            assert times(path) == before
            house.until_rows("select n from t", [[2]])


@given(st.binary(max_size=200))
def test_no_content_of_an_index_is_more_than_a_flaw(body: bytes) -> None:
    for text in (body, b"1\n" + body):
        for reading in (read_index("/x/index", text), read_index_list("/x/list", text)):
            assert reading.value is not None or reading.flaw is not None
            for named in reading.value or ():
                sight_of(named if isinstance(named, str) else named.path)
        assert not any("\0" in name for name in read_table_list(text).value or ())


def test_a_reader_that_fails_is_a_flaw_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x\n")

    def parse(body: bytes) -> Judgement[str]:
        raise ValueError(body)

    file = FollowedFile(str(path), parse, HURRY)
    assert file.look(0.0, hasty=True)
    assert str(file.flaw) == "reading it failed (ValueError: b'x\\n')"


def test_the_same_content_is_not_parsed_twice(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x\n")
    parsed = []

    def parse(body: bytes) -> Judgement[bytes]:
        parsed.append(body)
        return Judgement(body)

    file = FollowedFile(str(path), parse, HURRY)
    assert file.look(0.0, hasty=True)
    os.utime(path, (5, 5))
    file.heard(1.0)
    assert file.look(2.0)
    assert (file.mtime, file.revision, parsed) == (5, 1, [b"x\n"])
    path.write_text("y\n")
    file.heard(3.0)
    assert file.look(4.0)
    assert (file.revision, parsed) == (2, [b"x\n", b"y\n"])


def test_a_file_that_cannot_be_read_is_told_of_once(tmp_path: Path) -> None:
    """Polled, it looks other from outside than it was judged by opening it."""
    path = tmp_path / "t.csv"
    path.touch()
    os.truncate(path, MAX_FILE_BYTES + 1)
    file = FollowedFile[bytes](str(path), Judgement, HURRY)
    assert file.look(0.0, hasty=True)
    for now in (1.0, 2.0, 3.0):
        file.glance(now)
        assert not file.look(now)
        assert not file.look(now + HURRY.settle_s)
    sentence = str(file.flaw)
    assert sentence.startswith("it has over 64 MiB, more than a server takes in one table; publish")
    os.truncate(path, MAX_FILE_BYTES + 2)
    file.glance(4.0)
    assert not file.look(4.0)
    assert file.look(4.0 + HURRY.settle_s)
    assert str(file.flaw) == sentence
    file.glance(5.0)
    assert file.look_at == math.inf


def test_a_file_that_was_restless_is_judged_again_once_it_rests(tmp_path: Path) -> None:
    """Its last write falls into the moment in which patience runs out."""
    path = tmp_path / "t.csv"
    path.write_text("a")
    file = FollowedFile[bytes](str(path), Judgement, HURRY)
    assert file.look(0.0, hasty=True)
    now, gap_s = 1.0, HURRY.settle_s / 3
    while file.flaw is None:
        with open(path, "a") as writer:
            writer.write("\na")
        file.glance(now)
        file.look(now)
        now += gap_s
    assert str(file.flaw) == "it keeps changing and does not end in a line end"
    while math.isfinite(file.look_at):
        now = file.look_at
        file.look(now)
    assert (file.flaw, file.value) == (None, path.read_bytes())


def test_a_file_between_two_renames_is_not_given_up(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(csv_of("t", [1]))
    assignment = Assignment(wrapping=Wrapping(IDENTITY), directories=[str(tmp_path)])
    catalogue = Catalogue(assignment, HURRY)
    assert catalogue.look(0.0, hasty=True)
    (table,) = catalogue.tables
    os.rename(path, tmp_path / "t.csv~")
    catalogue.glance(1.0)
    assert not catalogue.look(1.05)
    assert catalogue.tables == [table]
    assert table.sendable(None)
    assert catalogue.look(2.0)
    assert catalogue.tables == []


def test_the_nearest_mount_decides(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    points = ("/a nfs", "/a/b ext4", "/ ext4", "/a/c nfs", "/a/c xfs")
    mounts.write_text("".join(f"what {point} rw 0 0\n" for point in points))
    assert [
        remote_directory({name: set()}, mounts) is not None
        for name in ("/a", "/a/x", "/a/b", "/a/b/c", "/ab", "/a/c")
    ] == [True, True, False, False, False, False]
    assert remote_directory({"/": set()}, tmp_path / "none") is None


@pytest.mark.parametrize("blank", [*"\r\x0b\x0c\x1c\x85\xa0\u2028\u3000"])
def test_the_name_of_a_mount_may_hold_any_blank(tmp_path: Path, blank: str) -> None:
    """The kernel writes four characters otherwise; whoever may mount something chooses names."""
    mounts = tmp_path / "mounts"
    mounts.write_bytes(f"ours / ext4 rw 0 0\nours /a{blank}b nfs rw 0 0\n".encode())
    told = remote_directory({f"/a{blank}b/c": set()}, mounts)
    assert told == f"/a{blank}b/c is on nfs, where other hosts' changes make no events"


def test_what_the_kernel_writes_otherwise_is_the_same_name(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(r"ours /a\040b\011c\012d\134040e nfs rw 0 0")
    assert remote_directory({"/a b\tc\nd\\040e": set()}, mounts) is not None
    assert remote_directory({"/a b\tc\nd e": set()}, mounts) is None


@given(st.binary(max_size=200))
def test_no_list_of_mounts_is_more_than_no_help(tmp_path_factory: Any, text: bytes) -> None:
    mounts = tmp_path_factory.getbasetemp() / "mounts"
    mounts.write_bytes(b"ours / ext4 rw 0 0\n" + text)
    remote_directory({"/": set()}, mounts)


def test_landmarks_are_every_link_and_the_file_and_its_directory(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x.csv").write_text("")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "y.csv").symlink_to("link/x.csv")
    (tmp_path / "loop").symlink_to("loop")
    surveyor = Surveyor()
    where, marks = surveyor.landmarks(str(tmp_path / "y.csv"))
    assert where == (f"{tmp_path}/real", "x.csv")
    assert {(str(tmp_path), "y.csv"), (str(tmp_path), "link"), where} <= marks
    missing = surveyor.landmarks(str(tmp_path / "no" / "such" / "z.csv"))[1]
    assert (str(tmp_path), "no") in missing
    assert surveyor.landmarks(str(tmp_path / "loop" / "z.csv"))


# --- For weeks ------------------------------------------------------------------------------


def test_hundreds_of_changes_leave_no_descriptor_and_no_thread_behind(
    house: House, tmp_path: Path
) -> None:
    import threading

    data = tmp_path / "data"
    path = data / "t.csv"
    data.mkdir()
    path.write_text(csv_of("t", [0]))
    index = write_index(tmp_path / "index", "data/t.csv,t")
    house.agent(indexes=[index], directories=[data])

    def cycle(number: int) -> None:
        if number % 10 == 0:
            shutil.rmtree(data)
            data.mkdir()
        if number % 7 == 0:
            write_index(index, "data/t.csv,t", f"data/none{number}.csv,x")
        path.write_text(csv_of("t", [number]))
        house.until_rows("select n from t", [[number]])

    def held() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    for number in range(1, 31):
        cycle(number)
    before = held()
    for number in range(31, 91):
        cycle(number)
    # One for each change would be sixty; the server beside it opens and closes its own.
    until(lambda: all(now <= then + 5 for now, then in zip(held(), before, strict=True)))
