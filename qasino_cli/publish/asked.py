"""The options of `qasino publish` that say what a table is and becomes, and the wishes they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qasino_cli import options
from qasino_cli.errors import UsageFault
from qasino_cli.publish.wishes import Wishes
from qasino_cli.readers import FORMS
from qasino_cli.readers.infer import check_type
from qasino_server.errors import BadRequest
from qasino_server.publication_rules import MAX_TTL_S
from qasino_server.table import check_columns, shown


def asked(
    identity: Annotated[
        str | None, options.identity("Who reports.", "the input's, else the host's name")
    ] = None,
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
    header: Annotated[
        str | None,
        typer.Option(
            "--header", metavar="A,B", help="Names of the columns, where no line has them."
        ),
    ] = None,
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
        typer.Option(
            "-S",
            "--static",
            help="Keep the table on the server's disk: visible at once, and until it is dropped.",
        ),
    ] = False,
    ttl: Annotated[
        float | None,
        options.duration(
            "--ttl",
            help=f"Carry the rows for so long, at most {MAX_TTL_S // 86400}d; 90, 90s, 5m.",
            most_s=MAX_TTL_S,
        ),
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
) -> Wishes:
    """typer reads these as if they were the command's own. Raises UsageFault."""
    return Wishes(
        identity=identity,
        tablename=table,
        form=data_format,
        types=read_types(types or []),
        strict_names=strict_names,
        skip_bad_rows=read_on_error(on_error, rejects is not None),
        skip_lines=skip_lines,
        header=() if header is None else read_header(header),
        persist=persist,
        static=static,
        update=update,
        keycols=None if keycols is None else options.in_utf8("--keycols", keycols),
        ttl_s=ttl,
        add_identity_column=add_identity_column,
        rejects=rejects,
        replace=replace,
    )


def read_types(given: list[str]) -> dict[str, str]:
    """`col=type,col=type`, several times -> column -> type. Raises UsageFault."""
    found: dict[str, str] = {}
    for pair in (pair for text in given for pair in text.split(",")):
        column, equals, kind = (part.strip() for part in pair.rpartition("="))
        if not equals or not column:
            raise UsageFault(f"--types: {shown(pair)} is not column=type")
        try:
            check_type("a", kind)
        except BadRequest:
            raise UsageFault(
                f"--types: {shown(kind)} is not a type; there are text, integer and real"
            ) from None
        found[column] = kind
    return found


def read_header(text: str) -> tuple[str, ...]:
    """`a,b` -> names of columns. Raises UsageFault."""
    names = tuple(name.strip() for name in text.split(","))
    try:
        check_columns(names, ("text",) * len(names))
    except BadRequest as error:
        raise UsageFault(f"--header: {error.sentence.removeprefix('table.')}") from None
    return names


def read_on_error(wish: str, rejects: bool) -> bool:
    """Whether bad rows are passed over; `rejects` is whether they are to be kept.

    Raises UsageFault.
    """
    if wish not in ("abort", "skip"):
        raise UsageFault(f"--on-error: {shown(wish)} is not abort or skip")
    if rejects and wish != "skip":
        raise UsageFault("--rejects keeps the rows that --on-error skip passes over; give both")
    return wish == "skip"
