"""Answers that no reader gives: SHOW queries, and KILL."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from qasino_server.database.snapshot import Snapshot
from qasino_server.errors import Forbidden, QasinoError, Refused
from qasino_server.statement import Kill, ShowQueries
from qasino_server.store.job import QueryRequest
from qasino_server.store.readers import Readers
from qasino_server.table import Result

_QUERIES_COLUMNS = ("query_id", "seconds", "port", "peer", "sql")


def answer_offhand(
    statement: ShowQueries | Kill, request: QueryRequest, readers: Readers, snapshot: Snapshot
) -> Result | QasinoError:
    """The outcome, as one of that snapshot. Raises what the request's sink does."""
    if isinstance(statement, ShowQueries):
        return _made(_QUERIES_COLUMNS, _running(readers, time.monotonic()), request, snapshot)
    query_id = statement.query_id
    try:
        found = readers.cancel(query_id, request.rights)
    except Forbidden as error:
        return error
    if not found:
        return Refused(f"no query with the id {query_id} is running")
    return _made(("killed",), [(query_id,)], request, snapshot)


def _running(readers: Readers, now: float) -> list[tuple[str, float, str, str, str]]:
    """Those that run or wait, the longest first; `now` is monotonic."""
    return [
        (job.query_id, round(now - job.began, 3), job.request.port, job.request.peer, job.sql)
        for job in readers.running()
    ]


def _made(
    names: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    request: QueryRequest,
    snapshot: Snapshot,
) -> Result:
    """The result, in the form that was asked for."""
    result = Result(
        column_names=names,
        column_types=("",) * len(names),
        nr_rows=len(rows),
        generation_number=snapshot.number,
        generation_age_s=snapshot.age_s,
    )
    if request.stream is not None and request.sink is not None:
        request.sink.begin(request.stream.media_type)
        text = request.stream.head(names) + request.stream.rows(rows)
        request.sink.write(text.encode(), time.monotonic())
        return result
    if request.form == "rows":
        return msgspec.structs.replace(result, rows=rows)
    if request.form == "typed":
        return msgspec.structs.replace(result, rows_json=msgspec.json.encode(rows))
    strings = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *strings, strict=True)]
    return msgspec.structs.replace(
        result, rows_json=msgspec.json.encode(strings), max_widths=tuple(widths)
    )
