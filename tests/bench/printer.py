"""The table on the terminal: a line as soon as it is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.bench.figures import Figure

_LINE = "  {name:<48} {figure:>22}  {reference:>12}  {ratio:>7}  {goal:>9}  {met}"


_BUSY = 0.5
"""Load before the first case, from which it is worth a word."""


def print_head(facts: dict[str, Any]) -> None:
    """What the figures are taken on, and the columns' names."""
    names = ("processor", "cores_used", "cores", "python", "sqlite", "sqlite3_shell", "wrk")
    print(", ".join(f"{name} {facts[name]}" for name in names))
    if facts["load_before"] > _BUSY:
        print(f"others are at work here (load {facts['load_before']:.1f}): figures suffer")
    print(
        _LINE.format(
            name="", figure="figure", reference="reference", ratio="ratio", goal="goal", met=""
        )
    )


def print_case(name: str, title: str) -> None:
    """A case begins."""
    print(f"{name}: {title}", flush=True)


def print_figure(figure: Figure) -> None:
    """One line."""
    ratio = figure.ratio
    print(
        _LINE.format(
            name=figure.name,
            figure=f"{_shown(figure.figure)} {figure.unit}",
            reference="" if figure.reference is None else _shown(figure.reference),
            ratio="" if ratio is None else f"{ratio:.2f} x",
            goal="" if figure.goal is None else str(figure.goal),
            met={True: "met", False: "NOT MET", None: ""}[figure.met],
        ).rstrip()
        + (f"  ({figure.note})" if figure.note else ""),
        flush=True,
    )


def print_sentence(sentence: str) -> None:
    """What stands where figures would."""
    print(f"  {sentence}", flush=True)


def print_end(figures: Sequence[Figure]) -> None:
    """How many goals are met."""
    judged = [figure for figure in figures if figure.met is not None]
    print(f"{sum(bool(figure.met) for figure in judged)} of {len(judged)} goals met")


def _shown(value: float) -> str:
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
