"""Publications as a port hands them in, read from the JSON that somebody would send, and what it
gets of a stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import wire

from qasino_server.message import Publish, decode_request
from qasino_server.table import Publication


def publication(
    identity: str,
    table: str,
    columns: str,
    rows: Any,
    descriptions: Sequence[str] = (),
    **flags: Any,
) -> Publication:
    """`columns` are written "a int, b text". Raises QasinoError where it cannot be read."""
    names, types = zip(*(column.split() for column in columns.split(",")), strict=True)
    body = wire.publication(identity, table, names, types, [], **flags)
    body["table"]["rows"] = rows  # whatever they are
    if descriptions:
        body["table"]["column_descriptions"] = list(descriptions)
    request = decode_request(json.dumps(body).encode(), "add_table_data")
    assert isinstance(request, Publish)
    return request.publication


class Written:
    """A sink that keeps what is streamed."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def begin(self, media_type: str) -> None:
        self._chunks.clear()

    def write(self, chunk: bytes, deadline: float) -> None:
        self._chunks.append(chunk)

    def stop(self) -> None:
        pass

    def text(self) -> bytes:
        return b"".join(self._chunks)
