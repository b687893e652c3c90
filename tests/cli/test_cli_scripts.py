"""What stands in scripts and does more than to ask: files, commands of the shell, repetition."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from command import http_url, run_qasino, zmq_url
from terminal_screen import Terminal

from qasino_cli.console import ExitCode
from qasino_server.server import Server


def test_a_command_of_the_shell_that_ctrl_c_ended_ends_the_script(url: str) -> None:
    for command in ("kill -INT $$", "exit 130"):
        ran = run_qasino("sql", "-s", url, "--keep-going", "-q", f"\\! {command}\n\\echo on")
        assert (ran.returncode, ran.stdout, ran.stderr) == (ExitCode.INTERRUPTED, "", "")


@pytest.mark.parametrize("command", ["\\i", "\\o", "select 1 \\g"])
def test_a_home_that_is_nobodys_is_one_sentence(server: Server, command: str) -> None:
    ran = run_qasino("sql", "-s", zmq_url(server), "-q", f"{command} ~nosuchuser/x")
    assert ran.returncode == ExitCode.USAGE
    assert ran.stderr.endswith("'~nosuchuser/x': nobody's home is '~nosuchuser'\n")
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["\\i a", "\\o a", "\\o | a", "\\! a", "select 1 \\g a"])
def test_a_nul_byte_in_a_script_is_one_sentence(server: Server, command: str) -> None:
    ran = run_qasino("sql", "-s", zmq_url(server), stdin=f"{command}\0b\n")
    assert (ran.returncode, ran.stdout) == (ExitCode.USAGE, "")
    assert ran.stderr.endswith("'a\\x00b': there is a NUL byte in it\n")
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("sql", "-s", "http://me@127.0.0.1:1", "--password-file"),
        ("sql", "-s", "http://127.0.0.1:1", "--token-file"),
        ("sql", "-s", "https://127.0.0.1:1", "--ca-file"),
        ("sql", "--curve-server-key", "x", "--curve-key"),
        ("server", "--db-dir"),
    ],
)
def test_an_option_names_a_home_that_is_nobodys(arguments: tuple[str, ...]) -> None:
    command, *options = arguments
    query = ("-q", "select 1") if command == "sql" else ()
    ran = run_qasino(command, *query, *options, "~nosuchuser/x")
    assert (ran.returncode, ran.stdout) == (ExitCode.USAGE, "")
    assert "'~nosuchuser/x': nobody's home is '~nosuchuser'" in ran.stderr.replace(" \n", " ")
    assert len(ran.stderr.splitlines()) == 1


def test_a_file_of_rows_is_named_with_quotes_wherever_it_is_named(url: str, tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{n} file.csv" for n in "123")
    script = f"select 1 a \\g '{first}'\n\\g \"{second}\"\n\\o '{third}'\nselect 3 a;\n"
    ran = run_qasino("sql", "-s", url, stdin=script)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("", "", ExitCode.OK)
    assert [file.read_text() for file in (first, second, third)] == ["a\n1\n", "a\n1\n", "a\n3\n"]
    assert len(list(tmp_path.glob("*.csv"))) == 3


def test_a_file_of_rows_stays_as_it_is_where_the_query_fails(url: str, tmp_path: Path) -> None:
    kept = tmp_path / "keep.csv"
    kept.write_text("precious\n")
    for options in ((), ("--format", "json")):
        ran = run_qasino("sql", "-s", url, *options, "-q", f"select nope \\g {kept}")
        assert (ran.returncode, kept.read_text()) == (ExitCode.REFUSED, "precious\n")
    ran = run_qasino("sql", "-s", url, "--format", "ndjson", "-q", f"select 1 where 0 \\g {kept}")
    assert (ran.returncode, kept.read_text()) == (ExitCode.OK, "")


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("values (1), (2), (3)", ExitCode.OK),
        ("values (1), (2), (3) \\g {file}", ExitCode.REFUSED),
        ("\\o {file}\nvalues (1), (2), (3)", ExitCode.REFUSED),
        ("\\o {file}\n\\o\nvalues (1), (2), (3)", ExitCode.OK),
    ],
)
def test_a_cut_result_fails_where_no_terminal_shows_it(
    make_server: Callable[..., Server], tmp_path: Path, script: str, code: ExitCode
) -> None:
    server = make_server(max_rows=2)
    text = script.format(file=tmp_path / "rows")
    terminal = Terminal("sql", "-s", zmq_url(server), "-q", text, home=tmp_path)
    try:
        terminal.see("cut after 2 rows")
        assert terminal.wait() == code
    finally:
        terminal.close()


def test_what_shows_the_columns_there_is_no_room_for_is_said(
    server: Server, tmp_path: Path
) -> None:
    text = f"select {', '.join(f'1 as number_{n}' for n in range(20))}"
    terminal = Terminal("sql", "-s", zmq_url(server), "-q", text, home=tmp_path)
    try:
        terminal.see("more columns (--format vertical shows them): number_")
    finally:
        terminal.close()


def test_timing_has_a_note_and_a_last_result_over_each_transport(url: str) -> None:
    script = "\\timing on\nselect 42 x;\n\\last\n"
    ran = run_qasino("sql", "-s", url, stdin=script)
    assert ran.returncode == ExitCode.OK
    assert ran.stdout.split() == ["x", "42", "x", "──", "42"]
    assert "1 row in " in ran.stderr


def test_what_is_streamed_is_no_last_result(server: Server) -> None:
    script = "\\timing on\nselect 1 x;\n\\timing off\nselect 2 x;\n\\last\n"
    ran = run_qasino("sql", "-s", http_url(server), stdin=script)
    assert ran.returncode == ExitCode.USAGE
    assert ran.stdout.split() == ["x", "1", "x", "2"]
    assert ran.stderr.endswith(
        "<stdin>:5: there is no result yet; over HTTP csv, tsv and ndjson are kept with \\timing"
        " alone\n"
    )


def test_null_is_written_as_it_is_told(url: str) -> None:
    asked = ("sql", "-s", url, "-q", "select null a, '\\N' b")
    for null in ("\\N", "\\", "N/A"):
        assert run_qasino(*asked, "--null", null).stdout == f"a\tb\n{null}\t\\\\N\n"
    assert run_qasino(*asked, "--null", ",", "--format", "csv").stdout == 'a,b\n",",\\N\n'
    ran = run_qasino("sql", "-s", url, "-q", "\\pset null '\\N'", "-q", "select null a")
    assert ran.stdout == "a\n\\N\n"


def test_saved_queries_may_have_any_names_that_yaml_knows(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "qasino" / "queries.yaml"
    file.parent.mkdir()
    file.write_text("404: select 404 a\nerrors: select 1 a\nyes: select 2 a\n")
    asked = ("sql", "-s", zmq_url(server), "-q", "\\run errors", "-q", "\\run 404")
    ran = run_qasino(*asked, XDG_CONFIG_HOME=str(tmp_path))
    assert (ran.stdout, ran.stderr, ran.returncode) == ("a\n1\na\n404\n", "", ExitCode.OK)


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    """The file of the saved queries of whoever has `tmp_path` for XDG_CONFIG_HOME."""
    file = tmp_path / "qasino" / "queries.yaml"
    file.parent.mkdir()
    return file


def test_a_saved_query_is_read_as_a_script_is(
    server: Server, tmp_path: Path, queries: Path
) -> None:
    """All that \\save takes: several statements, comments and commands."""
    asked = ("sql", "-s", zmq_url(server), "--format", "table")
    script = """\\save two select 1 a; select 2 b -- ; last
