"""How an agent's messages go to the server: one by one, or several at once where that is slow."""

from __future__ import annotations

import json
import random
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from agent_house import CSVAGENT, HURRY, IDENTITY, House, csv_of, write_index
from command import clean_environment
from distant import Distant
from strangers import free_port
from wire import Wire, until

from qasino_cli.clock import IntervalClock
from qasino_cli.connection import Connection
from qasino_cli.console import ExitCode
from qasino_cli.csvagent.catalogue import Assignment, Catalogue
from qasino_cli.csvagent.check import once
from qasino_cli.csvagent.courier import AT_ONCE_MOST, LARGE_BYTES, Courier
from qasino_cli.csvagent.pace import Pace
from qasino_cli.csvagent.parcel import Wrapping
from qasino_cli.csvagent.slow_tables import PAUSE_MOST, SlowTables
from qasino_cli.csvagent.table_file import TableFile
from qasino_cli.errors import ServerRefused, Unanswered, Unreachable
from qasino_server.server import Server

MakeServer = Callable[..., Server]
NR_TABLES = 40
SLOW = 0.0
"""Within no time at all: as many at once as there may be."""


@pytest.fixture
def house(make_server: MakeServer) -> Iterator[House]:
    with ExitStack() as stack:
        yield House(make_server(generation_duration_s=1), stack)


@contextmanager
def courier_to(server: Server, at: Connection | None = None) -> Iterator[Courier]:
    at = at or Connection(scheme="http", host="127.0.0.1", port=server.ports["http"])
    courier = Courier(at, HURRY, random.Random(1))
    try:
        yield courier
    finally:
        courier.close()


def message_of(table: str, text: str = "x") -> bytes:
    made = {"tablename": table, "column_names": ["note"], "column_types": ["string"]}
    return json.dumps(
        {"op": "add_table_data", "identity": IDENTITY, "table": {**made, "rows": [[text]]}}
    ).encode()


def nr_lanes() -> int:
    return sum(thread.name == "csvagent-lane" for thread in threading.enumerate())


def write_tables(place: Path) -> None:
    for n in range(NR_TABLES):
        (place / f"t{n}.csv").write_text(csv_of(f"t{n}", [n]))


@contextmanager
def unhurried(
    make_server: MakeServer, place: Path, loses: int = 0
) -> Iterator[tuple[House, Distant]]:
    """An agent of so many files and its server, whose generations have time for one by one."""
    write_tables(place)
    with ExitStack() as stack:
        house = House(make_server(generation_duration_s=600), stack)
        link = Distant(house.server.ports["http"], 0.0, loses=loses)
        stack.callback(link.close)
        at = Connection(scheme="http", host="127.0.0.1", port=link.port)
        house.agent(directories=[place], connection=at)
        yield house, link


@pytest.mark.parametrize("scheme", ["http", "zmq"])
def test_over_a_long_way_several_tables_are_under_way_at_once(
    house: House, tmp_path: Path, scheme: str
) -> None:
    write_tables(tmp_path)
    link = Distant(house.server.ports[scheme], 0.05)
    try:
        at = Connection(scheme=scheme, host="127.0.0.1", port=link.port)
        house.agent(directories=[tmp_path], connection=at)
        there = " union all ".join(f"select n from t{n}" for n in range(NR_TABLES))
        house.until_rows(there, [[n] for n in range(NR_TABLES)])
        house.until_rows("select nr_tables from qasino_csvpublisher_info", [[NR_TABLES]])
        assert link.most_at_once == AT_ONCE_MOST
    finally:
        link.close()


def test_where_one_by_one_is_soon_enough_there_is_one_connection(
    make_server: MakeServer, tmp_path: Path
) -> None:
    with unhurried(make_server, tmp_path) as (house, link):
        house.until_rows("select nr_tables from qasino_csvpublisher_info", [[NR_TABLES]])
        assert (link.most_at_once, nr_lanes()) == (1, 0)


