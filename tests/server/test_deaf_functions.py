"""Functions that do not hear that they are to stop; what they set going takes a while to end."""

from __future__ import annotations

import threading
import time
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
from wire import until

from qasino_server.store import readers

QUICK = "select value from json_each('[1]')"
"""And yet nothing that the port answers by itself."""


@pytest.fixture(scope="module")
def deaf_for() -> Callable[[float], str]:
    """Makes a statement that computes for so many seconds in one call, whatever one says."""
    connection = apsw.Connection(":memory:")

    def sql(length: int, within: int = 1_000_000) -> str:
        return f"select instr(hex(zeroblob({within})), hex(zeroblob({length})) || '1') as found"

    # Its processor time, and of texts as long as are looked for then, which caches do not hold.
    before_s = time.thread_time()
    connection.execute(sql(20_000, within=220_000)).fetchall()
    took_s = time.thread_time() - before_s
    connection.close()
    return lambda seconds: sql(min(400_000, int(20_000 * seconds / (took_s * 4.9))))


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not hear is given up soon."""
    monkeypatch.setattr(readers, "GIVE_UP_S", 0.1)
    monkeypatch.setattr(readers, "EXPRESS_S", 0.1)


@pytest.fixture
def quiet_after() -> Iterator[None]:
    """Waits for the threads that a test leaves computing, so that the next has the machine."""
    before = set(threading.enumerate())
    yield
    until(lambda: not [t for t in set(threading.enumerate()) - before if "reader" in t.name], 30)


def test_a_function_that_does_not_hear_is_given_up(
    hasty: None,
    quiet_after: None,
    own_site: Callable[..., Site],
    deaf_for: Callable[[float], str],
    beside: Callable[..., Any],
) -> None:
    place = own_site(query_timeout_s=0.3)
    sql = deaf_for(0.8)
    deaf = beside(lambda: seconds_of(lambda: place.wire.http_post("query", {"sql": sql})))
    until(lambda: running(place.wire))
    answered = 0
    while not deaf.done():
        assert place.wire.rows("select 1") == [[1]]
        answered += 1
    assert answered > 3, "they have waited for it"
    took_s, (status, _, body) = deaf.result()
    assert 0.4 <= took_s < 6.0
    assert status == 504
    is_error(strict_json(body), r"did not end within 0\.3 s")
    assert not running(place.wire)
    place.unhurt()


def test_several_functions_that_do_not_hear_are_given_up_at_once(
    hasty: None,
    quiet_after: None,
    own_site: Callable[..., Site],
    deaf_for: Callable[[float], str],
    beside: Callable[..., Any],
) -> None:
    place = own_site(query_timeout_s=0.3)
    sql = deaf_for(0.8)
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
    hasty: None,
    quiet_after: None,
    own_site: Callable[..., Site],
    deaf_for: Callable[[float], str],
    beside: Callable[..., Any],
) -> None:
    place = own_site()
    sql = deaf_for(1.2)
    ask = partial(place.wire.query, sql)
    deaf = [beside(partial(ask, query_id=f"deaf{n}")) for n in range(4)]
    until(lambda: len(running(place.wire)) == 4)
    assert place.wire.rows(QUICK) == [[1]]
    assert not any(each.done() for each in deaf), "it has waited for one of them"
    for n, each in enumerate(deaf):
        assert place.wire.rows(f"kill deaf{n}") == [[f"deaf{n}"]]
        assert each.result()["error_message"] == "the query was cancelled"


def test_one_that_does_not_hear_that_it_is_slow_is_not_told_of_it(
    hasty: None,
    own_site: Callable[..., Site],
    deaf_for: Callable[[float], str],
    beside: Callable[..., Any],
) -> None:
    """It heard once its function had ended, and was answered that it was stopped."""
    place = own_site()
    sql = deaf_for(0.6)
    deaf = [beside(lambda: place.wire.rows(sql)) for _ in range(3)]  # the express has one of them
    assert [each.result() for each in deaf] == [[[0]]] * 3
