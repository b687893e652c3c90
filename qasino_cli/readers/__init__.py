"""What people want to publish, in whatever form they have it -> publications.

Which form it is shows in its first character, unless the caller says. Every error becomes an
InputRejected that begins with the name of the file, as compilers do: `FILE: where: reason`.
"""

from __future__ import annotations

import sys

from qasino_cli.errors import InputRejected
from qasino_cli.readers.json_table import read_json_table
from qasino_server.csv_table import read_csv_table
from qasino_server.errors import BadRequest
from qasino_server.table import Publication

STDIN = "-"
FORMATS = ("csv", "json")


def read_file(path: str) -> bytes:
    """All bytes of a file, of standard input where the path is `-`. Raises InputRejected."""
    try:
        if path == STDIN:
            return sys.stdin.buffer.read()
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise InputRejected(f"{shown_path(path)}: {error.strerror}") from None


def shown_path(path: str) -> str:
    """The file as a sentence names it."""
    return "standard input" if path == STDIN else path


def read_table(
    path: str, body: bytes, identity: str | None = None, data_format: str | None = None
) -> Publication:
    """The publication a file holds; `identity` serves where the file names none.

    `data_format` is csv or json, None to tell by the content. Raises InputRejected.
    """
    if not body.strip():
        raise InputRejected(f"{shown_path(path)}: there is nothing in it")
    form = data_format or sniffed_format(body)
    read = read_json_table if form == "json" else read_csv_table
    try:
        return read(body, identity)
    except BadRequest as error:
        raise InputRejected(f"{shown_path(path)}: {error.sentence}") from None


def sniffed_format(body: bytes) -> str:
    """json where the first character opens a JSON object or array, else csv.

    A Qasino CSV table begins with its version number, so nothing is both.
    """
    start = body[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()
    return "json" if start.startswith((b"{", b"[")) else "csv"
