"""SQLite's memory: one bound for the process, and room that each connection has from the start."""

from __future__ import annotations

import apsw

_SLOT_BYTES = 384
"""Of the large ones; SQLite cuts half of the room into small ones of 128 bytes: 750, and 250."""
_SLOTS = 500


def widen_lookaside() -> None:
    """Have each connection keep room for a thousand small values: 192 KB.

    A text that is bound takes a slot, a small one up to 127 bytes, or else goes to malloc, where
    SQLite counts it under a lock of the whole process. With SQLite's own 123 slots a statement of
    480 values took 1.3 times as long (https://sqlite.org/malloc.html#lookaside).

    It can only be said before there is a connection: where there is one, nothing is done.
    """
    if apsw.connections():
        return
    apsw.shutdown()
    apsw.config(apsw.SQLITE_CONFIG_LOOKASIDE, _SLOT_BYTES, _SLOTS)
    apsw.initialize()


def bound_memory(size_bytes: int) -> None:
    """Have SQLite refuse what would take more memory than that, in the whole process.

    One statement may build many values that are each within their limit: 2,000 columns of
    group_concat would be 128 GB.
    """
    apsw.hard_heap_limit(size_bytes)
