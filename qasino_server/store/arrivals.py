"""What has arrived and waits to be stored, in the order in which it came, and how much of it.

Any thread puts in; whoever is at the writer's desk takes out. The writer's thread sleeps here,
so whatever else it is wanted for is said under the same lock.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from qasino_server.errors import Busy
from qasino_server.store.postponed import Drop, Waiting
from qasino_server.table import Publication
from qasino_server.wakeup import Chore, ring, take_on

BATCH_PUBLICATIONS = 256
BATCH_BYTES = 1 << 20
"""About 10 ms of work, which is what a rotation waits for at most; of updates that is not known
before, and `batch` looks at the clock."""


class Arrivals:
    """A queue that is bounded in bytes, those included that were taken out and wait elsewhere."""

    def __init__(self, max_waiting_bytes: int, stopping: threading.Event, chore: Chore) -> None:
        """`chore` stores some of what waits, in the thread that received it; the writer's own is
        woken where there is no turn to do it in. Nothing is taken once `stopping` is set."""
        self._max_waiting_bytes = max_waiting_bytes
        self._stopping = stopping
        self._chore = chore
        self._mutex = threading.RLock()
        """The condition's lock; taken by itself, at half the price, where nobody is woken."""
        self.condition = threading.Condition(self._mutex)
        """What the writer's thread waits for."""
        self.asleep = False
        self.queue: deque[Waiting | Drop] = deque()
        """Looked at without the lock, to see whether there is something, by who takes it out."""
        self.waiting_bytes = 0
        """What is accepted and not stored yet, near enough."""
        self.on_room: list[Callable[[], None]] = []

    # --- Any thread -------------------------------------------------------------------------

    def put(self, item: Waiting | Drop) -> None:
        """Take it in, and see that somebody stores it.

        Raises Busy where as much waits as the server holds.
        """
        with self._mutex:
            if self._stopping.is_set():
                raise Busy("the server is shutting down")
            if self.waiting_bytes > self._max_waiting_bytes:
                raise Busy("busy: as many publications wait to be stored as the server holds")
            self.queue.append(item)
            self.waiting_bytes += item.size_bytes
        if not take_on(self._chore) and self.asleep:
            ring(self.wake)

    def has_room(self) -> bool:
        """Whether another publication would be queued."""
        return self.waiting_bytes <= self._max_waiting_bytes

    def when_room(self, call: Callable[[], None]) -> None:
        """Call it once, at the desk, when there is room again."""
        with self.condition:
            self.on_room.append(call)
            self.condition.notify()

    def wake(self) -> None:
        """Have the writer's thread look what there is to do."""
        with self.condition:
            self.condition.notify()

    # --- At the desk ------------------------------------------------------------------------

    def sleep(self, most_s: float | None) -> None:
        """Wait until somebody wakes the writer's thread, which runs this under the condition."""
        self.asleep = True
        self.condition.wait(most_s)
        self.asleep = False

    def next_batch(
        self,
        most_bytes: int = BATCH_BYTES,
        is_brief: Callable[[Publication], bool] | None = None,
    ) -> list[Waiting] | Drop:
        """Take what can be stored in one transaction; a static table or a drop goes alone.

        With `is_brief` nothing after the first is taken that is not.
        """
        batch: list[Waiting] = []
        size_bytes = 0
        with self._mutex:
            for item in islice(self.queue, BATCH_PUBLICATIONS):
                if isinstance(item, Drop) or item.publication.static:
                    if not batch:
                        return self._take_alone()
                    break
                if is_brief is not None and batch and not is_brief(item.publication):
                    break
                batch.append(item)
                size_bytes += item.size_bytes
                if size_bytes >= most_bytes:
                    break
            for _ in batch:
                self.queue.popleft()
            self.waiting_bytes -= size_bytes
        return batch

    def _take_alone(self) -> list[Waiting] | Drop:
        item = self.queue.popleft()
        self.waiting_bytes -= item.size_bytes
        return item if isinstance(item, Drop) else [item]

    def put_back(self, taken: Sequence[Waiting]) -> None:
        """They wait again, before all others."""
        if taken:
            with self._mutex:
                self.queue.extendleft(reversed(taken))
                self.waiting_bytes += sum(item.size_bytes for item in taken)

    def hold(self, items: Iterable[Waiting | Drop]) -> None:
        """These were taken out and wait still, elsewhere."""
        with self._mutex:
            self.waiting_bytes += sum(item.size_bytes for item in items)

    def release(self, items: Iterable[Waiting | Drop]) -> None:
        """These, which were held, wait no longer."""
        with self._mutex:
            self.waiting_bytes -= sum(item.size_bytes for item in items)

    def tell_of_room(self) -> None:
        """Call those who wait for room, if there is some."""
        if self.on_room and self.has_room():
            with self.condition:
                calls, self.on_room = self.on_room, []
            for call in calls:
                call()
