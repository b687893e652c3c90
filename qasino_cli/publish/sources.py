"""Where tables come from: files, the output of a command, this machine; and which is meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from qasino_cli.errors import UsageFault
from qasino_cli.publish.inputs import (
    Gather,
    Prepared,
    choose_paths,
    read_all,
    run_command,
    without_twins,
)
from qasino_cli.publish.wishes import Wishes
from qasino_server.table import shown


class Files(msgspec.Struct, frozen=True):
    """Files, - among them for standard input."""

    paths: Sequence[str]


class Output(msgspec.Struct, frozen=True):
    """What a shell command prints."""

    command: str


class ThisHost(msgspec.Struct, frozen=True):
    """This machine's own tables."""

    names: Sequence[str]
    with_args: bool = False
    """Whether the arguments of processes are told."""

    def check(self, wishes: Wishes) -> None:
        """Raise UsageFault for options that say how an input is read."""
        if wishes.tells_how_to_read:
            raise UsageFault(
                "--this-host reads no input; --data-format, --types, --strict-names, --skip-lines,"
                " --header and --on-error do not go with it"
            )
        if wishes.tablename is not None and len(self.names) > 1:
            raise UsageFault(
                f"--table names one table, but this host has {len(self.names)}; see --only"
            )


Source = Files | Output | ThisHost


def choose_this_host(wanted: bool, only: str | None, with_args: bool) -> ThisHost | None:
    """Which of this machine's tables are meant; None for none. Raises UsageFault."""
    if not wanted:
        if only is not None or with_args:
            raise UsageFault("--only and --with-args go with --this-host")
        return None
    from qasino_cli.this_host import TABLES

    names = list(TABLES) if only is None else [name.strip() for name in only.split(",")]
    for name in names:
        if name not in TABLES:
            raise UsageFault(f"--only: {shown(name)} is not one of {', '.join(TABLES)}")
        if names.count(name) > 1:
            raise UsageFault(f"--only: {name} is named twice")
    return ThisHost(names, with_args)


def choose_source(
    paths: Sequence[str],
    command: str | None,
    this_host: ThisHost | None,
    wishes: Wishes,
    again: bool,
) -> Source:
    """The one that is meant; `again` is whether it is read more than once. Raises UsageFault."""
    if (command is not None) + bool(paths) + (this_host is not None) > 1:
        raise UsageFault("FILEs, --run and --this-host are three ways; give one of them")
    if this_host is not None:
        this_host.check(wishes)
        return this_host
    if command is not None:
        return Output(command)
    return Files(choose_paths(paths, wishes.tablename, again))


def gathering(
    source: Source,
    wishes: Wishes,
    read: Callable[[str], bytes],
    limit_s: Callable[[], float | None],
) -> Gather:
    """What reads all of a source each time it is called: files by `read`, a command within
    the limit."""
    if isinstance(source, ThisHost):
        return partial(_host_tables, source, wishes)
    if isinstance(source, Output):
        return partial(run_command, source.command, wishes, limit_s)
    return partial(read_all, source.paths, wishes, read)


def _host_tables(source: ThisHost, wishes: Wishes) -> list[Prepared]:
    from qasino_cli.identity import default_identity
    from qasino_cli.this_host import this_hosts_tables

    identity = wishes.identity or default_identity()
    found = this_hosts_tables(identity, source.names, source.with_args)
    name = "this host"
    return without_twins([Prepared(name, *wishes.laid_over(name, one)) for one in found])
