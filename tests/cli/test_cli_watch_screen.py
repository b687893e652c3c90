"""`qasino watch` on a terminal, against a real server."""

from __future__ import annotations

import os
import re
import resource
import signal
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from command import zmq_url
from distant import Distant
from terminal_screen import Terminal
from watch_house import QUERY, result_of
from wire import until

from qasino_cli.console import ExitCode
from qasino_cli.watch.diff import Picture, compare
from qasino_cli.watch.export import COPIED_BYTES, copied, written
from qasino_cli.watch.view import View
from qasino_cli.whole_file import is_there
from qasino_server.server import Server


def turned(terminal: Terminal, rotate: Callable[..., None], text: str, **used: int) -> None:
    """Rotate until the screen shows it: a signal sent before anybody listens is lost."""
    rotate(**used)
    terminal.type("n")
    terminal.see(text)


def test_the_screen_shows_changes_at_a_generation(
    screen: Callable[..., Terminal], rotate: Callable[..., None]
) -> None:
    rotate(a=1, b=5)
    terminal = screen(QUERY)
    terminal.see("2 rows", "a 1 b 5", "generation", "next in")
    turned(terminal, rotate, "1 gone", a=2, c=7)
    terminal.see("a 2▲", "- b 5", "+ c 7", "1 changed, 1 new, 1 gone")
    terminal.see("missing: b (disks)")
    terminal.type("q")
    assert terminal.wait() == ExitCode.OK


@pytest.mark.parametrize("end", ["q", "SIGTERM", "SIGHUP", "ctrl-c"])
def test_the_terminal_is_given_back_whatever_ends_it(
    screen: Callable[..., Terminal], rotate: Callable[..., None], end: str
) -> None:
    rotate(a=1)
    terminal = screen(QUERY)
    terminal.see("a 1")
    if end.startswith("SIG"):
        terminal.child.kill(getattr(signal, end))
    else:
        terminal.type("q" if end == "q" else "\x03")
    assert terminal.wait() == ExitCode.OK
    assert terminal.written.rfind(b"\x1b[?1049l") > terminal.written.rfind(b"\x1b[?1049h")
    assert terminal.written.rfind(b"\x1b[?25h") > terminal.written.rfind(b"\x1b[?25l")


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("q", ExitCode.NOT_MET),
        ("\x03", ExitCode.INTERRUPTED),
        (signal.SIGTERM, 128 + signal.SIGTERM),
        (signal.SIGHUP, 128 + signal.SIGHUP),
    ],
)
@pytest.mark.parametrize("condition", ["--until=empty", "--while=rows"])
def test_a_screen_that_is_left_before_its_condition_holds_is_no_success(
    screen: Callable[..., Terminal],
    rotate: Callable[..., None],
    condition: str,
    end: str | int,
    code: int,
) -> None:
    rotate(a=1)
    terminal = screen(condition, QUERY)
    terminal.see("a 1")
    if isinstance(end, str):
        terminal.type(end)
    else:
        terminal.child.kill(end)
    assert terminal.wait() == code
    assert terminal.written.rfind(b"\x1b[?1049l") > terminal.written.rfind(b"\x1b[?1049h")


def test_filtering_sorting_and_help_by_key(
    screen: Callable[..., Terminal], rotate: Callable[..., None]
) -> None:
    rotate(a=1, b=5, c=3)
    terminal = screen(QUERY)
    terminal.see("3 rows")
    terminal.type(">>r")
    terminal.see("sorted by used, reversed", "b 5 c 3 a 1")
    terminal.type("/")
    terminal.see("filter:")
    terminal.type("!b\r")
    terminal.see("filter !b: 2", "c 3 a 1")
    terminal.gone("b 5")
    terminal.type("?")
    terminal.see("keys; ? for more", "sort by the next column")
    terminal.type("?")
    terminal.see("q leave")
    terminal.gone("for more")
    terminal.type("?")
    terminal.see("c 3 a 1")


