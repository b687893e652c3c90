"""`qasino sql` against a real server."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from command import COMMAND, clean_environment, http_url, run_qasino, start_qasino, zmq_url
from wire import Wire, until

from qasino_cli.console import ExitCode
from qasino_server.server import Server

ENDLESS = "with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r"
CELLS = "select 'a' s, 1 n, null x union all select '', 20, 'b' || char(9)"
NUMBERS = "select 1.5e300 a, -0.1 b, 9007199254740993 c, x'6162' d, 1.0 e, null f, '' g"


def test_piped_output_is_tsv_with_a_header(url: str) -> None:
    ran = run_qasino("sql", "-s", url, "-q", CELLS)
    assert (ran.returncode, ran.stderr) == (ExitCode.OK, "")
    assert ran.stdout == "s\tn\tx\na\t1\t\\N\n\t20\tb\\t\n"


def test_tables_of_markdown_stay_two(server: Server, tmp_path: Path) -> None:
    script = f"select 1 a; select 2 b;\n\\o {tmp_path / 'md'}\nselect 3 c;\n\\o\nselect 4 d;"
    ran = run_qasino("sql", "-s", zmq_url(server), "--format", "markdown", stdin=script)
    assert ran.stdout.split("\n\n") == [
        "| a |\n| ---: |\n| 1 |",
        "| b |\n| ---: |\n| 2 |",
        "| d |\n| ---: |\n| 4 |\n",
    ]
    assert (tmp_path / "md").read_text() == "| c |\n| ---: |\n| 3 |\n"


@pytest.mark.parametrize("form", ["csv", "tsv", "ndjson", "json", "text", "markdown", "vertical"])
def test_both_transports_print_the_same(server: Server, form: str) -> None:
    printed = [
        run_qasino("sql", "-s", url, "--format", form, "-q", NUMBERS)
        for url in (zmq_url(server), http_url(server))
    ]
    assert printed[0].stdout == printed[1].stdout != ""
    assert [ran.returncode for ran in printed] == [0, 0]


def test_the_text_format_is_the_line_ports(server: Server, wire: Wire) -> None:
    sql = "select viewname, null, 1.0 from qasino_server_views union all select 'a', 2, ''"
    ran = run_qasino("sql", "-s", zmq_url(server), "--format", "text", "-q", sql)
    lines = wire.line(f"{sql};\nquit;\n").replace("\r\n", "\n")
    assert ran.stdout in lines


def test_the_environment_names_the_format(server: Server) -> None:
    ran = run_qasino("sql", "-s", zmq_url(server), "-q", "select 1 a", QASINO_FORMAT="json")
    assert ran.stdout == '[{"a":1}]\n'


@pytest.mark.parametrize("way", [("-c",), ("-q",), ("--query",), (), ("--",)])
def test_a_statement_is_given_as_other_shells_have_it(url: str, way: tuple[str, ...]) -> None:
    ran = run_qasino("sql", "-s", url, *way, "select 1 a")
    assert (ran.returncode, ran.stdout) == (ExitCode.OK, "a\n1\n")


def test_statements_come_from_options_files_and_pipes(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "q.sql"
    file.write_text("select 3 c; -- and\nselect ';' d")
    arguments = ("sql", "-s", zmq_url(server))
    ran = run_qasino(*arguments, "-q", "select 1 a; select 2 b;", "-f", file)
    assert ran.stdout == "a\n1\nb\n2\nc\n3\nd\n;\n"
    assert run_qasino(*arguments, stdin="select 1\n a;\nselect 2 b").stdout == "a\n1\nb\n2\n"
    assert run_qasino(*arguments, stdin="").returncode == ExitCode.OK


SCRIPT = """\
select 1 a, 'x' b \\gx
\\echo hi 'there  you'
\\x
select 2 c;
\\x off
\\t \\pset null -
select null d;
select 3 e \\g {out}
\\o {piped}
select 4 f;
\\qecho done
\\o
select
\\d t
5 g;
\\g | tr 5 6
\\p
\\i {included}
select 'unfinished'
"""

SCRIPTED = """\
-[ 1 ]-
a | 1
b | x
hi there  you
-[ 1 ]-
c | 2
-
column\ttype\tidentities\tdescription
n\tINTEGER\t1\t
identity\trows\tupdated_s_ago
5
6
select
5 g;
included
unfinished
"""


@pytest.mark.parametrize("way", ["pipe", "file", "option"])
def test_commands_of_the_prompt_work_in_scripts(
    server: Server, wire: Wire, tmp_path: Path, way: str
) -> None:
    wire.publish("me", "t", ["n"], ["int"], [[1]])
    server.rotate()
    out, piped, included = (tmp_path / name for name in ("out", "piped", "it's.sql"))
    included.write_text("select 'included'")
    script = SCRIPT.format(out=out, piped=piped, included=f'"{included}"')
    script = script.replace("\\d t", "\\t off \\d t").replace("5 g;", "\\t on\n5 g;")
    given = tmp_path / "script.sql"
    given.write_text(script)
    arguments = {"pipe": (), "file": ("-f", given), "option": ("-q", script)}[way]
    ran = run_qasino(
        "sql", "-s", zmq_url(server), *arguments, stdin=script if way == "pipe" else ""
    )
    shown = re.sub("me\\t1\\t.*\\n", "", ran.stdout)
    wanted = SCRIPTED.replace("5 g;", "\n\n5 g;")
    assert (shown, ran.returncode) == (wanted, ExitCode.OK), ran.stderr
    assert (out.read_text(), piped.read_text()) == ("3\n", "4\ndone\n")


def test_a_command_that_fails_ends_a_script_unless_told_to_keep_going(
    url: str, tmp_path: Path
) -> None:
    included = tmp_path / "s.sql"
    included.write_text("\\fromat csv\nselect 1 a;")
    script = f"\\i {included}\nselect 2 b;"
    ran = run_qasino("sql", "-s", url, stdin=script)
    assert (ran.stdout, ran.returncode) == ("", ExitCode.USAGE)
    wanted = f"{included}:1: \\fromat is no command; did you mean \\format? \\? lists them\n"
    assert ran.stderr == wanted
    ran = run_qasino("sql", "-s", url, "--keep-going", stdin=script)
    assert (ran.stdout, ran.returncode) == ("a\n1\nb\n2\n", ExitCode.USAGE)
    ran = run_qasino("sql", "-s", url, "-q", "\\e")
    assert ran.stderr == "\\e needs a terminal\n"


@pytest.mark.parametrize("form", ["csv", "table"])
def test_a_command_that_has_seen_enough_of_a_result_is_no_error(url: str, form: str) -> None:
    numbers = "with recursive r(n) as (select 1 union all select n + 1 from r)"
    script = f"{numbers} select n from r limit 50000 \\g | head -1\n\\echo on"
    ran = run_qasino("sql", "-s", url, "--format", form, stdin=script)
    assert (ran.stdout.split(), ran.stderr, ran.returncode) == (["n", "on"], "", ExitCode.OK)


@pytest.mark.parametrize("form", ["csv", "table"])
def test_a_command_that_has_seen_enough_of_all_results_is_no_error_either(
    url: str, form: str
) -> None:
    numbers = "with recursive r(n) as (select 1 union all select n + 1 from r)"
    large = f"{numbers} select n from r limit 50000;"
    script = f"\\o | head -1\n{large}\n{large}\n\\qecho more\n\\o\n\\echo on"
    ran = run_qasino("sql", "-s", url, "--format", form, stdin=script)
    assert (ran.stdout.split(), ran.stderr, ran.returncode) == (["n", "on"], "", ExitCode.OK)


def test_a_file_of_a_script_that_cannot_be_read_is_an_input_that_was_rejected(
    url: str, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.sql"
    bad.write_bytes(b"select '\xff'")
    for file in (bad, tmp_path / "missing.sql", tmp_path):
        ran = run_qasino("sql", "-s", url, "-q", f"\\i {file}", "-q", "select 1 a")
        assert (ran.returncode, ran.stdout) == (ExitCode.INPUT, "")
        ran = run_qasino("sql", "-s", url, "--keep-going", "-q", f"\\i {file}", "-q", "select 1 a")
        assert (ran.returncode, ran.stdout) == (ExitCode.INPUT, "a\n1\n")
        assert ran.stderr.startswith(f"\\i: {file}")


@pytest.mark.parametrize("script", ["\\g | exit 3", ";\\o | cat; exit 3\nselect 2;\\o\n"])
def test_a_command_that_results_go_to_fails_as_any_other(url: str, script: str) -> None:
    ran = run_qasino("sql", "-s", url, stdin=f"select 1 {script}\n\\echo on")
    place = "1: \\g" if script.startswith("\\g") else "2: \\o"
    assert ran.stderr == f"<stdin>:{place}: it ended with 3\n"
    assert ran.returncode == ExitCode.USAGE
    assert "on" not in ran.stdout


def test_the_last_command_that_results_go_to_counts_as_well(url: str) -> None:
    ran = run_qasino("sql", "-s", url, "-q", "\\o | cat; exit 3", "-q", "select 1 a")
    assert (ran.stdout, ran.stderr) == ("a\n1\n", "\\o: it ended with 3\n")
    assert ran.returncode == ExitCode.USAGE


@pytest.mark.parametrize("script", ["select 1 \\g /dev/full", "\\o /dev/full\nselect 1;"])
def test_a_full_file_is_one_sentence(url: str, script: str) -> None:
    ran = run_qasino("sql", "-s", url, stdin=script)
    place = "1: \\g" if "\\g" in script else "2: \\o"
    assert ran.stderr == f"<stdin>:{place} ended: No space left on device\n"
    assert (ran.stdout, ran.returncode) == ("", ExitCode.USAGE)


def test_a_file_that_includes_itself_is_run_once(url: str, tmp_path: Path) -> None:
    first, second = tmp_path / "1.sql", tmp_path / "2.sql"
    first.write_text(f"\\echo first\n\\i {second}\n\\i {second}\n")
    second.write_text(f"\\echo second\n\\i {first}\n")
    ran = run_qasino("sql", "-s", url, "--keep-going", "-q", f"\\i {first}")
    assert (ran.stdout.split(), ran.returncode) == (["first", *["second"] * 2], ExitCode.USAGE)
    assert ran.stderr == f"{second}:2: \\i: {first} includes itself\n" * 2


def test_what_psql_has_and_we_have_not_is_told(server: Server) -> None:
    ran = run_qasino("sql", "-s", zmq_url(server), "-q", "\\l")
    assert ran.stderr.startswith("\\l is no command here: a server has one database")
    assert run_qasino("sql", "-s", zmq_url(server), "-q", "\\dt+").returncode == ExitCode.OK


def test_watch_in_a_script_repeats_until_it_is_ended(server: Server) -> None:
    process = start_qasino("sql", "-s", zmq_url(server), "-q", "select 7 a \\watch")
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == [b"a\n", b"7\n"]
    server.rotate()
    assert [process.stdout.readline() for _ in range(2)] == [b"a\n", b"7\n"]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGTERM


def test_ctrl_c_in_the_pause_of_a_watch_ends_the_script(server: Server) -> None:
    script = "select 7 a \\watch 100\n\\echo on"
    process = start_qasino("sql", "-s", zmq_url(server), "--keep-going", "-q", script)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == [b"a\n", b"7\n"]
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=10)
    assert (process.returncode, out) == (ExitCode.INTERRUPTED, b"")


def test_a_piped_command_is_carried_out_before_the_next_one_comes(server: Server) -> None:
    process = start_qasino("sql", "-s", zmq_url(server), stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\\echo one\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"one\n"
    assert process.communicate(b"\\q\nselect 2;", timeout=10) == (b"", b"")
    assert process.returncode == ExitCode.OK


@pytest.mark.parametrize("comment", ["C:\\temp\n\\echo no\n", "a; b\n\\echo no\nc; d\n", ";\nd\n"])
def test_a_piped_comment_goes_on_over_lines(url: str, comment: str) -> None:
    for script in (f"/* {comment}*/ select 1 a;", f"select 0 a; /* {comment}*/ select 1 a;"):
        ran = run_qasino("sql", "-s", url, "--no-header", stdin=script)
        assert (ran.stdout.split()[-1:], ran.stderr, ran.returncode) == (["1"], "", ExitCode.OK)
        assert "no" not in ran.stdout


def test_a_piped_statement_is_answered_before_the_next_one_comes(server: Server) -> None:
    process = start_qasino("sql", "-s", zmq_url(server), stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"select 1 a;\n")
    process.stdin.flush()
    assert [process.stdout.readline(), process.stdout.readline()] == [b"a\n", b"1\n"]
    assert process.communicate(b"quit;\nselect 2;", timeout=10) == (b"", b"")
    assert process.returncode == ExitCode.OK


def test_an_sql_error_shows_the_place(server: Server) -> None:
    ran = run_qasino("sql", "-s", zmq_url(server), "-q", "select 1,\n  nope")
    assert ran.returncode == ExitCode.REFUSED
    assert ran.stdout == ""
    assert ran.stderr == "SQL error: no such column: nope\n    nope\n    ^\n"


def test_a_command_of_the_shell_leaves_a_piped_script_alone(server: Server, tmp_path: Path) -> None:
    """What is read ahead of a pipe is lost to a child anyway; the rest is more than that."""
    rest = "".join(f"\\echo {n}\n" for n in range(30_000))
    script = f"\\! cat\n\\!\n{rest}"
    ran = run_qasino("sql", "-s", zmq_url(server), stdin=script, SHELL="cat")
    assert (ran.stdout.split()[-1:], ran.stderr, ran.returncode) == (["29999"], "", ExitCode.OK)
    assert ran.stdout.startswith("0\n1\n")
    file = tmp_path / "script.sql"
    file.write_text("\\! cat")
    ran = run_qasino("sql", "-s", zmq_url(server), "-f", file, stdin="somebody's own")
    assert ran.stdout == "somebody's own"


SCRIPTS_THAT_FAIL = [  # the line that is named, and what is said behind it
    ("select 1 a;\nselect nope;\n", 2, "SQL error: no such column: nope\n  select nope\n"),
    ("\n\n-- first\nselect 1,\n  nope", 5, "SQL error: no such column: nope\n    nope\n    ^\n"),
    ("select 1 a\n;\n/* a\nb */ selct;", 4, 'SQL error: near "selct": syntax error\n'),
    ("\\echo -n\nselect\n\\echo -n\n1 a; select 1 a; select nope from\n(select 1)", 4, "SQL"),
    ("-- c\nselect max(1, \n", 2, "SQL error: Incomplete sql statement\n"),
    ("set use_write_db = off;\n\nset x = 1;", 3, "SQL error: cannot SET 'x = 1'"),
    ("select 'it''s;\n', 1;\n\\nope\n", 3, "\\nope is no command"),
    ("\n\\i nowhere.sql", 2, "\\i: nowhere.sql: No such file or directory\n"),
]


@pytest.mark.parametrize("way", ["pipe", "file", "-f -"])
@pytest.mark.parametrize(("script", "line", "said"), SCRIPTS_THAT_FAIL)
def test_an_error_in_a_script_names_file_and_line(
    server: Server, tmp_path: Path, way: str, script: str, line: int, said: str
) -> None:
    file = tmp_path / "script.sql"
    file.write_text(script)
    arguments = {"pipe": (), "file": ("-f", file), "-f -": ("-f", "-")}[way]
    name = file if way == "file" else "<stdin>"
    ran = run_qasino("sql", "-s", zmq_url(server), *arguments, stdin=script)
    told = ran.stderr.removeprefix("asking the snapshot\n")
    assert told.startswith(f"{name}:{line}: {said}")
    codes = {"\\n": ExitCode.USAGE, "\\i": ExitCode.INPUT}
    assert ran.returncode == codes.get(said[:2], ExitCode.REFUSED)


def test_an_error_in_a_file_that_is_included_names_that_file(url: str, tmp_path: Path) -> None:
    included = tmp_path / "included.sql"
    included.write_text("select 1 a;\nselct;\n")
    ran = run_qasino("sql", "-s", url, "--keep-going", stdin=f"\n\\i {included}\nselect nope;")
    first, _, _, second, *_ = ran.stderr.splitlines()
    assert first == f'{included}:2: SQL error: near "selct": syntax error'
    assert second == "<stdin>:3: SQL error: no such column: nope"


def test_bytes_that_are_no_text_are_named_by_their_line_in_a_pipe_too(server: Server) -> None:
    ran = subprocess.run(
        [*COMMAND, "sql", "-s", zmq_url(server)],
        input=b"select 1 a;\nselect '\xff';\n",
        capture_output=True,
        env=clean_environment(),
    )
    assert (ran.stdout, ran.returncode) == (b"a\n1\n", ExitCode.INPUT)
    assert ran.stderr == b"<stdin>:2: byte 0xff is not UTF-8\n"


def test_an_sql_error_over_http_is_one_too(server: Server) -> None:
    for form in ("tsv", "json"):
        ran = run_qasino("sql", "-s", http_url(server), "--format", form, "-q", "select nope")
        assert ran.returncode == ExitCode.REFUSED
        assert ran.stderr.startswith("SQL error: no such column: nope\n")


def test_the_first_error_ends_the_run_unless_told_to_keep_going(url: str) -> None:
    statements = ("-q", "select 1 a", "-q", "select nope", "-q", "set x = 1", "-q", "select 2 b")
    ran = run_qasino("sql", "-s", url, *statements)
    assert (ran.returncode, ran.stdout) == (ExitCode.REFUSED, "a\n1\n")
    ran = run_qasino("sql", "-s", url, "--keep-going", *statements)
    assert (ran.returncode, ran.stdout) == (ExitCode.REFUSED, "a\n1\nb\n2\n")


def test_set_use_write_db_asks_the_generation_being_collected(url: str, wire: Wire) -> None:
    wire.publish("me", "t", ["a"], ["int"], [[7]])
    ran = run_qasino("sql", "-s", url, stdin="set use_write_db = true; select * from t;")
    assert (ran.stdout, ran.stderr) == ("a\n7\n", "asking the generation being collected\n")
    ran = run_qasino("sql", "-s", url, "-q", "select * from t")
    assert ran.returncode == ExitCode.REFUSED


def test_a_cut_result_is_said_to_be(make_server: Callable[..., Server]) -> None:
    server = make_server(max_rows=2)
    sql = "values (1), (2), (3)"
    ran = run_qasino("sql", "-s", zmq_url(server), "-q", sql)
    assert ran.stdout.splitlines()[1:] == ["1", "2"]
    assert ran.stderr == "cut after 2 rows: the server returns no more at once (--max-rows)\n"
    assert ran.returncode == ExitCode.REFUSED  # `qasino sql .. > file && next`
    ran = run_qasino("sql", "-s", http_url(server), "-q", sql)
    assert (ran.stdout.splitlines()[1:], ran.stderr) == (["1", "2", "3"], "")


@pytest.mark.parametrize("form", ["tsv", "json"])
def test_who_gives_up_waiting_cancels_the_query_on_the_server(
    url: str, wire: Wire, form: str
) -> None:
    ran = run_qasino("sql", "-s", url, "--timeout", "1", "--format", form, "-q", ENDLESS)
    assert (ran.returncode, ran.stdout) == (ExitCode.UNREACHABLE, "")
    assert ran.stderr == f"{url} gave no answer in 1 s\n"
    until(lambda: not any(ENDLESS in str(row) for row in wire.rows("show queries")))


@pytest.mark.parametrize("form", ["tsv", "json", "table", "text"])
def test_a_reader_who_has_seen_enough_ends_the_command_silently(url: str, form: str) -> None:
    numbers = "with recursive r(n) as (select 1 union all select n + 1 from r)"
    sql = f"{numbers} select n from r limit 90000"
    process = start_qasino("sql", "-s", url, "--format", form, "-q", sql)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(10) == -signal.SIGPIPE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("command", [("sql", "-q"), ("watch", "--once")])
@pytest.mark.parametrize(
    ("redirection", "sentence"),
    [(">/dev/full", "standard output: No space left on device"), (">&-", "it is closed")],
)
def test_a_stdout_that_takes_nothing_is_one_sentence(
    server: Server, command: tuple[str, ...], redirection: str, sentence: str
) -> None:
    ran = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, *command, "select 1"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(QASINO_SERVER=zmq_url(server)),
    )
    assert ran.returncode == ExitCode.REFUSED
    assert ran.stderr.splitlines() == [ran.stderr.strip()]
    assert ran.stderr.strip().endswith(sentence)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_stdout_that_does_not_wait_is_one_sentence(server: Server, unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    ran = subprocess.run(
        [*COMMAND, "sql", "-s", zmq_url(server), "-q", "select hex(zeroblob(1000000)) a"],
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        env=clean_environment(PYTHONUNBUFFERED=unbuffered),
    )
    os.close(reader)
    os.close(writer)
    assert ran.returncode == ExitCode.REFUSED
    assert ran.stderr == "standard output: write could not complete without blocking\n"


def on_terminal(*arguments: object, **variables: str) -> tuple[str, str]:
    """What `qasino ARGS..` writes to a terminal, and to stderr."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=subprocess.PIPE,
        env=clean_environment(**variables),
    ) as process:
        os.close(follower)
        parts = []
        try:
            while part := os.read(leader, 1 << 16):
                parts.append(part)
        except OSError:
            pass  # how Linux says that the other end is closed
        os.close(leader)
        assert process.stderr is not None
        narration = process.stderr.read().decode()
    assert process.returncode == ExitCode.OK
    return b"".join(parts).decode(), narration


