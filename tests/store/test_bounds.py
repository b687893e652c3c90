"""What one generation may hold, and what one asker may take of the readers."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
from handed_in import publication
from hypothesis import given
from hypothesis import strategies as st

from qasino_server.database import durable
from qasino_server.errors import BadRequest, Busy, Cancelled, Full, QasinoError, Refused
from qasino_server.interpreter import STEP_BACK
from qasino_server.quota import Quota
from qasino_server.render import CsvStream
from qasino_server.statement import Select
from qasino_server.store import lookout, schemas, shapes
from qasino_server.store import readers as readers_room
from qasino_server.store.crew import Crew
from qasino_server.store.job import Job, QueryRequest
from qasino_server.store.ledger import TableState
from qasino_server.store.looks import LOOKS
from qasino_server.store.reader import Reader
from qasino_server.store.shapes import Shapes
from qasino_server.table import Column, Receipt, Result
from qasino_server.turns import Turns

ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
WIDE = [["x" * 1000] for _ in range(1000)]


def stored(outcome: Any) -> int:
    assert isinstance(outcome, Receipt), outcome
    return outcome.nr_rows


def is_full(outcome: Any, words: str) -> None:
    assert isinstance(outcome, Full), outcome
    assert words in outcome.sentence


def until(true: Callable[[], bool], timeout_s: float = 10) -> None:
    ends = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < ends
        threading.Event().wait(0.005)


# --- A generation -------------------------------------------------------------------------------


def test_a_table_too_many_is_refused_and_the_next_generation_takes_it(make_bench: Any) -> None:
    bench = make_bench(quota=Quota(tables=2))
    assert stored(bench.publish("a", "t", "x int", [[1]])) == 1
    assert stored(bench.publish("a", "u", "x int", [[1]])) == 1
    is_full(bench.publish("a", "v", "x int", [[1]]), "2 tables, and 2 is the most (--max-tables)")
    assert stored(bench.publish("b", "U", "x int", [[1]])) == 1
    bench.rotate()
    assert stored(bench.publish("a", "v", "x int", [[1]])) == 1
    assert bench.rows("select count(*) from u") == [[2]]


def test_who_is_refused_is_told_that_what_is_carried_stays(make_bench: Any) -> None:
    bench = make_bench(quota=Quota(tables=1))
    assert stored(bench.publish("p", "kept", "x int", [[1]], persist=1)) == 1
    for _ in range(2):
        outcome = bench.publish("q", "t", "x int", [[1]])
        is_full(outcome, "the next generation begins with what is carried alone")
        bench.rotate()
        assert bench.store._writer.carried.wait(20)


def test_who_is_refused_is_told_of_the_share_of_their_own(make_bench: Any) -> None:
    bench = make_bench(quota=Quota(rows=10), max_generation_bytes=100_000)
    outcome = bench.publish("a", "t", "x int", [[n] for n in range(11)])
    is_full(outcome, "(--max-generation-rows); this publication would add 11; nothing")
    outcome = bench.publish("a", "t", "x text", [["x" * 200_000]])
    is_full(outcome, "(--max-generation-bytes); this publication would add 200,006; nothing")


def test_an_identity_too_many_is_refused(make_bench: Any) -> None:
    bench = make_bench(quota=Quota(identities=1))
    assert stored(bench.publish("a", "t", "x int", [[1]])) == 1
    assert stored(bench.publish("a", "u", "x int", [])) == 0
    is_full(bench.publish("b", "t", "x int", [[1]]), "1 identities, and 1 is the most")
    bench.rotate()
    assert bench.rows("select x from t") == [[1]]


def test_empty_tables_of_many_identities_are_bounded_too(make_bench: Any) -> None:
    bench = make_bench(quota=Quota(sources=3))
    for identity in "abc":
        assert stored(bench.publish(identity, "t", "x int", [])) == 0
    is_full(bench.publish("d", "t", "x int", []), "3 tables of identities")
    assert stored(bench.publish("a", "t", "x int", [[1]], replace=True)) == 1


def test_rows_too_many_are_refused_and_replacing_counts_the_difference(make_bench: Any) -> None:
    bench = make_bench(quota=Quota(rows=10))
    assert stored(bench.publish("a", "t", "x int", [[n] for n in range(6)])) == 6
    is_full(bench.publish("b", "t", "x int", [[n] for n in range(5)]), "6 rows, and 10")
    assert stored(bench.publish("a", "t", "x int", [[n] for n in range(10)], replace=True)) == 10
    is_full(bench.publish("b", "t", "x int", [[1]]), "10 rows")
    assert stored(bench.publish("a", "t", "x int", [[1]], replace=True)) == 1
    assert stored(bench.publish("b", "t", "x int", [[n] for n in range(9)])) == 9
    bench.rotate()
    assert bench.rows("select count(*) from t") == [[10]]


def test_an_update_that_adds_no_row_has_room_where_there_is_none(make_bench: Any) -> None:
    bench = make_bench(quota=Quota(rows=10))
    rows = [[n, 0] for n in range(10)]
    assert stored(bench.publish("a", "t", "id int, v int", rows)) == 10
    update = {"update": 1, "keycols": "id"}
    assert stored(bench.publish("a", "t", "id int, v int", [[3, 1], [4, 1], [3, 2]], **update)) == 3
    for refused in ([[11, 1]], [[3, 5], [12, 5]]):
        is_full(bench.publish("a", "t", "id int, v int", refused, **update), "10 rows, and 10")
    is_full(bench.publish("b", "t", "id int, v int", [[3, 1]], **update), "10 rows, and 10")
    bench.rotate()
    assert bench.rows("select * from t where v > 0 order by id") == [[3, 2], [4, 1]]


def test_an_update_that_makes_its_table_or_adds_columns_has_the_room_of_its_new_rows(
    make_bench: Any,
) -> None:
    bench = make_bench(quota=Quota(rows=10))
    update = {"update": 1, "keycols": "id"}
    many = [[n % 10, n] for n in range(12)]
    assert stored(bench.publish("a", "t", "id int, v int", many, **update)) == 12
    wider = [[n, n, 1] for n in range(10)]
    assert stored(bench.publish("a", "t", "id int, v int, w int", wider, **update)) == 10
    by_new = {"update": 1, "keycols": "id;x"}
    null, other = [[3, None]], [[3, 1]]
    assert stored(bench.publish("a", "t", "id int, x int", null, **by_new)) == 1
    is_full(
        bench.publish("a", "t", "id int, y int", other, update=1, keycols="id;y"),
        "10 rows, and 10 is the most (--max-generation-rows); this publication would add 1;",
    )
    is_full(bench.publish("b", "u", "id int", [[1], [1], [2]], **update), "would add 2;")
    bench.rotate()
    assert bench.rows("select count(*), sum(w), count(x) from t") == [[10, 10, 0]]


def test_what_is_refused_inside_a_batch_leaves_the_books_right(make_bench: Any) -> None:
    bench = make_bench(quota=Quota(rows=100, tables=3))
    for n in range(20):
        bench.publish(f"h{n}", f"t{n % 5}", "x int", [[m] for m in range(n)])
    bench.rotate()
    held = bench.rows("select sum(nr_rows), count(*) from qasino_server_sources")
    tables = bench.rows("select tablename from qasino_server_tables where not static")
    mine = [name for (name,) in tables if not name.startswith("qasino_")]
    assert held[0][0] <= 100
    assert mine == ["t0", "t1", "t2"]


def test_bytes_too_many_are_refused_and_queries_go_on(make_bench: Any) -> None:
    bench = make_bench(max_generation_bytes=5_000_000)
    assert stored(bench.publish("none", "t", "x text", [])) == 0
    outcomes = [bench.publish(f"h{n}", "t", "x text", WIDE) for n in range(10)]
    kept = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
    assert len(kept) == 4
    for refused in (*outcomes[4:], bench.publish("none", "t", "x text", WIDE, replace=1)):
        is_full(refused, "5,000,000 is the most (--max-generation-bytes)")
    bench.rotate()
    assert bench.rows("select count(*) from t") == [[4000]]
    assert stored(bench.publish("h9", "t", "x text", WIDE)) == 1000
    assert bench.store.state().generation_bytes < 6_000_000


def test_a_table_that_is_replaced_again_and_again_takes_room_once(make_bench: Any) -> None:
    bench = make_bench(max_generation_bytes=5_000_000)
    for _ in range(10):
        assert stored(bench.publish("a", "t", "x text", WIDE, replace=1)) == 1000
    fleet = [bench.publish(f"h{n}", "t", "x text", WIDE) for n in range(5)]
    assert [isinstance(outcome, Receipt) for outcome in fleet] == [True] * 3 + [False] * 2


@pytest.mark.parametrize("flags", [{"persist": 1, "replace": 1}, {}], ids=["replaced", "ended"])
def test_rows_that_live_on_are_replaced_where_there_is_room_for_them_once(
    make_bench: Any, flags: dict[str, Any]
) -> None:
    bench = make_bench(max_generation_bytes=5_000_000)
    for n in range(4):
        assert stored(bench.publish(f"h{n}", "t", "x text", WIDE, persist=1)) == 1000
    bench.rotate()
    assert bench.store._writer.carried.wait(20)
    assert stored(bench.publish("h0", "t", "x text", [["y" * 1000]] * 1000, **flags)) == 1000
    is_full(bench.publish("h1", "t", "x text", WIDE * 3, **flags), "--max-generation-bytes")
    is_full(bench.publish("h4", "t", "x text", WIDE, **flags), "--max-generation-bytes")
    bench.rotate()
    assert bench.rows("select count(*), sum(x like 'y%') from t") == [[4000, 1000]]


def test_a_table_of_half_the_room_is_replaced_and_updated(make_bench: Any) -> None:
    bench = make_bench(max_generation_bytes=5_000_000)
    for rows in (WIDE * 3, [["y" * 1000]] * 3000):
        assert stored(bench.publish("a", "t", "x text", rows, replace=1)) == 3000
    assert stored(bench.publish("b", "u", "x text", WIDE)) == 1000
    assert stored(bench.publish("b", "u", "x text", WIDE, update=1)) == 1000


def test_rows_carried_beyond_the_bound_are_replaced(make_bench: Any) -> None:
    """With what describes them, which is there once."""
    bench = make_bench(max_generation_bytes=5_000_000)

    def publish(identity: str, rows: Any = WIDE, **flags: Any) -> Any:
        words = ["what it is"]
        return bench.hand_in(publication(identity, "t", "x text", rows, words, persist=1, **flags))

    for n in range(4):
        assert stored(publish(f"h{n}")) == 1000
    sealed = bench.exchange()
    assert stored(publish("h0", [["y"]], replace=1)) == 1
    assert stored(bench.publish("other", "u", "x text", WIDE * 3)) == 3000
    bench.carry(sealed)
    for _ in range(3):
        assert stored(publish("h1", replace=1)) == 1000
    is_full(publish("h1", WIDE * 2, replace=1), "--max-generation-bytes")


def test_rows_carried_beyond_their_number_are_replaced_by_as_many(make_bench: Any) -> None:
    bench = make_bench(quota=Quota(rows=10))
    rows = [[n] for n in range(8)]
    assert stored(bench.publish("a", "t", "x int", rows, persist=1)) == 8
    sealed = bench.exchange()
    assert stored(bench.publish("b", "u", "x int", rows)) == 8
    bench.carry(sealed)
    again = {"persist": 1, "replace": 1}
    is_full(bench.publish("a", "t", "x int", [*rows, [8]], **again), "16 rows, and 10")
    for some in (rows, rows[:7]):
        assert stored(bench.publish("a", "t", "x int", some, **again)) == len(some)
    is_full(bench.publish("a", "t", "x int", rows, **again), "15 rows, and 10")


def test_words_of_rows_that_are_replaced_have_the_same_bound(make_bench: Any) -> None:
    bench = make_bench(max_generation_bytes=4 << 20)
    told = [
        bench.hand_in(publication("a", "t", f"c{n} int", [[1]], ["x" * 1_000_000], replace=1))
        for n in range(5)
    ]
    assert [stored(outcome) for outcome in told[:3]] == [1, 1, 1]
    is_full(told[4], "--max-generation-bytes")


def test_descriptions_take_room_too(make_bench: Any) -> None:
    """In the books as long as the generation lasts, and in those of the next."""
    bench = make_bench(max_generation_bytes=4 << 20)
    for _ in range(2):
        outcomes = [described(bench, f"t{n}", "x" * 1_000_000) for n in range(5)]
        assert [stored(outcome) for outcome in outcomes[:3]] == [1, 1, 1]
        is_full(outcomes[4], "--max-generation-bytes")
        bench.rotate()
    assert bench.publish("b", "small", "a int", [[1]]).nr_rows == 1


def test_descriptions_that_are_carried_leave_less_room_to_others(make_bench: Any) -> None:
    bench = make_bench(max_generation_bytes=4 << 20)
    for n in range(3):
        assert stored(described(bench, f"t{n}", "x" * 1_000_000, persist=1)) == 1
    for _ in range(2):
        bench.rotate()
        assert bench.store._writer.carried.wait(20)
        assert stored(described(bench, "u", "x" * 1_000_000)) == 1
        is_full(described(bench, "v", "x" * 1_000_000), "--max-generation-bytes")


def described(bench: Any, table: str, sentence: str, **flags: Any) -> Any:
    return bench.hand_in(publication("a", table, "a int", [[1]], [sentence], **flags))


def test_headers_in_every_order_leave_no_more_behind_than_one(make_bench: Any) -> None:
    bench = make_bench()
    names = [f"c{n}" for n in range(8)]
    for turn in range(50):
        turned = names[turn % 8 :] + names[: turn % 8] if turn % 2 else names[::-1]
        header = ", ".join(f"{name} int" for name in turned)
        assert stored(bench.publish("a", "t", header, [[1] * 8], replace=1)) == 1
    assert len(bench.store._writer._intake.ledger.tables["t"].shapes) == 1


def test_headers_that_are_each_another_subset_are_few_in_the_books(
    make_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Empty tables of them made a rotation take seconds; what is beyond counts as every column."""
    monkeypatch.setattr(shapes, "_COLUMNS_MAX", 3 * 49)
    bench = make_bench()
    names = [f"c{n}" for n in range(50)]
    header = ", ".join(f"{name} int" for name in names)
    for table in ("t", "u"):
        assert stored(bench.publish("all", table, header, [[0] * 50])) == 1
        for gone in range(10):
            some = ", ".join(f"{name} int" for name in names if name != names[gone])
            assert stored(bench.publish(f"i{gone}", table, some, [[1] * 49])) == 1
    assert stored(bench.publish("more", "u", "c0 int, d int", [[1, 2]])) == 1
    assert stored(bench.publish("yet more", "u", "e int", [[3]])) == 1
    tables = bench.store._writer._intake.ledger.tables
    assert [len(tables[table].shapes) for table in ("t", "u")] == [5, 2]
    bench.rotate()
    told = "select column_name, nr_identities from qasino_server_columns where tablename = "
    assert bench.rows(f"{told} 't' and column_name in ('c0', 'c1', 'c49')") == [
        ["c0", 10],
        ["c1", 10],
        ["c49", 11],
    ]
    assert bench.rows(f"{told} 'u' and column_name in ('c0', 'd', 'e')") == [
        ["c0", 13],
        ["d", 12],
        ["e", 12],
    ]
    bench.publish("some", "u", "z int", [[1]])
    bench.rotate()
    assert [name for name, _ in bench.columns("u")] == [*names, "d", "e", "z"]


