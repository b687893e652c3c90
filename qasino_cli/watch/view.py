"""What is looked at and how: the state of the screen, and what each key makes of it. Pure.

One table of keys feeds what they do, the help and the documentation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from qasino_cli.watch.diff import MAX_KEY_COLUMNS, Picture, RowState
from qasino_cli.watch.matching import passing
from qasino_cli.watch.past import Seen, added
from qasino_cli.watch.trend import NR_BARS

Mode = Literal["values", "deltas", "rates"]
Asking = Literal["", "filter", "sql", "file"]


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The screen's state."""

    sql: str
    server: str = ""
    picture: Picture = Picture()
    heard_at: float | None = None
    """When this snapshot began, on the monotonic clock."""
    asked_at: float | None = None
    """Since when an answer is waited for, on the monotonic clock; None where none is."""
    took_s: float = 0.0
    """How long the last one was waited for."""
    duration_s: float = 30.0
    interval_s: float = 0.0
    """Asked so often, on purpose; 0 is once a generation."""
    trouble: str = ""
    """Why the rows are not to be believed: lost, late, missing sources."""
    trouble_since: float = 0.0
    message: str = ""
    """The last thing that was said: an error of the statement, what was written."""
    past: tuple[Seen, ...] = ()
    """The pictures of this statement that are kept, the newest last."""
    back: int | None = None
    """How many newer pictures than the one that is drawn there are: it stays, it is asked on, and
    trouble is told of. None is what is newest, as it comes."""
    sort: int | None = None
    """The column rows are sorted by; None is the order of the query."""
    reverse: bool = False
    hidden: frozenset[int] = frozenset()
    """Columns that are not shown."""
    filter: str = ""
    diff: bool = True
    mode: Mode = "values"
    bars: bool = False
    """Whether numbers are shown with how they went."""
    frozen: int | None = None
    """Columns that stay when the others scroll; None is as many as the key has, at the left, and
    `most_frozen` allows."""
    most_frozen: int = MAX_KEY_COLUMNS
    left: int = 0
    """Columns that have been scrolled out."""
    top: int = 0
    """Rows that have been scrolled out."""
    help: bool = False
    help_top: int = 0
    """Lines of the help that have been read."""
    asking: Asking = ""
    quitting: bool = False
    now: bool = False
    """Somebody wants it asked again at once."""
    copying: bool = False
    """Somebody wants the rows in the terminal's clipboard."""
    page: int = 20
    """Rows that a screen takes."""
    lines: int = 24
    """Lines that it has."""

    @property
    def paused(self) -> bool:
        """Whether what is drawn stays."""
        return self.back is not None

    @property
    def newest(self) -> Seen:
        """The picture that the next result is compared with."""
        return self.past[-1] if self.past else Seen(self.sql, self.picture, self.heard_at)

    @property
    def drawn(self) -> Seen:
        """The one that is looked at, and what was said of it then."""
        at = len(self.past) - 1 - (self.back or 0)
        return self.past[at] if at >= 0 else Seen(self.sql, self.picture, self.heard_at)

    @property
    def trail(self) -> list[Picture]:
        """The pictures that bars are of, and one before them, the one that is drawn last."""
        before = self.past[: max(len(self.past) - 1 - (self.back or 0), 0)]
        return [*(seen.picture for seen in before[-NR_BARS:]), self.picture]

    @property
    def nr_frozen(self) -> int:
        """How many columns stay."""
        if self.frozen is not None:
            return min(self.frozen, len(self.picture.names))
        leading = 0
        while leading in self.picture.key and leading < self.most_frozen:
            leading += 1
        return leading

    def shown_columns(self) -> list[int]:
        """Those that stay, then those that are not scrolled out."""
        return [n for n in self._unhidden() if n < self.nr_frozen] + self.scrolling()[self.left :]

    def scrolling(self) -> list[int]:
        """Those that do not stay."""
        return [n for n in self._unhidden() if n >= self.nr_frozen]

    def _unhidden(self) -> list[int]:
        return [n for n in range(len(self.picture.names)) if n not in self.hidden]

    def rows(self) -> list[RowState]:
        """The rows that are shown, in their order."""
        rows = passing(self.filter, self.picture.rows)
        if self.sort is None or self.sort >= len(self.picture.names):
            return rows[::-1] if self.reverse else rows
        column = self.sort
        return sorted(rows, key=lambda row: _rank(self._seen(row, column)), reverse=self.reverse)

    def is_difference(self, row: RowState, n: int) -> bool:
        """Whether a cell is shown as how much it differs, or a second."""
        return self.mode != "values" and self.is_measure(row, n)

    def is_measure(self, row: RowState, n: int) -> bool:
        """Whether a cell is a number that is no key."""
        return n not in self.picture.key and isinstance(row.cells[n], int | float)

    def difference(self, row: RowState, n: int) -> int | float | None:
        """By how much, where that is known."""
        return row.difference(n) if self.picture.seconds else None

    def _seen(self, row: RowState, n: int) -> object:
        """What rows are sorted by: what stands there. Rates go as the differences do."""
        return self.difference(row, n) if self.is_difference(row, n) else row.cells[n]


