"""A query that runs again at each generation, in a real browser: what it marks, what it leaves."""

from __future__ import annotations

import re

import pytest
from page_house import Look, asking, load
from playwright.sync_api import expect
from wire import Wire

from qasino_server.server import Server


def disks(wire: Wire) -> None:
    rows = [[host, device] for host in ("a", "b") for device in ("sda", "sdb")]
    wire.publish("web", "disks", ["host", "device"], ["text", "text"], rows, static=1)


MEASURE = "abs(random()) % 1000000 / 7.0"


@pytest.mark.parametrize(
    "columns",
    [
        f"host, device, {MEASURE} as used",
        f"{MEASURE} as used, host, device",
        "1000 + abs(random()) % 1000000 as n, host, device",
    ],
)
def test_rows_are_found_again_by_columns_that_stay(
    server: Server, wire: Wire, look: Look, columns: str
) -> None:
    disks(wire)
    page = look(asking(f"select {columns} from disks") + "&live")
    expect(page.locator("#result thead button")).to_have_count(3)
    for _ in range(2):
        number = server.rotate()
        words = f"generation {number}: 4 cells changed"
        expect(page.locator("#status")).to_contain_text(words)
        expect(page.locator("#result td.changed")).to_have_count(4)
        expect(page.locator("#result tr.new")).to_have_count(0)


def test_rows_that_cannot_be_told_apart_are_not_marked(
    server: Server, wire: Wire, look: Look
) -> None:
    disks(wire)
    page = look(asking(f"select host, {MEASURE} as used from disks") + "&live")
    expect(page.locator("#result thead button")).to_have_count(2)
    number = server.rotate()
    expect(page.locator("#status")).to_have_text(re.compile(rf"generation {number}$"))


def test_rows_that_come_to_none_are_new(server: Server, wire: Wire, look: Look) -> None:
    load(wire)
    server.rotate()
    page = look(asking("select nix, one from load") + "&live")
    expect(page.locator("#status")).to_contain_text("0 rows")
    load(wire, 1, 1)
    number = server.rotate()
    expect(page.locator("#status")).to_contain_text(f"generation {number}: 2 new")
    load(wire)
    number = server.rotate()
    expect(page.locator("#status")).to_contain_text(f"generation {number}: 2 gone")
