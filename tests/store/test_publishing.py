"""Rules 1 to 12: what a publication does, and what it must not do."""

from __future__ import annotations

import gc
import json
import time
from typing import Any

import apsw
import pytest

from qasino_server.database.ranges import RowRange
from qasino_server.errors import QasinoError
from qasino_server.store.intake import REPEAT
from qasino_server.store.ledger import Source
from qasino_server.table import Column, Receipt


def ok(outcome: Any) -> Receipt:
    assert isinstance(outcome, Receipt), getattr(outcome, "sentence", outcome)
    assert outcome.applied, outcome.message
    return outcome


def refused(outcome: Any) -> str:
    assert isinstance(outcome, QasinoError), outcome
    return outcome.sentence


# --- 1: an ok is a promise --------------------------------------------------------------------


def test_what_was_answered_ok_is_in_the_next_snapshot_and_not_in_this_one(bench):
    receipt = ok(bench.publish("web-1", "t", "a int", [[1], [2]]))
    assert receipt.nr_rows == 2
    assert receipt.generation_number == bench.number
    assert "no such table" in bench.refusal("select * from t")
    assert bench.rotate() == receipt.generation_number
    assert bench.rows("select * from t") == [[1], [2]]


def test_a_refused_publication_leaves_no_trace(bench):
    sentence = refused(bench.publish("web-1", "t", "a int, b text", [[1, "x"], [2]]))
    assert sentence.startswith("row 2 has 1 cells")
    ok(bench.publish("web-1", "u", "a int", [[1]]))
    bench.rotate()
    assert bench.rows("select tablename from qasino_server_tables where tablename = 't'") == []
    assert bench.rows("select identity, reason from qasino_server_rejects") == [["web-1", sentence]]


def test_a_bad_publication_does_not_harm_the_others_of_its_batch(bench):
    outcomes = []
    publications = [("good", [[1]]), ("bad", [[1, 2]]), ("fine", [[3]])]
    for identity, rows in publications:
        outcomes.append(bench.publish(identity, "t", "a int", rows))
    assert [isinstance(outcome, Receipt) for outcome in outcomes] == [True, False, True]
    bench.rotate()
    assert bench.rows("select a from t order by a") == [[1], [3]]


def test_rows_whose_errors_would_cancel_out_are_refused_not_shifted(bench):
    outcome = bench.publish("x", "t", "a text, b text", [["1a"], ["2a", "2b", "2c"]])
    assert refused(outcome).startswith("row 1 has 1 cells")


# --- 3: merging -------------------------------------------------------------------------------


def test_tables_of_one_name_become_one_with_the_union_of_columns(bench):
    ok(bench.publish("a", "t", "identity ip, x int", [["a", 1]]))
    ok(bench.publish("b", "t", "identity ip, y real, z string", [["b", 1.5, "q"]]))
    bench.rotate()
    assert bench.columns("t") == [
        ["identity", "TEXT"],
        ["x", "INTEGER"],
        ["y", "REAL"],
        ["z", "TEXT"],
    ]
    assert bench.rows("select * from t order by identity") == [
        ["a", 1, None, None],
        ["b", None, 1.5, "q"],
    ]


def test_table_and_column_names_compare_without_case(bench):
    ok(bench.publish("a", "Disks", "Host text, Free int", [["a", 1]]))
    ok(bench.publish("b", "disks", "HOST text, free int", [["b", 2]]))
    bench.rotate()
    assert bench.rows("select * from DISKS order by host") == [["a", 1], ["b", 2]]
    assert bench.columns("disks") == [["Host", "TEXT"], ["Free", "INTEGER"]]


def test_the_order_of_columns_is_the_last_snapshots_whoever_comes_first(bench):
    ok(bench.publish("a", "t", "x int, y int", [[1, 2]]))
    ok(bench.publish("b", "t", "z int", [[3]]))
    bench.rotate()
    ok(bench.publish("b", "t", "w int, z int", [[4, 3]]))
    ok(bench.publish("a", "t", "y int, x int", [[2, 1]]))
    bench.rotate()
    assert [name for name, _ in bench.columns("t")] == ["x", "y", "z", "w"]


