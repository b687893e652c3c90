"""The pages in a real browser: how they look, what they follow, how they are reached."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import bcrypt
import pytest
import trustme
from page_house import Look, hold_up_the_first, load
from playwright.sync_api import Browser, expect
from wire import Wire, until

from qasino_server import pages
from qasino_server.http_port import HttpPort
from qasino_server.server import Server

MakeServer = Callable[..., Server]

LONG = "a_table_with_a_very_long_name_" + "y" * 90
PATHS = (
    "/",
    "/tables",
    "/tables/load",
    "/tables/wide",
    "/tables/none",
    f"/tables/{LONG}",
    "/query",
    "/query?sql=select+*+from+load",
    "/query?sql=select+*+from+wide",
    "/query?sql=select+*+from+load+where+0",
    f"/query?sql={quote('select one,' + chr(10) + '  hots from load')}",
    f"/query?sql=select+*+from+{LONG}",
)


@pytest.fixture
def filled(server: Server, wire: Wire) -> Wire:
    load(wire, *range(30))
    names = [f"column_number_{n}" for n in range(60)]
    wire.publish("i" * 120, "wide", names, ["int"] * 60, [list(range(60))] * 30)
    wire.publish("web", LONG, ["c" * 100, "b"], ["text", "int"], [["v" * 400, 1]])
    wire.publish("web", "gone", ["a"], ["int"], [[1]])
    bad = {"tablename": "bad", "column_names": ["a"], "column_types": ["int"], "rows": [[1, 2]]}
    wire.http_post("add_table_data", {"identity": "j" * 120, "table": bad})
    server.rotate()
    load(wire, *range(30))
    wire.publish("i" * 120, "wide", names, ["int"] * 60, [list(range(60))] * 30)
    wire.publish("web", LONG, ["c" * 100, "b"], ["text", "int"], [["v" * 400, 1]])
    server.rotate()
    return wire


# --- How they look ------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_every_page_without_scrolling_sideways(
    filled: Wire, look: Look, scheme: str
) -> None:
    page = look("/", viewport={"width": 360, "height": 740}, color_scheme=scheme)
    for path in PATHS:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") == 360, path
        assert page.evaluate(CONTRAST) == [], path
    page.goto("/query")
    page.locator("#sql").fill("select column_n from wide")
    for _ in range(len(" from wide")):
        page.keyboard.press("ArrowLeft")
    page.keyboard.type("u")
    expect(page.get_by_role("option").first).to_contain_text("column_number_0")
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_the_longest_age_of_a_table_stays_in_its_column(filled: Wire, look: Look) -> None:
    page = look("/tables", viewport={"width": 1200, "height": 900})
    for age in ("23 h 59 min ago", "59 min 59 s ago", "365 d 23 h ago"):
        fits = """age => [...document.querySelectorAll('.tables tbody td:nth-child(5)')].map(
          cell => { cell.textContent = age; return cell.scrollWidth <= cell.clientWidth })"""
        found = page.evaluate(fits, age)
        assert found, age
        assert all(found), age


def test_paper_has_every_row_and_column(filled: Wire, look: Look) -> None:
    """What scrolls on a screen was cut off on paper, where nothing comes as one scrolls either."""
    a4 = {"width": 720, "height": 1000}
    sql = "with recursive n(i) as (select 1 union all select i + 1 from n limit 300) select i"
    words = ", ".join(f"'some words of column {n}' as column_number_{n}" for n in range(8))
    page = look(f"/query?sql={quote(f'{sql}, {words} from n')}", viewport=a4, color_scheme="dark")
    expect(page.locator("#result thead button")).to_have_count(9)
    page.pdf()
    expect(page.locator("#result tbody tr")).to_have_count(300)
    page.emulate_media(media="print")
    assert page.evaluate(CUT_OFF) == []
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 35, 33)", "not light"
    expect(page.locator(".actions, .downloads")).to_have_count(2)
    expect(page.locator(".actions:visible, .downloads:visible")).to_have_count(0)
    for path in ("/", "/tables"):
        page.goto(path)
        assert page.evaluate(CUT_OFF) == [], path


CUT_OFF = """[...document.querySelectorAll('.scroll, .scroll *')].filter((e) => e.checkVisibility())
  .filter((e) => e.getBoundingClientRect().right > innerWidth
    || getComputedStyle(e).overflow !== 'visible' && (e.scrollHeight > e.clientHeight + 1
    || e.scrollWidth > e.clientWidth + 1)).map((e) => e.outerHTML.slice(0, 80))"""


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


def test_colours_are_told_apart_in_both_schemes() -> None:
    css = (Path(pages.__file__).with_name("assets") / "qasino.css").read_text()
    blocks = re.findall(r":root \{([^}]*)\}", css)
    assert len(blocks) == 2
    for block in blocks:
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))
        grounds = ("back", "panel", "head")
        pairs = [(front, ground) for front in ("text", "soft", "accent") for ground in grounds]
        pairs += [("alert", "back"), ("alert", "panel"), ("alert", "head")]
        pairs += [("text", "mark"), ("soft", "mark"), ("back", "accent")]
        ratios = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in pairs}
        assert {pair: ratio for pair, ratio in ratios.items() if ratio < 4.5} == {}
        assert contrast(colours["edge"], colours["panel"]) >= 3, "the edge of a field"


def contrast(a: str, b: str) -> float:
    """As WCAG 2 counts it."""

    def light(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
        return sum(v * weight for v, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))

    dark, bright = sorted((light(a), light(b)))
    return (bright + 0.05) / (dark + 0.05)


def test_what_is_chosen_is_seen_where_the_colours_are_somebody_elses(
    server: Server, wire: Wire, look: Look
) -> None:
    """Backgrounds are all alike then, and every link of the head had the line of the chosen one."""
    load(wire, 1)
    server.rotate()
    page = look("/query", forced_colors="active")
    page.locator("#sql").click()
    page.keyboard.type("select * from qasino_server_s")
    page.keyboard.press("ArrowDown")
    ground = "e => getComputedStyle(e).backgroundColor"
    chosen = page.get_by_role("option", selected=True)
    assert chosen.evaluate(ground) != page.get_by_role("listbox").evaluate(ground)
    lines = [
        link.evaluate("e => getComputedStyle(e).borderBottomColor")
        for link in page.get_by_role("navigation").get_by_role("link").all()
    ]
    behind = page.get_by_role("banner").evaluate(ground)
    assert [line == behind for line in lines] == [True, True, False]


def test_nothing_moves_where_that_is_not_wanted(server: Server, wire: Wire, look: Look) -> None:
    load(wire, 1)
    server.rotate()
    live = "/query?sql=select+host,one+from+load&live"
    still, moving = (look(live, reduced_motion=wish) for wish in ("reduce", "no-preference"))
    load(wire, 2)
    server.rotate()
    for page, duration in ((still, "0s"), (moving, "1s")):
        expect(page.locator(".changed")).to_have_css("transition-duration", duration)


# --- Without a mouse, without scripts, for who does not see it ------------------------------------


@pytest.mark.parametrize("path", ["/", "/tables", "/tables/load", "/query?sql=select+*+from+load"])
def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    filled: Wire, look: Look, path: str
) -> None:
    page = look(path)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    wanted = page.evaluate(REACHABLE)
    reached = []
    for _ in wanted:
        page.keyboard.press("Tab")
        element, outline = page.evaluate(
            "[document.activeElement.outerHTML,"
            " getComputedStyle(document.activeElement).outlineStyle]"
        )
        assert outline == "solid", element
        reached.append(element)
    assert reached == wanted, "in the order in which they stand"


REACHABLE = """[...document.querySelectorAll('main :is(a, button, input, select, textarea, summary,'
  + '[tabindex="0"])')].filter((e) => e.checkVisibility()).map((e) => e.outerHTML)"""


def test_names_of_things_are_there_for_who_does_not_see_them(filled: Wire, look: Look) -> None:
    page = look("/")
    for path in PATHS:
        page.goto(path)
        assert page.evaluate("document.documentElement.lang") == "en"
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        expect(page.get_by_role("main")).to_have_count(1)
        assert page.evaluate(UNNAMED) == [], path


UNNAMED = """[...document.querySelectorAll('input, select, textarea, svg, [role=region], th')]
  .filter((e) => e.checkVisibility())
  .filter((e) => e.tagName === 'TH' ? !e.scope : !(e.labels?.length || e.ariaLabel
    || document.getElementById(e.getAttribute('aria-labelledby'))))
  .map((e) => e.outerHTML.slice(0, 80))"""


def test_forms_work_without_scripts(filled: Wire, look: Look) -> None:
    page = look("/tables", java_script_enabled=False)
    page.get_by_label("Filter").fill("LOA")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tr[data-name]")).to_have_count(1)
    page.get_by_role("link", name="load").click()
    page.get_by_role("link", name="Query it").click()
    expect(page.locator("#result tbody tr")).to_have_count(30)
    page.get_by_label("SQL").fill("select count(*) as n from wide")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#result tbody td")).to_have_text(["30"])
    expect(page.locator(".script:visible, #stop:visible, #completions:visible")).to_have_count(0)


# --- What they follow ---------------------------------------------------------------------------


def test_tables_are_filtered_as_one_types(server: Server, wire: Wire, look: Look) -> None:
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


def test_a_filter_that_came_with_the_link_is_taken_back(
    server: Server, wire: Wire, look: Look
) -> None:
    load(wire, 1)
    wire.publish("web", "disks", ["a"], ["int"], [[1]])
    server.rotate()
    page = look("/tables?filter=dis")
    field = page.get_by_label("Filter")
    expect(page.locator("#found")).to_contain_text(re.compile(r"^1 of \d\d"))
    field.fill("load")
    expect(page.get_by_role("link", name="load")).to_be_visible()
    field.fill("")
    expect(page.get_by_role("link", name="disks")).to_be_visible()
    expect(page.get_by_role("link", name="qasino_server_info")).to_be_visible()


def test_a_filter_is_there_again_for_who_comes_back(server: Server, wire: Wire, look: Look) -> None:
    load(wire, 1)
    wire.publish("web", "disks", ["a"], ["int"], [[1]])
    server.rotate()
    page = look("/tables?filter=loa")
    field = page.get_by_label("Filter")
    for name in ("load", "disks"):
        expect(field).to_have_value(name[:3])
        expect(page.locator("tr[data-name]:visible")).to_have_count(1)
        page.get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        page.go_back()
        expect(field).to_have_value(name[:3])
        expect(page.locator("tr[data-name]:visible")).to_have_count(1)
        field.fill("dis")


def test_a_table_that_is_gone_is_told(server: Server, wire: Wire, look: Look) -> None:
    load(wire, 1)
    server.rotate()
    page = look("/tables/load")
    trouble, part = page.locator("#trouble"), page.locator("[data-live]")
    gone = server.rotate()
    expect(trouble).to_have_text(f": gone since generation {gone}")
    expect(part).to_have_css("outline-style", "dashed")
    expect(page.locator("#clock")).to_have_class(re.compile("late"))
    number = server.rotate()
    expect(page.locator("#generation")).to_have_text(str(number))
    expect(trouble).to_have_text(f": gone since generation {gone}")
    load(wire, 2)
    server.rotate()
    expect(page.locator("td.number").get_by_text("2.0")).to_be_visible()
    expect(trouble).to_be_empty()
    expect(part).to_have_css("outline-style", "none")


def test_a_part_that_cannot_be_had_is_told_with_its_generation(
    server: Server, wire: Wire, look: Look
) -> None:
    load(wire, 1)
    shown = server.rotate()
    page = look("/tables/load")
    trouble = page.locator("#trouble")
    page.clock.install()
    page.route("**/tables/load", lambda _: None)  # no answer at all
    with page.expect_request("**/tables/load"):
        server.rotate()
    expect(trouble).to_be_empty()
    page.clock.fast_forward("02:11")
    expect(trouble).to_have_text(f": late: what is below is of generation {shown}")
    ages = page.locator("main time").all()
    assert len(ages) == 2
    for age in ages:
        expect(age).to_contain_text(re.compile(r"^2 min \d\d? s ago$"))
    page.unroute("**/tables/load")
    shown = server.rotate()
    expect(trouble).to_have_text(f": gone since generation {shown}")
    load(wire, 2)
    shown = server.rotate()
    expect(trouble).to_be_empty()
    page.route("**/tables/load", lambda route: route.abort("connectionrefused"))
    server.rotate()
    expect(trouble).to_have_text(f": what is below is of generation {shown}")


COMES_SLOWLY = """() => {
    const asked = window.fetch;
    window.fetch = async (where, options) => {
        const text = await (await asked(where, options)).text();
        const parts = new ReadableStream({ start(body) {
            window.goOn = () => { body.enqueue(new TextEncoder().encode(text)); body.close(); };
            options.signal?.addEventListener("abort", () => body.error(options.signal.reason));
        } });
        return new Response(parts);
    };
}"""


def test_a_page_that_comes_slowly_is_waited_for(server: Server, wire: Wire, look: Look) -> None:
    """A large one took more than ten seconds of a slow link, each time, and was never renewed."""
    load(wire, 1)
    server.rotate()
    page = look("/tables/load")
    page.clock.install()
    page.evaluate(COMES_SLOWLY)
    load(wire, 7)
    server.rotate()
    page.clock.run_for(1000)
    until(lambda: page.evaluate("Boolean(window.goOn)"))
    page.clock.run_for(11_000)
    page.evaluate("window.goOn()")
    expect(page.locator("td.number").get_by_text("7.0")).to_be_visible()
    expect(page.locator("#trouble")).to_be_empty()


def test_an_answer_that_comes_late_does_not_take_the_place_of_a_later_one(
    server: Server, wire: Wire, look: Look
) -> None:
    load(wire, 1)
    server.rotate()
    page = look("/tables/load")
    asked = hold_up_the_first(page, "**/tables/load")
    load(wire, 2)
    server.rotate()
    until(lambda: page.evaluate("true") and bool(asked))
    late = asked[0].fetch()
    load(wire, 3)
    server.rotate()
    cell = page.locator("td.number")
    expect(cell.get_by_text("3.0")).to_be_visible()
    with page.expect_response("**/tables/load"):
        asked[0].fulfill(response=late)
    assert page.evaluate("fetch('/healthz/live').then(answer => answer.status)") == 200
    expect(cell.get_by_text("3.0")).to_be_visible()
    expect(page.locator("#trouble")).to_be_empty()


def test_the_overview_follows_the_generations(server: Server, wire: Wire, look: Look) -> None:
    load(wire, 1)
    server.rotate()
    page = look("/")
    link = page.get_by_role("link", name="Missing")
    link.focus()
    server.rotate()
    expect(page.locator("#missing + .scroll")).to_contain_text("silent: all of 1 table: load")
    expect(page.get_by_role("img")).to_have_count(6)
    expect(page.locator(".tile.alert")).to_contain_text("Missing")
    expect(link).to_be_focused()


def test_what_is_being_copied_stays_until_it_is(server: Server, wire: Wire, look: Look) -> None:
    load(wire, 1)
    shown = server.rotate()
    page = look("/tables/load")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('h1'))")
    load(wire, 2)
    number = server.rotate()
    expect(page.locator("#generation")).to_have_text(str(number))
    trouble = page.locator("#trouble")
    expect(trouble).to_have_text(f": what is below is of generation {shown}")
    with page.expect_response(lambda answer: answer.url.endswith("/tables/load")):
        load(wire, 3)
        server.rotate()
    expect(page.locator("td.number").get_by_text("1.0")).to_be_visible()
    page.evaluate("getSelection().removeAllRanges()")
    expect(page.locator("td.number").get_by_text("3.0")).to_be_visible()
    expect(trouble).to_be_empty()


def test_a_selected_line_end_holds_nothing(server: Server, wire: Wire, look: Look) -> None:
    """As a double click on what is no word gives, or beside a heading."""
    load(wire, 1)
    server.rotate()
    page = look("/tables/load")
    page.evaluate(
        """(() => {
          const [heading, text] = [document.querySelector('h1'), document.querySelector('h1 + p')];
          getSelection().setBaseAndExtent(heading.firstChild, heading.firstChild.length, text, 0);
        })()"""
    )
    assert page.evaluate("!getSelection().isCollapsed && !String(getSelection()).trim()")
    load(wire, 2)
    server.rotate()
    expect(page.locator("td.number").get_by_text("2.0")).to_be_visible()
    expect(page.locator("#trouble")).to_be_empty()


def test_a_server_that_is_late_or_gone_is_told(make_server: MakeServer, look: Look) -> None:
    server = make_server(generation_duration_s=1)
    server.rotate()
    page = look("/", base=f"http://127.0.0.1:{server.ports['http']}")
    clock = page.locator("#clock")
    expect(clock).to_contain_text("old: late")
    number = server.rotate()
    expect(clock).not_to_contain_text("late")
    part = page.locator("[data-live]")
    expect(part).to_contain_text(str(number))
    gone = f"the server does not answer: what is below is of generation {number}"
    port = next(s for s in server._services if isinstance(s, HttpPort))
    port._app.mailbox.post(port._app.pages.events.let_all_go)
    expect(clock).to_contain_text(gone)
    expect(part).to_have_css("outline-style", "dashed")
    expect(part).to_have_css("outline-style", "none")
    expect(clock).not_to_contain_text("below")
    server.stop()
    expect(clock).to_contain_text(gone)
    expect(part).to_have_css("outline-style", "dashed")


def test_a_page_that_nobody_looks_at_holds_no_connection(
    server: Server, wire: Wire, look: Look
) -> None:
    load(wire, 1)
    server.rotate()
    port = next(s for s in server._services if isinstance(s, HttpPort))
    page = look("/query?sql=select+one+from+load&live")
    until(lambda: len(port._app.pages.events._followers) == 1)
    show = """(hidden) => {
      Object.defineProperty(document, 'hidden', { configurable: true, value: hidden });
      document.dispatchEvent(new Event('visibilitychange'));
    }"""
    page.evaluate(show, True)
    until(lambda: len(port._app.pages.events._followers) == 0)
    load(wire, 2)
    number = server.rotate()
    page.evaluate(show, False)
    expect(page.locator("#generation")).to_have_text(str(number))
    expect(page.locator("#result td.changed")).to_have_text(["2.0"])


def test_any_number_of_windows_share_one_connection(server: Server, wire: Wire, look: Look) -> None:
    """A browser opens six to a server: six windows took them all, and none was renewed any more."""
    load(wire, 1)
    server.rotate()
    pages = [look("/tables/load")]
    for _ in range(6):
        pages.append(pages[0].context.new_page())
        pages[-1].goto("/tables/load")
    load(wire, 2)
    server.rotate()
    for page in pages:
        expect(page.locator("td.number").get_by_text("2.0")).to_be_visible()
    port = next(s for s in server._services if isinstance(s, HttpPort))
    until(lambda: len(port._app.pages.events._followers) == 1)
    for page, script in zip(pages, WORKERLESS, strict=False):
        page.add_init_script(script)
        page.reload()
    load(wire, 3)
    server.rotate()
    for page in pages[:4]:
        expect(page.locator("td.number").get_by_text("3.0")).to_be_visible()
    assert len(port._app.pages.events._followers) == 1 + len(WORKERLESS)


WORKERLESS = (
    "delete globalThis.SharedWorker",  # as on a telephone
    "SharedWorker = class { constructor() { throw new Error('forbidden'); } }",
    "SharedWorker = class { port = new MessageChannel().port1;"
    " constructor() { setTimeout(() => this.onerror()); } }",  # it cannot load what it is to run
)


# --- For whom -----------------------------------------------------------------------------------


def test_nothing_but_our_own_scripts_and_styles_run(server: Server, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.ports['http']}/query?sql=select+1+as+a")
    reported = page.evaluate(
        """async () => {
          const told = [];
          const tell = (event) => told.push(event.effectiveDirective);
          document.addEventListener('securitypolicyviolation', tell);
          const script = document.createElement('script');
          script.textContent = "document.title = 'broken'";
          document.head.append(script);
          const style = document.createElement('style');
          style.textContent = 'body { display: none }';
          document.head.append(style);
          document.body.append(Object.assign(new Image(), { src: 'http://127.0.0.2:9/x.png' }));
          await fetch('http://127.0.0.2:9/').catch(() => null);
          while (told.length < 4) await new Promise((done) => setTimeout(done, 10));
          return told.sort();
        }"""
    )
    assert reported == ["connect-src", "img-src", "script-src-elem", "style-src-elem"]
    assert page.title() != "broken"
    page.close()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    made = trustme.CA().issue_cert("localhost")
    place = tmp_path / "keys"
    place.mkdir()
    made.private_key_pem.write_to_path(place / "server.key")
    for blob in made.cert_chain_pems:
        blob.write_to_path(place / "server.crt", append=True)
    return place


def test_users_are_asked_and_let_in_over_https(
    make_server: MakeServer, look: Look, tmp_path: Path, keys: Path
) -> None:
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    users = tmp_path / "users.yaml"
    users.write_text(
        f'users:\n  ops: {{password: "{hashed}", roles: [read]}}\n'
        f'  agent: {{password: "{hashed}", roles: [publish]}}\n'
    )
    server = make_server(users_file=users, https_port=0, keys_dir=keys)
    for scheme in ("http", "https"):
        base = f"{scheme}://localhost:{server.ports[scheme]}"
        options = {"base": base, "ignore_https_errors": True}
        ops = look("/", http_credentials={"username": "ops", "password": "secret"}, **options)
        number = server.rotate()
        expect(ops.locator("#generation")).to_have_text(str(number))
        ops.goto("/query?sql=select+1+as+a")
        ops.locator("#sql").fill("select 2 as a")
        ops.keyboard.press("Control+Enter")
        expect(ops.locator("#result tbody td")).to_have_text(["2"])
        agent = look("/", http_credentials={"username": "agent", "password": "secret"}, **options)
        expect(agent.get_by_role("heading", level=1)).to_have_text("Not allowed 403")
        expect(agent.get_by_role("main")).to_contain_text("user agent may not see the pages")
