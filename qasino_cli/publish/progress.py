"""A long input is read with a bar on stderr, where somebody sees it."""

from __future__ import annotations

import os
import sys

from qasino_cli import terminal
from qasino_cli.errors import InputRejected
from qasino_cli.readers import STDIN, read_file, shown_path

WORTH_A_BAR_BYTES = 8 << 20
_CHUNK = 1 << 20


def read_with_bar(path: str) -> bytes:
    """All bytes of an input. Raises InputRejected."""
    if not sys.stderr.isatty() or terminal.dumb():
        return read_file(path)
    size_bytes = _size(path)
    if size_bytes is not None and size_bytes < WORTH_A_BAR_BYTES:
        return read_file(path)
    try:
        return _read(path, size_bytes)
    except OSError as error:
        raise InputRejected(f"{shown_path(path)}: {error.strerror}") from None


def _size(path: str) -> int | None:
    """How much there is to read; None for a pipe."""
    if path == STDIN:
        return None
    try:
        return os.stat(path).st_size
    except OSError:
        return 0  # reading it says why


def _read(path: str, size_bytes: int | None) -> bytes:
    """Read in pieces; the bar appears with the second megabyte, and is gone at the end."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    console = Console(file=sys.stderr, no_color=not terminal.coloured(sys.stderr))
    parts: list[bytes] = []
    with (
        open(0 if path == STDIN else path, "rb", closefd=path != STDIN) as file,
        Progress(*columns, console=console, transient=True) as bar,
    ):
        task = bar.add_task("reading", total=size_bytes, visible=False)
        while part := file.read(_CHUNK):
            parts.append(part)
            bar.update(task, advance=len(part), visible=len(parts) > 1)
    return b"".join(parts)
