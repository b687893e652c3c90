"""The figures as a file, with what they were taken on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.bench.figures import Figure
from tests.bench.plan import Plan


def write_json(
    path: Path,
    facts: Mapping[str, Any],
    plan: Plan,
    figures: Sequence[Figure],
    sentences: Mapping[str, str],
) -> None:
    """Machine, plan, every figure with its samples, and by case why there is none."""
    told = {
        "epoch": round(time.time()),
        "machine": facts,
        "plan": plan,
        "figures": [_told(figure) for figure in figures],
        "without_figures": sentences,
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n")


def _told(figure: Figure) -> dict[str, Any]:
    judged = {"ratio": figure.ratio, "met": figure.met}
    return {**msgspec.to_builtins(figure), **judged}