def test_a_table_remembers_so_many_headers_and_one_for_all_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shapes, "_SHAPES_MAX", 3)
    columns = tuple(Column(f"c{n}", "INTEGER") for n in range(6))
    table, made, places = TableState(name="t", columns=columns[:5]), Shapes(), []
    for column in columns[:5]:
        table, place = made.add(table, (column,))
        places.append(place)
    table = msgspec.structs.replace(table, columns=columns)  # one of them had a new column
    table, place = made.carry(table, columns[5:])
    assert [*places, place] == [0, 1, 2, 3, 3, 3]
    assert table.shapes == (*((column,) for column in columns[:3]), columns)
    assert not table.only_carried
    assert made.add(table, columns[1:2])[1] == 1


def test_headers_that_are_not_remembered_take_no_room_from_other_tables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each that came again counted again, until the others' counted as every column."""
    monkeypatch.setattr(shapes, "_SHAPES_MAX", 2)
    monkeypatch.setattr(shapes, "_COLUMNS_MAX", 2)
    columns, made = tuple(Column(f"c{n}", "INTEGER") for n in range(4)), Shapes()
    many, few = (TableState(name=name, columns=columns) for name in "tu")
    for column in columns * 2:
        many, _ = made.add(many, (column,))
    for column in columns[:2]:
        few, _ = made.add(few, (column,))
    assert many.has_all
    assert few.shapes == ((columns[0],), (columns[1],))


