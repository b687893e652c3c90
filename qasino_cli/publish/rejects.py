"""The rows that were passed over, in a file of their own."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from qasino_cli.errors import UsageFault
from qasino_cli.readers import STDIN
from qasino_cli.readers.draft import Reject, legible

Rejected = tuple[str, Sequence[Reject]]
"""An input, as a sentence names it, and the rows of it that were passed over."""


def check_rejects_path(path: Path, inputs: Sequence[str]) -> None:
    """Raise UsageFault where writing the rejects would destroy an input."""
    for given in inputs:
        with contextlib.suppress(OSError):
            there = os.fstat(sys.stdin.fileno()) if given == STDIN else os.stat(given)
            if not stat.S_ISCHR(there.st_mode) and os.path.samestat(os.stat(path), there):
                raise UsageFault(f"--rejects: {path} is an input; name another file")


def write_rejects(path: Path, rejected: Sequence[Rejected]) -> None:
    """Write the rows that were passed over, as CSV, or NDJSON by the name of the file.

    Raises UsageFault.
    """
    rows = [
        (legible(name), reject.line, reject.column, reject.reason, reject.raw)
        for name, rejects in rejected
        for reject in rejects
    ]
    write = _write_ndjson if path.suffix.lower() in (".ndjson", ".jsonl") else _write_csv
    try:
        write(path, rows)
    except OSError as error:
        raise UsageFault(f"--rejects: {path}: {error.strerror}") from None


_Row = tuple[str, int, int | None, str, str]
_KEYS = ("file", "line", "column", "reason", "raw")


def _write_csv(path: Path, rows: Sequence[_Row]) -> None:
    import csv

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_KEYS)
        writer.writerows(rows)


def _write_ndjson(path: Path, rows: Sequence[_Row]) -> None:
    lines = [msgspec.json.encode(dict(zip(_KEYS, row, strict=True))) for row in rows]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
