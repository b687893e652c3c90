"""Who stores a publication: the thread that received it where that is brief, else the writer's."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from handed_in import publication
from wire import until

from qasino_server.publication_rules import make_publication
from qasino_server.store import writer
from qasino_server.store.intake import BRIEF_NEW_ROWS, BRIEF_RANGES
from qasino_server.table import Publication, Receipt, check_columns


def table(identity: str, nr_rows: int, tablename: str = "t", **flags: Any) -> Publication:
    """A publication of one column of numbers and one of text."""
    rows = [[n, "x" * 20] for n in range(nr_rows)]
    return publication(identity, tablename, "n int, s text", rows, **flags)


def who_stores(port: Any, made: Publication) -> str:
    """The name of the thread that answered it, having stored it."""
    (who, outcome) = port.outcome_of(made)
    assert isinstance(outcome, Receipt), outcome
    return str(who)


def test_who_receives_a_brief_one_stores_it(bench: Any, at_port: Any) -> None:
    def act(port: Any) -> None:
        assert who_stores(port, table("a", 10)) == "port"
        assert who_stores(port, table("a", 10)) == "port"  # a repeat
        assert who_stores(port, table("a", 20, replace=1)) == "port"
        assert who_stores(port, table("a", 20, persist=1)) == "port"

    at_port(bench, act)


def test_what_may_take_long_is_left_to_the_writer(bench: Any, at_port: Any) -> None:
    def act(port: Any) -> None:
        assert who_stores(port, table("large", 20_000)) == "writer"
        assert who_stores(port, table("large", 1, replace=1)) == "writer"  # 20,000 to be deleted
        assert who_stores(port, table("a", 1, update=1)) == "writer"
        assert who_stores(port, table("a", 1, "s", static=1)) == "writer"
        for n in range(1, BRIEF_RANGES + 2):  # a row more each time, behind those of the other
            for identity in "ab":
                port.outcome_of(table(identity, n, "by_row", update=1))
        assert who_stores(port, table("a", 1, "by_row", replace=1)) == "writer"  # 11 places
        assert who_stores(port, table("a", 1, "by_row", replace=1)) == "port"

    at_port(bench, act)


def test_so_is_what_changes_a_table_or_has_very_many_rows(bench: Any, at_port: Any) -> None:
    def of(columns: list[str], nr_rows: int = 1, tablename: str = "t") -> Publication:
        rows = [[1] * len(columns)] * nr_rows
        names = ", ".join(f"{column} int" for column in columns)
        return publication(" ".join(columns[:2]), tablename, names, rows)

    def act(port: Any) -> None:
        assert who_stores(port, table("a", 10)) == "port"
        assert who_stores(port, of(["n"])) == "port"
        assert who_stores(port, of(["n", "m"])) == "writer"
        assert who_stores(port, of(["n", "m"])) == "port"
        assert who_stores(port, of(["rowid"])) == "writer"  # all rows are written anew
        assert who_stores(port, of([f"c{n}" for n in range(1000)], 1, "wide")) == "writer"
        assert who_stores(port, of(["n"], 40_000, "long")) == "writer"
        bench.rotate()
        until(lambda: bench.store._writer._source is None)
        assert who_stores(port, of(["c0"])) == "port"
        assert who_stores(port, of(["c0"], 1, "wide")) == "writer"  # it is made as it was

    at_port(bench, act)


def test_so_many_rows_are_brief_and_one_more_is_not(bench: Any, at_port: Any) -> None:
    def of(tablename: str, nr_rows: int) -> Publication:
        rows_json = f"[{','.join(['[1]'] * nr_rows)}]"
        columns = check_columns(("n",), ("int",))
        return make_publication(
            identity="a", tablename=tablename, columns=columns, rows_json=rows_json
        )

    def act(port: Any) -> None:
        assert who_stores(port, of("most", BRIEF_NEW_ROWS)) == "port"
        assert who_stores(port, of("more", BRIEF_NEW_ROWS + 1)) == "writer"

    at_port(bench, act)


def test_without_a_turn_to_end_the_writer_stores(bench: Any) -> None:
    who: list[str] = []
    bench.store.publish(
        table("a", 1), "test", lambda o: who.append(threading.current_thread().name)
    )
    assert until(lambda: who) == ["writer"]


def test_a_turn_stores_so_much_and_the_next_one_goes_on(bench: Any, at_port: Any) -> None:
    def act(port: Any) -> None:
        port.hand_in(*(table(f"h{n}", 1_000) for n in range(10)))
        answered = []
        while port.turn.end():
            answered.append(len(port.answers))
        assert answered == sorted(set(answered))
        assert len(answered) > 2
        assert [o.nr_rows for _, o in port.answers] == [1_000] * 10
        assert {who for who, _ in port.answers} == {"port"}

    at_port(bench, act)


def test_publications_keep_their_order_whoever_stores_them(bench: Any, at_port: Any) -> None:
    sizes = [10, 20_000, 11, 1, 12, 20_001, 13]

    def act(port: Any) -> None:
        port.hand_in(*(table("a", size, replace=1) for size in sizes))
        port.end()
        until(lambda: len(port.answers) == len(sizes))
        assert [outcome.nr_rows for _, outcome in port.answers] == sizes

    at_port(bench, act)
    bench.rotate()
    assert bench.rows("select count(*) from t") == [[13]]


def test_a_port_does_not_wait_for_who_is_at_the_desk(bench: Any, at_port: Any) -> None:
    def act(port: Any) -> None:
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

    at_port(bench, act)


def test_a_port_has_nothing_more_to_do_for_what_is_left_to_the_writer(
    bench: Any, at_port: Any
) -> None:
    def act(port: Any) -> None:
        writing = port.bench.store._writer
        until(lambda: writing._arrivals.asleep)
        with writing._condition:  # its thread cannot come for it yet
            port.hand_in(table("large", 20_000))
            assert port.turn.end() is False
            assert len(writing._arrivals.queue) == 1
        ((who, _),) = until(lambda: port.answers)
        assert who == "writer"

    at_port(bench, act)


def test_after_a_stall_the_ports_leave_it_to_the_writer(
    bench: Any, at_port: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "STALL_S", 0.0)

    def act(port: Any) -> None:
        assert who_stores(port, table("a", 1)) == "port"
        assert who_stores(port, table("b", 1)) == "writer"
        monkeypatch.setattr(writer, "STALLED_S", 0.0)
        port.bench.store._writer._stalled_until = 0.0
        assert who_stores(port, table("c", 1)) == "port"
        assert who_stores(port, table("d", 1)) == "port"

    at_port(bench, act)


def test_a_failure_at_the_desk_ends_the_server_as_the_writers_own_would(
    bench: Any, at_port: Any
) -> None:
    deaths: list[str] = []
    bench.store._writer._on_death = lambda name, error: deaths.append(name)
    bench.store._writer._view_names = lambda: 1 / 0

    def act(port: Any) -> None:
        port.hand_in(table("a", 1))
        assert port.turn.end() is False
        assert not port.answers

    at_port(bench, act)
    assert deaths == ["writer"]
    bench.store._writer._view_names = frozenset
