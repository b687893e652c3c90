"""How much is measured: what the command line can set, and nothing else knows."""

from __future__ import annotations

import msgspec


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run's sizes and times. The defaults are the issue's."""

    seconds: float = 1.0
    """A case's share of a round."""
    rounds: int = 5
    """Of which the median counts."""
    shrink: int = 1
    """Large numbers of rows, tables, files and identities are divided by this."""
    connections: tuple[int, ...] = (8, 64)
    fleet_identities: int = 60_000
    fleet_generations: int = 10
    fleet_duration_s: int = 30
    fleet_queries_per_s: int = 250
    limit_duration_s: int = 30
    """A generation's length while the fleet's limit is sought."""
    limit_trials: int = 7
    rotation_s: int = 5
    """A generation's length where publishers go on at full speed across rotations."""

    def few(self, number: int) -> int:
        """So many, or what this run makes of it."""
        return max(1, number // self.shrink)


TINY = Plan(
    seconds=0.1,
    rounds=1,
    shrink=1000,
    connections=(8,),
    fleet_identities=100,
    fleet_generations=1,
    fleet_duration_s=1,
    fleet_queries_per_s=20,
    limit_duration_s=1,
    limit_trials=1,
    rotation_s=1,
)
"""Everything once, as small as it goes: whether the bench still runs."""
