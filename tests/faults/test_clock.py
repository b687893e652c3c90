"""The clock is set, forward and back: libfaketime steps the wall clock of the server alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from running import LONG, Running, Site
from wire import until

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
Step = Callable[[float], None]


@pytest.fixture
def clocked(site: Site, tmp_path: Path) -> tuple[Running, Step]:
    """A server, and what sets its clock so many seconds before or after ours."""
    if not LIBRARIES:
        pytest.skip("libfaketime is not here (Debian's package faketime)")
    offset = tmp_path / "offset"

    def step(seconds: float) -> None:
        partial = offset.with_suffix(".partial")
        partial.write_text(f"{seconds:+.0f}\n")
        partial.rename(offset)

    step(0)
    running = site.start(
        LD_PRELOAD=str(LIBRARIES[0]),
        FAKETIME_TIMESTAMP_FILE=str(offset),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    return running, step


def their_time(running: Running) -> float:
    """The epoch second at which their snapshot became it."""
    ((epoch,),) = running.wire.rows("select generation_start_epoch from qasino_server_info")
    return float(epoch)


def is_stepped(running: Running, seconds: float) -> bool:
    return abs(their_time(running) - time.time() - seconds) < 30


def numbers_of_turns(running: Running, turns: int) -> tuple[list[int], float]:
    """The numbers of so many generations, and how long they lasted."""
    numbers = [running.turns()]
    began = time.monotonic()
    numbers += [running.turns() for _ in range(turns)]
    return numbers, time.monotonic() - began


@pytest.mark.parametrize("seconds", [400 * 86400, -7200])
def test_generations_keep_their_order_and_cadence_when_the_clock_is_set(
    clocked: tuple[Running, Step], seconds: float
) -> None:
    running, step = clocked
    before = running.turns()
    for offset in (seconds, 0):
        step(offset)
        until(lambda offset=offset: is_stepped(running, offset))
        numbers, took_s = numbers_of_turns(running, 3)
        assert numbers == sorted({*numbers})
        assert numbers[0] > before
        assert 2 < took_s < 9
        status, _, _ = running.wire.http("GET", path="/healthz/ready")
        assert status == 200
        before = numbers[-1]


@pytest.mark.parametrize("seconds", [3600, -3600] if LONG else [3600])
def test_a_step_makes_no_rows_live_shorter_or_longer(
    clocked: tuple[Running, Step], seconds: float
) -> None:
    """ttl_s is how long, not until when; persistent rows have no end at all."""
    running, step = clocked
    running.publish("p", "kept", 1, persist=1)
    running.publish("long", "t", 1, ttl_s=60)
    began = time.monotonic()
    running.publish("short", "t", 2, ttl_s=6)
    until(lambda: running.sees("select v from t order by v", [[1], [2]]))
    step(seconds)
    until(lambda: is_stepped(running, seconds))
    running.turns()
    rows = running.wire.rows("select v from t order by v")
    if time.monotonic() - began < 6:
        assert rows == [[1], [2]]
    until(lambda: running.sees("select t.v, kept.v from t, kept", [[1, 1]]), 20)
    assert time.monotonic() - began > 5


def test_who_was_missing_before_a_step_is_missing_after_it(clocked: tuple[Running, Step]) -> None:
    running, step = clocked
    running.publish("gone", "t", 1)
    missing = "select identity from qasino_server_missing"
    until(lambda: running.sees(missing, [["gone"]]))
    step(-7200)
    until(lambda: is_stepped(running, -7200))
    assert running.sees(missing, [["gone"]])
    step(7200)
    until(lambda: is_stepped(running, 7200))
    assert running.sees(missing, [["gone"]])


def test_clients_see_no_generation_as_late_at_the_moment_of_a_step(
    clocked: tuple[Running, Step],
) -> None:
    """Whether a server is ready is how old its snapshot is, not what the clock says."""
    running, step = clocked
    running.turns()
    for offset in (7200, 0, -7200):
        step(offset)
        for _ in range(20):
            status, _, body = running.wire.http("GET", path="/healthz/ready")
            assert status == 200, body
            age_s = running.wire.query("select 1")["generation_age_s"]
            assert 0 <= age_s < 5
        until(lambda offset=offset: is_stepped(running, offset))