def test_a_column_nobody_sends_is_gone_one_generation_later(bench):
    ok(bench.publish("a", "t", "x int, y int", [[1, 2]]))
    bench.rotate()
    ok(bench.publish("a", "t", "y int", [[2]]))
    bench.rotate()
    assert bench.rows("select * from t") == [[None, 2]]
    ok(bench.publish("a", "t", "y int", [[2]]))
    bench.rotate()
    assert bench.columns("t") == [["y", "INTEGER"]]


def test_a_column_keeps_its_type_and_the_receipt_names_a_different_one(bench):
    ok(bench.publish("a", "t", "x int", [[1]]))
    receipt = ok(bench.publish("b", "t", "x text", [["two"]]))
    assert receipt.message == "column x is INTEGER here, not TEXT"
    receipt = ok(bench.publish("c", "t", "x real", [], keycols="x"))
    idle = "keycols has no effect without update"
    assert receipt.message == f"column x is INTEGER here, not REAL; {idle}"
    bench.rotate()
    assert bench.columns("t") == [["x", "INTEGER"]]
    assert bench.rows("select x, typeof(x) from t order by 2") == [[1, "integer"], ["two", "text"]]


def test_a_table_cannot_grow_over_sqlites_columns(bench):
    wide = ", ".join(f"c{n} int" for n in range(2000))
    ok(bench.publish("a", "t", wide, [[0] * 2000]))
    refusal = refused(bench.publish("b", "t", "c0 int, one_more int", [[1, 1]]))
    assert "2001 columns with those that are new in this" in refusal
    bench.rotate()
    assert bench.rows("select count(*) from t") == [[1]]


# --- 4: once per generation -------------------------------------------------------------------


def test_a_repeat_is_ok_not_applied_and_says_so(bench):
    ok(bench.publish("a", "t", "x int", [[1]]))
    again = bench.publish("a", "t", "x int", [[2], [3]])
    assert isinstance(again, Receipt)
    assert (again.applied, again.message, again.nr_rows) == (False, REPEAT, 1)
    bench.rotate()
    assert bench.rows("select x from t") == [[1]]


def test_replace_puts_the_newest_rows_of_that_identity_in_place(bench):
    ok(bench.publish("a", "t", "x int", [[1], [2]]))
    ok(bench.publish("b", "t", "x int", [[9]]))
    ok(bench.publish("a", "t", "x int", [[3]], replace=1))
    ok(bench.publish("a", "t", "x int", [[4]], replace=1))
    bench.rotate()
    assert bench.rows("select x from t order by x") == [[4], [9]]


def test_the_next_generation_begins_anew(bench):
    ok(bench.publish("a", "t", "x int", [[1]]))
    bench.rotate()
    ok(bench.publish("a", "t", "x int", [[2]]))
    bench.rotate()
    assert bench.rows("select x from t") == [[2]]
    bench.rotate()
    assert "no such table" in bench.refusal("select x from t")


# --- 5 to 8: types, names, cells, zero rows ----------------------------------------------------


def test_every_type_word_of_csv_and_json_is_known_in_any_case(bench):
    words = "string str ip text varchar char integer int ll time bigint float real double".split()
    columns = ", ".join(f"c{n} {word.upper()}" for n, word in enumerate(words))
    ok(bench.publish("a", "t", columns, [[None] * len(words)]))
    bench.rotate()
    assert [kind for _, kind in bench.columns("t")] == ["TEXT"] * 6 + ["INTEGER"] * 5 + ["REAL"] * 3


