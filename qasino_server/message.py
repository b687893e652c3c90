"""Bytes <-> values for every request and reply. No sockets, no SQL.

Requests are decoded once, into one of the values below; what a sender got wrong becomes a
BadRequest that names the key. The rows of a publication are cut out of the message as they
stand: msgspec has checked that they are JSON, not that they are UTF-8, so that is done here.

The wire is the ancestor's (its recorded messages are the tests' golden files); what we add
to an answer are new keys only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from qasino_server.errors import BadRequest, QasinoError, SqlError, TooLarge
from qasino_server.request_body import (
    NOTHING,
    UNREADABLE,
    Body,
    decode_utf8,
    fault_in,
    read_body,
    read_strings,
    unreadable,
)
from qasino_server.table import (
    Columns,
    Publication,
    Receipt,
    Result,
    TableSummary,
    check_columns,
    check_identity,
    check_name,
    check_tablename,
    shown,
)

FORMATS = ("json", "text", "csv", "tsv", "ndjson", "html")
"""What a query over HTTP can be answered in."""

MAX_SQL_CHARS = 1 << 20
MAX_TTL_S = 366 * 86400

_YES = (True, 1, "1", "yes", "true", "on")
_NO = (False, 0, "0", "no", "false", "off", "", None)

# --- Requests -------------------------------------------------------------------------------


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A statement to answer."""

    sql: str
    typed: bool = False
    query_id: str | None = None
    use_write_db: bool = False
    format: str = "json"


class Publish(msgspec.Struct, frozen=True):
    """A table to store."""

    publication: Publication


class ListTables(msgspec.Struct, frozen=True):
    """Which tables there are."""


class Cancel(msgspec.Struct, frozen=True):
    """Stop the query of that id."""

    query_id: str


class DropTable(msgspec.Struct, frozen=True):
    """End a static table, or the persistence of a table (of one identity, or of all)."""

    tablename: str
    identity: str | None = None


Request = Query | Publish | ListTables | Cancel | DropTable


def decode_request(body: bytes, op: str | None = None) -> Request:
    """Read a JSON request; an `op` given beside it (in the URL) beats the one inside.

    Raises BadRequest with the place and the reason.
    """
    try:
        fields = read_body(body)
    except UNREADABLE as error:
        raise unreadable(body, error) from None
    meant = fields.op if op is None else op
    reader = _READERS.get(meant) if isinstance(meant, str) else None
    if reader is None:
        raise _no_such_op(meant)
    try:
        request = reader(fields)
    except UNREADABLE as error:
        raise unreadable(body, fault_in(body) or error) from None
    if not body.isascii():
        decode_utf8(body, "the request")  # the keys it does not know were not looked at
    return request


def _no_such_op(op: object) -> BadRequest:
    if isinstance(op, str):
        return BadRequest(f"Unrecognized op {shown(op)}; the ops are {', '.join(OPS)}")
    if op is None:
        return BadRequest("No op specified: the request says what to do in the key 'op'")
    return BadRequest("op must be a string")


def means_to_publish(body: bytes, op: str | None = None) -> bool:
    """Whether a request that could not be read was to be a publication, as far as one sees."""
    if op is not None:
        return op.startswith("add_")
    return b'"add_table_data"' in body


def _read_query(fields: Body) -> Query:
    if fields.sql is msgspec.UNSET:
        raise BadRequest("Must specify 'sql' param")
    return Query(
        sql=_check_sql(fields.sql),
        typed=flag(fields.typed, "typed"),
        query_id=_check_query_id(fields.query_id),
        use_write_db=flag(fields.use_write_db, "use_write_db"),
    )


def _check_sql(sql: object) -> str:
    if not isinstance(sql, str):
        raise BadRequest("sql must be a string")
    if len(sql) > MAX_SQL_CHARS:
        raise TooLarge(
            f"the statement has {len(sql)} characters, the most is {MAX_SQL_CHARS} (1 MiB)"
        )
    return sql


def _check_query_id(query_id: object) -> str | None:
    if query_id is None:
        return None
    if isinstance(query_id, str) and 1 <= len(query_id) <= 128 and query_id.isprintable():
        return query_id
    raise BadRequest("query_id must be a string of 1 to 128 printable characters")