def test_on_a_terminal_there_is_a_table_and_a_note(server: Server) -> None:
    screen, narration = on_terminal("sql", "-s", zmq_url(server), "-q", CELLS, TERM="xterm")
    assert "\x1b[2;3mNULL\x1b[0m" in screen
    bare = re.sub(r"\x1b\[[0-9;]*m", "", screen)
    assert [line.rstrip() for line in bare.splitlines()][2:] == ["a   1  NULL", "   20  b\\t"]
    assert narration.startswith("2 rows in ")
    assert " ms, generation 0, " in narration


def test_a_wide_cell_is_folded_on_a_terminal_and_nothing_is_lost(server: Server) -> None:
    query = f"select '{'abcdefghij' * 30}' wide"
    screen, _ = on_terminal("sql", "-s", zmq_url(server), "-q", query, COLUMNS="50", TERM="xterm")
    bare = re.sub(r"\x1b\[[0-9;]*m", "", screen)
    lines = [line.strip() for line in bare.splitlines()][1:]
    assert "".join(line.removesuffix("…") for line in lines[1:]) == "abcdefghij" * 30
    assert max(map(len, lines)) <= 50


STEERING = "select char(27) || ']0;pwned' || char(7) || 'é' a, char(155) || '2J' \"\x1b[2Jb\""


