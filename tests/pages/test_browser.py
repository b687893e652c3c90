"""The pages in a real browser: Chromium without a screen."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from wire import Wire

from qasino_server.server import Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
HOSTILE = "</td><script>document.title = 'broken'</script>\"'\u202eRTL & <b>"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and "CI" not in os.environ, reason="chromium is not installed"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield made
        made.close()


@pytest.fixture
def look(server: Server, browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page of the server; at the end, none may have complained."""
    complaints: list[str] = []
    contexts = []

    def at(path: str, **options: object) -> Page:
        base = f"http://127.0.0.1:{server.ports['http']}"
        context = browser.new_context(base_url=base, accept_downloads=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("console", lambda said: complaints.append(said.text))
        page.goto(path)
        return page

    yield at
    for context in contexts:
        context.close()
    # A refused query is a 400, which the browser notes in its console.
    assert [said for said in complaints if "400 (Bad Request)" not in said] == []


def load(wire: Wire, *values: float) -> None:
    rows = [[f"w{n}", value, None] for n, value in enumerate(values)]
    wire.publish("web", "load", ["host", "one", "nix"], ["text", "real", "int"], rows)


def column(page: Page, n: int) -> list[str]:
    return page.locator(f"#result tbody td:nth-child({n})").all_text_contents()


def test_tables_are_filtered_as_one_types(
    server: Server, wire: Wire, look: Callable[..., Page]
) -> None:
    load(wire, 1)
    wire.publish("web", "disks", ["a"], ["int"], [[1]])
    server.rotate()
    page = look("/tables")
    page.keyboard.press("/")
    page.keyboard.type("DIS")
    expect(page.locator("tr[data-name]:visible")).to_have_count(1)
    expect(page.locator("#found")).to_contain_text("1 of ")
    wire.publish("web", "disks_more", ["a"], ["int"], [[1]])
    server.rotate()
    expect(page.get_by_role("link", name="disks_more")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("disks_more")
    page.get_by_role("link", name="Query it").click()
    expect(page.locator("#result tbody tr")).to_have_count(1)


def test_a_query_is_run_sorted_filtered_and_shared(
    server: Server, wire: Wire, look: Callable[..., Page]
) -> None:
    load(wire, 10, 9, -2.5, 100)
    server.rotate()
    page = look("/query")
    page.locator("#sql").fill("select host, one, nix, 9007199254740993 as big from load")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#result tbody tr")).to_have_count(4)
    expect(page.locator("#status")).to_contain_text("4 rows")
    assert column(page, 4) == ["9007199254740993"] * 4
    assert column(page, 3) == ["NULL"] * 4
    heading = page.get_by_role("button", name="one")
    heading.click()
    assert column(page, 2) == ["-2.5", "9.0", "10.0", "100.0"]
    expect(page.locator("th[aria-sort=ascending]")).to_have_count(1)
    heading.press("Enter")
    assert column(page, 2) == ["100.0", "10.0", "9.0", "-2.5"]
    page.get_by_label("Filter").fill("W3")
    assert column(page, 1) == ["w3"]
    expect(page.locator("#status")).to_contain_text("1 of 4 rows")
    shared = look("/" + page.url.split("/", 3)[3])
    assert column(shared, 1) == ["w0", "w1", "w2", "w3"]
    page.go_back()
    expect(page.locator("#sql")).to_have_value("")


def test_a_mistake_keeps_the_text_and_points_at_its_place(
    server: Server, look: Callable[..., Page]
) -> None:
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


def test_live_runs_again_at_each_generation_and_marks_what_changed(
    server: Server, wire: Wire, look: Callable[..., Page]
) -> None:
    load(wire, 1, 2)
    server.rotate()
    page = look(f"/query?sql={quote('select host, one from load')}")
    page.get_by_label("Live").check()
    load(wire, 1, 3, 4)
    number = server.rotate()
    expect(page.locator("#result tbody tr")).to_have_count(3)
    expect(page.locator("#result td.changed")).to_have_text(["3.0"])
    expect(page.locator("#result td.changed")).to_have_attribute("title", "was 2.0")
    expect(page.locator("#result tr.new td").first).to_have_text("w2")
    expect(page.locator("#generation")).to_have_text(str(number))
    page.get_by_label("Live").uncheck()
    load(wire, 7)
    number = server.rotate()
    expect(page.locator("#generation")).to_have_text(str(number))
    assert column(page, 2) == ["1.0", "3.0", "4.0"]


def test_names_are_completed_by_keys(server: Server, wire: Wire, look: Callable[..., Page]) -> None:
    load(wire, 1)
    server.rotate()
    page = look("/query")
    box = page.locator("#sql")
    box.click()
    page.keyboard.type("select l.* from lo")
    expect(page.get_by_role("option").first).to_contain_text("load")
    page.keyboard.press("Tab")
    page.keyboard.type(" l where l.o")
    expect(page.get_by_role("option").first).to_contain_text("one")
    page.keyboard.press("Enter")
    page.keyboard.type(" > 0 or l.n")
    expect(page.get_by_role("listbox")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    page.keyboard.type("ix is null")
    page.keyboard.press("Control+Enter")
    expect(box).to_have_value("select l.* from load l where l.one > 0 or l.nix is null")
    expect(page.locator("#result tbody tr")).to_have_count(1)


def test_what_is_hostile_shows_as_text(
    server: Server, wire: Wire, look: Callable[..., Page]
) -> None:
    wire.publish("web", "nasty", ["a", "b"], ["text", "text"], [[HOSTILE, "y" * 1_000_000]])
    server.rotate()
    for script in (True, False):
        sql = 'select a, b, 1 as "<script>c</script>" from nasty'
        page = look(f"/query?sql={quote(sql)}", java_script_enabled=script)
        expect(page.locator("#result tbody td").first).to_contain_text("</td><script>document")
        expect(page.locator("#result thead")).to_contain_text("<script>c</script>")
        assert "\\u202eRTL" in column(page, 1)[0]
        page.locator("#result summary").first.click()
        size = page.locator("#result tbody tr").bounding_box()
        assert size is not None
        assert size["height"] < 400, "a cell of 1 MB stays in its place"
        assert "Qasino" in page.title()
    look("/tables/nasty")


def test_a_result_is_downloaded_and_drawn(
    server: Server, wire: Wire, look: Callable[..., Page]
) -> None:
    load(wire, 3, 1, 2)
    server.rotate()
    page = look(f"/query?sql={quote('select host, one from load')}")
    with page.expect_download() as caught:
        page.get_by_role("link", name="CSV").click()
    assert caught.value.suggested_filename.endswith(".csv")
    downloaded = Path(caught.value.path()).read_bytes()
    assert downloaded == b"host,one\nw0,3.0\nw1,1.0\nw2,2.0\n"
    page.get_by_label("Chart").select_option("one")
    expect(page.locator("#chart rect")).to_have_count(3)
    expect(page.get_by_role("img", name="one: 3 values from 1 to 3")).to_be_visible()


def test_a_query_is_stopped(server: Server, wire: Wire, look: Callable[..., Page]) -> None:
    page = look("/query")
    page.locator("#sql").fill(
        "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    )
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("alert")).to_contain_text("the query was")
    ends = time.monotonic() + 10
    while wire.rows("show queries"):
        assert time.monotonic() < ends


def test_ten_thousand_rows_stay_quick(server: Server, look: Callable[..., Page]) -> None:
    sql = (
        "with recursive n(i) as (select 1 union all select i + 1 from n limit 10000)"
        " select i, 10001 - i as j, 'name ' || (i * 7919 % 10000) as t from n"
    )
    page = look(f"/query?sql={quote(sql)}")
    expect(page.locator("#status")).to_contain_text("10,000 rows")
    took_ms = page.evaluate(
        "(() => { const b = document.querySelectorAll('#result thead button')[2];"
        " const t = performance.now(); b.click(); b.offsetHeight;"
        " return performance.now() - t; })()"
    )
    print(f"sorting 10,000 rows by a text: {took_ms:.0f} ms")
    assert column(page, 3)[:2] == ["name 0", "name 1"]
    assert page.locator("#result tbody tr").count() < 1000, "rows are drawn as they are looked at"
    page.evaluate("document.querySelector('#result').scrollTop = 1e9")
    expect(page.locator("#result tbody tr").nth(200)).to_be_attached()


@pytest.mark.parametrize("path", ["/", "/tables", "/tables/load", "/query?sql=select+*+from+load"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(
    server: Server, wire: Wire, look: Callable[..., Page], path: str, scheme: str
) -> None:
    load(wire, *range(30))
    server.rotate()
    page = look(path, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    assert page.evaluate(CONTRAST) == []


CONTRAST = """(() => {
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const back = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const weak = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.offsetParent || e.closest("svg")) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(back(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) weak.push(`${e.tagName} ${e.textContent.slice(0, 20)} ${ratio.toFixed(2)}`);
  }
  return weak;
})()"""


def test_the_overview_follows_the_generations(
    server: Server, wire: Wire, look: Callable[..., Page]
) -> None:
    load(wire, 1)
    server.rotate()
    page = look("/")
    server.rotate()
    expect(page.locator("#missing + .scroll")).to_contain_text("load")
    expect(page.get_by_role("img")).to_have_count(6)


class Attacker(BaseHTTPRequestHandler):
    """A site with one page, on another port of this host."""

    page = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.page.encode())

    def log_message(self, format: str, *values: object) -> None:
        pass


@pytest.fixture
def attacker() -> Iterator[str]:
    """The URL of a site of somebody else's."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Attacker) as site:
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{site.server_address[1]}/"
        site.shutdown()
        thread.join()


@pytest.mark.parametrize("form", ["tsv", "csv", "text", "ndjson", "json", "html"])
def test_another_site_reads_nothing_by_making_a_result_look_like_a_script(
    server: Server, wire: Wire, browser: Browser, attacker: str, form: str
) -> None:
    """A result is text of the asker's making: `/*`, a line end, `*/heard(`secret`)`."""
    wire.publish("web", "secrets", ["a"], ["text"], [["secret"]])
    server.rotate()
    sql = "select '*/heard(`' || a || '`)' as \"/*\" from secrets"
    base = (
        f"http://127.0.0.1:{server.ports['http']}/request?op=query&format={form}&sql={quote(sql)}"
    )
    Attacker.page = (
        "<script>window.said = []; function heard(what) { said.push(what) }</script>"
        f"<script src='{base.replace(chr(39), '%27')}'></script>"
    )
    page = browser.new_page()
    page.goto(attacker)
    page.wait_for_load_state("load")
    assert page.evaluate("said") == []
    page.close()


def test_another_sites_image_sets_nothing(
    server: Server, wire: Wire, browser: Browser, attacker: str
) -> None:
    where = f"http://127.0.0.1:{server.ports['http']}/request"
    Attacker.page = f"<img src='{where}?op=name_value_update&identity=x&name=t.a&value=1'>"
    page = browser.new_page()
    page.goto(attacker)
    page.wait_for_load_state("load")
    page.close()
    server.rotate()
    assert wire.rows("select identity, tablename from qasino_server_rejects") == [["x", "t"]]
    assert "no such table" in wire.query("select * from t")["error_message"]
