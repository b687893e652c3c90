"""Publications that are stored together are stored as each would have been alone."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from handed_in import publication
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qasino_server.errors import Full, QasinoError, Refused
from qasino_server.quota import Quota
from qasino_server.store.alike import ALIKE_MIN, alike
from qasino_server.store.ledger import Ledger
from qasino_server.store.room_left import RoomLeft
from qasino_server.table import Publication, Receipt

Bench = Any
"""conftest's bench at a store."""

TYPES = {"a": "int", "b": "text", "c": "real", "B": "int"}
FLAGS = [
    {},
    {},
    {},
    {"persist": 1},
    {"ttl_s": 100},
    {"replace": 1},
    {"update": 1, "keycols": "a"},
    {"keycols": "a"},
]


WORDS = ["", "", "cpu", "disk"]


def alike_to(
    identity: str, table: str, names: list[str], rows: Any, words: str = "", **flags: Any
) -> Publication:
    """`words` describe each of its columns."""
    columns = ", ".join(f"{name} {TYPES[name]}" for name in names)
    made = publication(identity, table, columns, rows, **flags)
    told = (words,) * len(names) if words else ()
    return msgspec.structs.replace(made, descriptions=told)


@st.composite
def batches(draw: st.DrawFn) -> list[Publication]:
    """A fleet's batch: mostly one table with one header, some that differ, some that are bad."""
    drawn, words = [], draw(st.sampled_from([[""], WORDS]))
    for n in range(draw(st.integers(3, 12))):
        others = [["a", "b", "c"], ["a"], ["B", "a"], ["c", "a"]]
        names = draw(st.sampled_from([["a", "b"]] * 15 + others))
        width = len(names) + draw(st.sampled_from([0] * 15 + [1, -1]))
        cell = st.one_of(st.none(), st.integers(-9, 9), st.text("xyz", max_size=2))
        rows = draw(st.lists(st.lists(cell, min_size=width, max_size=width), max_size=3))
        drawn.append(
            alike_to(
                f"host-{draw(st.sampled_from([n] * 7 + [1]))}",
                draw(st.sampled_from(["fleet"] * 8 + ["Fleet", "other"])),
                names,
                rows,
                words=draw(st.sampled_from(words)),
                **draw(st.sampled_from(FLAGS)),
            )
        )
    return drawn


def told(outcomes: list[Any]) -> list[Any]:
    """Outcomes without the generation's number, which differs from store to store."""
    return [
        o.sentence if isinstance(o, QasinoError) else (o.applied, o.nr_rows, o.message)
        for o in outcomes
    ]


def held(bench: Bench, generation: str = "") -> dict[str, Any]:
    """What the snapshot has of the two tables, whoever came first."""
    bench.rotate()
    found: dict[str, Any] = {}
    for table in ("fleet", "other"):
        columns = bench.columns(table) if exists(bench, table) else []
        found[f"columns of {table}"] = columns
        names = sorted(name for name, _ in columns)
        if names:
            rows = bench.rows(
                f"select s.identity, {', '.join(f't.{name}' for name in names)} from {table} t left"
                " join qasino_server_sources s on lower(tablename) = "
                f"'{table}' and t.rowid between first_rowid and last_rowid"
            )
            found[table] = (names, sorted(map(json.dumps, rows)))
    found["words"] = bench.rows(
        "select lower(tablename), column_name, description from qasino_server_columns"
        " where lower(tablename) in ('fleet', 'other') order by 1, 2"
    )
    found["tables"] = bench.rows(
        "select lower(tablename), nr_rows, nr_updates from qasino_server_tables"
        " where tablename not like 'qasino%' order by 1"
    )
    return found


def exists(bench: Bench, table: str) -> bool:
    return bool(
        bench.rows(f"select 1 from qasino_server_tables where lower(tablename) = '{table}'")
    )


