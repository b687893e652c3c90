"""`--check` and `--once`: everything read as it is now, shown or sent, and an exit code."""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

from qasino_cli import terminal
from qasino_cli.client import Client, open_client
from qasino_cli.connection import Connection
from qasino_cli.console import ExitCode, counted, on_terminal, say, write
from qasino_cli.csvagent.catalogue import Catalogue
from qasino_cli.csvagent.report import FileRow, info_table, notes_of, own_tables, rows_of
from qasino_cli.csvagent.table_file import (
    BROKEN,
    MISSING,
    OK,
    REFUSED,
    UNANSWERED,
    TableFile,
)
from qasino_cli.errors import ServerRefused, Unanswered, Unreachable
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

    What gets no answer although the server answers another message keeps nothing else away. It
    counts before a table the server refuses, and that before a file that could not be read.
    """
    catalogue.look(math.inf, hasty=True)
    client = open_client(connection)
    sent_as: list[str] = []
    unsaid: list[str] = []
    states: set[str] = set()

    def small_message() -> bytes:
        rows = rows_of(catalogue, max_age_s)
        return encode_publication(info_table(identity, rows, len(sent_as)))

    def send(message: bytes) -> ServerRefused | Unanswered | None:
        return _send(client, message, small_message)

    try:
        for table in catalogue.tables:
            if table.parcel is not None and table.sendable(max_age_s):
                error = send(table.parcel.message)
                _note(table, error)
                if error is None:
                    sent_as.append(table.parcel.identity)
        rows = rows_of(catalogue, max_age_s)
        states.update(row.state for row in rows)
        for publication in own_tables(identity, rows, len(sent_as)):
            error = send(encode_publication(publication))
            if error is not None:
                states.add(_state(error))
                unsaid.append(f"{publication.tablename}: {_state(error)}: {error.sentence}")
    finally:
        client.close()
    for row in rows:
        if row.state != OK:
            say(_line(row))
    for line in (*unsaid, *notes_of(catalogue)):
        say(line)
    who = _together(sent_as or [identity])
    say(f"published {counted(len(sent_as), 'table')} as {who} to {connection.url}")
    if UNANSWERED in states:
        return ExitCode.UNREACHABLE
    return ExitCode.REFUSED if REFUSED in states else _code(catalogue, rows)


def _note(table: TableFile, error: ServerRefused | Unanswered | None) -> None:
    """What came of its publication."""
    if error is None:
        table.published_at = time.time()
    else:
        table.refusal, table.unanswered = error.sentence, _state(error) == UNANSWERED


def _state(error: ServerRefused | Unanswered) -> str:
    return UNANSWERED if isinstance(error, Unanswered) else REFUSED


def _send(
    client: Client, message: bytes, small: Callable[[], bytes]
) -> ServerRefused | Unanswered | None:
    """Send it; why the server did not take it. Raises Unreachable, which is also a server that
    does not answer the small message after this one either: none of the others would be."""
    try:
        client.publish(message)
    except ServerRefused as error:
        return error
    except Unanswered as error:
        if not _answers(client, small()):
            raise
        return error
    return None


def _answers(client: Client, message: bytes) -> bool:
    try:
        client.publish(message)
    except ServerRefused:
        return True
    except Unreachable:
        return False
    return True


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
