"""The prompt in a real pseudo-terminal, against a real server."""

from __future__ import annotations

import os
import re
import signal
import stat
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from command import http_url, zmq_url
from prompt_house import PROMPT, Sql, Start
from wire import Wire, until

from qasino_cli.errors import UsageFault
from qasino_cli.sql.repl.commands import find_command, help_lines
from qasino_cli.sql.repl.history import FileHistory
from qasino_server.server import Server

ENDLESS = "with recursive c(n) as (select 1 union all select n + 1 from c) select max(n) from c;"


@pytest.fixture
def hosts(server: Server, wire: Wire) -> None:
    table = {
        "tablename": "hosts",
        "column_names": ["host", "dc", "free_mb"],
        "column_types": ["text", "text", "int"],
        "rows": [["web-1", "BOS", 7], ["web-2", None, 8]],
    }
    wire.http_post("add_table_data", {"identity": "web-1", "table": table})
    server.rotate()


def history(home: Path) -> str:
    return (home / "state" / "qasino" / "history").read_text()


def running(wire: Wire) -> bool:
    """Whether a query without an end is."""
    return b"recursive" in wire.http_get({"op": "query", "sql": "show queries"})[2]


def test_a_statement_is_answered_and_ctrl_d_leaves(start: Start, hosts: None) -> None:
    terminal = start()
    terminal.prompt()
    terminal.run("select host, free_mb from hosts order by 1;", "web-1 7 web-2 8 2 rows in")
    assert terminal.leave() == 0


def test_enter_adds_a_line_until_the_statement_is_complete(start: Start, hosts: None) -> None:
    terminal = start()
    terminal.prompt()
    terminal.type("select count(*) as\r")
    terminal.see("->")
    terminal.type("many\r")
    terminal.see("->")
    terminal.type("from hosts;\r")
    terminal.see("many ──── 2", "1 row in")


def test_a_paste_of_several_lines_runs_nothing_until_enter(start: Start, hosts: None) -> None:
    terminal = start()
    terminal.prompt()
    terminal.type("\x1b[200~select 40 + 2 as first;\nselect 50 + 5 as second;\n\x1b[201~")
    terminal.see("as second;")
    terminal.type("\r")
    terminal.see("42 1 row in")
    terminal.see("55 1 row in")


def test_what_an_error_leaves_undone_of_a_line_is_counted(start: Start) -> None:
    terminal = start()
    terminal.prompt()
    none_left = "no such table: nope select * from nope ^ qasino>"
    terminal.run("select 1 a; select * from nope;", "a ─ 1 1 row in", none_left)
    terminal.run("select * from nope; select 5 five;", "nope ^ the other one was not run qasino>")
    terminal.run(
        "select * from nope; select 5 five; \\echo six", "^ the other 2 were not run qasino>"
    )


@pytest.mark.parametrize("port", ["zmq", "http"])
def test_ctrl_c_cancels_on_the_server_any_number_of_times(
    start: Start, server: Server, wire: Wire, port: str
) -> None:
    told = re.compile("cancelled after|has not confirmed")  # which a busy machine does late
    terminal = start(zmq_url(server) if port == "zmq" else http_url(server))
    terminal.prompt()
    for nr_times in range(1, 4):
        terminal.type(ENDLESS + "\r")
        until(lambda: running(wire))
        terminal.interrupt()  # also where the last one was only just heard
        until(lambda: not running(wire))  # long before --query-timeout ends it
        terminal.until(lambda n=nr_times: len(told.findall(terminal.text)) == n, "its end")
        terminal.prompt()
    terminal.run("select 6 * 7 x;", "42")
    assert terminal.leave() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("before", ["", "at rest"])
