"""Tables of many columns, and columns that come later: what SQLite is asked to do for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from qasino_server.database import upsert as upsert_room
from qasino_server.database.generation import Generation
from qasino_server.database.ranges import RowRange, count_rows
from qasino_server.database.upsert import Upsert
from qasino_server.table import Columns, Receipt, check_columns


@pytest.fixture
def generation(tmp_path: Path) -> Iterator[Generation]:
    made = Generation(tmp_path / "g.db")
    yield made
    made.seal()


def columns(letter: str, count: int) -> Columns:
    return check_columns(tuple(f"{letter}{n}" for n in range(count)), ("int",) * count)


def fill(generation: Generation, name: str, of: Columns, nr_rows: int) -> None:
    generation.create_table(name, of)
    cells = ", ".join(["i"] * len(of))
    generation._execute(
        f"with recursive n(i) as (select 1 union all select i + 1 from n limit {nr_rows})"
        f" insert into {name} select {cells} from n"
    )


def told(generation: Generation, act: Any) -> list[str]:
    """The statements that SQLite is given."""
    sql: list[str] = []
    generation._connection.exec_trace = lambda cursor, text, bound: bool(sql.append(text)) or True
    with generation.transaction:
        act()
    generation._connection.exec_trace = None
    return sql


@pytest.mark.parametrize(("nr_rows", "nr_added"), [(1, 1900), (5_000, 50), (100, 1)])
def test_many_columns_are_added_at_once_where_few_rows_have_to_be_copied(
    generation: Generation, nr_rows: int, nr_added: int
) -> None:
    """One by one 1900 took 3 s, since SQLite reads the whole schema for each."""
    before, more = columns("b", 3), columns("m", nr_added)
    fill(generation, "t", before, nr_rows)
    sql = told(generation, lambda: generation.add_columns("t", before, more))
    assert len(sql) < 12
    names = [name for (_, name, *_) in generation._execute("pragma table_info(t)")]
    assert names == [c.name for c in before + more]
    counted = generation._execute("select count(*), sum(rowid = b0), count(m0) from t").get
    assert counted == (nr_rows, nr_rows, 0)


def test_many_rows_are_not_copied_for_a_column(generation: Generation) -> None:
    before, more = columns("b", 3), columns("m", 2)
    fill(generation, "t", before, 5_000)
    sql = told(generation, lambda: generation.add_columns("t", before, more))
    assert [text.split()[0] for text in sql if "ADD COLUMN" in text] == ["ALTER"] * 2
    assert not [text for text in sql if text.startswith("INSERT")]


def test_an_update_by_many_keys_is_found_by_some_of_them(generation: Generation) -> None:
    """By an index of 2000 columns SQLite took seconds to find one row."""
    wide = columns("c", 2000)
    names = [c.name for c in wide]
    generation.create_table("t", wide)

    def update(*rows: list[int]) -> tuple[Any, ...]:
        checked = generation.check_rows(str(list(rows)), 2000)
        return generation.upsert(Upsert("t", wide, names, names, checked, ranges))

    ranges: Any = ()
    told(generation, lambda: update([0] * 2000))
    (ranges,) = [generation._ranges_of([1])[0]]
    other = [0] * 1999 + [1]
    sql = told(generation, lambda: update([0] * 2000, other, other))
    (index,) = [text for text in sql if text.startswith("CREATE INDEX")]
    assert index.count(",") < 10
    assert generation._execute("select c0, c1999 from t").fetchall() == [(0, 0), (0, 1)]


def test_an_update_whose_first_keys_are_the_same_in_every_row_compares_few_of_them(
    generation: Generation,
) -> None:
    """Of 10,000 each was compared with each, and everybody waited for 45 s."""
    header, nr_rows = columns("c", 10), 1_000
    names = [c.name for c in header]
    generation.create_table("t", header)
    rows = generation.check_rows(str([[0] * 9 + [n] for n in range(nr_rows)]), 10)
    ranges: Any = ()
    instructions: list[None] = []
    for _ in range(2):
        instructions.clear()
        generation._connection.set_progress_handler(lambda: bool(instructions.append(None)), 100)
        with generation.transaction:
            ranges += generation.upsert(Upsert("t", header, names, names, rows, ranges))
        generation._connection.set_progress_handler(None)
    assert count_rows(ranges) == nr_rows
    assert len(instructions) * 100 < 500 * nr_rows


def test_an_update_of_rows_in_many_places_is_no_more_statements(generation: Generation) -> None:
    """One for each of them made every update slower than the one before: 12 ms after 5,000."""
    header = columns("c", 1)
    fill(generation, "t", header, 1_000)
    ranges = tuple(RowRange(n, n) for n in range(1, 1_000, 2))
    rows = generation.check_rows("[[3], [4]]", 1)
    sql = told(
        generation, lambda: generation.upsert(Upsert("t", header, ["c0"], ["c0"], rows, ranges))
    )
    assert len(sql) < 12
    assert generation._execute("select rowid from t where c0 = 4").fetchall() == [(4,), (1001,)]


@pytest.mark.parametrize("width", [1996, 1997, 2000])
def test_an_update_of_as_many_columns_as_there_may_be_changes_them(bench: Any, width: int) -> None:
    """SQLite refused it for its columns, and the sender was told of a fault of the server."""
    header = ", ".join(f"c{n} int" for n in range(width))
    for value in (1, 2):
        rows = [[key, *[value] * (width - 1)] for key in range(2 + value)]
        bench.publish("a", "t", header, rows, update=1, keycols="c0")
    found = bench.rows(f"select c0, c1, c{width - 1} from t", use_write_db=True)
    assert sorted(found) == [[key, 2, 2] for key in range(4)]


@pytest.mark.parametrize("width", [51, 600, 2000])
def test_rows_that_differ_in_the_last_of_many_columns_are_found_by_all_of_them(
    bench: Any, width: int
) -> None:
    """A text of all keys takes more arguments than a function of SQLite's may have."""
    header = ", ".join(f"c{n} int" for n in range(width))
    for count in (20, 25, 25):
        rows = [[0] * (width - 1) + [n] for n in range(count)]
        assert isinstance(bench.publish("a", "t", header, rows, update=1), Receipt)
    found = bench.rows(f"select c0, c{width - 1} from t order by 2", use_write_db=True)
    assert found == [[0, n] for n in range(25)]