def test_a_filter_is_in_force_while_it_is_typed(
    screen: Callable[..., Terminal], rotate: Callable[..., None]
) -> None:
    rotate(a=1, b=5, c=3)
    terminal = screen(QUERY)
    terminal.see("3 rows")
    terminal.type("/b")
    terminal.see("filter b: 1", "b 5")
    terminal.gone("a 1")
    terminal.type("\x7f!b")
    terminal.see("filter !b: 2", "a 1 c 3")
    terminal.type("\r/c")
    terminal.see("filter !bc: 3")
    terminal.type("\x1b")
    terminal.see("filter !b: 2", "a 1 c 3")


def test_who_leaves_the_line_of_the_filter_is_where_they_were(
    screen: Callable[..., Terminal],
) -> None:
    numbers = "with recursive c(n) as (select 1 union all select n + 1 from c limit 90)"
    terminal = screen(f"{numbers} select n from c")
    terminal.see("90 rows")
    terminal.type("\x06")
    terminal.until(lambda: terminal.lines[5].strip() == "11", "11 on top")
    terminal.type("/8")
    terminal.until(lambda: terminal.lines[5].strip() == "8", "8 on top")
    terminal.type("\x1b")
    terminal.until(lambda: terminal.lines[5].strip() == "11", "11 on top again")


def test_rows_are_copied_to_the_clipboard_of_the_terminal(
    screen: Callable[..., Terminal], rotate: Callable[..., None]
) -> None:
    rotate(a=1, b=5)
    terminal = screen(QUERY)
    terminal.see("2 rows")
    terminal.type(">-y")
    terminal.see("2 rows copied, where the terminal allows that")
    told = re.findall(rb"\x1b\]52;c;([^\x07]*)\x07", terminal.written)
    assert [b64decode(text) for text in told] == [b"host\tused\na\t1\nb\t5\n"]


def test_more_than_a_terminal_takes_is_not_copied() -> None:
    for nr_letters, whole in ((COPIED_BYTES - 3, True), (COPIED_BYTES - 2, False)):
        seen = compare(None, result_of(("a",), [("x" * nr_letters,)]))
        sequence, said = copied(View(sql="select 1", picture=seen))
        assert bool(sequence) == whole
        assert said.startswith("1 row copied" if whole else "more than the 74,994 bytes")


def test_the_screen_scrolls_by_keys_of_less_and_vi(screen: Callable[..., Terminal]) -> None:
    numbers = "with recursive c(n) as (select 1 union all select n + 1 from c limit 90)"
    terminal = screen(f"{numbers} select n from c")
    for key, first in (("", "1"), ("\x06", "11"), ("\x02", "1"), ("\x04", "6"), ("\x15", "1")):
        terminal.type(key)
        terminal.until(lambda first=first: terminal.lines[5].strip() == first, f"{first} on top")
    terminal.type("G")
    terminal.until(lambda: terminal.lines[-1].strip() == "90", "the last row")
    terminal.type("g")
    terminal.until(lambda: terminal.lines[5].strip() == "1", "the first row")


def test_any_key_closes_the_help(screen: Callable[..., Terminal]) -> None:
    terminal = screen("select 1 n")
    terminal.see("1 row")
    for key in ("\x1b", "\r", "x", "\x01", "\x7f", "\x1b[15~", "q"):
        terminal.type("?")
        terminal.see("keys; ? for more")
        terminal.type(key)
        terminal.see("1 row")
    terminal.type("?")
    terminal.see("keys; ? for more")
    terminal.type("\x03")
    assert terminal.wait() == ExitCode.OK


def test_a_filter_that_would_take_for_ever_holds_up_no_key(
    screen: Callable[..., Terminal],
) -> None:
    terminal = screen(f"select '{'x' * 60}' n", columns=100)
    terminal.see("1 row")
    terminal.type("/")
    terminal.see("filter:")
    terminal.type("/(x+)+y/\r")
    terminal.see("takes too long")
    terminal.type("q")
    assert terminal.wait() == ExitCode.OK