def test_keywords_and_rowid_names_work_as_names(bench):
    columns = "order int, group text, rowid int, oid int"
    ok(bench.publish("a", "select", columns, [[1, "g", 7, 8]]))
    ok(bench.publish("a", "select", columns, [[2, "h", 9, 10]], replace=1))
    bench.rotate()
    assert bench.rows('select "order", "group", rowid, oid from "select"') == [[2, "h", 9, 10]]


def test_a_column_named_rowid_can_come_later_and_rows_keep_their_places(bench):
    ok(bench.publish("a", "t", "x int", [[1], [2]]))
    ok(bench.publish("b", "t", "x int", [[3]]))
    ok(bench.publish("c", "t", "x int, rowid text, y int", [[4, "r", 5]]))
    ok(bench.publish("a", "t", "x int", [[6]], replace=1))
    bench.rotate()
    assert bench.rows("select x, rowid, y from t order by x") == [
        [3, None, None],
        [4, "r", 5],
        [6, None, None],
    ]


def test_all_three_names_of_the_rowid_at_once_are_refused(bench):
    outcome = bench.publish("a", "t", "rowid int, oid int, _rowid_ int", [[1, 2, 3]])
    assert "rowid" in refused(outcome)


@pytest.mark.parametrize(
    ("cell", "kind", "stored", "stored_type"),
    [
        (None, "int", None, "null"),
        (True, "int", 1, "integer"),
        (False, "text", "0", "text"),
        ({"a": [1, 2]}, "text", '{"a":[1,2]}', "text"),
        ([1, "x"], "text", '[1,"x"]', "text"),
        (9223372036854775807, "int", 9223372036854775807, "integer"),
        (-9223372036854775808, "int", -9223372036854775808, "integer"),
        (9223372036854775808, "int", 9.223372036854775808e18, "real"),
        (10**400, "real", None, "real"),
        ("0012", "text", "0012", "text"),
        ("12", "int", 12, "integer"),
        ("héllo \u65e5\u672c \U0001f600", "text", "héllo \u65e5\u672c \U0001f600", "text"),
        ("nul\0inside", "text", "nul\0inside", "text"),
        ("", "int", "", "text"),
    ],
)
def test_cells_are_stored_as_the_rules_say(bench, cell, kind, stored, stored_type):
    ok(bench.publish("a", "t", f"v {kind}", [[cell]]))
    bench.rotate()
    assert bench.rows("select v, typeof(v) from t") == [[stored, stored_type]]


def test_an_infinity_is_null_when_typed_and_inf_as_a_string(bench):
    ok(bench.publish("a", "t", "v real", [[10**400], [-(10**400)]]))
    bench.rotate()
    assert bench.rows("select v from t") == [[None], [None]]
    assert bench.rows("select v from t", form="strings") == [["Inf"], ["-Inf"]]


def test_zero_rows_make_an_empty_table(bench):
    assert ok(bench.publish("a", "t", "x int", [])).nr_rows == 0
    bench.rotate()
    assert bench.columns("t") == [["x", "INTEGER"]]
    assert bench.rows("select * from t") == []


# --- 9: persist and ttl ------------------------------------------------------------------------


def test_persistent_rows_are_carried_into_each_next_generation(bench):
    ok(bench.publish("a", "t", "x int, y text", [[1, "one"], [2, "two"]], persist=1))
    for _ in range(4):
        bench.rotate()
        assert bench.rows("select * from t order by x") == [[1, "one"], [2, "two"]]


def test_persistence_is_tracked_by_table_and_identity_not_by_the_two_glued_together(bench):
    ok(bench.publish("bc", "acol", "v text", [["acol of bc"]], persist=1))
    ok(bench.publish("lbc", "aco", "v text", [["aco of lbc"]], persist=1))
    for _ in range(2):
        bench.rotate()
    assert bench.rows("select v from acol") == [["acol of bc"]]
    assert bench.rows("select v from aco") == [["aco of lbc"]]


