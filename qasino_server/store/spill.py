"""How much a thread has written: the only way to see a query's temporary files grow.

SQLite spills sorts, DISTINCT and materialised parts into files that are unlinked as soon as
they are open; its own counter (SQLITE_DBSTATUS_TEMPBUF_SPILL) is brought up to date when the
statement ends, which is too late. The kernel counts for each thread what it writes.
"""

from __future__ import annotations


def written_bytes(native_id: int) -> int:
    """What that thread of this process has written since it began, to anything.

    0 where the kernel does not tell (no Linux, no task accounting): then there is no bound.
    """
    try:
        with open(f"/proc/self/task/{native_id}/io", "rb") as file:
            for line in file:
                if line.startswith(b"wchar:"):
                    return int(line[6:])
    except OSError:
        pass
    return 0