def test_a_screen_that_something_wrote_into_is_drawn_anew(
    screen: Callable[..., Terminal],
) -> None:
    terminal = screen("select 1 n")
    terminal.see("1 row")
    before = len(terminal.written)
    terminal.type("\x0c")
    terminal.until(lambda: b"\x1b[2J" in terminal.written[before:], "the screen wiped")
    terminal.until(lambda: b"select" in terminal.written[before:], "the rows again")


def test_the_sql_is_edited_in_place_and_an_error_keeps_the_rows(
    screen: Callable[..., Terminal], rotate: Callable[..., None]
) -> None:
    rotate(a=1, b=5)
    terminal = screen(QUERY)
    terminal.see("a 1 b 5")
    terminal.type("e\x15select nosuch\r")
    terminal.see("SQL error: no such column: nosuch select nosuch ^", "a 1 b 5")
    turned(terminal, rotate, "a 2▲ b 6▲", a=2, b=6)
    terminal.type("e\x15select nosuch\r")
    terminal.see("SQL error")
    terminal.type("e")  # what was typed is there to be mended, and what is wrong with it
    terminal.see("SQL: select nosuch", "SQL error: no such column: nosuch select nosuch ^")
    terminal.type("\x7f" * 6 + "42 answer\r")
    terminal.see("answer", "42")
    terminal.gone("used")
    terminal.gone("SQL error")


def test_a_statement_without_the_column_of_the_key_leaves_the_screen_as_it_is(
    screen: Callable[..., Terminal], rotate: Callable[..., None]
) -> None:
    rotate(a=1, b=5)
    terminal = screen("--key", "host", QUERY)
    terminal.see("a 1 b 5")
    terminal.type("e\x15select used from disks\r")
    terminal.see("--key: there is no column 'host'; there are used", "a 1 b 5")
    rotate(a=2, b=5)  # the statement before is asked on: its rows would grow old
    terminal.see("--key: there is no column 'host'; there are used", "a 2")
    terminal.type(f"e\x15{QUERY}\r")
    terminal.see("2 rows")


def test_a_frame_is_written_to_a_file(
    screen: Callable[..., Terminal], rotate: Callable[..., None], tmp_path: Path
) -> None:
    rotate(a=1)
    terminal = screen(QUERY)
    terminal.see("a 1")
    for name in ("rows.tsv", "seen.txt"):
        terminal.type(f"w{tmp_path / name}\r")
        terminal.see("written to")
        terminal.type("k")
        terminal.gone("written to")
    assert (tmp_path / "rows.tsv").read_text() == "host\tused\na\t1\n"
    until(lambda: (tmp_path / "seen.txt").exists())
    assert "generation" in (tmp_path / "seen.txt").read_text()


def test_a_file_that_exists_is_overwritten_once_that_is_said(
    screen: Callable[..., Terminal], rotate: Callable[..., None], tmp_path: Path
) -> None:
    rotate(a=1)
    first, second = tmp_path / "1.tsv", tmp_path / "2.tsv"
    for file in (first, second):
        file.write_text("old")
    terminal = screen(QUERY, columns=150)
    terminal.see("a 1")
    question = "exists; Enter again overwrites, Esc leaves it"
    terminal.type(f"w{first}\r")
    terminal.see(f"{question}: {first}")
    terminal.type("\x1b")
    terminal.gone(question)
    assert first.read_text() == "old"
    terminal.type(f"w{first}\r")
    terminal.see(question)
    terminal.type("\x7f" * len("1.tsv") + "2.tsv")  # another name, which nobody was asked about
    terminal.see(f"write to: {second}")
    terminal.type("\r")
    terminal.see(f"{question}: {second}")
    terminal.type("\r")
    terminal.see(f"written to {second}")
    assert (first.read_text(), second.read_text()) == ("old", "host\tused\na\t1\n")


