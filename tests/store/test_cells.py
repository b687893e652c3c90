"""Rows that are read here and rows that SQLite reads become the same cells."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qasino_server.database import rows as rows_room
from qasino_server.database.cells import CELLS_MAX_BYTES, read_cells
from qasino_server.database.generation import Generation
from qasino_server.database.rows import check_rows, parse_rows
from qasino_server.errors import BadRequest
from qasino_server.table import check_columns

COLUMNS = check_columns(("t", "i", "r"), ("text", "int", "real"))
TARGETS = ("t", "i", "r")


@pytest.fixture
def generation(tmp_path: Path) -> Iterator[Generation]:
    made = Generation(tmp_path / "g.db")
    for name in ("here", "there"):
        made.create_table(name, COLUMNS)
    yield made
    made.seal()


def stored(generation: Generation, rows_json: str) -> tuple[list[Any], list[Any]]:
    """The cells both ways, typed as SQLite has them."""
    found = []
    for name, check in (("here", check_rows), ("there", parse_rows)):
        with generation.transaction:
            generation.insert(name, TARGETS, check(generation._connection, rows_json, 3))
        cells = ", ".join(f"typeof({t}), cast({t} as blob)" for t in TARGETS)
        found.append(generation._execute(f"select {cells} from {name}").fetchall())
        generation._execute(f"delete from {name}")
    return found[0], found[1]


WHOLE = st.integers(-(2**70), 2**70).map(str)
REAL = st.floats(allow_nan=False, allow_infinity=False).map(repr)
SHORT = st.from_regex(
    r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6).map(json.dumps)
ESCAPED = st.sampled_from([r'"\u0000x"', r'"\/\b\f"', r'"\ud83d\ude00"', '"é"', '"\U0001f600"'])
NESTED = st.sampled_from(["[1, 2]", '{"a": [null]}', "[]"])
CELL = st.one_of(
    WHOLE, REAL, SHORT, TEXT, ESCAPED, NESTED, st.sampled_from(["null", "true", "false", "-0"])
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(CELL, CELL, CELL), max_size=5))
def test_any_cells_are_the_same_both_ways(
    generation: Generation, rows: list[tuple[str, str, str]]
) -> None:
    here, there = stored(generation, "[" + ",".join(f"[{','.join(row)}]" for row in rows) + "]")
    assert here == there


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 63, 64, 65, 129, 1000])
@pytest.mark.parametrize("width", [1, 3, 70, 600])
def test_any_number_of_rows_of_any_width_is_stored_in_order(
    tmp_path: Path, count: int, width: int
) -> None:
    names = tuple(f"c{n}" for n in range(width))
    generation = Generation(tmp_path / "g.db")
    generation.create_table("t", check_columns(names, ("int",) * width))
    rows = json.dumps([[n * 1000 + m for m in range(width)] for n in range(count)])
    ranges = generation.insert("t", names, generation.check_rows(rows, width))
    assert sum(r.count for r in ranges) == count
    told = generation._execute(f"select rowid, c0, {names[-1]} from t order by rowid").fetchall()
    assert told == [(n + 1, n * 1000, n * 1000 + width - 1) for n in range(count)]
    generation.seal()


WIDE = 40
WIDE_TARGETS = tuple(f"c{n}" for n in range(WIDE))
WIDE_ROW = st.lists(
    st.one_of(st.just("0"), TEXT, REAL, st.sampled_from(['"],["', '"]"', "null"])),
    min_size=WIDE,
    max_size=WIDE,
)


@pytest.fixture
def wide(tmp_path: Path) -> Iterator[Generation]:
    made = Generation(tmp_path / "w.db")
    made.create_table("t", check_columns(WIDE_TARGETS, ("text", "int", "real", "int") * 10))
    yield made
    made.seal()


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(st.one_of(WIDE_ROW, st.lists(CELL, min_size=WIDE, max_size=WIDE)), max_size=9),
    portion_bytes=st.integers(1, 2000),
    piece_columns=st.integers(1, WIDE + 1),
)
def test_wide_rows_in_portions_are_the_same_cells(
    wide: Generation,
    monkeypatch: pytest.MonkeyPatch,
    rows: list[list[str]],
    portion_bytes: int,
    piece_columns: int,
) -> None:
    found = []
    monkeypatch.setattr(rows_room, "_PIECE_COLUMNS", piece_columns)
    rows_json = "[" + " , ".join(f"[{', '.join(row)}]" for row in rows) + "]"
    for max_columns in (WIDE, WIDE - 1):
        monkeypatch.setattr(rows_room, "CELLS_MAX_BYTES", portion_bytes)
        monkeypatch.setattr(rows_room, "_JSON_MAX_COLUMNS", max_columns)
        with wide.transaction:
            checked = parse_rows(wide._connection, rows_json, WIDE)
            ranges = wide.insert("t", WIDE_TARGETS, checked)
        assert sum(r.count for r in ranges) == len(rows)
        cells = ", ".join(f"typeof({t}), cast({t} as blob)" for t in WIDE_TARGETS)
        found.append(wide._execute(f"select {cells} from t order by rowid").fetchall())
        wide.delete(("t", ()), ranges)
    assert found[0] == found[1]


def test_of_wide_rows_only_those_that_nothing_else_reads_are_left_to_sqlite(
    tmp_path: Path,
) -> None:
    """It walks a row from its start for each of its cells: 24 MB of 2000 columns took a minute."""
    names = tuple(f"c{n}" for n in range(2000))
    generation = Generation(tmp_path / "g.db")
    generation.create_table("t", check_columns(names, ("int",) * 2000))
    rows = json.dumps([[n, *[0] * 1998, [n] if n == 200 else n] for n in range(300)])
    sql: list[str] = []
    checked = check_rows(generation._connection, rows, 2000)
    generation._connection.exec_trace = lambda cursor, text, bound: bool(sql.append(text)) or True
    with generation.transaction:
        generation.insert("t", names, checked)
    (by_json,) = [text for text in sql if "->>" in text]
    assert max(map(int, re.findall(r"->>\D*(\d+)", by_json))) < 100, "each walks that far"
    assert sum(len(text) > 10_000 for text in sql) < 10, "prepared anew for each row"
    told = generation._execute("select c0, typeof(c1999), c1999 from t order by rowid").fetchall()
    odd = {200: (200, "text", "[200]")}
    assert told == [odd.get(n, (n, "integer", n)) for n in range(300)]
    generation.seal()


@pytest.mark.parametrize("cell", ["[1]", "{}", "9223372036854775808", "1e400", '"\\ud800"'])
def test_what_is_not_plain_is_left_to_sqlite(cell: str) -> None:
    assert read_cells((f"[[1, {cell}]]",), 2) is None
    assert read_cells(("[[1, 2]]",), 2) is not None


def test_what_is_long_is_left_to_sqlite() -> None:
    row = '["' + "x" * 1000 + '"]'
    rows = f"[{','.join([row] * (CELLS_MAX_BYTES // 1000 + 1))}]"
    assert read_cells((rows,), 1) is None


@pytest.mark.parametrize("rows", ["[[1, 2], [1]]", "[[1, 2], 3]", '["[1, 2]"]', "[[1, 2, 3]]"])
def test_a_row_that_is_none_is_named_by_its_number(generation: Generation, rows: str) -> None:
    with pytest.raises(BadRequest, match=r"^row [12] "):
        generation.check_rows(rows, 2)


A_SERVER_THAT_STORES_MANY_TEXTS = """
import json, pathlib, sys, urllib.request
import apsw
from qasino_server.server import Server
from qasino_server.settings import Settings

place = pathlib.Path(sys.argv[1])
options = dict(http_port=0, zmq_port=0, pubsub_port=0, line_port=None)
files = dict(db_dir=place / "db", static_db=place / "static.db", views_file=place / "views.conf")
files["views_file"].touch()
table = {"tablename": "t", "column_names": [f"c{n}" for n in range(10)],
         "column_types": ["text"] * 10, "rows": [["a text that is bound"] * 10] * 64}
body = json.dumps({"op": "add_table_data", "identity": "i", "table": table}).encode()
with Server(Settings(**options, **files)) as server:
    server.start(heartbeat=False)
    url = f"http://127.0.0.1:{server.ports['http']}/request?op=add_table_data"
    assert "ok" in urllib.request.urlopen(url, body).read().decode()
    full = apsw.SQLITE_DBSTATUS_LOOKASIDE_MISS_FULL
    print(sum(c.status(full)[1] for c in apsw.connections()))
"""


def test_the_values_of_a_statement_find_room_in_the_connection(tmp_path: Path) -> None:
    """Without a slot each text is a malloc under SQLite's own lock: see `heap`."""
    command = [sys.executable, "-c", A_SERVER_THAT_STORES_MANY_TEXTS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("0\n", "")