def test_publishing_a_persistent_table_again_replaces_its_rows_at_once(bench):
    ok(bench.publish("a", "t", "x int", [[1]], persist=1))
    ok(bench.publish("a", "t", "x int", [[2]], persist=1))
    for _ in range(2):
        bench.rotate()
        assert bench.rows("select x from t") == [[2]]
    ok(bench.publish("a", "t", "x int", [[3]], persist=1))
    for _ in range(2):
        bench.rotate()
        assert bench.rows("select x from t") == [[3]]


def test_publishing_without_persist_ends_the_persistence(bench):
    ok(bench.publish("a", "t", "x int", [[1]], persist=1))
    bench.rotate()
    ok(bench.publish("a", "t", "x int", [[2]]))
    bench.rotate()
    assert bench.rows("select x from t") == [[2]]
    bench.rotate()
    assert "no such table" in bench.refusal("select x from t")


def test_rows_with_a_ttl_are_carried_until_their_time_is_up(bench, monkeypatch):
    ok(bench.publish("a", "t", "x int", [[1]], ttl_s=100))
    sql = "select update_epoch from qasino_server_sources where tablename = 't'"
    bench.rotate()
    published = bench.rows(sql)
    bench.rotate()
    assert bench.rows("select x from t") == [[1]]
    assert bench.rows(sql) == published
    import qasino_server.store.ledger as ledger

    clock = ledger.time.monotonic
    monkeypatch.setattr(ledger.time, "monotonic", lambda: clock() + 101)
    bench.rotate()
    bench.rotate()
    assert "no such table" in bench.refusal("select x from t")


def test_many_rows_are_carried_whole_beside_publications(bench):
    rows = [[n, f"row {n}"] for n in range(70_000)]
    ok(bench.publish("a", "t", "x int, y text", rows, persist=1))
    bench.rotate()
    ok(bench.publish("b", "t", "x int, z text", [[-1, "beside"]]))
    bench.rotate()
    assert bench.rows("select count(*), sum(x), count(z) from t") == [
        [70_001, sum(range(70_000)) - 1, 1]
    ]


# --- 10: static --------------------------------------------------------------------------------


def test_a_static_table_is_visible_at_once_and_replaced_whole_by_anybody(bench):
    ok(bench.publish("a", "s", "x int", [[1], [2]], static=1))
    assert bench.rows("select x from s") == [[1], [2]]
    ok(bench.publish("b", "s", "x int, y text", [[3, "new"]], static=1))
    assert bench.rows("select * from s") == [[3, "new"]]


def test_the_same_query_sees_the_new_columns_of_a_replaced_static_table(bench):
    ok(bench.publish("a", "s", "x int", [[1]], static=1))
    assert [bench.ask("select * from s").column_names for _ in range(9)] == [("x",)] * 9
    ok(bench.publish("a", "s", "y text, z text", [["2", "3"]], static=1))
    assert [bench.ask("select * from s").column_names for _ in range(9)] == [("y", "z")] * 9
    assert bench.rows("select * from s") == [["2", "3"]]


def test_a_static_table_survives_a_restart(make_bench):
    first = make_bench()
    ok(first.publish("a", "s", "x int", [[1]], static=1))
    first.store.stop(5.0)
    second = make_bench()
    assert second.rows("select x from s") == [[1]]
    assert second.rows(
        "select tablename, nr_rows, static from qasino_server_tables t where tablename = 's'"
    ) == [["s", 1, 1]]


def test_static_and_live_tables_of_one_name_do_not_coexist(bench):
    ok(bench.publish("a", "s", "x int", [[1]], static=1))
    assert "is a static table" in refused(bench.publish("a", "S", "x int", [[2]]))
    ok(bench.publish("a", "live", "x int", [[1]]))
    assert "is a live table" in refused(bench.publish("a", "live", "x int", [[2]], static=1))
    bench.rotate()
    assert "is a live table" in refused(bench.publish("a", "live", "x int", [[2]], static=1))
    bench.rotate()
    ok(bench.publish("a", "live", "x int", [[3]], static=1))
    assert bench.rows("select x from live") == [[3]]


