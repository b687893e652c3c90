"""The books of a generation: they know what the file has, neither more nor less."""

from __future__ import annotations

import time
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from qasino_server.database.ranges import RowRange
from qasino_server.store.descriptions import Descriptions
from qasino_server.store.ledger import Arrears, Ledger, Pair, Source, TableState
from qasino_server.table import Column

KEYS, IDENTITIES = ["t", "u"], ["a", "b", "c"]
COLUMNS = (Column("x", "INTEGER"),)
SPOKEN = [(), (("x", "of x", "a"),), (("x", "of x, at length", "a"),)]
PAIRS = st.tuples(st.sampled_from(KEYS), st.sampled_from(IDENTITIES))
TABLES = st.builds(
    TableState,
    name=st.just("t"),
    columns=st.just(COLUMNS),
    nr_updates=st.integers(0, 3),
    descriptions=st.builds(
        Descriptions, given=st.sampled_from(SPOKEN), carried=st.sampled_from(SPOKEN)
    ),
)
SOURCES = st.builds(
    Source,
    ranges=st.lists(st.builds(RowRange, st.just(1), st.integers(1, 5)), max_size=2).map(tuple),
    shape=st.just(0),
    update_epoch=st.just(1.0),
    persist=st.booleans(),
    expires_s=st.sampled_from([None, float("inf"), float("-inf")]),
)
STEPS = st.one_of(
    st.tuples(st.just("table"), st.sampled_from(KEYS), st.none() | TABLES),
    st.tuples(st.just("source"), PAIRS, st.none() | SOURCES),
    st.tuples(st.just("new"), st.dictionaries(PAIRS, SOURCES)),
    st.tuples(st.sampled_from(["commit", "rollback"])),
)


class Known:
    """What the ledger must know, kept plainly: all that is staged, and all that is committed."""

    def __init__(self) -> None:
        self.tables: dict[str, TableState] = {}
        self.sources: dict[Pair, Source] = {}
        self._committed: tuple[Any, Any] = ({}, {})

    def commit(self) -> None:
        self._committed = dict(self.tables), dict(self.sources)

    def rollback(self) -> None:
        self.tables, self.sources = map(dict, self._committed)


def put(known: dict[Any, Any], key: Any, value: Any) -> None:
    if value is None:
        known.pop(key, None)
    else:
        known[key] = value


def take(step: Any, ledger: Ledger, known: Known) -> None:
    """Do the same with both."""
    match step:
        case ("table", key, table):
            ledger.put_table(key, table)
            put(known.tables, key, table)
        case ("source", pair, source):
            ledger.put_source(pair, source)
            put(known.sources, pair, source)
        case ("new", sources):
            new = [(pair, one) for pair, one in sources.items() if pair not in known.sources]
            ledger.put_new_sources(new, sum(source.nr_rows for _, source in new))
            known.sources.update(new)
        case ("commit",):
            ledger.commit()
            known.commit()
        case ("rollback",):
            ledger.rollback()
            known.rollback()


def agree(ledger: Ledger, known: Known) -> None:
    sources = known.sources
    assert {key: ledger.table(key) for key in KEYS} == {key: known.tables.get(key) for key in KEYS}
    pairs = [(key, identity) for key in KEYS for identity in IDENTITIES]
    assert [ledger.source(pair) for pair in pairs] == [sources.get(pair) for pair in pairs]
    assert ledger.nr_tables == len(known.tables)
    assert ledger.nr_sources == len(sources)
    assert ledger.nr_rows == sum(r.count for one in sources.values() for r in one.ranges)
    assert ledger.described_bytes == sum(t.descriptions.size_bytes for t in known.tables.values())
    identities = {identity for _, identity in sources}
    assert ledger.nr_identities == len(identities)
    assert {identity for identity in IDENTITIES if ledger.knows(identity)} == identities


KEPT, PLAIN = (
    Source(ranges=(), shape=0, update_epoch=1.0, persist=persist) for persist in (True, False)
)


@settings(max_examples=150, deadline=None)
@example([("source", ("t", "a"), one) if one else ("commit",) for one in (KEPT, None, PLAIN, None)])
@given(st.lists(STEPS, max_size=12))
def test_what_is_staged_is_known_and_counted_until_it_is_rolled_back(steps: list[Any]) -> None:
    ledger, known = Ledger(1), Known()
    for step in steps:
        take(step, ledger, known)
        agree(ledger, known)
        if step == ("commit",):
            living = {pair[0] for pair, source in known.sources.items() if source.lives_on}
            assert ledger.living_tables() == living
            assert ledger.known_among(known.sources.keys()) == known.sources.keys()


@settings(max_examples=60, deadline=None)
@given(
    sources=st.dictionaries(PAIRS, SOURCES),
    first=st.lists(PAIRS, max_size=4),
    at_most=st.integers(1, 4),
)
def test_what_lives_on_is_owed_to_the_next_generation_until_it_is_carried(
    sources: dict[Pair, Source], first: list[Pair], at_most: int
) -> None:
    ledger = Ledger(1)
    for key in KEYS:
        ledger.put_table(key, TableState(name=key, columns=COLUMNS))
    ledger.put_new_sources(list(sources.items()), 0)
    ledger.commit()
    following = Ledger(2, ledger)
    owed = {
        pair: source
        for pair, source in sources.items()
        if source.persist or source.expires_s == float("inf")
    }
    while owed:
        following.rollback()
        portion = following.next_owed(at_most, first)
        assert portion == following.next_owed(at_most, first), "the same until they are carried"
        pairs = [pair for pair, _ in portion]
        wanted = [pair for pair in dict.fromkeys(first) if pair in owed][:at_most]
        assert pairs[: len(wanted)] == wanted
        assert 0 < len(set(pairs)) == len(pairs) <= at_most
        for pair, arrears in portion:
            table, source = ledger.tables[pair[0]], owed.pop(pair)
            assert arrears == Arrears(table=table, source=source, left=source.ranges)
            assert following.owed(pair) == arrears
            following.put_arrears(pair, None)
            assert following.owed(pair) is None
        following.commit()
    assert not following.arrears
    assert following.next_owed(at_most, first) == []


def test_rows_whose_time_is_up_are_owed_to_nobody() -> None:
    ledger, now_s = Ledger(1), time.monotonic()
    ledger.put_table("t", TableState(name="t", columns=COLUMNS))
    for identity, expires_s in (("up", now_s), ("left", now_s + 100)):
        source = Source(ranges=(), shape=0, update_epoch=1.0, expires_s=expires_s)
        ledger.put_source(("t", identity), source)
    ledger.commit()
    assert set(Ledger(2, ledger).arrears) == {("t", "left")}