@pytest.fixture
def two_benches(make_bench: Any, tmp_path: Any) -> tuple[Bench, Bench]:
    return make_bench(db_dir=tmp_path / "one", static_db=tmp_path / "1.db"), make_bench(
        db_dir=tmp_path / "two", static_db=tmp_path / "2.db"
    )


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(first=batches(), second=batches(), is_there=st.booleans())
def test_a_batch_is_stored_as_its_publications_would_be_one_by_one(
    two_benches: tuple[Bench, Bench],
    first: list[Publication],
    second: list[Publication],
    is_there: bool,
) -> None:
    """Over two generations: what lives on from the first is owed to pairs of the second.

    Where the table is there, nearly all that are alike are stored together; where it is not, few.
    """
    batched, single = two_benches
    for batch in (first, second):
        if is_there:
            wide = alike_to("other", "fleet", ["a", "b", "c"], [])
            assert told([batched.hand_in(wide)]) == told([single.hand_in(wide)])
        assert told(batched.together(batch)) == told([single.hand_in(one) for one in batch])
        assert held(batched) == held(single)
    for bench in (batched, single):
        for table in ("fleet", "other"):
            bench.drop(table)
        bench.rotate()
        bench.rotate()


def test_a_fleet_of_one_header_is_one_group_and_its_exceptions_are_in_none() -> None:
    fleet = [alike_to(f"host-{n}", "fleet", ["a"], [[n]]) for n in range(5)]
    twice = alike_to("host-1", "fleet", ["a"], [[9]])
    update = alike_to("host-8", "fleet", ["a"], [[9]], update=1)
    wide = alike_to("host-9", "fleet", ["a"], [[9]] * 10_000)
    wider = alike_to("host-10", "fleet", ["a", "b"], [[1, ""]])
    noted = alike_to("host-11", "fleet", ["a"], [[9]], keycols="a")
    batch = [*fleet, twice, update, wide, wider, noted]
    for adds in (False, True):
        assert alike(batch, Ledger(1), lambda publication, adds=adds: adds) == [[0, 1, 2, 3, 4]]


def test_no_group_that_adds_columns_is_stored_before_what_came_before_it() -> None:
    first = alike_to("host-0", "Fleet", ["a", "b"], [[1, ""]])
    fleet = [alike_to(f"host-{n}", "fleet", ["a"], [[n]]) for n in range(1, 6)]
    other = alike_to("host-6", "other", ["a"], [[1]])
    assert alike([first, *fleet], Ledger(1), lambda publication: False) == [[1, 2, 3, 4, 5]]
    for batch in ([first, *fleet], [*fleet[:3], first, *fleet[3:]], [*fleet[:4], first, fleet[4]]):
        assert alike(batch, Ledger(1), lambda publication: True) == []
    assert alike([other, *fleet, first], Ledger(1), lambda p: True) == [[1, 2, 3, 4, 5]]


def test_who_described_a_column_first_is_heard_before_those_that_are_alike(bench: Bench) -> None:
    """Also where the table is there, so that nobody minds what order its columns come in."""
    assert isinstance(bench.hand_in(alike_to("host-0", "fleet", ["a"], [[0]])), Receipt)
    first = alike_to("host-0", "fleet", ["a"], [[0]], words="of the first", replace=1)
    words = ["", "of 2", "of 3", "of 4"]
    others = [alike_to(f"host-{n}", "fleet", ["a"], [[n]], words[n - 1]) for n in range(1, 5)]
    bench.together([first, *others])
    assert held(bench)["words"] == [["fleet", "a", "of the first"]]


def test_a_table_that_was_dropped_is_made_by_who_comes_first(bench: Bench) -> None:
    """What was planned for the table before says nothing of the new one."""
    numbers = [publication(f"q{n}", "t", "a int", [[n]]) for n in range(1, 4)]
    for _ in range(2):
        bench.publish("p", "t", "a int", [[0]], persist=1, replace=1)
    assert isinstance(bench.drop("t"), str)
    outcomes = bench.together([publication("z", "t", "a text", [["007"]]), *numbers])
    assert told(outcomes) == [
        (True, 1, None),
        *[(True, 1, "column a is TEXT here, not INTEGER")] * 3,
    ]
    bench.rotate()
    assert bench.rows("select a from t order by a") == [["007"], ["1"], ["2"], ["3"]]


