"""Rules 13 to 17, 20 and 22: generations, snapshots, what they tell, and what is left of them."""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import apsw
import msgspec
import pytest
from wire import until

from qasino_server.database import directory
from qasino_server.errors import BadRequest, QasinoError, Refused, ServerFault, StartError
from qasino_server.heartbeat import Heartbeat, next_number
from qasino_server.store import readers as readers_room
from qasino_server.store import store as store_room
from qasino_server.table import Receipt
from qasino_server.way import way_is_free


def test_the_first_snapshot_exists_at_once_and_is_number_0(bench):
    assert bench.rows(
        "select generation_number, generation_duration_s from qasino_server_info"
    ) == [[0, 30]]


def test_a_store_that_cannot_start_leaves_the_db_dir_as_it_was(make_bench, tmp_path):
    (tmp_path / "file").touch()
    for unusable in ({"archive_dir": tmp_path / "file"}, {"static_db": tmp_path}):
        with pytest.raises(StartError, match=r"cannot be read|cannot use"):
            make_bench(**unusable)
        assert list((tmp_path / "db").glob("run-*")) == []
    make_bench()  # nobody holds the db-dir any more


def test_an_archive_is_one_servers(make_bench, tmp_path):
    first = make_bench(archive_dir=tmp_path / "archive", db_dir=tmp_path / "a")
    other = {"db_dir": tmp_path / "b", "static_db": tmp_path / "other.db"}
    with pytest.raises(StartError, match=r"another server archives in .*another --archive-dir"):
        make_bench(archive_dir=tmp_path / "archive", **other)
    first.store.stop(5.0)
    make_bench(archive_dir=tmp_path / "archive", **other)


def test_a_server_that_cannot_write_its_archive_does_not_start(make_bench, tmp_path):
    with pytest.raises(StartError, match="cannot use /proc/self as archive: "):
        make_bench(archive_dir=Path("/proc/self"))


def test_info_tells_the_number_and_when_it_became_the_snapshot(bench):
    before = time.time()
    number = bench.rotate()
    ((told, duration, epoch),) = bench.rows("select * from qasino_server_info")
    assert (told, duration) == (number, 30)
    assert before - 0.01 <= epoch <= time.time() + 0.01


def test_numbers_grow_even_if_the_clock_steps_back():
    future = int(time.time()) + 1000
    assert next_number(future) == future + 1
    assert abs(next_number(0) - time.time()) < 2


def test_the_heartbeat_keeps_its_cadence_and_tells_of_the_generation_that_begins():
    beats: list[float] = []
    told: list[int] = []
    third = threading.Event()

    def rotate(number: int) -> tuple[int, int]:
        beats.append(time.monotonic())
        if len(beats) == 3:
            third.set()
        return number - 1, 0

    began = time.monotonic()
    heart = Heartbeat(0.2, 10, rotate, told.append, lambda name, error: None)
    heart.start()
    assert third.wait(10)
    heart.stop()
    assert heart.join(5)
    for n, beat in enumerate(beats[:3], start=1):
        assert beat - began >= 0.2 * n - 0.005
    assert told == sorted(set(told))


def test_the_state_is_that_of_one_generation_whatever_was_made_since(bench):
    """A rotation may come between any two steps of who asks."""
    snapshots, told = [], []
    for n in range(1, 5):
        for identity in range(5 - n):
            bench.publish(f"host-{identity}", f"t{n}", "a int", [[1]] * n)
        bench.rotate()
        snapshots.append(bench.store._snapshot)
        told.append((bench.store.state(), bench.store.summaries()))
    assert [(state.nr_rows, state.nr_identities) for state, _ in told] == [
        (4, 4), (6, 3), (6, 2), (4, 1)
    ]  # fmt: skip
    for snapshot, (then, tables) in zip(snapshots, told, strict=True):
        bench.store._snapshot = snapshot
        passing = {"generation_age_s": 0.0, "generation_bytes": 0}
        now = msgspec.structs.replace(bench.store.state(), **passing)
        assert now == msgspec.structs.replace(then, **passing)
        assert bench.store.summaries() == tables


def test_a_rotation_that_fails_leaves_the_last_snapshot_and_the_clock_running(bench):
    told: list[int] = []

    def fails(number: int) -> tuple[int, int]:
        raise OSError("no room")

    heart = Heartbeat(30, 0, fails, told.append, lambda name, error: None)
    heart.beat()
    assert told == []
    assert bench.rows("select 1") == [[1]]


def test_after_a_rotation_that_failed_the_log_names_the_generation_that_went_on(
    bench, monkeypatch, caplog
):
    caplog.set_level("INFO")
    collected = bench.number
    heart = Heartbeat(30, collected, bench.store.rotate, lambda n: None, lambda *death: None)
    with monkeypatch.context() as patched:
        patched.setattr(bench.store._files.reserve, "can_finish", lambda: False)
        heart.beat()
    heart.beat()
    assert bench.store.generation_number == collected
    assert f"rotation generation={collected} rows=0" in caplog.text


