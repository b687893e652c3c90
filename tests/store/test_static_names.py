"""The names of a static table come with its own rows, whenever it is replaced."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
from handed_in import publication

from qasino_server.database.answer import Limits, answer, collect
from qasino_server.database.durable import DurableFile
from qasino_server.database.examine import Begun, Examined, begin, examine
from qasino_server.database.generation import Generation
from qasino_server.database.generation_file import GenerationFile
from qasino_server.database.lines import lines_of
from qasino_server.database.room import Reserve
from qasino_server.database.snapshot import Overlay, Place, SnapshotConnection

LIMITS = Limits(1000, 1 << 20)
ASKED = "select * from s"
NR_ROWS = 200
"""More than are fetched before SQLite is to build the answer."""


class Alternating:
    """A static table of one column, named as what is in its cells: now a, now b."""

    def __init__(self, path: Path) -> None:
        self._file = DurableFile(path, 1 << 20)
        self._names = "ab"

    def replace(self) -> None:
        self._names = self._names[::-1]
        name = self._names[0]
        made = publication("x", "s", f"{name} text", [[name]] * NR_ROWS, static=1)
        self._file.replace(made, 1, 0.0)

    def close(self) -> None:
        self._file.close()


@pytest.fixture
def static(tmp_path: Path) -> Iterator[Alternating]:
    made = Alternating(tmp_path / "static")
    made.replace()
    yield made
    made.close()


@pytest.fixture
def on(static: Alternating, tmp_path: Path) -> Iterator[SnapshotConnection]:
    generation = Generation(tmp_path / "now")
    generation.seal()
    now = GenerationFile(tmp_path / "now", Reserve(tmp_path))
    made = SnapshotConnection(Place(now, None, tmp_path / "static"), Overlay(0), 1 << 20)
    yield made
    made.close()


Told = tuple[str, str]
"""The name of the column, and its first cell."""


def typed(on: SnapshotConnection, query: Examined, begun: Begun | None) -> Told:
    result = answer(on, query, True, LIMITS, begun)
    return result.column_names[0], json.loads(result.rows_json)[0][0]


def strings(on: SnapshotConnection, query: Examined, begun: Begun | None) -> Told:
    result = answer(on, query, False, LIMITS, begun)
    return result.column_names[0], json.loads(result.rows_json)[0][0]


def rows(on: SnapshotConnection, query: Examined, begun: Begun | None) -> Told:
    result = collect(on, query, LIMITS, begun)
    return result.column_names[0], result.rows[0][0]


def csv(on: SnapshotConnection, query: Examined, begun: Begun | None) -> Told:
    ((text, _),) = lines_of(on, query, "csv", query.names)
    return query.names[0], text.decode().split("\n")[0]


@pytest.mark.parametrize("way", [typed, strings, rows])
def test_it_is_replaced_while_a_statement_begins(
    on: SnapshotConnection, static: Alternating, way: Callable[..., Told]
) -> None:
    for _ in range(3):
        query, begun = begin(on, ASKED, (), static.replace)
        static.replace()
        name, cell = way(on, query, begun)
        on.let_go_of_static()
        assert name == cell


@pytest.mark.parametrize("way", [typed, strings, rows, csv])
def test_it_is_replaced_between_the_look_and_the_answer(
    on: SnapshotConnection, static: Alternating, way: Callable[..., Told]
) -> None:
    for _ in range(3):
        query = examine(on, ASKED, ())
        static.replace()
        name, cell = way(on, query, None)
        on.let_go_of_static()
        assert name == cell


def test_who_asks_again_is_told_of_the_table_as_it_is(bench: Any, tmp_path: Path) -> None:
    for name in "aba":
        bench.publish("x", "s", f"{name} text", [[name]], static=1)
        for form in ("typed", "strings"):
            result = bench.ask(ASKED, form=form)
            assert (result.column_names, json.loads(result.rows_json)) == ((name,), [[name]])
        # Nobody holds the table any more, so all of its log can be taken into the file.
        with closing(apsw.Connection(str(tmp_path / "static.db"))) as other:
            assert other.execute(ASKED).fetchall() == [(name,)]
            assert other.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE) == (0, 0)
