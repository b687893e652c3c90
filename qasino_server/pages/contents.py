"""What fills each page.

Everything is asked for with the rights of whoever looks, the same way as any other request.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from qasino_server.bridge import Mailbox, Receive, awaited, settle
from qasino_server.database.sqltext import quoted
from qasino_server.dispatch import Caller, Dispatch
from qasino_server.errors import NotFound, QasinoError
from qasino_server.message import Query, query_from_params
from qasino_server.pages import links, paint
from qasino_server.pages.templating import Page
from qasino_server.render import Row
from qasino_server.store import Point
from qasino_server.table import Result, shown

PAGE_ROWS = 500
"""Rows of a result that a page made by the server has; the scripts and downloads have all."""
PAGE_CELLS = 20_000
"""And cells: 500 rows of 2,000 columns took 18 s to write down."""
PAGE_CHARS = 1 << 21
"""And characters of cells, unless a single row has more."""
FIRST_ROWS = 20
LISTED = 200
"""Lines of what is missing, rejected, or reported a table."""
NAMED_CHARS = 300
"""Of the names of the tables that one identity is missed for."""

_MISSING = (
    "select identity, count(*),"
    f" substr(group_concat(tablename, ', ' order by tablename), 1, {NAMED_CHARS}),"
    " max(last_update_epoch), max(generations_missed),"
    " identity not in (select identity from qasino_server_connections) as silent"
    " from qasino_server_missing group by identity"
    f" order by silent desc, 4 desc, 1 limit {LISTED}"
)
_REJECTS = (
    "select max(epoch), count(*), identity, tablename, peer, reason"
    " from qasino_server_rejects group by identity, tablename, reason"
    f" order by 1 desc limit {LISTED}"
)
_VIEWS = "select viewname, loaded, errormsg from qasino_server_views order by 1"
_COLUMNS = (
    "select column_name, column_type, nr_identities, description"
    " from qasino_server_columns where tablename = '{name}' order by position"
)
_SOURCES = (
    "select identity, sum(nr_rows), max(update_epoch)"
    " from qasino_server_sources where tablename = '{name}' group by identity"
    f" order by 2 desc, 1 limit {LISTED}"
)


class Contents:
    """Asks the server what its pages show."""

    def __init__(self, dispatch: Dispatch, mailbox: Mailbox) -> None:
        self._dispatch = dispatch
        self._mailbox = mailbox

    async def overview(self, caller: Caller) -> Page:
        """How the server is, and who is not heard of."""
        store = self._dispatch.look_around(caller)
        state, points, tables = store.state(), store.trend(), store.summaries()
        missing = await self._ask(_MISSING, caller)
        rejects = await self._ask(_REJECTS, caller)
        values = {
            "page": "overview",
            "state": state,
            "since_epoch": time.time() - state.generation_age_s,
            "sparks": _sparks(points),
            "nr_points": len(points),
            "anybody_yet": bool(points) and points[-1].anybody_yet,
            "nr_published": sum(not (t.static or _is_own(t.name)) for t in tables),
            "missing": missing.rows,
            "rejects": rejects.rows,
            "listed": LISTED,
            "named_chars": NAMED_CHARS,
        }
        return Page("overview.html", values)

    async def tables(self, wanted: str, caller: Caller) -> Page:
        """Every table and view with `wanted` in its name."""
        part = wanted.strip().lower()
        store = self._dispatch.look_around(caller)
        state = store.state()
        tables = [table for table in store.summaries() if part in table.name.lower()]
        views = await self._ask(_VIEWS, caller)
        values = {
            "page": "tables",
            "state": state,
            "tables": [table for table in tables if not _is_own(table.name)],
            "own": [table for table in tables if _is_own(table.name)],
            "views": [view for view in views.rows if part in view[0].lower()],
            "filter": wanted,
        }
        return Page("tables.html", values)

    async def describe(self, name: str, caller: Caller) -> Page:
        """One table. Raises NotFound."""
        store = self._dispatch.look_around(caller)
        state, key = store.state(), name.lower()
        found = next((table for table in store.summaries() if table.name.lower() == key), None)
        if found is None:
            raise NotFound(f"there is no table named {shown(name)} in the snapshot")
        columns = await self._ask(_COLUMNS.format(name=found.name), caller)
        sources = await self._ask(_SOURCES.format(name=found.name), caller)
        nr_rows = min(FIRST_ROWS, 1 + PAGE_CELLS // max(1, found.nr_columns))
        first = await self._ask(f"select * from {quoted(found.name)} limit {nr_rows}", caller)
        rows = _on_page(first.rows)
        values = {
            "page": "tables",
            "state": state,
            "table": found,
            "own": _is_own(found.name),
            "columns": columns.rows,
            "described": any(words for *_, words in columns.rows),
            "sources": sources.rows,
            "names": first.column_names,
            "rows": rows,
            "numeric": paint.numeric_columns(first.column_names, rows),
        }
        return Page("describe.html", values)

    async def query(self, sql: str, live: bool, receive: Receive, caller: Caller) -> Page:
        """The box, and what the statement answers, if there is one."""
        state = self._dispatch.look_around(caller).state()
        sql = sql.replace("\r\n", "\n")  # a form sends the one, a text box counts the other
        result: Result | None = None
        error: QasinoError | None = None
        if sql.strip():
            try:
                query = query_from_params({"sql": sql, "format": "html"})
                reply = await self._reply(query, caller, receive)
            except QasinoError as raised:
                reply = raised
            if isinstance(reply, QasinoError):
                error = reply
            else:
                result = reply
        rows = [] if result is None else _on_page(result.rows)
        values = {
            "page": "query",
            "state": state,
            "sql": sql,
            "live": live,
            "result": result,
            "rows": rows,
            "exact": result is not None and _exact(result, rows),
            "numeric": set()
            if result is None
            else paint.numeric_columns(result.column_names, rows),
            "error": error,
            "marked": paint.marked(sql, error),
            "downloads": links.downloads(sql),
        }
        return Page("query.html", values)

    async def _ask(self, sql: str, caller: Caller) -> Result:
        """The rows of a statement of ours. Raises what the query fails with."""
        reply = await self._reply(Query(sql=sql, format="html"), caller, None)
        if isinstance(reply, QasinoError):
            raise reply
        return reply

    async def _reply(
        self, query: Query, caller: Caller, receive: Receive | None
    ) -> Result | QasinoError:
        future: asyncio.Future[Any] = asyncio.Future()
        query_id = self._dispatch.handle(
            query, caller, lambda reply: self._mailbox.post(partial(settle, future, reply))
        )
        if receive is None or query_id is None:
            reply = await future
        else:
            reply = await awaited(future, receive, partial(self._dispatch.cancel, query_id))
        assert isinstance(reply, Result | QasinoError)
        return reply


def _is_own(name: str) -> bool:
    """Whether a table of that name is the server's, not published."""
    return name.startswith("qasino_server_")


