"""Counting what a server has promised, generation by generation."""

from __future__ import annotations

import re
from collections import Counter

_NUMBER = re.compile(rb'"generation_number":(\d+)')


class Receipts:
    """Takes the answers to publications; see `load.Answers`."""

    def __init__(self) -> None:
        self.kept: Counter[int] = Counter()
        """Publications answered ok and applied, by the generation the receipt names."""
        self.refused = 0
        """Answered with an error: busy, full."""
        self.repeated = 0
        """Answered ok, but the identity had published already."""
        self.last_refusal = ""

    def __call__(self, ok: bool, reply: bytes) -> None:
        if not ok:
            self.refused += 1
            self.last_refusal = reply[-300:].decode(errors="replace")
        elif b'"applied":true' not in reply:
            self.repeated += 1
        else:
            found = _NUMBER.search(reply)
            assert found is not None, reply
            self.kept[int(found[1])] += 1