def test_a_rotation_has_the_way_once_all_is_carried(bench, monkeypatch):
    free: list[bool] = []
    new_generation = bench.store._files.new_generation

    def noted(number):
        free.append(way_is_free())
        if len(free) > 1:
            raise OSError("no room")
        return new_generation(number)

    monkeypatch.setattr(bench.store._files, "new_generation", noted)
    carried = bench.store._writer.carried
    waits = threading.Event()
    monkeypatch.setattr(carried, "wait", lambda s: waits.set() or threading.Event.wait(carried, s))
    carried.clear()
    heart = Heartbeat(30, bench.number, bench.store.rotate, lambda n: None, lambda *death: None)
    rotation = threading.Thread(target=heart.beat)
    rotation.start()
    try:
        assert waits.wait(10)
        assert way_is_free()
    finally:
        carried.set()
        rotation.join(10)
    heart.beat()
    assert free == [False, False]
    assert way_is_free()


def test_a_query_that_began_on_the_old_snapshot_finishes_on_it(bench):
    bench.publish("a", "t", "x int", [[n] for n in range(2000)])
    bench.rotate()
    results: list[list[list[int]]] = []
    slow = "select count(*), min(a.x + b.x + c.x) from t a, t b, (select x from t limit 4) c"
    thread = threading.Thread(target=lambda: results.append(bench.rows(slow)))
    thread.start()
    until(lambda: any(job.generation_number for job in bench.store._readers.running()))
    for _ in range(3):
        bench.rotate()
    thread.join(30)
    assert results == [[[2000 * 2000 * 4, 0]]]


def test_a_query_too_slow_for_the_express_still_ends_on_the_snapshot_it_began_on(
    bench, monkeypatch
):
    monkeypatch.setattr(readers_room, "EXPRESS_S", 0.1)
    bench.publish("a", "t", "x int", [[n] for n in range(2000)])
    bench.rotate()
    results: list[list[list[int]]] = []
    slow = "select count(*), min(a.x + b.x + c.x) from t a, t b, (select x from t limit 3) c"
    threads = [threading.Thread(target=lambda: results.append(bench.rows(slow))) for _ in range(4)]
    for thread in threads:
        thread.start()
    readers = bench.store._readers
    until(lambda: sum(job.generation_number is not None for job in readers.running()) == 4)
    for _ in range(3):
        bench.rotate()
    for thread in threads:
        thread.join(30)
    assert results == [[[2000 * 2000 * 3, 0]]] * 4


def test_prev_is_the_snapshot_before_so_that_a_rate_is_a_join(bench):
    bench.publish("a", "t", "host text, ops int", [["h", 100]])
    bench.rotate()
    bench.publish("a", "t", "host text, ops int", [["h", 160]])
    bench.rotate()
    sql = "select t.host, (t.ops - p.ops) / 30.0 from t join prev.t p using (host)"
    assert bench.rows(sql) == [["h", 2.0]]


def test_a_table_that_only_prev_has_does_not_answer_to_its_bare_name(bench):
    bench.publish("a", "gone", "x int", [[1]])
    bench.rotate()
    bench.rotate()
    assert bench.refusal("select * from gone") == "no such table: gone"
    assert bench.refusal("select * from gone g join prev.gone p using (x)") == "no such table: gone"
    assert bench.rows("select * from prev.gone") == [[1]]
    assert "gone" in bench.refusal("desc gone")


def test_the_trend_has_what_each_generation_had(bench):
    for count in (3, 1, 0):
        for n in range(count):
            bench.publish("a", f"t{n}", "x int", [[1], [2]])
            bench.rows(f"select {n}")
            bench.store.reject("peer", BadRequest("no table"))
        bench.rotate()
    points = bench.store.trend()
    assert [(p.nr_queries, p.nr_rejects, p.nr_rows) for p in points] == [
        (3, 3, 6),
        (1, 1, 2),
        (0, 0, 0),
    ]
    assert [p.nr_identities_missing for p in points] == [0, 1, 1]
    assert all(p.duration_s > 0 for p in points)


def test_rows_that_were_published_are_counted_and_carried_ones_are_not(bench):
    bench.publish("a", "kept", "x int", [[1], [2], [3]], persist=1)
    bench.publish("a", "t", "x int", [[1], [2]])
    bench.publish("a", "t", "x int", [[1], [2]])
    bench.publish("b", "t", "x int", [[1, 2]])
    bench.rotate()
    bench.rotate()
    bench.publish("a", "kept", "x int", [[3], [4]], persist=1, update=1, keycols="x")
    bench.rotate()
    bench.publish("a", "fixed", "x int", [[1]], static=1)
    bench.rotate()
    assert [point.nr_rows for point in bench.store.trend()] == [5, 0, 2, 1]
    assert bench.store.nr_rows_published() == 8
    assert bench.store.state().nr_rows == 4


