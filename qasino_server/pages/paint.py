"""Values as a page shows them; text only, the templates escape it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from qasino_server.errors import QasinoError, SqlError
from qasino_server.render import text_cell, visible

CELL_CHARS = 160
"""What a cell shows at once; the rest is folded away."""
WHOLE_CHARS = 20_000
"""What a folded cell holds in a page made by the server; the downloads have it whole."""

LATE = 2
"""A snapshot older than so many generations is late."""

_SPARK_WIDTH, _SPARK_HEIGHT = 240.0, 40.0


class Cell(msgspec.Struct, frozen=True):
    """One cell of a result."""

    text: str
    kind: str
    """null, number or text."""
    head: str | None = None
    """What is shown of a long one."""
    left_out: int = 0
    """Characters that are not in the page at all."""


def cell(value: Any) -> Cell:
    """A cell as it is shown."""
    if value is None:
        return Cell("NULL", "null")
    kind = "number" if isinstance(value, int | float) else "text"
    whole = text_cell(value)
    text = visible(whole[:WHOLE_CHARS])
    if len(whole) <= CELL_CHARS:
        return Cell(text, kind)
    return Cell(text, kind, text[:CELL_CHARS], max(0, len(whole) - WHOLE_CHARS))


def is_exact(value: Any) -> bool:
    """Whether a page shows that value whole, with no character written in another way."""
    if not isinstance(value, str | bytes):
        return True
    return len(value) <= WHOLE_CHARS and text_cell(value).isprintable()


def numeric_columns(column_names: Sequence[str], rows: Sequence[Sequence[Any]]) -> set[int]:
    """Where numbers stand, so that their headings stand over them."""
    return {
        n for n in range(len(column_names)) if any(isinstance(row[n], int | float) for row in rows)
    }


def count(number: float) -> str:
    """1234567 -> 1,234,567; rates keep a digit where they are small."""
    if isinstance(number, int) or number >= 100:
        return f"{round(number):,}"
    return f"{number:.1f}" if number else "0"


def size(size_bytes: float) -> str:
    """Bytes in the unit that fits."""
    if size_bytes < 1024:
        return f"{size_bytes:.0f} B"
    for unit in ("KiB", "MiB"):
        size_bytes /= 1024
        if size_bytes < 1024:
            return f"{size_bytes:.1f} {unit}"
    return f"{size_bytes / 1024:.1f} GiB"


def age(seconds: float) -> str:
    """3725 -> 1 h 2 min: two units at most."""
    whole = max(0, math.floor(seconds))
    days, hours, minutes = whole // 86400, whole % 86400 // 3600, whole % 3600 // 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min {whole % 60} s"
    return f"{whole} s"


def seconds_since(epoch: float) -> float:
    """How long ago that was."""
    return time.time() - epoch


def clock(epoch: float) -> str:
    """A time of day in UTC, with its date."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(epoch))


def time_of_day(epoch: float) -> str:
    """The same without the date."""
    return time.strftime("%H:%M:%S UTC", time.gmtime(epoch))


class Spark(msgspec.Struct, frozen=True):
    """A small line over generations, ready to be drawn."""

    points: str
    """x,y pairs for an SVG polyline of 240 x 40."""
    area: str
    """The same, closed along the bottom."""
    last: str
    highest: str
    words: str
    """The line in words, for who does not see it."""


def spark(values: Sequence[float], what: str) -> Spark:
    """Draw values, the oldest first, from 0 to the highest."""
    highest = max(values, default=0)
    step = _SPARK_WIDTH / max(1, len(values) - 1)
    scale = (_SPARK_HEIGHT - 2) / highest if highest > 0 else 0
    pairs = [
        f"{n * step:.1f},{_SPARK_HEIGHT - 1 - value * scale:.1f}" for n, value in enumerate(values)
    ]
    if len(pairs) == 1:
        pairs.append(f"{_SPARK_WIDTH:.1f},{pairs[0].split(',')[1]}")
    last = values[-1] if values else 0
    of = "generation" if len(values) == 1 else "generations"
    return Spark(
        points=" ".join(pairs),
        area=" ".join([f"0,{_SPARK_HEIGHT}", *pairs, f"{_SPARK_WIDTH},{_SPARK_HEIGHT}"]),
        last=count(last),
        highest=count(highest),
        words=f"{what}: now {count(last)}, at most {count(highest)} in {len(values)} {of}",
    )


_NEAR, _ALONG = 60, 120
"""Characters before the place of an error, and of its line, that are shown."""
_WORD = re.compile(r"\w+|.?")


class Marked(msgspec.Struct, frozen=True):
    """The line of a statement an error is in, in three parts; sql.js divides alike."""

    before: str
    place: str
    """The word at fault, or what else stands there."""
    after: str


def marked(sql: str, error: QasinoError | None) -> Marked | None:
    """Where in the statement the error is, None where nobody knows."""
    if not isinstance(error, SqlError) or error.offset is None:
        return None
    before = sql[: error.offset]
    column = error.offset - before.rfind("\n") - 1
    line = sql[error.offset - column :].split("\n", 1)[0]
    near = max(0, column - _NEAR)
    shown = line[near : near + _ALONG].replace("\t", " ")
    found = _WORD.match(shown, column - near)
    assert found is not None
    begins, ends = found.span()
    return Marked(visible(shown[:begins]), visible(found[0]), visible(shown[ends:]))
