"""Rule 11 while rows are being carried: updates carry first, replacements drop what is owed."""

from __future__ import annotations

import itertools
import json
from typing import Any

import apsw
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire import until

from qasino_server.database.generation import Generation
from qasino_server.errors import Refused, ServerFault
from qasino_server.publication_rules import make_publication, name_value_from_params
from qasino_server.quota import Quota
from qasino_server.store import carrying as carrying_room
from qasino_server.store.carrying import CARRY_PAIRS, CARRY_ROWS, CarryFirst, Carrying
from qasino_server.store.intake import Intake
from qasino_server.store.ledger import Ledger
from qasino_server.table import Publication, check_columns

ROWS = 5 * CARRY_ROWS
OLD_ROWS = "[" + ",".join(f'[{n}, "old"]' for n in range(ROWS)) + "]"
NUMBERS = itertools.count()
"""For the names of files."""


def publication(rows: str, identity: str = "p", table: str = "t", **options: Any) -> Publication:
    columns = check_columns(("id", "v"), ("int", "text"))
    return make_publication(
        identity=identity, tablename=table, columns=columns, rows_json=rows, options=options
    )


@pytest.fixture
def intakes(tmp_path: Any) -> Any:
    """The open generation and the one after it; the first holds a persistent table."""
    first = Intake(Generation(tmp_path / "1.db"), Ledger(1), Quota())
    with first.generation.transaction:
        first.store(publication(OLD_ROWS, persist=1))
    first.ledger.commit()
    second = Intake(Generation(tmp_path / "2.db"), Ledger(2, first.ledger), Quota())
    first.generation.seal()
    yield first, second
    second.generation.seal()


def rows_in(intake: Intake) -> list[tuple[Any, ...]]:
    return intake.generation._execute("select count(*), sum(v = 'old'), sum(v = 'new') from t").get


def attach(first: Intake, second: Intake) -> None:
    second.carrying.attach(first.generation.path)


def store(intake: Intake, item: Publication) -> None:
    with intake.generation.transaction:
        intake.begin()
        intake.store(item)
    intake.ledger.commit()


