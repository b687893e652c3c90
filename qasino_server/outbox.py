"""A queue that a thread which waits for sockets can wait for as well."""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import Generic, TypeVar

from qasino_server.wakeup import ring

T = TypeVar("T")


class Outbox(Generic[T]):
    """A queue with a file descriptor that is readable while something is in it."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._lock = threading.Lock()
        self._pending = False
        self._closed = False
        self._looks_by_itself = 0
        """The thread that needs no bell for what it puts."""
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)

    def fileno(self) -> int:
        """The descriptor to poll for reading."""
        return self._reader

    def adopt(self) -> None:
        """This thread, which receives, takes what there is each time before it waits."""
        self._looks_by_itself = threading.get_ident()

    def put(self, item: T) -> None:
        """Hand something over; any thread."""
        self._items.append(item)
        if not self._pending and threading.get_ident() != self._looks_by_itself:
            ring(self.wake)

    def wake(self) -> None:
        """Make the receiver look, whether or not anything is there."""
        with self._lock:
            if not self._pending and not self._closed:
                self._pending = True
                os.write(self._writer, b"\0")

    def __len__(self) -> int:
        return len(self._items)

    def take(self) -> list[T]:
        """Everything that is there; the receiver's thread."""
        with self._lock:
            if self._pending:
                os.read(self._reader, 16)
                self._pending = False
        return [self._items.popleft() for _ in range(len(self._items))]

    def close(self) -> None:
        """No more wake-ups; what is put from now on is lost."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._reader)
                os.close(self._writer)
