"""What tests of the query page do again and again."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from playwright.sync_api import Page, Route
from wire import Wire

Look = Callable[..., Page]

MANY = (
    "with recursive n(i) as (select 1 union all select i + 1 from n limit 10000)"
    " select i, 10001 - i as j, 'name ' || (i * 7919 % 10000) as t from n"
)


def hold_up_the_first(page: Page, address: str) -> list[Route]:
    """What the page asks for there; the first does not reach the server by itself."""
    asked: list[Route] = []

    def handle(route: Route) -> None:
        asked.append(route)
        if len(asked) > 1:
            route.continue_()

    page.route(address, handle)
    return asked


def load(wire: Wire, *values: float) -> None:
    """Publish a table `load` of a host for each value."""
    rows = [[f"w{n}", value, None] for n, value in enumerate(values)]
    wire.publish("web", "load", ["host", "one", "nix"], ["text", "real", "int"], rows)


def column(page: Page, n: int) -> list[str]:
    """What is shown in that column of the result, counted from 1."""
    return page.locator(f"#result tbody td:nth-child({n})").all_text_contents()


def asking(sql: str) -> str:
    """The address of the page that asks that."""
    return f"/query?sql={quote(sql)}"


def ask(page: Page, sql: str) -> None:
    """Ask that in the page."""
    page.locator("#sql").fill(sql)
    page.keyboard.press("Control+Enter")