def test_queries_that_failed_were_received_too(bench):
    bench.rows("select 1")
    bench.refusal("select nothing")
    bench.rotate()
    assert bench.store.trend()[-1].nr_queries == 2
    assert bench.rows("select * from qasino_server_sql_stats") == [[2, 1, 1]]


def test_updates_are_counted_apart_from_others_refused_or_not(bench):
    for flags, outcomes in (({}, "ok no no"), ({"update": 1}, "ok ok no")):
        for n, outcome in enumerate(outcomes.split()):
            rows = [[1]] if outcome == "ok" else [[1, 2]]
            told = bench.publish(f"{n}", "t", "x int", rows, **flags)
            assert isinstance(told, QasinoError) == (outcome == "no")
    bench.rotate()
    assert bench.rows("select * from qasino_server_update_stats") == [[3, 2, 1, 3, 1]]


def test_missing_names_who_reported_and_does_not_any_more(bench):
    bench.publish("a", "t", "x int", [[1]])
    bench.publish("b", "t", "x int", [[2]])
    bench.rotate()
    sql = "select identity, tablename, generations_missed from qasino_server_missing"
    assert bench.rows(sql) == []
    for missed in (1, 2):
        bench.publish("a", "t", "x int", [[1]])
        bench.rotate()
        assert bench.rows(sql) == [["b", "t", missed]]
    bench.publish("b", "t", "x int", [[2]])
    bench.rotate()
    assert bench.rows(sql) == [["a", "t", 1]]


def test_rows_that_are_dropped_while_their_generation_is_finished_are_not_missed(bench):
    """A rotation step by step: what it does between the exchange and its books takes a moment."""
    store, number = bench.store, bench.number
    for identity in ("p", "q"):
        bench.publish(identity, "t", "a int", [[1]], persist=1)

    def missed():
        nonlocal number
        number += 1
        retired = store._writer.exchange(store._files.new_generation(number), number)
        dropped = None if number > bench.number + 1 else bench.drop("t", "p")
        retired.generation.seal()
        store._writer.carry_from(retired.generation.path)
        assert store._writer.carried.wait(20)
        return dropped, [row[:2] for row in store._absence.note(retired.ledger, 0.0)]

    assert missed() == ("t is no longer carried; its rows end with this snapshot", [])
    bench.publish("p", "u", "a int", [[1]])
    assert missed() == (None, [])
    assert missed() == (None, [("p", "u")]), "others are missed as ever"
    bench.publish("p", "t", "a int", [[1]])
    assert missed() == (None, [("p", "u")])
    assert missed() == (None, [("p", "u"), ("p", "t")]), "who came back is missed again"


def test_missing_is_forgotten_after_a_time_and_never_said_of_carried_rows(make_bench):
    bench = make_bench(forget_after_s=-1.0)
    bench.publish("a", "t", "x int", [[1]])
    bench.publish("p", "kept", "x int", [[1]], persist=1)
    bench.rotate()
    bench.rotate()
    assert bench.rows("select identity from qasino_server_missing") == [["a"]]
    bench.rotate()
    assert bench.rows("select identity from qasino_server_missing") == []


def test_nobody_is_missed_for_a_table_that_has_become_static(bench):
    bench.publish("a", "racks", "x int", [[1]])
    bench.rotate()
    bench.publish("ops", "racks", "x int", [[2]], static=1)  # refused: it is still live
    bench.rotate()
    missing = "select identity from qasino_server_missing"
    assert bench.rows(missing) == [["a"]]
    bench.publish("ops", "racks", "x int", [[2]], static=1)
    bench.rotate()
    assert bench.rows("select x from racks") == [[2]]
    assert bench.rows(missing) == []


def test_who_publishes_again_what_was_ended_in_one_generation_is_missed_later(bench):
    bench.publish("a", "t", "x int", [[1]], persist=1)
    bench.rotate()
    bench.drop("t", "a")
    bench.publish("a", "t", "x int", [[1]])
    for missed in ([], [["a", 1]]):
        bench.rotate()
        told = "select identity, generations_missed from qasino_server_missing"
        assert bench.rows(told) == missed


@pytest.mark.parametrize("identity", [None, "a"])
def test_who_is_silent_is_missed_where_the_rows_of_another_were_ended(bench, identity):
    bench.publish("a", "t", "x int", [[1]], persist=1)
    bench.publish("b", "t", "x int", [[2]])
    bench.rotate()
    assert "no longer carried" in bench.drop("T", identity)
    bench.rotate()
    assert bench.rows("select identity from qasino_server_missing") == [["b"]]


