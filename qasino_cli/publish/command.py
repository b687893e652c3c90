"""The command `qasino publish`: its options, and which of its ways they mean."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from qasino_cli import options
from qasino_cli.client import open_client
from qasino_cli.clock import Clock, IntervalClock
from qasino_cli.connection import Connection
from qasino_cli.console import ExitCode, say, write
from qasino_cli.errors import UsageFault
from qasino_cli.publish.asked import asked
from qasino_cli.publish.inputs import (
    Gather,
    NothingLeft,
    Prepared,
    mapping_lines,
    rejected_of,
    say_all,
)
from qasino_cli.publish.progress import Bar
from qasino_cli.publish.rejects import check_rejects_path, write_rejects
from qasino_cli.publish.sending import drop_table, receipt_line, send, too_large
from qasino_cli.publish.sources import Files, choose_source, choose_this_host, gathering
from qasino_cli.publish.wishes import Wishes
from qasino_cli.signature import folded, parameters_of


@options.connected
@partial(folded, into="wishes", make=asked, options=parameters_of(asked))
def publish(
    *,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE...|-]", help="Tables; - or a pipe is standard input."),
    ] = None,
    wishes: Wishes,
    every: Annotated[
        float | None,
        options.duration("--every", help="Read and publish again; 30, 30s, 5m."),
    ] = None,
    every_generation: Annotated[
        bool,
        typer.Option("--every-generation", help="Read and publish again in each generation."),
    ] = False,
    run: Annotated[
        str | None,
        typer.Option("--run", metavar="COMMAND", help="Publish what a shell command prints."),
    ] = None,
    this_host: Annotated[
        bool, typer.Option("--this-host", help="Publish this machine's own tables.")
    ] = False,
    only: Annotated[
        str | None,
        typer.Option(
            "--only",
            metavar="A,B",
            help="Of them: processes, mounts, interfaces, sockets, load, users. [default: all]",
        ),
    ] = None,
    with_args: Annotated[
        bool,
        typer.Option("--with-args", help="Processes with their arguments, which may be secret."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be published and why; send nothing.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing unless it fails.")] = False,
    drop: Annotated[
        str | None,
        typer.Option("--drop", metavar="TABLE", help="End a static or persistent table instead."),
    ] = None,
    filename: Annotated[
        str | None, typer.Option("-f", "--filename", metavar="FILE", hidden=True)
    ] = None,
    connection: Connection,
) -> ExitCode:
    """Publish tables: files of any form, standard input, a command's output, this machine.

    CSV, TSV, JSON, NDJSON, metrics, what df or ps prints, plain or gzip: the content tells. A
    table is visible to queries when the present generation ends, a static one at once. Nothing
    is sent unless all of it can be.

    \b
    Examples:
      qasino publish mytable.csv
      df -P | qasino publish --table disks
      curl -s host:9100/metrics | qasino publish --table metrics -I host
      md5sum /etc/*.conf | qasino publish --table sums --header sum,file
      qasino publish --run 'ss -tan' --table sockets --every 30s
      qasino publish --this-host --every-generation
      qasino publish --static racks.csv
    In a crontab (rows that outlast the minute):
      * * * * * /usr/local/bin/qasino publish --quiet --ttl 90 --table disks --run 'df -P'
    """
    paths = [*(files or []), *([filename] if filename else [])]
    again = every is not None or every_generation
    if drop is not None:
        if paths or run is not None or this_host or again:
            raise UsageFault("--drop ends a table and publishes none; leave the FILE away")
        told_in_vain = dry_run or only is not None or with_args
        return _drop(connection, drop, wishes, told_in_vain, quiet)
    if every is not None and every_generation:
        raise UsageFault("--every and --every-generation contradict each other; give one")
    wishes.check()
    own = choose_this_host(this_host, only, with_args)
    source = choose_source(paths, run, own, wishes, again)
    if wishes.rejects is not None and isinstance(source, Files):
        check_rejects_path(wishes.rejects, source.paths)
    clock = _clock(connection, every) if again and not dry_run else None
    with Bar(wanted=not quiet and clock is None) as bar:
        limit_s = (lambda: every) if clock is None else (lambda: clock.duration_s)
        gather = gathering(source, wishes, bar.read, limit_s)
        if wishes.rejects is not None:
            gather = partial(_keeping_rejects, gather, wishes.rejects)
        if clock is not None:
            from qasino_cli.publish.repeating import repeat

            return repeat(connection, gather, clock, quiet)
        return _show(gather, bar) if dry_run else _publish(connection, gather, bar, quiet)


def _drop(
    connection: Connection, tablename: str, wishes: Wishes, told_in_vain: bool, quiet: bool
) -> ExitCode:
    """End a table; raise UsageFault where anything is said about publishing one."""
    if told_in_vain or wishes != Wishes(identity=wishes.identity):
        raise UsageFault(
            "--drop ends a table and publishes none; only --identity, --quiet and those that"
            " say which server go with it"
        )
    dropped = drop_table(connection, tablename, wishes.identity)
    say_all([] if quiet else [dropped])
    return ExitCode.OK


def _clock(connection: Connection, period_s: float | None) -> Clock:
    if period_s is not None:
        return IntervalClock(period_s)
    from qasino_cli.generation_clock import GenerationClock

    return GenerationClock(connection)


def _keeping_rejects(read: Gather, rejects: Path) -> list[Prepared]:
    """Read, and write what was passed over this time before anything is sent.

    Raises UsageFault, and what reading raises: where that is because no row is left, the file
    tells which they were.
    """
    try:
        prepared = read()
    except NothingLeft as error:
        write_rejects(rejects, error.rejected)
        raise
    write_rejects(rejects, rejected_of(prepared))
    return prepared


def _show(gather: Gather, bar: Bar) -> ExitCode:
    from qasino_cli.publish.dry_run import described

    prepared = gather()
    bar.hide()
    for line in described(prepared):
        write(line + "\n")
    return _code(prepared)


def _publish(connection: Connection, gather: Gather, bar: Bar, quiet: bool) -> ExitCode:
    prepared = gather()
    bar.hide()
    say_all([line for line in map(too_large, prepared) if line is not None])
    if not quiet:
        say_all(mapping_lines(prepared))
    client = open_client(connection)
    try:
        bar.step("sending")
        for one, receipt in send(client, prepared):
            bar.hide()
            if not quiet or one.nr_rejects:  # which is why it ends with INPUT
                say(receipt_line(one, receipt))
            bar.step("sending")
    finally:
        bar.hide()
        client.close()
    return _code(prepared)


def _code(prepared: list[Prepared]) -> ExitCode:
    """INPUT where rows were passed over: what was asked for, but not the whole."""
    return ExitCode.INPUT if any(one.nr_rejects for one in prepared) else ExitCode.OK
