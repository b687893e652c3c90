"""Addresses that pages link to, and the SQL in them."""

from __future__ import annotations

import time
from urllib.parse import quote

from qasino_server.database.sqltext import plain

_FORMS = (("CSV", "csv", ""), ("JSON", "json", "&typed=true"), ("NDJSON", "ndjson", ""))
READY_ROWS = 100


def table_url(name: str) -> str:
    """The page of that table."""
    return f"/tables/{quote(name, safe='')}"


def query_url(sql: str) -> str:
    """The page that asks that."""
    return f"/query?sql={quote(sql, safe='')}"


def ready_query(name: str) -> str:
    """What to ask of a table one has not seen yet, as a person would type it."""
    return f"select * from {plain(name)} limit {READY_ROWS}"


def downloads(sql: str) -> list[tuple[str, str, str]]:
    """(name, file name, URL) of each form a result can be had in."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return [
        (name, f"qasino-{stamp}.{form}", f"/request?op=query&format={form}{more}&sql={quote(sql)}")
        for name, form, more in _FORMS
    ]