def test_no_table_becomes_static_that_queries_see_live(bench):
    """Between an exchange and the end of a rotation, and longer where a generation was lost; it
    was answered ok, and hidden by the live one."""
    bench.publish("a", "racks", "x int", [[1]])
    bench.rotate()
    bench.carry(bench.exchange())
    bench.carry(bench.exchange())
    outcome = bench.publish("ops", "Racks", "x int", [[2]], static=1)
    assert isinstance(outcome, Refused), outcome
    assert bench.rows("select x from racks") == [[1]]
    bench.rotate()
    assert isinstance(bench.publish("ops", "Racks", "x int", [[2]], static=1), Receipt)
    assert bench.rows("select x from racks") == [[2]]


def test_nor_one_that_they_are_about_to_see_live(bench):
    bench.publish("a", "racks", "x int", [[1]])
    sealed = bench.exchange()
    outcome = bench.publish("ops", "Racks", "x int", [[2]], static=1)
    assert isinstance(outcome, Refused), outcome
    bench.carry(sealed)


def test_sources_say_which_rows_came_from_whom(bench):
    bench.publish("a", "t", "x int", [[1], [2]])
    bench.publish("b", "t", "x int", [[3]])
    bench.publish("c", "u", "x int", [[1]], update=1, keycols="x")
    bench.rotate()
    sql = (
        "select s.identity, t.x from t join qasino_server_sources s"
        " on t.rowid between first_rowid and last_rowid and tablename = 't' order by x"
    )
    assert bench.rows(sql) == [["a", 1], ["a", 2], ["b", 3]]
    assert bench.rows("select count(*) from qasino_server_sources where tablename = 'u'") == [[0]]


def test_sources_are_told_again_once_nothing_updated_is_left(bench):
    bench.publish("b", "t", "x int", [[1], [2]], persist=1)
    bench.publish("a", "t", "x int", [[3]], update=1, keycols="x")
    bench.publish("c", "u", "x int", [[4]], persist=1, update=1)
    told = "select tablename, identity, nr_rows from qasino_server_sources"
    bench.rotate()
    assert bench.rows(told) == []
    for _ in range(2):
        bench.rotate()
        assert bench.rows(told) == [["t", "b", 2]]


def test_the_seeds_tables_have_exactly_the_seeds_columns(bench):
    names = {
        table: [
            column for (column,) in bench.rows(f"select name from pragma_table_info('{table}')")
        ]
        for table in (
            "qasino_server_info qasino_server_tables qasino_server_connections"
            " qasino_server_views qasino_server_sql_stats qasino_server_update_stats"
        ).split()
    }
    assert names == {
        "qasino_server_info": [
            "generation_number",
            "generation_duration_s",
            "generation_start_epoch",
        ],
        "qasino_server_tables": [
            "tablename",
            "nr_rows",
            "nr_updates",
            "last_update_epoch",
            "static",
        ],
        "qasino_server_connections": ["identity", "nr_tables", "last_update_epoch"],
        "qasino_server_views": ["viewname", "loaded", "errormsg", "view"],
        "qasino_server_sql_stats": ["sql_received", "sql_completed", "sql_errors"],
        "qasino_server_update_stats": [
            "updates_received",
            "updates_completed",
            "update_errors",
            "inserts_received",
            "inserts_completed",
        ],
    }


def test_tables_and_connections_count_what_was_published(bench):
    bench.publish("a", "t", "x int", [[1], [2]])
    bench.publish("b", "t", "x int", [[3]])
    bench.publish("b", "u", "x int", [[3]])
    bench.rotate()
    sql = "select tablename, nr_rows, nr_updates, static from qasino_server_tables"
    assert bench.rows(f"{sql} where tablename in ('t', 'u')") == [["t", 3, 2, 0], ["u", 1, 1, 0]]
    sql = "select identity, nr_tables from qasino_server_connections where identity <> 'server'"
    assert bench.rows(f"{sql} order by 1") == [["a", 1], ["b", 2]]
    sql = "select inserts_received, inserts_completed from qasino_server_update_stats"
    assert bench.rows(sql) == [[3, 3]]


def test_the_servers_own_tables_are_told_of_like_all_others(bench, tmp_path):
    views = "".join(f"- {{viewname: {v}, view: create view {v} as select 1 x}}\n" for v in "vwy")
    (tmp_path / "views.conf").write_text(views)
    for identity in "ab":
        bench.publish(identity, "t", "x int", [[1]])
    bench.publish("a", "s", "x int, y text", [[1, "z"]], static=1)
    bench.rotate()
    bench.publish("a", "t", "x int", [[1, 2]])
    bench.publish("a", "u", "x int, y int", [[1, 2]])
    bench.rotate()
    ((began,),) = bench.rows("select generation_start_epoch from qasino_server_info")
    told = bench.rows("select * from qasino_server_tables where tablename like 'qasino%'")
    own = "select viewname from qasino_server_views"
    assert [row[0] for row in bench.rows(own)] == ["v", "w", "y"]
    for name, nr_rows, nr_updates, updated, static in told:
        assert bench.rows(f"select count(*) from {name}") == [[nr_rows]], name
        assert (nr_updates, updated, static) == (1, began, 0)
    made = {name for name in bench.store._snapshot.place.snapshot.tables if "_" in name}
    assert {name for name, *_ in told} == made | {"qasino_server_views"}  # which each reader makes


