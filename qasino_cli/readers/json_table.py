"""JSON -> Publication: a whole message, or the table object alone.

    {"op": "add_table_data", "identity": .., "table": {..}, "persist": 1}
    {"tablename": .., "column_names": [..], "column_types": [..], "rows": [[..]]}

The rules are the server's own (`message.decode_request`), applied before anything is sent.
What it leaves to SQLite, that every row has the table's width, is checked here as well: of
several files none is sent if one is bad.
"""

from __future__ import annotations

import msgspec

from qasino_server.errors import BadRequest
from qasino_server.message import Publish, decode_request
from qasino_server.table import Publication, shown

_Keys = dict[str, msgspec.Raw]

_top_level = msgspec.json.Decoder(_Keys)
_items = msgspec.json.Decoder(list[msgspec.Raw])

_TABLE_KEYS = {"tablename", "column_names", "column_types", "rows"}
_SHOWN_CHARS = 80


def is_message(text: str) -> bool:
    """Whether a JSON text is a Qasino table or message, and not an object of a row's values.

    One that names a table in the way of either is one, whatever it lacks: better an error that
    tells what is missing than a row of a table. What is no JSON is none: its place is told by
    who reads any other.
    """
    try:
        keys = _top_level.decode(text)
    except msgspec.ValidationError:
        return '"column_names"' in text[:4096]
    except (msgspec.DecodeError, RecursionError):
        return False
    if "table" in keys:
        return bytes(keys["table"]).startswith(b"{")
    return {"tablename", "column_names"} <= keys.keys() or {"rows", "column_names"} <= keys.keys()


def read_json_table(text: str, identity: str | None) -> Publication:
    """Read a table in JSON (`is_message`); `identity` serves where the message has none.

    Raises BadRequest with the place and the reason.
    """
    keys = _message_keys(_read_keys(text))
    if "identity" not in keys and identity is not None:
        keys = keys | {"identity": msgspec.Raw(msgspec.json.encode(identity))}
    request = decode_request(msgspec.json.encode(keys), op="add_table_data")
    if not isinstance(request, Publish):
        raise BadRequest("this is no publication")
    _check_rows(request.publication)
    return request.publication


def _read_keys(text: str) -> _Keys:
    try:
        return _top_level.decode(text)
    except msgspec.ValidationError:
        raise BadRequest("line 1: the JSON must be one object, {..}") from None


def _message_keys(keys: _Keys) -> _Keys:
    """The keys of a whole message, whichever of the two forms it was."""
    if "table" in keys:
        return _check_op(keys)
    if not _TABLE_KEYS & keys.keys():
        raise BadRequest(
            "this is neither a table (tablename, column_names, column_types, rows) nor a message"
            f" with one in 'table'; its keys are {shown(', '.join(keys))}"
        )
    return {"table": msgspec.Raw(msgspec.json.encode(keys))}


def _check_op(keys: _Keys) -> _Keys:
    text = bytes(keys.get("op", msgspec.Raw(b'"add_table_data"'))).decode()
    op = msgspec.json.decode(text) if text.startswith('"') else text
    if op != "add_table_data":
        raise BadRequest(f"op is {shown(op)}; a message to publish says add_table_data")
    return keys


def _check_rows(publication: Publication) -> None:
    columns = len(publication.columns)
    for number, row in enumerate(_items.decode(publication.rows_json), start=1):
        if not bytes(row).startswith(b"["):
            raise BadRequest(f"row {number} must be an array of cells, not {_shown_json(row)}")
        cells = len(_items.decode(row))
        if cells != columns:
            raise BadRequest(
                f"row {number} has {cells} cells, the table has {columns} columns:"
                f" {_shown_json(row)}"
            )


def _shown_json(value: msgspec.Raw) -> str:
    """A piece of JSON as a sentence can show it: cut where it is long."""
    text = bytes(value).decode()
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."
