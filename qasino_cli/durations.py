"""How long something is to be, as people write it: 30, 30s, 5m, 1h, 2d."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec

from qasino_cli.errors import UsageFault
from qasino_server.table import shown

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
MOST_S = 1e9

Duration = Annotated[float, msgspec.Meta(gt=0, le=MOST_S)]
"""How long something is as a server tells it, in seconds."""


def duration_s(text: str, least_s: float | None = None, most_s: float = MOST_S) -> float:
    """Seconds, from `least_s` (None: above 0) to `most_s`.

    Raises ValueError with what it should have been; the upper bound is told of what is above it.
    """
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS_S else (text, "s")
    try:
        seconds = float(number) * _UNITS_S[unit]
    except ValueError:
        seconds = math.nan
    enough = seconds > 0 if least_s is None else seconds >= least_s
    if not (enough and seconds <= most_s):
        least = "above 0 s" if least_s is None else f"of {least_s:g} s or more"
        most = f" and up to {_in_seconds(most_s)}" if seconds > most_s else ""
        raise ValueError(f"a time {least}{most}, such as 30, 30s, 5m or 1h")
    return seconds


def _in_seconds(bound_s: float) -> str:
    """`86400 s`, and where it is more than a day `31622400 s (366 days)`."""
    days = int(bound_s // _UNITS_S["d"])
    return f"{bound_s:.0f} s ({days} days)" if days > 1 else f"{bound_s:g} s"


def read_duration_s(
    option: str, text: str, least_s: float | None = None, most_s: float = MOST_S
) -> float:
    """The value of an option, likewise. Raises UsageFault."""
    try:
        return duration_s(text, least_s, most_s)
    except ValueError as error:
        raise UsageFault(f"{option}: {shown(text)} is not {error}") from None