@pytest.mark.parametrize(
    "command",
    [
        ("sql", "--no-header", "-q"),
        ("sql", "--null", "-", "-q"),
        ("sql", "--format", "csv", "-q"),
        ("sql", "--format", "tsv", "-q"),
        ("sql", "--format", "json", "-q"),
        ("sql", "--format", "ndjson", "-q"),
        ("watch", "--once", "--format", "tsv"),
        ("watch", "--once", "--format", "ndjson"),
    ],
)
def test_no_format_lets_a_cell_steer_a_terminal(url: str, command: tuple[str, ...]) -> None:
    asked = (*command, STEERING, "-s", url)
    screen, _ = on_terminal(*asked, TERM="xterm")
    assert "]0;pwned" in screen
    assert "\n" in screen
    assert all(line.isprintable() for line in screen.replace("\t", "").splitlines())
    assert "\x9b2J" in run_qasino(*asked).stdout


def test_a_prompt_reads_statements_over_several_lines(server: Server) -> None:
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "sql", "-s", zmq_url(server), "--format", "csv"],
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    ) as process:
        os.close(follower)
        os.write(leader, b"select 1\n a;\nselect nope;\nset use_write_db = on;\nexit\n")
        out, err = process.communicate(timeout=10)
        os.close(leader)
    assert out == b"a\n1\n"
    assert b"qasino>      -> " in err
    assert b"SQL error: no such column: nope\n" in err
    assert b"asking the generation being collected\n" in err
    assert process.returncode == ExitCode.OK


