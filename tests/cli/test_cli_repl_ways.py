"""What the prompt does by the ways of its user: their keys, their pager."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from command import zmq_url
from prompt_house import Start
from wire import TIMEOUT_S

from qasino_cli.console import ExitCode
from qasino_cli.sql.pager import goes_sideways
from qasino_server.server import Server


def test_enter_after_escape_runs_what_is_typed_with_vi_keys_and_adds_a_line_else(
    start: Start,
) -> None:
    terminal = start()
    terminal.prompt()
    terminal.type("select 6 * 7\x1b\ras answer;\r")
    terminal.see("-> as answer;", "answer ────── 42")
    terminal.run("\\keys", "vi keys")
    terminal.type("select 50 + 5 as second;\x1b")
    terminal.see("as second;")
    terminal.type("\r")
    terminal.see("second ────── 55")


@pytest.mark.parametrize(("program", "whole"), [("less", True), ("more", False)])
def test_the_whole_of_a_last_result_is_shown_where_the_pager_goes_sideways(
    start: Start, tmp_path: Path, program: str, whole: bool
) -> None:
    paged, pager = tmp_path / "paged", tmp_path / program
    pager.write_text(f'#!/bin/sh\necho "options $LESS" > {paged}\ncat >> {paged}\necho READ\n')
    pager.chmod(0o755)
    terminal = start(PAGER=str(pager), LESS="FRSX", NO_COLOR="1")
    terminal.prompt()
    terminal.run(
        "select printf('%0300d', 7) || 'x' a, 'last' b from (values (1),(2),(3),(4),(5),(6));"
    )
    terminal.type("\\last\r")
    if whole:
        terminal.see("READ")
        options, names, _, *rows = paged.read_text().splitlines()
        assert options == "options FRSX -+F"  # else it ends at once, with their beginnings
        assert names.split() == ["a", "b"]
        assert [row.split() for row in rows] == [[f"{7:0300d}x", "last"]] * 6
    else:
        terminal.prompt()
        assert not paged.exists()  # it fits, cut as it was


@pytest.mark.parametrize(
    ("pager", "less", "sideways"),
    [
        ("less", None, True),
        ("/usr/bin/less -R", "FRSX", True),
        ("less", "-F -X", False),
        ("less -SR", "FX", True),
        ("less --chop-long-lines", "", True),
        ("less --LONG-PROMPT", "", False),
        ("pspg", None, True),
        ("cat", "S", False),
        ("", None, False),
    ],
)
def test_what_goes_sideways_is_told_by_its_name_and_options(
    monkeypatch: pytest.MonkeyPatch, pager: str, less: str | None, sideways: bool
) -> None:
    monkeypatch.delenv("LESS", raising=False)
    if less is not None:
        monkeypatch.setenv("LESS", less)
    assert goes_sideways(pager) is sideways


@pytest.mark.parametrize("script", ["select 1 \\g | {}", "\\o | {}\n\\o", "\\o | {}"])
@pytest.mark.parametrize("going", [(), ("--keep-going",)])
def test_ctrl_c_in_a_command_that_takes_results_ends_a_script(
    start: Start, server: Server, script: str, going: tuple[str, ...]
) -> None:
    script = script.format("echo be''gun; exec sleep 100")
    terminal = start(zmq_url(server), *going, "-q", script, "-q", "\\echo on")
    terminal.see("begun")
    terminal.type("\x03")
    assert terminal.wait() == ExitCode.INTERRUPTED
    assert "it ended with" not in terminal.text
    assert terminal.text.endswith("^C")


def test_ctrl_c_in_a_command_that_takes_results_is_no_error_at_the_prompt(start: Start) -> None:
    terminal = start()
    terminal.prompt()
    terminal.type("select 1 \\g | echo be''gun; exec sleep 100\r")
    terminal.see("begun")
    terminal.interrupt()
    terminal.prompt()
    assert "it ended with" not in terminal.text
    terminal.run("select 6 * 7 x;", "42")


def test_ctrl_c_while_a_table_is_described_has_the_prompt_begin_a_line(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(TIMEOUT_S)
        terminal = start(f"http://127.0.0.1:{silent.getsockname()[1]}")
        terminal.prompt()
        following, _ = silent.accept()
        terminal.type("\\d\r")
        describing, _ = silent.accept()
        terminal.interrupt()
        terminal.see("\\d ^C qasino>")
        assert "^C" in terminal.lines
        for each in (following, describing):
            each.close()


COUNTED = (
    "with recursive c(n) as (select 1 union all select n + 1 from c limit {}) select {} from c;"
)


@pytest.mark.parametrize("lines", [24, 12])
@pytest.mark.parametrize("nr_rows", [4, 13, 17, 200])
def test_the_names_of_a_result_stay_on_the_screen_above_the_next_prompt(
    start: Start, lines: int, nr_rows: int
) -> None:
    """The prompt takes lines for its menu and a toolbar, and drew the names over the top."""
    terminal = start()
    terminal.prompt()
    terminal.resize(80, lines)
    columns = ", ".join(f"n as number_{i}" for i in range(15))
    terminal.type(f"\x0c{COUNTED.format(nr_rows, columns)}\r")
    terminal.until(lambda: "│ emacs" in terminal.lines[-1], "the toolbar of the next prompt")
    terminal.see(f"{nr_rows} rows in", "more columns (\\gx shows them)")
    terminal.prompt()
    assert any(line.startswith("number_0") for line in terminal.lines), terminal.lines


def test_records_that_leave_no_room_for_the_next_prompt_are_paged(
    start: Start, tmp_path: Path
) -> None:
    pager = tmp_path / "less"
    pager.write_text('#!/bin/sh\necho "options $LESS"\nsed s/^/PAGED:/\n')
    pager.chmod(0o755)
    terminal = start(PAGER=str(pager), LESS="FRSX", NO_COLOR="1")
    terminal.prompt()
    terminal.resize(80, 24)
    cells = ", ".join(f"{n} as c_{n}" for n in range(14))
    terminal.run(f"select {cells} \\gx", "c_0 | 0")
    assert b"PAGED" not in terminal.written
    terminal.run(f"select {cells}, 14 as c_14 \\gx", "PAGED:c_14 | 14")
    assert b"options FRSX -+F" in terminal.written  # it would take them for what fits, and end


@pytest.mark.parametrize("switch", ["\\x", "\\x auto"])
def test_records_that_are_paged_are_all_there(start: Start, tmp_path: Path, switch: str) -> None:
    paged = tmp_path / "paged"
    terminal = start(PAGER=f"cat > {paged}; echo READ", NO_COLOR="1")
    terminal.prompt()
    terminal.resize(80, 24)
    terminal.run(switch, "records")
    cells = ", ".join(f"n as number_{i}" for i in range(15))
    terminal.run(COUNTED.format(100, cells), "READ 100 rows in")
    records = [line for line in paged.read_text().splitlines() if line.startswith("-[")]
    assert [record.split()[1] for record in records] == [str(n) for n in range(1, 101)]
    assert b"first and last" not in terminal.written


def test_only_a_line_that_was_begun_has_the_mark_of_one(start: Start) -> None:
    terminal = start()
    terminal.connected()
    terminal.type(f"select '{'x' * 100}'\ras long, 6 * 7 as answer;")
    terminal.see("answer;")
    begun = next(n for n, line in enumerate(terminal.lines) if line.startswith("qasino>"))
    first, wrapped, second, *_ = terminal.lines[begun:]
    assert first == f"qasino> select '{'x' * 84}"
    assert wrapped == f"{'x' * 16:>24}'"
    assert second == "     -> as long, 6 * 7 as answer;"


@pytest.mark.parametrize(
    ("columns", "toolbar"),
    [
        (59, "http://127.0.0.1:1 │ cannot reach it yet │ emacs │ \\? help"),
        (58, "http://127.0.0.1:1 │ cannot reach it yet │ \\? help"),
        (50, "http://127.0.0.1:1 │ cannot reach it yet"),
        (40, "cannot reach it yet"),
    ],
)
def test_what_the_toolbar_has_no_room_for_is_left_out_whole(
    start: Start, columns: int, toolbar: str
) -> None:
    terminal = start("http://127.0.0.1:1")
    terminal.prompt()
    terminal.resize(columns, 20)
    terminal.until(lambda: terminal.lines[-1] == f" {toolbar}", toolbar)


def test_the_toolbar_tells_of_its_generation_as_long_as_there_is_room(
    start: Start, server: Server
) -> None:
    terminal = start()
    terminal.connected()
    terminal.resize(52, 20)
    told = rf" {zmq_url(server)} │ generation \d+, \d+ s old"
    terminal.until(lambda: re.fullmatch(told, terminal.lines[-1]) is not None, told)
    terminal.resize(40, 20)
    terminal.until(lambda: terminal.lines[-1] == f" {zmq_url(server)}", "the server alone")


def test_a_low_window_has_a_prompt(start: Start) -> None:
    terminal = start()
    terminal.prompt()
    terminal.resize(80, 5)
    terminal.type("select 40 + 2 as answer;\r")
    terminal.see("42", "qasino>", "│ emacs")


@pytest.mark.parametrize(
    ("keys", "edited"),
    [
        ("\x1bbX", "select * from Xqasino_server_t"),
        ("\x1b[DX", "select * from qasino_server_Xt"),
        ("\x1b\x7f", "select * from"),
    ],
)
def test_escape_begins_other_keys_under_an_open_menu_too(
    start: Start, keys: str, edited: str
) -> None:
    terminal = start()
    terminal.connected()
    terminal.type("select * from qasino_server_t")
    terminal.see("qasino_server_tables")
    terminal.type(keys)
    terminal.until(lambda: terminal.prompts[-1] == f"qasino> {edited}", "the line that is edited")


def test_escape_closes_the_menu_and_leaves_the_line(start: Start) -> None:
    terminal = start()
    terminal.connected()
    terminal.type("select * from qasino_server_t")
    terminal.see("qasino_server_tables")
    terminal.type("\x1b")
    terminal.gone("qasino_server_tables")
    assert terminal.prompts[-1] == "qasino> select * from qasino_server_t"
