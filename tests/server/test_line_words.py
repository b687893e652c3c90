"""What is typed on the line port by habit, without a `;`."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from wire import Wire, read_all

HELP = rb"SQL, ended by ;.*KILL id; quit\r\n *"


@pytest.mark.parametrize("word", ["quit", "exit", "QUIT;", " exit ", "\\q", "select 1;\r\nquit"])
def test_who_wants_to_leave_is_let_go(wire: Wire, word: str) -> None:
    with wire.connect("line") as made:
        made.sendall(f"{word}\r\n".encode())
        assert read_all(made).endswith(b"Bye!\r\n")


PUTTY = bytes.fromhex("fffb1ffffb20fffb18fffb27fffd01fffb03fffd03")
"""What it begins with: its window, speed, terminal and environment, echo, and no going ahead."""


@pytest.mark.parametrize("leaves", [b"quit;", b"\x03", b"\xff\xf4\xff\xfd\x06"])
def test_a_client_that_negotiates_is_served(wire: Wire, leaves: bytes) -> None:
    with wire.connect("line") as made:
        made.sendall(PUTTY + b"select 'x' as a;\xff\xfd\x03 select 'y' as b;")
        told = b""
        while b"y\r\n1 rows returned\r\n" not in told:
            data = made.recv(65536)
            assert data, told
            told += data
        made.sendall(leaves)
        told += read_all(made)
    row = b"%b\r\n=\r\n%b\r\n1 rows returned\r\n"
    assert told == row % (b"a", b"x") + row % (b"b", b"y") + b"Bye!\r\n"


@pytest.mark.parametrize("data", [b"\xe9", b"\xed\xa0\x80", b"\xc3\xc3\xa9", b"e\xe2\x82"])
def test_a_statement_that_is_not_utf8_is_refused_and_those_around_it_are_not(
    wire: Wire, data: bytes
) -> None:
    with wire.connect("line") as made:
        for byte in b"select 'x' as a; select hex('%b') as b; select '\xc3\xa9' as c;" % data:
            made.sendall(bytes([byte]))
        made.sendall(b"quit;")
        told = read_all(made)
    assert re.fullmatch(
        rb"a\r\n=\r\nx\r\n1 rows returned\r\nSQL error: the statement is not UTF-8\r\n"
        rb"c\r\n=\r\n\xc3\xa9\r\n1 rows returned\r\nBye!\r\n",
        told,
    )


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(0, 60), max_size=3))
@example([4, 10])
def test_words_are_told_from_statements_however_the_text_is_cut(
    wire: Wire, cuts: list[int]
) -> None:
    text = b"help\nselect\n 'help\nquit\n' as a;\nhelp;\nselect\n2 as b;quit\n"
    with wire.connect("line") as made:
        begins = 0
        for ends in [*sorted(cuts), len(text)]:
            made.sendall(text[begins:ends])
            begins = max(begins, ends)
        told = read_all(made)
    assert re.fullmatch(
        rb"%ba\r\n.*%bb\r\n=\r\n2\r\n1 rows returned\r\nBye!\r\n" % (HELP, HELP), told, re.DOTALL
    )
