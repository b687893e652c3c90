"""A query that runs again at each generation, in a real browser: what it marks, what it leaves."""

from __future__ import annotations

import re

import pytest
from page_house import Look, asking, hold_up_the_first, load
from playwright.sync_api import Page, Route, expect
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


def notes(wire: Wire, server: Server, *numbers: int) -> int:
    rows = [[f"h{n}", number, f"{n} " + "note " * 100] for n, number in enumerate(numbers)]
    wire.publish("web", "notes", ["host", "n", "note"], ["text", "int", "text"], rows)
    return server.rotate()


def test_unfolded_cells_stay_unfolded(server: Server, wire: Wire, look: Look) -> None:
    notes(wire, server, 1, 2)
    page = look(asking("select * from notes order by n") + "&live")
    opened, status = page.locator("#result details[open]"), page.locator("#status")
    page.locator("#result summary").nth(1).click()
    expect(opened.locator(".whole")).to_contain_text("1 note")
    page.evaluate("document.querySelector('#result table').id = 'drawn'")
    number = notes(wire, server, 1, 2)
    expect(status).to_contain_text(f"generation {number}: nothing changed")
    expect(page.locator("#drawn details[open]")).to_have_count(1)
    number = notes(wire, server, 3, 2)
    expect(status).to_contain_text(f"generation {number}: 1 cell changed")
    expect(opened.locator(".whole")).to_contain_text("1 note")
    expect(page.locator("td.changed")).to_have_attribute("title", "was 1")
    expect(opened.locator("summary")).to_be_focused()
    number = notes(wire, server, 3, 2)
    expect(status).to_contain_text(f"generation {number}: nothing changed")
    expect(opened).to_have_count(1)
    expect(page.locator("td.changed, td[title]")).to_have_count(0)
    page.get_by_role("button", name="host").click()
    expect(opened.locator(".whole")).to_contain_text("1 note")
    number = notes(wire, server, 3, 2)
    expect(status).to_contain_text(f"generation {number}: nothing changed")
    page.locator("#result summary").first.click()
    expect(opened).to_have_count(2)
    number = notes(wire, server, 4, 2)
    expect(status).to_contain_text(f"generation {number}: 1 cell changed")
    expect(opened).to_have_count(2)
    expect(opened.first.locator("summary")).to_be_focused()


def test_a_result_of_which_something_is_selected_waits(
    server: Server, wire: Wire, look: Look
) -> None:
    first = notes(wire, server, 1, 2)
    page = look(asking("select host, n from notes") + "&live")
    expect(page.locator("#result thead button")).to_have_count(2)
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#result td'))")
    status = page.locator("#status")
    for _ in range(2):
        number = notes(wire, server, 1, 3)
        expect(page.locator("#generation")).to_have_text(str(number))
        expect(status).to_contain_text(
            re.compile(rf"generation {first}; newer rows wait while something is selected$")
        )
    assert page.evaluate("String(getSelection())") == "h0"
    page.evaluate("getSelection().removeAllRanges()")
    expect(status).to_contain_text(f"generation {number}: 1 cell changed")
    expect(page.locator("#result td.changed")).to_have_text(["3"])


def test_a_text_that_reads_like_something_else_is_another_value(
    server: Server, wire: Wire, look: Look
) -> None:
    def publish(*cells: str | None) -> int:
        rows = [[f"h{n}", cell] for n, cell in enumerate(cells)]
        wire.publish("web", "said", ["host", "cell"], ["text", "text"], rows)
        return server.rotate()

    publish(None, "NULL", "a")
    page = look(asking("select * from said") + "&live")
    expect(page.locator("#result thead button")).to_have_count(2)
    number = publish("NULL", None, "a")
    expect(page.locator("#status")).to_contain_text(f"generation {number}: 2 cells changed")
    expect(page.locator("#result td.changed")).to_have_text(["NULL", "NULL"])
    page = look(
        asking("select cell, 1 + 0 from said where cell is null or cell = 'NULL'") + "&live"
    )
    expect(page.locator("#result thead button")).to_have_count(2)
    number = publish(None, "NULL", "a")
    expect(page.locator("#status")).to_contain_text(f"generation {number}: nothing changed")


@pytest.fixture
def held_up(server: Server, wire: Wire, look: Look) -> tuple[Page, list[Route]]:
    """A page that was just made live, and its queries; the first has not reached the server."""
    load(wire, 1)
    server.rotate()
    page = look(asking("select host, one from load"))
    asked = hold_up_the_first(page, "**/request?op=query")
    with page.expect_request("**/request?op=query"):
        page.get_by_label("Live").check()
    load(wire, 2)
    return page, asked


def test_a_generation_that_begins_while_the_query_runs_is_shown_too(
    server: Server, held_up: tuple[Page, list[Route]]
) -> None:
    """The answer of the one before was left on the page until the next began."""
    page, asked = held_up
    answer = asked[0].fetch()
    number = server.rotate()
    expect(page.locator("#generation")).to_have_text(str(number))
    asked[0].fulfill(response=answer)
    expect(page.locator("#status")).to_contain_text(f"generation {number}: 1 cell changed")
    expect(page.locator("#result td.changed")).to_have_attribute("title", "was 1.0")


def test_what_was_answered_by_that_generation_already_is_not_asked_again(
    server: Server, held_up: tuple[Page, list[Route]]
) -> None:
    """Nothing would have changed since, and no mark would stay."""
    page, asked = held_up
    number = server.rotate()
    expect(page.locator("#generation")).to_have_text(str(number))
    asked[0].fulfill(response=asked[0].fetch())
    expect(page.locator("#status")).to_contain_text(f"generation {number}: 1 cell changed")
    assert page.evaluate("fetch('/healthz/live').then(answer => answer.status)") == 200
    assert len(asked) == 1
    expect(page.locator("#result td.changed")).to_have_count(1)


def test_an_error_of_the_generation_before_is_asked_about_again(
    server: Server, wire: Wire, look: Look
) -> None:
    """It said that there is no such table until the generation after the one that has it."""
    server.rotate()
    page = look(asking("select 1 as x") + "&live")
    expect(page.locator("#result tbody")).to_have_text("1")
    page.locator("#sql").fill("select x from later")
    asked = hold_up_the_first(page, "**/request?op=query")
    with page.expect_request("**/request?op=query"):
        page.keyboard.press("Control+Enter")
    answer = asked[0].fetch()
    assert answer.json()["response_op"] == "error"
    wire.publish("a", "later", ["x"], ["int"], [[7]])
    number = server.rotate()
    expect(page.locator("#generation")).to_have_text(str(number))
    asked[0].fulfill(response=answer)
    expect(page.locator("#result tbody")).to_have_text("7")
