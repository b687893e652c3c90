"""The command `qasino watch`: its options, and whether they mean a screen or a stream."""

from __future__ import annotations

import functools
import os
import sys
from typing import Annotated

import typer

from qasino_cli import options, terminal
from qasino_cli.config import load_config
from qasino_cli.connection import Connection
from qasino_cli.console import ExitCode, on_terminal
from qasino_cli.ending import tidy_when_ended
from qasino_cli.errors import UsageFault
from qasino_cli.watch.batch import FORMATS, Plan, stream
from qasino_cli.watch.condition import flaw, is_empty
from qasino_cli.watch.goal import Goal
from qasino_cli.watch.inquiry import CONDITION_TITLE
from qasino_cli.watch.query import Watched
from qasino_server.errors import SqlError
from qasino_server.table import shown


@functools.partial(options.connected, timeout_flag="--request-timeout")
def watch(
    *,
    sql: Annotated[str, typer.Argument(metavar="SQL", help="The query to watch.")],
    key: Annotated[
        str | None,
        typer.Option(
            "--key", metavar="A,B", help="Columns that tell rows apart. [default: found by looking]"
        ),
    ] = None,
    interval: Annotated[
        float | None,
        options.duration(
            "--interval",
            help="Ask so often (30, 30s, 5m), and show rows that differ."
            " [default: once a generation]",
        ),
    ] = None,
    batch: Annotated[
        bool, typer.Option("--batch", help="Write a frame a generation, as without a terminal.")
    ] = False,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="tsv|ndjson",
            help="Of these frames. [default: tsv]",
            show_default=False,
        ),
    ] = "tsv",
    count: Annotated[
        int | None,
        typer.Option("--count", metavar="N", help="End after so many frames of rows.", min=1),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="One frame, as --batch --count 1.")] = False,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="COND", help="End once it holds: rows, empty or SQL."),
    ] = None,
    while_: Annotated[
        str | None,
        typer.Option("--while", metavar="COND", help="End once it no longer holds, likewise."),
    ] = None,
    for_: Annotated[
        int,
        typer.Option(
            "--for",
            metavar="N",
            help="For so many generations in a row. [default: 1]",
            min=1,
            show_default=False,
        ),
    ] = 1,
    timeout: Annotated[
        float | None,
        options.duration(
            "--timeout",
            help="Give up waiting for it after so long, such as 90, 90s or 5m; exit with 5, with 3"
            " where no answer came.",
        ),
    ] = None,
    ignore_missing: Annotated[
        bool,
        typer.Option(
            "--ignore-missing", help="Believe rows though sources of a table are missing."
        ),
    ] = False,
    on_change: Annotated[
        str | None,
        typer.Option(
            "--on-change",
            metavar="COMMAND",
            help="Run it at changes since the first result, NDJSON on its stdin; its stdout is"
            " dropped. Rows are told to be gone only once that is known.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="In batch, write no frames.")] = False,
    connection: Connection,
) -> ExitCode:
    """Watch a query: again at every generation, with what has changed.

    On a terminal a screen (? lists its keys): changed cells are marked, rows that came and went
    are shown, rows keep their order unless the query orders them. Elsewhere a stream of frames,
    and conditions to wait for. A condition is `rows`, `empty`, or an SQL expression over the
    rows, true where any row has it: "count(*) > 3", "used_pct > 90". A lost server, a late
    generation or a source missing from a queried table makes it unknown, never empty.

    What the command of --on-change is told, and how each way to end exits, is in
    qasino-watch(1).

    \b
    Examples:
      qasino watch "select * from mounts order by used_pct desc"
      qasino watch --until "max(used_pct) > 90" --timeout 3600 "select * from mounts"
      qasino watch --batch --format ndjson "select * from processes" | jq .rows
      qasino watch --on-change 'tee -a log' "select * from mounts where used_pct > 90"
    """
    for flag, text in (("SQL", sql), ("--until", until), ("--while", while_), ("--key", key)):
        options.in_utf8(flag, text or "")
    condition = _condition(until if until is not None else while_)
    plan = Plan(
        watched=Watched(sql.strip().rstrip(";"), condition, ignore_missing),
        interval_s=interval,
        key=tuple(name.strip() for name in key.split(",")) if key else (),
        goal=_goal(until, while_, for_, timeout, interval),
        timeout_s=timeout,
        on_change=on_change,
    )
    if not plan.watched.sql:
        raise UsageFault("name the query to watch, in quotes")
    if on_change is not None and not on_change.strip():
        raise UsageFault("--on-change: it names no command")
    if form not in FORMATS:
        raise UsageFault(f"--format: {shown(form)} is not one of {', '.join(FORMATS)}")
    tidy_when_ended()
    if batch or once or count is not None or quiet or not _has_screen():
        return stream(connection, plan, form, 1 if once else count, quiet)
    from qasino_cli.watch.screen import Screen  # prompt_toolkit takes 100 ms to import

    return Screen(connection, plan, load_config()).run()


def _has_screen() -> bool:
    if not (on_terminal() and terminal.watched(sys.stdin)) or terminal.dumb():
        return False
    return _in_foreground(sys.stdin.fileno())


def _in_foreground(descriptor: int) -> bool:
    """Whether a terminal is ours; a screen behind a shell's `&` would be stopped at once."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:  # it is a terminal of nobody's
        return True


def _goal(
    until: str | None,
    while_: str | None,
    generations: int,
    timeout_s: float | None,
    interval_s: float | None,
) -> Goal | None:
    """What is waited for. Raises UsageFault, and SqlError for its condition."""
    if until is not None and while_ is not None:
        raise UsageFault("--until and --while contradict each other; give one of them")
    if until is None and while_ is None:
        if timeout_s is not None or generations != 1:
            raise UsageFault("--timeout and --for go with --until or --while")
        return None
    _check_condition("--until" if while_ is None else "--while", until or while_ or "")
    return Goal(until is not None, generations, interval_s or 0.0)


def _condition(text: str | None) -> str | None:
    """As it is asked: `rows` and `empty` are words of ours, however they are written."""
    word = "" if text is None else text.strip().lower()
    return word if word in ("rows", "empty") else text


def _check_condition(flag: str, condition: str) -> None:
    """Raise UsageFault for one that says nothing, SqlError for one that is no whole."""
    if is_empty(condition):
        raise UsageFault(f"{flag}: the condition is empty")
    error = flaw(condition)
    if error is not None:
        from qasino_cli.sql.diagnosis import explain  # with SQLite, 20 ms

        raise SqlError(explain(condition, error, title=CONDITION_TITLE))
