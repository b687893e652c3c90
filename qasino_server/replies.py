"""Values -> the bytes of every reply, and of the generation signal. No sockets, no SQL.

The wire is the ancestor's (its recorded messages are the tests' golden files); what we add
to an answer are new keys only.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from qasino_server.errors import QasinoError, SqlError
from qasino_server.remembered import remembered
from qasino_server.table import Receipt, Result, TableSummary


class Done(msgspec.Struct, frozen=True):
    """The answer `ok` to what is no publication."""

    message: str


class TablesList(msgspec.Struct, frozen=True):
    """Every table."""

    tables: Sequence[TableSummary]


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the server is of use, and when its generations begin."""

    live: bool
    ready: bool
    """Whether the snapshot is as young as it should be."""
    generation_number: int
    """Of the snapshot; likewise its age."""
    generation_age_s: float
    generation_duration_s: float
    pubsub_port: int | None
    """Where the signal is sent; None where it is not."""


Reply = Receipt | Done | Result | TablesList | HealthReport | QasinoError


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
    if isinstance(reply, HealthReport):
        head = {"response_op": "health", "identity": identity}
        return [_encode(head | msgspec.structs.asdict(reply))]
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


def _encode_receipt(receipt: Receipt, identity: str) -> bytes:
    return _encode(
        _Ok(
            "ok",
            identity,
            receipt.applied,
            receipt.generation_number,
            receipt.nr_rows,
            receipt.message or None,
        )
    )


_remembered_receipt = lru_cache(maxsize=256)(_encode_receipt)


def encode_result(result: Result, identity: str) -> bytes:
    """`result_table`, in strings with `max_widths`, or typed with `column_types`; then JSON has
    null for an infinity, and `infinities` tells of each its row, its column and its text.

    The rows are built by SQLite already (`rows_json`); which form they have shows in whether
    the widths were asked for. Joined by hand, a third of what a dict of it takes: the names and
    widths of a statement's columns are mostly those of the one before.
    """
    rows, widths = result.rows_json or b"[]", result.max_widths
    return _RESULT_TABLE % (
        _encode(identity),
        _names(result.column_names),
        rows,
        b'"max_widths":' + _widths(widths) if widths else _types(result),
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


def _types(result: Result) -> bytes:
    types = b'"column_types":' + _names(result.column_types)
    if not result.infinities_json:
        return types
    return b'%b,"infinities":[%b]' % (types, result.infinities_json)


@remembered(64)
def _names(names: tuple[str, ...]) -> bytes:
    return _encode(names)


@lru_cache(maxsize=64)
def _widths(widths: tuple[int, ...]) -> bytes:
    return _encode({str(n): width for n, width in enumerate(widths)})


def encode_error(error: QasinoError, identity: str) -> bytes:
    """`error` with its sentence and HTTP status, the place in the statement where SQLite gave one,
    and a hint."""
    answer: dict[str, Any] = {
        "response_op": "error",
        "identity": identity,
        "error_message": error.sentence,
        "error_status": error.status,
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