def test_a_static_table_with_a_bad_row_stays_as_it_was(bench):
    ok(bench.publish("a", "s", "x int", [[1]], static=1))
    assert refused(bench.publish("a", "s", "x int", [[1], [2, 3]], static=1)).startswith("row 2")
    assert bench.rows("select x from s") == [[1]]


def test_drop_table_ends_a_static_table(bench):
    ok(bench.publish("a", "s", "x int", [[1]], static=1))
    assert bench.drop("S") == "the static table S is gone"
    assert "no such table" in bench.refusal("select x from s")
    assert "no static or persistent table" in refused(bench.drop("s"))


def test_of_a_static_table_nothing_is_dropped_for_one_identity(bench):
    ok(bench.publish("a", "s", "x int", [[1]], static=1))
    assert refused(bench.drop("S", "a")) == "S is static and has no rows of one identity alone"
    assert bench.rows("select x from s") == [[1]]


def test_a_static_table_tells_how_often_and_when_it_was_replaced(bench):
    told = "select nr_updates, last_update_epoch from qasino_server_tables where tablename = 's'"
    for n in range(1, 3):
        began = time.time()
        ok(bench.publish("a", "s", "x int", [[n]], static=1))
        ended = time.time()
        bench.rotate()
        ((nr_updates, at),) = bench.rows(told)
        assert nr_updates == n
        assert began - 0.01 <= at <= ended + 0.01


def test_drop_table_ends_persistence_of_one_identity_or_of_all(bench):
    for identity in "abc":
        ok(bench.publish(identity, "t", "who text", [[identity]], persist=1))
    bench.rotate()
    bench.drop("t", "b")
    bench.rotate()
    assert bench.rows("select who from t order by who") == [["a"], ["c"]]
    bench.drop("t")
    bench.rotate()
    assert "no such table" in bench.refusal("select who from t")


# --- 11 and 12: update -------------------------------------------------------------------------


def test_an_update_changes_only_the_columns_it_sends(bench):
    ok(
        bench.publish(
            "u",
            "t",
            "id int, v text, w text",
            [[1, "one", "keep"], [2, "two", "keep"]],
            update=1,
            keycols="id",
        )
    )
    ok(
        bench.publish(
            "u", "t", "id int, v text", [[2, "TWO"], [3, "three"]], update=1, keycols="id"
        )
    )
    bench.rotate()
    assert bench.rows("select * from t order by id") == [
        [1, "one", "keep"],
        [2, "TWO", "keep"],
        [3, "three", None],
    ]


def test_an_update_touches_no_rows_of_other_identities(bench):
    ok(bench.publish("a", "t", "id int, v text", [[1, "of a"]]))
    ok(bench.publish("b", "t", "id int, v text", [[1, "of b"]], update=1, keycols="id"))
    ok(bench.publish("b", "t", "id int, v text", [[1, "of b again"]], update=1, keycols="ID"))
    bench.rotate()
    assert bench.rows("select v from t order by v") == [["of a"], ["of b again"]]


def test_of_duplicates_in_an_update_the_last_wins(bench):
    ok(
        bench.publish(
            "u",
            "t",
            "a int, b int, v text",
            [[1, 1, "x"], [1, 2, "y"], [1, 1, "z"]],
            update=1,
            keycols="a;b",
        )
    )
    bench.rotate()
    assert bench.rows("select * from t order by b") == [[1, 1, "z"], [1, 2, "y"]]


def test_without_keycols_all_columns_are_the_key(bench):
    ok(bench.publish("u", "t", "a int, b int", [[1, 1], [1, 1], [1, 2]], update=1))
    ok(bench.publish("u", "t", "a int, b int", [[1, 2], [3, 4]], update=1))
    bench.rotate()
    assert bench.rows("select * from t order by a, b") == [[1, 1], [1, 2], [3, 4]]