def _exact(result: Result, rows: Sequence[Sequence[Any]]) -> bool:
    """Whether the page has all there is, and as it is."""
    if result.truncated or len(rows) < len(result.rows):
        return False
    return all(paint.is_exact(value) for row in rows for value in row)


def _sparks(points: Sequence[Point]) -> dict[str, paint.Spark]:
    return {
        "rows": paint.spark([p.rows_per_s for p in points], "rows published a second"),
        "queries": paint.spark([p.queries_per_s for p in points], "queries a second"),
        "identities": paint.spark([p.nr_identities for p in points], "identities reporting"),
        "missing": paint.spark([p.nr_identities_missing for p in points], "identities missing"),
        "rejects": paint.spark([p.nr_rejects for p in points], "rejected publications"),
        "rotation": paint.spark([p.rotation_s * 1000 for p in points], "rotation, ms"),
    }


def _on_page(rows: Sequence[Row]) -> list[Row]:
    """The first rows, as many as a page holds; one at least."""
    kept: list[Row] = []
    cells = chars = 0
    for row in rows[:PAGE_ROWS]:
        cells += len(row)
        chars += sum(min(len(c), paint.WHOLE_CHARS) for c in row if isinstance(c, str | bytes))
        if kept and (cells > PAGE_CELLS or chars > PAGE_CHARS):
            break
        kept.append(row)
    return kept