def test_the_question_is_seen_beside_a_long_name(
    screen: Callable[..., Terminal], tmp_path: Path
) -> None:
    file = tmp_path / ("x" * 90)
    file.write_text("old")
    terminal = screen("select 1 n")
    terminal.see("1 row")
    terminal.type(f"w{file}\r")
    terminal.see("exists; Enter again overwrites, Esc leaves it")
    terminal.type("\r")
    terminal.see("written to")
    assert "1 row" in file.read_text()


def screen_in(path: Path | str) -> str:
    """What is said where the screen alone is written."""
    return f"the screen is written to {path}; .csv, .tsv or .ndjson has all rows"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", "host,used\na,1.23456789\nb,2.0\n"),
        ("rows.tsv", "host\tused\na\t1.23456789\nb\t2.0\n"),
        ("rows.ndjson", '{"host":"a","used":1.23456789}\n{"host":"b","used":2.0}\n'),
        ("rows.json", "drawn"),
        ("rows", "drawn"),
    ],
)
def test_what_is_written_is_said_where_it_is_not_all(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    seen = compare(None, result_of(("host", "used"), [("a", 1.23456789), ("b", 2.0)]))
    said = written(View(sql="select 1", picture=seen, page=1), str(file), "drawn")
    assert said == (screen_in(file) if text == "drawn" else f"written to {file}")
    assert file.read_text() == text


def test_a_file_that_does_not_fit_on_the_disk_leaves_the_old_one_whole(tmp_path: Path) -> None:
    file = tmp_path / "rows.txt"
    file.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        said = written(View(sql="select 1"), str(file), "x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert said == f"{file}: File too large"
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("rows.txt", "old")]


def test_a_link_stays_one_and_a_file_keeps_its_mode(tmp_path: Path) -> None:
    file, link, new = (tmp_path / name for name in ("rows.txt", "link.txt", "new.txt"))
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to("rows.txt")
    umask = os.umask(0o027)
    try:
        for path in (link, new):
            assert written(View(sql="select 1"), str(path), "drawn") == screen_in(path)
    finally:
        os.umask(umask)
    assert link.is_symlink()
    assert [path.read_text() for path in (file, new)] == ["drawn", "drawn"]
    assert [path.stat().st_mode & 0o777 for path in (file, new)] == [0o640, 0o640]
    assert {path.name for path in tmp_path.iterdir()} == {"rows.txt", "link.txt", "new.txt"}


def test_a_device_is_written_to_and_not_put_aside() -> None:
    assert not is_there("/dev/null")
    assert written(View(sql="select 1"), "/dev/null", "drawn") == screen_in("/dev/null")
    assert Path("/dev/null").is_char_device()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_is_written_where_nobody_may_write_beside_it(tmp_path: Path) -> None:
    """And one that may not be written to is not put aside."""
    shut, file = tmp_path / "shut", tmp_path / "shut" / "rows.txt"
    shut.mkdir()
    file.write_text("old, and longer")
    try:
        shut.chmod(0o555)
        assert written(View(sql="select 1"), str(file), "drawn") == screen_in(file)
        assert file.read_text() == "drawn"
        shut.chmod(0o755)
        file.chmod(0o444)
        assert written(View(sql="select 1"), str(file), "drawn") == f"{file}: Permission denied"
    finally:
        shut.chmod(0o755)
    assert file.read_text() == "drawn"


@pytest.mark.parametrize("name", ["~nosuchuser/rows.tsv", "~nosuchuser\udcff", "gone/rows.tsv"])
def test_a_file_that_cannot_be_written_is_said(name: str) -> None:
    assert written(View(sql="select 1"), name, "drawn").startswith(f"{name}: ")


def test_rows_that_were_cut_are_not_written_without_a_word(tmp_path: Path) -> None:
    for truncated, said in ((False, ""), (True, "; cut: the server returns no more at once")):
        path = str(tmp_path / "rows.tsv")
        seen = View(sql="select 1", picture=Picture(truncated=truncated))
        assert written(seen, path, "drawn") == f"written to {path}{said}"


def test_a_file_named_in_vain_leaves_the_screen_as_it_is(
    screen: Callable[..., Terminal], rotate: Callable[..., None]
) -> None:
    rotate(a=1)
    terminal = screen(QUERY)
    terminal.see("a 1")
    terminal.type("w~nosuchuser/x\r")
    terminal.see("~nosuchuser/x: ", "a 1")


def test_sql_that_is_no_utf_8_is_said_and_not_asked(
    screen: Callable[..., Terminal], rotate: Callable[..., None]
) -> None:
    rotate(a=1)
    terminal = screen(QUERY)
    terminal.see("a 1")
    terminal.child.send(b"e -- \xff\r")
    terminal.see("SQL: what stands there is not UTF-8", "a 1")
    turned(terminal, rotate, "a 2", a=2)


def test_what_a_command_complains_of_stays_off_the_rows(
    screen: Callable[..., Terminal], rotate: Callable[..., None], tmp_path: Path
) -> None:
    """And the screen waits for nothing that the command leaves behind."""
    rotate(a=1)
    behind = f"until [ -e {tmp_path}/go ]; do sleep 0.05; done"
    complains = f"({behind}) & echo first >&2; echo why >&2; exit 3"
    terminal = screen("--interval", "0.2", "--on-change", complains, QUERY)
    terminal.see("a 1")
    rotate(a=2)  # no key asks for it: one that comes late would wipe the sentence away
    terminal.see("--on-change ended with 3: why", "a 2▲")
    (tmp_path / "go").touch()
    assert b"first" not in terminal.written


def test_rows_that_are_asked_for_seldom_are_not_late(
    screen: Callable[..., Terminal], make_server: Callable[..., Server], tmp_path: Path
) -> None:
    places = {"db_dir": tmp_path / "d", "static_db": tmp_path / "s.db"}
    quick = make_server(**places, generation_duration_s=1)
    terminal = screen("-s", zmq_url(quick), "--interval", "60", "select 1 n")
    terminal.see("1 row")
    quick.rotate()
    terminal.type("n")
    terminal.see("0 s old")
    terminal.see("3 s old")
    assert "late" not in terminal.text


ENDLESS = "with recursive c(n) as (select 1 union all select n + 1 from c) select max(n) from c"


def test_a_statement_that_takes_long_is_told_to_be_asked_until_it_is_answered(
    screen: Callable[..., Terminal],
) -> None:
    terminal = screen("select 1 n")
    terminal.see("1 row")
    terminal.type(f"e\x15{ENDLESS}\r")
    terminal.see("asking for ")
    terminal.type("e\x15select 42 answer\r")
    terminal.gone("asking")


def test_another_size_is_drawn_at_once(
    screen: Callable[..., Terminal], rotate: Callable[..., None]
) -> None:
    rotate(a=1)
    terminal = screen(f"{QUERY} /* {'x' * 40} */", columns=120)
    terminal.see("x" * 40)
    terminal.resize(40, 10)
    terminal.until(lambda: terminal.lines[0].endswith("…"), "the SQL cut")
    terminal.see("a 1")
    terminal.resize(1, 1)
    terminal.resize(100, 20)
    terminal.see("a 1")


def test_the_screen_ends_when_its_goal_is_reached_or_the_time_is_up(
    screen: Callable[..., Terminal], rotate: Callable[..., None]
) -> None:
    rotate(a=1)
    terminal = screen("--until", "max(used) > 5", QUERY)
    terminal.see("a 1")
    rotate(a=9)
    terminal.type("n")
    assert terminal.wait() == ExitCode.OK
    assert screen("--until", "empty", "--timeout", "0.2", QUERY).wait() == ExitCode.NOT_MET


def test_an_alarm_goes_off_while_the_rows_stay(
    screen: Callable[..., Terminal], rotate: Callable[..., None], tmp_path: Path
) -> None:
    rotate(a=1)
    told = tmp_path / "told"
    alarm = ("--until", "max(used) > 5", "--on-change", f"cat >> {told}", "--interval", "0.2")
    terminal = screen(*alarm, QUERY)
    terminal.see("a 1")
    terminal.type(" ")
    terminal.see("paused")
    rotate(a=2)
    terminal.see("paused, 1 newer", "a 1")
    until(lambda: told.exists() and '"used":2' in told.read_text())
    rotate(a=9)
    assert terminal.wait() == ExitCode.OK


def test_another_statement_ends_the_pause(
    screen: Callable[..., Terminal], rotate: Callable[..., None]
) -> None:
    rotate(a=1)
    terminal = screen(QUERY)
    terminal.see("a 1")
    terminal.type(" ")
    terminal.see("paused")
    terminal.type("e\x15select 42 answer\r")
    terminal.see("1 row", "42")
    terminal.gone("paused")


def test_what_is_wrong_is_said_before_the_screen_opens(
    screen: Callable[..., Terminal], rotate: Callable[..., None]
) -> None:
    terminal = screen("select nosuch")
    assert terminal.wait() == ExitCode.REFUSED
    assert b"no such column: nosuch" in terminal.written
    assert b"\x1b[?1049h" not in terminal.written


def test_what_is_waited_for_is_told_before_the_screen_opens_and_keys_are_for_the_screen(
    screen: Callable[..., Terminal], server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "rows"
    with closing(Distant(server.ports["http"], shut=True)) as silent:
        url = f"http://127.0.0.1:{silent.port}"
        terminal = screen("-s", url, "select 1 n")
        terminal.see(f"waiting for {url}; Ctrl-C leaves")
        terminal.type("\x03")
        assert terminal.wait() == ExitCode.INTERRUPTED
        terminal = screen("-s", url, "select 1 n")
        terminal.see("waiting for")
        terminal.type(f"w{file}\r")
        silent.open()
        terminal.see("1 row")
        terminal.type("q")
        assert terminal.wait() == ExitCode.OK
    assert not file.exists()


def test_who_waits_for_a_condition_waits_for_the_server_too(
    screen: Callable[..., Terminal],
) -> None:
    terminal = screen("-s", "zmq://127.0.0.1:1", "--until", "rows", "--timeout", "1", "select 1")
    terminal.see("cannot reach zmq://127.0.0.1:1")
    assert terminal.wait() == ExitCode.UNREACHABLE
    terminal = screen("-s", "zmq://127.0.0.1:1", "select 1")
    assert terminal.wait() == ExitCode.UNREACHABLE


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Terminal]:
    """A shell with job control."""
    variables = {"PS1": "$ ", "BASH_SILENCE_DEPRECATION_WARNING": "1"}
    bash = ("bash", "--norc", "--noprofile", "-i")
    terminal = Terminal(home=tmp_path, columns=80, lines=24, variables=variables, command=bash)
    with closing(terminal):
        terminal.see("$")
        yield terminal


QASINO = f"{sys.executable} -m qasino_cli.main"


def test_ctrl_z_leaves_screen_and_prompt_for_the_shell_and_fg_comes_back(
    shell: Terminal, server: Server, rotate: Callable[..., None]
) -> None:
    rotate(a=1)
    for command, seen, leave in (
        (f"watch -s {zmq_url(server)} '{QUERY}'", "a 1", "q"),
        (f"sql -s {zmq_url(server)}", "qasino>", "\\q\r"),
    ):
        shell.type(f"clear; {QASINO} {command}\r")
        shell.see(seen)
        shell.type("\x1a")
        shell.see("Stopped")
        shell.type("clear; fg\r")
        shell.gone("Stopped")
        shell.see(seen)
        shell.type(leave)
        shell.until(lambda: shell.text.endswith("$"), "the shell again")


def test_a_signal_to_stop_gives_the_terminal_back_until_fg(
    shell: Terminal, server: Server, rotate: Callable[..., None]
) -> None:
    rotate(a=1)
    shell.type(f"clear; {QASINO} watch -s {zmq_url(server)} '{QUERY}'\r")
    shell.see("a 1")
    [watch] = psutil.Process(shell.child.pid).children()
    for _ in range(2):
        watch.send_signal(signal.SIGTSTP)
        shell.see("Stopped")
        assert shell.written.rfind(b"\x1b[?1049l") > shell.written.rfind(b"\x1b[?1049h")
        shell.type("clear; fg\r")
        shell.gone("Stopped")
        shell.see("a 1")
    shell.type("q")
    shell.until(lambda: shell.text.endswith("$"), "the shell again")


def test_behind_an_ampersand_it_is_a_stream(
    shell: Terminal, server: Server, rotate: Callable[..., None]
) -> None:
    rotate(a=1)
    shell.type(f"{QASINO} watch -s {zmq_url(server)} '{QUERY}' & true\r")
    shell.see("# generation", "host used a 1")
    shell.type("kill %1; wait %1; echo en''ded $?\r")
    shell.see(f"ended {128 + signal.SIGTERM}")


def test_a_dumb_terminal_gets_the_stream(
    screen: Callable[..., Terminal], rotate: Callable[..., None]
) -> None:
    rotate(a=1)
    terminal = screen("--count", "1", QUERY, TERM="dumb")
    assert terminal.wait() == ExitCode.OK
    assert b"# generation" in terminal.written


# --- The line at the bottom ----------------------------------------------------------------------


def test_alt_moves_in_the_line_and_escape_leaves_it(screen: Callable[..., Terminal]) -> None:
    terminal = screen("select 1 number")
    terminal.see("1 row")
    terminal.type("e\x1bb")
    terminal.type("a")
    terminal.see("SQL: select 1 anumber")
    terminal.type("\x1bq")
    terminal.type("b")
    terminal.see("SQL: select 1 abnumber")
    terminal.type("\x1b")
    terminal.gone("SQL:")
    terminal.type("q")
    assert terminal.wait() == ExitCode.OK


def test_with_keys_of_vi_escape_leaves_inserting_then_the_line(
    screen: Callable[..., Terminal], tmp_path: Path
) -> None:
    (tmp_path / "config" / "qasino").mkdir(parents=True)
    (tmp_path / "config" / "qasino" / "config.yaml").write_text("keys: vi\n")
    terminal = screen("select 1 number")
    terminal.see("1 row")
    for _ in range(2):
        terminal.type("e")
        terminal.see("SQL: select 1 number")
        terminal.type("\x1b")
        terminal.type("0x")
        terminal.see("SQL: elect 1 number")
        terminal.type("\x1b")
        terminal.gone("SQL:")


def test_a_statement_of_several_lines_is_edited_in_as_many(
    screen: Callable[..., Terminal],
) -> None:
    terminal = screen("select 1 n\nunion\nselect 2")
    terminal.see("2 rows")
    terminal.type("e")
    edited = ["SQL: select 1 n", "union", "select 2"]
    terminal.until(lambda: terminal.lines[-3:] == edited, "all lines")


def test_a_line_that_was_scrolled_leaves_the_next_one_its_beginning(
    screen: Callable[..., Terminal],
) -> None:
    terminal = screen(f"select 1 n /* {'x' * 100} */")
    terminal.see("1 row")
    terminal.type("e")
    terminal.until(lambda: terminal.lines[-1].endswith("x */"), "the end, where the cursor is")
    terminal.type("\x01")
    terminal.until(lambda: terminal.lines[-1].startswith("SQL: select 1 n"), "the beginning")
    terminal.type("\x05")
    terminal.until(lambda: terminal.lines[-1].endswith("x */"), "the end again")
    terminal.type("\x1b")
    terminal.gone("x */")
    terminal.type("/abc")
    terminal.until(lambda: terminal.lines[-1] == "filter: abc", "all of the line")
