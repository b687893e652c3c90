"""A column of numbers as a chart, in a real browser."""

from __future__ import annotations

from itertools import pairwise

import pytest
from page_house import MANY, Look, ask, asking, load
from playwright.sync_api import expect
from wire import Wire

from qasino_server.server import Server


def test_numbers_are_drawn_as_bars_or_as_a_line(server: Server, wire: Wire, look: Look) -> None:
    load(wire, 3, 1, 2)
    server.rotate()
    page = look(asking("select host, one from load"))
    expect(page.locator("#chart rect")).to_have_count(3)
    expect(page.get_by_role("img", name="one: 3 values from 1.0 to 3.0")).to_be_visible()
    page.get_by_label("Filter").fill("w2")
    expect(page.locator("#chart rect")).to_have_count(1)
    page.get_by_label("Filter").fill("")
    page.get_by_label("Chart").select_option("none")
    expect(page.locator("#chart svg")).to_have_count(0)
    ask(page, "select host, one * 2 as two from load")
    expect(page.locator("#result thead")).to_contain_text("two")
    expect(page.locator("#chart svg")).to_have_count(0)
    line = look(asking(MANY.replace("'name ' || (i * 7919 % 10000) as t", "i % 7 as k")))
    expect(line.get_by_role("img", name="j: 10000 values from 1 to 10000")).to_be_visible()
    expect(line.locator("#chart polyline")).to_have_count(1)
    line.get_by_label("Chart").select_option("k")
    expect(line.get_by_role("img", name="k: 10000 values from 0 to 6")).to_be_visible()
    texts = look(asking("select 'a' as a union select 'b'"))
    expect(texts.get_by_label("Chart")).to_be_disabled()


def test_a_line_has_no_more_points_than_can_be_seen(look: Look) -> None:
    """One of 100,000 values stopped the page for seconds."""
    peaks = "case i when 5003 then 950 when 7001 then -950 else i % 5 end as k"
    page = look(asking(MANY.replace("10001 - i as j", peaks)))
    expect(page.get_by_role("img", name="k: 10000 values from -950 to 950")).to_be_visible()
    picture = page.locator("#chart svg").bounding_box()
    assert picture is not None
    drawn = page.locator("#chart polyline").get_attribute("points") or ""
    points = [tuple(map(float, point.split(","))) for point in drawn.split()]
    assert len(points) <= 3 * picture["width"]
    assert points == sorted(points, key=lambda point: point[0])
    highest, lowest = (find(points, key=lambda point: point[1]) for find in (min, max))
    begins, ends = points[0][0], points[-1][0]
    for peak, nr in ((highest, 5003), (lowest, 7001)):
        assert abs(peak[0] - begins - (ends - begins) * nr / 10_000) < 2, "where it is"
    assert [highest[1], lowest[1]] == [10, 120], "as high as the picture"


SCALES = (
    ("6.2e-06, 1e-06", ["0", "6.2e-6"], "v: 2 values from 1.0e-06 to 6.2e-06"),
    ("0.0123, 0.5", ["0", "0.5"], "v: 2 values from 0.0123 to 0.5"),
    (
        "1795795650123456791, 1795795650123456789, 1795795650123456790",
        ["0", "1.796e+18"],
        "v: 3 values from 1795795650123456789 to 1795795650123456791",
    ),
    ("1e300, -1234567", ["-1.235M", "1e+300"], "v: 2 values from -1234567 to 1.0e+300"),
    ("999999, 999.5e12", ["0", "999.5T"], "v: 2 values from 999999 to 999500000000000.0"),
    (
        "-1.7976931348623157e308, 1.7976931348623157e308, 0",
        ["-1.798e+308", "0", "1.798e+308"],
        "v: 3 values from -1.7976931348623157e+308 to 1.7976931348623157e+308",
    ),
    ("0, -5e-324", ["-4.941e-324", "0"], "v: 2 values from -4.9406564584124654e-324 to 0"),
)


