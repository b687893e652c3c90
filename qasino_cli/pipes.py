"""What comes out of a descriptor until its end, whatever whoever gave it to us has set."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator

_PART_BYTES = 1 << 20


def parts_of(descriptor: int) -> Iterator[bytes]:
    """All that can be read, as it comes. Raises OSError.

    A descriptor that does not block is waited for and left as it is: others have it too.
    """
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    while True:
        try:
            part = os.read(descriptor, _PART_BYTES)
        except BlockingIOError:
            poller.poll()
            continue
        if not part:
            return
        yield part


def lines_of(descriptor: int) -> Iterator[bytes]:
    """The same line by line, each as soon as its end has come."""
    begun: list[bytes] = []
    for part in parts_of(descriptor):
        *ended, rest = part.split(b"\n")
        for line in ended:
            yield b"".join((*begun, line, b"\n"))
            begun = []
        begun.append(rest)
    if last := b"".join(begun):
        yield last
