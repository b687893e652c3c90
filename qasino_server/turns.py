"""What waits, in turns by who asked, so that nobody waits behind a crowd of others.

Used under the lock of whoever has it wait.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar


class Asked(Protocol):
    """What somebody waits for."""

    @property
    def asker(self) -> str:
        """Whom it counts for."""


J = TypeVar("J", bound=Asked)


class Turns(Generic[J]):
    """Jobs that wait: each asker's in their order, the askers in turns."""

    def __init__(self) -> None:
        self._queues: OrderedDict[str, deque[J]] = OrderedDict()
        """Who asked -> what they wait for, never empty; whose turn it is comes first."""
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[J]:
        for queue in self._queues.values():
            yield from queue

    def askers(self) -> Iterable[str]:
        """Who waits."""
        return self._queues.keys()

    def waiting_for(self, asker: str) -> int:
        """How many jobs of theirs wait."""
        return len(self._queues.get(asker, ()))

    def put(self, job: J) -> None:
        """Have it wait behind the others of the same asker."""
        self._queues.setdefault(job.asker, deque()).append(job)
        self._length += 1

    def take(self, may: Callable[[str], bool] = lambda asker: True) -> J | None:
        """The next job of an asker who `may` have one done now; None where there is none."""
        for asker, queue in self._queues.items():
            if may(asker):
                job = queue.popleft()
                self._length -= 1
                if queue:
                    self._queues.move_to_end(asker)
                else:
                    del self._queues[asker]
                return job
        return None

    def remove(self, job: J) -> bool:
        """Have it wait no longer; False where it did not."""
        queue = self._queues.get(job.asker)
        if queue is None or job not in queue:
            return False
        queue.remove(job)
        self._length -= 1
        if not queue:
            del self._queues[job.asker]
        return True

    def clear(self) -> list[J]:
        """All that waited."""
        waiting = list(self)
        self._queues.clear()
        self._length = 0
        return waiting