def test_a_column_that_was_dropped_with_its_table_is_made_by_who_sends_it_first(
    bench: Bench,
) -> None:
    for _ in range(2):
        bench.publish("p", "t", "a int, b int", [[0, 0]], persist=1, replace=1)
    assert isinstance(bench.drop("t"), str)
    bench.publish("o", "t", "a int", [[0]])
    numbers = [publication(f"q{n}", "t", "a int, b int", [[n, n]]) for n in range(1, 4)]
    outcomes = bench.together([publication("z", "t", "b text", [["007"]]), *numbers])
    assert told(outcomes[1:]) == [(True, 1, "column b is TEXT here, not INTEGER")] * 3


def test_those_that_are_alike_take_the_place_of_rows_that_are_not_carried_yet(
    bench: Bench,
) -> None:
    for n in range(4):
        bench.hand_in(alike_to(f"host-{n}", "fleet", ["a"], [[n]], persist=1))
    sealed = bench.exchange()
    again = [alike_to(f"host-{n}", "fleet", ["a"], [[10 + n]]) for n in range(4)]
    assert told(bench.together(again)) == [(True, 1, None)] * 4
    bench.carry(sealed)
    assert bench.rows("select a from fleet order by a", use_write_db=True) == [
        [10 + n] for n in range(4)
    ]


def test_each_of_two_fleets_in_a_batch_is_stored_once(bench: Bench) -> None:
    tables = ("fleet", "other")
    batch = [alike_to(f"host-{n}", table, ["a"], [[n]]) for n in range(3) for table in tables]
    assert told(bench.together(batch)) == [(True, 1, None)] * 6
    bench.rotate()
    assert [bench.rows(f"select count(*) from {table}") for table in tables] == [[[3]]] * 2


def test_one_bad_row_in_a_batch_is_told_to_its_sender_alone(bench: Bench) -> None:
    batch = [alike_to(f"host-{n}", "fleet", ["a"], [[n], [n]]) for n in range(6)]
    batch[2] = alike_to("host-2", "fleet", ["a"], [[2], [2, 2]])
    outcomes = bench.together(batch)
    assert isinstance(outcomes[2], QasinoError)
    assert outcomes[2].sentence.startswith("row 2 has 2 cells")
    assert all(isinstance(o, Receipt) and o.nr_rows == 2 for o in outcomes[:2] + outcomes[3:])
    bench.rotate()
    assert bench.rows("select count(*), count(distinct a) from fleet") == [[10, 5]]


@pytest.mark.parametrize("name", ["s", "v", "json_each"])
def test_a_name_that_is_taken_is_refused_to_a_fleet_as_to_one(
    bench: Bench, store_settings: dict[str, Any], name: str
) -> None:
    store_settings["views_file"].write_text("- {viewname: v, view: create view v as select 1 x}")
    assert bench.rows("select x from v") == [[1]]
    assert isinstance(bench.publish("a", "s", "a int", [[1]], static=1), Receipt)
    fleet = [alike_to(f"host-{n}", name, ["a"], [[n]]) for n in range(ALIKE_MIN)]
    alone = bench.hand_in(fleet[0])
    assert isinstance(alone, Refused)
    assert told(bench.together(fleet)) == [alone.sentence] * ALIKE_MIN


def test_what_is_too_much_together_is_counted_one_by_one(make_bench: Any) -> None:
    bench = make_bench(quota=Quota(identities=4))
    outcomes = bench.together([alike_to(f"host-{n}", "fleet", ["a"], [[n]]) for n in range(6)])
    assert [isinstance(o, Receipt) for o in outcomes] == [True] * 4 + [False] * 2
    assert "--max-identities" in outcomes[5].sentence  # type: ignore[union-attr]


BOUNDS: dict[str, tuple[str, dict[str, Any]]] = {
    "tables": ("--max-tables", {"quota": Quota(tables=1)}),
    "identities": ("--max-identities", {"quota": Quota(identities=1)}),
    "sources": ("--max-sources", {"quota": Quota(sources=1)}),
    "rows": ("--max-generation-rows", {"quota": Quota(rows=1)}),
    "size_bytes": ("--max-generation-bytes", {"max_generation_bytes": 50_000}),
}
"""Of each field of Quota: the option that is named, and a store that one publication fills."""