def _read_publish(fields: Body) -> Publish:
    table = fields.table
    if table is None:
        raise BadRequest("table is missing; it holds tablename, column_names, column_types, rows")
    names, types = bytes(table.column_names), bytes(table.column_types)
    read = _remembered_columns if len(names) + len(types) <= _REMEMBERED_BYTES else _read_columns
    columns = read(names, types)
    rows_json = _rows_text(table.rows)
    described = table.column_descriptions
    descriptions = () if described is NOTHING else _read_descriptions(described, columns)
    given = _options_of(fields)
    usual = given in _USUAL
    return Publish(
        make_publication(
            identity=fields.identity,
            tablename=table.tablename,
            columns=columns,
            rows_json=rows_json,
            descriptions=descriptions,
            options=None if usual else dict(zip(_OPTIONS, given, strict=True)),
            replace=usual and bool(fields.replace),
        )
    )


_OPTIONS = ("persist", "static", "update", "replace", "keycols", "ttl_s")
_options_of = attrgetter(*_OPTIONS)
_USUAL = ((False, False, False, False, None, None), (False, False, False, True, None, None))
"""What most messages say, and what our own clients do: not looked at option by option."""


def _read_columns(names: bytes, types: bytes) -> Columns:
    """The columns of a header, given as the JSON of its two arrays."""
    return check_columns(
        _read_header(names, "table.column_names"),
        _read_header(types, "table.column_types"),
    )


def _read_header(array: bytes, what: str) -> tuple[str, ...]:
    entries = read_strings(array, what)
    if entries is None:
        raise BadRequest(f"{what} is missing")
    return entries


_REMEMBERED_BYTES = 2048
_remembered_columns = lru_cache(maxsize=1024)(_read_columns)
"""A fleet sends the same narrow headers over and over, and a check of ten names costs as much as
storing their row. Wide ones are not remembered, so that nobody can fill the memory with them."""


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


def _read_descriptions(array: msgspec.Raw, columns: Columns) -> tuple[str, ...]:
    descriptions = read_strings(array, "table.column_descriptions")
    if descriptions is None:
        return ()
    if len(descriptions) != len(columns):
        raise BadRequest(
            f"table.column_descriptions has {len(descriptions)} entries for {len(columns)} columns"
        )
    return descriptions


def _rows_text(rows: msgspec.Raw) -> str:
    text = decode_utf8(rows, "table.rows")
    if text.startswith("["):
        return text
    if not text:
        raise BadRequest("table.rows is missing")
    raise BadRequest("table.rows must be a JSON array of rows, each an array of cells")


def _read_cancel(fields: Body) -> Cancel:
    query_id = _check_query_id(fields.query_id)
    if query_id is None:
        raise BadRequest("query_id is missing; it says which query to cancel")
    return Cancel(query_id)


def _read_drop(fields: Body) -> DropTable:
    if fields.tablename is None:
        raise BadRequest("tablename is missing; it says which table to drop")
    identity = None if fields.identity is None else check_identity(fields.identity)
    return DropTable(check_tablename(fields.tablename, "tablename"), identity)


_READERS: dict[str, Callable[[Body], Request]] = {
    "query": _read_query,
    "add_table_data": _read_publish,
    "get_table_list": lambda fields: ListTables(),
    "cancel": _read_cancel,
    "drop_table": _read_drop,
}
OPS = tuple(_READERS)
ASKING_OPS = frozenset({"query", "get_table_list", "cancel"})
"""Those that store nothing, and so need no room for it."""


def query_from_params(params: Mapping[str, str]) -> Query:
    """The query of an HTTP GET: `sql`, and optionally format, typed and query_id."""
    if "sql" not in params:
        raise BadRequest("Must specify 'sql' param")
    return Query(
        sql=_check_sql(params["sql"]),
        typed=flag(params.get("typed"), "typed"),
        query_id=_check_query_id(params.get("query_id")),
        use_write_db=flag(params.get("use_write_db"), "use_write_db"),
        format=check_format(params.get("format", "json")),
    )


def check_format(name: str) -> str:
    """Return the name of an answer's format, or say which there are."""
    if name not in FORMATS:
        raise BadRequest(f"format {shown(name)} is unknown; the formats are {', '.join(FORMATS)}")
    return name


def name_value_from_params(params: Mapping[str, str]) -> Publish:
    """The publication of `name_value_update`: one cell of one row per identity, persistent."""
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
    return Publish(
        Publication(
            identity=identity,
            tablename=check_tablename(table, "name's table"),
            columns=check_columns(("identity", column), ("text", "text")),
            rows_json=msgspec.json.encode([[identity, params["value"]]]).decode(),
            persist=True,
            update=True,
            keycols=("identity",),
            name_value=True,
        )
    )


