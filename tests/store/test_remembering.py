"""What is asked and published is remembered where it is short: nobody fills the memory with it."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

TIMES = 50
HELD_BYTES = 8 << 20
"""Of texts that are each some hundreds of kilobytes, far from all."""
NOTE = "\N{EIGHTH NOTE}\N{MUSICAL SYMBOL EIGHTH NOTE}"
"""It makes each character of a text four bytes."""
COLUMNS = [f"c{n}".ljust(128, "_") for n in range(1000)]
HEADER = ", ".join(f"{name} int" for name in COLUMNS)
ROWS = [list(range(1000))]


def ask_long_statements(bench: Any) -> None:
    many = f"select value from json_each('[{','.join('1' * 300)}]')"
    for number in range(TIMES):
        assert len(bench.rows(f"{many} /* {number} {'x' * 200_000}{NOTE} */ where 1")) == 300


def ask_for_long_names(bench: Any) -> None:
    for number in range(TIMES):
        name = f'"{number}{"x" * 100_000}{NOTE}"'
        assert bench.rows(f"select 1 as {name}") == [[1]]
        assert bench.rows(f"with {name} as (select 1) select count(*) from {name}") == [[1]]


def ask_for_many_names(bench: Any) -> None:
    bench.publish("a", "wide", HEADER, ROWS, static=1)
    for number in range(TIMES):
        assert len(bench.rows(f"select *, 1 as n{number} from wide")[0]) == 1001


def publish_in_every_order(bench: Any) -> None:
    for number in range(TIMES):
        shuffled = random.Random(number).sample(COLUMNS, 1000)
        header = ", ".join(f"{name} int" for name in shuffled)
        assert bench.publish("a", "wide", header, ROWS, replace=1).applied


@pytest.fixture
def traced() -> Iterator[Callable[[], int]]:
    """Tells the bytes that Python's objects hold which were made since."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()


@pytest.mark.parametrize(
    "act", [ask_long_statements, ask_for_long_names, ask_for_many_names, publish_in_every_order]
)
def test_long_texts_are_not_kept(
    bench: Any, act: Callable[[Any], None], traced: Callable[[], int]
) -> None:
    before_bytes = traced()
    act(bench)
    for _ in range(2):
        bench.rotate()
    assert bench.rows("select 1") == [[1]]
    assert traced() - before_bytes < HELD_BYTES
