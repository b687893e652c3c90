"""Results from many threads to one that sleeps in a poll, with one wake-up for many.

The sender appends and writes a byte only if none is on its way; the receiver, woken, takes
all there is. Waking a thread is what costs (DESIGN.md), not handing things over.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Outbox(Generic[T]):
    """A queue with a file descriptor that is readable while something is in it."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._lock = threading.Lock()
        self._pending = False
        self._closed = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)

    def fileno(self) -> int:
        """The descriptor to poll for reading."""
        return self._reader

    def put(self, item: T) -> None:
        """Hand something over; any thread."""
        self._items.append(item)
        self.wake()

    def wake(self) -> None:
        """Make the receiver look, whether or not anything is there."""
        with self._lock:
            if not self._pending and not self._closed:
                self._pending = True
                os.write(self._writer, b"\0")

    def take(self) -> list[T]:
        """Everything that is there; the receiver's thread."""
        with self._lock:
            if self._pending:
                os.read(self._reader, 16)
                self._pending = False
        taken = []
        while self._items:
            taken.append(self._items.popleft())
        return taken

    def close(self) -> None:
        """No more wake-ups; what is put from now on is lost."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._reader)
                os.close(self._writer)