@pytest.mark.parametrize("bound", Quota.__struct_fields__)
def test_each_bound_refuses_one_publication_and_those_that_are_alike(
    make_bench: Any, bound: str, caplog: pytest.LogCaptureFixture
) -> None:
    option, changes = BOUNDS[bound]
    bench = make_bench(**changes)
    assert isinstance(bench.hand_in(alike_to("first", "t", ["b"], [["x" * 40_000]])), Receipt)
    table = "u" if bound == "tables" else "t"
    fleet = [alike_to(f"host-{n}", table, ["b"], [["x" * 12_000]]) for n in range(ALIKE_MIN)]
    for outcome in (bench.hand_in(fleet[0]), *bench.together(fleet)):
        assert isinstance(outcome, Full), outcome
        assert f"is the most ({option})" in outcome.sentence
    assert "rolled back" not in caplog.text, "SQLite had to say it"


def test_the_room_of_those_that_are_stored_together_is_taken_until_the_file_is_measured() -> None:
    room = RoomLeft(Quota(size_bytes=1000), Ledger(1), lambda: 0)
    fleet = [alike_to(f"host-{n}", "t", ["b"], [["x" * 90]]) for n in range(ALIKE_MIN)]
    assert [room.take_alike(fleet, ALIKE_MIN) for _ in range(5)] == [True] * 3 + [False] * 2
    room.measure()
    assert room.take_alike(fleet, ALIKE_MIN)


def test_rows_as_deep_as_sqlite_takes_alone_are_stored(bench: Bench) -> None:
    """One level more than it takes, once they are together."""
    deep = f"[[{'[' * 998}{']' * 998}]]"
    batch = [
        msgspec.structs.replace(alike_to(f"host-{n}", "fleet", ["b"], []), rows_json=deep)
        for n in range(4)
    ]
    assert told(bench.together(batch)) == [(True, 1, None)] * 4


def test_a_batch_that_is_rolled_back_is_counted_once(
    make_bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Its rows take more room in the file than in the message: SQLite says that it is full."""
    bench = make_bench(max_generation_bytes=300_000)
    batch = [alike_to(f"host-{n}", "fleet", ["a"], [[n]]) for n in range(5)]
    batch += [alike_to("long", "fleet", ["a"], [[7]] * 40_000)]
    outcomes = bench.together(batch)
    assert told(outcomes[:5]) == [(True, 1, None)] * 5
    assert isinstance(outcomes[5], Full)
    assert "batch of 6 rolled back" in caplog.text
    bench.rotate()
    assert bench.rows("select a from fleet order by a") == [[n] for n in range(5)]
    assert bench.rows("select identity, tablename from qasino_server_rejects") == [
        ["long", "fleet"]
    ]
    assert bench.rows("select * from qasino_server_update_stats") == [[0, 0, 0, 6, 5]]
    assert bench.rows("select nr_rows from qasino_server_tables where tablename = 'fleet'") == [[5]]


def test_what_waits_for_its_rows_when_the_server_ends_is_told_and_noted_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "qasino")
    store = bench.store
    bench.hand_in(alike_to("host", "fleet", ["a"], [[1]], persist=1))
    number = bench.number + 1
    retired = store._writer.exchange(store._files.new_generation(number), number)
    retired.generation.seal()
    outcomes: list[Any] = []
    update = alike_to("host", "fleet", ["a"], [[2]], update=1)
    store.publish(update, "peer", outcomes.append)
    assert isinstance(bench.hand_in(alike_to("other", "fleet", ["a"], [[3]])), Receipt)
    assert outcomes == []
    store.stop(5.0)
    assert told(outcomes) == ["the server is shutting down; nothing was stored"]
    rejected = [r.message for r in caplog.records if r.message.startswith("rejected ")]
    assert rejected == [f"rejected identity=host peer=peer table=fleet: {told(outcomes)[0]}"]
