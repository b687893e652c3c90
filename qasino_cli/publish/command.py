"""The command `qasino publish`: its options, and which of its ways they mean."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from qasino_cli import options
from qasino_cli.client import open_client
from qasino_cli.connection import Connection
from qasino_cli.console import ExitCode, say, write
from qasino_cli.errors import UsageFault
from qasino_cli.publish.inputs import (
    Gather,
    Prepared,
    check_rejects_path,
    choose_paths,
    mapping_lines,
    read_all,
    run_command,
    say_all,
    without_twins,
    write_rejects,
)
from qasino_cli.publish.progress import Bar
from qasino_cli.publish.sending import drop_table, receipt_line, send, too_large
from qasino_cli.publish.wishes import Wishes, read_duration_s, read_types
from qasino_cli.readers import FORMS
from qasino_server.table import shown

if TYPE_CHECKING:
    from qasino_cli.publish.repeating import Occasions


@options.connected
def publish(
    connection: Connection,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE...|-]", help="Tables; - or a pipe is standard input."),
    ] = None,
    identity: options.Identity = None,
    table: Annotated[
        str | None, typer.Option("--table", metavar="NAME", help="Publish under this table name.")
    ] = None,
    data_format: Annotated[
        str | None,
        typer.Option(
            "-d",
            "--data-format",
            metavar="FORM",
            help=f"One of {', '.join(FORMS)}. [default: told by the content]",
        ),
    ] = None,
    types: Annotated[
        list[str] | None,
        typer.Option(
            "--types", metavar="COLUMN=TYPE", help="text, integer or real; several with commas."
        ),
    ] = None,
    strict_names: Annotated[
        bool, typer.Option("--strict-names", help="Refuse headers that are no legal names.")
    ] = False,
    skip_lines: Annotated[
        int,
        typer.Option(
            "--skip-lines",
            metavar="N",
            help="Pass over so many lines above the header. [default: 0]",
            min=0,
            show_default=False,
        ),
    ] = 0,
    on_error: Annotated[
        str,
        typer.Option(
            "--on-error",
            metavar="abort|skip",
            help="Whether a bad row ends it, or is passed over. [default: abort]",
            show_default=False,
        ),
    ] = "abort",
    rejects: Annotated[
        Path | None,
        typer.Option(
            "--rejects", metavar="FILE", help="Write rows passed over to FILE, CSV or .ndjson."
        ),
    ] = None,
    add_identity_column: Annotated[
        bool, typer.Option("--add-identity-column", help="Add a column `identity` to each row.")
    ] = False,
    persist: Annotated[
        bool,
        typer.Option("-P", "--persist", help="Carry the rows into each next generation."),
    ] = False,
    static: Annotated[
        bool,
        typer.Option("-S", "--static", help="Keep the table on the server's disk, at once."),
    ] = False,
    ttl: Annotated[
        str | None,
        typer.Option("--ttl", metavar="SECONDS", help="Carry the rows for so long; 90, 90s, 5m."),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Change the rows that --keycols find, add the others.")
    ] = False,
    keycols: Annotated[
        str | None,
        typer.Option("--keycols", metavar="A;B", help="Columns for --update. [default: all]"),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace/--no-replace",
            help="Whether a repeat in one generation replaces the rows. [default: replace]",
            show_default=False,
        ),
    ] = True,
    every: Annotated[
        str | None,
        typer.Option("--every", metavar="SECONDS", help="Read and publish again; 30, 30s, 5m."),
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
      qasino publish --run 'ss -tan' --table sockets --every 30s
      qasino publish --this-host --every-generation
      qasino publish --static racks.csv
    """
    paths = [*(files or []), *([filename] if filename else [])]
    again = every is not None or every_generation
    if drop is not None:
        if paths or run is not None or this_host or again:
            raise UsageFault("--drop ends a table and publishes none; leave the FILE away")
        drop_table(connection, drop, identity)
        return ExitCode.OK
    if on_error not in ("abort", "skip"):
        raise UsageFault(f"--on-error: {shown(on_error)} is not abort or skip")
    if rejects is not None and on_error != "skip":
        raise UsageFault("--rejects keeps the rows that --on-error skip passes over; give both")
    if every is not None and every_generation:
        raise UsageFault("--every and --every-generation contradict each other; give one")
    wishes = Wishes(
        identity=identity,
        tablename=table,
        form=data_format,
        types=read_types(types or []),
        strict_names=strict_names,
        skip_bad_rows=on_error == "skip",
        skip_lines=skip_lines,
        persist=persist,
        static=static,
        update=update,
        keycols=keycols and options.in_utf8("--keycols", keycols),
        ttl_s=None if ttl is None else read_duration_s("--ttl", ttl),
        add_identity_column=add_identity_column,
        replace=replace,
    )
    wishes.check()
    own = _own_tables(this_host, only, with_args)
    if (run is not None) + bool(paths) + (own is not None) > 1:
        raise UsageFault("FILEs, --run and --this-host are three ways; give one of them")
    if own is not None:
        _check_own(own, wishes)
    if own is None and run is None:
        paths = list(choose_paths(paths, table, again))
    if rejects is not None:
        check_rejects_path(rejects, paths)
    period_s = None if every is None else read_duration_s("--every", every)
    occasions = _occasions(connection, period_s) if again and not dry_run else None
    with Bar(wanted=not quiet and occasions is None) as bar:
        limit_s = (lambda: period_s) if occasions is None else (lambda: occasions.period_s)
        read = _reader(wishes, paths, run, own, bar, limit_s)
        gather = read if rejects is None else partial(_keeping_rejects, read, rejects)
        if occasions is not None:
            from qasino_cli.publish.repeating import repeat

            return repeat(connection, gather, occasions, quiet)
        return _show(gather, bar) if dry_run else _publish(connection, gather, bar, quiet)


