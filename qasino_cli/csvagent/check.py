"""`--check` and `--once`: everything read as it is now, shown or sent, and an exit code."""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Sequence

from qasino_cli import terminal
from qasino_cli.client import Client, open_client
from qasino_cli.connection import Connection
from qasino_cli.console import ExitCode, counted, on_terminal, say, write
from qasino_cli.csvagent.catalogue import Catalogue
from qasino_cli.csvagent.report import FileRow, notes_of, own_tables, rows_of
from qasino_cli.csvagent.table_file import BROKEN, MISSING, OK, REFUSED, TableFile
from qasino_cli.errors import ServerRefused
from qasino_cli.outgoing import encode_publication
from qasino_server.render import TsvStream, visible

_HEADINGS = ("path", "table", "state", "rows", "line", "error")
_STYLES = {OK: "green", BROKEN: "bold red", MISSING: "bold red", REFUSED: "bold red"}


def check(catalogue: Catalogue, max_age_s: float | None) -> ExitCode:
    """Read and parse everything and print what came of it; INPUT if anything is amiss."""
    catalogue.look(math.inf, hasty=True)
    rows = rows_of(catalogue, max_age_s)
    _print(rows)
    for line in (*notes_of(catalogue), _summary(rows)):
        say(line)
    return _code(catalogue, rows)


def once(
    catalogue: Catalogue, identity: str, max_age_s: float | None, connection: Connection
) -> ExitCode:
    """Read everything and send it one time. Raises Unreachable.

    A table the server refuses counts before a file that could not be read.
    """
    catalogue.look(math.inf, hasty=True)
    client = open_client(connection)
    sent_as: list[str] = []
    unsaid: list[str] = []
    try:
        for table in catalogue.tables:
            if table.parcel is not None and table.sendable(max_age_s) and _send(table, client):
                sent_as.append(table.parcel.identity)
        rows = rows_of(catalogue, max_age_s)
        for publication in own_tables(identity, rows, len(sent_as)):
            refusal = _refusal(client, encode_publication(publication))
            if refusal is not None:
                unsaid.append(f"{publication.tablename}: {REFUSED}: {refusal}")
    finally:
        client.close()
    for row in rows:
        if row.state != OK:
            say(_line(row))
    for line in (*unsaid, *notes_of(catalogue)):
        say(line)
    who = _together(sent_as or [identity])
    say(f"published {counted(len(sent_as), 'table')} as {who} to {connection.url}")
    refused = bool(unsaid) or any(row.state == REFUSED for row in rows)
    return ExitCode.REFUSED if refused else _code(catalogue, rows)


def _send(table: TableFile, client: Client) -> bool:
    """Send one; whether the server took it."""
    assert table.parcel is not None
    refusal = _refusal(client, table.parcel.message)
    if refusal is not None:
        table.refusal = refusal
        return False
    table.published_at = time.time()
    return True


def _refusal(client: Client, message: bytes) -> str | None:
    """Send it; why the server did not take it."""
    try:
        client.publish(message)
    except ServerRefused as error:
        return error.sentence
    return None


def _together(identities: Sequence[str]) -> str:
    """Who reported, in a word: a file may speak for somebody else."""
    number = len(set(identities))
    return identities[0] if number == 1 else f"{number} identities"


def _code(catalogue: Catalogue, rows: Sequence[FileRow]) -> ExitCode:
    bad = any(row.state in (BROKEN, MISSING) for row in rows)
    return ExitCode.INPUT if bad or catalogue.not_found else ExitCode.OK


def _summary(rows: Sequence[FileRow]) -> str:
    counts = Counter(row.state for row in rows)
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{counted(len(rows), 'file')}: {states}" if rows else "no file is named"


def _line(row: FileRow) -> str:
    return f"{row.place}: {row.state}: {row.error}"


def _print(rows: Sequence[FileRow]) -> None:
    """A drawn table for eyes, tab-separated lines for programs."""
    cells = [(r.path, r.table, r.state, r.rows, r.error_line, r.error) for r in rows]
    if not on_terminal():
        stream = TsvStream()
        write(stream.head(_HEADINGS) + stream.rows(cells))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    styles = _STYLES if terminal.coloured(sys.stdout) else {}
    drawn = Table(box=None, pad_edge=False, header_style="bold" if styles else "")
    for heading in _HEADINGS:
        right = heading in ("rows", "line")
        drawn.add_column(heading, justify="right" if right else "left", overflow="fold")
    for row in cells:
        texts = ["" if cell is None else visible(str(cell)) for cell in row]
        drawn.add_row(*(Text(text, style=styles.get(text, "")) for text in texts))
    console = Console(highlight=False)
    with console.capture() as captured:  # its own way to stdout takes the locale's encoding
        console.print(drawn)
    write(captured.get())