# --- Replies --------------------------------------------------------------------------------


class Done(msgspec.Struct, frozen=True):
    """The answer `ok` to what is no publication."""

    message: str


class TablesList(msgspec.Struct, frozen=True):
    """Every table."""

    tables: Sequence[TableSummary]


Reply = Receipt | Done | Result | TablesList | QasinoError


def encode_reply(reply: Reply, identity: str) -> list[bytes]:
    """The JSON documents of a reply: one, or two for a list of tables.

    `identity` is the server's. Over ZeroMQ each document is a frame, over HTTP they follow
    one another.
    """
    if isinstance(reply, Receipt):
        # Most of a generation's say the same; what is told of columns may be long.
        encode = _remembered_receipt if reply.message is None else _encode_receipt
        return [encode(reply, identity)]
    if isinstance(reply, Result):
        return [encode_result(reply, identity)]
    if isinstance(reply, Done):
        return [_encode(_Ok("ok", identity, message=reply.message or None))]
    if isinstance(reply, TablesList):
        head = {"response_op": "tables_list", "identity": identity}
        return [_encode(head), _encode(_told_of(reply.tables))]
    return [encode_error(reply, identity)]


def _told_of(tables: Sequence[TableSummary]) -> dict[str, dict[str, Any]]:
    """When each was last published, how often in this snapshot, its rows."""
    return {
        table.name: {
            "last_update_epoch": table.last_update_epoch,
            "updates": table.nr_updates,
            "nr_rows": table.nr_rows,
        }
        for table in tables
    }


class _Ok(msgspec.Struct, frozen=True, omit_defaults=True):
    response_op: str
    identity: str
    applied: bool | None = None
    generation_number: int | None = None
    nr_rows: int | None = None
    message: str | None = None


def _encode_receipt(done: Receipt, identity: str) -> bytes:
    message = done.message or None
    ok = _Ok("ok", identity, done.applied, done.generation_number, done.nr_rows, message)
    return _encode(ok)


_remembered_receipt = lru_cache(maxsize=256)(_encode_receipt)


def encode_result(result: Result, identity: str) -> bytes:
    """`result_table`, in strings with `max_widths`, or typed with `column_types`.

    The rows are built by SQLite already (`rows_json`); which form they have shows in whether
    the widths were asked for. Joined by hand, a third of what a dict of it takes: the names and
    widths of a statement's columns are mostly those of the one before.
    """
    rows, widths = result.rows_json or b"[]", result.max_widths
    return _RESULT_TABLE % (
        _encode(identity),
        _names(result.column_names),
        rows,
        b'"max_widths":' + _widths(widths)
        if widths
        else b'"column_types":' + _names(result.column_types),
        result.generation_number,
        _encode(round(result.generation_age_s, 3)),
        _encode(round(result.elapsed_s, 6)),
        _encode(result.truncated),
    )


_RESULT_TABLE = (
    b'{"response_op":"result_table","identity":%b,"table":{"column_names":%b,"rows":%b},%b,'
    b'"generation_number":%d,"generation_age_s":%b,"elapsed_s":%b,"truncated":%b}'
)
_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=64)
def _names(names: tuple[str, ...]) -> bytes:
    return _encode(names)


@lru_cache(maxsize=64)
def _widths(widths: tuple[int, ...]) -> bytes:
    return _encode({str(n): width for n, width in enumerate(widths)})


def encode_error(error: QasinoError, identity: str) -> bytes:
    """`error` with its sentence, the place in the statement where SQLite gave one, and a hint."""
    answer: dict[str, Any] = {
        "response_op": "error",
        "identity": identity,
        "error_message": error.sentence,
    }
    if isinstance(error, SqlError) and error.offset is not None:
        answer["error_offset"] = error.offset
    if error.hint:
        answer["error_hint"] = error.hint
    return msgspec.json.encode(answer)


def encode_signal(identity: str, generation_number: int, duration_s: int) -> bytes:
    """The generation signal: one frame, a tag, a NUL byte and JSON."""
    signal = {
        "op": "generation_signal",
        "identity": identity,
        "generation_number": generation_number,
        "generation_duration_s": duration_s,
    }
    return SIGNAL_TAG + b"\0" + msgspec.json.encode(signal)


SIGNAL_TAG = b"GENSIG"
