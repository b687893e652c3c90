"""Wild input on the line port: what comes back are lines of text, and an end."""

from __future__ import annotations

from fuzz_inputs import SQL
from fuzz_target import FUZZ, Target
from hypothesis import given
from hypothesis import strategies as st

PIECES = st.one_of(
    SQL.map(lambda sql: sql.encode() + b";"),
    st.sampled_from(
        [
            *(b"select 1;", b"show tables;", b"show queries;", b"kill 1;", b"desc t;", b"quit;"),
            *(
                b";",
                b";;",
                b"'",
                b'"',
                b"`",
                b"[",
                b"]",
                b"--",
                b"\n",
                b"\r\n",
                b"\r",
                b"/*",
                b"*/",
            ),
            *(
                b"\x04",
                b"\x03",
                b"\xff\xf4",
                b"\xff\xec",
                b"\xff\xff",
                b"\0",
                b"\x1b[2J",
                b"\xe6\xbc",
            ),
        ]
    ),
    st.binary(max_size=12),
)


@FUZZ
@given(pieces=st.lists(PIECES, max_size=8), ended=st.booleans())
def test_any_bytes(target: Target, pieces: list[bytes], ended: bool) -> None:
    data = b"".join(pieces)
    heard = target.tell("line", data if ended else data + b"\x04", ended=ended)
    text = heard.decode()
    assert text == "" or text.endswith("\r\n")
    for line in text.split("\r\n"):
        assert not any(c < " " or "\x7f" <= c <= "\x9f" for c in line), repr(line)


def test_the_server_is_as_it_was(target: Target) -> None:
    answer = target.tell("line", b"select 1 as one;\nquit;\n")
    assert answer == b"one\r\n===\r\n  1\r\n1 rows returned\r\nBye!\r\n"
    target.check_alive()
    target.holds_no_more_than_at_first()
