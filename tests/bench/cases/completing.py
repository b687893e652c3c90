"""A keystroke's completion at the prompt."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.completion import cases, loop_ms, milliseconds
from tests.bench.figures import Figure, no_more_than
from tests.bench.plan import Plan
from tests.bench.registry import Case

GOAL_MS = 20
KEYSTROKES = 200


def _run(plan: Plan) -> Iterator[Figure]:
    shrink = min(plan.shrink, 100)
    for label, keystroke in cases(shrink):
        first_ms = milliseconds(keystroke, 1)[0]
        p50, p99 = milliseconds(keystroke, max(2, plan.few(KEYSTROKES)))
        note = f"first {first_ms:.0f} ms, p50 {p50:.1f} ms"
        yield Figure(f"{label}, p99", p99, "ms", goal=no_more_than(GOAL_MS), note=note)
    yield Figure("a loop over 21,000 names, for measure", loop_ms(shrink), "ms")


CASE = Case("completion", "2,000 tables of 30 columns, and 21,000 names", _run)
