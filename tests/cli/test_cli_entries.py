"""What Enter does with what was typed: complete or not, and what is in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qasino_cli.sql.repl.entries import Entry, is_complete, read_entries


def statement(text: str, vertical: bool = False) -> Entry:
    return Entry("statement", text, vertical)


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


@given(st.text(alphabet="select;'\"\\Gg-/* \n1show", max_size=60))
def test_any_text_is_read_and_nothing_of_it_twice(text: str) -> None:
    entries, rest = read_entries(text)
    assert sum(len(entry.text) for entry in entries) + len(rest) <= len(text)
