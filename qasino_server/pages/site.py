"""Which path is which page, and what fills it.

Everything a page shows is asked for with the rights of whoever looks, by the same way as any
other request. A page is whole without its scripts; they only make it live.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import jinja2
import msgspec

from qasino_server.bridge import Mailbox, Receive, Scope, Send, settle, watched
from qasino_server.dispatch import Caller, Dispatch, Overview
from qasino_server.errors import NotFound, QasinoError, SqlError, WrongMethod
from qasino_server.message import Query, query_from_params
from qasino_server.pages import paint
from qasino_server.pages.events import Events
from qasino_server.pages.files import read_assets
from qasino_server.table import Result, shown

_HTML = "text/html; charset=utf-8"
_PATHS = frozenset({"/", "/tables", "/query", "/events", "/favicon.ico"})
_PREFIXES = ("/tables/", "/assets/")
PAGE_ROWS = 500
"""Rows of a result that a page made by the server has; the scripts and downloads have all."""
FIRST_ROWS = 20
LISTED = 200
"""Missing and rejected publications that are listed."""

_SECURITY = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        b" connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


class Pages:
    """The pages of one server; an application for the HTTP port."""

    def __init__(self, dispatch: Dispatch, identity: str, duration_s: int) -> None:
        self._dispatch = dispatch
        self._duration_s = duration_s
        self._assets = read_assets()
        self.events = Events()
        self._mailbox: Mailbox | None = None
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            identity=identity,
            duration_s=duration_s,
            asset=self._asset_url,
            table_url=table_url,
            query_url=query_url,
        )
        self._templates.filters.update(
            count=paint.count,
            size=paint.size,
            age=paint.age,
            age_of=paint.age_of,
            clock=paint.clock,
            cell=paint.cell,
        )

    def serves(self, path: str) -> bool:
        """Whether that path is one of the pages'."""
        return path in _PATHS or path.startswith(_PREFIXES)

    def open(self, mailbox: Mailbox) -> None:
        """The loop has begun."""
        self._mailbox = mailbox
        self.events.open()

    def close(self) -> None:
        """The server stops; in the loop's thread."""
        self.events.close()

    def announce(self) -> None:
        """There is a new snapshot; any thread."""
        if self._mailbox is not None:
            self._mailbox.post(self._tell)

    def _tell(self) -> None:
        overview = self._dispatch.look_around(Caller("http", "events"))
        self.events.tell(overview.state.generation_number, self._facts(overview))

    def _facts(self, overview: Overview) -> dict[str, float]:
        """What an event says."""
        state = overview.state
        return {
            "generation_number": state.generation_number,
            "generation_age_s": round(state.generation_age_s, 3),
            "generation_duration_s": self._duration_s,
            "nr_rows": state.nr_rows,
            "nr_tables": state.nr_tables,
        }

    def _asset_url(self, name: str) -> str:
        return f"/assets/{name}?v={self._assets[name].version}"

    # --- Requests ---------------------------------------------------------------------------

    async def __call__(
        self, scope: Scope, params: dict[str, str], receive: Receive, send: Send, caller: Caller
    ) -> None:
        """Answer one request to one of the pages."""
        path = scope["path"]
        try:
            if scope["method"] not in ("GET", "HEAD"):
                raise WrongMethod(f"{scope['method']} is not served at {path}; pages go by GET")
            if path.startswith("/assets/"):
                await self._send_asset(path.removeprefix("/assets/"), "v" in params, send)
                return
            if path == "/events":
                await self._follow(scope["method"], caller, receive, send)
                return
            status, text = 200, await self._page(scope, params, receive, caller)
        except QasinoError as error:
            status, text = (
                error.status,
                self._render("error.html", error=error, status=error.status),
            )
        await _send(send, status, _HTML, text.encode("utf-8", "replace"), b"no-store")

    async def _page(
        self, scope: Scope, params: dict[str, str], receive: Receive, caller: Caller
    ) -> str:
        path = scope["path"]
        if path == "/":
            return await self._overview(caller)
        if path == "/tables":
            return await self._tables(params, caller)
        if path == "/query":
            return await self._query(params, receive, caller)
        if path.startswith("/tables/"):
            return await self._describe(_last_part(scope), caller)
        raise NotFound(f"nothing is served at {shown(path)}")

    def _render(self, template: str, **values: Any) -> str:
        return self._templates.get_template(template).render(**values)

    async def _ask(self, sql: str, caller: Caller) -> Result:
        """The rows of a statement of ours. Raises what the query fails with."""
        reply = await self._reply(Query(sql=sql, format="html"), caller, None)
        if isinstance(reply, QasinoError):
            raise reply
        return reply

    async def _reply(
        self, query: Query, caller: Caller, receive: Receive | None
    ) -> Result | QasinoError:
        assert self._mailbox is not None
        mailbox = self._mailbox
        future: asyncio.Future[Any] = asyncio.Future()
        query_id = self._dispatch.handle(
            query, caller, lambda reply: mailbox.post(partial(settle, future, reply))
        )
        if receive is None or query_id is None:
            reply = await future
        else:
            with watched(receive, lambda: self._dispatch.cancel(query_id)):
                reply = await future
        assert isinstance(reply, Result | QasinoError)
        return reply

    # --- Pages ------------------------------------------------------------------------------

    async def _overview(self, caller: Caller) -> str:
        overview = self._dispatch.look_around(caller)
        missing = await self._ask(_MISSING, caller)
        rejects = await self._ask(_REJECTS, caller)
        points = overview.trend
        sparks = {
            "rows": paint.spark([p.rows_per_s for p in points], "rows published a second"),
            "queries": paint.spark([p.queries_per_s for p in points], "queries a second"),
            "identities": paint.spark([p.nr_identities for p in points], "identities reporting"),
            "missing": paint.spark([p.nr_missing for p in points], "missing"),
            "rejects": paint.spark([p.nr_rejects for p in points], "rejected publications"),
            "rotation": paint.spark([p.rotation_s * 1000 for p in points], "rotation, ms"),
        }
        return self._render(
            "overview.html",
            page="overview",
            state=overview.state,
            sparks=sparks,
            nr_points=len(points),
            missing=missing.rows,
            rejects=rejects.rows,
        )

    async def _tables(self, params: dict[str, str], caller: Caller) -> str:
        wanted = params.get("filter", "").strip().lower()
        overview = self._dispatch.look_around(caller)
        tables = [table for table in overview.tables if wanted in table.name.lower()]
        views = (await self._ask(_VIEWS, caller)).rows
        own = [table for table in tables if table.name.startswith("qasino_server_")]
        return self._render(
            "tables.html",
            page="tables",
            state=overview.state,
            tables=[table for table in tables if table not in own],
            own=own,
            views=[view for view in views if wanted in view[0].lower()],
            filter=params.get("filter", ""),
        )

    async def _describe(self, name: str, caller: Caller) -> str:
        overview = self._dispatch.look_around(caller)
        key = name.lower()
        found = next((table for table in overview.tables if table.name.lower() == key), None)
        if found is None:
            raise NotFound(f"there is no table named {shown(name)} in the snapshot")
        literal, quoted = sql_string(found.name), sql_name(found.name)
        columns = await self._ask(_COLUMNS.format(name=literal), caller)
        sources = await self._ask(_SOURCES.format(name=literal), caller)
        first = await self._ask(f"select * from {quoted} limit {FIRST_ROWS}", caller)
        return self._render(
            "describe.html",
            page="tables",
            state=overview.state,
            table=found,
            columns=columns.rows,
            sources=sources.rows,
            first=first,
            sql=f"select * from {plain_name(found.name)} limit 100",
        )

    async def _query(self, params: dict[str, str], receive: Receive, caller: Caller) -> str:
        sql = params.get("sql", "")
        overview = self._dispatch.look_around(caller)
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
        return self._render(
            "query.html",
            page="query",
            state=overview.state,
            sql=sql,
            result=result,
            rows=[] if result is None else result.rows[:PAGE_ROWS],
            error=error,
            marked=_marked(sql, error),
            downloads=_downloads(sql),
        )

    # --- The rest ---------------------------------------------------------------------------

    async def _follow(self, method: str, caller: Caller, receive: Receive, send: Send) -> None:
        overview = self._dispatch.look_around(caller)
        if method == "HEAD":
            await _send(send, 200, "text/event-stream", b"", b"no-store")
            return
        headers = [
            (b"content-type", b"text/event-stream"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),  # nginx would keep events back
            *_SECURITY,
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        facts = self._facts(overview)
        greeting = b"event: now\ndata: " + msgspec.json.encode(facts) + b"\n\n"
        await self.events.follow(greeting, receive, send)

    async def _send_asset(self, name: str, versioned: bool, send: Send) -> None:
        asset = self._assets.get(name)
        if asset is None:
            raise NotFound(f"nothing is served at /assets/{shown(name)}")
        cache = b"private, max-age=31536000, immutable" if versioned else b"no-cache"
        await _send(send, 200, asset.media_type, asset.body, cache)


_MISSING = (
    "select identity, tablename, last_update_epoch, generations_missed"
    f" from qasino_server_missing order by last_update_epoch desc, identity limit {LISTED}"
)
_REJECTS = (
    "select epoch, identity, peer, tablename, reason"
    f" from qasino_server_rejects order by epoch desc limit {LISTED}"
)
_VIEWS = "select viewname, loaded, errormsg from qasino_server_views order by 1"
_COLUMNS = (
    "select column_name, column_type, nr_identities, description"
    " from qasino_server_columns where tablename = {name} order by position"
)
_SOURCES = (
    "select identity, sum(nr_rows), max(update_epoch)"
    " from qasino_server_sources where tablename = {name} group by identity"
    f" order by 2 desc, 1 limit {LISTED}"
)


def sql_string(text: str) -> str:
    """A string as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def sql_name(name: str) -> str:
    """A name as SQL writes it, whatever it is."""
    return '"' + name.replace('"', '""') + '"'


def plain_name(name: str) -> str:
    """A name as a person would type it: quoted only where SQL needs it."""
    return name if name.replace("_", "a").isalnum() and name.isascii() else sql_name(name)


def table_url(name: str) -> str:
    """The page of that table."""
    return f"/tables/{quote(name, safe='')}"


def query_url(sql: str) -> str:
    """The page that asks that."""
    return f"/query?sql={quote(sql, safe='')}"


def _last_part(scope: Scope) -> str:
    """What follows /tables/; it may hold a slash, percent-encoded."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return unquote(raw.decode("ascii", "replace").split("/tables/", 1)[1], errors="replace")


def _downloads(sql: str) -> list[tuple[str, str, str]]:
    """(name, file name, URL) of each form a result can be had in."""
    forms = (("CSV", "csv", ""), ("JSON", "json", "&typed=true"), ("NDJSON", "ndjson", ""))
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return [
        (name, f"qasino-{stamp}.{form}", f"/request?op=query&format={form}{more}&sql={quote(sql)}")
        for name, form, more in forms
    ]


def _marked(sql: str, error: QasinoError | None) -> str | None:
    """The line of the statement an error is in, and a caret under the place."""
    if not isinstance(error, SqlError) or error.offset is None:
        return None
    before = sql[: error.offset]
    begins = before.rfind("\n") + 1
    line = sql[begins:].split("\n", 1)[0]
    column = error.offset - begins
    near = max(0, column - 60)
    return f"{line[near : near + 120]}\n{' ' * (column - near)}^"


async def _send(send: Send, status: int, media_type: str, body: bytes, cache: bytes) -> None:
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", cache),
        *_SECURITY,
    ]
    if status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
