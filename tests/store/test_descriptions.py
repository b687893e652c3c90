"""What columns mean: told with a publication, kept as long as rows of the column are carried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from handed_in import publication

from qasino_server.database.generation import Generation
from qasino_server.quota import Quota
from qasino_server.store.intake import Intake
from qasino_server.store.ledger import Ledger
from qasino_server.table import Publication


def described(identity: str, columns: dict[str, str], **flags: Any) -> Publication:
    names, rows = ", ".join(f"{name} int" for name in columns), [[1] * len(columns)]
    return publication(identity, "t", names, rows, list(columns.values()), **flags)


def told(bench: Any) -> dict[str, str]:
    """What the snapshot says."""
    sql = "select column_name, description from qasino_server_columns where tablename = 't'"
    bench.store._writer.carried.wait(20)
    return dict(bench.rows(sql))


def test_what_is_said_now_counts_and_not_what_is_carried(bench: Any) -> None:
    bench.hand_in(described("p", {"a": "old", "b": "of b"}, persist=1))
    bench.rotate()
    assert told(bench) == {"a": "old", "b": "of b"}
    bench.hand_in(described("p", {"a": "new", "b": ""}, persist=1, replace=1))
    bench.hand_in(described("q", {"b": "of b, too", "a": "late"}))
    for _ in range(3):
        bench.rotate()
        assert told(bench)["a"] == "new"


@pytest.mark.parametrize("flags", [{"replace": 1}, {"update": 1, "keycols": "a"}])
def test_who_said_something_may_correct_it(bench: Any, flags: dict[str, Any]) -> None:
    """The first words counted for good, carried from generation to generation."""
    bench.hand_in(described("p", {"a": "old", "b": "of b"}, persist=1))
    bench.hand_in(described("q", {"a": "another's", "b": "another's"}))
    corrected = described("p", {"a": "new", "b": ""}, persist=1, **flags)
    for _ in range(2):
        bench.hand_in(corrected)
    for _ in range(3):
        bench.rotate()
        assert told(bench) == {"a": "new", "b": "of b"}


def test_what_is_corrected_again_and_again_takes_room_once(bench: Any) -> None:
    for n in range(5):
        bench.hand_in(described("p", {"a": f"{n}" * 1000}, replace=1))
    assert bench.store._writer._intake.ledger.described_bytes == 1000


def test_of_a_column_that_nobody_sends_any_more_nothing_is_carried(bench: Any) -> None:
    """They piled up, until a generation was full when it began."""
    bench.hand_in(described("p", {"a": "of a"}, persist=1))
    for n in range(5):
        bench.hand_in(described("q", {f"c{n}": "x" * 1000}))
        bench.rotate()
        assert told(bench)["a"] == "of a"
    (table,) = bench.store._writer._intake.ledger.tables.values()
    assert table.descriptions.of_columns == {"a": "of a"}


def test_columns_of_a_static_table_are_described_until_it_is_replaced(bench: Any) -> None:
    for sentences in (["of a", ""], ["of a, too", "of b"], ["", ""]):
        words = dict(zip("ab", sentences, strict=True))
        bench.hand_in(described("p", words, static=1))
        bench.rotate()
        assert told(bench) == {name: sentence or None for name, sentence in words.items()}


@pytest.fixture
def intakes(tmp_path: Path) -> Any:
    """Two generations; the first ends with a table of p's that is carried."""
    first = Intake(Generation(tmp_path / "1.db"), Ledger(1), Quota())
    with first.generation.transaction:
        first.store(described("p", {"a": "of a", "b": "of b"}, persist=1))
    first.ledger.commit()
    second = Intake(Generation(tmp_path / "2.db"), Ledger(2, first.ledger), Quota())
    first.generation.seal()
    second.carrying.attach(first.generation.path)
    yield first, second
    second.generation.seal()


def test_who_publishes_before_the_rows_are_carried_takes_no_words_away(intakes: Any) -> None:
    _, second = intakes
    with second.generation.transaction:
        second.store(described("q", {"b": "of b, newer", "c": "of c"}))
        second.carrying.carry_some()
    second.ledger.commit()
    said = second.ledger.tables["t"].descriptions.of_columns
    assert said == {"a": "of a", "b": "of b, newer", "c": "of c"}


def test_words_of_what_is_rolled_back_are_not_counted(intakes: Any) -> None:
    first, second = intakes
    assert first.ledger.described_bytes == len("of a" + "of b")
    for _ in range(3):
        with second.generation.transaction:
            second.carrying.carry_some()
            second.store(described("q", {"c": "of c"}))
        assert second.ledger.described_bytes == len("of a" + "of b" + "of c")
        second.ledger.rollback()
        assert second.ledger.described_bytes == 0
        second.generation.drop_table("t")
