"""What of the tables and their cells comes onto the screen of a prompt."""

from __future__ import annotations

from pathlib import Path

import pytest
from prompt_house import Start
from wire import Wire

from qasino_server.server import Server


def test_a_publisher_cannot_turn_what_is_typed(start: Start, server: Server, wire: Wire) -> None:
    """A value with a mark that reverses what follows stands in the menu, and then in the text."""
    wire.publish("web-1", "evil", ["c"], ["text"], [["\u202ea"], ["\u202eb"]])
    server.rotate()
    terminal = start()
    terminal.connected()
    terminal.type("select count(*) many from evil where c = ")
    terminal.see("\\u202ea of c", "\\u202eb of c")
    terminal.type("\t")
    terminal.see("where c = '\\u202ea'")
    terminal.type("\r;\r")
    terminal.see("many ──── 1", "1 row in")
    assert "\u202e".encode() not in terminal.written


def test_what_a_table_is_is_paged_in_one_piece_where_it_does_not_fit(
    start: Start, server: Server, wire: Wire, tmp_path: Path
) -> None:
    """The first and the last of its columns were shown, and \\last had the identities alone."""
    for name, nr_columns in (("wide", 60), ("tiny", 3)):
        columns = [f"column_{n}" for n in range(nr_columns)]
        wire.publish("web-1", name, columns, ["int"] * nr_columns, [[1] * nr_columns])
    server.rotate()
    paged, pager = tmp_path / "paged", tmp_path / "pager"
    pager.write_text(f"#!/bin/sh\ncat > {paged}\necho READ\n")
    pager.chmod(0o755)
    terminal = start(PAGER=str(pager), NO_COLOR="1")
    terminal.prompt()
    terminal.run("\\d wide", "READ 60 rows in", "1 row in")
    head, _, *rows, blank, names, _, identity = paged.read_text().splitlines()
    assert (head.split()[0], blank, names.split()[0]) == ("column", "", "identity")
    assert [row.split()[0] for row in rows] == [f"column_{n}" for n in range(60)]
    assert identity.startswith("web-1")
    paged.unlink()
    terminal.run("\\d tiny", "column_2 INTEGER", "3 rows in", "web-1", "1 row in")
    assert not paged.exists()


def test_tables_that_just_fit_are_all_listed(
    start: Start, server: Server, wire: Wire, tmp_path: Path
) -> None:
    for n in range(10):
        wire.publish("web-1", f"table_{n}", ["a"], ["int"], [[n]])
    server.rotate()
    terminal = start(PAGER=f"tee {tmp_path / 'paged'}", NO_COLOR="1")
    terminal.prompt()
    terminal.resize(100, 18)  # names, rule, note, prompt and toolbar take eight
    terminal.type("\\dt table_*\r")
    terminal.see("name kind", *(f"table_{n} table" for n in range(10)), "10 rows in")
    assert not (tmp_path / "paged").exists()
    terminal.prompt()
    terminal.resize(100, 17)
    terminal.type("\\dt table_*\r")
    terminal.until((tmp_path / "paged").exists, "a pager")


def test_watch_opens_no_pager(start: Start, tmp_path: Path) -> None:
    """A pager stood there at each repetition, and took the Ctrl-C that was to end it."""
    paged = tmp_path / "paged"
    terminal = start(PAGER=f"cat > {paged}", NO_COLOR="1")
    terminal.prompt()
    terminal.run("\\x", "records on")
    cells = ", ".join(f"{n} as c_{n}" for n in range(50))
    terminal.type(f"select {cells} \\watch 0.1\r")
    terminal.until(lambda: terminal.written.count(b"c_49 | 49") > 2, "the third answer")
    terminal.interrupt()
    terminal.prompt()
    assert not paged.exists()
    terminal.type(f"select {cells};\r")
    terminal.until(paged.exists, "a pager")


def test_nothing_is_paged_with_the_pager_off(start: Start, tmp_path: Path) -> None:
    paged = tmp_path / "paged"
    terminal = start(PAGER=f"cat > {paged}", NO_COLOR="1")
    terminal.prompt()
    terminal.run("\\pset pager off", "pager off")
    cells = ", ".join(f"{n} as c_{n}" for n in range(60))
    terminal.run(f"select {cells} \\gx", "c_59 | 59", "1 row in")
    terminal.run("\\x \\last", "c_59")
    terminal.run("\\x \\format vertical \\g", "c_59 | 59", "1 row in")
    assert not paged.exists()
    terminal.run("\\pset pager maybe", "\\pset pager is on or off")
    terminal.run("\\pset pager", "pager on")
    terminal.type("\\g\r")
    terminal.until(paged.exists, "a pager")


@pytest.mark.parametrize("form", ["csv", "markdown", "vertical"])
def test_other_formats_are_paged_as_well_where_they_do_not_fit(
    start: Start, tmp_path: Path, form: str
) -> None:
    paged = tmp_path / "paged"
    terminal = start(PAGER=f"cat > {paged}; echo READ", NO_COLOR="1")
    terminal.prompt()
    terminal.run(f"\\format {form}", f"format {form}")
    few = (
        "with recursive c(n) as (select 1 union all select n + 1 from c limit {}) select n from c;"
    )
    terminal.run(few.format(9), "9 rows in")
    assert not paged.exists()
    terminal.run(few.format(500), "READ 500 rows in")
    lines = paged.read_text().splitlines()
    assert len(lines) == {"csv": 501, "markdown": 502, "vertical": 1000}[form]
    assert "500" in lines[-1]
    terminal.run(f"\\o {tmp_path / 'rows'}", "")
    terminal.run(few.format(600), "600 rows in")
    assert len((tmp_path / "rows").read_text().splitlines()) > 600
    assert paged.read_text().splitlines() == lines
