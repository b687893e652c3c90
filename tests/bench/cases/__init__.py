"""The cases, in the order of the table of goals."""

from __future__ import annotations

from tests.bench.cases import ingest, queries, rotation, small_tables
from tests.bench.registry import Case

CASES: tuple[Case, ...] = (
    *ingest.CASES,
    small_tables.CASE,
    *queries.CASES,
    rotation.CASE,
)
