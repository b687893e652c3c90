"""Functions that do not hear that they are to stop; what they set going takes a while to end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import apsw
import pytest
from ill_treated import (
    Site,
    is_error,
    running,
    seconds_of,
    strict_json,
    told_over,
)
from wire import TIMEOUT_S, until


@pytest.fixture(scope="module")
def deaf_for() -> Callable[[float], str]:
    """Makes a statement that computes for so many seconds in one call, whatever one says."""
    connection = apsw.Connection(":memory:")

    def sql(length: int) -> str:
        return f"select instr(hex(zeroblob(1000000)), hex(zeroblob({length})) || '1') as found"

    took_s, _ = seconds_of(lambda: connection.execute(sql(8000)).fetchall())
    connection.close()
    return lambda seconds: sql(min(400_000, int(8000 * seconds / took_s)))


@pytest.fixture
def quiet_after() -> Iterator[None]:
    """Waits for the threads that a test leaves computing, so that the next has the machine."""
    before = set(threading.enumerate())
    yield
    until(lambda: not [t for t in set(threading.enumerate()) - before if "reader" in t.name], 30)


def test_a_function_that_does_not_hear_is_given_up(
    quiet_after: None,
    own_site: Callable[..., Site],
    deaf_for: Callable[[float], str],
    beside: Callable[..., Any],
) -> None:
    place = own_site(query_timeout_s=0.3)
    sql = deaf_for(1.6)
    deaf = beside(lambda: seconds_of(lambda: place.wire.http_post("query", {"sql": sql})))
    until(lambda: running(place.wire))
    answered = 0
    while not deaf.done():
        assert place.wire.rows("select 1") == [[1]]
        answered += 1
    assert answered > 3, "they have waited for it"
    took_s, (status, _, body) = deaf.result()
    assert 1.2 < took_s < 6.0
    assert status == 504
    is_error(strict_json(body), r"did not end within 0\.3 s")
    assert not running(place.wire)
    place.unhurt()


def test_several_functions_that_do_not_hear_are_given_up_at_once(
    quiet_after: None,
    own_site: Callable[..., Site],
    deaf_for: Callable[[float], str],
    beside: Callable[..., Any],
) -> None:
    place = own_site(query_timeout_s=0.3)
    sql = deaf_for(1.3)
    ways = ["http", "zmq", "http", "line"]
    call = partial(told_over, place.wire, sql=sql)
    deaf = [beside(partial(seconds_of, partial(call, way=way))) for way in ways]
    for each in deaf:
        took_s, answer = each.result()
        assert took_s < 6.0
        assert b"did not end within 0.3 s" in answer
    assert seconds_of(lambda: place.wire.rows("select 1"))[0] < 0.8
    place.unhurt()


def test_functions_that_do_not_hear_leave_a_reader_to_quick_queries(
    quiet_after: None,
    own_site: Callable[..., Site],
    deaf_for: Callable[[float], str],
    beside: Callable[..., Any],
) -> None:
    place = own_site(query_timeout_s=TIMEOUT_S - 2.0)  # where they take longer, they are told
    sql = deaf_for(0.8 * min(4, os.cpu_count() or 1))  # 3.2 s, four at once
    deaf = [beside(lambda: place.wire.query(sql)) for _ in range(4)]
    until(lambda: len(running(place.wire)) == 4)
    took_s, rows = seconds_of(lambda: place.wire.rows("select 1"))
    for each in deaf:
        each.result()
    assert rows == [[1]]
    assert took_s < 6.0