def _rank(cell: object) -> tuple[int, int | float, str]:
    """As SQLite sorts: NULL, numbers, text."""
    if cell is None:
        return 0, 0, ""
    if isinstance(cell, int | float):
        return 1, cell, ""
    return 2, 0, str(cell)


def showing(view: View, newest: Seen) -> View:
    """Another picture, seen from the same place as far as it has that; later, while paused."""
    came = newest.picture is not view.newest.picture
    view = msgspec.structs.replace(view, past=added(view.past, newest))
    if view.back is None:
        return _draw(view, newest)
    return msgspec.structs.replace(view, back=min(view.back + came, len(view.past)))


def _draw(view: View, seen: Seen) -> View:
    if seen.picture.names != view.picture.names:
        view = msgspec.structs.replace(
            view, sort=None, reverse=False, hidden=frozenset(), left=0, top=0
        )
    drawn = {"sql": seen.sql, "picture": seen.picture, "heard_at": seen.heard_at}
    return _scroll()(msgspec.structs.replace(view, **drawn))


def sized(view: View, page: int, lines: int, most_frozen: int) -> View:
    """Seen on a screen of another size."""
    if (page, lines, most_frozen) == (view.page, view.lines, view.most_frozen):
        return view
    sizes = {"page": page, "lines": lines, "most_frozen": most_frozen}
    return _scroll()(msgspec.structs.replace(view, **sizes))


def resumed(view: View) -> View:
    """What is newest is drawn, and what comes."""
    return (
        view if view.back is None else _draw(msgspec.structs.replace(view, back=None), view.newest)
    )


# --- Keys --------------------------------------------------------------------------------------


class Binding(msgspec.Struct, frozen=True):
    """What some keys do."""

    names: tuple[str, ...]
    """As prompt_toolkit calls them."""
    shown: str
    help: str
    act: Callable[[View], View]


def _with(**changes: object) -> Callable[[View], View]:
    return lambda view: msgspec.structs.replace(view, **changes)


def _asking(what: str) -> Callable[[View], View]:
    return _with(asking=what)


def _toggle(name: str) -> Callable[[View], View]:
    return lambda view: msgspec.structs.replace(view, **{name: not getattr(view, name)})


def _scroll(rows: int = 0, columns: int = 0, pages: int = 0) -> Callable[[View], View]:
    def act(view: View) -> View:
        last = max(len(view.rows()) - view.page, 0)
        top = min(max(view.top + rows + pages * max(view.page - 1, 1), 0), last)
        widest = max(len(view.scrolling()) - 1, 0)
        left = min(max(view.left + columns, 0), widest)
        return msgspec.structs.replace(view, top=top, left=left)

    return act


