"""Ways of doing the same, in turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Samples = dict[str, list[float]]


def interleaved(ways: Mapping[str, Callable[[], float]], rounds: int) -> Samples:
    """What each way gave, round by round.

    Every second round goes the other way round, so that none always follows the same one.
    """
    found: Samples = {name: [] for name in ways}
    for number in range(rounds):
        names = list(ways) if number % 2 == 0 else list(reversed(ways))
        for name in names:
            found[name].append(ways[name]())
    return found
