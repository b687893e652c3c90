"""How much one generation may hold, and the sentence for what would be more.

Values only. Past a bound publications are refused until the next generation begins; queries
go on, and so does what is carried, since that was promised.
"""

from __future__ import annotations

import msgspec

from qasino_server.errors import Full


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of a generation."""

    tables: int = 20_000
    identities: int = 200_000
    sources: int = 1_000_000
    """(table, identity) pairs; one takes 0.6 to 0.8 KB of memory, empty or not; its table
    comes on top."""
    rows: int = 100_000_000
    size_bytes: int = 1 << 40
    """The generation's file."""


NOT_NOW = "nothing was stored, and the next generation begins with what is carried alone"


def refusal(held: int, of: str, most: int, option: str, more: int | None = None) -> Full:
    """What a publication is told that would go beyond a bound, to which it adds so many `more`."""
    own = "" if more is None else f"; this publication would add {more:,}"
    return Full(
        f"the generation has {held:,} {of}, and {most:,} is the most ({option}){own}; {NOT_NOW}"
    )
