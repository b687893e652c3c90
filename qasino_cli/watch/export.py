"""The rows, or the screen, to where somebody wants them: a file, the terminal's clipboard."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

from qasino_cli.console import counted
from qasino_cli.watch.frame import CUT
from qasino_cli.watch.view import View
from qasino_cli.whole_file import write_whole
from qasino_server.render import stream_for

COPIED_BYTES = 74_994
"""More makes a sequence of more than 100,000 bytes, which terminals drop."""
_HAVE_ALL = ".csv, .tsv or .ndjson has all rows"


def written(view: View, path: str, drawn: str) -> str:
    """Write the rows to a file, by its name as CSV, TSV or NDJSON, else the screen as it is seen;
    what came of it. What is said of the screen tells that there is more, and how to have it.
    """
    rows = _rows_as(Path(path).suffix.removeprefix("."), view)
    try:
        write_whole(path, drawn if rows is None else rows)
    except OSError as error:
        return f"{path}: {error.strerror}"
    except (RuntimeError, ValueError) as error:  # nobody of that name; what no name may have
        return f"{path}: {error}"
    said = f"the screen is written to {path}; {_HAVE_ALL}" if rows is None else f"written to {path}"
    return said + _cut(view)


def copied(view: View) -> tuple[str, str]:
    """What has the terminal put the rows into its clipboard, as TSV (OSC 52: over ssh too, where
    somebody sits), '' where it would not; and what to say of it."""
    text = _rows_as("tsv", view) or ""
    body = text.encode(errors="replace")
    if len(body) > COPIED_BYTES:
        return "", f"more than the {COPIED_BYTES:,} bytes that a terminal takes; w writes a file"
    rows = counted(text.count("\n") - 1, "row")
    said = f"{rows} copied, where the terminal allows that"
    return f"\x1b]52;c;{b64encode(body).decode()}\a", said + _cut(view)


def _rows_as(form: str, view: View) -> str | None:
    """The rows that are there, all their columns; None for no format of rows."""
    stream = stream_for(form)
    if stream is None:
        return None
    rows = [row.cells for row in view.rows() if row.status != "gone"]
    return stream.head(view.picture.names) + stream.rows(rows)


def _cut(view: View) -> str:
    return f"; {CUT}" if view.picture.truncated else ""