def test_the_summaries_tell_of_each_table_what_it_has(bench):
    bench.publish("a", "t", "x int, y int", [[1, 2]])
    bench.publish("b", "t", "x int", [[1], [2]], persist=1)
    bench.publish("a", "u", "x int", [])
    bench.publish("a", "s", "x int, y int, z int", [[1, 2, 3]], static=1)
    bench.rotate()
    found = {table.name: table for table in bench.store.summaries()}
    told = [(found[n].nr_rows, found[n].nr_columns, found[n].nr_identities) for n in "tus"]
    assert told == [(3, 2, 2), (0, 1, 1), (1, 3, 1)]
    assert [(found[n].persistent, found[n].static) for n in "tus"] == [
        (True, False), (False, False), (False, True)
    ]  # fmt: skip
    for name in found:
        columns = f"select count(*) from pragma_table_info('{name}')"
        assert bench.rows(columns) == [[found[name].nr_columns]], name
    assert list(found) == sorted(found)


def test_times_are_told_to_the_hundredth_of_the_newest(bench):
    for name in "tu":
        began = time.time()
        bench.publish("a", name, "x int", [[1]])
        ended = time.time()
        until(lambda ended=ended: time.time() > ended + 0.02)
    bench.rotate()
    updated = "select last_update_epoch from qasino_server_"
    for (told,) in (
        *bench.rows(f"{updated}tables where tablename = 'u'"),
        *bench.rows(f"{updated}connections where identity = 'a'"),
        *bench.rows("select update_epoch from qasino_server_sources where tablename = 'u'"),
    ):
        assert began - 0.01 <= told <= ended + 0.01
        assert told == round(told, 2)


def test_every_column_is_told_of_in_its_place(bench):
    bench.publish("a", "t", "x int, y real", [[1, 2.5]])
    bench.publish("a", "s", "i text, j int", [["z", 1]], static=1)
    bench.rotate()
    told = "select position, column_name, column_type from qasino_server_columns where tablename = "
    for (name,) in bench.rows("select tablename from qasino_server_tables"):
        of_sqlite = bench.rows(f"select cid + 1, name, type from pragma_table_info('{name}')")
        assert bench.rows(f"{told} '{name}'") == of_sqlite


def test_rows_in_several_places_count_once_for_who_sent_them(bench):
    for n, identity in enumerate("abab"):
        columns, row = ("id int, x int", [n, n]) if identity == "a" else ("id int", [n])
        bench.publish(identity, "t", columns, [row], update=1, keycols="id")
    bench.publish("a", "u", "id int", [])
    bench.rotate()
    counted = "select tablename, nr_rows from qasino_server_tables where tablename in ('t', 'u')"
    assert bench.rows(counted) == [["t", 4], ["u", 0]]
    connections = "select identity, nr_tables from qasino_server_connections where identity < 'c'"
    assert bench.rows(f"{connections} order by 1") == [["a", 2], ["b", 1]]
    columns = "select tablename, column_name, nr_identities from qasino_server_columns"
    assert bench.rows(f"{columns} where length(tablename) = 1") == [
        ["t", "id", 2],
        ["t", "x", 1],
        ["u", "id", 1],
    ]


def test_an_identity_has_sent_the_columns_of_all_its_updates(bench):
    update = {"update": 1, "keycols": "id", "persist": 1}
    bench.publish("a", "t", "id int, x int", [[1, 2]], **update)
    bench.publish("a", "t", "id int, y int", [[1, 3]], **update)
    columns = "select column_name, nr_identities from qasino_server_columns where tablename = 't'"
    for _ in range(2):
        bench.rotate()
        assert bench.rows(columns) == [["id", 1], ["x", 1], ["y", 1]]
        assert bench.rows("select * from t") == [[1, 2, 3]]


IDENTITIES = [
    "0012",
    "12",
    "12.0",
    "1e3",
    "0x10",
    '"q"',
    "o'x",
    "[1]",
    '{"a":1}',
    "null",
    "\\u0041",
]
IDENTITIES += ["x" * 256, "é😀", "9" * 30, "server"]


def test_identities_stay_the_texts_they_are_in_the_servers_own_tables(bench):
    for identity in IDENTITIES:
        bench.publish(identity, "t", "x int", [[1], [2]])
    bench.publish("12", "u", "x int", [])
    bench.rotate()
    own = len(bench.rows("select * from qasino_server_tables where tablename like 'qasino%'"))
    tables = {identity: 1 for identity in IDENTITIES} | {"12": 2, "server": own + 1}
    assert dict(bench.rows("select identity, nr_tables from qasino_server_connections")) == tables
    sources = "select identity, first_rowid, last_rowid from qasino_server_sources order by 2"
    rowids = range(1, 2 * len(IDENTITIES), 2)
    assert bench.rows(sources) == [[i, n, n + 1] for i, n in zip(IDENTITIES, rowids, strict=True)]


