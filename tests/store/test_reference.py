"""Whatever is published, in whatever order and company, is what the reference makes of it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from handed_in import publication
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference import Reference, Row, Snapshot, Table

from qasino_server.errors import QasinoError
from qasino_server.table import Publication

Bench = Any
"""conftest's bench at a store."""
Drop = tuple[str, str | None]
"""Which table, and of which identity, or of all."""
Step = list[Publication] | Drop | str
"""A batch, a drop, or a rotation."""
ROTATION = "rotation"
EARLY = "rotation, and what comes next comes before what lives on is carried"

COLUMNS = ["a int", "a text", "A int", "b text", "B real", "c real", "c int", "d int"]
IDENTITIES = ["p", "q", "r", "s", "u"]
TABLES = ["t", "t", "t", "T", "v"]
OPTIONS: list[dict[str, Any]] = [
    {},
    {},
    {"replace": 1},
    {"persist": 1},
    {"persist": 1, "replace": 1},
    {"ttl_s": 1000},
    {"update": 1},
    {"update": 1, "persist": 1},
    {"update": 1, "ttl_s": 1000},
]
CELLS = st.one_of(
    st.none(), st.integers(-2, 2), st.sampled_from(["1", "x", "", "1.0", 1.0, -0.5, 2**62, [1]])
)
NUMBERS = itertools.count()
"""For the names of tables: what one example leaves behind is none of another's."""


@st.composite
def publications(draw: st.DrawFn) -> Publication:
    columns = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=4, unique_by=_key))
    width = len(columns) + draw(st.sampled_from([0] * 9 + [1]))
    rows = draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=4))
    options = draw(st.sampled_from(OPTIONS))
    if "update" in options and draw(st.booleans()):
        options = options | {"keycols": ";".join(map(_key, columns[:2]))}
    words = draw(st.sampled_from([(), (), ("one", "two", "", "four")[: len(columns)]]))
    return publication(
        draw(st.sampled_from(IDENTITIES)),
        draw(st.sampled_from(TABLES)),
        ", ".join(columns),
        rows,
        words,
        **options,
    )


def _key(column: str) -> str:
    return column.split()[0].lower()


@st.composite
def fleets(draw: st.DrawFn) -> list[Publication]:
    """A batch of which most have the same header, and so are stored together."""
    first = draw(publications())
    others = draw(st.lists(publications(), max_size=3))
    alike = [msgspec.structs.replace(first, identity=identity) for identity in IDENTITIES]
    return draw(st.permutations([*alike, *others]))


STEPS = st.lists(
    st.one_of(
        st.sampled_from([ROTATION, EARLY]),
        st.lists(publications(), min_size=1, max_size=4),
        fleets(),
        st.tuples(st.sampled_from(TABLES), st.sampled_from([*IDENTITIES, None])),
    ),
    min_size=2,
    max_size=12,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_every_snapshot_is_what_the_reference_has(bench: Bench, steps: Sequence[Step]) -> None:
    ending = f"_{next(NUMBERS)}"
    try:
        _compare(bench, steps, ending)
    finally:
        bench.carry_late()
    for table in ("t", "v"):
        bench.drop(f"{table}{ending}")


def _compare(bench: Bench, steps: Sequence[Step], ending: str) -> None:
    reference = Reference()
    for step in [*steps, ROTATION, ROTATION]:
        if isinstance(step, str):
            bench.carry_late()
            expected = reference.rotate()
            bench.rotate_and_carry_later()
            assert snapshot(bench, ending) == told(expected)
        elif isinstance(step, list):
            batch = [_renamed(one, ending) for one in step]
            if any(one.update for one in batch):
                bench.carry_late()  # they would wait for it, and others overtake them
            assert outcomes(bench.together(batch)) == [reference.publish(one) for one in batch]
        else:
            table, identity = step
            ended = reference.drop(f"{table}{ending}".lower(), identity)
            assert isinstance(bench.drop(f"{table}{ending}", identity), str) == ended
        if step == ROTATION:
            bench.carry_late()


def _renamed(one: Publication, ending: str) -> Publication:
    return msgspec.structs.replace(one, tablename=one.tablename + ending)


def outcomes(found: Sequence[Any]) -> list[tuple[bool, int] | None]:
    return [None if isinstance(o, QasinoError) else (o.applied, o.nr_rows) for o in found]


def told(expected: Snapshot) -> dict[str, Any]:
    """What there is to know of a snapshot, without regard to the order of rows."""
    tables = {table.name: _told_of(table) for table in expected.tables.values()}
    missing = sorted((who, key, nr) for (who, key), nr in expected.missing.items())
    return {"tables": tables, "missing": missing}


def _told_of(table: Table) -> dict[str, Any]:
    rows_of = {who: _as_cells(table, pair.rows) for who, pair in table.pairs.items()}
    return {
        "columns": [(*column, table.words.get(key)) for key, column in table.columns.items()],
        "nr_updates": table.nr_updates,
        "rows": sum(rows_of.values(), Counter()),
        "rows of": {} if table.upserted else {who: r for who, r in rows_of.items() if r},
    }


def _as_cells(table: Table, rows: Sequence[Row]) -> Counter[str]:
    return Counter(repr([row.get(key) for key in table.columns]) for row in rows)


def snapshot(bench: Bench, ending: str) -> dict[str, Any]:
    """The same of the snapshot that queries see."""
    of_these = f"where lower(tablename) like '%\\{ending}' escape '\\'"
    names = bench.rows(f"select tablename, nr_updates from qasino_server_tables {of_these}")
    missing = bench.rows(
        "select identity, lower(tablename), generations_missed from qasino_server_missing"
        f" {of_these} order by 1, 2"
    )
    return {
        "tables": {name: _found(bench, name, nr) for name, nr in names},
        "missing": [tuple(row) for row in missing],
    }


def _found(bench: Bench, name: str, nr_updates: int) -> dict[str, Any]:
    columns = bench.rows(
        "select column_name, column_type, description from qasino_server_columns"
        f" where tablename = '{name}' order by position"
    )
    names = ", ".join(f"t.{column}" for column, _, _ in columns)
    ranges = bench.rows(
        "select identity, first_rowid, last_rowid from qasino_server_sources"
        f" where tablename = '{name}'"
    )
    rows_of: dict[str, Counter[str]] = {}
    for identity, first, last in ranges:
        within = f"where rowid between {first} and {last}"
        found = bench.rows(f"select {names} from {name} t {within}")
        rows_of.setdefault(identity, Counter()).update(map(repr, found))
    return {
        "columns": [tuple(column) for column in columns],
        "nr_updates": nr_updates,
        "rows": Counter(map(repr, bench.rows(f"select {names} from {name} t"))),
        "rows of": rows_of,
    }
