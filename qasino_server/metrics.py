"""What is counted and measured, and how `/metrics` tells it (OpenMetrics, or Prometheus text).

Counting is done where replies are made (`dispatch`) and by the heartbeat; what the store knows
anyway is read when somebody asks. Names and units follow
https://prometheus.io/docs/practices/naming/ : seconds and bytes, totals end in `_total`.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest as prometheus_text
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_text

from qasino_server.errors import QasinoError
from qasino_server.store import State
from qasino_server.table import Result

OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_QUERY_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0)
_ROTATION_BUCKETS = (0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)


_GAUGES = (
    ("generation_number", "generation_number", "The number of the snapshot"),
    ("generation_age_seconds", "generation_age_s", "Time since the snapshot was made"),
    ("generation_bytes", "generation_bytes", "Size of the snapshot's file"),
    ("rows", "nr_rows", "Rows of the snapshot"),
    ("tables", "nr_tables", "Tables of the snapshot"),
    ("identities", "nr_identities", "Identities that reported for the snapshot"),
    (
        "missing",
        "nr_missing",
        "Tables of identities that used to report and did not for the snapshot",
    ),
    ("queries_running", "queries_running", "Queries that run or wait"),
    ("waiting_bytes", "waiting_bytes", "Publications that wait to be stored"),
)
"""What a gauge is called, the field of State it shows, and its help."""


class _Gauges:
    """The state as a collector, read once for each scrape."""

    def __init__(
        self, state: Callable[[], State], connections: Callable[[], dict[str, int]]
    ) -> None:
        self._state = state
        self._connections = connections

    def collect(self) -> Iterator[GaugeMetricFamily]:
        state = self._state()
        for name, field, help in _GAUGES:
            yield GaugeMetricFamily(f"qasino_{name}", help, value=getattr(state, field))
        by_port = GaugeMetricFamily("qasino_connections", "Connections open", labels=["port"])
        for port, number in sorted(self._connections().items()):
            by_port.add_metric([port], number)
        yield by_port


class _Stored:
    """What was stored, counted at the writer's desk, so by one thread at a time: without the locks
    of three counters, 2 us a publication."""

    def __init__(self, nr_rows: Callable[[], int]) -> None:
        """`nr_rows` tells how many, which the store counts."""
        self._by_port: dict[str, int] = {}
        self._nr_rows = nr_rows
        self._size_bytes = 0
        self._since_epoch = time.time()

    def count(self, port: str, size_bytes: int) -> None:
        """A publication was stored; at the desk only."""
        self._by_port[port] = self._by_port.get(port, 0) + 1
        self._size_bytes += size_bytes

    def collect(self) -> Iterator[CounterMetricFamily]:
        since = self._since_epoch
        by_port = CounterMetricFamily("qasino_publications", "Publications stored", labels=["port"])
        for port, number in sorted(dict(self._by_port).items()):
            by_port.add_metric([port], number, created=since)
        yield by_port
        for name, about, total in (
            ("qasino_published_rows", "Rows stored", self._nr_rows()),
            ("qasino_published_bytes", "Size of the rows stored, as JSON", self._size_bytes),
        ):
            yield CounterMetricFamily(name, about, value=total, created=since)


class _Answered:
    """Queries that were answered, noted by any thread and added up now and then: the locks of a
    counter and of a histogram took an eighth of an answer from memory."""

    def __init__(self) -> None:
        self._noted: list[tuple[str, str, float]] = []
        """Port, outcome, seconds: the end is everybody's, the beginning is of who has the lock."""
        self._lock = threading.Lock()
        self._by_outcome: Counts[tuple[str, str]] = Counts()
        self._by_bucket: Counts[int] = Counts()
        self._seconds = 0.0
        self._since_epoch = time.time()

    def note(self, port: str, outcome: str, seconds: float) -> None:
        """A query was answered; any thread."""
        self._noted.append((port, outcome, seconds))
        if len(self._noted) > _NOTED_MAX:
            self._add_up()

    def _add_up(self) -> None:
        with self._lock:
            taken = self._noted[:]
            del self._noted[: len(taken)]
            if taken:
                ports, outcomes, seconds = zip(*taken, strict=True)
                self._by_outcome.update(zip(ports, outcomes, strict=True))
                self._by_bucket.update(map(_bucket_of, seconds))
                self._seconds += sum(seconds)

    def collect(self) -> Iterator[Metric]:
        self._add_up()
        with self._lock:
            by_outcome, by_bucket = dict(self._by_outcome), dict(self._by_bucket)
            seconds, since = self._seconds, self._since_epoch
        answered = CounterMetricFamily(
            "qasino_queries", "Queries answered", labels=["port", "outcome"]
        )
        for labels, number in sorted(by_outcome.items()):
            answered.add_metric(labels, number, created=since)
        yield answered
        took = HistogramMetricFamily(
            "qasino_query_seconds", "Time from a query's arrival to its answer"
        )
        bounds = [*map(str, _QUERY_BUCKETS), "+Inf"]
        numbers = accumulate(by_bucket.get(n, 0) for n in range(len(bounds)))
        took.add_metric([], list(zip(bounds, numbers, strict=True)), seconds)
        took.add_sample("qasino_query_seconds_created", {}, since)
        yield took


_NOTED_MAX = 1000
_bucket_of = partial(bisect_left, _QUERY_BUCKETS)
"""The number of the bucket that a time goes to: the first whose bound it does not pass."""


class Metrics:
    """The counters of one server."""

    def __init__(
        self,
        state: Callable[[], State],
        nr_rows_published: Callable[[], int],
        connections: Callable[[], dict[str, int]],
    ) -> None:
        """`connections` tells how many are open, by the name of their port."""
        self._registry = registry = CollectorRegistry()
        registry.register(_Gauges(state, connections))
        stored = _Stored(nr_rows_published)
        registry.register(stored)
        self.stored = stored.count
        """A publication was stored: its port, the size of its rows' JSON."""
        self._rejects = Counter(
            "qasino_rejects", "Publications refused", ["reason"], registry=registry
        )
        self._answered = answered = _Answered()
        registry.register(answered)
        self._rotation_seconds = Histogram(
            "qasino_rotation_seconds",
            "Time a rotation took",
            buckets=_ROTATION_BUCKETS,
            registry=registry,
        )

    def rejected(self, error: QasinoError) -> None:
        """A publication was refused."""
        self._rejects.labels(type(error).__name__).inc()

    def answered(self, port: str, outcome: Result | QasinoError, seconds: float) -> None:
        """A query was answered, well or with an error."""
        name = type(outcome).__name__ if isinstance(outcome, QasinoError) else "ok"
        self._answered.note(port, name, seconds)

    def rotated(self, seconds: float) -> None:
        """A generation became the snapshot."""
        self._rotation_seconds.observe(seconds)

    def exposition(self, accept: str) -> tuple[str, bytes]:
        """Media type and text for a client that accepts these."""
        if "application/openmetrics-text" in accept:
            text: bytes = openmetrics_text(self._registry)  # type: ignore[no-untyped-call]  # theirs
            return OPENMETRICS_TYPE, text
        return PROMETHEUS_TYPE, prometheus_text(self._registry)
