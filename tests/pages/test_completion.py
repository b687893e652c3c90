"""Completion in the box for SQL, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_house import Look, ask, load
from playwright.sync_api import Page, expect
from wire import Wire

from qasino_server.server import Server


def mounts(wire: Wire) -> None:
    names, types = ["host", "device", "used_pct"], ["text", "text", "real"]
    wire.publish("web", "mounts", names, types, [["a", "sda", 1.5]])


def test_columns_are_those_of_the_tables_that_are_named(
    server: Server, wire: Wire, look: Look
) -> None:
    load(wire, 1)
    mounts(wire)
    server.rotate()
    page = look("/query")
    page.locator("#sql").click()
    for typed in (
        "select host from mounts where us",
        "select host, device from mounts where us",
        "select host, device from mounts m where m.us",
        'select host, device from "mounts" as m where m.us',
        "select l.host, device from load l, mounts where us",
        'select 1 from "load", mounts m where m.us',
        "select host, device from load join mounts left join load l using (host) where us",
    ):
        page.keyboard.type(typed)
        expect(page.get_by_role("option").first).to_have_text("used_pctcolumn")
        page.locator("#sql").fill("")
        expect(page.get_by_role("listbox")).to_be_hidden()


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


def offering(server: Server, wire: Wire, look: Look) -> Page:
    """The box, empty, with names on offer of four tables."""
    wire.publish("web", "fleet", ["host", "cpu"], ["text", "real"], [["a", 1.5]])
    wire.publish("web", "processes", ["pid", "memory"], ["int", "int"], [[7, 1]])
    load(wire, 1)
    mounts(wire)
    server.rotate()
    page = look("/query")
    page.locator("#sql").click()
    page.keyboard.type("select * from fle")
    expect(page.get_by_role("option")).to_have_text(["fleettable"])
    page.locator("#sql").fill("")
    return page


TYPED = (
    "select host, cpu * 2 as c\nfrom fleet f\nwhere f.cpu > 1",
    "select max(cpu) as m\nfrom fleet",
    "select count(*) as n\nfrom fleet",
    "select avg(cpu) as a\nfrom fleet",
    "select p.pid\nfrom processes p\nwhere p.pid > 1",
    "select m.device\nfrom fleet f join mounts m\non f.host = m.host",
)


def test_enter_is_a_line_break_where_nothing_was_chosen(
    server: Server, wire: Wire, look: Look
) -> None:
    page = offering(server, wire, look)
    for typed in TYPED:
        page.locator("#sql").fill("")
        for key in typed:
            page.keyboard.type(key)
        expect(page.locator("#sql")).to_have_value(typed)
        page.keyboard.press("Control+Enter")
        expect(page.locator("#result table")).to_be_visible()
        expect(page.locator("#error")).to_be_empty()


def test_enter_takes_what_an_arrow_key_chose_and_tab_the_first(
    server: Server, wire: Wire, look: Look
) -> None:
    page = offering(server, wire, look)
    box, options = page.locator("#sql"), page.get_by_role("option")
    page.keyboard.type("select host from fleet where c")
    expect(options.first).to_have_text("cpucolumn")
    expect(page.locator("[role=option][aria-selected=true]")).to_have_count(0)
    assert box.get_attribute("aria-activedescendant") is None
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(box).to_have_value("select host from fleet where cpu")
    page.keyboard.type(" > 1 o")
    expect(options).to_have_text(["order by", "on", "or"])
    page.keyboard.press("Tab")
    page.keyboard.type(" ho")
    expect(options.first).to_have_text("hostcolumn")
    page.keyboard.press("Enter")
    expect(box).to_have_value("select host from fleet where cpu > 1 order by ho\n")
    page.keyboard.type("s")
    page.keyboard.press("ArrowDown")
    page.keyboard.type("t")
    page.keyboard.press("Enter")
    expect(box).to_have_value("select host from fleet where cpu > 1 order by ho\nst\n")
    page.keyboard.type("order by h")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    second = options.nth(1)
    expect(second).to_have_attribute("aria-selected", "true")
    chosen = second.get_attribute("data-text")
    page.keyboard.press("Tab")
    assert box.input_value().endswith(f"order by {chosen}")
    told = "arrows choose, Enter takes what they chose, Tab that or the first"
    expect(page.locator("#keys")).to_contain_text(told)


PLACES: list[tuple[str, list[str]]] = [
    ("select cpu as m", []),
    ("select cpu as f", []),
    ("select max(cpu) m", []),
    ("select max(cpu) f", ["from"]),
    ("select cpu f", ["from"]),
    ("select * from fleet f", []),
    ("select * from fleet as o", []),
    ("select * from prev.fleet p", []),
    ("select * from fleet f, mounts m", []),
    ("select * from (select cpu from fleet) c", []),
    ("select * from fleet f join mounts o", ["order by", "on"]),
    ("select * from fleet w", ["where"]),
    ("select * from (mo", ["mountstable"]),
    ("select * from (sel", ["select"]),
    ("select * from fleet, mo", ["mountstable"]),
    ("select * from fleet where cpu > 1 a", ["as", "and"]),
    ("select * from fleet where host = 'x' gr", ["group by"]),
    ("select * from fleet -- or\n ord", ["order by"]),
    ("desc mo", ["mountstable"]),
]


def test_an_alias_is_left_alone(server: Server, wire: Wire, look: Look) -> None:
    page = offering(server, wire, look)
    box = page.locator("#sql")
    for typed, offered in PLACES:
        box.fill(typed)
        page.keyboard.press("Control+Space")
        expect(page.get_by_role("option")).to_have_text(offered)
        box.fill(typed[:-1])
        page.keyboard.type(typed[-1])
        if not offered:
            expect(page.get_by_role("listbox")).to_be_hidden()


def test_a_name_behind_an_opening_quote_gets_the_closing_one(
    server: Server, wire: Wire, look: Look
) -> None:
    """A second one was put before it: select * from ""select"."""
    wire.publish("web", "select", ["order", "n"], ["int", "int"], [[1, 2]])
    server.rotate()
    page = look("/query")
    box = page.locator("#sql")
    for typed, offered, taken in (
        ('select * from "sel', ["selecttable"], 'select * from "select"'),
        ('select "ord from "select"', ["ordercolumn"], 'select "order" from "select"'),
        ('select "ord" from "select"', ["ordercolumn"], 'select "order" from "select"'),
        ('select "n" from "select" where ord', ["ordercolumn", "order by"], None),
        ("select 'say \"' from sele", ["selecttable", "select"], 'select \'say "\' from "select"'),
    ):
        box.fill(typed)
        place = typed.index("ord") + 3 if "ord" in typed else len(typed)
        box.evaluate("(box, place) => box.setSelectionRange(place, place)", place)
        page.keyboard.press("Control+Space")
        expect(page.get_by_role("option")).to_have_text(offered)
        if taken is not None:
            page.keyboard.press("Tab")
            expect(box).to_have_value(taken)
        page.keyboard.press("Escape")


ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"