@pytest.mark.parametrize("encoding", ["utf-8:strict", "utf-8:surrogateescape"])
def test_a_plain_prompt_refuses_what_is_no_utf_8(server: Server, encoding: str) -> None:
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "sql", "-s", zmq_url(server), "--format", "csv"],
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(PYTHONIOENCODING=encoding),
    ) as process:
        os.close(follower)
        os.write(leader, b"select 'caf\xe9' a;\nselect 1 b;\nexit\n")
        out, err = process.communicate(timeout=10)
        os.close(leader)
    assert (out, process.returncode) == (b"b\n1\n", ExitCode.OK)
    assert b"byte 0xe9 is not UTF-8\n" in err


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("-q", " ; -- nothing"), ExitCode.USAGE, "there is no statement in what -q and -f give"),
        (("-f", "/nosuch"), ExitCode.INPUT, "/nosuch: No such file or directory"),
        (("--format", "xml", "-q", "select 1"), ExitCode.USAGE, "--format: 'xml' is not a format"),
        (
            ("-s", "https://me@x", "-q", "x"),
            ExitCode.USAGE,
            "user me needs a password; give --password-file",
        ),
    ],
)
def test_a_command_that_cannot_run_says_why(
    arguments: tuple[str, ...], code: ExitCode, sentence: str
) -> None:
    ran = run_qasino("sql", *arguments)
    assert ran.returncode == code
    assert ran.stderr.startswith(sentence)


