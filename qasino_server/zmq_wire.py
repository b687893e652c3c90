"""What frames of ZeroMQ take on the wire, in the clear (ZMTP 3) and encrypted (CURVE).

https://rfc.zeromq.org/spec/23/ and https://rfc.zeromq.org/spec/25/
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache


def wire_bytes(sizes_bytes: Sequence[int], encrypted: bool) -> int:
    """What frames of these sizes take on the wire: a header each, and what CURVE adds."""
    if len(sizes_bytes) == 2 and not sizes_bytes[0]:
        return usual_wire_bytes(sizes_bytes[1], encrypted)
    short_bytes, head_bytes = (222, 35) if encrypted else (255, 2)
    nr_long = sum([size_bytes > short_bytes for size_bytes in sizes_bytes])
    return sum(sizes_bytes) + head_bytes * len(sizes_bytes) + 7 * nr_long


@lru_cache(maxsize=1024)
def usual_wire_bytes(size_bytes: int, encrypted: bool) -> int:
    """The same of an empty frame and one of this size, which nearly all messages are."""
    return wire_bytes((size_bytes,), encrypted) + wire_bytes((0,), encrypted)
