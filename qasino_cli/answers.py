"""The bytes a server answers with -> values. No sockets; who answered is only named.

An error answer is raised as ServerRefused with the server's own sentence; what is no answer
of a Qasino server at all is raised as Unreachable, since whoever sent it is not one.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from qasino_cli.durations import MOST_S, Duration
from qasino_cli.errors import NotLetIn, ServerRefused, Unreachable
from qasino_server.table import Receipt, Result


class _Table(msgspec.Struct):
    column_names: list[str]
    rows: list[list[str | int | float | bool | None]]


class _Answer(msgspec.Struct):
    """Every key an answer may have; which ones it must have depends on its `response_op`."""

    response_op: str
    error_message: str = "the server gives no reason"
    error_status: int = 0
    """As HTTP has it; 0 where the server does not say."""
    error_offset: int | None = None
    error_hint: str = ""
    table: _Table | None = None
    column_types: list[str] | None = None
    infinities: list[tuple[int, int, Literal["Inf", "-Inf"]]] = []
    """Row, column and text of each that stands as null in the rows."""
    generation_number: int = 0
    generation_age_s: float = 0.0
    elapsed_s: float = 0.0
    truncated: bool = False
    applied: bool = True
    nr_rows: int = 0
    message: str | None = None


class Cadence(msgspec.Struct, frozen=True):
    """When generations begin, as a server tells everybody."""

    generation_duration_s: Duration
    generation_age_s: Annotated[float, msgspec.Meta(ge=0, le=MOST_S)]
    """Since the present one began."""
    pubsub_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None
    """Where their signal is; None where there is none."""


_decoder = msgspec.json.Decoder(_Answer)
_cadence_decoder = msgspec.json.Decoder(Cadence)


def read_result(body: bytes, server: str) -> Result:
    """The rows of a query. Cells are strings, or JSON values where they were asked for typed."""
    answer = _read(body, server, "result_table")
    if answer.table is None:
        raise Unreachable(f"{server} answered a query without a table")
    names = tuple(answer.table.column_names)
    types = tuple(answer.column_types or [""] * len(names))
    if {len(types), *map(len, answer.table.rows)} != {len(names)}:
        raise _stranger(server)
    try:
        for row, column, text in answer.infinities:
            answer.table.rows[row][column] = float(text)
    except IndexError:
        raise _stranger(server) from None
    return Result(
        column_names=names,
        column_types=types,
        nr_rows=len(answer.table.rows),
        rows=[tuple(row) for row in answer.table.rows],
        truncated=answer.truncated,
        generation_number=answer.generation_number,
        generation_age_s=answer.generation_age_s,
        elapsed_s=answer.elapsed_s,
    )


def read_receipt(body: bytes, server: str) -> Receipt:
    """What became of a publication."""
    answer = _read(body, server, "ok")
    return Receipt(answer.generation_number, answer.nr_rows, answer.applied, answer.message)


def read_ok(body: bytes, server: str) -> str:
    """The server's remark on something done, '' where it makes none."""
    return _read(body, server, "ok").message or ""


def read_cadence(body: bytes, server: str) -> Cadence:
    """What `health` tells of generations."""
    _read(body, server, "health")
    try:
        return _cadence_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _stranger(server) from None


def read_refusal(body: bytes) -> ServerRefused | None:
    """The error that an answer carries, None where it is no error answer of a Qasino server."""
    try:
        answer = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if answer.response_op != "error":
        return None
    return _refusal(answer)


def _refusal(answer: _Answer) -> ServerRefused:
    if answer.error_status in (401, 403):
        return NotLetIn(answer.error_message)
    return ServerRefused(answer.error_message, answer.error_offset, answer.error_hint)


def _stranger(server: str) -> Unreachable:
    return Unreachable(f"{server} answered, but not as a Qasino server does")


def _read(body: bytes, server: str, wanted: str) -> _Answer:
    try:
        answer = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _stranger(server) from None
    if answer.response_op == "error":
        raise _refusal(answer)
    if answer.response_op != wanted:
        raise Unreachable(f"{server} answered {answer.response_op!r} instead of {wanted!r}")
    return answer
