"""Two results of one query -> what has changed, row by row, cell by cell. Pure.

Rows are matched by a key, not by their place: the columns of `--key`, else the first columns
that look like somebody's name and tell the rows apart, else the first that do. A key is kept as
long as it tells them apart; where another has to be found, the rows before are keyed anew by it,
so that nothing changes unseen. Where none does, rows are matched by their place; so is one row
of nothing but numbers, as `select count(*)` gives.

Columns are found again by name, since the next who reports may bring one more: where a result has
none of that name, its cells are NULL.

A row that has gone stays for one generation, marked; then it is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from operator import itemgetter
from typing import Any, Literal

import msgspec

from qasino_cli.errors import UsageFault
from qasino_cli.watch.amounts import difference
from qasino_server.render import distinct
from qasino_server.table import Result

Row = tuple[Any, ...]
Key = tuple[Any, ...]
Mark = Literal["", "up", "down", "changed"]

_WHO = (
    "identity", "host", "hostname", "ip", "ipaddr", "node", "pod", "server", "name", "id", "pid",
    "device", "mountpoint", "interface", "tablename", "key", "metric",
)  # fmt: skip
_UNMARKED: tuple[Mark, ...] = ("",)
MAX_KEY_COLUMNS = 3
MAX_CANDIDATES = 8
"""So many columns are tried, alone and together."""
MAX_LOOKS = 500_000
"""A search for a key ends after so many looks at a row, in a fifth of a second: the screen hears no
key meanwhile. Of 5,000 rows every key is tried, whatever stands in them."""


class RowState(msgspec.Struct, frozen=True):
    """A row, and how it stands to the one before."""

    key: Key
    cells: Row
    status: Literal["same", "new", "gone"] = "same"
    marks: tuple[Mark, ...] = ()
    before: Row | None = None
    """The cells it had a generation ago, where it was there."""

    @property
    def changed(self) -> bool:
        """Whether a cell is another than before."""
        return any(self.marks)

    def difference(self, n: int) -> int | float | None:
        """How much larger a number is than before; None where there was none."""
        now, then = self.cells[n], None if self.before is None else self.before[n]
        if self.status != "same" or not isinstance(now, int | float):
            return None
        return difference(now, then) if isinstance(then, int | float) else None


class Picture(msgspec.Struct, frozen=True):
    """A result with its changes."""

    names: tuple[str, ...] = ()
    rows: tuple[RowState, ...] = ()
    key: tuple[int, ...] = ()
    """The columns rows are matched by; none is by place."""
    generation_number: int = 0
    seconds: float = 0.0
    """Between this generation and the one compared with; 0 where there is none, or it is the
    first of a server, whose number is no time."""
    truncated: bool = False
    """Whether the server has more rows than it returned."""
    unknown: str | None = None
    """Why it is not to be believed that the rows that are not there have gone."""

    def count(self, status: str) -> int:
        """How many rows are new, or gone."""
        return sum(row.status == status for row in self.rows)

    @property
    def nr_changed(self) -> int:
        """How many rows have a cell that is another."""
        return sum(row.changed for row in self.rows)


def choose_key(
    names: Sequence[str], rows: Sequence[Row], wanted: Sequence[str], kept: tuple[int, ...] = ()
) -> tuple[int, ...]:
    """The columns that tell the rows apart; none where no few do. Raises UsageFault."""
    if wanted:
        return _named(names, wanted)
    if kept and max(kept) < len(names) and _twins(rows, kept) is None:
        return kept
    if not rows:
        return ()  # any column would tell none apart, and be wrong for the first that come
    lower = [name.lower() for name in names]
    who = [n for who in _WHO for n, name in enumerate(lower) if name == who]
    others = [n for n in range(len(names)) if n not in who and not _is_measure(rows, n)]
    return _shortest(rows, [*who, *others][:MAX_CANDIDATES], set(kept))


def _shortest(rows: Sequence[Row], candidates: Sequence[int], kept: set[int]) -> tuple[int, ...]:
    """The shortest key of these columns, one that has those of before where there is one."""
    if not candidates or _twins(rows, candidates):
        return ()
    tried = [c for size in range(MAX_KEY_COLUMNS) for c in combinations(candidates, size + 1)]
    alike: list[set[int]] = []
    looks = MAX_LOOKS
    for columns in sorted(tried, key=lambda columns: not kept <= set(columns)):
        # Two rows that are alike in these columns and others rule out all keys of those.
        if any(same.issuperset(columns) for same in alike):
            continue
        twins = _twins(rows, columns)
        if twins is None:
            return tuple(sorted(columns))
        one, other = twins
        alike.append({n for n in candidates if rows[one][n] == rows[other][n]})
        looks -= other
        if looks < 0:
            break
    return ()


def _named(names: Sequence[str], wanted: Sequence[str]) -> tuple[int, ...]:
    lower = [name.lower() for name in names]
    for name in wanted:
        if name.lower() not in lower:
            raise UsageFault(f"--key: there is no column {name!r}; there are {', '.join(names)}")
    return tuple(lower.index(name.lower()) for name in wanted)


def _twins(rows: Sequence[Row], columns: Sequence[int]) -> tuple[int, int] | None:
    """The first two rows that these columns do not tell apart, by place."""
    seen: dict[Any, int] = {}
    for place, own in enumerate(map(itemgetter(*columns), rows)):
        first = seen.setdefault(own, place)
        if first != place:
            return first, place
    return None


def _is_measure(rows: Sequence[Row], column: int) -> bool:
    """Whether a column measures something: numbers with a fraction name nobody, and a number that
    stands alone has nobody to be told from."""
    if len(rows) == 1:
        return not isinstance(rows[0][column], str)
    return any(isinstance(row[column], float) for row in rows)


def compare(
    before: Picture | None, now: Result, wanted_key: Sequence[str] = (), keep_order: bool = False
) -> Picture:
    """The new picture. With `keep_order` rows stand where they stood, new ones at the end."""
    rows = [tuple(row) for row in now.rows]
    if before is not None:
        before = _in_columns(before, now.column_names)
    key = choose_key(now.column_names, rows, wanted_key, before.key if before else ())
    past = {} if before is None else _past(before, key)
    states = [_state(k, row, past, before is None) for k, row in _keyed(rows, key)]
    present = {state.key for state in states}
    gone = [RowState(k, old, "gone", (), old) for k, old in past.items() if k not in present]
    if keep_order:
        states = _in_old_order(past, states, gone)
    else:
        states += gone
    then = 0 if before is None else before.generation_number
    seconds = float(now.generation_number - then) if then else 0.0
    return Picture(
        names=now.column_names,
        rows=tuple(states),
        key=key,
        generation_number=now.generation_number,
        seconds=max(seconds, 0.0),
        truncated=now.truncated,
    )


def differs(picture: Picture, result: Result) -> bool:
    """Whether a result is another than the one that is pictured: a new generation, or new rows."""
    if result.generation_number != picture.generation_number:
        return True
    rows = [row.cells for row in picture.rows if row.status != "gone"]
    return picture.names != result.column_names or rows != [tuple(row) for row in result.rows]


def folded(names: Sequence[str]) -> list[str]:
    """Column names as they are compared, each another."""
    return distinct([name.lower() for name in names])


def _in_columns(before: Picture, names: tuple[str, ...]) -> Picture | None:
    """The rows that were there in these columns; None where they had none of them."""
    if before.names == names:
        return before
    there = {name: n for n, name in enumerate(folded(before.names))}
    places = [there.get(name) for name in folded(names)]
    if not any(n is not None for n in places):
        return None
    rows = [
        tuple(None if n is None else row.cells[n] for n in places)
        for row in before.rows
        if row.status != "gone"
    ]
    kept = set(before.key) <= set(places)
    key = tuple(sorted(places.index(n) for n in before.key)) if kept else ()
    states = tuple(RowState(k, row) for k, row in _keyed(rows, key))
    return msgspec.structs.replace(before, names=names, rows=states, key=key)


def _past(before: Picture, key: tuple[int, ...]) -> dict[Key, Row]:
    """The rows that were there, by that key, whichever they were matched by then."""
    rows = [row for row in before.rows if row.status != "gone"]
    if before.key == key:
        return {row.key: row.cells for row in rows}
    return dict(_keyed([row.cells for row in rows], key))


def _keyed(rows: Sequence[Row], key: tuple[int, ...]) -> Iterator[tuple[Key, Row]]:
    """Every row with its key; two of one key (as `--key` may give, or a key that was found in
    other rows) are told apart by number."""
    seen: dict[Key, int] = {}
    for place, row in enumerate(rows):
        own = tuple(row[n] for n in key) if key else (place,)
        times = seen[own] = seen.get(own, 0) + 1
        yield own if times == 1 else (*own, times), row


def _state(key: Key, row: Row, past: dict[Key, Row], first: bool) -> RowState:
    old = past.get(key)
    if old is None:
        return RowState(key, row, "same" if first else "new", ())
    if old == row:  # as most are; to look at each cell takes ten times as long
        return RowState(key, row, "same", _UNMARKED * len(row), old)
    marks = tuple(mark(then, cell) for then, cell in zip(old, row, strict=True))
    return RowState(key, row, "same", marks, old)


def mark(then: Any, now: Any) -> Mark:
    """How a cell has changed."""
    if then == now and type(then) is type(now):
        return ""
    if isinstance(then, int | float) and isinstance(now, int | float):
        return "up" if now > then else "down" if now < then else ""
    return "changed"


def _in_old_order(
    past: dict[Key, Row], states: list[RowState], gone: list[RowState]
) -> list[RowState]:
    by_key = {state.key: state for state in [*states, *gone]}
    old = [by_key[key] for key in past if key in by_key]
    return [*old, *(state for state in states if state.key not in past)]


def changes(picture: Picture) -> Iterator[dict[str, Any]]:
    """Every change as an object: what it is, why it is not to be believed (else null), the key,
    the row, and the row before. That a row has gone is no change while it is unknown."""
    names = distinct(picture.names)
    for row in picture.rows:
        change = row.status if row.status != "same" else "changed" if row.changed else None
        if change is None or (change == "gone" and picture.unknown is not None):
            continue
        told: dict[str, Any] = {
            "change": change,
            "unknown": picture.unknown,
            "key": {names[n]: row.cells[n] for n in picture.key},
            "row": dict(zip(names, row.cells, strict=True)),
        }
        if change == "changed" and row.before is not None:
            told["before"] = dict(zip(names, row.before, strict=True))
        yield told
