"""Lines that are made of whole rows are those that are made cell by cell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from handed_in import Written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qasino_server.database.answer import Limits, rows_of
from qasino_server.database.examine import examine
from qasino_server.database.generation import Generation
from qasino_server.database.generation_file import GenerationFile
from qasino_server.database.lines import NotLines, lines_of
from qasino_server.database.room import Reserve
from qasino_server.database.snapshot import Overlay, Place, SnapshotConnection
from qasino_server.errors import Cancelled, QasinoError
from qasino_server.render import CsvStream, Stream, stream_for
from qasino_server.statement import Select
from qasino_server.store.job import Job, QueryRequest
from qasino_server.table import Result, check_columns

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
        with generation.transaction:
            for row in rows:
                generation._execute("insert into t values (?, ?, ?)", tuple(row))
        generation.seal()
        place = Place(GenerationFile(path, Reserve(tmp_path)), None, tmp_path / "static.db")
        made.append(SnapshotConnection(place, Overlay(0), most_bytes))
        return made[-1]

    yield make
    for connection in made:
        connection.close()


@pytest.fixture
def one_connection(make_connection: Callable[..., SnapshotConnection]) -> SnapshotConnection:
    """To a table without rows."""
    return make_connection([])


def stream_of(form: str, names: tuple[str, ...]) -> Stream:
    stream = stream_for(form)
    assert stream is not None
    stream.head(names)
    return stream


def both(on: SnapshotConnection, sql: str, form: str) -> tuple[bytes | None, bytes]:
    """What SQLite and `lines` write, None where they do not, and what is written cell by cell."""
    examined = examine(on, sql, ())
    stream = stream_of(form, examined.names)
    here = stream.rows(rows_of(on, examined)).encode()
    try:
        made = list(lines_of(on, examined, form, stream.keys))
    except NotLines:
        return None, here
    assert sum(nr_rows for _, nr_rows in made) == len(list(rows_of(on, examined)))
    return b"".join(text for text, _ in made), here


class Basin:
    """Where a stream goes."""

    def __init__(self) -> None:
        self.text = b""
        self.largest = 0
        self.begun = False

    def begin(self, media_type: str) -> None:
        assert not self.begun
        self.begun = True

    def write(self, chunk: bytes, deadline: float) -> None:
        self.text += chunk
        self.largest = max(self.largest, len(chunk))

    def stop(self) -> None: ...


def poured(
    on: SnapshotConnection, sql: str, form: str, bindings: Any = ()
) -> tuple[Basin, Result | QasinoError]:
    """A query whose rows go into a basin, and its outcome."""
    basin = Basin()
    return basin, job_into(basin, sql, form, bindings).run(on, Limits(1, 1))


def job_into(basin: Basin, sql: str, form: str, bindings: Any = ()) -> Job:
    request = QueryRequest(sql=sql, port="test", peer="test", stream=stream_for(form), sink=basin)
    return Job(request, Select(sql, bindings), 20.0, print)


def written(on: SnapshotConnection, sql: str, form: str, bindings: Any = ()) -> bytes:
    """The same, cell by cell."""
    examined = examine(on, sql, bindings)
    stream = stream_for(form)
    assert stream is not None
    return (stream.head(examined.names) + stream.rows(rows_of(on, examined))).encode()


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
        there, here = both(on, "select a_b from t", form)
        assert there == here
    there, here = both(on, "select * from t", "ndjson")
    assert there is not None
    assert [*map(json.loads, there.splitlines())] == [*map(json.loads, here.splitlines())]


ODD = st.one_of(
    CELL.map(lambda value: ("?", value)),
    st.tuples(st.sampled_from(["?", "cast(? as text)"]), st.binary(max_size=3)),
    st.tuples(
        st.sampled_from(["?", "cast(? as text)"]),
        st.sampled_from([b"\xff", b"\xfe", b"\xfd", b"a\xfe", b"\xfea", b"\xc3", b"\xa9,"]),
    ),
)
"""An expression, and what is bound in it: BLOBs, texts that are none, our own bytes among them."""


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(1, 3).flatmap(
        lambda width: st.lists(st.lists(ODD, min_size=width, max_size=width), min_size=1)
    )
)
def test_any_stream_is_what_is_written_cell_by_cell(
    one_connection: SnapshotConnection, rows: list[list[tuple[str, Any]]]
) -> None:
    on = one_connection
    values = ", ".join(f"({', '.join(expression for expression, _ in row)})" for row in rows)
    bindings = tuple(value for row in rows for _, value in row)
    for form in ("csv", "tsv", "ndjson"):
        on.examined.clear()
        basin, outcome = poured(on, f"values {values}", form, bindings)
        assert isinstance(outcome, Result)
        assert outcome.nr_rows == len(rows)
        cells = written(on, f"values {values}", form, bindings)
        if form == "ndjson":
            assert [*map(json.loads, basin.text.splitlines())] == [
                *map(json.loads, cells.splitlines())
            ]
        else:
            assert basin.text == cells


MANY = "with recursive r(i) as (select 1 union all select i + 1 from r where i < 9000)"


@pytest.mark.parametrize("form", ["csv", "tsv", "ndjson"])
@pytest.mark.parametrize(
    "late",
    [
        "x'ff'",
        "x'41'",
        "9e999",
        "cast(x'ff' as text)",
        "json_array(i)",
        "'\"' || char(10)",
        "'9.0e+999'",
        "null",
        "''",
    ],
)
def test_what_comes_late_in_a_stream_is_written_right(
    one_connection: SnapshotConnection, form: str, late: str
) -> None:
    sql = f"{MANY} select i, 'name ' || i, iif(i = 8000, {late}, 2.5) as late from r"
    basin, outcome = poured(one_connection, sql, form)
    assert isinstance(outcome, Result)
    assert basin.text.splitlines() == written(one_connection, sql, form).splitlines()
    assert basin.largest < 200_000


def test_rows_that_may_be_others_are_not_begun_anew(one_connection: SnapshotConnection) -> None:
    sql = f"{MANY} select random(), iif(i = {{}}, x'ff', 'x') from r"
    basin, outcome = poured(one_connection, sql.format(8000), "csv")
    assert isinstance(outcome, QasinoError)
    assert "begun anew in the middle" in outcome.sentence
    basin, outcome = poured(one_connection, sql.format(1), "csv")
    assert isinstance(outcome, Result)
    assert basin.text.splitlines()[1].endswith(b",ff")


def test_a_cell_is_worked_out_once(one_connection: SnapshotConnection) -> None:
    """What is looked at is what is written: no infinity that was another value a moment ago."""
    sql = f"{MANY} select iif(random() % 50 = 0, 9e999, 1.5) as v from r"
    basin, outcome = poured(one_connection, sql, "ndjson")
    assert isinstance(outcome, Result)
    values = [json.loads(line)["v"] for line in basin.text.splitlines()]
    assert len(values) == 9000
    assert set(values) == {None, 1.5}


@pytest.mark.parametrize("form", ["csv", "tsv", "ndjson"])
@pytest.mark.parametrize(
    "sql",
    [
        'select value from json_each(\'[[1], {"a": "b"}, 3, null, "x\\u0000y", 1.5, true]\')',
        'select * from json_tree(\'[[1], {"a": 2}, ""]\')',
        "with v as (select value v from json_each('[[1], 9e999]') union select 1) select * from v",
        "select 1 as a;;",
        "select 1; ;\n",
        " ; select 1",
        "-- report\n; select 1 as a",
        "/* a */;; -- b\n ;\f select 1 as a -- ;\n;",
        "\ufeff /**/; select 1 as a",
        "/*;*/ /**/ select 1 as a",
        "/*/ ; */ select '/* ; */' as a",
        "select 1 /* of which the end; is not there",
        "select 1 -- ;",
        "select 1 as a -- /*",
    ],
)
def test_what_stands_around_and_what_json_unpacks_is_the_same_in_lines(
    one_connection: SnapshotConnection, form: str, sql: str
) -> None:
    there, here = both(one_connection, sql, form)
    assert there is not None
    if form == "ndjson":
        assert [*map(json.loads, there.splitlines())] == [*map(json.loads, here.splitlines())]
    else:
        assert there == here


def test_columns_of_one_name_have_distinct_keys(
    make_connection: Callable[..., SnapshotConnection],
) -> None:
    on = make_connection([["x", 1, 2.5]])
    there, here = both(on, "select a.id, b.id, b.* from t a, t b", "ndjson")
    assert there == here == b'{"id":"x","id:1":"x","id:2":"x","order":1,"a_b":2.5}\n'


@pytest.mark.parametrize("nr_terms", [999, 1000, 1001])
def test_an_expression_as_deep_as_may_be_is_written(bench: Any, nr_terms: int) -> None:
    """Ours around it is one more than SQLite takes."""
    bench.publish("a", "t", "x int", [[n] for n in range(150)])
    bench.rotate()
    sql = f"select {' + '.join(['x'] * nr_terms)} y from t"
    whole = bench.ask(sql)
    sink = Written()
    streamed = bench.ask(sql, stream=CsvStream(), sink=sink)
    if nr_terms > 1000:
        assert streamed.sentence == whole.sentence
        assert "Expression tree is too large" in whole.sentence
    else:
        assert sink.text().split() == [b"y", *[b"%d" % (n * nr_terms) for n in range(150)]]
        assert whole.nr_rows == streamed.nr_rows == 150


def test_a_plan_is_written_cell_by_cell(one_connection: SnapshotConnection) -> None:
    assert both(one_connection, "explain query plan values (1)", "csv")[0] is None


@pytest.mark.parametrize("form", ["csv", "tsv", "ndjson"])
@pytest.mark.parametrize(
    "sql",
    [
        "select random()",
        "select date('now')",
        "select * from json_each('[1]')",
        "select * from t where id = random()",
    ],
)
def test_so_is_a_plan_of_what_may_change(
    one_connection: SnapshotConnection, form: str, sql: str
) -> None:
    plan = f"explain query plan {sql}"
    basin, outcome = poured(one_connection, plan, form)
    assert isinstance(outcome, Result), outcome
    assert basin.text == written(one_connection, plan, form)


@pytest.mark.parametrize("form", ["csv", "tsv", "ndjson"])
@pytest.mark.parametrize("nr_columns", [301, 1001, 2000])
@pytest.mark.parametrize("odd", ["date('now')", "cast(x'ff' as text)", "cast(random() as text)"])
def test_rows_of_very_many_columns_are_written(
    one_connection: SnapshotConnection, form: str, nr_columns: int, odd: str
) -> None:
    cells = ", ".join(map(str, range(nr_columns - 1)))
    sql = f"{MANY} select {cells}, iif(i = 2, {odd}, '') from r limit 3"
    basin, outcome = poured(one_connection, sql, form)
    assert isinstance(outcome, Result), outcome
    assert outcome.nr_rows == 3
    if "random" not in odd:
        assert basin.text == written(one_connection, sql, form)


def test_a_stream_that_is_stopped_while_it_is_prepared_does_not_begin(
    one_connection: SnapshotConnection,
) -> None:
    basin = Basin()
    job = job_into(basin, "select 1", "csv")

    def stop(*asked: Any) -> int:
        job.stop_reason = Cancelled("the query was cancelled")
        return apsw.SQLITE_OK

    one_connection.connection.authorizer = stop
    assert job.run(one_connection, Limits(1, 1)) is job.stop_reason
    assert basin.text == b""


@pytest.mark.parametrize("large", [False, True])
def test_nor_does_any_other(one_connection: SnapshotConnection, large: bool) -> None:
    """An interrupt that came meanwhile is not heard any more."""
    sql = f"{MANY} select count(*) from r"
    request = QueryRequest(sql=sql, port="test", peer="test")
    job = Job(request, Select(sql), 20.0, print)
    job.large = large

    def stop(*asked: Any) -> int:
        job.stop_reason = Cancelled("the query was cancelled")
        return apsw.SQLITE_OK

    one_connection.connection.authorizer = stop
    assert job.run(one_connection, Limits(1, 1)) is job.stop_reason