\\save records select 3 c \\gx
\\run two
\\run records
\\g
"""
    ran = run_qasino(*asked, stdin=script, XDG_CONFIG_HOME=str(tmp_path))
    assert ran.returncode == ExitCode.OK, ran.stderr
    assert ran.stdout.split() == "a ─ 1 b ─ 2 -[ 1 ]- c | 3 c ─ 3".split()
    queries.write_text("by_hand: |\n  -- first;\n  select 4 d;\n  \\echo on\n  select 5 e;\n")
    ran = run_qasino(*asked, "-q", "\\run by_hand", XDG_CONFIG_HOME=str(tmp_path))
    assert ran.stdout.split() == "d ─ 4 on e ─ 5".split()


def test_a_saved_query_that_leaves_ends_itself_alone(
    server: Server, tmp_path: Path, queries: Path
) -> None:
    queries.write_text("left: select 1 a; quit; select 2 b\n")
    asked = ("sql", "-s", zmq_url(server), "-q", "\\run left\n\\echo on")
    ran = run_qasino(*asked, XDG_CONFIG_HOME=str(tmp_path))
    assert (ran.stdout.split(), ran.returncode) == (["a", "1", "on"], ExitCode.OK)


def test_an_error_in_a_saved_query_names_it_and_its_line(
    server: Server, tmp_path: Path, queries: Path
) -> None:
    queries.write_text("bad: |\n  select 1 a;\n  select nope;\nworse: \\run bad\n")
    asked = ("sql", "-s", zmq_url(server))
    script = "\n\\run worse\n\\echo no\n"
    ran = run_qasino(*asked, stdin=script, XDG_CONFIG_HOME=str(tmp_path))
    assert (ran.stdout.split(), ran.returncode) == (["a", "1"], ExitCode.REFUSED)
    assert ran.stderr.startswith("\\run bad:2: SQL error: no such column: nope\n")


def test_a_saved_query_that_runs_itself_is_run_once(
    server: Server, tmp_path: Path, queries: Path
) -> None:
    file = tmp_path / "s.sql"
    file.write_text("\\echo file\n\\run first\n")
    queries.write_text(f"first: \\run second\nsecond: \\echo two \\i {file}\n")
    asked = ("sql", "-s", zmq_url(server), "--keep-going", "-q", "\\run first", "-q", "\\run first")
    ran = run_qasino(*asked, XDG_CONFIG_HOME=str(tmp_path))
    assert (ran.stdout.split(), ran.returncode) == (["two", "file"] * 2, ExitCode.USAGE)
    assert ran.stderr == f"{file}:2: \\run: first runs itself\n" * 2


def test_a_table_that_is_looked_for_is_not_the_last_statement(url: str) -> None:
    script = "select 1 one;\n\\d nope\n\\g\nselect 2 two \\r\n\\g\n"
    ran = run_qasino("sql", "-s", url, "--keep-going", stdin=script)
    assert ran.stdout.split() == ["one", "1"] * 3
    assert ran.stderr == "<stdin>:2: SQL error: Table nope not found\n  DESC nope\n       ^\n"


def test_what_took_too_long_ends_nothing_where_that_is_to_be_gone_on_with(url: str) -> None:
    endless = "with recursive c(n) as (select 1 union all select n + 1 from c) select max(n) from c"
    asked = ("sql", "-s", url, "--timeout", "1", "-q", endless, "-q", "select 2 b")
    ran = run_qasino(*asked)
    assert (ran.returncode, ran.stdout) == (ExitCode.UNREACHABLE, "")
    assert ran.stderr == f"{url} gave no answer in 1 s\n"
    ran = run_qasino(*asked, "--keep-going")
    assert (ran.returncode, ran.stdout) == (ExitCode.UNREACHABLE, "b\n2\n")
    assert ran.stderr == f"{url} gave no answer in 1 s\n"


def test_a_file_of_rows_that_cannot_be_opened_is_told_by_the_command(url: str) -> None:
    ran = run_qasino("sql", "-s", url, "-q", "select 1 a \\g /nonexistent/x")
    assert ran.returncode == ExitCode.USAGE
    assert ran.stderr == "\\g: '/nonexistent/x': No such file or directory\n"


@pytest.mark.parametrize("leave", ["\\q", "\\quit", "\\exit"])
def test_a_script_may_leave(server: Server, leave: str) -> None:
    ran = run_qasino("sql", "-s", zmq_url(server), stdin=f"\\echo a\n{leave}\n\\echo b\n")
    assert (ran.returncode, ran.stdout, ran.stderr) == (ExitCode.OK, "a\n", "")


@pytest.mark.parametrize("leave", ["\\q", "quit;", "exit;"])
@pytest.mark.parametrize("way", ["pipe", "file", "option"])
def test_an_included_file_that_leaves_ends_itself_alone(
    server: Server, tmp_path: Path, leave: str, way: str
) -> None:
    inner, outer = tmp_path / "inner.sql", tmp_path / "outer.sql"
    inner.write_text(f"\\echo inner\n{leave}\n\\echo no\n")
    outer.write_text(f"\\i {inner}\n\\echo outer\n{leave}\n\\echo no\n")
    script = f"\\i {outer}\n\\echo on\n"
    given = tmp_path / "script.sql"
    given.write_text(script)
    arguments = {"pipe": (), "file": ("-f", given), "option": ("-q", script)}[way]
    ran = run_qasino(
        "sql", "-s", zmq_url(server), *arguments, stdin=script if way == "pipe" else ""
    )
    assert (ran.returncode, ran.stdout.split()) == (ExitCode.OK, ["inner", "outer", "on"])


@pytest.mark.parametrize("leave", ["\\q", "quit"])
def test_a_script_that_leaves_ends_none_that_is_given_after_it(
    server: Server, tmp_path: Path, leave: str
) -> None:
    file = tmp_path / "q.sql"
    file.write_text(f"\\echo file\n{leave};\n\\echo no\n")
    options = ("-q", f"\\echo a\n{leave}", "-q", "\\echo b", "-f", file, "-f", "-", "-f", file)
    ran = run_qasino("sql", "-s", zmq_url(server), *options, stdin="\\echo piped\n")
    assert (ran.returncode, ran.stdout.split()) == (
        ExitCode.OK,
        ["a", "b", "file", "piped", "file"],
    )


def test_an_error_ends_all_that_is_given_after_it(server: Server, tmp_path: Path) -> None:
    file, outer = tmp_path / "bad.sql", tmp_path / "outer.sql"
    file.write_text("\\echo file\n\\fromat\n\\echo no\n")
    outer.write_text(f"\\i {file}\n\\echo no\n")
    ran = run_qasino("sql", "-s", zmq_url(server), "-f", outer, "-f", file)
    assert (ran.returncode, ran.stdout) == (ExitCode.USAGE, "file\n")
    ran = run_qasino("sql", "-s", zmq_url(server), "--keep-going", "-f", file, "-f", outer)
    assert (ran.returncode, ran.stdout.split()) == (ExitCode.USAGE, ["file", "no"] * 2 + ["no"])


@pytest.mark.parametrize("form", ["table", "markdown", "vertical"])
def test_an_infinity_is_shown(server: Server, form: str) -> None:
    ran = run_qasino(
        *("sql", "-s", zmq_url(server), "--format", form, "-q", "select -1e999 a, null b")
    )
    assert re.findall(r"-Inf|NULL", ran.stdout) == ["-Inf", "NULL"]


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_an_infinity_is_told_from_null_over_each_transport(server: Server, form: str) -> None:
    sql = (
        "select 1e999 a, -1e999 b, null c, 'Inf' d, 1 e union all values (1, 2.5, null, null, null)"
    )
    over_zmq, over_http = (
        run_qasino("sql", "-s", url, "--format", form, "-q", sql)
        for url in (zmq_url(server), http_url(server))
    )
    assert over_zmq.stdout == over_http.stdout
    assert over_zmq.stdout.splitlines()[1].replace("\t", ",").startswith("Inf,-Inf,")
    null = run_qasino("sql", "-s", http_url(server), "--format", form, "--null", "-", "-q", sql)
    between = "," if form == "csv" else "\t"
    lines = null.stdout.splitlines()[1:]
    assert [line.split(between) for line in lines] == [
        ["Inf", "-Inf", "-", "Inf", "1"],
        ["1", "2.5", "-", "-", "-"],
    ]


@pytest.mark.parametrize("how", ["0.01 c=3", "i=0.01 c=3", "interval=0.01 count=3", "c=3 0.01"])
def test_watch_repeats_as_often_as_it_is_told(server: Server, how: str) -> None:
    script = f"select 7 a \\watch {how}\n\\echo on\n"
    ran = run_qasino("sql", "-s", zmq_url(server), "--no-header", stdin=script)
    assert (ran.returncode, ran.stdout.split()) == (ExitCode.OK, ["7", "7", "7", "on"])


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("\\watch c=0", "\\watch takes SECONDS, and c=N for how often"),
        ("\\watch m=1", "\\watch takes SECONDS, and c=N for how often"),
        ("\\watch i=", "\\watch: 'i=' is not "),
        ("\\watch soon", "\\watch: 'soon' is not "),
        ("\\forget", "\\forget wants the name of a saved query"),
    ],
)
def test_an_argument_that_is_none_is_one_sentence(
    server: Server, command: str, sentence: str
) -> None:
    ran = run_qasino("sql", "-s", zmq_url(server), "-q", f"select 7 a {command}")
    assert (ran.returncode, ran.stdout) == (ExitCode.USAGE, "")
    assert sentence in ran.stderr