def test_what_an_agent_says_of_its_files_arrives_over_a_link_that_loses_answers(
    make_server: MakeServer, tmp_path: Path
) -> None:
    """All are sent again after a loss: it was never the turn of its own tables."""
    with unhurried(make_server, tmp_path, loses=NR_TABLES // 2) as (house, _):
        published = "select count(*) from qasino_agent_files where published_at is not null"
        house.until_rows(published, [[NR_TABLES]])


class WithoutOwn(Courier):
    """Is cut off whenever it sends the agent's own tables."""

    def send(self, message: bytes) -> None:
        error = Unreachable("cut off")
        self._note_absence(error)
        raise error


def test_tables_go_on_where_what_the_agent_says_of_them_does_not(
    house: House, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(csv_of("t", [1]))
    courier = WithoutOwn(house.connection(), HURRY, random.Random(1))
    clock = IntervalClock(0.05)
    house.agent(directories=[tmp_path], courier=courier, clock=clock, start=False)
    for _ in range(4):
        house.until_rows("select n from t", [[1]])
        house.server.rotate()


def test_each_message_is_told_once_and_a_refusal_is_its_own(server: Server, wire: Wire) -> None:
    parcels = {f"t{n}": message_of(f"t{n}" if n % 3 else "not a name") for n in range(30)}
    with courier_to(server) as courier:
        told = list(courier.deliver(parcels.items(), len(parcels), SLOW))
        assert nr_lanes() > 1
    assert sorted(key for key, _ in told) == sorted(parcels)
    for key, refusal in told:
        taken = int(key[1:]) % 3 != 0
        assert (refusal is None) == taken
        assert taken or "not a legal name" in str(refusal)
    until(lambda: nr_lanes() == 0)
    server.rotate()
    there = wire.rows("select tablename from qasino_server_tables where tablename glob 't[0-9]*'")
    assert len(there) == 20


def test_what_a_lost_server_was_not_sent_is_not_told_of(server: Server) -> None:
    begun: list[int] = []

    def parcels() -> Iterator[tuple[int, bytes]]:
        for n in range(1000):
            begun.append(n)
            yield n, message_of(f"t{n}")

    told: list[int] = []

    def note_and_stop_at_20(n: int) -> None:
        told.append(n)
        if len(told) == 20:
            server.stop()

    with courier_to(server) as courier:
        with pytest.raises(Unreachable):
            deque(note_and_stop_at_20(n) for n, _ in courier.deliver(parcels(), 1000, SLOW))
        assert len(begun) < 100
        assert len(told) == len(set(told)) < len(begun)
        assert courier.away
        begun.clear()
        with pytest.raises(Unreachable):
            list(courier.deliver(parcels(), 1000, SLOW))
        assert begun == [0]  # whether it is back, one finds out


@pytest.mark.parametrize(
    ("nr_characters", "lanes"), [(LARGE_BYTES, 0), (LARGE_BYTES * 2 // 3, 1), (LARGE_BYTES // 3, 2)]
)
def test_no_more_is_under_way_at_once_than_a_large_message(
    server: Server, nr_characters: int, lanes: int
) -> None:
    """They would share a slow link until each is out of time."""
    message = message_of("large", "x" * nr_characters)
    with courier_to(server) as courier:
        courier.send(message_of("first"))
        told = list(courier.deliver(enumerate([message] * 10), 10, SLOW))
        assert sorted(told) == [(n, None) for n in range(10)]
        assert nr_lanes() == lanes


def test_a_large_message_tells_nothing_of_the_way(server: Server) -> None:
    large, small = message_of("t", "x" * LARGE_BYTES), message_of("t")
    with courier_to(server) as courier:
        list(courier.deliver([(0, large)], 1, SLOW))
        list(courier.deliver([(0, small)], 1_000_000, SLOW))  # nothing is known of the way yet
        assert nr_lanes() == 0
        list(courier.deliver([(0, small)], 1_000_000, SLOW))
        assert nr_lanes() == 1


@pytest.mark.parametrize("name", ["csvagent-lane", "resolver"])
def test_without_room_for_a_thread_they_go_one_by_one(
    server: Server, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    start = threading.Thread.start

    def no_room(thread: threading.Thread) -> None:
        if thread.name == name:
            raise RuntimeError("can't start new thread")
        start(thread)

    with courier_to(server) as courier:
        courier.send(message_of("first"))
        monkeypatch.setattr(threading.Thread, "start", no_room)
        told = list(courier.deliver([(n, message_of(f"t{n}")) for n in range(30)], 30, SLOW))
        assert sorted(told) == [(n, None) for n in range(30)]
        until(lambda: nr_lanes() == 0)
        told = list(courier.deliver([(n, message_of(f"t{n}")) for n in range(30)], 30, SLOW))
        assert told == [(n, None) for n in range(30)]


@pytest.mark.parametrize("nr_files", [44, 60, 100])
def test_an_agent_short_of_descriptors_sends_as_it_can(
    house: House, tmp_path: Path, nr_files: int
) -> None:
    """libzmq ends a process that is short of them."""
    write_tables(tmp_path)
    link = Distant(house.server.ports["zmq"], 0.05)
    words = ["--directory", str(tmp_path), "-x", "1", "-s", f"zmq://127.0.0.1:{link.port}"]
    limited = ["sh", "-c", f'ulimit -n {nr_files}; exec "$@"', "sh", *CSVAGENT, *words]
    agent = subprocess.Popen(limited, stderr=subprocess.PIPE, env=clean_environment())
    try:
        house.until_rows("select nr_tables from qasino_csvpublisher_info", [[NR_TABLES]])
        agent.terminate()
        _, err = agent.communicate(timeout=20)
        assert agent.returncode == 0, err
        assert b"is back" not in err
    finally:
        agent.kill()
        agent.communicate()
        link.close()


LARGEST_PACKET = 4_000
NO_ANSWER_S = 2.0
"""So long no small message is on its way, however busy the machine is."""
NO_ANSWER = f"gave no answer in {NO_ANSWER_S:g} s"


@contextmanager
def black_hole(
    server: Server, scheme: str = "http", timeout_s: float = NO_ANSWER_S
) -> Iterator[tuple[Distant, Connection]]:
    """A way to a server on which large packets are dropped without a word."""
    link = Distant(server.ports[scheme])
    link.swallows_from = LARGEST_PACKET
    try:
        at = Connection(scheme=scheme, host="127.0.0.1", port=link.port, timeout_s=timeout_s)
        yield link, at
    finally:
        link.close()


@pytest.mark.parametrize("scheme", ["http", "zmq"])
def test_a_table_that_gets_no_answer_keeps_no_other_away(
    house: House, tmp_path: Path, scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name, note in (("a", "x"), ("b", "x" * LARGEST_PACKET), ("c", "x")):
        (tmp_path / f"{name}.csv").write_text(csv_of(name, [1], note))
    large = tmp_path / "b.csv"
    with caplog.at_level("INFO"), black_hole(house.server, scheme) as (link, at):
        house.agent(directories=[tmp_path], connection=at, clock=IntervalClock(0.1))
        for _ in range(5):
            house.until_file(large, state="unanswered", published_at=None)
            house.until_rows("select a.n, c.n from a, c", [[1, 1]])
            house.server.rotate()
        told = [line for line in caplog.messages if "gave no answer" in line]
        assert len(told) == 1
        assert told[0].startswith(f"{large}: unanswered: {at.url} {NO_ANSWER}")
        assert "is back" not in caplog.text
        link.swallows_from = 0
        house.until_rows("select n from b", [[1]])
        house.until_file(large, state="ok", error=None)


def test_what_an_agent_says_of_many_files_keeps_no_table_away(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_tables(tmp_path)
    with black_hole(house.server) as (link, at):
        house.agent(directories=[tmp_path], connection=at, clock=IntervalClock(0.1), start=False)
        for _ in range(5):
            house.until_rows("select nr_tables from qasino_csvpublisher_info", [[NR_TABLES]])
            house.until_rows(f"select n from t{NR_TABLES - 1}", [[NR_TABLES - 1]])
            house.server.rotate()
        for name in ("qasino_csvpublisher_tables", "qasino_agent_files"):
            told = f"the agent's own table {name}: unanswered: {at.url} {NO_ANSWER}"
            until(lambda told=told: told in caplog.text)  # type: ignore[misc]
            assert caplog.text.count(told) == 1
        link.swallows_from = 0
        house.until_rows("select count(*) from qasino_agent_files", [[NR_TABLES]])


def all_in(place: Path) -> Catalogue:
    return Catalogue(Assignment(wrapping=Wrapping(IDENTITY), directories=[str(place)]), HURRY)


@pytest.mark.parametrize("scheme", ["http", "zmq"])
def test_once_sends_what_comes_after_a_table_that_gets_no_answer(
    house: House, tmp_path: Path, scheme: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, note in (("a", "x"), ("b", "x" * LARGEST_PACKET), ("c", "x")):
        (tmp_path / f"{name}.csv").write_text(csv_of(name, [1], note))
    with black_hole(house.server, scheme) as (_, at):
        assert once(all_in(tmp_path), IDENTITY, None, at) == ExitCode.UNREACHABLE
    named, published = capsys.readouterr().err.splitlines()
    assert named.startswith(f"{tmp_path}/b.csv: unanswered: {at.url} gave no answer ")
    assert published == f"published 2 tables as {IDENTITY} to {at.url}"
    assert house.maybe("select a.n, c.n from a, c") == [[1, 1]]
    states = house.maybe("select state from qasino_agent_files order by path")
    assert states == [["ok"], ["unanswered"], ["ok"]]


def test_once_ends_where_the_server_answers_no_other_message_either(
    house: House, tmp_path: Path
) -> None:
    write_tables(tmp_path)
    with black_hole(house.server, timeout_s=0.5) as (link, at):
        link.swallows_from = 1
        with pytest.raises(Unanswered):
            once(all_in(tmp_path), IDENTITY, None, at)
        until(lambda: link.nr_swallowed == 2)


def test_of_messages_of_which_some_get_no_answer_each_is_told_once(server: Server) -> None:
    parcels = {n: message_of(f"t{n}", "x" * (n % 10 // 9 * LARGEST_PACKET)) for n in range(30)}
    with black_hole(server) as (_, at), courier_to(server, at) as courier:
        courier.small = lambda: message_of("small")
        told = list(courier.deliver(parcels.items(), len(parcels), SLOW))
        assert not courier.away
    assert sorted(key for key, _ in told) == sorted(parcels)
    assert sorted(key for key, error in told if error is not None) == [9, 19, 29]
    assert all(isinstance(error, Unanswered) for _, error in told if error is not None)


def test_who_answers_no_other_message_either_is_away(server: Server) -> None:
    with black_hole(server) as (link, at), courier_to(server, at) as courier:
        courier.small = lambda: message_of("small")
        link.swallows_from = 1
        with pytest.raises(Unanswered):
            list(courier.deliver([(1, message_of("t"))], 1, SLOW))
        assert courier.away
        link.swallows_from = LARGEST_PACKET
        assert list(courier.deliver([(1, message_of("t"))], 1, SLOW)) == [(1, None)]
        assert not courier.away


def beats(slow: SlowTables[str], nr: int, size_bytes: int) -> list[int]:
    """Those of so many at which a table is tried, and fails."""
    tried = []
    for beat in range(nr):
        slow.begin_beat({"large"})
        assert slow.takes("large", size_bytes)
        if slow.pop() is not None:
            tried.append(beat)
            slow.failed("large", size_bytes)
    return tried


def test_a_table_that_goes_on_failing_is_tried_less_and_less_often() -> None:
    slow = SlowTables[str]()
    slow.failed("large", 1000)
    tried = beats(slow, 200, 1000)
    assert tried == [0, 2, 6, 14, 30, 62, *range(62 + PAUSE_MOST, 200, PAUSE_MOST)]
    slow.forget()
    assert not slow.takes("large", 1000)


def test_what_is_no_smaller_than_what_failed_goes_aside_until_that_got_through() -> None:
    slow = SlowTables[str]()
    assert not slow.takes("other", 1000)
    slow.failed("large", 1000)
    assert not slow.takes("small", 999)
    assert not slow.takes("large", 999)  # it has become smaller
    assert slow.takes("other", 1000)
    assert (slow.pop(), slow.pop()) == ("other", None)
    slow.answered("large", 1000)
    assert not slow.takes("other", 1000)
    slow.failed("large", 1000)
    slow.begin_beat({"other"})  # it cannot be sent any more
    assert not slow.takes("other", 1000)


def test_a_failure_says_nothing_of_others_once_one_that_is_no_smaller_got_through() -> None:
    slow = SlowTables[str]()
    slow.failed("odd", 154)
    slow.failed("odd", 154)
    assert slow.takes("other", 300)
    slow.answered("small", 153)
    assert slow.takes("other", 300)
    slow.answered("other", 300)
    assert not slow.takes("other", 300)
    assert not slow.takes("third", 154)
    for is_due in (False, True):  # its own pause stays
        slow.begin_beat({"odd"})
        assert slow.takes("odd", 154)
        assert ("odd" in iter(slow.pop, None)) == is_due
    slow.failed("odd", 154)
    assert slow.takes("other", 300)


def test_those_that_no_failure_explains_any_more_wait_aside_no_longer() -> None:
    slow = SlowTables[str]()
    slow.failed("odd", 154)
    slow.failed("large", 1000)
    for table, size_bytes in (("a", 200), ("b", 999), ("c", 1000)):
        assert slow.takes(table, size_bytes)
    assert slow.pop() == "a"
    assert slow.answered("a", 200) == ["b"]
    assert slow.takes("d", 2000)
    assert slow.answered("d", 999) == []
    assert not slow.takes("d", 999)  # it has become smaller, and waits no more
    assert slow.answered("large", 1000) == ["c"]
    assert slow.pop() is None


class Noting(Courier):
    """Notes what goes where."""

    def __init__(self, at: Connection) -> None:
        super().__init__(at, HURRY, random.Random(1))
        self.nr_own = 0
        self.aside: list[str] = []

    def send(self, message: bytes) -> None:
        self.nr_own += 1
        super().send(message)

    def begin_aside(self, key: Any, message: bytes) -> None:
        self.aside.append(Path(key.path).name if isinstance(key, TableFile) else key)
        super().begin_aside(key, message)


def test_one_that_cannot_be_sent_any_more_keeps_no_other_aside(
    house: House, tmp_path: Path
) -> None:
    index = write_index(tmp_path / "index", "a", "b")
    gone, note = tmp_path / "a.csv", "x" * LARGEST_PACKET
    gone.write_text(csv_of("a", [1], note))
    with black_hole(house.server) as (link, at):
        courier, clock = Noting(at), IntervalClock(0.1)
        house.agent(indexes=[index], courier=courier, clock=clock)
        house.until_file(gone, state="unanswered")
        gone.unlink()
        house.until_file(gone, state="missing")
        link.swallows_from = 0
        for _ in range(2):
            house.rotate()
        (tmp_path / "b.csv").write_text(csv_of("b", [1], note))
        house.until_rows("select n from b", [[1]])
        assert set(courier.aside) <= {"a.csv"}


def test_after_one_that_got_no_answer_the_others_do_not_go_aside_one_by_one(
    make_server: MakeServer, tmp_path: Path
) -> None:
    for n in range(10):
        (tmp_path / f"t{n}.csv").write_text(csv_of(f"t{n}", [n], "x" * LARGEST_PACKET))
    with ExitStack() as stack:
        house = House(make_server(generation_duration_s=600), stack)
        link, at = stack.enter_context(black_hole(house.server))
        link.swallows_from = 0
        courier = Noting(at)
        house.agent(directories=[tmp_path], courier=courier)
        house.rotate()
        house.until_rows("select count(*) from qasino_agent_files", [[10]])
        courier.nr_own, link.swallows_from = 0, LARGEST_PACKET
        house.server.rotate()
        until(lambda: link.nr_swallowed)
        link.swallows_from = 0
        there = " union all ".join(f"select n from t{n}" for n in range(1, 10))
        house.until_rows(there, [[n] for n in range(1, 10)])
        # Else it is 9 and 28. With another beat in between it may be tried again, and all told.
        assert len(courier.aside) < 5
        assert courier.nr_own < 15


def test_one_that_is_refused_by_itself_raises(server: Server) -> None:
    with courier_to(server) as courier, pytest.raises(ServerRefused, match="not a legal name"):
        courier.send(message_of("not a name"))


def test_without_room_for_any_thread_it_is_as_if_the_server_were_away(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be room later, and an agent that has ended would not know."""

    def no_room(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with courier_to(server) as courier:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", no_room)
            with pytest.raises(Unreachable, match="cannot start a thread"):
                courier.send(message_of("t"))
            assert courier.away
        courier.send(message_of("t"))
        assert not courier.away


class Even(random.Random):
    """The middle of whatever is between two numbers."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


def test_a_server_that_stays_away_is_looked_for_less_and_less_often() -> None:
    courier = Courier(Connection(scheme="http", host="127.0.0.1", port=free_port()), Pace(), Even())
    try:
        for pause_s in (1, 2, 4, 8, 10):
            began = time.monotonic()
            with pytest.raises(Unreachable):
                courier.send(message_of("t"))
            assert began + pause_s <= courier.retry_at <= time.monotonic() + pause_s
    finally:
        courier.close()
