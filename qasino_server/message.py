"""Bytes -> values for every request. No sockets, no SQL.

Requests are decoded once, into one of the values below; what a sender got wrong becomes a
BadRequest that names the key. The rows of a publication are cut out of the message as they
stand (`request_rows`): msgspec has checked that they are JSON, not that they are UTF-8, so that is
done here. Whether they are JSON `decode_for_store` may leave to who stores them.

The wire is the ancestor's (its recorded messages are the tests' golden files).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from operator import attrgetter

import msgspec

from qasino_server.errors import BadRequest, TooLarge
from qasino_server.publication_rules import flag, make_publication
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
from qasino_server.request_rows import LEAST_BYTES, UnreadRows, read_but_rows, rows_text
from qasino_server.table import (
    Columns,
    Publication,
    blame,
    check_columns,
    check_identity,
    check_tablename,
    shown,
)

FORMATS = ("json", "text", "csv", "tsv", "ndjson", "html")
"""What a query over HTTP can be answered in."""

MAX_SQL_CHARS = 1 << 20


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


class AskHealth(msgspec.Struct, frozen=True):
    """Whether the server is of use, and when its generations begin."""


class Cancel(msgspec.Struct, frozen=True):
    """Stop the query of that id."""

    query_id: str


class DropTable(msgspec.Struct, frozen=True):
    """End a static table, or the persistence of a table (of one identity, or of all)."""

    tablename: str
    identity: str | None = None


Request = Query | Publish | ListTables | AskHealth | Cancel | DropTable


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
        raise no_such_op(meant, OPS)
    try:
        request = reader(fields)
        if not body.isascii():
            decode_utf8(body, "the request")  # the keys it does not know were not looked at
    except BadRequest as error:
        _blame_sender(error, fields)
        raise
    except UNREADABLE as error:
        refused = unreadable(body, fault_in(body) or error)
        _blame_sender(refused, fields)
        raise refused from None
    return request


def decode_for_store(body: bytes, op: str | None = None) -> Request:
    """As `decode_request`, but whether rows are JSON may be left to the store (`UnreadRows`)."""
    publish = _decode_but_rows(body, op) if len(body) >= LEAST_BYTES else None
    return decode_request(body, op) if publish is None else publish


def _decode_but_rows(body: bytes, op: str | None) -> Publish | None:
    """A publication whose rows are still to be read; None where that or anything cannot be."""
    cut = read_but_rows(body)
    if cut is None:
        return None
    fields, rows = cut
    if (fields.op if op is None else op) != "add_table_data":
        return None
    try:
        if not body.isascii():
            decode_utf8(body, "the request")
        return _read_publish(fields, rows)
    except (BadRequest, *UNREADABLE):
        return None


def _blame_sender(error: BadRequest, fields: Body) -> None:
    blame(error, fields.identity, None if fields.table is None else fields.table.tablename)


def no_such_op(op: object, ops: Iterable[str]) -> BadRequest:
    """For an op that is none of those there are where it came."""
    if isinstance(op, str):
        return BadRequest(f"Unrecognized op {shown(op)}; the ops are {', '.join(ops)}")
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


def _read_publish(fields: Body, unread: UnreadRows | None = None) -> Publish:
    table = fields.table
    if table is None:
        raise BadRequest("table is missing; it holds tablename, column_names, column_types, rows")
    names, types = bytes(table.column_names), bytes(table.column_types)
    read = _remembered_columns if len(names) + len(types) <= _REMEMBERED_BYTES else _read_columns
    columns = read(names, types)
    rows_json = rows_text(table.rows) if unread is None else unread
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


def _read_descriptions(array: msgspec.Raw, columns: Columns) -> tuple[str, ...]:
    descriptions = read_strings(array, "table.column_descriptions")
    if descriptions is None:
        return ()
    if len(descriptions) != len(columns):
        raise BadRequest(
            f"table.column_descriptions has {len(descriptions)} entries for {len(columns)} columns"
        )
    return descriptions


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
    "health": lambda fields: AskHealth(),
    "cancel": _read_cancel,
    "drop_table": _read_drop,
}
OPS = tuple(_READERS)
ASKING_OPS = frozenset({"query", "get_table_list", "health", "cancel"})
"""Those that store nothing, and so need no room for it."""


def query_from_params(params: Mapping[str, str]) -> Query:
    """The query of an HTTP GET: `sql`, and optionally format, typed, query_id and
    use_write_db."""
    if "sql" not in params:
        raise BadRequest("Must specify 'sql' param")
    return Query(
        sql=_check_sql(params["sql"]),
        typed=flag(params.get("typed"), "typed"),
        query_id=_check_query_id(params.get("query_id")),
        use_write_db=flag(params.get("use_write_db"), "use_write_db"),
        format=check_format(params.get("format", "json")),
    )


def query_with_params(query: Query, params: Mapping[str, str]) -> Query:
    """The query of an HTTP POST with what its URL says of it, which counts as its op does there."""
    changes: dict[str, object] = {
        name: flag(params[name], name) for name in ("typed", "use_write_db") if name in params
    }
    if "query_id" in params:
        changes["query_id"] = _check_query_id(params["query_id"])
    if "format" in params:
        changes["format"] = check_format(params["format"])
    return msgspec.structs.replace(query, **changes) if changes else query


def check_format(name: str) -> str:
    """Return the name of an answer's format, or say which there are."""
    if name not in FORMATS:
        raise BadRequest(f"format {shown(name)} is unknown; the formats are {', '.join(FORMATS)}")
    return name
