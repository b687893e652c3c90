"""Where no terminal is: a frame on stdout for each generation, and for other rows within one.

Why rows are unknown is said once, not again at each attempt; that is a frame too, but none that
counts.

TSV: a line `# generation N, age S s, R rows` (or `# unknown: why`, or `# cut after R rows: ..`
beside it), the header, the rows, an empty line. NDJSON: one object for each generation, with its
rows, or with why they are unknown; `truncated` is whether the server has more of them:

    {"generation_number": 1795484792, "age_s": 0.1, "unknown": null, "truncated": false,
     "rows": [{..}, ..]}
"""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Iterator

import msgspec

from qasino_cli.cells import visible_lines
from qasino_cli.connection import Connection
from qasino_cli.console import ExitCode, counted, on_terminal, say, write
from qasino_cli.errors import ServerRefused, Unreachable
from qasino_cli.sql.session import HEAR_S
from qasino_cli.sql.table_view import cut_note
from qasino_cli.watch.diff import choose_key
from qasino_cli.watch.feed import Feed
from qasino_cli.watch.goal import Goal
from qasino_cli.watch.herald import Herald
from qasino_cli.watch.query import Update, Watched
from qasino_server.render import TsvStream, distinct, json_cell, visible
from qasino_server.table import Result

FORMATS = ("tsv", "ndjson")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How long to watch, and what for."""

    watched: Watched
    interval_s: float | None = None
    key: tuple[str, ...] = ()
    goal: Goal | None = None
    timeout_s: float | None = None
    """The goal is to be reached within that; None waits for ever."""
    on_change: str | None = None


def stream(
    connection: Connection, plan: Plan, form: str, count: int | None, quiet: bool
) -> ExitCode:
    """Write frames until the goal is reached, so many are written, or the time is up.

    Raises ServerRefused or Unreachable where the first answer is that.
    """
    updates: queue.SimpleQueue[Update] = queue.SimpleQueue()
    feed = Feed(connection, plan.watched, updates.put, plan.interval_s)
    herald = Herald(plan.on_change, plan.key, say)
    herald.start()
    feed.start()
    try:
        frames = Frames(plan, form, quiet, herald)
        code = _follow(_until(updates, plan.timeout_s), frames, plan, count)
        return given_up(plan, connection.url) if code == ExitCode.NOT_MET else code
    finally:
        feed.stop()
        herald.finish()


def _until(updates: queue.SimpleQueue[Update], timeout_s: float | None) -> Iterator[Update]:
    """Updates as they come, until the time is up."""
    ends = math.inf if timeout_s is None else time.monotonic() + timeout_s
    while True:
        left_s = max(0.0, ends - time.monotonic())
        try:
            yield updates.get(timeout=min(left_s, HEAR_S))
        except queue.Empty:
            if left_s <= HEAR_S:
                return


def see_it_answered(update: Update, waits: bool) -> None:
    """Raise ServerRefused or Unreachable where a first answer is that; who waits for something
    waits for the server too."""
    if update.error is not None:
        raise ServerRefused(update.error)
    if not waits and update.lost is not None:
        raise Unreachable(update.lost)


def given_up(plan: Plan, url: str) -> ExitCode:
    """How it ends where the goal was not reached; said is what is unknown then. Raises Unreachable
    where the server never answered."""
    assert plan.goal is not None
    unknown = plan.goal.given_up(f"{url} gave no answer in {plan.timeout_s or 0.0:g} s")
    if unknown is not None:
        say(unknown)
    return ExitCode.NOT_MET


class Frames:
    """Writes frames, and knows which result the last one was of."""

    def __init__(self, plan: Plan, form: str, quiet: bool, herald: Herald) -> None:
        self._key = plan.key
        self._form = form
        self._quiet = quiet
        self._herald = herald
        self._last: Result | None = None
        self._unknown: str | None = None
        self.nr_frames = 0
        """Frames with rows that had not been seen."""
        self.cut: str | None = None
        """What was said where the server first cut a result."""

    def take(self, update: Update) -> None:
        """Write what is new in an update. Raises UsageFault where `--key` names none of it."""
        result = update.result
        anew = result is not None and (self._last is None or _differs(self._last, result))
        if anew and result is not None:
            self._note(result)
        self._herald.hear(update)
        if not self._quiet and (anew or update.unknown != self._unknown):
            text = frame_text(update, self._form)
            write(visible_lines(text) if on_terminal() else text)
        self._unknown = update.unknown
        self.nr_frames += anew

    def _note(self, result: Result) -> None:
        """Take a result in that was not seen yet."""
        choose_key(result.column_names, (), self._key)
        self._last = result
        note = cut_note(result)
        if self._herald.has_somebody and self._quiet and note and not self.cut:
            say(note)
        self.cut = self.cut or note


def _differs(last: Result, now: Result) -> bool:
    """Whether it is of another generation, or has other rows."""
    if now.generation_number != last.generation_number:
        return True
    return now.column_names != last.column_names or now.rows != last.rows


def _follow(updates: Iterator[Update], frames: Frames, plan: Plan, count: int | None) -> ExitCode:
    goal = plan.goal
    # Frames alone would not end it: a server that is not there gives none.
    is_bounded = count is not None and plan.timeout_s is None
    waits = (goal is not None or plan.on_change is not None) and not is_bounded
    is_told = goal is not None  # who waits for it with a goal hears of it at the end
    for update in updates:
        if update.error is not None or not frames.nr_frames:
            see_it_answered(update, waits)
            if update.lost is not None and not is_told:
                say(f"{update.lost}; waiting for it")
                is_told = True
        frames.take(update)
        if goal is not None and goal.reached(update):
            return ExitCode.OK
        if count is not None and frames.nr_frames >= count:
            return _counted_out(goal, frames.cut is not None)
    return ExitCode.NOT_MET


def _counted_out(goal: Goal | None, cut: bool) -> ExitCode:
    """How it ends with the last frame."""
    if goal is not None:
        return ExitCode.NOT_MET
    # who reads it takes it for all there is
    return ExitCode.REFUSED if cut and not on_terminal() else ExitCode.OK


def frame_text(update: Update, form: str) -> str:
    """One update in one of the formats."""
    return _ndjson(update) if form == "ndjson" else _tsv(update)


def _tsv(update: Update) -> str:
    unknown = "" if update.unknown is None else f"# unknown: {visible(update.unknown)}\n"
    result = update.result
    if result is None:
        return unknown + "\n"
    rows = counted(result.nr_rows, "row")
    head = f"# generation {result.generation_number}, age {result.generation_age_s:.1f} s, {rows}\n"
    note = cut_note(result)
    cut = "" if note is None else f"# {note}\n"
    tsv = TsvStream()
    return f"{head}{unknown}{cut}{tsv.head(result.column_names)}{tsv.rows(result.rows)}\n"


def _ndjson(update: Update) -> str:
    told: dict[str, object] = {"generation_number": None, "age_s": None, "unknown": update.unknown}
    result = update.result
    if result is not None:
        names = distinct(result.column_names)
        told["generation_number"] = result.generation_number
        told["age_s"] = round(result.generation_age_s, 2)
        told["truncated"] = result.truncated
        told["rows"] = [dict(zip(names, map(json_cell, row), strict=True)) for row in result.rows]
    return msgspec.json.encode(told).decode() + "\n"