def test_null_keys_and_keys_of_another_type_find_their_rows(bench):
    ok(bench.publish("u", "t", "id int, v text", [[None, "n"], ["7", "s"]], update=1, keycols="id"))
    ok(
        bench.publish(
            "u", "t", "id text, v text", [[None, "n2"], ["7", "s2"]], update=1, keycols="id"
        )
    )
    bench.rotate()
    assert bench.rows("select * from t order by id") == [[None, "n2"], [7, "s2"]]


def test_an_update_over_plain_rows_with_double_keys_loses_nothing(bench):
    ok(bench.publish("u", "t", "a int, b int", [[1, 1], [1, 2]]))
    ok(bench.publish("u", "t", "a int, b int", [[1, 9]], update=1, keycols="a"))
    bench.rotate()
    assert bench.rows("select * from t") == [[1, 9], [1, 9]]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"keycols": "a"}, "keycols has no effect without update"),
        ({"keycols": "a", "static": 1}, "keycols has no effect without update"),
        ({"persist": 1, "ttl_s": 9}, "ttl_s has no effect beside persist"),
        ({"persist": 1, "ttl_s": 9, "keycols": "a"}, "without update; ttl_s has no effect"),
        ({"persist": 1}, None),
        ({"ttl_s": 9}, None),
        ({"update": 1, "keycols": "a", "ttl_s": 9}, None),
    ],
)
def test_an_option_without_effect_is_told_of(bench, flags, told):
    receipt = bench.publish("p", "t", "a int", [[1]], **flags)
    assert receipt.applied
    assert receipt.message is None if told is None else told in receipt.message


def test_a_time_for_rows_that_persist_already_is_told_to_be_none(bench):
    ok(bench.publish("p", "t", "k int, v int", [[1, 1]], persist=1))
    update = {"update": 1, "keycols": "k", "ttl_s": 0.001}
    receipt = bench.publish("p", "t", "k int, v int", [[1, 2]], **update)
    assert "ttl_s has no effect on rows that persist already" in receipt.message
    for _ in range(3):
        bench.rotate()
    assert bench.rows("select v from t") == [[2]]
    persists = bench.publish("p", "t", "k int, v int", [[1, 3]], **update, persist=1)
    assert persists.message.count("ttl_s") == 1


def test_a_table_is_called_what_it_was_called_before_whoever_comes_first(bench):
    for order in (["load", "Load", "LOAD"], ["Load", "LOAD", "load"]):
        for name in order:
            ok(bench.publish(name, name, "a int", [[1]]))
        bench.rotate()
        assert bench.rows("select distinct tablename from qasino_server_sources") == [["load"]]
    ok(bench.publish("u", "LOAD", "a int", [[1]], update=1, keycols="a"))
    ok(bench.publish("v", "Load", "a int", [[1]]))
    bench.rotate()
    name = "select tablename from qasino_server_tables where lower(tablename) = 'load'"
    assert bench.rows(name) == [["load"]]
    bench.rotate()
    ok(bench.publish("v", "Load", "a int", [[1]]))
    bench.rotate()
    assert bench.rows(name) == [["Load"]], "nobody had it for a generation"


def test_keycols_that_are_no_column_are_refused_by_name(bench):
    outcome = bench.publish("u", "t", "a int", [[1]], update=1, keycols="nosuch")
    assert "'nosuch'" in refused(outcome)


def test_persistent_updates_cover_all_rows_of_the_pair_through_generations(bench):
    ok(bench.publish("u", "t", "id int, v text", [[1, "a"], [2, "b"]], persist=1))
    bench.rotate()
    ok(bench.publish("u", "t", "id int, v text", [[2, "B"]], update=1, keycols="id"))
    for _ in range(3):
        bench.rotate()
        assert bench.rows("select * from t order by id") == [[1, "a"], [2, "B"]]


