"""State -> the lines of the screen. Pure: the time, the size and the look are handed in.

    web disks                                              zmq://localhost:15598
    generation 1795484792, 3 s old, next in 27 s
    12 rows, 2 changed, 1 new, 1 gone
      host      device   used_pct
    ─────────────────────────────
      web-01    sda1        81.0▲
    + web-02    sda1         7.0
    - db-01     sda1        50.0

The column of signs at the left and the place for a mark behind each cell are always there, so
that nothing moves when something changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qasino_cli.cells import clip, is_numeric, pad, shown_cell, width_alone
from qasino_cli.console import counted
from qasino_cli.layout import Look
from qasino_cli.watch.amounts import difference_text, rate_text
from qasino_cli.watch.diff import Key, Mark, Row, RowState
from qasino_cli.watch.matching import took_too_long
from qasino_cli.watch.trend import NR_BARS, bars, rates, trails
from qasino_cli.watch.view import KEYS, View, sized
from qasino_server.render import visible, width

Piece = tuple[str, str]
"""(style, text); the styles are header, rule, changed, new, gone, trouble, faint and ''."""
Line = list[Piece]

CUT = "cut: the server returns no more at once"
MAX_CELL = 40
"""A wider text is cut; numbers never are."""
SLOW_S = 2.0
"""An answer that takes longer is told to be waited for."""
_SIGNS = {"same": "  ", "new": "+ ", "gone": "- "}
_MARKS: dict[bool, dict[Mark, str]] = {
    True: {"": " ", "up": "▲", "down": "▼", "changed": "•"},
    False: {"": " ", "up": "^", "down": "v", "changed": "*"},
}


def frame(view: View, columns: int, lines: int, now: float, look: Look) -> list[Line]:
    """The whole screen: exactly so many lines, none wider than the screen."""
    columns, lines = max(columns, 1), max(lines, 1)
    if view.help:
        body = [[("", f"{key.shown:8} {key.help}")] for key in KEYS[view.help_top :]]
        more = "; ? for more" if len(body) > lines - 1 else ""
        whole: list[Line] = [[("header", f"keys{more}")], *body]
    else:
        head, ruled = _head_for(view, columns, lines, now, look)
        table = _table(view, columns, lines - len(head) - 1 - ruled, look)
        whole = [*head, *(table if ruled else table[:1] + table[2:])]
    whole = [_cut(line, columns, look) for line in whole[:lines]]
    return whole + [[] for _ in range(lines - len(whole))]


def fitted(view: View, columns: int, lines: int, now: float, look: Look) -> View:
    """The view, with how many rows and how many columns that stay such a screen takes."""
    head, ruled = _head_for(view, columns, lines, now, look)
    page = max(lines - len(head) - 1 - ruled, 1)
    return sized(view, page, lines, _most_frozen(view, columns, page))


# --- The head ----------------------------------------------------------------------------------


def _head_for(
    view: View, columns: int, lines: int, now: float, look: Look
) -> tuple[list[Line], bool]:
    """The head, and whether there is a rule below the names: where no row would be left, neither
    that nor how many there are is worth a line."""
    head = _head(view, columns, now, look)
    spare = lines - len(head) - 2  # a line of names, a row
    if spare < 0 and not view.message:
        head.pop()
    return head, spare > 0


def _head(view: View, columns: int, now: float, look: Look) -> list[Line]:
    server = visible(view.server)
    sql = visible(" ".join(view.sql.split()))
    room = columns - width(server) - 2
    first: Line = [("header", clip(sql, columns, look.ellipsis))]
    if room >= 20:
        first = [("header", pad(clip(sql, room, look.ellipsis), room)), ("faint", "  " + server)]
    return [first, *_state(view, columns, now), *_what(view)]


def _state(view: View, columns: int, now: float) -> list[Line]:
    """Which generation, and why it is not to be believed: above it where one line is too short."""
    generation = _generation(view, now)
    troubles: Line = [("trouble", text) for text in _troubles(view, now)]
    line: Line = [("", generation), *((style, f"  {text}") for style, text in troubles)]
    if sum(width(text) for _, text in line) <= columns:
        return [line]
    return [*([trouble] for trouble in troubles), [("", generation)]]


def _generation(view: View, now: float) -> str:
    if view.heard_at is None:
        return "connecting"
    age_s = max(0.0, now - view.heard_at)
    left_s = view.duration_s - age_s
    next_one = f", next in {left_s:.0f} s" if left_s > 0 else ""
    return f"generation {view.picture.generation_number}, {age_s:.0f} s old{next_one}"


def _troubles(view: View, now: float) -> Iterator[str]:
    if not (view.paused or view.trouble.startswith(("lost", "late"))):
        yield from _delays(view, now)
    if view.back:
        if view.drawn.trouble:
            yield visible(view.drawn.trouble)
        yield f"paused, {view.back} newer"
        if view.trouble:
            yield f"now {_trouble_since(view, now)}"
        return
    if view.trouble:
        yield _trouble_since(view, now)
    if view.paused:
        yield "paused"


def _delays(view: View, now: float) -> Iterator[str]:
    """What is waited for; a statement that takes long makes no generation late."""
    asked_s = 0.0 if view.asked_at is None else now - view.asked_at
    expected_s = 2 * max(view.duration_s, view.interval_s) + view.took_s
    if view.heard_at is not None and now - asked_s - view.heard_at > expected_s:
        yield "late"
    if asked_s > SLOW_S:
        yield f"asking for {asked_s:.0f} s"


def _trouble_since(view: View, now: float) -> str:
    since_s = max(0.0, now - view.trouble_since)
    since = f" for {since_s:.0f} s" if since_s >= 1 else ""
    word, colon, rest = visible(view.trouble).partition(": ")
    return f"{word}{since}{colon}{rest}"


def _what(view: View) -> list[Line]:
    """How many rows, what is new about them, and how they are shown; or what was said last."""
    if view.message:
        return [[("trouble", visible(line))] for line in view.message.split("\n")]
    picture = view.picture
    present = len(picture.rows) - picture.count("gone")
    first: Line = [("", f"{present:,} row{'' if present == 1 else 's'}")]
    if picture.truncated:
        first.append(("trouble", f", {CUT}"))
    parts = [""]
    counts = {
        "changed": picture.nr_changed,
        "new": picture.count("new"),
        "gone": picture.count("gone"),
    }
    parts += [f"{count} {word}" for word, count in counts.items() if count]
    if not picture.key and picture.rows:
        parts.append("matched by place")
    if view.filter:
        passed = f"{sum(row.status != 'gone' for row in view.rows()):,}"
        if took_too_long(view.filter):
            passed = "takes too long, no row is left out"
        parts.append(f"filter {visible(view.filter)}: {passed}")
    if view.sort is not None and view.sort < len(picture.names):
        order = ", reversed" if view.reverse else ""
        parts.append(f"sorted by {visible(picture.names[view.sort])}{order}")
    elif view.reverse:
        parts.append("reversed")
    if view.hidden:
        parts.append(f"{counted(len(view.hidden), 'column')} hidden")
    if view.mode != "values":
        parts.append(view.mode if picture.seconds else f"{view.mode} from the next generation on")
    if view.bars:
        parts.append("bars")
    if not view.diff:
        parts.append("no marks")
    return [[*first, ("", ", ".join(parts)), ("faint", "   ? help")]]


# --- The table ---------------------------------------------------------------------------------


def _table(view: View, columns: int, lines: int, look: Look) -> list[Line]:
    shown = view.shown_columns()
    if not shown:
        return []
    rows = view.rows()[view.top : view.top + max(lines, 0)]
    texts = _texts(view, rows, shown, look)
    numeric = [_numeric(view, n) for n in shown]
    heads = [visible(view.picture.names[n]) for n in shown]
    widths = _widths(heads, texts, numeric)
    total = min(sum(widths) + 2 * len(widths) + 1, columns)
    out: list[Line] = [
        [
            (
                "header",
                "  "
                + " ".join(
                    _filled(h, w, r, look) + _sorted_mark(view, n, look)
                    for n, h, w, r in zip(shown, heads, widths, numeric, strict=True)
                ).rstrip(),
            )
        ],
        [("rule", look.rule * total)],
    ]
    for row, cells in zip(rows, texts, strict=True):
        out.append(_row(view, row, shown, cells, widths, numeric, look))
    return out


def _sorted_mark(view: View, n: int, look: Look) -> str:
    """Which way rows are sorted, behind the name of the column that they are sorted by."""
    way: Mark = "" if n != view.sort else "down" if view.reverse else "up"
    return _MARKS[look.unicode][way]


def _most_frozen(view: View, columns: int, page: int) -> int:
    """So many columns at the left leave half of the screen to those that are scrolled."""
    rows = view.rows()[view.top : view.top + page] if 0 in view.picture.key else []
    taken, most = len(_SIGNS["same"]), 0
    for n in range(len(view.picture.key)):
        if n in view.hidden:
            most += 1
            continue
        head = visible(view.picture.names[n])
        [own] = _widths([head], [[_text(view, row, n)] for row in rows], [_numeric(view, n)])
        taken += own + 2
        if taken > columns / 2:
            break
        most += 1
    return most


def _texts(
    view: View, rows: Sequence[RowState], shown: Sequence[int], look: Look
) -> list[list[str]]:
    """What stands in each cell of these rows."""
    if not view.bars:
        return [[_text(view, row, n) for n in shown] for row in rows]
    went = trails(view.trail, rows)
    return [[_text(view, row, n) + _bars(view, row, n, went, look) for n in shown] for row in rows]


def _bars(view: View, row: RowState, n: int, went: dict[Key, list[Row | None]], look: Look) -> str:
    """How a number went, or how fast where that is what is shown."""
    if not view.is_measure(row, n):
        return ""
    values = [None if cells is None else cells[n] for cells in went[row.key]]
    if view.is_difference(row, n):
        values = rates(values, view.trail)
    return " " + bars(values[-NR_BARS:], look.unicode)


def _text(view: View, row: RowState, n: int) -> str:
    if not view.is_difference(row, n):
        return visible(shown_cell(row.cells[n]))
    change = view.difference(row, n)
    if change is None:
        return ""
    if view.mode == "rates":
        return rate_text(change / view.picture.seconds)
    assert row.before is not None
    return difference_text(row.cells[n], row.before[n])


def _numeric(view: View, n: int) -> bool:
    return is_numeric({type(row.cells[n]) for row in view.picture.rows}, declared="")


def _widths(
    heads: Sequence[str], texts: Sequence[Sequence[str]], numeric: Sequence[bool]
) -> list[int]:
    widths = []
    for n, (head, right) in enumerate(zip(heads, numeric, strict=True)):
        widest = max((width(cells[n]) for cells in texts), default=0)
        widths.append(max(widest if right else min(widest, MAX_CELL), min(width(head), MAX_CELL)))
    return widths


def _filled(text: str, columns: int, right: bool, look: Look) -> str:
    return pad(clip(text, columns, look.ellipsis), columns, right)


def _row(
    view: View,
    row: RowState,
    shown: Sequence[int],
    cells: Sequence[str],
    widths: Sequence[int],
    numeric: Sequence[bool],
    look: Look,
) -> Line:
    is_told = view.diff or row.status == "gone"  # or it would look as if it were there
    own = row.status if is_told and row.status != "same" else ""
    line: Line = [(own, _SIGNS[row.status] if is_told else "  ")]
    for n, text, columns, right in zip(shown, cells, widths, numeric, strict=True):
        mark: Mark = row.marks[n] if view.diff and row.marks else ""
        filled = _filled(text, columns, right, look)
        line.append(("changed" if mark else own, filled + _MARKS[look.unicode][mark]))
        line.append(("", " "))
    return line


def _cut(line: Line, columns: int, look: Look) -> Line:
    """The line in at most so many columns, however a terminal counts those of a flag; without the
    blanks at its end."""
    line = list(line)
    while line and not line[-1][1].strip():
        line.pop()
    if line:
        line[-1] = (line[-1][0], line[-1][1].rstrip())
    room = columns
    while over := _nr_over(out := _clipped(line, room, look), columns):
        room -= over
    return out


def _clipped(line: Line, columns: int, look: Look) -> Line:
    out: Line = []
    for style, text in line:
        room = columns - sum(width(done) for _, done in out)
        if room <= 0:
            break
        out.append((style, clip(text, room, look.ellipsis)))
    return out


def _nr_over(line: Line, columns: int) -> int:
    """How many columns a terminal that counts each character alone is short of.

    A line that it counts otherwise leaves it the last column as well: prompt_toolkit goes there by
    its own count, which is that one.
    """
    alone = sum(width_alone(text) for _, text in line)
    if alone == sum(width(text) for _, text in line):
        return 0
    return max(alone - (columns - 1), 0)


def plain(lines: Sequence[Line]) -> str:
    """A frame as text."""
    return "\n".join("".join(text for _, text in line).rstrip() for line in lines).rstrip() + "\n"