def test_finished_generations_are_archived_whole_private_and_counted(make_bench, tmp_path):
    """The last of them at the end: it had none that it could make way for."""
    bench = make_bench(archive_dir=tmp_path / "archive", archive_keep=2)
    numbers = []
    for n in range(4):
        bench.publish("a", "t", "x int", [[n]])
        numbers.append(bench.rotate())
    bench.store.stop(5.0)
    kept = sorted((tmp_path / "archive").glob("qasino_*"))
    assert [path.name for path in kept] == [f"qasino_{n}.db" for n in numbers[2:]]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in kept)
    connection = sqlite3.connect(kept[-1])
    assert connection.execute("select x from t").fetchall() == [(3,)]
    assert connection.execute("select generation_number from qasino_server_info").fetchall() == [
        (numbers[3],)
    ]
    connection.close()


def _files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.rglob("*.db"))


def test_a_hundred_rotations_leave_no_more_files_and_descriptors_than_ten(bench, tmp_path):
    def turn(times: int) -> tuple[int, int]:
        for n in range(times):
            bench.publish("a", "t", "x int", [[n]])
            bench.rotate()
            assert bench.rows("select x from t") == [[n]]
        deadline = time.monotonic() + 10
        while len(_files(tmp_path / "db")) > 3 and time.monotonic() < deadline:
            pass
        return len(_files(tmp_path / "db")), len(os.listdir("/proc/self/fd"))

    files, descriptors = turn(10)
    assert files == 3
    more_files, more_descriptors = turn(100)
    assert (more_files, more_descriptors <= descriptors + 3) == (3, True)


def test_a_second_server_on_the_same_directory_or_static_file_is_told_so(make_bench, tmp_path):
    make_bench()
    with pytest.raises(StartError, match="another server uses the db-dir"):
        make_bench()
    with pytest.raises(StartError, match="another server uses the static tables"):
        make_bench(db_dir=tmp_path / "elsewhere")


def test_leftovers_of_a_killed_server_are_cleared_at_the_next_start(make_bench, tmp_path):
    left = tmp_path / "db" / "run-killed"
    left.mkdir(parents=True, mode=0o700)
    (left / "lock").touch()
    (left / "1.db").write_bytes(b"x" * 1000)
    (left / "0.db-compressed").touch()
    make_bench()
    assert not left.exists()


def test_what_a_user_keeps_in_the_db_dir_stays(make_bench, tmp_path):
    base = tmp_path / "db"
    kept = [base / "run-2024" / "results.csv", base / "run-old" / "1.db", tmp_path / "home" / "x"]
    for path in kept:
        path.parent.mkdir(parents=True, mode=0o700)
        path.write_text("mine")
    (base / "run-link").symlink_to(tmp_path / "home")
    make_bench()
    assert [path.read_text() for path in kept] == ["mine"] * 3
    assert not (tmp_path / "home" / "lock").exists()


@pytest.fixture
def shm(monkeypatch, tmp_path):
    """A place for everybody's directories, and where ours would be in it."""
    monkeypatch.setattr(directory, "_SHM", tmp_path / "shm")
    monkeypatch.setattr(directory, "_SHM_ROOM_BYTES", 0)
    (tmp_path / "shm").mkdir()
    return tmp_path / "shm" / f"qasino-{os.getuid()}"


def put_in_the_way(place, kind, elsewhere):
    """What another user could put where our directory is to be."""
    elsewhere.mkdir()
    if kind == "link":
        place.symlink_to(elsewhere)
    elif kind == "dangling link":
        place.symlink_to(elsewhere / "nowhere")
    elif kind == "file":
        place.touch()
    else:
        place.mkdir()
        place.chmod(0o777)


HOSTILE = ["link", "dangling link", "file", "directory for all"]


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_directory_that_is_not_ours_is_not_used(make_bench, tmp_path, shm, kind):
    put_in_the_way(shm, kind, tmp_path / "elsewhere")
    with pytest.raises(StartError, match="db-dir"):
        make_bench(db_dir=None)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("kind", HOSTILE)
