"""The requests a client sends: values -> bytes. No sockets."""

from __future__ import annotations

from typing import Any

import msgspec

from qasino_server.message import Query
from qasino_server.table import Publication, check_columns

USUAL_MAX_BODY_BYTES = 64 << 20
"""A server's --max-body unless it was told another."""
SURELY_TAKEN_BYTES = 1 << 20
"""A server with a lower one would be odd."""


def encode_query(query: Query) -> bytes:
    """A `query` message; keys at their defaults are left out, as the ancestor's clients do."""
    message: dict[str, Any] = {"op": "query", "sql": query.sql}
    if query.typed:
        message["typed"] = True
    if query.query_id is not None:
        message["query_id"] = query.query_id
    if query.use_write_db:
        message["use_write_db"] = True
    return msgspec.json.encode(message)


def encode_publication(publication: Publication) -> bytes:
    """An `add_table_data` message; the rows go as the JSON text they are."""
    message: dict[str, Any] = {
        "op": "add_table_data",
        "identity": publication.identity,
        "table": _table(publication),
    }
    for flag in ("persist", "static", "update", "replace"):
        if getattr(publication, flag):
            message[flag] = 1
    if publication.keycols:
        message["keycols"] = ";".join(publication.keycols)
    if publication.ttl_s is not None:
        message["ttl_s"] = publication.ttl_s
    return msgspec.json.encode(message)


def with_identity_column(publication: Publication) -> Publication:
    """The same with a column `identity`, first, in every row; as it is where it has one."""
    if any(column.key == "identity" for column in publication.columns):
        return publication
    cell = msgspec.json.encode(publication.identity)
    rows = msgspec.json.decode(publication.rows_json, type=list[msgspec.Raw])
    parts = [b"[" + cell + (b"]" if row == b"[]" else b"," + bytes(row)[1:]) for row in rows]
    columns = check_columns(
        ("identity", *(column.name for column in publication.columns)),
        ("text", *(column.type for column in publication.columns)),
    )
    return msgspec.structs.replace(
        publication,
        columns=columns,
        rows_json=(b"[" + b",".join(parts) + b"]").decode(),
        descriptions=("", *publication.descriptions) if publication.descriptions else (),
    )


def _table(publication: Publication) -> dict[str, Any]:
    table: dict[str, Any] = {
        "tablename": publication.tablename,
        "column_names": [column.name for column in publication.columns],
        "column_types": [column.type.lower() for column in publication.columns],
    }
    if publication.descriptions:
        table["column_descriptions"] = publication.descriptions
    table["rows"] = msgspec.Raw(publication.rows_json.encode())
    return table


HEALTH = msgspec.json.encode({"op": "health"})
"""A `health` message."""


def encode_drop(tablename: str, identity: str | None) -> bytes:
    """A `drop_table` message, for one identity or for all."""
    message = {"op": "drop_table", "tablename": tablename}
    if identity is not None:
        message["identity"] = identity
    return msgspec.json.encode(message)


def encode_cancel(query_id: str) -> bytes:
    """A `cancel` message."""
    return msgspec.json.encode({"op": "cancel", "query_id": query_id})


class _Told(msgspec.Struct):
    """What a request says of whether it may be done twice."""

    op: str
    sql: str = ""
    replace: int = 0
    update: int = 0


def may_be_done_twice(request: bytes) -> bool:
    """Whether nobody is the worse for it where a server carries out one of ours a second time.

    A second drop, or KILL, finds nothing and is refused, and so is told to have failed. Rows sent
    again are passed over, unless they replace those before, or find themselves as an update does.
    """
    from qasino_server.statement import Kill, read_statement  # 4 ms that few commands need

    told = msgspec.json.decode(request, type=_Told)
    if told.op == "query":
        return not isinstance(read_statement(told.sql), Kill)
    return told.op == "health" or bool(told.replace or told.update)
