"""Prepared tables to a server, and a line on stderr for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qasino_cli.client import Client, open_client
from qasino_cli.connection import Connection
from qasino_cli.console import counted, say
from qasino_cli.errors import UsageFault
from qasino_cli.outgoing import encode_publication
from qasino_cli.publish.inputs import Prepared
from qasino_cli.publish.wishes import as_usage
from qasino_server.table import Receipt, check_identity, check_tablename


def send(client: Client, prepared: Sequence[Prepared]) -> Iterator[str]:
    """Send one after the other; what is to be said of each. Raises what the client raises."""
    for one in prepared:
        receipt = client.publish(encode_publication(one.publication))
        yield receipt_line(one, receipt)


def receipt_line(one: Prepared, receipt: Receipt) -> str:
    """What became of a publication, in a sentence."""
    publication = one.publication
    remark = f" ({receipt.message})" if receipt.message else ""
    if one.nr_rejects:
        remark += f" ({counted(one.nr_rejects, 'bad row')} skipped)"
    if not receipt.applied:
        return f"not applied: {publication.tablename} as {publication.identity}{remark}"
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
    as_usage("--drop", check_tablename, tablename)
    if identity is not None:
        as_usage("-I", check_identity, identity)
    client = open_client(connection)
    try:
        remark = client.drop(tablename, identity)
    finally:
        client.close()
    say(remark or f"dropped {tablename}")