def test_nor_is_one_that_takes_the_place_of_ours(make_bench, tmp_path, shm, kind):
    bench = make_bench(db_dir=None)
    bench.publish("a", "t", "x int", [[1]])
    bench.rotate()
    shutil.rmtree(shm)
    put_in_the_way(shm, kind, tmp_path / "elsewhere")
    with pytest.raises(StartError, match="db-dir"):
        bench.rotate()
    assert bench.rows("select x from t") == [[1]], "queries go on"
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("broken", ["not its owner's", "no register"])
def test_a_static_database_that_was_tampered_with_is_a_sentence(make_bench, tmp_path, broken):
    path = tmp_path / "static.db"
    if broken == "no register":
        made = apsw.Connection(str(path))
        made.execute("create table qasino_server_static (tablename, register)")
        made.execute("insert into qasino_server_static values ('t', '{')")
        made.close()
    else:
        path.mkdir()
    with pytest.raises(StartError, match="the static tables in"):
        make_bench()


def test_an_archive_leaves_what_it_has_not_made(make_bench, tmp_path):
    keep = tmp_path / "archive" / "qasino_backup.db"
    keep.parent.mkdir()
    keep.write_text("mine")
    bench = make_bench(archive_dir=tmp_path / "archive", archive_keep=1)
    for _ in range(3):
        bench.rotate()
    bench.store.stop(5)
    assert keep.read_text() == "mine"
    assert len(_files(tmp_path / "archive")) == 2


def test_an_archive_has_nothing_of_before_the_first_generation(make_bench, tmp_path):
    """The next server found it there, and asked whether the clock was set back."""
    bench = make_bench(archive_dir=tmp_path / "archive")
    number = bench.rotate()
    bench.store.stop(5)
    assert _files(tmp_path / "archive") == [f"qasino_{number}.db"]


def test_an_archive_is_made_and_rid_of_what_a_killed_server_left_half(make_bench, tmp_path):
    archive = tmp_path / "not" / "yet"
    make_bench(archive_dir=archive).store.stop(5)
    left = [archive / "qasino_7.partial", archive / "notes.partial", archive / "qasino_\u00b2.db"]
    for path in left:
        path.write_text("half")
    bench = make_bench(archive_dir=archive, archive_keep=1)
    bench.rotate()
    number = bench.rotate()
    bench.store.stop(5)
    assert [path.exists() for path in left] == [False, True, True]
    assert _files(archive) == [f"qasino_{number}.db", left[2].name]


def test_a_retired_file_that_cannot_be_removed_is_logged_and_others_are(bench, tmp_path, caplog):
    bench.rotate()
    stays = bench.store._snapshot.place.previous.path
    stays.unlink()
    stays.mkdir()
    for _ in range(3):
        bench.rotate()
    until(lambda: len(_files(tmp_path / "db")) == 4)
    assert "a retired generation was left as it was: " in caplog.text
    stays.rmdir()


def test_an_archive_keeps_the_newest_by_their_numbers(make_bench, tmp_path):
    archive = tmp_path / "archive"
    archive.mkdir()
    for number in (8, 9, 10):
        (archive / f"qasino_{number}.db").touch()
    bench = make_bench(archive_dir=archive, archive_keep=2)
    number = bench.rotate()
    bench.store.stop(5)
    assert _files(archive) == ["qasino_10.db", f"qasino_{number}.db"]


def test_an_archive_keeps_what_is_new_where_the_clock_was_ahead_before(
    make_bench, tmp_path, caplog
):
    """It was removed at once until the clock had caught up, or written over what was there."""
    archive = tmp_path / "archive"
    archive.mkdir()
    bench = make_bench(archive_dir=archive, archive_keep=3)
    ahead = bench.number + 86_400
    again = archive / f"qasino_{bench.number}.db"
    for path in (again, *(archive / f"qasino_{ahead + n}.db" for n in range(2))):
        path.touch()
    told = f"{again} was there already and is replaced: was the clock set back?"
    numbers = []
    for _ in range(4):
        bench.rotate()
        numbers.append(bench.store.generation_number)
        until(lambda: not bench.store._archive._copies)
    kept = [f"qasino_{number}.db" for number in numbers[:-1]]
    until(lambda: _files(archive) == kept)
    assert caplog.text.count(told) == 1


def test_an_archive_that_is_slower_than_generations_fills_nothing(
    make_bench, tmp_path, monkeypatch, caplog
):
    """Each generation's file waited behind the copies of those before it."""
    go_on = threading.Event()

    def slow(source, copy, length):
        assert go_on.wait(20)
        copy.write(source.read())

    monkeypatch.setattr(shutil, "copyfileobj", slow)
    bench = make_bench(archive_dir=tmp_path / "archive", archive_keep=9)
    for _ in range(9):
        bench.rotate()
    # One that is collected, the snapshot, the one before it, and the two that are copied.
    assert len(_files(tmp_path / "db")) <= 5
    assert caplog.text.count("is not archived: the ones before it still are") == 6
    go_on.set()
    until(lambda: not bench.store._archive._copies)
    bench.rotate()
    until(lambda: len(_files(tmp_path / "archive")) == 3)
    until(lambda: len(_files(tmp_path / "db")) == 3)


