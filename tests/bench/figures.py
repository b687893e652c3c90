"""Frozen values: what was measured, what it is measured against, and what it was meant to be."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import msgspec


class Goal(msgspec.Struct, frozen=True):
    """A bound for a ratio, or for a figure itself."""

    of: str
    """ratio or figure."""
    sense: str
    """>= or <=."""
    bound: float

    def __str__(self) -> str:
        times = " x" if self.of == "ratio" else ""
        return f"{self.sense} {self.bound:g}{times}"

    def met(self, value: float) -> bool:
        """Whether this value, as it is printed, keeps the bound."""
        shown = round(value, 2)
        return shown >= self.bound if self.sense == ">=" else shown <= self.bound


def at_least(bound: float) -> Goal:
    """A ratio not below this."""
    return Goal("ratio", ">=", bound)


def at_most(bound: float) -> Goal:
    """A ratio not above this."""
    return Goal("ratio", "<=", bound)


def no_more_than(bound: float) -> Goal:
    """A figure not above this, in its own unit."""
    return Goal("figure", "<=", bound)


def no_less_than(bound: float) -> Goal:
    """A figure not below this, in its own unit."""
    return Goal("figure", ">=", bound)


class Figure(msgspec.Struct, frozen=True):
    """One line of the table."""

    name: str
    figure: float
    unit: str
    reference: float | None = None
    """In the same unit."""
    against: str = ""
    """What the reference is."""
    goal: Goal | None = None
    samples: tuple[float, ...] = ()
    reference_samples: tuple[float, ...] = ()
    note: str = ""
    case: str = ""
    """The case it comes from; filled in by the run."""

    @property
    def ratio(self) -> float | None:
        """The figure as a multiple of the reference."""
        return self.figure / self.reference if self.reference else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        value = self.figure if self.goal is None or self.goal.of == "figure" else self.ratio
        return None if self.goal is None or value is None else self.goal.met(value)


def of_medians(
    name: str,
    unit: str,
    samples: Sequence[float],
    reference: Sequence[float] = (),
    against: str = "",
    goal: Goal | None = None,
    note: str = "",
) -> Figure:
    """The medians of what the rounds gave."""
    return Figure(
        name=name,
        figure=median(samples),
        unit=unit,
        reference=median(reference) if reference else None,
        against=against,
        goal=goal,
        samples=tuple(samples),
        reference_samples=tuple(reference),
        note=note,
    )
