"""Tables as they are drawn for people: Markdown, and what `mysql`, `psql` and `sqlite3` show.

Their rules are no rows and the blanks in their cells are padding, so they are refused: whatever
draws one writes CSV as well. One is known by its frame above a bar, or by the rule below a header
of as many bars; dashes without bars may be cells, and so may one or two between bars alone.
"""

from __future__ import annotations

import re
from itertools import pairwise

from qasino_cli.readers.draft import BadPlace

SAMPLE_CHARS = 65536
"""Among which the first lines are looked for."""

_DRAWN = (
    "this is a table as it is drawn for people; qasino sql --format csv, psql --csv, mysql -B and"
    " sqlite3 -csv write it for programs"
)
_FRAME = re.compile(r"\+(?:[-=]+\+)+|[┌┏╔╭╒╓][─━═┬┯┳┰╤╦╥]+[┐┓╗╮╕╖]")
_BARS = ("|", "│", "┃", "║")
_RULE = re.compile(
    r"-+(?:\+-+)+"  # psql
    r"|─+(?:┼─+)+"
    r"|\|(?: *:?-+:? *[|+])+"  # Markdown, Org
    r"|(?=[-:]{3}):?-+:?(?: *\| *(?=[-:]{3}):?-+:?)+"
)
_CROSSING = re.compile("[+|┼]")
_BAR = re.compile(r"(?<!\\)[|│]")
_LINES = 3
"""A title may stand above them, as `psql` has it."""


def check_not_drawn(text: str) -> None:
    """Raise BadPlace where the first lines are those of a drawn table."""
    found = drawn_line(text)
    if found is not None:
        number, line = found
        raise BadPlace(number, _DRAWN, raw=line, remedy="-d csv reads it all the same")


def drawn_line(text: str) -> tuple[int, str] | None:
    """The frame or the rule that tells a drawn table, and which line it is; None for others."""
    numbered = enumerate(text[:SAMPLE_CHARS].split("\n"), start=1)
    lines = [(number, line.strip()) for number, line in numbered if line.strip()][:_LINES]
    nr_quotes = 0
    for (number, above), (number_below, below) in pairwise(lines):
        nr_quotes += above.count('"')
        if nr_quotes % 2:
            continue  # within a cell of several lines
        if _FRAME.fullmatch(above) and below.startswith(_BARS):
            return number, above
        if _RULE.fullmatch(below) and len(_CROSSING.findall(below)) == len(_BAR.findall(above)):
            return number_below, below
    return None