def test_a_snapshot_that_cannot_be_archived_leaves_nothing_and_is_logged(
    make_bench, tmp_path, caplog
):
    archive = tmp_path / "archive"
    bench = make_bench(archive_dir=archive, archive_keep=1)
    number = bench.rotate()
    (archive / f"qasino_{number}.db").mkdir()
    for old in (1, 2):
        (archive / f"qasino_{old}.db").touch()
    bench.rotate()
    until(lambda: f"archive of generation {number} failed: " in caplog.text)
    assert _files(archive) == [f"qasino_{number}.db"], "there is less of the old all the same"
    assert list(archive.glob("*.partial")) == []


def test_an_archive_writes_into_nothing_that_is_in_its_way(make_bench, tmp_path):
    archive, theirs = tmp_path / "archive", tmp_path / "theirs"
    theirs.write_text("mine")
    bench = make_bench(archive_dir=archive)
    number = bench.rotate()
    (archive / f"qasino_{number}.partial").symlink_to(theirs)
    bench.rotate()
    bench.store.stop(5)
    assert (archive / f"qasino_{number}.db").stat().st_size > 0
    assert theirs.read_text() == "mine"


def test_the_file_of_a_generation_that_was_lost_goes_once_its_rows_are_carried(
    bench, tmp_path, monkeypatch
):
    bench.publish("p", "kept", "x int", [[5]], persist=1)

    def fails(*given):
        raise OSError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(bench.store, "_take_facts", fails)
        with pytest.raises(OSError, match="no room"):
            bench.rotate()
    for _ in range(3):
        bench.rotate()
        assert bench.rows("select x from kept") == [[5]]
    until(lambda: len(_files(tmp_path / "db")) == 3)
    assert bench.store._files._lost == []


def test_a_rotation_that_fails_leaves_no_file_open(bench, monkeypatch):
    """Its connections were left to the garbage collector, where descriptors had run out."""
    bench.publish("p", "kept", "x int", [[5]], persist=1)

    def fails(*given):
        raise apsw.CantOpenError("no descriptor left")

    lost = bench.store._writer._intake.generation.path.name
    gc.disable()
    try:
        with monkeypatch.context() as patched:
            patched.setattr(store_room, "brief_connection", fails)
            with pytest.raises(ServerFault, match="no descriptor left"):
                bench.rotate()
        bench.rotate()
        opened = list(Path("/proc/self/fd").iterdir())
        assert [path for path in opened if lost in os.path.realpath(path)] == []
    finally:
        gc.enable()


def test_a_static_database_that_is_no_database_is_a_sentence(make_bench, tmp_path):
    (tmp_path / "static.db").write_bytes(b"this is no database, by any means" * 100)
    with pytest.raises(StartError, match=r"the static tables in .* cannot be read"):
        make_bench()


def test_files_removed_underneath_cost_one_generation_at_most(bench, tmp_path):
    bench.publish("p", "kept", "x int", [[1]], persist=1)
    bench.publish("a", "t", "x int", [[1]])
    bench.rotate()
    bench.publish("a", "t", "x int", [[2]])
    shutil.rmtree(next((tmp_path / "db").glob("run-*")))
    with pytest.raises(ServerFault, match="SQLite cannot write the generation's files: "):
        bench.rotate()
    assert bench.rows("select x from t") == [[1]]
    bench.publish("a", "t", "x int", [[3]])
    bench.publish("p", "kept", "x int", [[5]], persist=1)
    for _ in range(2):
        bench.rotate()
        assert bench.rows("select x from kept") == [[5]]
    bench.publish("a", "t", "x int", [[4]])
    bench.rotate()
    assert bench.rows("select x from t") == [[4]]


def test_an_update_of_rows_whose_file_is_gone_is_answered_all_the_same(bench, tmp_path):
    bench.publish("p", "kept", "id int, v text", [[1, "old"]], persist=1)
    bench.rotate()
    shutil.rmtree(next((tmp_path / "db").glob("run-*")))
    with pytest.raises(ServerFault, match="SQLite cannot write the generation's files: "):
        bench.rotate()
    outcome = bench.publish("p", "kept", "id int, v text", [[2, "new"]], update=1, keycols="id",
                            persist=1)  # fmt: skip
    assert outcome.applied
    bench.rotate()
    assert bench.rows("select * from kept") == [[2, "new"]]


def test_without_prev_the_snapshot_before_is_let_go_at_once(make_bench, tmp_path):
    bench = make_bench(keep_prev=False, archive_dir=tmp_path / "archive")
    for n in range(3):
        bench.publish("a", "t", "x int", [[n]])
        bench.rotate()
        assert bench.rows("select x from t") == [[n]]
    assert bench.refusal("select * from prev.t") == "no such table: prev.t"
    until(lambda: len(list((tmp_path / "db").rglob("*.db"))) == 2)
    until(lambda: len(list((tmp_path / "archive").glob("qasino_*.db"))) == 2)