CELL = st.one_of(st.none(), st.integers(0, 1))


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(st.lists(CELL, min_size=12, max_size=12), max_size=6), max_size=4))
def test_all_keys_count_also_those_that_are_in_no_index(
    bench: Any, updates: list[list[list[Any]]]
) -> None:
    header = ", ".join(f"k{n} int" for n in range(12))
    held: set[tuple[Any, ...]] = set()
    bench.publish("a", "t", header, [], replace=1)
    for rows in updates:
        bench.publish("a", "t", header, rows, update=1)
        held |= set(map(tuple, rows))
    found = bench.rows("select * from t", use_write_db=True)
    assert sorted(map(str, found)) == sorted(str(list(row)) for row in held)


@pytest.mark.parametrize("nr_columns", [1001, 2000])
def test_text_that_is_no_utf8_is_read_beside_any_number_of_columns(
    bench: Any, nr_columns: int
) -> None:
    odd = "cast(x'61ff' as text), cast(x'6200' as text), x'ff', x'4142', null, 1.5, '', x''"
    told = ["a\ufffd", "b\0", "ff", "AB", None, 1.5, "", ""]
    cells = ", ".join(map(str, range(nr_columns - len(told))))
    for sql in (f"select {cells}, {odd}", f"select {cells}, {odd} where random() is not null"):
        assert bench.rows(sql) == [[*range(nr_columns - len(told)), *told]]
        strings = ["" if cell is None else str(cell) for cell in told]
        assert bench.rows(sql, form="strings")[0][-len(told) :] == strings
        assert len(bench.ask(sql, form="rows").rows[0]) == nr_columns


LEAST = -(2**63)
UNLIKE_CELL = st.sampled_from(
    [
        None,
        0,
        -0.0,
        1,
        0.5,
        LEAST,
        float(LEAST),
        LEAST + 1,
        2**63 - 1,
        1e300,
        "",
        "0",
        ",",
        "a",
        "b",
    ]
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.sampled_from(["int", "real", "text"]), min_size=9, max_size=9),
    st.lists(st.lists(st.lists(UNLIKE_CELL, min_size=9, max_size=9), max_size=6), max_size=4),
)
@example(["real"] * 9, [[[0.0] * 9], [[-0.0] * 9]])
@example(["int"] * 9, [[[LEAST] * 9], [[float(LEAST)] * 9]])
def test_rows_are_found_by_all_keys_as_by_the_first(
    merging_bench: Any, kinds: list[str], updates: list[list[list[Any]]]
) -> None:
    bench, table = merging_bench()
    header = ", ".join(f"k{n} {kind}" for n, kind in enumerate(kinds))
    found = []
    for most in (0, 100):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(upsert_room, "_ALIKE_MOST", most)
            name = f"{table}_{most}"
            bench.publish("a", name, header, [], replace=1)
            for rows in updates:
                bench.publish("a", name, header, rows, update=1)
        found.append(bench.rows(f"select * from {name}", use_write_db=True))
    assert str(found[0]) == str(found[1])
