"""By how much numbers differ, as text: digits as the cells have them, and no exponent where those
have none. Pure."""

from __future__ import annotations

import math

_DIGITS = 15
"""So many of a REAL are those that somebody wrote; what follows is noise."""
_LARGE = 1e15
"""From here on SQLite too writes a REAL with an exponent."""


def difference(now: int | float, then: int | float) -> int | float:
    """How much a number is larger than another; an infinity that stays is larger by nothing."""
    return now - then if now != then else 0


def difference_text(now: int | float, then: int | float) -> str:
    """How much a number is larger than another, in the digits of the larger one."""
    change = difference(now, then)
    if isinstance(change, int):
        return f"{change:+d}"
    if not math.isfinite(change):
        return f"{change:+g}"
    without_noise = round(change, _nr_places(max(abs(now), abs(then))))
    return f"{without_noise + 0.0:+.{_DIGITS}g}"  # -0.0 is no less than 0


def _nr_places(number: int | float) -> int:
    """How many of its digits that are no noise stand behind the point."""
    return max(_DIGITS - 1 - math.floor(math.log10(number)), 0) if number else 0


def rate_text(rate: float) -> str:
    """How much it is a second: three digits, and all of those before the point."""
    return f"{rate:+.0f}" if 100 <= abs(rate) < _LARGE else f"{rate:+.3g}"