def _occasions(connection: Connection, period_s: float | None) -> Occasions:
    from qasino_cli.publish import repeating

    if period_s is None:
        return repeating.Generations(connection)
    return repeating.Interval(period_s)


class _Own(msgspec.Struct, frozen=True):
    """Which tables of this machine, and whether arguments are told."""

    names: list[str]
    with_args: bool


def _own_tables(this_host: bool, only: str | None, with_args: bool) -> _Own | None:
    """Which of this machine's tables are meant; None for none. Raises UsageFault."""
    if not this_host:
        if only is not None or with_args:
            raise UsageFault("--only and --with-args go with --this-host")
        return None
    from qasino_cli.this_host import TABLES

    names = list(TABLES) if only is None else [name.strip() for name in only.split(",")]
    for name in names:
        if name not in TABLES:
            raise UsageFault(f"--only: {shown(name)} is not one of {', '.join(TABLES)}")
    return _Own(names, with_args)


def _check_own(own: _Own, wishes: Wishes) -> None:
    """Raise UsageFault for options that say how an input is read."""
    w = wishes
    if w.form or w.types or w.strict_names or w.skip_bad_rows or w.skip_lines:
        raise UsageFault(
            "--this-host reads no input; --data-format, --types, --strict-names, --skip-lines and"
            " --on-error do not go with it"
        )
    if wishes.tablename is not None and len(own.names) > 1:
        raise UsageFault(f"--table names one table, but this host has {len(own.names)}; see --only")


def _reader(
    wishes: Wishes,
    paths: list[str],
    command: str | None,
    own: _Own | None,
    bar: Bar,
    limit_s: Callable[[], float | None],
) -> Gather:
    """What reads everything, each time it is called."""
    if own is not None:
        return partial(_host_tables, wishes, own)
    if command is not None:
        return partial(run_command, command, wishes, limit_s)
    return partial(read_all, paths, wishes, bar.read)


def _keeping_rejects(read: Gather, rejects: Path) -> list[Prepared]:
    """Read, and write what was passed over this time before anything is sent."""
    prepared = read()
    write_rejects(rejects, prepared)
    return prepared


def _host_tables(wishes: Wishes, own: _Own) -> list[Prepared]:
    from qasino_cli.identity import default_identity
    from qasino_cli.this_host import this_hosts_tables

    identity = wishes.identity or default_identity()
    found = this_hosts_tables(identity, own.names, own.with_args)
    name = "this host"
    return without_twins([Prepared(name, *wishes.laid_over(name, one)) for one in found])


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
            if not quiet:
                say(receipt_line(one, receipt))
            bar.step("sending")
    finally:
        bar.hide()
        client.close()
    return _code(prepared)


def _code(prepared: list[Prepared]) -> ExitCode:
    """INPUT where rows were passed over: what was asked for, but not the whole."""
    return ExitCode.INPUT if any(one.nr_rejects for one in prepared) else ExitCode.OK
