"""SQL text as tokens, read as SQLite reads it."""

from __future__ import annotations

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qasino_cli.sql.lexer import tokens


@pytest.mark.parametrize(
    "number",
    ["0", "12", "1_000", "1.5", ".5", "5.", "1e3", "1.5E-3", "0x1F", "0XaB", "0x1234_5678"],
)
def test_a_number_is_one_token(number: str) -> None:
    assert apsw.Connection(":memory:").execute(f"select {number}").get is not None
    assert [(token.kind, token.text) for token in tokens(f"{number}+x")] == [
        ("number", number),
        ("operator", "+"),
        ("word", "x"),
    ]


@given(st.text("0x1F_.e+-'\"`[]()/*\n a?:@$;\\é", max_size=40))
def test_a_text_is_its_tokens(text: str) -> None:
    assert "".join(token.text for token in tokens(text)) == text
