"""Queries at an even pace, whatever the answers take: a process of its own.

`python -m tests.bench.paced JSON` with {"port", "per_s", "mix": [{"name", "sql", "share",
"source"}, ..]}: `share` of a thousand queries, `source` the loopback address they come from.
Says {} when it begins; when its standard input ends it prints by name how many were answered,
how many refused, and their waits in milliseconds. A query waits from when it was due if no
connection was free then, else from when it was sent.
"""

from __future__ import annotations

import json
import select
import sys
import threading
import time
from itertools import count
from statistics import quantiles
from typing import Any

from tests.bench.bodies import MARK, Template, query
from tests.bench.load import Lane, is_ok

CONNECTIONS = 64
"""At most, for each kind of query."""
_LAST_ANSWERS_S = 30.0


class _Asker:
    """One kind of query and its connections."""

    def __init__(self, port: int, told: dict[str, Any]) -> None:
        self.name = told["name"]
        self._template = Template(query(f"{told['sql']} -- {MARK}", "http"))
        self._asked = count()
        self.share, self.source = told["share"], told["source"]
        self.port = port
        self.free: list[Lane] = []
        self.opened = 0
        self.due: list[float] = []
        """Queries no connection was free for, and since when."""
        self.waits_ms: list[float] = []
        self.refused = 0

    @property
    def request(self) -> bytes:
        """The next query: another each time, or the server would remember its answer."""
        return self._template(next(self._asked))

    def lane(self) -> Lane | None:
        """A free connection, opened where there is none yet."""
        while self.free:
            lane = self.free.pop()
            if not lane.was_let_go():
                return lane
            lane.close()
            self.opened -= 1
        if self.opened == CONNECTIONS:
            return None
        self.opened += 1
        return Lane(self.port, self.source)

    def told(self) -> dict[str, Any]:
        """Counts and waits."""
        waits = self.waits_ms if len(self.waits_ms) > 1 else [*self.waits_ms, 0.0, 0.0]
        percentiles = quantiles(waits, n=100)
        return {
            "answered": len(self.waits_ms),
            "refused": self.refused,
            "p50_ms": percentiles[49],
            "p99_ms": percentiles[98],
            "max_ms": max(waits),
        }


class Pace:
    """All kinds, in one thread."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._askers = [_Asker(told["port"], kind) for kind in told["mix"]]
        self._per_s = told["per_s"]
        self._poll = select.epoll()
        self._on_their_way: dict[int, tuple[Lane, _Asker, float]] = {}

    def run(self, stopping: threading.Event) -> dict[str, Any]:
        """Ask until told to stop, wait for the last answers; what was found, by name."""
        began, number = time.perf_counter(), 0
        order = _order([asker.share for asker in self._askers])
        while not stopping.is_set():
            due = began + number / self._per_s
            if due <= time.perf_counter():
                self._ask(self._askers[order[number % len(order)]], due)
                number += 1
            else:
                self._take(max(0.0, due - time.perf_counter()))  # below 0 would be for ever
        ends = time.perf_counter() + _LAST_ANSWERS_S
        while self._on_their_way and time.perf_counter() < ends:
            self._take(0.1)
        took_s = time.perf_counter() - began
        return {"took_s": took_s, **{asker.name: asker.told() for asker in self._askers}}

    def _ask(self, asker: _Asker, due: float) -> None:
        lane = asker.lane()
        if lane is None:
            asker.due.append(due)
            return
        self._send(lane, asker, time.perf_counter())

    def _send(self, lane: Lane, asker: _Asker, since: float) -> None:
        if lane.fileno() not in self._on_their_way:
            self._poll.register(lane, select.EPOLLIN)
        self._on_their_way[lane.fileno()] = (lane, asker, since)
        lane.send(asker.request)

    def _take(self, within_s: float) -> None:
        for number, _ in self._poll.poll(within_s):
            lane, asker, since = self._on_their_way[number]
            answer = lane.receive()
            if answer is None:
                continue
            asker.waits_ms.append((time.perf_counter() - since) * 1000)
            asker.refused += not is_ok(answer)
            if asker.due:
                self._send(lane, asker, asker.due.pop(0))
            else:
                del self._on_their_way[number]
                self._poll.unregister(number)
                asker.free.append(lane)


def _order(shares: list[int]) -> list[int]:
    """Which kind comes when, the rare ones evenly among the others."""
    total = sum(shares)
    places = [
        ((n + 0.5) * total / share, kind) for kind, share in enumerate(shares) for n in range(share)
    ]
    return [kind for _, kind in sorted(places)]


def main() -> None:
    """Ask until the standard input ends."""
    pace, stopping = Pace(json.loads(sys.argv[1])), threading.Event()

    def wait() -> None:
        sys.stdin.read()
        stopping.set()

    threading.Thread(target=wait, daemon=True).start()
    print("{}", flush=True)
    print(json.dumps(pace.run(stopping)))


if __name__ == "__main__":
    main()
