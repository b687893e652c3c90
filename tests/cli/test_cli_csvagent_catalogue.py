"""Which files are followed, and which of two that hold one table is published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from agent_house import HURRY, IDENTITY, csv_of, write_index

from qasino_cli.csvagent.catalogue import Assignment, Catalogue
from qasino_cli.csvagent.followed import LARGE_BYTES
from qasino_cli.csvagent.pace import Pace
from qasino_cli.csvagent.parcel import Wrapping
from qasino_cli.csvagent.report import rows_of


def catalogue(pace: Pace = HURRY, **wanted: Sequence[Path | str]) -> Catalogue:
    named = {what: [str(path) for path in paths] for what, paths in wanted.items()}
    return Catalogue(Assignment(wrapping=Wrapping(IDENTITY), **named), pace)


def judged(**wanted: Sequence[Path | str]) -> Catalogue:
    """One with a judgement on every file, as it is."""
    made = catalogue(**wanted)
    made.look(0.0, hasty=True)
    return made


def states(made: Catalogue) -> dict[str, str]:
    return {Path(row.path).name: row.state for row in rows_of(made, None)}


def write(folder: Path, *tables: str) -> None:
    for table in tables:
        (folder / f"{table}.csv").write_text(csv_of(table, [1]))


def test_a_file_there_is_no_judgement_on_is_not_told_of(tmp_path: Path) -> None:
    write(tmp_path, "a")
    made = catalogue(directories=[tmp_path])
    made.look(0.0)
    assert (states(made), made.complete) == ({}, False)
    made.look(1.0)
    assert (states(made), made.complete) == ({"a.csv": "ok"}, True)


def test_a_table_that_is_asked_for_by_name_comes_alone(tmp_path: Path) -> None:
    """What is broken and has no name yet is left out, too."""
    write(tmp_path, "a", "b")
    (tmp_path / "c.csv").write_text("1\n")
    assert states(judged(directories=[tmp_path], tables=["A"])) == {"a.csv": "ok"}


def test_a_file_that_an_index_names_and_the_names_leave_out_is_left_out(tmp_path: Path) -> None:
    """Though it names itself otherwise, and the directory has it."""
    write(tmp_path, "t")
    index = write_index(tmp_path / "index", "t.csv,other")
    made = judged(indexes=[index], directories=[tmp_path], tables=["t"])
    assert (states(made), made.not_found) == ({}, ["t"])


def test_files_that_name_files_are_no_tables_of_the_directory_they_lie_in(tmp_path: Path) -> None:
    write(tmp_path, "t")
    index = write_index(tmp_path / "index.csv", "t.csv,other")
    indexes, names = tmp_path / "indexes.csv", tmp_path / "names.csv"
    indexes.write_text("# no,index\n")
    names.write_text("other\nindex\nindexes\nnames\n")
    made = judged(
        indexes=[index], index_lists=[indexes], directories=[tmp_path], table_lists=[names]
    )
    assert states(made) == {"t.csv": "ok"}
    assert states(judged(indexes=[index], directories=[tmp_path])).keys() == {
        *("t.csv", "indexes.csv", "names.csv")
    }


def test_the_agents_own_tables_cannot_be_named_in_any_case(tmp_path: Path) -> None:
    write(tmp_path, "Qasino_Agent_Files")
    [row] = rows_of(judged(directories=[tmp_path]), None)
    assert row.error == "table 'Qasino_Agent_Files' is the agent's own"


def test_what_names_files_has_its_time_too(tmp_path: Path) -> None:
    index = tmp_path / "index"
    index.write_text("2\n")
    [row] = rows_of(judged(indexes=[index]), None)
    assert (row.state, row.mtime) == ("broken", round(index.stat().st_mtime, 2))


def test_what_is_no_directory_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    [row] = rows_of(judged(directories=[path]), None)
    assert (row.path, row.state, row.error) == (str(path), "broken", "not a directory")


def test_that_a_directory_goes_or_comes_is_a_change(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    made = judged(directories=[folder])
    for now, told in ((1.0, {"folder": "missing"}), (2.0, {})):
        _ = folder.rmdir() if told else folder.mkdir()
        made.glance(now)
        assert made.look(now)
        assert states(made) == told
        assert not made.look(now)


@pytest.mark.parametrize(("nr_files", "nr_turns"), [(1, 3), (3, 1), (7, 3), (6, 3)])
def test_every_file_is_compared_once_in_so_many_turns(
    tmp_path: Path, nr_files: int, nr_turns: int
) -> None:
    write(tmp_path, *(f"t{n}" for n in range(nr_files)))
    made = catalogue(msgspec.structs.replace(HURRY, deep_turns=nr_turns), directories=[tmp_path])
    made.look(0.0, hasty=True)
    compared = []
    for turn in range(1, nr_turns + 1):
        before = sum(table.file.look_at < 9.0 for table in made.tables)
        made.compare_some(float(turn))
        compared.append(sum(table.file.look_at < 9.0 for table in made.tables) - before)
    assert sum(compared) == nr_files
    assert max(compared) - min(compared) <= 1


def test_what_is_read_as_it_is_now_has_the_large_files_too(tmp_path: Path) -> None:
    """As `--check` and `--once` read it."""
    (tmp_path / "a.csv").write_text(csv_of("a", [1], note="x" * LARGE_BYTES))
    assert states(judged(directories=[tmp_path])) == {"a.csv": "ok"}


def test_of_two_large_files_of_one_table_the_second_is_broken(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text(csv_of("t", [1], note="x" * LARGE_BYTES))
    made = catalogue(directories=[tmp_path])
    made.look(0.0)
    for now in (0.0, 0.0, 1.0, 1.0):
        made.look_at_a_large_one(now)
    assert states(made) == {"a.csv": "ok", "b.csv": "broken"}


def test_at_the_start_a_large_file_has_its_table_before_a_small_one_that_comes_later(
    tmp_path: Path,
) -> None:
    """Though the small one is judged first."""
    (tmp_path / "a.csv").write_text(csv_of("t", [1], note="x" * LARGE_BYTES))
    (tmp_path / "b.csv").write_text(csv_of("t", [2]))
    made = catalogue(directories=[tmp_path])
    for now in (0.0, 1.0):
        made.look(now)
    assert states(made) == {"b.csv": "ok"}
    for now in (1.0, 2.0):
        made.look_at_a_large_one(now)
    assert states(made) == {"a.csv": "ok", "b.csv": "broken"}
