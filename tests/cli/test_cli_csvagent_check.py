"""`--check`, `--once` and the greeting: what is said of the files, what is sent, the exit code."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from agent_house import HURRY, IDENTITY, House, csv_of, write_index

from qasino_cli.console import ExitCode
from qasino_cli.csvagent.agent import Errand, greeting
from qasino_cli.csvagent.catalogue import Assignment, Catalogue
from qasino_cli.csvagent.check import check, once
from qasino_cli.csvagent.parcel import Wrapping
from qasino_cli.csvagent.report import FileRow
from qasino_server.server import Server

YEAR_S = 365 * 86400.0


@pytest.fixture
def house(server: Server) -> Iterator[House]:
    with ExitStack() as stack:
        yield House(server, stack)


def catalogue(**wanted: Sequence[Path]) -> Catalogue:
    named = {what: [str(path) for path in paths] for what, paths in wanted.items()}
    return Catalogue(Assignment(wrapping=Wrapping(IDENTITY), **named), HURRY)


@pytest.fixture
def young_and_old(tmp_path: Path) -> Path:
    """A directory with a table of now and one of long ago."""
    for name in ("young", "old"):
        (tmp_path / f"{name}.csv").write_text(csv_of(name, [1]))
    os.utime(tmp_path / "old.csv", (5, 5))
    return tmp_path


def test_check_tells_what_is_stale_and_that_is_no_error(
    young_and_old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(catalogue(directories=[young_and_old]), YEAR_S) == ExitCode.OK
    told = capsys.readouterr()
    states = [line.split("\t")[1:3] for line in told.out.splitlines()]
    assert states == [["table", "state"], ["old", "stale"], ["young", "ok"]]
    assert told.err == "2 files: 1 stale, 1 ok\n"


def test_once_sends_nothing_that_is_stale_and_names_it(
    house: House, young_and_old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    connection = house.connection()
    files = catalogue(directories=[young_and_old])
    assert once(files, IDENTITY, YEAR_S, connection) == ExitCode.OK
    named, published = capsys.readouterr().err.splitlines()
    assert named.startswith(f"{young_and_old}/old.csv: stale: it was written ")
    assert published == f"published 1 table as {IDENTITY} to {connection.url}"
    assert house.maybe("select n from old") is None
    info = house.maybe("select nr_tables, nr_errors from qasino_csvpublisher_info")
    assert info == [[1, 1]]


def test_where_no_file_is_named_that_is_said(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(catalogue(directories=[tmp_path]), None) == ExitCode.OK
    assert capsys.readouterr().err == "no file is named\n"
    connection = house.connection()
    assert once(catalogue(directories=[tmp_path]), IDENTITY, None, connection) == ExitCode.OK
    assert capsys.readouterr().err == f"published 0 tables as {IDENTITY} to {connection.url}\n"


def test_a_missing_file_is_an_error_of_once_and_a_refused_table_is_named(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = write_index(tmp_path / "index", "none", "t")
    (tmp_path / "t.csv").write_text(csv_of("t", [1]))
    connection = house.connection()
    assert once(catalogue(indexes=[index]), IDENTITY, None, connection) == ExitCode.INPUT
    missing = f"{tmp_path}/none.csv: missing: no such file"
    assert capsys.readouterr().err.splitlines()[0] == missing
    for _ in range(2):  # the table that was sent is not there any more
        house.server.rotate()
    house.wire.publish("x", "t", ["n"], ["int"], [[1]], static=1)
    assert once(catalogue(indexes=[index]), IDENTITY, None, connection) == ExitCode.REFUSED
    told = capsys.readouterr().err.splitlines()
    assert told[0] == missing
    assert told[1].startswith(f"{tmp_path}/t.csv: refused: t is a static table here")
    assert told[2] == f"published 0 tables as {IDENTITY} to {connection.url}"


def test_an_agent_greets_with_what_there_is_as_whom_and_to_where() -> None:
    errand = Errand(identity="me", server="zmq://stats:15598")
    good, bad = (FileRow(path="/a", table="a", state=state) for state in ("ok", "broken"))
    assert greeting([good], 0, errand) == "1 table, identity me, to zmq://stats:15598"
    assert greeting([good, good, bad], 2, errand) == (
        "2 tables from 2 indexes, identity me, to zmq://stats:15598; 1 file not ok"
    )