def test_a_header_is_carried_alone_until_somebody_sends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "_SHAPES_MAX", 3)
    headers = [(Column(f"c{n}", "INTEGER"),) for n in range(4)]
    table, made = TableState(name="t", columns=sum(headers, ())), Shapes()
    for step, header, carried in (
        (made.add, 0, []),
        (made.carry, 0, []),
        (made.carry, 1, [1]),
        (made.carry, 1, [1]),
        (made.add, 1, []),
        (made.carry, 2, [2]),
        (made.carry, 3, [2]),  # all others count as sent
    ):
        table, place = step(table, headers[header])
        assert (place, sorted(table.only_carried)) == (header, carried)
    assert table.sent_columns(()) == table.columns


def test_what_is_remembered_of_headers_has_a_bound(
    make_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of fifty columns there are more subsets than a memory holds."""
    monkeypatch.setattr(schemas, "_PLANNED_COLUMNS_MAX", 200)
    bench = make_bench()
    names, counts = [f"c{n}" for n in range(50)], []
    headers = [names, *([name for name in names if name != gone] for gone in names)]
    for header in headers * 2:
        columns = ", ".join(f"{name} int" for name in header)
        assert stored(bench.publish("a", "t", columns, [[1] * len(header)], replace=1)) == 1
        plans = bench.store._writer._intake.schemas._plans
        assert sum(len(columns) for _, columns in plans) <= 200
        counts.append(len(plans))
    assert max(counts[-50:]) == 4


def test_a_refusal_is_listed_no_longer_than_people_read(make_bench: Any) -> None:
    bench = make_bench()
    bench.publish("a", "t", "a int", [["x"] * 3])
    bench.store.reject("peer", BadRequest("x" * 100_000))
    bench.rotate()
    assert bench.rows("select max(length(reason)) < 600 from qasino_server_rejects") == [[1]]


def test_rows_that_become_larger_than_their_message_meet_the_same_wall(make_bench: Any) -> None:
    bench = make_bench(max_generation_bytes=5_000_000)
    columns = ", ".join(f"c{n} int" for n in range(1900))
    assert stored(bench.publish("wide", "t", columns, [[0] * 1900])) == 1
    # 200 KB of JSON, which would be 100 MB of rows with 1,899 NULLs each.
    outcome = bench.publish("narrow", "t", "c0 int", [[1]] * 50_000)
    is_full(outcome, "would be larger than 5,000,000 bytes")
    is_full(outcome, "the next generation begins with what is carried alone")
    assert stored(bench.publish("small", "t", "c0 int", [[1]])) == 1
    bench.rotate()
    assert bench.rows("select count(*) from t") == [[2]]


def test_persistent_rows_are_carried_beyond_the_bound(make_bench: Any) -> None:
    bench = make_bench(max_generation_bytes=5_000_000)
    for n in range(4):
        assert stored(bench.publish(f"h{n}", "kept", "x text", WIDE, persist=True)) == 1000
    for _ in range(2):
        bench.rotate()
        bench.publish("other", "t", "x text", WIDE)
        assert bench.rows("select count(*) from kept") == [[4000]]


def test_static_tables_have_the_same_bounds(make_bench: Any) -> None:
    bench = make_bench(max_generation_bytes=3_000_000, quota=Quota(tables=2))
    assert stored(bench.publish("a", "s", "x text", WIDE, static=True)) == 1000
    is_full(bench.publish("a", "s2", "x text", WIDE * 3, static=True), "have no room for this")
    assert stored(bench.publish("a", "s2", "x text", [["y"]], static=True)) == 1
    is_full(bench.publish("a", "s3", "x text", [["y"]], static=True), "2 static tables")
    assert stored(bench.publish("a", "s2", "x text", [["z"]], static=True)) == 1
    assert bench.rows("select x from s2") == [["z"]]
    assert bench.rows("select count(*) from s") == [[1000]]


def test_the_log_of_the_static_tables_is_bounded_while_queries_need_it(
    make_bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite empties it where nobody reads what is in it: here always one of two does."""
    monkeypatch.setattr(durable, "_LOCKED_MS", 5)  # those that read do not end meanwhile
    most_bytes = 6_000_000
    bench = make_bench(max_generation_bytes=most_bytes)
    log = tmp_path / "static.db-wal"

    def publish() -> Any:
        return bench.publish("a", "s", "x text", WIDE, static=True)

    assert stored(publish()) == 1000
    reading: list[apsw.Connection] = []
    busy = []
    for _ in range(30):
        reading.append(apsw.Connection(str(tmp_path / "static.db")))
        reading[-1].execute("BEGIN; SELECT count(*) FROM s").fetchall()
        outcome = publish()
        if isinstance(outcome, Busy):
            busy.append(outcome.sentence)
        assert log.stat().st_size < 2 * most_bytes
        if len(reading) > 1:
            reading.pop(0).close()
    assert busy
    assert "keep more of it than 6,000,000 bytes" in busy[0]
    for other in reading:
        other.close()
    assert [stored(publish()) for _ in range(2)] == [1000, 1000]
    assert log.stat().st_size < most_bytes / 2
    assert bench.rows("select count(*) from s") == [[1000]]


def test_no_more_are_missed_than_there_may_be(make_bench: Any) -> None:
    bench = make_bench(quota=Quota(sources=5))
    for generation in range(4):
        for n in range(5):
            bench.publish(f"g{generation}-{n}", "t", "x int", [[1]])
        bench.rotate()
    missing = bench.rows("select identity from qasino_server_missing order by 1")
    assert missing == [[f"g2-{n}"] for n in range(5)]


# --- Queries ------------------------------------------------------------------------------------


def begin(bench: Any, sql: str, peer: str, **keys: Any) -> list[Result | QasinoError]:
    """Start a query that is not waited for; its outcome once there is one."""
    answers: list[Result | QasinoError] = []
    bench.store.query(
        QueryRequest(sql=sql, port="test", peer=peer, asker=peer.split(":")[0], **keys),
        answers.append,
    )
    return answers


def test_one_asker_leaves_half_of_the_readers_to_others(make_bench: Any) -> None:
    bench = make_bench()
    hogs = [begin(bench, ENDLESS, f"junior:{n}", query_id=f"j{n}") for n in range(20)]
    readers = bench.store._readers

    def running(asker: str) -> int:
        with readers.lock:
            return sum(job.asker == asker for r in readers._crew if (job := r.job))

    until(lambda: running("junior") == 3)  # two, and one that is about to leave the express
    slow = ENDLESS.replace("from n)", "from n where i < 300000)")
    began = time.monotonic()
    assert bench.rows(slow, asker="operator") == [[300_000]]
    assert time.monotonic() - began < 5, "an operator's slow query does not wait for a junior's"
    assert bench.rows("select 1", asker="junior") == [[1]], "what is quick is served to all"
    killed = [bench.rows(f"kill j{n}", asker="operator") for n in range(20)]
    assert killed == [[[f"j{n}"]] for n in range(20)]
    until(lambda: all(hogs))


@pytest.fixture
def brief_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else one that never ends keeps the next for five seconds, in which others may publish."""
    monkeypatch.setattr(lookout, "LOOK_S", 0.2)


def test_what_readers_that_were_given_up_still_hold_counts_for_who_asked(bench: Any) -> None:
    readers = bench.store._readers
    crew = Crew(readers._new_reader)
    crew.sign_on()
    select = Select(sql="", bindings=(), missing=None)
    for asker in "ab":
        request = QueryRequest(sql="", port="", peer="", asker=asker)
        gone = readers._new_reader(express=False)
        gone.job = Job(request, select, 1.0, lambda outcome: None)
        crew.given_up.append(gone)
    crew.readers[1].job = crew.given_up[0].job
    assert [crew.held_by(asker) for asker in "abc"] == [2, 1, 0]
    assert [crew.may_have_one(asker) for asker in "abc"] == [False, True, True]


def test_looks_into_the_open_generation_are_taken_in_turns_by_who_asks(
    make_bench: Any, brief_looks: None
) -> None:
    bench = make_bench()
    hogs = [
        begin(bench, ENDLESS, f"junior:{n}", query_id=f"j{n}", use_write_db=True) for n in range(4)
    ]
    until(lambda: len(bench.store._writer._looks) == 3)
    assert bench.rows("select 1", asker="operator", use_write_db=True) == [[1]]
    assert [len(answers) for answers in hogs] == [1, 0, 0, 0], "one was looking already"
    for n in range(1, 4):
        bench.store.cancel(f"j{n}")
    until(lambda: all(hogs))


def test_one_asker_leaves_half_of_the_looks_that_may_wait_to_others(
    make_bench: Any, brief_looks: None
) -> None:
    bench = make_bench()
    begin(bench, ENDLESS, "first", query_id="first", use_write_db=True)
    hogs = [
        begin(bench, f"select {n}", f"junior:{n}", use_write_db=True) for n in range(LOOKS // 2 + 1)
    ]
    assert isinstance(hogs[-1][0], Busy)
    assert bench.rows("select 1", asker="operator", use_write_db=True) == [[1]]
    until(lambda: all(hogs))
    assert not any(isinstance(answers[0], Busy) for answers in hogs[:-1])


def test_those_that_wait_for_a_slow_reader_hold_few_connections(make_bench: Any) -> None:
    """Each kept the one it began on: four descriptors, of which a server may have a thousand."""
    bench = make_bench()
    bench.rotate()  # there is a schema prev, with a descriptor of its own
    readers, count = bench.store._readers, 60
    before = len(os.listdir("/proc/self/fd"))
    hogs = [
        begin(bench, ENDLESS.replace("count(*)", f"count(*) + {n}"), f"h{n}", query_id=f"q{n}")
        for n in range(count)
    ]
    until(lambda: len(readers._roster.slow) >= count - 4, 30)
    assert len(os.listdir("/proc/self/fd")) < before + 100
    bench.rotate()
    for n in range(count - 1):
        bench.rows(f"kill q{n}")
    last = readers.running()[0]
    until(lambda: last.running_since is not None)
    assert bench.rows("select 1") == [[1]]
    bench.rows(f"kill q{count - 1}")
    until(lambda: all(hogs))
    assert readers._nr_pinned == 0


def test_a_reader_that_still_writes_its_answer_is_not_counted_as_free(make_bench: Any) -> None:
    """A text table of a large result takes as long as the query did."""
    bench = make_bench()
    may_end, writing = threading.Event(), threading.Semaphore(0)

    def write_slowly(outcome: Any) -> None:
        writing.release()
        may_end.wait(20)

    for asker in ("a", "b", "c"):
        request = QueryRequest(sql="select 1", port="test", peer=asker, asker=asker)
        bench.store.query(request, write_slowly)
    for _ in range(3):
        assert writing.acquire(timeout=10)
    began = time.monotonic()
    try:
        assert bench.rows("select 1", asker="d") == [[1]]
        assert time.monotonic() - began < 10
    finally:
        may_end.set()


class Nowhere:
    """A sink that takes all there is."""

    def begin(self, media_type: str) -> None:
        pass

    def write(self, chunk: bytes, deadline: float) -> None:
        pass

    def stop(self) -> None:
        pass


def test_who_waits_for_a_reader_that_was_replaced_is_served_when_it_ends(
    make_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes nothing any more that waits, and the others sleep."""
    monkeypatch.setattr(readers_room, "EXPRESS_S", 0.05)
    monkeypatch.setattr(readers_room, "GIVE_UP_S", 0.05)
    bench = make_bench()
    readers = bench.store._readers
    may_end = [threading.Event() for _ in range(3)]
    writing = threading.Semaphore(0)

    def hold(event: threading.Event) -> Callable[[Any], None]:
        def write_slowly(outcome: Any) -> None:
            writing.release()
            event.wait(30)

        return write_slowly

    def at_work() -> list[Reader]:
        with readers.lock:
            return [reader for reader in readers._crew if reader.job is not None]

    try:
        for n, event in enumerate(may_end):
            request = QueryRequest(sql=f"select {n}", port="test", peer="a", asker="a")
            bench.store.query(request, hold(event))
            assert writing.acquire(timeout=10)
        last = may_end[-1]
        (replaced,) = [reader for reader in at_work() if reader.express]
        until(lambda: replaced.retiring)
        last = may_end.pop(int(replaced.job.sql[-1]))
        may_end[0].set()
        until(lambda: len(at_work()) == 2)
        streamed = begin(bench, "select 1", "a", stream=CsvStream(), sink=Nowhere())
        until(lambda: len(readers.lock._waiters) == 2)
        assert not streamed
        last.set()
        until(lambda: bool(streamed))
        assert len(at_work()) == 1
    finally:
        for event in (*may_end, last):
            event.set()


def test_a_stream_that_waits_for_a_reader_is_told_of_its_end_when_it_comes(
    make_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers_room, "EXPRESS_S", 0.05)
    bench = make_bench()
    hogs = [begin(bench, ENDLESS, "junior", query_id=f"hog{n}") for n in range(2)]
    until(lambda: bench.store._readers._crew.held_by("junior") == 2)
    waits = begin(bench, "select 1", "junior", query_id="w", stream=CsvStream(), sink=Nowhere())
    assert not waits
    assert bench.rows("kill w", asker="operator") == [["w"]]
    assert isinstance(waits[0], Cancelled)
    assert hogs == [[], []]
    for n in range(2):
        bench.rows(f"kill hog{n}", asker="operator")
    until(lambda: all(hogs))


def test_one_that_is_ended_while_it_waits_lets_go_of_the_snapshot_it_began_on(
    make_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers_room, "EXPRESS_S", 0.05)
    bench = make_bench()
    bench.rotate()
    hogs = [begin(bench, ENDLESS, "junior", query_id=f"hog{n}") for n in range(3)]
    until(lambda: bench.store._readers._nr_pinned == 1)
    for n in range(3):
        assert bench.rows(f"kill hog{n}", asker="operator") == [[f"hog{n}"]]
    until(lambda: all(hogs))
    bench.store.stop(20)
    assert bench.store._snapshot.place.snapshot._nr_open == 0


def test_what_is_known_for_having_taken_long_has_a_bound(
    make_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers_room, "_KNOWN_SLOW", 3)
    bench = make_bench()
    known = bench.store._readers._known_slow
    slow = ENDLESS.replace("from n)", "from n where i < 100000)")
    for n in range(10):
        assert bench.rows(f"{slow} where {n + 1}") == [[100_000]]
        until(lambda n=n: f"{slow} where {n + 1}" in known)
        assert len(known) <= 3
    known.clear()
    assert bench.rows(f"{slow} -- {'x' * 2000}") == [[100_000]]
    assert bench.rows("select 1") == [[1]]
    assert not known


def test_a_store_that_has_ended_has_no_snapshot_open(make_bench: Any) -> None:
    bench = make_bench()
    bench.rotate()
    assert bench.rows("select 1") == [[1]]
    bench.store.stop(20)
    assert bench.store._snapshot.place.snapshot._nr_open == 0


def test_no_number_of_the_servers_can_be_taken_beforehand(make_bench: Any) -> None:
    bench = make_bench()
    number = 1 + next(bench.store._readers._roster._numbers)
    taken = [str(n) for n in range(number + 1, number + 4)]
    hogs = [begin(bench, ENDLESS, "junior:1", query_id=name) for name in taken]
    for n in range(5):
        assert bench.rows(f"select {n}", asker="operator") == [[n]]
    assert [bench.rows(f"kill {name}", asker="operator") for name in taken] == [
        [[n]] for n in taken
    ]
    until(lambda: all(hogs))


@given(st.lists(st.sampled_from("aaaaab"), max_size=30), st.sampled_from(["", "a", "b"]))
def test_askers_are_taken_in_turns(askers: list[str], busy: str) -> None:
    turns = Turns()
    for n, asker in enumerate(askers):
        select = Select(sql="", bindings=(), missing=None)
        request = QueryRequest(query_id=str(n), sql="", port="", peer="", asker=asker)
        turns.put(Job(request, select, 1.0, lambda outcome: None))
    taken = []
    while (job := turns.take(lambda asker: asker != busy)) is not None:
        taken.append(job)
    assert len(turns) == len(turns.clear()) == askers.count(busy)
    for asker in "ab":
        own = [int(job.query_id) for job in taken if job.asker == asker]
        assert own == sorted(own)
        assert len(own) == (0 if asker == busy else askers.count(asker))
    both = 2 * min(askers.count("a"), askers.count("b")) if not busy else 0
    order = [job.asker for job in taken[:both]]
    assert all(first != second for first, second in pairwise(order))


@pytest.mark.parametrize(
    "sql",
    [
        "with recursive n(i) as (select 1 union all select i+1 from n limit 9000000)"
        " select count(*) from (select i, hex(i) || printf('%60d', i) b from n order by b)",
        "with recursive n(i) as (select 1 union all select i+1 from n limit 9000000)"
        " select count(*) from (select distinct printf('%90d', i) from n)",
    ],
    ids=["order by", "distinct"],
)
def test_a_query_may_not_fill_the_disk(make_bench: Any, sql: str) -> None:
    bench = make_bench(max_temp_bytes=20 << 20)
    outcome = bench.ask(sql)
    assert isinstance(outcome, Refused)
    assert outcome.sentence.endswith("20,971,520 bytes of temporary files (--max-temp)")
    assert bench.rows("select 1") == [[1]]


def test_limits_that_no_c_int_holds_are_no_hindrance(make_bench: Any) -> None:
    bench = make_bench(max_result_bytes=1 << 40, max_body_bytes=1 << 31)
    bench.publish("a", "t", "x int", [[1]])
    bench.rotate()
    assert bench.rows("select x from t") == [[1]]


def test_many_large_values_meet_the_bound_on_memory(make_bench: Any) -> None:
    from qasino_server.database.heap import bound_memory

    bench = make_bench()
    columns = ", ".join(f"group_concat(hex(zeroblob(50000 + i + {n})))" for n in range(20))
    sql = (
        "with recursive n(i) as (select 1 union all select i + 1 from n limit 50000)"
        f" select {columns} from n"
    )
    bound_memory(300 << 20)
    try:
        assert "needs more memory than there is" in bench.refusal(sql)
        assert stored(bench.publish("a", "t", "x int", [[1]])) == 1
        assert bench.rows("select 1") == [[1]]
    finally:
        bound_memory(1 << 40)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a priority is the process's")
def test_readers_leave_the_processors_to_the_ports_but_the_express_does_not(bench):
    own = os.getpriority(os.PRIO_PROCESS, 0)

    def steps_back(reader: Reader) -> int:
        assert reader.native_id is not None
        return os.getpriority(os.PRIO_PROCESS, reader.native_id) - own

    readers = bench.store._readers._crew.readers
    step = min(STEP_BACK, 19 - own)  # of which there are no more
    until(lambda: all(steps_back(r) == (0 if r.express else step) for r in readers))
    assert [reader.express for reader in readers].count(False) == len(readers) - 1
    assert os.getpriority(os.PRIO_PROCESS, 0) == own
