"""Lines that SQLite makes of rows are those that are made here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qasino_server.database.answer import examine, rows_of
from qasino_server.database.generation import Generation
from qasino_server.database.lines import lines_of
from qasino_server.database.snapshot import Dress, Place, SnapshotConnection
from qasino_server.render import Stream, stream_for
from qasino_server.table import check_columns

NAMES = ("id", "order", "a_b")
CELL = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text("a,\"'\t\r\n\\\0é😀 N", max_size=5),
    st.sampled_from(["", '"', "\\N", "a" * 3000, "NULL", "-0", "1e5"]),
)


@pytest.fixture
def make_connection(tmp_path: Path) -> Iterator[Callable[..., SnapshotConnection]]:
    made: list[SnapshotConnection] = []
    apsw.Connection(str(tmp_path / "static.db")).execute("create table s(a)")

    def make(rows: list[Any], most_bytes: int = 1 << 26) -> SnapshotConnection:
        path = tmp_path / f"{len(made)}.db"
        generation = Generation(path)
        generation.create_table("t", check_columns(NAMES, ("text", "int", "real")))
        with generation.transaction():
            for row in rows:
                generation._execute("insert into t values (?, ?, ?)", tuple(row))
        generation.seal()
        made.append(
            SnapshotConnection(Place(path, None, tmp_path / "static.db"), Dress(0), most_bytes)
        )
        return made[-1]

    yield make
    for connection in made:
        connection.close()


def stream_of(form: str, names: tuple[str, ...]) -> Stream:
    stream = stream_for(form)
    assert stream is not None
    stream.head(names)
    return stream


def both(on: SnapshotConnection, sql: str, form: str) -> tuple[list[bytes] | None, list[bytes]]:
    """What SQLite writes, and what is written here."""
    examined = examine(on, sql, ())
    stream = stream_of(form, examined.names)
    lines = lines_of(on, examined, form, stream.keys)
    there = None if lines is None else list(lines)
    here = [stream.rows((row,)).encode().removesuffix(b"\n") for row in rows_of(on, examined)]
    return there, here


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(CELL, CELL, CELL), max_size=6))
def test_any_rows_are_the_same_lines(
    make_connection: Callable[..., SnapshotConnection], rows: list[Any]
) -> None:
    on = make_connection(rows)
    for form in ("csv", "tsv"):
        there, here = both(on, "select * from t", form)
        assert there == here
    there, here = both(on, "select * from t", "ndjson")
    assert there is not None
    assert list(map(json.loads, there)) == list(map(json.loads, here))


def test_columns_of_one_name_have_distinct_keys(
    make_connection: Callable[..., SnapshotConnection],
) -> None:
    on = make_connection([["x", 1, 2.5]])
    there, here = both(on, "select a.id, b.id, b.* from t a, t b", "ndjson")
    assert there == here == [b'{"id":"x","id:1":"x","id:2":"x","order":1,"a_b":2.5}']


@pytest.mark.parametrize(
    "sql",
    [
        "select id || 'x' from t",
        "select value from jsonb_each('[[1]]')",
        "explain query plan values (1)",
    ],
    ids=["expression", "table function", "explain"],
)
def test_what_may_be_a_blob_is_not_written_by_sqlite(
    make_connection: Callable[..., SnapshotConnection], sql: str
) -> None:
    assert both(make_connection([]), sql, "csv")[0] is None
