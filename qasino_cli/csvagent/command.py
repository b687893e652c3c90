"""`qasino csvagent`: options to an agent, and signals to what it is to do."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from typing import Annotated

import typer

from qasino_cli import options
from qasino_cli.clock import Clock, IntervalClock
from qasino_cli.connection import Connection
from qasino_cli.console import ExitCode
from qasino_cli.csvagent.agent import Agent, Errand
from qasino_cli.csvagent.catalogue import Assignment, Catalogue
from qasino_cli.csvagent.check import check as check_files
from qasino_cli.csvagent.check import once as send_once
from qasino_cli.csvagent.courier import Courier
from qasino_cli.csvagent.landmarks import absolute
from qasino_cli.csvagent.pace import Pace
from qasino_cli.csvagent.parcel import Wrapping
from qasino_cli.csvagent.watching import Watcher
from qasino_cli.errors import UsageFault, as_usage
from qasino_cli.generation_clock import USUAL_SILENCE_S, GenerationClock
from qasino_cli.identity import default_identity
from qasino_cli.log_lines import LEVELS, log_to_stderr
from qasino_cli.signals import heeded
from qasino_server.service import OnDeath
from qasino_server.table import check_identity, check_tablename, shown

log = logging.getLogger("qasino.csvagent")

PACE = Pace()
STOP_WITHIN_S = 3.0

Paths = list[str] | None


@options.connected
def csvagent(
    *,
    index: Annotated[
        Paths,
        typer.Option(
            "-i",
            "--index",
            "--index-file",
            metavar="FILE",
            help="An index: version 1, then FILE,TABLE or TABLE a line. Repeatable.",
        ),
    ] = None,
    index_list: Annotated[
        Paths,
        typer.Option(
            "-f",
            "--index-list",
            metavar="FILE",
            help="A file that names indexes, one a line, relative to its own folder.",
        ),
    ] = None,
    directory: Annotated[
        Paths,
        typer.Option("--directory", metavar="DIR", help="Publish every *.csv in it. Repeatable."),
    ] = None,
    table: Annotated[
        Paths,
        typer.Option("-T", "--table", metavar="TABLE", help="Publish this table only. Repeatable."),
    ] = None,
    table_list: Annotated[
        Paths,
        typer.Option(
            "-t", "--table-list", metavar="FILE", help="A file that names those tables, one a line."
        ),
    ] = None,
    identity: Annotated[
        str | None,
        options.identity("Who reports, but for files that name one.", "the host's name"),
    ] = None,
    interval: Annotated[
        float | None,
        options.duration(
            "-x",
            "--interval",
            help="Send every so many seconds; 30, 30s, 5m. [default: at the server's signal]",
            least_s=1.0,
        ),
    ] = None,
    send_delay_max: Annotated[
        float,
        options.duration(
            "-d",
            "--send-delay-max",
            help="Send at random up to so long after the signal, at most half a generation."
            " [default: 15]",
            least_s=0.0,
        ),
    ] = 15.0,
    gen_signal_timeout: Annotated[
        float,
        options.duration(
            "-g",
            "--gen-signal-timeout",
            help="Connect to the signal anew after so long without one."
            f" [default: {USUAL_SILENCE_S:g}]",
            least_s=1.0,
        ),
    ] = USUAL_SILENCE_S,
    max_age: Annotated[
        float | None,
        options.duration(
            "--max-age", help="Do not send files last written longer ago; 90, 90s, 5m.", least_s=0.0
        ),
    ] = None,
    add_identity_column: Annotated[
        bool,
        typer.Option(
            "--add-identity-column", help="Add a column identity to tables that have none."
        ),
    ] = False,
    poll: Annotated[
        bool, typer.Option("--poll", help="Look for changes every second; do not use events.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Read everything, say what is wrong, send nothing.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Send everything one time and end.")] = False,
    log_level: Annotated[
        str,
        typer.Option(
            "--log-level",
            metavar="LEVEL",
            help=f"One of {', '.join(LEVELS)}. [default: info]",
            show_default=False,
        ),
    ] = "info",
    connection: Connection,
) -> ExitCode:
    """Publish CSV files in every generation, as they are then.

    Changed files are read again and published at once; a broken one keeps its last good table.
    What is wrong with which file is in the table qasino_agent_files. SIGHUP reads everything
    anew, SIGTERM and Ctrl-C end it.

    \b
    Examples:
      qasino csvagent --index myindex.csv --identity 1.2.3.4
      qasino csvagent --directory /var/lib/stats -s stats.example.com
      qasino csvagent --index myindex.csv --check
    """
    if not (index or index_list or directory):
        raise UsageFault("name what to publish: --index FILE, --index-list FILE or --directory DIR")
    if check and once:
        raise UsageFault("--check sends nothing and --once sends; give one of them")
    if log_level.lower() not in LEVELS:
        raise UsageFault(f"--log-level: {shown(log_level)} is not one of {', '.join(LEVELS)}")
    who = default_identity() if identity is None else identity
    as_usage("--identity", check_identity, who)
    assignment = Assignment(
        wrapping=Wrapping(who, add_identity_column),
        indexes=_absolute(index),
        index_lists=_absolute(index_list),
        directories=_absolute(directory),
        tables=[as_usage("--table", check_tablename, name) for name in table or ()],
        table_lists=_absolute(table_list),
    )
    if check:
        return check_files(Catalogue(assignment, PACE), max_age)
    if once:
        return send_once(Catalogue(assignment, PACE), who, max_age, connection)
    errand = Errand(
        identity=who,
        server=connection.url,
        send_delay_max_s=send_delay_max if interval is None else 0.0,
        max_age_s=max_age,
    )
    hold_standard_streams()
    with log_to_stderr(log_level.lower()):
        logging.getLogger("watchdog").setLevel(logging.WARNING)
        return run(
            lambda on_death: Agent(
                Catalogue(assignment, PACE),
                errand,
                _clock(connection, interval, gen_signal_timeout),
                Courier(connection, PACE, random.Random()),
                lambda tell: Watcher(tell, poll=poll),
                on_death=on_death,
            )
        )


def _clock(connection: Connection, interval_s: float | None, silence_s: float) -> Clock:
    if interval_s is not None:
        return IntervalClock(interval_s)
    return GenerationClock(connection, silence_s)


def run(make_agent: Callable[[OnDeath], Agent]) -> ExitCode:
    """Let an agent live until a signal ends it; REFUSED where it died by itself."""
    orders = heeded()
    deaths: list[str] = []

    def on_death(name: str, error: BaseException) -> None:
        deaths.append(name)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    agent = make_agent(on_death)
    agent.start()
    while (order := next(orders)).what == "reload":
        agent.reread()
    if not deaths:
        log.info("stopping: %s", order.signal)
    agent.stop()
    agent.join(STOP_WITHIN_S)
    return ExitCode.REFUSED if deaths else ExitCode.OK


def hold_standard_streams() -> None:
    """Where a standard stream is closed, put nothing in its place.

    Else the next file or socket gets its number, and what somebody writes to "stderr" goes
    into a connection.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            made = os.open(os.devnull, os.O_RDWR)
            if made != number:
                os.dup2(made, number)
                os.close(made)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))


def _absolute(given: Paths) -> list[str]:
    return list(dict.fromkeys(_from_here(path) for path in given or ()))


def _from_here(path: str) -> str:
    try:
        return absolute(path, "/" if os.path.isabs(path) else os.getcwd())
    except OSError as error:
        raise UsageFault(f"the directory we are in: {error.strerror}") from None
