"""Every query that is not answered yet: under which id it is known, and where it waits.

Used under the lock that assigns queries (`readers`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from qasino_server.errors import Busy, Refused
from qasino_server.store.job import Job
from qasino_server.store.tally import QueryCounts
from qasino_server.turns import Turns

WAITING_MAX = 2000


class Roster:
    """The jobs by their ids, and what waits, each kind in turns by who asked."""

    def __init__(self, counts: QueryCounts) -> None:
        """What is refused here is counted there."""
        self._counts = counts
        self._jobs: dict[str, Job] = {}
        self._numbers = itertools.count(1)
        self.brief = Turns[Job]()
        """What the thread that received it is going to try."""
        self.own = Turns[Job]()
        """SHOW and DESC."""
        self.fresh = Turns[Job]()
        """What no reader had yet."""
        self.slow = Turns[Job]()
        """What the express had, and gave back."""
        self.elsewhere = Turns[Job]()
        """What waits for somebody else, a look into the open generation say."""

    # --- By id ------------------------------------------------------------------------------

    def enter(self, job: Job) -> None:
        """Make it known under its id, or under one that nobody else has, chosen or not.

        Raises Refused where its id is running already.
        """
        self.refuse_running(job.query_id)
        if not job.query_id:
            job.query_id = next(name for name in map(str, self._numbers) if name not in self._jobs)
        self._jobs[job.query_id] = job

    def refuse_running(self, query_id: str | None) -> None:
        """Raise Refused where a query of that id is running."""
        if query_id in self._jobs:
            self._counts.errors += 1
            raise Refused(f"a query with the id {query_id} is running already")

    def leave(self, job: Job) -> None:
        """It is answered; nothing where it was not known."""
        self._jobs.pop(job.query_id, None)

    def named(self, query_id: str) -> Job | None:
        """The one of that id, running or waiting."""
        return self._jobs.get(query_id)

    def jobs(self) -> list[Job]:
        """Those that run or wait, the oldest first."""
        return list(self._jobs.values())

    # --- What waits -------------------------------------------------------------------------

    def check_room(self, job: Job) -> None:
        """Raise Busy where too many wait: of all, or of this asker, who is left half of that."""
        queues = (self.own,) if job.select.own else (self.brief, self.fresh, self.slow)
        if sum(map(len, queues)) < WAITING_MAX // 2:
            return
        theirs = sum(queue.waiting_for(job.asker) for queue in queues)
        if sum(map(len, queues)) >= WAITING_MAX or theirs >= WAITING_MAX // 2:
            self._counts.errors += 1
            raise Busy("busy: too many queries wait already; try again")

    def await_reader(self, job: Job) -> None:
        """Have it wait for a reader that may take it."""
        if job.slow:
            self.slow.put(job)
        else:
            (self.own if job.select.own else self.fresh).put(job)

    @property
    def nr_quick(self) -> int:
        """How many wait that any reader may take, the express too."""
        return len(self.own) + len(self.fresh)

    def remove(self, job: Job) -> bool:
        """Have it wait no longer; False where it did not."""
        return any(queue.remove(job) for queue in self.queues)

    def clear(self) -> list[Job]:
        """Take out all that wait."""
        return [job for queue in self.queues for job in queue.clear()]

    def take_overdue(self, now: float) -> list[Job]:
        """Take out those whose time is up."""
        late = [job for queue in self.queues for job in queue if now > job.deadline]
        for job in late:
            self.remove(job)
        return late

    @property
    def queues(self) -> Sequence[Turns[Job]]:
        """All of them."""
        return self.brief, self.own, self.fresh, self.slow, self.elsewhere
