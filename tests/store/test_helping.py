"""Who stores a publication: the thread that received it where that is brief, else the writer's."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from wire import publication, until

from qasino_server.message import decode_request
from qasino_server.store import writer
from qasino_server.table import Publication, Receipt
from qasino_server.wakeup import Turn


class Port:
    """What a port does with the store: hand in, end the turn, see who answered."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.turn = Turn()
        self.turn.carry()
        self.answers: list[tuple[str, Any]] = []
        """(who, what) for each publication, in the order in which they were answered."""

    def hand_in(self, *publications: Publication) -> None:
        for made in publications:
            self.bench.store.publish(made, "test", self._answered)

    def _answered(self, outcome: Any) -> None:
        self.answers.append((threading.current_thread().name, outcome))

    def who_stores(self, made: Publication) -> str:
        """The name of the thread that answered it, having stored it."""
        self.answers.clear()
        self.hand_in(made)
        while self.turn.end():
            pass
        ((who, outcome),) = until(lambda: self.answers)
        assert isinstance(outcome, Receipt), outcome
        return "this one" if who == threading.current_thread().name else who


@pytest.fixture
def port(bench: Any) -> Any:
    made: list[Port] = []

    def run(act: Any) -> None:
        def body() -> None:
            made.append(Port(bench))
            try:
                act(made[0])
            except BaseException as error:
                failures.append(error)

        failures: list[BaseException] = []
        thread = threading.Thread(target=body, name="port")
        thread.start()
        thread.join(60)
        if failures:
            raise failures[0]

    return run


def table(identity: str, nr_rows: int, tablename: str = "t", **flags: Any) -> Publication:
    """A publication of one column of numbers and one of text."""
    body = publication(
        identity,
        tablename,
        ["n", "s"],
        ["int", "text"],
        [[n, "x" * 20] for n in range(nr_rows)],
        **flags,
    )
    request = decode_request(json.dumps({"op": "add_table_data", **body}).encode())
    return request.publication  # type: ignore[union-attr]


def test_who_receives_a_brief_one_stores_it(port: Any) -> None:
    def act(port: Port) -> None:
        assert port.who_stores(table("a", 10)) == "this one"
        assert port.who_stores(table("a", 10)) == "this one"  # a repeat
        assert port.who_stores(table("a", 20, replace=1)) == "this one"
        assert port.who_stores(table("a", 20, persist=1)) == "this one"

    port(act)


def test_what_may_take_long_is_left_to_the_writer(port: Any) -> None:
    def act(port: Port) -> None:
        assert port.who_stores(table("large", 20_000)) == "writer"
        assert port.who_stores(table("large", 1, replace=1)) == "writer"  # 20,000 to be deleted
        assert port.who_stores(table("a", 1, update=1)) == "writer"
        assert port.who_stores(table("a", 1, "s", static=1)) == "writer"

    port(act)


def test_without_a_turn_to_end_the_writer_stores(bench: Any) -> None:
    who: list[str] = []
    bench.store.publish(
        table("a", 1), "test", lambda o: who.append(threading.current_thread().name)
    )
    assert until(lambda: who) == ["writer"]


def test_a_turn_stores_so_much_and_the_next_one_goes_on(port: Any) -> None:
    def act(port: Port) -> None:
        port.hand_in(*(table(f"h{n}", 1_000) for n in range(10)))
        answered = []
        while port.turn.end():
            answered.append(len(port.answers))
        assert answered == sorted(set(answered))
        assert len(answered) > 2
        assert [o.nr_rows for _, o in port.answers] == [1_000] * 10
        assert {who for who, _ in port.answers} == {"port"}

    port(act)


def test_publications_keep_their_order_whoever_stores_them(port: Any) -> None:
    sizes = [10, 20_000, 11, 1, 12, 20_001, 13]

    def act(port: Port) -> None:
        port.hand_in(*(table("a", size, replace=1) for size in sizes))
        while port.turn.end():
            pass
        until(lambda: len(port.answers) == len(sizes))
        assert [outcome.nr_rows for _, outcome in port.answers] == sizes
        port.bench.rotate()
        assert port.bench.rows("select count(*) from t") == [[13]]

    port(act)


def test_a_port_does_not_wait_for_who_is_at_the_desk(port: Any) -> None:
    def act(port: Port) -> None:
        looked: list[Any] = []
        looker = threading.Thread(
            target=lambda: looked.append(
                port.bench.ask(
                    "with recursive c(n) as (select 1 union all select n + 1 from c)"
                    " select max(n) from c",
                    use_write_db=True,
                )
            )
        )
        looker.start()
        until(lambda: port.bench.store._writer._desk.locked())
        port.hand_in(table("a", 5))
        assert port.turn.end() is False
        assert not looked
        assert not port.answers
        looker.join(20)
        ((who, outcome),) = until(lambda: port.answers)
        assert (who, outcome.nr_rows) == ("writer", 5)

    port(act)


def test_after_a_stall_the_ports_leave_it_to_the_writer(
    port: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "STALL_S", 0.0)

    def act(port: Port) -> None:
        assert port.who_stores(table("a", 1)) == "this one"
        assert port.who_stores(table("b", 1)) == "writer"
        monkeypatch.setattr(writer, "STALLED_S", 0.0)
        port.bench.store._writer._stalled_until = 0.0
        assert port.who_stores(table("c", 1)) == "this one"
        assert port.who_stores(table("d", 1)) == "this one"

    port(act)


def test_a_failure_at_the_desk_ends_the_server_as_the_writers_own_would(
    make_bench: Any,
) -> None:
    bench = make_bench()
    deaths: list[str] = []
    bench.store._writer._on_death = lambda name, error: deaths.append(name)
    bench.store._writer._view_names = lambda: 1 / 0
    answers: list[Any] = []

    def act() -> None:
        turn = Turn()
        turn.carry()
        bench.store.publish(table("a", 1), "test", answers.append)
        assert turn.end() is False

    thread = threading.Thread(target=act)
    thread.start()
    thread.join(20)
    assert deaths == ["writer"]
    assert not answers
    bench.store._writer._view_names = frozenset
