"""Where one statement ends and the next begins."""

from __future__ import annotations

import pytest

from qasino_cli.sql.scripts import entries_of
from qasino_cli.sql.statements import Leaving, read_set
from qasino_server.errors import SqlError
from qasino_server.splitting import Splitter


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", []),
        (" ;; \n ; ", []),
        ("select 1", ["select 1"]),
        ("select 1;", ["select 1"]),
        ("select 1; select 2", ["select 1", "select 2"]),
        ("select ';', 'it''s; so';x", ["select ';', 'it''s; so'", "x"]),
        ('select ";" from "a"";b"; x', ['select ";" from "a"";b"', "x"]),
        ("select [;], `;`; x", ["select [;], `;`", "x"]),
        ("select 1 -- no; end\n; x", ["select 1 -- no; end", "x"]),
        ("select /* ; */ 1; x", ["select /* ; */ 1", "x"]),
        ("-- only a comment;\n/* and; another */;", []),
        ("-- first\nselect 1; -- last", ["-- first\nselect 1"]),
        ("select 'never closed; x", ["select 'never closed; x"]),
        ("select 3-1, 4/2; x", ["select 3-1, 4/2", "x"]),
        ("select 1 /* never closed; x", ["select 1 /* never closed; x"]),
    ],
)
def test_a_semicolon_ends_a_statement_outside_quotes_and_comments(
    text: str, statements: list[str]
) -> None:
    assert [entry.text for entry in entries_of(text)] == statements


def test_what_follows_the_last_semicolon_is_kept_for_more_to_come() -> None:
    for text, rest in (("select 1; select ';", " select ';"), ("select 1; -- a comment alone", "")):
        splitter = Splitter()
        assert (splitter.feed(text), splitter.rest) == (["select 1"], rest)


def test_a_long_statement_is_split_in_a_moment() -> None:
    text = "select '" + "x''" * 300_000 + "'; " + "(" * 300_000
    splitter = Splitter()
    assert len(splitter.feed(text)) == 1
    assert len(splitter.rest) == 300_001


@pytest.mark.parametrize(
    "text", ["quit", "EXIT", " quit ", "-- leave\nquit", "/* so; */ exit -- it"]
)
def test_quit_and_exit_leave(text: str) -> None:
    with pytest.raises(Leaving):
        read_set(text)


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("SET use_write_db = true", True),
        ("set use_write_db=0", False),
        ("set USE_WRITE_DB = 'yes'", True),
        ("-- ask the open generation\nset use_write_db = true", True),
        ("/**/set /* so */ use_write_db = off/* x */ -- y", False),
    ],
)
def test_set_use_write_db_is_for_this_end(text: str, on: bool) -> None:
    assert read_set(text) is on


@pytest.mark.parametrize("text", ["set foo = 1", "set use_write_db", "set use_write_db = maybe"])
def test_any_other_set_is_an_error(text: str) -> None:
    with pytest.raises(SqlError):
        read_set(text)


@pytest.mark.parametrize(
    "text", ["select 1", "settle", "show tables", "quit now", "-- quit", "-- set x = 1\nx"]
)
def test_everything_else_is_for_the_server(text: str) -> None:
    assert read_set(text) is None
