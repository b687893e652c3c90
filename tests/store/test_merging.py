"""Merging, for any interleaving: the union, nothing lost, and dependent on the rules alone."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qasino_server.merge import plan_merge
from qasino_server.table import Column, Receipt

NAMES = ["a", "B", "b", "c", "order", "rowid"]
TYPES = ["int", "text", "real"]
SQL_TYPES = {"int": "INTEGER", "text": "TEXT", "real": "REAL"}
CELLS = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.booleans(),
)


@st.composite
def publications(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Publications of one table by a few identities, in some order."""
    count = draw(st.integers(1, 7))
    drawn = []
    for number in range(count):
        names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique_by=str.lower))
        types = [draw(st.sampled_from(TYPES)) for _ in names]
        rows = draw(st.lists(st.tuples(*[CELLS] * len(names)), max_size=3))
        drawn.append(
            {
                "identity": draw(st.sampled_from(["i1", "i2", "i3"])),
                "names": ["tag", *names],
                "types": ["int", *types],
                "rows": [[number, *row] for row in rows],
                "replace": draw(st.booleans()),
            }
        )
    return drawn


class Books:
    """What must be there, by the rules, kept in plain Python."""

    def __init__(self) -> None:
        self.inherited: list[tuple[str, str]] = []
        self.begin()

    def begin(self) -> None:
        """A new generation."""
        self.columns: list[tuple[str, str]] | None = None
        self.sent: set[str] = set()
        self.rows: dict[str, list[dict[str, Any]]] = {}

    def publish(self, publication: dict[str, Any]) -> bool:
        """Whether it is applied."""
        identity = publication["identity"]
        if identity in self.rows and not publication["replace"]:
            return False
        if self.columns is None:
            self.columns = list(self.inherited)
        known = {name.lower() for name, _ in self.columns}
        for name, kind in zip(publication["names"], publication["types"], strict=True):
            self.sent.add(name.lower())
            if name.lower() not in known:
                self.columns.append((name, SQL_TYPES[kind]))
                known.add(name.lower())
        keys = [name.lower() for name in publication["names"]]
        self.rows[identity] = [dict(zip(keys, row, strict=True)) for row in publication["rows"]]
        return True

    def rotate(self) -> None:
        """The next generation begins with the columns that were sent."""
        self.inherited = [c for c in self.columns or [] if c[0].lower() in self.sent]
        self.begin()


def as_stored(cell: Any, kind: str) -> Any:
    """A cell after the affinity of its column, for the cells drawn here."""
    if isinstance(cell, bool):
        cell = int(cell)
    if cell is None or (isinstance(cell, str) and kind == "TEXT"):
        return cell
    if kind == "TEXT":
        return str(cell)
    if isinstance(cell, int):
        return float(cell) if kind == "REAL" else cell
    return NUMERIC  # a text in a numeric column: SQLite says what it looks like


NUMERIC = object()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(generations=st.lists(publications(), min_size=1, max_size=3))
def test_any_interleaving_gives_the_union_and_loses_nothing(
    merging_bench: Any, generations: list[list[dict[str, Any]]]
) -> None:
    bench, table = merging_bench()
    books = Books()
    for number, generation in enumerate(generations):
        for publication in generation:
            columns = ", ".join(map(" ".join, zip(publication["names"], publication["types"],
                                                  strict=True)))  # fmt: skip
            receipt = bench.publish(publication["identity"], table, columns, publication["rows"],
                                    replace=publication["replace"])  # fmt: skip
            assert isinstance(receipt, Receipt), receipt
            assert receipt.applied == books.publish(publication)
        bench.rotate()
        assert books.columns is not None
        assert bench.columns(table) == [list(column) for column in books.columns], number
        expected = [row for rows in books.rows.values() for row in rows]
        found = bench.rows(f'select * from "{table}"')
        assert len(found) == len(expected)
        _compare(books.columns, found, expected)
        books.rotate()


def _compare(
    columns: list[tuple[str, str]], found: list[list[Any]], expected: list[dict[str, Any]]
) -> None:
    """Rows are matched by their tag and, within it, by their order."""
    tag = [name for name, _ in columns].index("tag")
    by_tag: dict[int, Any] = {}
    for row in found:
        by_tag.setdefault(row[tag], iter([r for r in found if r[tag] == row[tag]]))
    for row in expected:
        stored = next(by_tag[row["tag"]])
        for cell, (name, kind) in zip(stored, columns, strict=True):
            wanted = as_stored(row.get(name.lower()), kind)
            assert wanted is NUMERIC or cell == wanted


def test_the_set_of_columns_does_not_depend_on_who_comes_first() -> None:
    sent = [
        (Column("x", "INTEGER"), Column("y", "TEXT")),
        (Column("Y", "REAL"), Column("z", "TEXT")),
        (Column("q", "REAL"),),
    ]
    inherited = (Column("z", "INTEGER"), Column("x", "TEXT"))
    unions = set()
    for order in itertools.permutations(sent):
        existing = None
        for columns in order:
            plan = plan_merge(existing, inherited, columns)
            existing = plan.columns
        assert existing is not None
        assert existing[:2] == inherited
        unions.add(frozenset(column.key for column in existing))
    assert unions == {frozenset("xyzq")}


def test_a_plan_names_its_targets_as_the_table_does() -> None:
    existing = (Column("Host", "TEXT"), Column("n", "INTEGER"))
    plan = plan_merge(existing, (), (Column("N", "REAL"), Column("new", "TEXT")))
    assert plan.targets == ("n", "new")
    assert plan.add == (Column("new", "TEXT"),)
    assert plan.notes == ("column N is INTEGER here, not REAL",)
    assert not plan.create