def store_in_time(intake: Intake, item: Publication) -> None:
    """Store it once its rows are carried, as far as it has to wait for that."""
    for _ in range(ROWS // CARRY_ROWS):
        try:
            return store(intake, item)
        except CarryFirst:
            intake.ledger.rollback()
            carry(intake)
    return store(intake, item)


def store_and_fail(intake: Intake) -> None:
    with intake.generation.transaction:
        intake.store(publication('[[1, "new"]]', persist=1))
        raise RuntimeError("the disk")


def carry_and_fail(intake: Intake) -> None:
    with intake.generation.transaction:
        intake.carrying.carry_some()
        raise RuntimeError("the disk")


def carry(intake: Intake) -> None:
    with intake.generation.transaction:
        intake.carrying.carry_some()
    intake.ledger.commit()


def test_an_update_waits_until_its_rows_can_be_carried(intakes: Any) -> None:
    first, second = intakes
    update = publication('[[3, "new"], [-1, "new"]]', update=1, keycols="id")
    with pytest.raises(CarryFirst), second.generation.transaction:
        second.store(update)
    second.ledger.rollback()
    attach(first, second)
    store_in_time(second, update)
    assert rows_in(second) == (ROWS + 1, ROWS - 1, 2)
    assert not second.ledger.arrears


def test_updates_carry_no_more_than_a_portion_in_one_transaction(succession: Any) -> None:
    """Others waited a quarter of a second for a million rows of one pair."""
    half = json.dumps([[n, "old"] for n in range(CARRY_ROWS // 2)])
    first, second = succession(*(publication(half, identity, persist=1) for identity in "abc"))
    attach(first, second)
    a, b, c = (publication('[[1, "new"]]', identity, update=1, keycols="id") for identity in "abc")
    with second.generation.transaction:
        second.begin()
        second.store(a)
        second.store(b)
        with pytest.raises(CarryFirst):
            second.store(c)
    second.ledger.commit()
    assert set(second.ledger.arrears) == {("t", "c")}
    store(second, c)
    assert rows_in(second) == (3 * CARRY_ROWS // 2, 3 * CARRY_ROWS // 2 - 3, 3)


def test_those_that_somebody_waits_for_are_carried_first(succession: Any) -> None:
    rows = json.dumps([[n, "old"] for n in range(2 * CARRY_ROWS)])
    first, second = succession(*(publication(rows, identity, persist=1) for identity in "abcde"))
    attach(first, second)
    waited_for = [("t", "d"), ("t", "b"), ("t", "d"), ("t", "nobody")]
    done: list[Any] = []
    while second.ledger.arrears:
        with second.generation.transaction:
            second.carrying.carry_some(waited_for)
        second.ledger.commit()
        done += second.ledger.sources.keys() - second.ledger.arrears.keys() - set(done)
        assert second.carrying.owes_any(waited_for) == (len(done) < 2)
    assert [identity for _, identity in done][:2] == ["d", "b"]
    assert rows_in(second) == (10 * CARRY_ROWS, 10 * CARRY_ROWS, 0)


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_a_table_was_updated_when_the_latest_of_its_rows_were(succession: Any, order: str) -> None:
    first, second = succession(*(publication("[[1, 0]]", pair, persist=1) for pair in "ab"))
    epochs = [first.ledger.sources["t", identity].update_epoch for identity in "ab"]
    assert epochs[0] < epochs[1]
    attach(first, second)
    with second.generation.transaction:
        second.carrying.carry_some([("t", identity) for identity in order])
    second.ledger.commit()
    assert not second.ledger.arrears
    assert second.ledger.table("t").last_update_epoch == epochs[1]


def test_a_value_is_not_set_in_rows_with_a_time_of_their_own_carried_yet_or_not(
    succession: Any,
) -> None:
    """It would make them persistent for ever."""
    first, second = succession(publication('[[1, "old"]]', ttl_s=100))
    value = name_value_from_params({"identity": "p", "name": "t.v", "value": "new"})
    for _ in range(2):
        with pytest.raises(Refused, match="persistent ones only"):
            store(second, value)
        second.ledger.rollback()
        if not second.carrying.attached:
            attach(first, second)
            carry(second)
    assert not second.ledger.sources["t", "p"].persist


def test_an_update_in_the_middle_of_carrying_loses_no_row(intakes: Any) -> None:
    first, second = intakes
    attach(first, second)
    carry(second)
    carry(second)
    update = publication(f'[[0, "new"], [{ROWS - 1}, "new"]]', update=1, keycols="id")
    store_in_time(second, update)
    assert rows_in(second) == (ROWS, ROWS - 2, 2)
    assert second.ledger.sources["t", "p"].persist


@pytest.mark.parametrize("portions", [0, 1, 5])
def test_a_replacement_drops_what_was_carried_and_what_is_owed(intakes: Any, portions: int) -> None:
    first, second = intakes
    attach(first, second)
    for _ in range(portions):
        carry(second)
    store(second, publication('[[1, "new"]]'))
    assert rows_in(second) == (1, 0, 1)
    assert not second.ledger.arrears
    assert not second.ledger.sources["t", "p"].persist


@pytest.mark.parametrize("carried", [False, True])
def test_whether_rows_were_carried_before_they_are_replaced_is_not_seen(
    succession: Any, carried: bool
) -> None:
    """It is a matter of milliseconds; a column nobody sends any more is gone one generation later.

    A second identity's rows have it longer: as long as they are there.
    """
    wide = publication('[[1, "old"]]', persist=1, update=1)
    wide = msgspec.structs.replace(wide, descriptions=("which", "what"))
    narrow = msgspec.structs.replace(
        publication("[[2]]", persist=1, replace=1), columns=wide.columns[:1]
    )
    first, second = succession(wide, msgspec.structs.replace(wide, tablename="u", identity="q"))
    attach(first, second)
    for identity, table in (("p", "t"), ("p", "u")):
        if carried:
            carry(second)
        store(second, msgspec.structs.replace(narrow, identity=identity, tablename=table))
    while second.ledger.arrears:
        carry(second)
    books, third = second.ledger.tables, Ledger(3, second.ledger)
    assert {key: books[key].nr_updates for key in books} == {"t": 1, "u": 2}
    assert {key: books[key].upserted for key in books} == {"t": True, "u": True}
    assert books["t"].descriptions.of_columns == {"id": "which", "v": "what"}
    assert [third.inherited(key) for key in ("t", "u")] == [wide.columns[:1], wide.columns]


@pytest.mark.parametrize("portions", [0, 1, 6])
def test_nor_whether_they_were_carried_before_they_are_dropped(
    succession: Any, portions: int
) -> None:
    dropped = publication(OLD_ROWS, persist=1)
    dropped = msgspec.structs.replace(dropped, descriptions=("which", "what"))
    other = publication("[[1]]", "q", persist=1)
    other = msgspec.structs.replace(other, columns=dropped.columns[:1])
    first, second = succession(other, dropped)
    attach(first, second)
    for _ in range(portions):
        carry(second)
    assert bool(second.ledger.arrears) == (portions < 6)
    with second.generation.transaction:
        assert second.end_persistence("t", "p") == [("t", "p")]
    second.ledger.commit()
    while second.ledger.arrears:
        carry(second)
    assert rows_in(second) == (1, None, None)
    table = second.ledger.tables["t"]
    assert table.nr_updates == 1
    assert table.descriptions.of_columns == {"id": "which", "v": "what"}


def test_a_transaction_that_fails_leaves_the_books_as_they_were(intakes: Any) -> None:
    first, second = intakes
    attach(first, second)
    carry(second)
    before = dict(second.ledger.sources), dict(second.ledger.arrears), dict(second.ledger.tables)
    with pytest.raises(RuntimeError, match="the disk"):
        store_and_fail(second)
    second.ledger.rollback()
    assert (second.ledger.sources, second.ledger.arrears, second.ledger.tables) == before
    assert rows_in(second) == (CARRY_ROWS, CARRY_ROWS, 0)
    while second.ledger.arrears:
        carry(second)
    assert rows_in(second) == (ROWS, ROWS, 0)


@pytest.fixture
def succession(tmp_path: Any) -> Any:
    """Make two generations, of which the first holds what it is given."""
    opened = []

    def make(*items: Publication) -> tuple[Intake, Intake]:
        before, after = (Generation(tmp_path / f"{next(NUMBERS)}.db") for _ in range(2))
        first = Intake(before, Ledger(1), Quota())
        with before.transaction:
            for item in items:
                first.store(item)
        first.ledger.commit()
        second = Intake(after, Ledger(2, first.ledger), Quota())
        opened.append(second)
        before.seal()
        return first, second

    yield make
    for intake in opened:
        intake.generation.seal()


def test_many_small_pairs_are_carried_together(succession: Any) -> None:
    """One a transaction, a fleet with a row each took longer to carry than its generation."""
    nr_pairs = 4 * CARRY_PAIRS
    first, second = succession(
        *(publication(f'[[{n}, "old"]]', f"h{n}", persist=1) for n in range(nr_pairs))
    )
    attach(first, second)
    nr_portions = 0
    while second.ledger.arrears:
        carry(second)
        nr_portions += 1
    assert nr_portions == nr_pairs / CARRY_PAIRS
    assert rows_in(second) == (nr_pairs, nr_pairs, 0)


def test_of_another_table_nothing_is_carried_in_a_portion_that_took_long(
    succession: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying_room, "CARRY_S", -1.0)
    tables = {"t", "u", "v"}
    first, second = succession(*(publication('[[1, "old"]]', "p", t, persist=1) for t in tables))
    attach(first, second)
    for left in (2, 1, 0):
        carry(second)
        assert len(second.ledger.arrears) == left
    assert {table for table, _ in second.ledger.sources} == tables


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    sizes=st.lists(
        st.tuples(st.sampled_from("tuv"), st.sampled_from("abcdef"), st.integers(0, 9)), max_size=25
    ),
    at_most=st.tuples(st.integers(1, 12), st.integers(1, 5)),
    failing=st.sets(st.integers(0, 20)),
)
def test_each_pair_has_its_rows_however_they_are_carried_together(
    succession: Any,
    monkeypatch: pytest.MonkeyPatch,
    sizes: list[tuple[str, str, int]],
    at_most: tuple[int, int],
    failing: set[int],
) -> None:
    """Whatever is cut where, and whichever transactions fail."""
    monkeypatch.setattr(carrying_room, "CARRY_ROWS", at_most[0])
    monkeypatch.setattr(carrying_room, "CARRY_PAIRS", at_most[1])
    ids = itertools.count()
    before: dict[Any, list[Any]] = {}
    items = []
    for table, identity, size in sizes:
        rows = [(next(ids), identity) for _ in range(size)]
        before.setdefault((table, identity), []).extend(rows)
        options = {"persist": 1, "update": 1, "keycols": "id"}
        items.append(publication(json.dumps(rows), identity, table, **options))
    first, second = succession(*items)
    attach(first, second)
    for turn in itertools.count():
        if not second.ledger.arrears:
            break
        if turn in failing:
            with pytest.raises(RuntimeError, match="the disk"):
                carry_and_fail(second)
            second.ledger.rollback()
        else:
            carry(second)
    assert rows_of_pairs(second) == before


def rows_of_pairs(intake: Intake) -> dict[Any, list[tuple[Any, ...]]]:
    return {
        pair: [
            row
            for r in source.ranges
            for row in intake.generation._execute(
                f"select * from {pair[0]} where rowid between ? and ? order by rowid",
                (r.first, r.last),
            )
        ]
        for pair, source in intake.ledger.sources.items()
    }


def test_what_could_not_be_undone_is_undone_before_the_next_begins(intakes: Any) -> None:
    """Without memory SQLite cannot even prepare a ROLLBACK; the rows after that were lost."""
    first, second = intakes
    attach(first, second)
    connection = second.generation._connection

    def undoes_nothing(action: int, what: str | None, *_: Any) -> int:
        undoes = action == apsw.SQLITE_TRANSACTION and what == "ROLLBACK"
        return apsw.SQLITE_DENY if undoes else apsw.SQLITE_OK

    connection.authorizer = undoes_nothing
    with pytest.raises(apsw.AuthError):
        store_and_fail(second)
    second.ledger.rollback()
    assert connection.in_transaction
    connection.authorizer = None
    store(second, publication('[[2, "new"]]', persist=1, replace=1))
    assert rows_in(second) == (1, 0, 1)
    second.carrying.detach()


def test_a_drop_that_fails_has_ended_nothing(bench: Any) -> None:
    for identity in "ab":
        bench.publish(identity, "t", "id int", [[1]], persist=1)

    def fails(action: int, *_: Any) -> int:
        return apsw.SQLITE_DENY if action == apsw.SQLITE_DROP_TABLE else apsw.SQLITE_OK

    connection = bench.store._writer._intake.generation._connection
    connection.authorizer = fails
    assert isinstance(bench.drop("t"), ServerFault)
    connection.authorizer = None
    bench.publish("c", "t", "id int", [[1]])
    for count in (3, 2):
        bench.rotate()
        assert bench.rows("select count(*) from t") == [[count]]
        assert bench.store._writer.carried.wait(20)


def test_what_was_carried_when_another_table_could_not_be_is_carried_once(bench: Any) -> None:
    for table in "tu":
        bench.publish("p", table, "id int", [[1], [2]], persist=1)
    sealed = bench.exchange()
    begun: list[str] = []

    def fails_once(action: int, what: str | None, *_: Any) -> int:
        if action != apsw.SQLITE_INSERT or what not in ("t", "u") or what in begun:
            return apsw.SQLITE_OK
        begun.append(what)
        return apsw.SQLITE_DENY if len(begun) == 2 else apsw.SQLITE_OK

    connection = bench.store._writer._intake.generation._connection
    connection.authorizer = fails_once
    bench.carry(sealed)
    connection.authorizer = None
    assert sorted(begun) == ["t", "u"]
    assert bench.store._writer._intake.ledger.nr_rows == 4
    both = "select * from t union all select * from u order by 1"
    assert bench.rows(both, use_write_db=True) == [[1], [1], [2], [2]]


def test_what_cannot_be_carried_holds_up_no_stop(
    bench: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was tried again without a pause then, with a line in the log for each time."""
    bench.publish("p", "t", "id int", [[1]], persist=1)
    tried: list[str] = []

    def full(carrying: Carrying, first: Any) -> None:
        tried.append("the disk" if len(tried) < 2 else "memory")
        raise apsw.FullError(tried[-1])

    def said() -> list[str]:
        lines = [line.getMessage() for line in caplog.records]
        return [line.rpartition(": ")[2] for line in lines if "carrying waits" in line]

    monkeypatch.setattr(Carrying, "carry_some", full)
    bench.rotate()
    until(lambda: len(tried) >= 4)
    bench.store.stop(5.0)
    assert bench.store._writer.join(0)
    assert len(tried) < 20
    assert said() == ["the disk", "memory"]


def test_an_update_right_after_a_rotation_finds_the_carried_rows(bench: Any) -> None:
    rows = [[n, "old"] for n in range(30_000)]
    bench.publish("p", "t", "id int, v text", rows, persist=1)
    for turn in range(3):
        bench.rotate()
        bench.publish("p", "t", "id int, v text", [[turn, "new"]], update=1, keycols="id")
    bench.rotate()
    assert bench.rows("select count(*), sum(v = 'new') from t") == [[30_000, 3]]
