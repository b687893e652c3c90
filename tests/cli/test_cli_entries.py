"""What Enter does with what was typed: complete or not, and what is in it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qasino_cli.sql.entries import is_complete, read_entries
from qasino_cli.sql.script_reader import ScriptReader
from qasino_cli.sql.statements import Entry
from qasino_server.splitting import Splitter

PIECES = ("select 1", ";", "\n", " ", "'C:\\temp'", "'a\\'", "'it''s \\g'", "`\\q`", "[\\x]")
PIECES += ('"\\d+""\\"', "-- \\! ;\n", "/* \\i ;\n\\q */", "- ", "/", "*", "$1", "a$b", ":p")


def statement(text: str, vertical: bool = False) -> Entry:
    return Entry("statement", text, vertical)


def command(text: str, pending: str = "") -> Entry:
    return Entry("command", text, pending=pending)


def read_script(text: str) -> tuple[list[Entry], str]:
    reader = ScriptReader()
    return reader.feed(text), reader.unfinished


def to(text: str, target: str) -> Entry:
    return Entry("statement", text, target=target)


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("select 1;", [statement("select 1")]),
        ("select\n1\n;", [statement("select\n1")]),
        ("select 1; select 2;", [statement("select 1"), statement("select 2")]),
        ("select ';';", [statement("select ';'")]),
        ("select 1 -- ;\n;", [statement("select 1 -- ;")]),
        ("select 1\\G", [statement("select 1", True)]),
        ("select 1\\G;", [statement("select 1", True)]),
        ("select 1\\g", [statement("select 1")]),
        ("select 1 \\gx", [statement("select 1", True)]),
        ("select 1 \\g o.csv\nselect 2;", [to("select 1", "o.csv"), statement("select 2")]),
        ("select 1 \\g | tr \\\\ /", [to("select 1", "| tr \\\\ /")]),
        ("select 1\\G select 2;", [statement("select 1", True), statement("select 2")]),
        ("select 1 \\watch", [command("\\watch", "select 1")]),
        ("select 1 \\watch 5", [command("\\watch 5", "select 1")]),
        ("\\watch", [command("\\watch")]),
        ("\\x \\t", [command("\\x"), command("\\t")]),
        ("\\x \\\\ select 1;", [command("\\x"), statement("select 1")]),
        ("\\! printf '\\n'; true", [command("\\! printf '\\n'; true")]),
        ("\\echo it's\nselect 1;", [command("\\echo it's"), statement("select 1")]),
        ("select 1\n\\x\n;", [command("\\x", "select 1"), statement("select 1")]),
        ("select 1 \\r\nselect 2;", [command("\\r", "select 1"), statement("select 2")]),
        ("select '\\x', \"\\g\" -- \\q\n;", [statement("select '\\x', \"\\g\" -- \\q")]),
        ("\\q;", [command("\\q")]),
        ("\\i s.sql;\n\\o 'a;' ;", [command("\\i s.sql"), command("\\o 'a;'")]),
        ("\\echo a;\n\\o | cat;", [command("\\echo a;"), command("\\o | cat;")]),
        ("select 1 \\g o.csv;", [to("select 1", "o.csv")]),
        ("help", [command("\\?")]),
        ("help;", [command("\\?")]),
        ("Help ;\n", [command("\\?")]),
        (".tables", [command(".tables")]),
        ("select 1\\G\nselect 2;", [statement("select 1", True), statement("select 2")]),
        ("show tables", [statement("show tables")]),
        ("SHOW TABLES LIKE 'a%'", [statement("SHOW TABLES LIKE 'a%'")]),
        ("desc hosts", [statement("desc hosts")]),
        ("set use_write_db = true", [statement("set use_write_db = true")]),
        ("quit", [statement("quit")]),
        ("exit;", [statement("exit")]),
        ("\\d hosts", [Entry("command", "\\d hosts")]),
        ("\\x\nselect 1;", [Entry("command", "\\x"), statement("select 1")]),
        (";;", []),
        ("  ", []),
        ("-- nothing", []),
    ],
)
def test_what_is_complete_is_run(text: str, entries: list[Entry]) -> None:
    assert read_entries(text) == (entries, "")
    assert is_complete(text)


@pytest.mark.parametrize(
    "text",
    [
        "select 1",
        "select 1; select 2",
        "select 'a;",
        "select 1 /* ;",
        "/* \\q ;",
        "select 1; /* and\n",
        'select "a;',
        "show",
        "desc",
        "show tables like 'a",
        "\\x\nselect 1",
        "with a as (select 1)",
    ],
)
def test_what_is_not_gets_another_line(text: str) -> None:
    assert not is_complete(text)


def test_a_command_leaves_the_unfinished_statement_before_it() -> None:
    assert read_entries("select 1 \\d t") == ([command("\\d t", "select 1")], "select 1 ")
    assert is_complete("select 1 \\d t")
    assert not is_complete("select 1 \\d t\nfrom")


def test_a_script_has_no_shortcuts() -> None:
    assert read_script("show\ntables; select 1 -- \\x") == (
        [statement("show\ntables")],
        " select 1 -- \\x",
    )


@given(st.text(alphabet="select;'\"\\Gg-/* \n1show", max_size=60))
def test_text_that_comes_by_the_line_says_what_it_says_at_once(text: str) -> None:
    script = ScriptReader()
    came = [e for line in (text + "\n").splitlines(keepends=True) for e in script.feed(line)]
    assert came == read_script(text + "\n")[0]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_a_script_without_commands_is_split_as_the_server_splits_it(text: str) -> None:
    """Backslashes in literals, names and comments are what they were."""
    splitter = Splitter()
    statements = splitter.feed(text)
    assert read_script(text) == ([statement(each) for each in statements], splitter.rest)


def test_a_long_statement_that_comes_by_the_line_is_read_once() -> None:
    line = "('C:\\temp\\1'),\n"
    script = ScriptReader()
    began_s = time.process_time()
    for _ in range(10_000):
        assert not script.feed(line)
    by_the_line_s = time.process_time() - began_s
    assert script.feed(";") == [statement((line * 10_000).strip())]
    began_s = time.process_time()
    read_script(line * 10_000)
    assert by_the_line_s < 50 * (time.process_time() - began_s)


@given(st.text(alphabet="select;'\"\\Gg-/* \n1show", max_size=60))
def test_any_text_is_read_and_nothing_of_it_twice(text: str) -> None:
    entries, rest = read_entries(text)
    between = len(entries)  # a blank between a command and its argument
    assert sum(len(entry.text) for entry in entries) + len(rest) <= len(text) + between
