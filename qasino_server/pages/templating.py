"""Templates and what they may use -> HTML."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from qasino_server.pages import links, paint
from qasino_server.pages.files import Asset
from qasino_server.render import visible

if TYPE_CHECKING:
    import jinja2

_TEMPLATES = Path(__file__).with_name("templates")


class Page(msgspec.Struct, frozen=True):
    """A page to be made: a template and what fills it."""

    template: str
    values: dict[str, Any]


class Templating:
    """Makes the pages of one server."""

    def __init__(self, assets: dict[str, Asset], identity: str, duration_s: int) -> None:
        self._assets = assets
        self._identity = identity
        self._duration_s = duration_s

    def html(self, page: Page) -> bytes:
        """The page; what is no UTF-8 becomes a question mark."""
        text = self._templates.get_template(page.template).render(**page.values)
        return text.encode("utf-8", "replace")

    @cached_property
    def _templates(self) -> jinja2.Environment:
        """Made for the first page; of two that come at once either may win."""
        import jinja2  # 25 ms, which a server nobody looks at never pays

        made = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        made.globals.update(
            identity=self._identity,
            duration_s=self._duration_s,
            late_after_s=paint.LATE * self._duration_s,
            asset=lambda name: f"/assets/{name}?v={self._assets[name].version}",
            table_url=links.table_url,
            query_url=links.query_url,
            ready_query=links.ready_query,
        )
        made.filters.update(
            count=paint.count,
            size=paint.size,
            age=paint.age,
            seconds_since=paint.seconds_since,
            clock=paint.clock,
            time_of_day=paint.time_of_day,
            cell=paint.cell,
            visible=visible,
        )
        return made