@pytest.mark.parametrize("lined", [False, True])
def test_the_scale_tells_the_numbers_there_are(look: Look, lined: bool) -> None:
    """Labels of a scale were cut on the left: 0.000006173 read 00006173."""
    page = look("/query")
    for values, axis, title in SCALES:
        cells = values.split(", ")
        cells += [cells[0]] * (3 - len(cells)) if lined else []
        rows = ", ".join(f"({n}, {cell})" for n, cell in enumerate(cells))
        first = "column1" if lined else "'x' || column1"
        ask(page, f"select {first} as n, column2 as v from (values {rows})")
        page.get_by_label("Chart").select_option("v")
        title = title.replace(" 2 values", f" {len(cells)} values")
        expect(page.get_by_role("img", name=title, exact=True)).to_be_visible()
        expect(page.locator("#chart polyline")).to_have_count(1 if lined else 0)
        labels = page.locator("#chart text[text-anchor=end]").all()[: len(axis)]
        assert [label.text_content() for label in labels] == axis
        chart = page.locator("#chart svg").bounding_box()
        assert chart is not None
        for label in labels:
            box = label.bounding_box()
            assert box is not None
            assert chart["x"] <= box["x"], "the whole label is seen"
        assert "NaN" not in page.locator("#chart").inner_html()


@pytest.mark.parametrize(
    ("values", "axis"),
    [
        ("-3, 0, 950, 400", ["-3", "950"]),
        ("-950, 0, 3, -400", ["-950", "3"]),
        ("-13, 100", ["-13", "0", "100"]),
        ("-11, 100", ["-11", "100"]),
    ],
)
def test_no_number_of_the_scale_stands_on_another(look: Look, values: str, axis: list[str]) -> None:
    cells = values.split(", ")
    rows = ", ".join(f"('r{n}', {cell})" for n, cell in enumerate(cells))
    page = look(asking(f"select column1 as n, column2 as v from (values {rows})"))
    expect(page.locator("#chart rect")).to_have_count(len(cells))
    numbers = page.locator("#chart text[text-anchor=end]").all()
    assert [number.text_content() for number in numbers] == axis
    heights = sorted(float(number.get_attribute("y") or "") for number in numbers)
    assert all(below - above >= 12 for above, below in pairwise(heights))
    expect(page.locator("#chart line")).to_have_count(3)


NAMES_Y = "134"
NAMED = {
    "short": ["w1", "w2", "w3"],
    "as many as there is room for": [f"server number {n:04}" for n in range(8)],
    "wide": [f"東京本社サーバー東京本社{n}" for n in range(8)],
    "capitals": [f"WWWWWWWWWWW{n}" for n in range(8)],
    "pictures": [f"👩‍🚀🛰️🚀🌍 {n}" for n in range(8)],
    "a few wide": [f"{n}東京本社サーバー東京本社東京本社サーバー東京" for n in range(2)],
    "what cannot be seen": ["\u202e" * 12 + f"{n}" for n in range(8)],
}


@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("names", NAMED.values(), ids=NAMED)
def test_names_below_the_bars_stand_apart(look: Look, names: list[str], width: int) -> None:
    """They were taken for seven pixels a character, of which a wide one takes twelve."""
    rows = ", ".join(f"('{name}', {n})" for n, name in enumerate(names, start=1))
    sql = f"select column1 as n, column2 as v from (values {rows})"
    page = look(asking(sql), viewport={"width": width, "height": 740})
    expect(page.locator("#chart rect")).to_have_count(len(names))
    texts = page.locator(f"#chart text[y='{NAMES_Y}']").all()
    assert len(texts) in (2, len(names))
    boxes = [text.bounding_box() for text in texts]
    chart = page.locator("#chart svg").bounding_box()
    assert chart is not None
    edges = [chart["x"]]
    for box in boxes:
        assert box is not None
        edges += [box["x"], box["x"] + box["width"]]
    edges.append(chart["x"] + chart["width"])
    assert edges == sorted(edges)


@pytest.mark.parametrize("width", [360, 1200])
def test_what_it_shows_is_said_in_full_below_it(look: Look, width: int) -> None:
    """On a telephone it ran out of the picture, and nothing scrolled there."""
    least, most = -9223372036854775808, 9223372036854775807
    sql = f"select 'a' as k, {most} as number_of_everything union all select 'b', {least}"
    page = look(asking(sql), viewport={"width": width, "height": 740})
    told = f"number_of_everything: 2 values from {least} to {most}"
    expect(page.get_by_role("img", name=told)).to_be_visible()
    expect(page.locator("#chart p")).to_have_text(told)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator("#chart p").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= width
    spills = "p => p.scrollWidth > p.clientWidth"
    assert not page.locator("#chart p").evaluate(spills)
