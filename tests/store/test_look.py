"""Looks into the generation being collected, and what is not there."""

from __future__ import annotations

from typing import Any

import pytest

from qasino_server.errors import SqlError


@pytest.mark.parametrize(
    "sql",
    ["show info", "SHOW tables", "show connections", "select * from main.qasino_server_sources"],
)
def test_who_looks_for_a_table_of_the_servers_is_told_where_it_is(bench: Any, sql: str) -> None:
    outcome = bench.ask(sql, use_write_db=True)
    assert isinstance(outcome, SqlError)
    assert outcome.sentence.startswith("no such table: ")
    assert "has no tables of the server's own yet; ask the snapshot" in outcome.hint
    assert bench.rows(sql) is not None


def test_of_other_tables_nothing_is_said(bench: Any) -> None:
    for keys in ({"use_write_db": True}, {}):
        outcome = bench.ask("select * from nope", **keys)
        assert (outcome.sentence, outcome.hint) == ("no such table: nope", "")