def test_the_ancestors_options_still_ask(server: Server) -> None:
    ran = run_qasino(
        *("sql", "-H", "127.0.0.1", "-p", server.ports["zmq"], "--use-zmq", "-I", "me"),
        *("-q", "select 1 a;"),
    )
    assert ran.stdout == "a\n1\n"


def test_names_can_be_left_out_and_null_be_anything(server: Server, url: str) -> None:
    asked = ("sql", "-s", url, "-q", "select 1 a, null b")
    assert run_qasino(*asked, "--no-header").stdout == "1\t\\N\n"
    assert run_qasino(*asked, "--null", "-").stdout == "a\tb\n1\t-\n"
    assert run_qasino(*asked, "--null", "", "--no-header").stdout == "1\t\n"


def test_no_rows_can_be_made_to_fail(server: Server, url: str) -> None:
    empty = run_qasino("sql", "-s", url, "--fail-empty", "-q", "select 1 a where 0")
    assert (empty.returncode, empty.stdout) == (ExitCode.NOT_MET, "a\n")
    some = run_qasino("sql", "-s", url, "--fail-empty", "-q", "select 1 a")
    assert some.returncode == ExitCode.OK


def test_an_error_counts_more_than_a_query_without_rows(url: str) -> None:
    empty, failed = "select 1 a where 0", "select nope"
    for script in (f"{empty}; {failed}", f"{failed}; {empty}"):
        ran = run_qasino("sql", "-s", url, "--fail-empty", "--keep-going", "-q", script)
        assert ran.returncode == ExitCode.REFUSED