def test_a_plain_publication_after_an_update_is_a_repeat(bench):
    ok(bench.publish("u", "t", "id int", [[1]], update=1, keycols="id"))
    again = bench.publish("u", "t", "id int", [[2]])
    assert isinstance(again, Receipt)
    assert not again.applied


def test_static_goes_with_none_of_persist_and_update(bench):
    for flags in ({"persist": 1}, {"update": 1}, {"ttl_s": 5}):
        outcome = bench.publish("u", "t", "id int", [[1]], static=1, **flags)
        assert "static goes with none" in refused(outcome)


def test_name_value_updates_are_cells_of_a_persistent_row_by_identity(bench):
    ok(bench.set("nv1", "nvt.colone", "1"))
    ok(bench.set("nv1", "nvt.coltwo", "2"))
    ok(bench.set("nv2", "nvt.colone", "3"))
    for _ in range(2):
        bench.rotate()
        assert bench.rows("select * from nvt order by identity") == [
            ["nv1", "1", "2"],
            ["nv2", "3", None],
        ]
    ok(bench.set("nv1", "nvt.colone", "one"))
    for _ in range(2):
        bench.rotate()
        assert bench.rows("select colone, coltwo from nvt where identity = 'nv1'") == [["one", "2"]]


def test_a_name_value_update_of_a_plain_table_is_refused(bench):
    ok(bench.publish("nv1", "nvt", "identity text, colone text", [["nv1", "1"]]))
    told = refused(bench.set("nv1", "nvt.colone", "2"))
    assert (
        "a plain table in this generation; name_value_update works on persistent ones only" in told
    )


def test_a_name_value_update_of_rows_that_end_is_refused_as_such(bench):
    ok(bench.publish("nv1", "nvt", "identity text, v text", [["nv1", "1"]], ttl_s=1000))
    for _ in range(2):
        told = refused(bench.set("nv1", "nvt.v", "2"))
        assert told.startswith("nv1 has rows of nvt that end (ttl_s); ")
        bench.rotate()


def test_descriptions_reach_the_columns_table(bench):
    body = {
        "identity": "a",
        "table": {
            "tablename": "t",
            "column_names": ["x", "y"],
            "column_types": ["int", "int"],
            "column_descriptions": ["How many", ""],
            "rows": [[1, 2]],
        },
    }
    from qasino_server.message import decode_request

    bench.hand_in(decode_request(json.dumps(body).encode(), "add_table_data").publication)
    bench.rotate()
    sql = "select column_name, description from qasino_server_columns where tablename = 't'"
    assert bench.rows(sql) == [["x", "How many"], ["y", None]]


def test_the_books_are_no_work_for_the_garbage_collector(bench: Any) -> None:
    """Looking through those of 60,000 identities held everybody up for a tenth of a second."""
    for n in range(300):
        bench.publish(f"host-{n}", "t", "x int", [[n]])
    gc.collect()
    looked_at = [o for o in gc.get_objects() if isinstance(o, Source | RowRange | Column)]
    assert not looked_at


def test_what_is_refused_is_forgotten_at_once(bench: Any) -> None:
    """Errors with their tracebacks held megabytes of refused rows until garbage was sought."""
    refused = {
        "rows": lambda: bench.publish("a", "t", "x int", [[1, 2]]),
        "a name": lambda: bench.publish("a", "json_each", "x int", [[1]]),
        "static rows": lambda: bench.publish("a", "t", "x int", [[1, 2]], static=True),
        "a drop": lambda: bench.drop("nothing"),
        "no table": lambda: bench.ask("select 1 from nothing"),
        "no reading": lambda: bench.ask("pragma user_version"),
        "two statements": lambda: bench.ask("select 1; select 2"),
        "a failing cell": lambda: bench.ask("select abs(-9223372036854775808)"),
    }
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for refuse in refused.values():
            assert isinstance(refuse(), QasinoError)
        gc.collect()
        left = [o for o in gc.garbage if isinstance(o, QasinoError | apsw.Error)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert not left
