"""Where a statement is wrong, as the query page shows it, in a real browser."""

from __future__ import annotations

from page_house import Look, ask, asking, column, load
from playwright.sync_api import expect
from wire import Wire

from qasino_server.server import Server


def test_a_mistake_keeps_the_text_and_points_at_its_place(server: Server, look: Look) -> None:
    page = look("/query")
    page.locator("#sql").fill("select 1,\n 'ü😀', hots")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("alert")).to_contain_text("no such column: hots")
    expect(page.locator("#sql")).to_have_value("select 1,\n 'ü😀', hots")
    chosen = page.evaluate(
        "(() => { const b = document.querySelector('#sql');"
        " return b.value.slice(b.selectionStart, b.selectionEnd); })()"
    )
    assert chosen == "hots"
    page.locator("#sql").fill("select 2 as two")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_be_empty()
    assert column(page, 1) == ["2"]


MISTAKES = (
    ("select\t1,\thots from load", "hots"),
    ("select 1 + '\tü", "'"),
    ("select '日本語日本語', hots", "hots"),
    (f"select {'h' * 300} from load", "h" * 113),
    ("select 1,\n'ü😀\u202e', hots + 1\nfrom load", "hots"),
    ("select 1 ^ 2", "^"),
    (f"select '{'x' * 800}', hots, '{'y' * 800}'", "hots"),
)
"""The place is another each time, so that none is looked for before it is shown."""


def test_the_place_of_a_mistake_is_marked_alike_with_scripts_and_without(
    server: Server, wire: Wire, look: Look
) -> None:
    load(wire, 1)
    server.rotate()
    phone = {"width": 360, "height": 740}
    asked = look("/query", viewport=phone)
    made = look("/query", java_script_enabled=False, viewport=phone)
    for sql, place in MISTAKES:
        made.goto(asking(sql))
        ask(asked, sql)
        marks = [page.locator("#error mark") for page in (made, asked)]
        for mark in marks:
            expect(mark).to_have_text(place)
            box = mark.bounding_box()
            assert box is not None
            assert 0 <= box["x"] <= box["x"] + box["width"] <= 360, "nobody has to look for it"
        lines = [page.locator("#error pre").inner_html() for page in (made, asked)]
        assert lines[0] == lines[1]
        assert len(made.locator("#error pre").inner_text()) <= 130


def test_a_place_is_found_in_what_a_form_without_scripts_sent(look: Look) -> None:
    page = look(asking("select 1,\r\n 2,\r\n hots"))
    expect(page.locator("#error mark")).to_have_text("hots")
    chosen = page.evaluate(
        "(() => { const b = document.querySelector('#sql');"
        " return b.value.slice(b.selectionStart, b.selectionEnd); })()"
    )
    assert chosen == "hots"


def test_the_place_of_a_mistake_stays_marked_while_it_is_live(
    server: Server, wire: Wire, look: Look
) -> None:
    """Its line was gone with the next generation, and so was what somebody had to mend."""
    load(wire, 1)
    server.rotate()
    page = look(asking("select one,\n hots from load") + "&live")
    expect(page.locator("#error mark")).to_have_text("hots")
    page.keyboard.press("Control+End")
    for typed in ("", " where 1"):
        page.keyboard.type(typed)
        page.evaluate("document.querySelector('#error pre').id = 'before'")
        load(wire, 1)
        server.rotate()
        expect(page.locator("#before")).to_have_count(0)
        expect(page.locator("#error pre")).to_have_text(" hots from load")
        expect(page.locator("#error mark")).to_have_text("hots")
    page.keyboard.type(" > 0")
    expect(page.locator("#sql")).to_have_value("select one,\n hots from load where 1 > 0")


def test_a_table_that_is_not_there_is_marked_and_its_like_told(
    server: Server, wire: Wire, look: Look
) -> None:
    wire.publish("web", "processes", ["proceses", "pid"], ["int", "int"], [[1, 7]])
    server.rotate()
    sql = "select 'from proceses', proceses\n from /* 😀 */ proceses p"
    page = look(asking(sql))
    alert, mark = page.get_by_role("alert"), page.locator("#error mark")
    for nr in range(2):
        expect(alert.locator("p")).to_have_text(
            ["no such table: proceses", "did you mean processes?"]
        )
        expect(mark).to_have_text("proceses")
        expect(page.locator("#error pre")).to_have_text(" from /* 😀 */ proceses p")
        chosen = page.evaluate("document.querySelector('#sql').selectionStart")
        assert chosen == sql.rindex("proceses") + 1, "the picture is two units"
        if not nr:
            ask(page, "select 1")
            expect(alert).to_be_empty()
            ask(page, sql)
    ask(page, "select * from nothing_like_it, processes")
    expect(alert.locator("p")).to_have_text(["no such table: nothing_like_it"])


def test_a_mistake_is_gone_while_the_next_query_runs(look: Look) -> None:
    page = look(asking("select hots"))
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("no such column: hots")
    page.route("**/request?op=*", lambda _: None)  # as where the server does not answer
    ask(page, "select 1")
    expect(page.locator("#status")).to_have_text("running")
    expect(alert).to_be_empty()
    expect(page.locator("#sql")).not_to_have_attribute("aria-invalid", "true")
    stop = page.get_by_role("button", name="Stop")
    stop.click()
    expect(alert).to_have_text("the query was stopped")
    expect(stop).to_be_hidden()
