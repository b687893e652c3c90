"""What a sender says of a publication -> the publication, whichever way it came.

JSON, a CSV table and `name_value_update` have the same options, with the same values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from qasino_server.errors import BadRequest
from qasino_server.table import (
    Columns,
    Publication,
    blame,
    check_columns,
    check_identity,
    check_name,
    check_tablename,
    shown,
)

MAX_TTL_S = 366 * 86400

_YES = (1, "1", "yes", "true", "on")
_NO = (0, "0", "no", "false", "off", "", None)


def make_publication(
    *,
    identity: object,
    tablename: object,
    columns: Columns,
    rows_json: str,
    descriptions: tuple[str, ...] = (),
    options: Mapping[str, Any] | None = None,
    replace: bool = False,
) -> Publication:
    """Build a publication from checked columns and unchecked everything else.

    `options` are the top-level keys persist, static, update, keycols, replace and ttl_s as
    the sender wrote them, in JSON or on line 1 of a CSV table; `replace` serves where none are
    given. Raises BadRequest.
    """
    read = _read_options(options, columns) if options else None
    publication = Publication(
        identity=check_identity(identity),
        tablename=check_tablename(tablename),
        columns=columns,
        rows_json=rows_json,
        descriptions=descriptions,
        replace=replace,
    )
    return publication if read is None else msgspec.structs.replace(publication, **read)


def encode_rows(rows: Iterable[list[Any]]) -> str:
    """Rows as the JSON text of a publication; an infinity becomes 9e999, which SQLite reads so.

    msgspec writes an infinity as null, so a row with one is written cell by cell. One row is
    held at a time: as Python's values 64 MiB of CSV can be gigabytes.
    """
    encoded = bytearray(b"[")
    for row in rows:
        if len(encoded) > 1:
            encoded += b","
        if any(isinstance(cell, float) and math.isinf(cell) for cell in row):
            encoded += b"[" + b",".join(map(_encode_cell, row)) + b"]"
        else:
            encoded += msgspec.json.encode(row)
    encoded += b"]"
    return encoded.decode()


def _encode_cell(cell: Any) -> bytes:
    if isinstance(cell, float) and math.isinf(cell):
        return b"9e999" if cell > 0 else b"-9e999"
    return msgspec.json.encode(cell)


def _read_options(options: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """What a publication says of its options; at least one was given."""
    persist, static, update, replace = (
        flag(options.get(name), name) for name in ("persist", "static", "update", "replace")
    )
    ttl_s = _check_ttl(options.get("ttl_s"))
    if static and (persist or update or ttl_s is not None):
        raise BadRequest(
            "static goes with none of persist, update and ttl_s: a static table is always"
            " replaced whole and stays until it is dropped"
        )
    keycols = _check_keycols(options.get("keycols"), columns)
    idle = ["keycols has no effect without update"] if keycols and not update else []
    if persist and ttl_s is not None:
        idle.append("ttl_s has no effect beside persist, which carries the rows without an end")
    return {
        "persist": persist,
        "static": static,
        "update": update,
        "keycols": keycols if update else (),
        "replace": replace,
        "ttl_s": ttl_s,
        "note": "; ".join(idle) or None,
    }


def flag(value: object, name: str) -> bool:
    """A flag as people write it: true/false, 0/1, "yes"/"no"."""
    if isinstance(value, bool):  # as programs write it
        return value
    word = value.strip().lower() if isinstance(value, str) else value
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise BadRequest(f"{name} must be true or false, 0 or 1, yes or no, not {shown(value)}")


def _check_ttl(value: object) -> float | None:
    if value is None:
        return None
    try:
        ttl_s = float(value) if isinstance(value, str | int | float) else float("nan")
    except (ValueError, OverflowError):
        ttl_s = float("nan")
    grouped = isinstance(value, str) and "_" in value  # digits as Python groups them, nobody else
    if isinstance(value, bool) or grouped or not 0 < ttl_s <= MAX_TTL_S:
        raise BadRequest(
            f"ttl_s must be a number of seconds above 0 and at most {MAX_TTL_S} (366 days), not"
            f" {shown(value)}"
        )
    return ttl_s


def _check_keycols(value: object, columns: Columns) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    if not isinstance(value, str):
        raise BadRequest("keycols must be a string of column names with ; between them")
    known = {column.key: column.name for column in columns}
    names = [name.strip() for name in value.split(";") if name.strip()]
    for name in names:
        if name.lower() not in known:
            raise BadRequest(
                f"keycols names {shown(name)}, which is not a column of this table; it has"
                f" {', '.join(known.values())}"
            )
    return tuple(dict.fromkeys(known[name.lower()] for name in names))


def name_value_from_params(params: Mapping[str, str]) -> Publication:
    """The publication of `name_value_update`: one cell of one row per identity, persistent.

    Raises BadRequest.
    """
    try:
        return _name_value(params)
    except BadRequest as error:
        blame(error, params.get("identity"), params.get("name", "").partition(".")[0])
        raise


def _name_value(params: Mapping[str, str]) -> Publication:
    for key in ("name", "value", "identity"):
        if key not in params:
            raise BadRequest(f"{key} is missing; give name=table.column, value and identity")
    table, dot, column = params["name"].partition(".")
    if not dot:
        raise BadRequest(f"name must be table.column, not {shown(params['name'])}")
    identity = check_identity(params["identity"])
    column = check_name(column, "name's column")
    if column.lower() == "identity":
        raise BadRequest("name's column cannot be identity, which tells the rows apart")
    return Publication(
        identity=identity,
        tablename=check_tablename(table, "name's table"),
        columns=check_columns(("identity", column), ("text", "text")),
        rows_json=msgspec.json.encode([[identity, params["value"]]]).decode(),
        persist=True,
        update=True,
        keycols=("identity",),
        name_value=True,
    )
