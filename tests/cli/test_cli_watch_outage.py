"""The command of `--on-change` hears that it may hear of nothing, and that it does again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import zmq_url
from hypothesis import given
from hypothesis import strategies as st
from watch_house import frame_of, result_of
from wire import until

from qasino_cli.watch.outage import Outage
from qasino_cli.watch.query import Update
from qasino_server.server import Server

RESULT = result_of(("n",), [(1,)])
BELIEVED = Update(result=RESULT)
REFUSED = Update(error="no such table: t")
MISSING = Update(result=RESULT, unknown="missing: a (disks)")
LOST = Update(unknown="lost: nothing listens there")


def told(outage: Outage, *updates: tuple[float, Update]) -> list[tuple[str, str | None]]:
    found = [notice for at_s, one in updates for notice in outage.notices(one, at_s)]
    assert all((notice["key"], notice["row"]) == ({}, {}) for notice in found)
    return [(notice["change"], notice["unknown"]) for notice in found]


def test_an_outage_of_a_generation_is_told_once_and_taken_back() -> None:
    outage = Outage()
    assert told(outage, (0, BELIEVED), (10, LOST), (39.9, LOST)) == []
    assert told(outage, (40, LOST), (41, LOST), (99, LOST)) == [("unknown", LOST.unknown)]
    assert told(outage, (100, BELIEVED), (130, BELIEVED)) == [("known", None)]


def test_a_brief_one_is_nobodys_alarm() -> None:
    outage = Outage()
    for begins in (0, 60, 120):
        assert told(outage, (begins, LOST), (begins + 29, LOST), (begins + 30, BELIEVED)) == []


def test_it_is_told_again_where_others_are_missing() -> None:
    outage = Outage()
    more = Update(result=RESULT, unknown="missing: a (disks), b (disks)")
    assert told(outage, (0, MISSING), (30, MISSING)) == [("unknown", "missing: a (disks)")]
    assert told(outage, (60, more), (90, more)) == [("unknown", more.unknown)]
    assert told(outage, (91, LOST)) == [("unknown", LOST.unknown)]
    assert told(outage, (92, Update(unknown="lost: it does not answer"))) == [], "the same again"


def test_a_statement_that_is_refused_ends_no_outage() -> None:
    outage = Outage()
    assert told(outage, (0, LOST), (30, LOST), (31, REFUSED)) == [("unknown", LOST.unknown)]
    assert told(outage, (32, BELIEVED)) == [("known", None)]


@given(st.lists(st.tuples(st.sampled_from([BELIEVED, MISSING, LOST, REFUSED]), st.integers(0, 40))))
def test_who_hears_it_knows_whether_to_believe(seen: list[tuple[Update, int]]) -> None:
    """`known` only after `unknown`, and after a generation of doubt whoever listens has it."""
    outage, now_s, doubted_since, believes = Outage(), 0.0, None, True
    for update, passed_s in seen:
        now_s += passed_s
        if update.unknown is not None:
            doubted_since = now_s if doubted_since is None else doubted_since
        elif update.result is not None:
            doubted_since = None
        for change, unknown in told(outage, (now_s, update)):
            assert believes == (change == "unknown") or unknown is not None
            believes = change == "known"
        lasts_s = 0.0 if doubted_since is None else now_s - doubted_since
        if update.unknown is not None and lasts_s >= update.duration_s:
            assert not believes
        if doubted_since is None:
            assert believes


@pytest.mark.timeout(60)
def test_a_server_that_is_gone_is_told_to_a_command(
    running: Callable[..., Any], make_server: Callable[..., Server], tmp_path: Path
) -> None:
    path = tmp_path / "told"
    path.touch()

    def lines() -> list[tuple[Any, ...]]:
        made = [json.loads(line) for line in path.read_text().splitlines()]
        return [(c["change"], c["row"].get("n"), (c["unknown"] or "").split(":")[0]) for c in made]

    places = {"db_dir": tmp_path / "d", "static_db": tmp_path / "s.db"}
    first = make_server(generation_duration_s=1, **places)
    query = "select 1 as n"
    process = running("-s", zmq_url(first), "--on-change", f"cat >> {path}", query)
    frame_of(process)
    first.stop()
    assert until(lambda: lines() == [("unknown", None, "lost")])
    make_server(generation_duration_s=1, zmq_port=first.ports["zmq"], **places)
    assert until(lambda: lines() == [("unknown", None, "lost"), ("known", None, "")])
