"""`qasino publish`: tables from files or standard input, to a server.

Everything is read and checked before the first table is sent, so that a bad file among
several leaves no half of them behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
import typer

from qasino_cli import options
from qasino_cli.client import Client, open_client
from qasino_cli.connection import Connection
from qasino_cli.console import counted, say, typed_in
from qasino_cli.errors import InputRejected, UsageFault
from qasino_cli.identity import default_identity
from qasino_cli.outgoing import encode_publication
from qasino_cli.readers import FORMATS, STDIN, read_file, read_table, shown_path
from qasino_server.errors import BadRequest
from qasino_server.message import Publish, decode_request
from qasino_server.table import Publication, Receipt, check_identity, check_tablename, shown


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says about every table it sends; None and False leave the input's."""

    identity: str | None = None
    tablename: str | None = None
    persist: bool = False
    static: bool = False
    update: bool = False
    keycols: str | None = None
    ttl_s: float | None = None
    replace: bool = True
    """The newest rows of an identity count, not the first of the generation."""


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
            "-d", "--data-format", metavar="csv|json", help="[default: told by the content]"
        ),
    ] = None,
    persist: Annotated[
        bool,
        typer.Option("-P", "--persist", help="Carry the rows into each next generation."),
    ] = False,
    static: Annotated[
        bool,
        typer.Option("-S", "--static", help="Keep the table on the server's disk, at once."),
    ] = False,
    ttl: Annotated[
        float | None,
        typer.Option("--ttl", metavar="SECONDS", help="Carry the rows for so many seconds."),
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
    drop: Annotated[
        str | None,
        typer.Option("--drop", metavar="TABLE", help="End a static or persistent table instead."),
    ] = None,
    filename: Annotated[
        str | None, typer.Option("-f", "--filename", metavar="FILE", hidden=True)
    ] = None,
) -> None:
    """Publish tables: Qasino CSV or JSON files, or standard input.

    A table is visible to queries when the present generation ends, a static one at once. A
    JSON file holds a table (tablename, column_names, column_types, rows) or a whole message.

    \b
    Examples:
      qasino publish mytable.csv
      cat table.json | qasino publish -s http://stats:15597 -I web-01 -
      qasino publish --static racks.csv
      qasino publish --drop racks
    """
    paths = [*(files or []), *([filename] if filename else [])]
    if drop is not None:
        drop_table(connection, drop, identity, paths)
        return
    wishes = Wishes(
        identity=_check_option_identity(identity),
        tablename=table,
        persist=persist,
        static=static,
        update=update,
        keycols=keycols,
        ttl_s=ttl,
        replace=replace,
    )
    _check_wishes(wishes, data_format)
    send_all(connection, read_all(choose_paths(paths, table), wishes, data_format))


def choose_paths(paths: Sequence[str], tablename: str | None) -> Sequence[str]:
    """The files to read; standard input where none is named and nobody would have to type it."""
    if not paths and typed_in():
        raise UsageFault("name a FILE to publish, or pipe one in; qasino publish --help has more")
    if len(paths) > 1 and tablename is not None:
        raise UsageFault(f"--table names one table, but {len(paths)} files are given")
    if list(paths).count(STDIN) > 1:
        raise UsageFault("standard input (-) can be read once")
    return paths or [STDIN]


def _check_wishes(wishes: Wishes, data_format: str | None) -> None:
    if data_format is not None and data_format not in FORMATS:
        raise UsageFault(f"--data-format: {shown(data_format)} is not one of {', '.join(FORMATS)}")
    if wishes.static and (wishes.persist or wishes.update or wishes.ttl_s is not None):
        raise UsageFault("--static goes with none of --persist, --update and --ttl")
    if wishes.ttl_s is not None and wishes.ttl_s <= 0:
        raise UsageFault(f"--ttl: {wishes.ttl_s:g} is not a number of seconds above 0")
    if wishes.tablename is not None:
        _as_usage("--table", check_tablename, wishes.tablename)


def _check_option_identity(identity: str | None) -> str | None:
    return None if identity is None else _as_usage("-I", check_identity, identity)


def _as_usage(option: str, check: Callable[[object], str], value: str) -> str:
    """A rule of the server's on the value of an option: a breach is a usage error."""
    try:
        return check(value)
    except BadRequest as error:
        reason = error.sentence.removeprefix("table.tablename: ")
        raise UsageFault(f"{option}: {reason}") from None


def read_all(
    paths: Sequence[str], wishes: Wishes, data_format: str | None = None
) -> list[Publication]:
    """Every file as the publication it is to be sent as. Raises InputRejected at the first bad."""
    return [read_one(path, read_file(path), wishes, data_format) for path in paths]


def read_one(path: str, body: bytes, wishes: Wishes, data_format: str | None) -> Publication:
    """One file's publication, with the wishes of the command line laid over it."""
    found = read_table(path, body, default_identity(), data_format)
    wanted = msgspec.structs.replace(
        found,
        identity=wishes.identity or found.identity,
        tablename=wishes.tablename or found.tablename,
        persist=wishes.persist or found.persist,
        static=wishes.static or found.static,
        update=wishes.update or found.update,
        keycols=tuple(wishes.keycols.split(";")) if wishes.keycols else found.keycols,
        ttl_s=found.ttl_s if wishes.ttl_s is None else wishes.ttl_s,
        replace=wishes.replace and not (wishes.update or found.update),
    )
    if wishes.keycols and not wanted.update:
        raise UsageFault("--keycols says which rows to change; it goes with --update")
    return _checked(path, wanted)


def _checked(path: str, publication: Publication) -> Publication:
    """The publication, once the server's rules hold for file and options together."""
    try:
        request = decode_request(encode_publication(publication))
    except BadRequest as error:
        raise InputRejected(f"{shown_path(path)}: {error.sentence}") from None
    assert isinstance(request, Publish)
    return request.publication


def send_all(connection: Connection, publications: Sequence[Publication]) -> None:
    """Send one after the other, a line on stderr for each. Raises what the client raises."""
    client = open_client(connection)
    try:
        for publication in publications:
            say(receipt_line(publication, client.publish(encode_publication(publication))))
    finally:
        client.close()


def receipt_line(publication: Publication, receipt: Receipt) -> str:
    """What became of a publication, in a sentence."""
    remark = f" ({receipt.message})" if receipt.message else ""
    where = f"{publication.tablename} as {publication.identity}"
    if not receipt.applied:
        return f"not applied: {where}{remark}"
    visible = "at once" if publication.static else "in the next generation"
    rows = counted(receipt.nr_rows, "row")
    return (
        f"published {publication.tablename}: {rows} as {publication.identity},"
        f" visible {visible}{remark}"
    )


def drop_table(
    connection: Connection, tablename: str, identity: str | None, paths: Sequence[str]
) -> None:
    """End a static or persistent table, of one identity or of all."""
    if paths:
        raise UsageFault("--drop ends a table and publishes none; leave the FILE away")
    _as_usage("--drop", check_tablename, tablename)
    client: Client = open_client(connection)
    try:
        remark = client.drop(tablename, _check_option_identity(identity))
    finally:
        client.close()
    say(remark or f"dropped {tablename}")
