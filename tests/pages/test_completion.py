"""Completion in the box for SQL, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_house import Look, load
from playwright.sync_api import expect
from wire import Wire

from qasino_server.server import Server


def mounts(wire: Wire) -> None:
    names, types = ["host", "device", "used_pct"], ["text", "text", "real"]
    wire.publish("web", "mounts", names, types, [["a", "sda", 1.5]])


@pytest.mark.parametrize(
    "typed",
    [
        "select host from mounts where us",
        "select host, device from mounts where us",
        "select host, device from mounts m where m.us",
        'select host, device from "mounts" as m where m.us',
        "select l.host, device from load l, mounts where us",
        'select 1 from "load", mounts m where m.us',
        "select host, device from load join mounts left join load l using (host) where us",
    ],
)
def test_columns_are_those_of_the_tables_that_are_named(
    server: Server, wire: Wire, look: Look, typed: str
) -> None:
    load(wire, 1)
    mounts(wire)
    server.rotate()
    page = look("/query")
    page.locator("#sql").click()
    page.keyboard.type(typed)
    expect(page.get_by_role("option").first).to_have_text("used_pctcolumn")


def test_views_are_completed_with_their_columns(
    server: Server, wire: Wire, look: Look, tmp_path: Path
) -> None:
    (tmp_path / "views.conf").write_text(
        "- viewname: busy\n  view: create view busy as select host, one as load_1 from load\n"
        "- viewname: bus_1\n  view: create view bus_1 as select 1 from gone\n"
        "- viewname: bus_2\n  view: select broken\n"
    )
    load(wire, 1)
    server.rotate()
    page = look("/query")
    page.locator("#sql").click()
    page.keyboard.type("select * from bus")
    expect(page.get_by_role("option")).to_have_text(["busyview", "bus_1view"])
    page.keyboard.press("Tab")
    page.keyboard.type(" b where b.")
    expect(page.get_by_role("option")).to_have_text(["hostcolumn", "load_1column"])
    page.locator("#sql").fill("")
    page.keyboard.type("select * from l")
    expect(page.get_by_role("option").first).to_have_text("loadtable")
    page.locator("#sql").fill("")
    page.keyboard.type("select * from prev.bu")
    expect(page.get_by_role("listbox")).to_be_hidden()
