"""The cases, in the order of the table of goals."""

from __future__ import annotations

from tests.bench.cases import (
    agent,
    aggregate,
    completing,
    fleet,
    full_speed,
    ingest,
    many_tables,
    memory,
    others,
    persistent,
    queries,
    rotation,
    side_by_side,
    small_tables,
    start,
    stream,
)
from tests.bench.registry import Case

CASES: tuple[Case, ...] = (
    *ingest.CASES,
    small_tables.CASE,
    *fleet.CASES,
    *full_speed.CASES,
    *queries.CASES,
    aggregate.CASE,
    stream.CASE,
    side_by_side.CASE,
    rotation.CASE,
    persistent.CASE,
    memory.CASE,
    many_tables.CASE,
    start.CASE,
    *agent.CASES,
    completing.CASE,
    *others.CASES,
)
