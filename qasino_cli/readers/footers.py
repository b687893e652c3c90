"""What stands below the rows of what commands print, and is none: how many there are, and what
else could be asked. It is known by its words, as titles are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

_FOOTER = re.compile(
    r"\(?\d+ rows?(?:\)| returned| selected\.)?$"  # psql, `qasino sql --format text`, Oracle's
    r"|\d+ (?:[a-z]+ )+listed\.(?: |$)"  # systemctl, and all below
    r"|(?:Legend: )?(?:LOAD|ACTIVE|SUB|JOB) +(?:=|→|->) [A-Z]"
    r"|Pass --all to see "
    r"|To show all installed unit files use "
    r"|\S+ begins (?:[A-Z][a-z]{2} ){2} ?\d"  # last
)


def nr_at_end(lines: Sequence[str]) -> int:
    """How many lines at the end are such, blank ones not among them."""
    return sum(1 for _ in takewhile(lambda line: _FOOTER.match(line.strip()), reversed(lines)))
