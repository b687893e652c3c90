"""What is sent, as bytes that are made beforehand: clients should cost nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

Bodies = Iterator[bytes]

MARK = "00000000"
"""Where a number of eight digits goes."""
_MARK = MARK.encode()
_KINDS = (("id", "int"), ("name", "text"), ("value", "real"), ("state", "text"), ("n", "int"))
_CELLS: tuple[Callable[[int], Any], ...] = (
    lambda r: r,
    lambda r: f"name-{r}",
    lambda r: r * 1.25,
    lambda r: "ok",
    lambda r: 7,
)


class Template:
    """Bytes with a place in them where a number of eight digits goes."""

    def __init__(self, text: bytes) -> None:
        self.before, _, self.after = text.partition(_MARK)

    def __call__(self, number: int) -> bytes:
        return b"%b%08d%b" % (self.before, number, self.after)

    @property
    def text(self) -> bytes:
        """With zeros in the place."""
        return self.before + _MARK + self.after


def table_name(rows: int, columns: int) -> str:
    """What the table is called."""
    return f"bench_{rows}_{columns}"


def table(rows: int, columns: int, name: str = "", **flags: Any) -> Template:
    """A publication of such a table, from an identity that is a number."""
    body = {
        "op": "add_table_data",
        "identity": _MARK.decode(),
        "table": {
            "tablename": name or table_name(rows, columns),
            "column_names": [f"{_KINDS[c % 5][0]}{c}" for c in range(columns)],
            "column_types": [_KINDS[c % 5][1] for c in range(columns)],
            "rows": [[_CELLS[c % 5](r) for c in range(columns)] for r in range(rows)],
        },
        **flags,
    }
    return Template(json.dumps(body).encode())


def http_post(op: str, body: bytes) -> bytes:
    """The bytes of a request."""
    head = f"POST /request?op={op} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def wired(template: Template, kind: str) -> Template:
    """A publication as it goes out over http or zmq."""
    if kind == "zmq":
        return template
    return Template(http_post("add_table_data", template.text))


def publications(template: Template, kind: str, numbers: Iterator[int]) -> Bodies:
    """A publication for each number, from the identity of that number."""
    return map(wired(template, kind), numbers)


def query(sql: str, kind: str, **keys: Any) -> bytes:
    """A query as it goes out."""
    body = json.dumps({"op": "query", "sql": sql, **keys}).encode()
    return http_post("query", body) if kind == "http" else body


def queries(sql: str, kind: str, **keys: Any) -> Bodies:
    """The same query for ever."""
    request = query(sql, kind, **keys)
    while True:
        yield request