def test_a_query_that_is_run_closes_the_list(server: Server, wire: Wire, look: Look) -> None:
    load(wire, 1)
    server.rotate()
    page = look("/query")
    page.locator("#sql").click()
    page.keyboard.type("select host as h from load order by h")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#result tbody td")).to_have_text(["w0"])
    expect(page.get_by_role("listbox")).to_be_hidden()
    ask(page, ENDLESS)
    page.keyboard.type(" where i")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    expect(page.get_by_role("alert")).to_contain_text("stopped")


def test_a_generation_leaves_the_list_open(server: Server, wire: Wire, look: Look) -> None:
    load(wire, 1)
    server.rotate()
    page = look("/query?sql=select+host+from+load&live")
    expect(page.locator("#result thead button")).to_have_count(1)
    page.locator("#sql").click()
    page.keyboard.press("Control+End")
    page.keyboard.type(" where ho")
    expect(page.get_by_role("option").first).to_be_visible()
    load(wire, 1)
    number = server.rotate()
    expect(page.locator("#status")).to_contain_text(f"generation {number}: nothing changed")
    expect(page.get_by_role("option").first).to_be_visible()


@pytest.mark.parametrize("width", [360, 1000])
def test_the_list_stands_under_the_line_that_is_typed(
    server: Server, wire: Wire, look: Look, width: int
) -> None:
    load(wire, 1)
    server.rotate()
    page = look("/query", viewport={"width": width, "height": 740})
    for nr_columns in (1, 25, 60):
        page.locator("#sql").fill("")
        expect(page.get_by_role("listbox")).to_be_hidden()
        page.locator("#sql").fill("select host" + ", host" * nr_columns + " from lo")
        page.keyboard.type("a")
        expect(page.get_by_role("option").first).to_be_visible()
        wrapped = page.evaluate(LINES)
        menu, box = (page.locator(place).bounding_box() for place in ("#completions", "#sql"))
        assert menu
        assert box
        foot = box["y"] + min(wrapped["bottom"], box["height"])
        assert foot - 4 <= menu["y"] <= foot + 8
        assert abs(menu["x"] - box["x"] - min(wrapped["right"], box["width"] - menu["width"])) <= 6


# Where the last line ends: the box is cut back until it is a line less.
LINES = """(() => {
  const real = document.querySelector('#sql');
  const box = real.cloneNode();
  Object.assign(box, { id: '', rows: 1 });
  real.after(box);
  const style = getComputedStyle(box);
  const [line, above, beside] =
    [style.lineHeight, style.paddingTop, style.paddingLeft].map(parseFloat);
  const lines = (text) => {
    box.value = text;
    return Math.round((box.scrollHeight - 2 * above) / line);
  };
  const words = real.value.split(' ');
  const all = lines(real.value);
  let begin = words.length - 1;
  while (begin > 0 && lines(words.slice(0, begin).join(' ')) === all) begin -= 1;
  const pen = document.createElement('canvas').getContext('2d');
  pen.font = style.font;
  box.remove();
  const right = beside + pen.measureText(words.slice(begin).join(' ')).width;
  return { bottom: above + all * line - real.scrollTop, right };
})()"""
