"""The rows of a publication, as text: cut out of its request read, or unread.

To pass over them, which shows that they are JSON and where they end, is a tenth of what a
publication of 1000 rows costs, and they are read once more to be stored. So the request is read
with a number in their place that nobody outside knows, from behind their key to the last bracket:
where the rows are that number, it is JSON exactly if what was cut out is one value, which reading
that to store it tells. Nothing else was cut out with it where no colon was, as each key has one.
Where it cannot be told so, and for each sentence about what is wrong, the request is read as a
whole.
"""

from __future__ import annotations

import os
import re

import msgspec

from qasino_server.errors import BadRequest
from qasino_server.request_body import (
    NOTHING,
    UNREADABLE,
    Body,
    decode_utf8,
    read_body,
    unreadable,
)

LEAST_BYTES = 4096
"""Of a request that is worth cutting."""
MOST_BYTES = 262_144
"""Of one that is cut: the rows of longer ones SQLite reads, which takes for JSON what is not."""

_MOST_AROUND = 8
"""What stands around the rows is an eighth of the request at most: it waits with them, and is not
counted."""

_STAND_IN = b"%d" % (1 << 62 | int.from_bytes(os.urandom(7)))
_KEY = re.compile(rb'"rows":[ \t\r\n]*(?=\[)')


class UnreadRows(str):
    """The text of what should be rows, and what stood around it."""

    __slots__ = ("_after", "_before")

    _before: bytes
    _after: bytes

    @classmethod
    def cut(cls, body: bytes, begins: int, ends: int) -> UnreadRows:
        """Those of this body. Raises UnicodeDecodeError."""
        rows = cls(body[begins:ends], "utf-8")
        rows._before, rows._after = body[:begins], body[ends:]
        return rows

    def read(self) -> str:
        """The rows of the request, read as a whole. Raises BadRequest where it cannot be."""
        body = b"%b%b%b" % (self._before, self.encode(), self._after)
        try:
            table = read_body(body).table
        except UNREADABLE as error:
            raise unreadable(body, error) from None
        return rows_text(NOTHING if table is None else table.rows)


def rows_text(rows: msgspec.Raw) -> str:
    """The text of rows that were read. Raises BadRequest where they cannot be rows."""
    text = decode_utf8(rows, "table.rows")
    if text.startswith("["):
        return text
    if not text:
        raise BadRequest("table.rows is missing")
    raise BadRequest("table.rows must be a JSON array of rows, each an array of cells")


def read_but_rows(body: bytes) -> tuple[Body, UnreadRows] | None:
    """What a request says beside its rows, and those.

    None where it is to be read as a whole, which is also where anything is wrong with it.
    """
    if len(body) > MOST_BYTES:
        return None
    key = _KEY.search(body)
    ends = body.rfind(b"]") + 1
    if key is None or len(body) - (ends - key.end()) > len(body) // _MOST_AROUND:
        return None
    begins = key.end()
    if body.find(b":", begins, ends) >= 0:
        return None  # of a key perhaps, behind the rows, that says something of them
    try:
        fields = read_body(b"%b%b%b" % (body[:begins], _STAND_IN, body[ends:]))
        if fields.table is None or bytes(fields.table.rows) != _STAND_IN:
            return None
        return fields, UnreadRows.cut(body, begins, ends)
    except UNREADABLE:
        return None
