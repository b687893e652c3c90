"""Prepared tables to a server, and what is to be said of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qasino_cli.client import Client, open_client
from qasino_cli.connection import Connection
from qasino_cli.console import counted
from qasino_cli.errors import ServerRefused, Unreachable, as_usage
from qasino_cli.outgoing import SURELY_TAKEN_BYTES, USUAL_MAX_BODY_BYTES
from qasino_cli.publish.inputs import Prepared
from qasino_cli.readers.draft import PARTS_REMEDY
from qasino_server.table import Receipt, check_identity, check_tablename


def send(client: Client, prepared: Sequence[Prepared]) -> Iterator[tuple[Prepared, Receipt]]:
    """Send one after the other. Raises what the client raises.

    What the server refuses keeps nothing else away and is raised at the end, or with its absence
    where it is gone before that. The largest go first: of what a server refuses for its size
    nothing else is sent.
    """
    refusals: list[ServerRefused] = []
    for one in sorted(prepared, key=lambda one: too_large(one) is None):
        try:
            receipt = client.publish(one.message)
        except ServerRefused as error:
            if too_large(one) is not None:
                raise
            refusals.append(error)
        except Unreachable as error:
            raise type(error)("\n".join([*_sentences(refusals), error.sentence])) from None
        else:
            yield one, receipt
    if refusals:
        raise _together(refusals)


def _together(refusals: Sequence[ServerRefused]) -> ServerRefused:
    """All of them as one."""
    sentences = _sentences(refusals)
    return refusals[0] if len(sentences) == 1 else ServerRefused("\n".join(sentences))


def _sentences(refusals: Sequence[ServerRefused]) -> list[str]:
    """What was said of each, once."""
    return list(dict.fromkeys(error.sentence for error in refusals))


def too_large(one: Prepared) -> str | None:
    """What to say of a message that a server takes only if it was told to; None if it is none.

    A table goes in one message, since its rows replace those of the message before.
    """
    if len(one.message) <= SURELY_TAKEN_BYTES:
        return None
    if len(one.message) <= USUAL_MAX_BODY_BYTES:
        return None
    return (
        f"{one.name}: the table {one.publication.tablename} makes a message of"
        f" {len(one.message) / (1 << 20):.1f} MiB; a server takes {USUAL_MAX_BODY_BYTES >> 20} MiB"
        f" unless its --max-body says more; {PARTS_REMEDY}"
    )


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


def drop_table(connection: Connection, tablename: str, identity: str | None) -> str:
    """End a static or persistent table, of one identity or of all; what became of it."""
    as_usage("--drop", check_tablename, tablename)
    if identity is not None:
        as_usage("-I", check_identity, identity)
    client = open_client(connection)
    try:
        remark = client.drop(tablename, identity)
    finally:
        client.close()
    return remark or f"dropped {tablename}"