def _half_page(towards: int) -> Callable[[View], View]:
    return lambda view: _scroll(rows=towards * max(view.page // 2, 1))(view)


def _sort_by(step: int) -> Callable[[View], View]:
    """The next column that is shown, then none again."""

    def act(view: View) -> View:
        columns = range(len(view.picture.names))
        order = [*(n for n in columns if n not in view.hidden or n == view.sort), None]
        at = order[(order.index(view.sort) + step) % len(order)]
        return msgspec.structs.replace(view, sort=at, reverse=False)

    return act


def _hide(view: View) -> View:
    """The column that rows are sorted by is shown no more; they stay in their order."""
    if view.sort is None or view.sort in view.hidden:
        return msgspec.structs.replace(view, message="Tab chooses the column that - hides")
    hidden = view.hidden | {view.sort}
    if len(hidden) == len(view.picture.names):
        return msgspec.structs.replace(view, message="the last column stays")
    return _scroll()(msgspec.structs.replace(view, hidden=hidden))


def _freeze(view: View) -> View:
    """One column more stays, and after three none does."""
    frozen = (view.nr_frozen + 1) % (min(len(view.picture.names), 4) or 1)
    return msgspec.structs.replace(view, frozen=frozen, left=0)


def _pause(view: View) -> View:
    return resumed(view) if view.paused else msgspec.structs.replace(view, back=0)


def _older(view: View) -> View:
    """The picture before, which stays."""
    back = (view.back or 0) + 1
    if back >= len(view.past):
        return msgspec.structs.replace(view, message="nothing before this is kept")
    return _draw(msgspec.structs.replace(view, back=back), view.past[-1 - back])


def _newer(view: View) -> View:
    """The picture after; from the newest on whatever comes."""
    back = (view.back or 0) - 1
    if back <= 0:
        return resumed(view)
    return _draw(msgspec.structs.replace(view, back=back), view.past[-1 - back])


def _ask_now(view: View) -> View:
    return msgspec.structs.replace(resumed(view), now=True)


def _mode(mode: Mode) -> Callable[[View], View]:
    return lambda view: msgspec.structs.replace(view, mode="values" if view.mode == mode else mode)


KEYS = (
    Binding(("up", "k"), "↑ k", "up", _scroll(rows=-1)),
    Binding(("down", "j"), "↓ j", "down", _scroll(rows=1)),
    Binding(("left", "h"), "← h", "a column to the left", _scroll(columns=-1)),
    Binding(("right", "l"), "→ l", "a column to the right", _scroll(columns=1)),
    Binding(("pageup", "c-b"), "PgUp ^B", "a page up", _scroll(pages=-1)),
    Binding(("pagedown", "c-f"), "PgDn ^F", "a page down", _scroll(pages=1)),
    Binding(("home", "g"), "Home g", "the first row and column", _with(top=0, left=0)),
    Binding(("end", "G"), "End G", "the last row", _scroll(rows=1 << 30)),
    Binding(("tab", ">"), "Tab >", "sort by the next column", _sort_by(1)),
    Binding(("s-tab", "<"), "<", "sort by the column before", _sort_by(-1)),
    Binding(("r",), "r", "reverse the order", _toggle("reverse")),
    Binding(("/",), "/", "filter: text, /regex/, !not", _asking("filter")),
    Binding(("f",), "f", "columns that stay: one more", _freeze),
    Binding(("-",), "-", "hide the column that is sorted by", _hide),
    Binding(("+",), "+", "show the columns that are hidden", _with(hidden=frozenset())),
    Binding((" ",), "Space", "pause the rows, go on", _pause),
    Binding(("[",), "[", "back to what was seen before", _older),
    Binding(("]",), "]", "forward again; at last, go on", _newer),
    Binding(("d",), "d", "marks of change on, off", _toggle("diff")),
    Binding(("D",), "D", "differences instead of numbers", _mode("deltas")),
    Binding(("R",), "R", "rates per second instead of numbers", _mode("rates")),
    Binding(("t",), "t", f"numbers with their last {NR_BARS} as bars", _toggle("bars")),
    Binding(("e",), "e", "edit the SQL", _asking("sql")),
    Binding(("w",), "w", "write the rows (.csv, .tsv, .ndjson) or the screen", _asking("file")),
    Binding(("y",), "y", "copy the rows, to the terminal's clipboard", _with(copying=True)),
    Binding(("n",), "n", "ask now", _ask_now),
    Binding(("?",), "?", "this help", _toggle("help")),
    Binding(("q", "c-c"), "q", "leave", _with(quitting=True)),
)  # fmt: skip
_UNTOLD = (
    Binding(("c-u",), "^U", "half a page up", _half_page(-1)),
    Binding(("c-d",), "^D", "half a page down", _half_page(1)),
)
"""Keys of less and vi that fingers know; the help is long enough without them."""
_READS_ON = ("?", " ", "down", "j", "pagedown", "c-f", "c-d")
_BY_NAME = {name: key for key in KEYS + _UNTOLD for name in key.names}
NAMES = tuple(_BY_NAME)
"""All keys that mean something."""


def pressed(view: View, name: str) -> View:
    """The state after a key; any key closes the help, but those that go on in it."""
    if view.help and name != "c-c":
        top = view.help_top + max(view.lines - 1, 1)
        goes_on = name in _READS_ON and top < len(KEYS)
        return msgspec.structs.replace(view, help=goes_on, help_top=top if goes_on else 0)
    key = _BY_NAME.get(name)
    if key is None:
        return view
    after = key.act(msgspec.structs.replace(view, message=""))
    if after.asking == "sql":  # what is wrong with it is read while it is mended
        return msgspec.structs.replace(after, message=view.message)
    return after