def test_a_prompt_that_is_ended_cancels_its_query_on_the_server(
    start: Start, server: Server, wire: Wire, number: signal.Signals, before: str
) -> None:
    """A closed window, over ZeroMQ, where the server does not see who goes."""
    terminal = start(zmq_url(server))
    terminal.prompt()
    if not before:
        terminal.type(ENDLESS + "\r")
        until(lambda: running(wire))
    terminal.child.kill(number)
    assert terminal.wait() == 128 + number
    # Long before --query-timeout ends it.
    until(lambda: not running(wire))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("typed", ["", "select ho"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_prompt_that_is_ended_leaves_the_terminal_as_it_was(
    server: Server, tmp_path: Path, number: signal.Signals, typed: str, times: int
) -> None:
    """It was left without an echo and without Ctrl-C. A closed window's signal may come twice."""
    before, after, pid = (tmp_path / name for name in ("before", "after", "pid"))
    sql = f"{sys.executable} -m qasino_cli.main sql -s {zmq_url(server)}"
    script = (
        f"stty -g > {before}; sh -c 'echo $$ > {pid}; exec {sql}'; echo died of $(($? - 128))"
        f"; stty -g > {after}"
    )
    terminal = Sql(home=tmp_path, command=("/bin/sh", "-c", script))
    terminal.prompt()
    terminal.type(typed)
    terminal.see((PROMPT + typed).strip())
    with suppress(ProcessLookupError):  # the first may have ended it by then
        for _ in range(times):
            os.kill(int(pid.read_text()), number)
            time.sleep(0.001)  # the kernel takes two that wait for one
    terminal.see(f"died of {number:d}")
    assert terminal.wait() == 0
    assert after.read_text() == before.read_text()
    paste = re.findall(rb"\x1b\[\?2004([hl])", terminal.written)
    assert paste[-1] == b"l"


def test_a_watch_at_the_prompt_ends_with_it(start: Start) -> None:
    terminal = start()
    terminal.prompt()
    terminal.run("select 6 * 7 x;", "42")
    terminal.type("\\watch 100\r")
    terminal.until(lambda: terminal.text.count("42") > 1, "the second answer")
    terminal.child.kill(signal.SIGTERM)
    assert terminal.wait() == 128 + signal.SIGTERM


def test_ctrl_c_while_typing_clears_the_line(start: Start) -> None:
    terminal = start()
    terminal.prompt()
    terminal.type("select nothing\x03")
    terminal.prompt()
    terminal.run("select 1 one;", "one")


def test_an_error_has_a_caret_and_ends_nothing(start: Start, hosts: None) -> None:
    terminal = start()
    terminal.prompt()
    terminal.run(
        "select hots from hosts;",
        "no such column: hots select hots from hosts ^ did you mean host?",
    )
    terminal.run("select 1 one;", "1 row in")


def test_names_and_values_are_completed_from_the_live_server(start: Start, hosts: None) -> None:
    terminal = start()
    terminal.connected()
    terminal.type("select free")
    terminal.see("free_mb INTEGER")
    terminal.type("\t, dc from hosts where dc = ")
    terminal.see("BOS of dc")
    terminal.type("\t\r;\r")
    terminal.see("7 BOS")


def test_a_tab_that_comes_with_other_keys_takes_a_candidate_as_any_other(
    start: Start, hosts: None
) -> None:
    """The menu was not there yet, and the key was lost."""
    terminal = start()
    terminal.connected()
    terminal.type("select free_m\t from hos\t where free_mb = 7;\r")
    terminal.see("free_mb ─────── 7", "1 row in")
    terminal.type("nothing_is_called_so\t\x03")
    terminal.run("select 1 one;", "one")


def test_history_is_kept_for_the_next_time_but_for_what_begins_with_a_blank(
    start: Start, tmp_path: Path
) -> None:
    terminal = start()
    terminal.prompt()
    terminal.run("select 1 as\rfirst;", "first")
    terminal.run(" select 'secret' as hush;", "hush")
    assert terminal.leave() == 0
    kept = tmp_path / "state" / "qasino" / "history"
    assert kept.read_text() == '"select 1 as\\nfirst;"\n'
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    again = start()
    again.prompt()
    again.type("\x1b[A")
    again.see("first;")
    again.type("\r")
    again.see("1 row in")


@pytest.mark.parametrize(("nr", "nr_left"), [(12_000, 12_000), (12_001, 10_000)])
def test_the_history_is_cut_to_its_newest_and_for_nobody_else_to_read(
    tmp_path: Path, nr: int, nr_left: int
) -> None:
    kept = tmp_path / "history"
    kept.write_text("".join(f'"select {n}"\n' for n in range(nr)))
    kept.chmod(0o644)
    newest = [f"select {n}" for n in reversed(range(nr))]
    assert list(FileHistory(kept).load_history_strings()) == newest[:10_000]
    left = "".join(f'"{entry}"\n' for entry in reversed(newest[:nr_left]))
    assert (kept.read_text(), stat.S_IMODE(kept.stat().st_mode)) == (left, 0o600)


@pytest.mark.parametrize("keys", ["emacs", "vi"])
def test_enter_takes_what_a_search_has_found(start: Start, keys: str) -> None:
    terminal = start()
    terminal.prompt()
    terminal.run("select 41 + 1 as first;", "42")
    terminal.run("select 50 + 5 as second;", "55")
    terminal.run("\\! true", "")
    if keys == "vi":
        terminal.run("\\keys", "vi keys")
        terminal.type("\x1b")
        terminal.see("vi")
    terminal.type("?" if keys == "vi" else "\x12")
    terminal.type("first")
    terminal.see("first")
    terminal.type("\r")
    terminal.see("qasino> select 41 + 1 as first;")
    terminal.type("\r")
    terminal.see("first ───── 42")


def test_a_byte_that_is_no_utf_8_is_refused_and_ends_nothing(start: Start, tmp_path: Path) -> None:
    terminal = start()
    terminal.prompt()
    terminal.child.send(b"select 'caf\xe9' as x;\r")
    terminal.see("byte 0xe9 is not UTF-8")
    terminal.interrupt()
    terminal.prompt()
    terminal.type("select 1 one;\r")
    terminal.see("1 row in")
    assert terminal.leave() == 0
    assert history(tmp_path) == '"select 1 one;"\n'


def test_an_unwritable_state_directory_is_said_and_harms_nothing(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("in the way")
    terminal = start()
    terminal.see("history is not kept")
    terminal.prompt()
    terminal.run("select 1 one;", "1 row in")


COMMANDS: list[tuple[str, str]] = [
    ("\\?", "describe"),
    ("\\d", "hosts table 2 1"),
    ("\\dt h*", "hosts table 2 1"),
    ("\\dv", "0 rows"),
    ("\\d hosts", "free_mb INTEGER 1"),
    ("\\d main.hosts", "free_mb INTEGER"),
    ("\\x", "records on"),
    ("select dc from hosts where dc is null;", "-[ 1 ]- dc | NULL"),
    ("\\x off", "records off"),
    ("select 5 five\\G", "-[ 1 ]- five | 5"),
    ("\\format csv", "format csv"),
    ("select host, dc from hosts;", 'web-1,BOS web-2,'),
    ("\\format table", "format table"),
    ("\\timing", "timing off"),
    ("\\timing on", "timing on"),
    ("\\save few select host from hosts;", "saved; \\run few runs it"),
    ("\\run few", "web-1 web-2"),
    ("\\run", "few: select host from hosts;"),
    ("\\forget few", "forgotten: few"),
    ("\\run few", "no query is saved as 'few'; none is saved"),
    ("\\last", "web-1 web-2"),
    ("\\conninfo", "server zmq://127.0.0.1"),
    ("\\keys", "vi keys"),
    ("\\keys", "emacs keys"),
    ("\\refresh", ""),
    ("select 6 six \\gx", "-[ 1 ]- six | 6"),
    ("\\g", "six ─── 6"),
    ("select 7 seven \\g | tr 7 8", "seven ───── 8"),
    ("\\p", "select 7 seven;"),
    ("select 8 e, '\x11\x1b[' x;", "8 \\x1b["),
    ("\\p", "select 8 e, '\\x1b[' x;"),
    ("select 9 nine -- of ten \x1b\r;", "9"),
    ("\\p", "select 9 nine -- of ten ; qasino>"),
    ("\\echo it 'is  so'", "it is so"),
    ("\\! echo $((40 + 2))", "42"),
    ("\\t", "the line of names in csv and tsv: off"),
    ("\\pset null", "NULL in csv and tsv: as the format has it"),
    ("\\pset null -", "NULL in csv and tsv: '-'"),
    ("\\pset null", "NULL in csv and tsv: '-'"),
    ("\\pset format csv", "format csv"),
    ("select host, dc from hosts;", "web-1,BOS web-2,-"),
    ("\\pset", "'-' format csv records off the line of names in csv and tsv: off pager on"),
    ("\\pset null ''", "NULL in csv and tsv: ''"),
    ("\\pset null", "NULL in csv and tsv: ''"),
    ("\\format table \\t", "format table the line of names in csv and tsv: on"),
    ("\\d ho*", "hosts table 2 1"),
    ("\\c prod", "\\c is no command here: a prompt asks one server"),
    (".tables", ".tables is no command here: \\dt lists the tables"),
    ("help", "\\conninfo which server"),
    ("help;", "\\conninfo which server"),
    ("\\fromat", "is no command; did you mean \\format?"),
    ("SET use_write_db = true;", "asking the generation being collected"),
    ("select host from hosts;", "no such table"),
    ("SET use_write_db = false;", "asking the snapshot"),
    ("\\i /nowhere", "\\i: /nowhere: No such file"),
    ("desc hosts", "free_mb INTEGER"),
]  # fmt: skip


def test_the_commands_do_what_the_help_says(start: Start, hosts: None) -> None:
    terminal = start(PAGER="cat")
    terminal.prompt()
    for typed, answer in COMMANDS:
        if answer == "describe":
            answer = "\\i FILE run the statements of a file"
        terminal.run(typed, answer)
    terminal.type("\\q\r")
    assert terminal.wait() == 0


def test_a_command_in_the_middle_of_a_statement_leaves_it_at_the_prompt(
    start: Start, hosts: None
) -> None:
    terminal = start()
    terminal.prompt()
    terminal.type("select count(*) as many \\d hosts\r")
    terminal.see("free_mb INTEGER", "qasino> select count(*) as many")
    terminal.type("from hosts;\r")
    terminal.see("many ──── 2")


def test_watch_takes_the_statement_before_it(start: Start, server: Server) -> None:
    terminal = start()
    terminal.prompt()
    terminal.type("select 6 * 7 as answer \\watch 0.1\r")
    terminal.until(lambda: terminal.text.count("42") > 2, "the third answer")
    terminal.interrupt()
    terminal.prompt()
    terminal.run("select 1 one;", "1 row in")


def test_no_key_is_echoed_between_a_prompt_that_ctrl_c_ends_and_the_next(start: Start) -> None:
    """The terminal itself showed it where the cursor was, and the prompt once more."""
    terminal = start()
    terminal.prompt()
    for _ in range(3):
        terminal.type("select * fro")
        terminal.see("from")
        terminal.type("\x03")
        ends = time.monotonic() + 20.0
        while terminal._typed() != PROMPT.strip() and time.monotonic() < ends:
            assert not termios.tcgetattr(terminal.child.child_fd)[3] & termios.ECHO
            terminal._read(0.0)
        terminal.press("\x03", lambda: terminal._typed() == PROMPT.strip(), "a prompt")


def test_no_key_is_echoed_while_the_prompt_is_being_made(start: Start) -> None:
    terminal = start()
    terminal.see("\\? for help")  # of the greeting; the prompt's library is imported after that
    terminal.type("select 6 * 7 as answer;")
    terminal.see(f"{PROMPT}select 6 * 7 as answer;")
    before_it_draws = terminal.written.split(b"\x1b")[0]
    assert b"select" not in before_it_draws
    terminal.type("\r")
    terminal.see("answer ────── 42")


def test_who_ends_it_while_the_prompt_is_being_made_has_the_terminal_as_it_was(
    start: Start,
) -> None:
    terminal = start()
    before = termios.tcgetattr(terminal.child.child_fd)
    terminal.see("\\? for help")
    os.kill(terminal.child.pid, signal.SIGTERM)
    until(terminal._ended, 20.0)
    assert termios.tcgetattr(terminal.child.child_fd) == before
    assert terminal.wait() == 128 + signal.SIGTERM


def test_the_help_is_whole_on_80_columns() -> None:
    assert max(map(len, help_lines())) < 80


def test_a_command_that_is_none_is_named_as_typed() -> None:
    with pytest.raises(UsageFault, match=r"^\\fromat is no command; did you mean \\format\?"):
        find_command("\\fromat")


def test_a_saved_query_may_be_all_that_can_be_typed(start: Start) -> None:
    terminal = start()
    terminal.prompt()
    terminal.run("\\save two select 1 a; select 2 b \\gx", "saved; \\run two runs it")
    terminal.run("\\run two", "a ─ 1 1 row in", "-[ 1 ]- b | 2")
    terminal.run("\\g", "b ─ 2")
    terminal.run("\\save one \\run one", "saved; \\run one runs it")
    terminal.run("\\run one", "\\run one:1: \\run: one runs itself")
    terminal.run("\\save bad select nope", "saved; \\run bad runs it")
    terminal.run("\\run bad", "SQL error: no such column: nope select nope")


@pytest.mark.parametrize("name", ["\\password", "\\crosstabview", "\\clear", "\\hist"])
def test_a_command_that_is_like_none_gets_no_guess(name: str) -> None:
    with pytest.raises(UsageFault, match=rf"^\{name} is no command; \\\? lists them$"):
        find_command(name)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("\\tming", "\\timing"),
        ("\\timming", "\\timing"),
        ("\\wach", "\\watch"),
        ("\\forgt", "\\forget"),
        ("\\conn", "\\conninfo"),
        ("\\sav", "\\save"),
    ],
)
def test_a_command_that_is_like_another_is_guessed(typed: str, meant: str) -> None:
    with pytest.raises(UsageFault, match=rf"; did you mean \{meant}\?"):
        find_command(typed)


@pytest.mark.parametrize(
    ("typed", "here"),
    [
        ("\\n", "\\run NAME runs"),
        ("\\f", "\\run NAME runs"),
        ("\\ns", "\\save NAME"),
        ("\\fs", "\\save NAME"),
        ("\\nd", "\\forget NAME"),
        ("\\fd", "\\forget NAME"),
        ("\\T", "\\format chooses"),
        ("\\gdesc", "DESC TABLE"),
        ("\\edit", "\\e edits"),
        ("\\list", "\\d lists"),
    ],
)
def test_what_another_program_calls_it_is_said_by_its_name_here(typed: str, here: str) -> None:
    with pytest.raises(UsageFault) as refused:
        find_command(typed)
    assert refused.value.sentence.startswith(f"{typed} is no command here: ")
    assert here in refused.value.sentence


@pytest.mark.parametrize("name", ["\\z", "\\H", "\\Q", "\\C", "\\y", ".q", "\\"])
def test_nothing_is_guessed_from_a_single_letter(name: str) -> None:
    """They had \\x suggested, each of them: a backslash is half of two characters."""
    with pytest.raises(UsageFault) as told:
        find_command(name)
    assert told.value.sentence == f"{name} is no command; \\? lists them"


def test_saved_queries_stand_in_a_file_of_this_user(start: Start, tmp_path: Path) -> None:
    terminal = start()
    terminal.prompt()
    terminal.run("select 1\ras one;", "1 row in")
    terminal.run("\\save it", "saved")
    file = tmp_path / "config" / "qasino" / "queries.yaml"
    assert yaml.safe_load(file.read_text()) == {"it": "select 1\nas one"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_results_go_where_o_sends_them(start: Start, hosts: None, tmp_path: Path) -> None:
    out, piped = tmp_path / "out.txt", tmp_path / "piped.txt"
    terminal = start()
    terminal.prompt()
    terminal.run(f"\\o {out}", "")
    terminal.run("select host from hosts;", "2 rows in")
    terminal.run(f"\\o | sort -r > {piped}", "")
    terminal.run("select host from hosts;", "2 rows in")
    terminal.run("\\o", "")
    terminal.run("select 1 one;", "one")
    assert out.read_text() == "host\n─────\nweb-1\nweb-2\n"
    assert sorted(piped.read_text().split()) == ["host", "web-1", "web-2", "─────"]
    terminal.run("\\o /nowhere/x", "No such file")


def test_a_file_is_run_and_an_editor_gives_the_next_line(
    start: Start, hosts: None, tmp_path: Path
) -> None:
    script, editor = tmp_path / "s.sql", tmp_path / "editor"
    script.write_text("select 3 three;\nselect 4 four;\n")
    editor.write_text('#!/bin/sh\necho "select 99 as edited;" > "$1"\n')
    editor.chmod(0o755)
    terminal = start(EDITOR=str(editor))
    terminal.prompt()
    terminal.run(f"\\i {script}", "four ──── 4")
    script.write_text("select 3 three;\nselct;\n")
    terminal.run(f"\\i {script}", "s.sql:2: SQL error: near")
    terminal.type("\\e\r")
    terminal.see("select 99 as edited;")
    terminal.type("\r")
    terminal.see("99 1 row in")
    (tmp_path / "my own.sql").touch()
    for quote in ("'", '"'):
        terminal.run("\\r", "")
        terminal.type(f"\\e {quote}{tmp_path}/my own.sql{quote}\r")
        terminal.see("qasino> select 99 as edited;")
        terminal.type("\r")
        terminal.see("99 1 row in")
    failing = start(EDITOR="false")
    failing.prompt()
    failing.run("\\e", "false ended with 1; nothing is taken over")


def test_an_editor_or_a_file_that_does_not_serve_is_named_in_a_sentence(
    start: Start, tmp_path: Path
) -> None:
    absent = start(EDITOR="/nosuch/ed")
    absent.prompt()
    absent.run("\\e", "qasino> \\e \\e: /nosuch/ed: No such file or directory qasino>")
    idle = start(EDITOR="true")
    idle.prompt()
    idle.run("\\e /nosuch/x.sql", "\\e: /nosuch/x.sql: No such file or directory qasino>")
    (tmp_path / "latin.sql").write_bytes(b"select '\xe9';\n")
    idle.run(f"\\e {tmp_path}/latin.sql", "latin.sql: it is not UTF-8 qasino>")
    unclosed = start(EDITOR="ed 'x")
    unclosed.prompt()
    unclosed.run("\\e x.sql", "\\e: ed 'x x.sql: No closing quotation qasino>")


def test_a_statement_that_was_edited_runs_on_enter(start: Start) -> None:
    terminal = start(EDITOR="true")
    terminal.prompt()
    terminal.run("\\e", "\\e qasino>")
    terminal.run("select 6 * 7 as answer;", "answer ────── 42")
    terminal.type("\\e\r")
    terminal.see("\\e qasino> select 6 * 7 as answer;")
    terminal.type("\r")
    terminal.until(lambda: terminal.text.count("answer ────── 42") == 2, "the second answer")


@pytest.mark.parametrize("way", ["\\e", "\\!"])
def test_ctrl_c_is_for_the_program_that_has_the_terminal(
    start: Start, tmp_path: Path, way: str
) -> None:
    """It heeds it and goes on, as editors and pagers do; it took 0.25 s to be killed."""
    program, go_on = tmp_path / "program", tmp_path / "go-on"
    program.write_text(
        "#!/bin/sh\ntrap 'echo HEARD' INT\necho READY\n"
        f"while [ ! -e {go_on} ]; do sleep 0.05; done\nsleep 0.5\n"
        'test "$1" && echo "select 99 as edited;" > "$1"\necho ENDED\n'
    )
    program.chmod(0o755)
    terminal = start(EDITOR=str(program))
    terminal.prompt()
    terminal.type("\\e\r" if way == "\\e" else f"\\! {program}\r")
    terminal.see("READY")
    terminal.interrupt()
    terminal.see("HEARD")
    go_on.touch()
    terminal.see("ENDED qasino> select 99 as edited;" if way == "\\e" else "ENDED qasino>")


def test_ctrl_c_that_ends_a_command_of_the_shell_ends_what_was_typed_with_it(
    start: Start, tmp_path: Path
) -> None:
    script = tmp_path / "s.sql"
    script.write_text("\\! echo READY; exec sleep 100\n\\echo ON\n")
    terminal = start()
    terminal.prompt()
    terminal.type(f"\\i {script}\r")
    terminal.see("READY")
    terminal.interrupt()
    terminal.prompt()
    assert "ON" not in terminal.text.split()


def test_an_error_in_an_included_file_ends_those_that_include_it(
    start: Start, tmp_path: Path
) -> None:
    inner, outer = tmp_path / "inner.sql", tmp_path / "outer.sql"
    inner.write_text("\\fromat\n\\echo INNER\n")
    outer.write_text(f"\\i {inner}\n\\echo OUTER\n")
    terminal = start()
    terminal.prompt()
    terminal.run(f"\\i {outer} \\echo TYPED", "inner.sql:1: \\fromat is no command")
    assert not {"INNER", "OUTER", "TYPED"} & set(terminal.lines)


@pytest.mark.parametrize("leave", ["\\q", "quit;"])
def test_an_included_file_that_leaves_ends_itself_and_not_the_session(
    start: Start, tmp_path: Path, leave: str
) -> None:
    inner, outer = tmp_path / "inner.sql", tmp_path / "outer.sql"
    inner.write_text(f"\\echo INNER\n{leave}\n\\echo NO\n")
    outer.write_text(f"\\i {inner}\n\\echo OUTER\n")
    terminal = start()
    terminal.prompt()
    terminal.run(f"\\i {outer} \\echo TYPED", "INNER OUTER TYPED qasino>")
    terminal.type(f"{leave}\r")
    assert terminal.wait() == 0


def test_ctrl_c_in_an_included_file_ends_those_that_include_it(
    start: Start, tmp_path: Path
) -> None:
    inner, outer = tmp_path / "inner.sql", tmp_path / "outer.sql"
    inner.write_text("select 6 * 7 \\watch 100\n\\echo INNER\n")
    outer.write_text(f"\\i {inner}\n\\echo OUTER\n")
    terminal = start()
    terminal.prompt()
    terminal.type(f"\\i {outer}\r")
    terminal.see("1 row in")
    terminal.interrupt()
    terminal.prompt()
    assert not {"INNER", "OUTER"} & set(terminal.lines)


def test_a_prompt_that_is_ended_after_an_included_file_cancels_its_query(
    start: Start, wire: Wire, tmp_path: Path
) -> None:
    inner, outer = tmp_path / "inner.sql", tmp_path / "outer.sql"
    inner.write_text("select 1;\n")
    outer.write_text(f"\\i {inner}\n{ENDLESS}\n")
    terminal = start()
    terminal.prompt()
    terminal.type(f"\\i {outer}\r")
    until(lambda: running(wire))
    terminal.child.kill(signal.SIGTERM)
    assert terminal.wait() == 128 + signal.SIGTERM
    until(lambda: not running(wire))


def test_what_is_forgotten_or_only_looked_for_is_not_the_last_statement(start: Start) -> None:
    terminal = start()
    terminal.prompt()
    terminal.run("select 42 as one;", "one ─── 42")
    terminal.run("select 2 as forgotten \\r", "")
    terminal.run("\\g", "one ─── 42")
    terminal.run("\\d nope", "Table nope not found DESC nope ^")
    terminal.run("\\g", "one ─── 42")


def test_watch_repeats_the_statement_at_each_generation_until_ctrl_c(
    start: Start, server: Server, hosts: None
) -> None:
    terminal = start()
    terminal.connected()
    terminal.run("select count(*) as many from qasino_server_info;", "1 row in")
    terminal.type("\\watch\r")
    # A Ctrl-C that comes while the prompt still reads would be a key of the next prompt.
    terminal.until(lambda: terminal.text.count("1 row in") == 2, "the first of \\watch")
    terminal.repeat(
        server.rotate, lambda: terminal.text.count("1 row in") > 2, "another generation"
    )
    terminal.interrupt()
    terminal.prompt()
    terminal.run("select 1 one;", "1 row in")


def test_a_server_that_goes_and_comes_is_told_of_and_found_again(
    start: Start, make_server: Any, tmp_path: Path
) -> None:
    places = {"db_dir": tmp_path / "another", "static_db": tmp_path / "another.db"}
    first = make_server(**places)
    terminal = start(zmq_url(first))
    terminal.prompt()
    terminal.run("select 1 one;", "1 row in")
    first.stop()
    terminal.run("select 2 two;", "nothing listens there")
    terminal.see("server lost, reconnecting")
    make_server(**places, zmq_port=first.ports["zmq"])
    terminal.run("select 3 three;", "is back")
    assert terminal.leave() == 0


def test_without_a_server_there_is_a_prompt_all_the_same(start: Start) -> None:
    terminal = start("zmq://127.0.0.1:1")
    terminal.prompt()
    terminal.run("select 1;", "nothing listens there")
    terminal.run("\\conninfo", "lost:")
    assert terminal.leave() == 0


def test_a_publisher_cannot_drive_the_terminal(start: Start, server: Server, wire: Wire) -> None:
    table = {
        "tablename": "evil",
        "column_names": ["c"],
        "column_types": ["text"],
        "rows": [["\x1b]0;pwned\x07\x1b[2J"]],
    }
    wire.http_post("add_table_data", {"identity": "web-1", "table": table})
    server.rotate()
    terminal = start()
    terminal.prompt()
    terminal.run("select c from evil;", "\\x1b]0;pwned\\x07\\x1b[2J")


def test_a_dumb_terminal_gets_a_plain_prompt(start: Start, hosts: None) -> None:
    terminal = start(TERM="dumb")
    terminal.prompt()
    terminal.type("select host\r")
    terminal.see("->")
    terminal.type("from hosts where free_mb = 7;\r")
    terminal.see("web-1", "1 row in")
    assert terminal.leave() == 0


def test_a_dumb_terminal_goes_on_with_what_a_command_left(start: Start, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho "select 99 as edited" > "$1"\n')
    editor.chmod(0o755)
    terminal = start(TERM="dumb", EDITOR=str(editor))
    terminal.prompt()
    terminal.type("\\e\r")
    terminal.see("select 99 as edited ->")
    terminal.type(";\r")
    terminal.see("edited ────── 99")


def test_no_header_and_null_count_at_the_prompt(server: Server, start: Start) -> None:
    terminal = start(zmq_url(server), "--no-header", "--null", "-")
    terminal.prompt()
    terminal.run("select 1 first, null second;", "1 - 1 row in")


def test_no_colour_writes_no_colour(start: Start, hosts: None) -> None:
    coloured = re.compile(rb"\x1b\[[0-9;]*[34][0-9](;|m)")
    with_colour = start()
    with_colour.prompt()
    with_colour.run("select 'x' y, 1 z;", "1 row in")
    assert coloured.search(with_colour.written)
    without = start(NO_COLOR="1")
    without.prompt()
    without.run("select 'x' y, 1 z;", "1 row in")
    assert not coloured.search(without.written)


def test_without_colours_nothing_is_suggested_that_would_look_as_if_typed(start: Start) -> None:
    terminal = start()
    terminal.prompt()
    terminal.run("sel_ect_ed;", "sel_ect_ed")
    terminal.type("sel")
    terminal.see("qasino> sel_ect_ed;")
    terminal.close()
    without = start(NO_COLOR="1")
    without.prompt()
    without.type("sel")
    without.until(lambda: "select" in [line.strip() for line in without.lines], "the menu")
    assert without.prompts == ["qasino> sel"]


def test_results_go_into_a_file_while_the_prompt_stays_on_the_terminal(
    server: Server, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    sql = f"{sys.executable} -m qasino_cli.main sql -s {zmq_url(server)} > {out}"
    terminal = Sql(home=tmp_path, command=("/bin/sh", "-c", sql))
    terminal.prompt()
    terminal.type("select 5 five;\r")
    terminal.see("1 row in")
    terminal.prompt()
    assert terminal.leave() == 0
    assert out.read_text() == "five\n5\n"


def test_a_window_of_another_size_gets_a_table_of_its_size(start: Start, hosts: None) -> None:
    terminal = start()
    terminal.prompt()
    terminal.resize(40, 20)
    terminal.run("select '" + "x" * 60 + "' wide;", "1 row in")
    assert any(line.endswith("…") for line in terminal.lines)
