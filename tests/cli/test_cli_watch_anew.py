"""The first generation of a server that began anew is not believed: not all have reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import zmq_url
from hypothesis import given
from hypothesis import strategies as st
from watch_house import frame_of, publish, result_of, until_another_second
from wire import Wire

from qasino_cli.console import ExitCode
from qasino_cli.watch.anew import ANEW, Anew
from qasino_cli.watch.query import Update
from qasino_server.server import Server

LOST = Update(unknown="lost: nothing listens there")
REFUSED = Update(error="no such column: x")


def answer(number: int, unknown: str | None = None) -> Update:
    return Update(result=result_of(("n",), [(1,)], number), unknown=unknown, holds=True)


def gone(number: int | None) -> Update:
    return Update(unknown="refused: no such table: t", refused_by=number)


@pytest.mark.parametrize(
    ("updates", "believed"),
    [
        ([answer(30), answer(60)], [True, True]),
        ([LOST, answer(60), answer(60), answer(90)], [False, False, True]),
        ([answer(30), LOST, answer(30), answer(60)], [True, True, True]),
        ([answer(30), LOST, answer(60), answer(90)], [True, False, True]),
        ([answer(30), LOST, answer(0), answer(60), answer(90)], [True, False, False, True]),
        ([answer(30), answer(0), answer(60), answer(90)], [True, False, False, True]),
        ([answer(0), answer(0), answer(30)], [True, True, True]),
        ([answer(30), gone(60), answer(90)], [True, True]),
        ([answer(30), gone(0), answer(60), answer(90)], [True, False, True]),
        ([gone(0), answer(60)], [True]),
        ([gone(None), answer(60), answer(90)], [False, True]),
        ([answer(30), gone(None), answer(60), answer(90)], [True, False, True]),
        ([answer(30), REFUSED, answer(60)], [True, True]),
    ],
)
def test_a_generation_is_believed_once_all_can_have_reported(
    updates: list[Update], believed: list[bool]
) -> None:
    anew = Anew()
    judged = [anew.judged(update) for update in updates]
    answers = [update for update in judged if update.result is not None]
    assert [update.unknown is None for update in answers] == believed
    assert [update.holds for update in answers] == [True if known else None for known in believed]


def test_what_was_unknown_already_says_so() -> None:
    anew = Anew()
    anew.judged(LOST)
    assert anew.judged(answer(30, "missing: a (t)")).unknown == "missing: a (t)"
    assert anew.judged(answer(30)).unknown == ANEW


@given(st.lists(st.sampled_from(["next", "same", "lost", "restart"]), max_size=12))
def test_no_generation_after_a_restart_is_believed_and_each_later_one_is(seen: list[str]) -> None:
    anew, number, collected, was_lost = Anew(), 30, 2, False
    anew.judged(answer(number))
    for step in seen:
        if step == "lost":
            was_lost = True
            anew.judged(LOST)
            continue
        if step == "restart":
            number, collected = 0, 0
        elif step == "next":
            number, collected = (number or 1000) + 30, collected + 1
            if was_lost:
                collected = min(collected, 1)  # a restart may have been while it was lost
        was_lost = was_lost and step == "same" and number == 0
        assert (anew.judged(answer(number)).unknown is None) == (collected > 1)


@pytest.mark.timeout(60)
def test_a_restart_is_no_all_clear(
    running: Callable[..., Any],
    make_server: Callable[..., Server],
    wire_to: Callable[[Server], Wire],
    tmp_path: Path,
) -> None:
    places = {"db_dir": tmp_path / "d", "static_db": tmp_path / "s.db"}

    def report(server: Server, **used: int) -> None:
        for host, value in used.items():
            publish(wire_to(server), host, value)
        server.rotate()

    first = make_server(**places)
    report(first, a=95, b=10)
    alert = "select host from disks where used > 90"
    process = running("-s", zmq_url(first), "--interval", "0.2", "--until", "empty", alert)
    frame = frame_of(process)
    assert frame[-1] == "a"
    first.stop()
    assert frame_of(process)[0].startswith("# unknown: lost")
    until_another_second(frame)
    second = make_server(**places, zmq_port=first.ports["zmq"])
    assert frame_of(process) == ["# unknown: refused: no such table: disks"]
    report(second, b=10)  # a has not found its way back yet
    assert frame_of(process)[1] == f"# unknown: {ANEW}"
    report(second, a=95, b=10)
    assert frame_of(process)[-1] == "a"
    report(second, a=10, b=10)
    assert process.wait(10) == ExitCode.OK
