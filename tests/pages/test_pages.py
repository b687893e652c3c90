"""The pages as they come over the wire: what is in them, for whom, and in which envelope."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import bcrypt
import pytest
from wire import Wire, until

from qasino_server.http_port import HttpPort
from qasino_server.pages import paint, site
from qasino_server.server import Server
from qasino_server.store.tally import Tally

HOSTILE = "</td><script>alert(1)</script>\"'\u202eRTL & <b>"


def page(wire: Wire, path: str, status: int = 200) -> str:
    where, _, params = path.partition("?")
    found, headers, body = wire.http("GET", params, path=where)
    assert found == status, body
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    text = body.decode()
    assert "<script>" not in text
    assert not re.search(r"\son\w+=|style=|href=.?javascript|src=.?http", text)
    return text


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


@pytest.fixture
def filled(server: Server, wire: Wire) -> Wire:
    for n in range(3):
        wire.publish(f"web-{n}", "load", ["host", "one"], ["text", "real"], [[f"w{n}", n]] * 40)
    wire.publish(
        HOSTILE.replace("\u202e", ""),
        "nasty",
        ["a", "b"],
        ["text", "text"],
        [[HOSTILE, "x" * 1_000_000]],
    )
    wire.http_post(
        "add_table_data",
        {
            "identity": "cfg",
            "persist": True,
            "table": {"tablename": "kept", "column_names": ["a"], "column_types": ["int"]}
            | {"rows": [[1]]},
        },
    )
    wire.http_post(
        "add_table_data",
        {
            "identity": "cfg",
            "static": True,
            "table": {"tablename": "fixed", "column_names": ["a"], "column_types": ["int"]}
            | {"rows": [[1], [2]]},
        },
    )
    bad = {"tablename": "bad", "column_names": ["a"], "column_types": ["int"], "rows": [[1, 2]]}
    wire.http_post("add_table_data", {"identity": "broken", "table": bad})
    server.rotate()
    return wire


def test_tables_lists_every_table_with_what_it_is(filled: Wire) -> None:
    told = text_of(page(filled, "/tables"))
    assert re.search(r"load 120 2 3 \d+ s ago live", told)
    assert re.search(r"kept 1 1 1 \d+ s ago persistent", told)
    assert re.search(r"fixed 2 1 1 \d+ s ago static", told)
    assert "qasino_server_info" in told
    narrowed = text_of(page(filled, "/tables?filter=LOA"))
    assert "load" in narrowed
    assert "kept" not in narrowed
    assert "has “zzz” in its name" in text_of(page(filled, "/tables?filter=zzz"))


def test_a_table_is_described(filled: Wire) -> None:
    told = text_of(page(filled, "/tables/LOAD"))
    assert "120 rows of 2 columns, live" in told
    assert "host TEXT 3" in told
    assert re.search(r"web-0 40 \d+ s ago", told)
    assert "select * from load limit 100" in told
    assert "w0 0.0" in told
    assert "persistent, carried" in text_of(page(filled, "/tables/kept"))


@pytest.mark.parametrize("name", ["none", "a%2Fb", "%3Cscript%3E", "%22%3B--", "%FF", "%00"])
def test_a_table_that_is_not_there_is_not_found(filled: Wire, name: str) -> None:
    assert "there is no table named" in page(filled, f"/tables/{name}", 404)


@pytest.mark.parametrize("path", ["/%74ables/load", "/tables%2Fload", "/tables/l%6Fad"])
def test_a_table_is_found_however_its_path_is_encoded(filled: Wire, path: str) -> None:
    assert "load" in page(filled, path).split("<h1>")[1]


def test_what_is_hostile_shows_as_text(filled: Wire) -> None:
    told = page(filled, "/tables/nasty")
    assert "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;" in told
    assert "\u202e" not in told.split("First rows")[1]
    assert len(told) < 200_000, "a cell of 1 MB is cut in a page, and says so"
    assert "980,000 characters more: the downloads have them" in told
    named = page(filled, "/query?sql=" + quote('select 1 as "<script>x</script>"'))
    assert "&lt;script&gt;x&lt;/script&gt;" in named


def test_a_query_is_answered_without_scripts(filled: Wire) -> None:
    sql = "select host, count(*) as n, null as nix from load group by 1 order by 1"
    told = page(filled, f"/query?sql={quote(sql)}")
    assert "w0 40 NULL w1 40 NULL" in text_of(told)
    assert "3 rows" in told
    for form in ("csv", "json", "ndjson"):
        link = re.search(
            rf'data-form="{form}" href="([^"]*)" download="(qasino-[\d-]+\.{form})"', told
        )
        assert link
        where, _, params = unescape(link[1]).partition("?")
        status, _, body = filled.http("GET", params, path=where)
        assert status == 200
        assert b"w0" in body


@pytest.mark.parametrize(
    ("cell", "columns", "rows"), [("1", 600, 33), ("hex(zeroblob(9000))", 40, 2)]
)
def test_a_page_has_as_many_cells_and_characters_as_it_can_bear(
    filled: Wire, cell: str, columns: int, rows: int
) -> None:
    counting = "with recursive r(i) as (select 1 union all select i + 1 from r limit 100)"
    sql = f"{counting} select {', '.join([cell] * columns)} from r"
    told = page(filled, f"/query?sql={quote(sql)}")
    assert f"These are the first {rows} rows; the downloads have all." in told


def test_a_table_is_described_by_as_many_rows_as_a_page_can_bear(
    server: Server, wire: Wire
) -> None:
    names = [f"c{n}" for n in range(60)]
    wire.publish("web", "wordy", names, ["text"] * 60, [["<" * 15_000] * 60] * 20)
    server.rotate()
    told = page(wire, "/tables/wordy")
    assert told.split("First rows")[1].count("<tr>") == 1 + 2
    assert len(told) < 10_000_000


def test_pages_asked_for_together_are_not_held_together(
    make_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "UNREAD_BYTES", 60_000_000)
    server = make_server()
    leaving = next(s for s in server._services if isinstance(s, HttpPort))._app.pages._leaving
    sql = quote("select " + ", ".join(["printf('%.*c', 19000, '&')"] * 100))
    with Wire(server.ports) as wire, ExitStack() as stack:
        deaf = [stack.enter_context(wire.connect("http")) for _ in range(16)]
        for made in deaf:
            made.sendall(f"GET /query?sql={sql} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        statuses = [int(made.recv(12).split()[1]) for made in deaf]
        assert leaving.held_bytes <= 30_000_000
    assert statuses.count(200) == 3
    assert statuses.count(503) == 13


def test_a_mistake_is_shown_at_its_place_and_the_text_is_kept(filled: Wire) -> None:
    told = page(filled, "/query?sql=" + quote("select one,\n  hots\nfrom load"))
    assert "no such column: hots" in told
    assert "<pre>  <mark>hots</mark></pre>" in told
    assert "select one,\n  hots\nfrom load</textarea>" in told
    assert 'data-offset="14"' in told
    assert "drop table" in page(filled, "/query?sql=drop+table+load")
    assert "<textarea" in page(filled, "/query")


def test_the_overview_tells_of_rates_missing_and_rejects(server: Server, filled: Wire) -> None:
    told = text_of(page(filled, "/"))
    assert "broken" in told
    assert "row 1 has 2 cells" in told
    assert "everybody who reported before has reported" in told
    filled.publish("web-1", "other", ["a"], ["int"], [[1]])
    server.rotate()
    later = page(filled, "/")
    assert re.search(r"web-0 silent : all of 1 table: load \d+ s ago 1", text_of(later))
    assert re.search(r"web-1 1 table: load \d+ s ago 1", text_of(later))
    assert 'aria-label="identities missing: now 4, at most 4 in 2 generations"' in later
    assert 'aria-label="rejected publications: now 0, at most 1 in 2 generations"' in later


def test_the_overview_shows_that_publishing_has_stopped(server: Server, wire: Wire) -> None:
    """Rows that were only carried counted as published, in each generation again."""
    wire.publish("web", "kept", ["a"], ["int"], [[1]] * 5000, persist=1)
    server.rotate()
    assert 'aria-label="rows published a second: now 0, ' not in page(wire, "/")
    server.rotate()
    later = page(wire, "/")
    assert 'aria-label="rows published a second: now 0, ' in later
    assert "The snapshot has 5,000 published rows in 1 table, " in text_of(later)


def test_what_is_refused_again_and_again_is_one_line(server: Server, wire: Wire) -> None:
    bad = {"tablename": "bad", "column_names": ["a"], "column_types": ["int"], "rows": [[1, 2]]}
    for _ in range(5):
        wire.http_post("add_table_data", {"identity": "broken", "table": bad})
    server.rotate()
    told = text_of(page(wire, "/"))
    assert re.search(r"broken bad row 1 has 2 cells.* 5 \d+ s ago 127.0.0.1:\d+", told)


def test_a_fresh_server_has_pages(wire: Wire) -> None:
    told = text_of(page(wire, "/"))
    assert "0: the first is still being collected" in told
    assert "Nobody has reported yet" in told
    assert "Nothing has been published for this snapshot" in text_of(page(wire, "/tables"))
    assert "0 rows of 4 columns, kept by the server itself" in text_of(
        page(wire, "/tables/qasino_server_missing")
    )


def test_the_overview_says_why_nobody_is_missing(
    make_server: Callable[..., Server], wire_to: Callable[[Server], Wire]
) -> None:
    server = make_server(forget_after_s=0.0)
    wire = wire_to(server)

    def told_next() -> str:
        server.rotate()
        return text_of(page(wire, "/"))

    assert "Nobody has reported yet." in told_next()
    wire.publish("web", "load", ["a"], ["int"], [[1]])
    assert "None: everybody who reported before has reported." in told_next()
    assert "web silent : all of 1 table: load" in told_next()
    assert "None: nobody reports, and nobody is missed any more." in told_next()


def test_a_name_that_sql_takes_for_something_else_is_quoted(server: Server, wire: Wire) -> None:
    wire.publish("web", "order", ["group"], ["int"], [[7]])
    server.rotate()
    told = unescape(page(wire, "/tables/order"))
    assert 'select * from "order" limit 100' in told
    link = re.search(r'href="/query\?([^"]*)"', told)
    assert link
    assert "1 row," in text_of(page(wire, f"/query?{link[1]}"))


def test_a_broken_view_is_listed_as_text(tmp_path: Path, server: Server, wire: Wire) -> None:
    (tmp_path / "views.conf").write_text(
        "- viewname: '<script>x</script>'\n  view: select 1\n"
        "- viewname: good\n  view: create view good as select 1 as a\n"
    )
    server.rotate()
    told = page(wire, "/tables")
    assert "&lt;script&gt;x&lt;/script&gt;" in told
    assert "broken : " in text_of(told)
    assert 'href="/query?sql=select%20%2A%20from%20good%20limit%20100"' in told


def test_the_overview_counts_the_tables_that_were_published(server: Server, wire: Wire) -> None:
    def publish(table: str, nr_rows: int, **flags: Any) -> None:
        wire.publish("web", table, ["a"], ["int"], [[1]] * nr_rows, **flags)

    publish("kept", 5, static=1)
    publish("one", 1)
    server.rotate()
    assert "The snapshot has 1 published row in 1 table, " in text_of(page(wire, "/"))
    publish("one", 1)
    publish("two", 2)
    server.rotate()
    assert "The snapshot has 3 published rows in 2 tables, " in text_of(page(wire, "/"))


def test_the_overview_counts_the_queries_that_run(server: Server, wire: Wire) -> None:
    assert "; 0 queries run now, " in text_of(page(wire, "/"))
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"
    with wire.zmq_socket() as asking:
        asking.send_json({"op": "query", "sql": endless, "query_id": "endless"})
        until(lambda: wire.rows("show queries"))
        server.rotate()
        assert "; 1 query runs now, " in text_of(page(wire, "/"))
        wire.post("cancel", query_id="endless")


def test_an_overview_that_many_look_at_is_made_once_a_second(server: Server, wire: Wire) -> None:
    def queries() -> float:
        metrics = wire.http("GET", path="/metrics")[2].decode()
        counts = re.findall(r"^qasino_queries_total\{.*\} (\S+)$", metrics, re.MULTILINE)
        return sum(map(float, counts))

    before = queries()
    began = time.monotonic()
    for _ in range(50):
        page(wire, "/")
    seconds = time.monotonic() - began
    assert queries() - before <= 2 * (seconds + 1)
    wire.publish("late", "news", ["a"], ["int"], [[1]])
    number = server.rotate()
    assert str(number) in page(wire, "/"), "a new generation is seen at once"


@pytest.mark.parametrize("path", ["/", "/tables/none", "/assets/query.js", "/events"])
def test_a_browser_is_told_to_run_nothing_else(wire: Wire, path: str) -> None:
    method = "HEAD" if path == "/events" else "GET"
    headers = wire.http(method, path=path)[1]
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy.pop("default-src") == "'none'"
    assert policy.pop("frame-ancestors") == policy.pop("base-uri") == "'none'"
    assert set(policy.values()) == {"'self'"}
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("form", ["json", "html", "text", "csv"])
def test_an_answer_opened_in_a_browser_is_no_page(wire: Wire, form: str) -> None:
    _, headers, _ = wire.http("GET", f"op=query&format={form}&sql=select+1")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == (
        "default-src 'none'; frame-ancestors 'none'; sandbox"
    )


def note_rotation(tally: Tally, nr_rows: int, nr_identities: int) -> None:
    """A generation of 30 s and 60 queries, of which nobody is missed."""
    figures = SimpleNamespace(
        nr_rows_published=nr_rows,
        nr_identities=nr_identities,
        nr_identities_missing=0,
        nr_queries=60,
    )
    previous, snapshot = SimpleNamespace(age_s=30.5), SimpleNamespace(age_s=0.5, figures=figures)
    tally.note_rotation(previous, snapshot, 0.01)


@pytest.mark.parametrize("nr_identities", [0, 1])
def test_it_is_known_whether_anybody_has_reported_however_long_ago(nr_identities: int) -> None:
    tally = Tally()
    note_rotation(tally, 0, nr_identities)
    for _ in range(130):
        note_rotation(tally, 0, 0)
    points = tally.points()
    assert {point.nr_identities for point in points} == {0}
    assert {point.anybody_yet for point in points} == {nr_identities > 0}


def test_the_last_120_generations_are_kept() -> None:
    tally = Tally()
    for number in range(130):
        note_rotation(tally, 30 * number, 1)
    points = tally.points()
    assert [point.rows_per_s for point in points] == list(range(10, 130))
    assert points[-1].queries_per_s == 2


def test_sparklines_stay_within_their_box() -> None:
    for values in ([], [0], [5], [0, 0], list(range(120)), [1e9, 0.1]):
        line = paint.spark(values, "x")
        pairs = [tuple(map(float, pair.split(","))) for pair in line.points.split()]
        assert all(0 <= x <= 240 and 0 <= y <= 40 for x, y in pairs)


def test_the_words_of_a_sparkline_count_generations() -> None:
    assert paint.spark([5], "x").words == "x: now 5, at most 5 in 1 generation"
    assert paint.spark([5, 4], "x").words == "x: now 4, at most 5 in 2 generations"


def test_assets_can_be_kept_for_ever(wire: Wire) -> None:
    for where, params in re.findall(r'"(/assets/[^"?]+)\?(v=\w+)"', page(wire, "/query")):
        status, headers, body = wire.http("GET", params, path=where)
        assert status == 200
        assert "immutable" in headers["cache-control"]
        assert headers["content-length"] == str(len(body))
    assert wire.http("GET", path="/assets/../app.py")[0] == 404
    assert wire.http("GET", path="/assets/none.js")[0] == 404


def test_pages_go_by_get_and_head(wire: Wire) -> None:
    for path in ("/", "/tables", "/query", "/events", "/tables/qasino_server_info"):
        status, headers, _ = wire.http("POST", body=b"{}", path=path)
        assert (status, headers["allow"]) == (405, "GET, HEAD")
        assert wire.http("HEAD", path=path)[0] == 200
    assert wire.http("GET", path="/", headers={"Host": "evil.example"})[0] == 403


def test_a_page_that_trips_is_logged(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No page is known to; one did, and nobody was told."""

    def trip(asset: str) -> None:
        raise IndexError("as never thought of")

    monkeypatch.setattr(site, "shown", trip)
    assert wire.http("GET", path="/assets/none")[0] == 500
    assert "request failed peer=127.0.0.1:" in caplog.text
    assert "path='/assets/none'" in caplog.text
    assert "as never thought of" in caplog.text


def test_pages_ask_for_users_where_everything_does(
    make_server: Callable[..., Server], wire_to: Callable[[Server], Wire], tmp_path: Path
) -> None:
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    users = tmp_path / "users.yaml"
    users.write_text(
        f'users:\n  ops: {{password: "{hashed}", roles: [read]}}\n'
        f'  agent: {{password: "{hashed}", roles: [publish]}}\n'
    )
    wire = wire_to(make_server(users_file=users))
    for path in ("/", "/tables", "/query", "/events", "/assets/query.js"):
        status, headers, body = wire.http("GET", path=path)
        assert status == 401
        assert headers["www-authenticate"].startswith("Basic")
        assert "say who you are" in text_of(body.decode()), "a page, for who cancels the question"
        assert b"/assets/" not in body, "they would be asked again"
    basic = {"Authorization": "Basic b3BzOnNlY3JldA=="}
    assert wire.http("GET", path="/", headers=basic)[0] == 200
    agent = {"Authorization": "Basic YWdlbnQ6c2VjcmV0"}
    for path in ("/", "/tables", "/query", "/events"):
        status, _, body = wire.http("GET", path=path, headers=agent)
        assert status == 403
        assert b"user agent may not" in body
        assert b"/assets/qasino.css" in body


# --- Events -------------------------------------------------------------------------------------


class Stream:
    """A connection to /events."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.ports["http"]), 10)
        self.socket.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.heard = b""

    def until(self, words: bytes) -> str:
        while words not in self.heard:
            data = self.socket.recv(65536)
            assert data, self.heard
            self.heard += data
        return self.heard.decode()


def events_of(server: Server) -> Any:
    port = next(s for s in server._services if isinstance(s, HttpPort))
    return port._app.pages.events


def test_each_generation_is_one_event(server: Server) -> None:
    stream = Stream(server)
    first = stream.until(b"event: now")
    assert "content-type: text/event-stream" in first
    for _ in range(3):
        number = server.rotate()
        told = stream.until(b"id: %d\n" % number)
        stream.until(b"event: generation\ndata: ")
        assert told
    stream.until(b"}\n\n")
    last = stream.heard.decode().rsplit("data: ", 1)[1].split("\n")[0]
    assert json.loads(last)["generation_number"] == number
    stream.socket.close()
    until(lambda: len(events_of(server)._followers) == 0)


def test_idle_pages_cost_next_to_nothing(server: Server) -> None:
    port = next(s for s in server._services if isinstance(s, HttpPort))
    clock = time.pthread_getcpuclockid(port._thread.ident)
    with ExitStack() as open_pages:
        streams = [Stream(server) for _ in range(300)]
        for stream in streams:
            open_pages.enter_context(stream.socket)
            stream.until(b"event: now")
        began = time.clock_gettime(clock)
        for _ in range(5):
            number = server.rotate()
            for stream in streams:
                stream.until(b"id: %d\n" % number)
        each_s = (time.clock_gettime(clock) - began) / 5 / len(streams)
    print(f"an idle page costs {each_s * 1e6:.0f} us of a processor in a generation")
    assert each_s < 0.001


def test_many_idle_pages_do_not_keep_a_server_from_stopping(server: Server) -> None:
    streams = [Stream(server) for _ in range(200)]
    for stream in streams:
        stream.until(b"event: now")
    number = server.rotate()
    for stream in streams:
        stream.until(b"id: %d\n" % number)
    server.stop()
    for stream in streams:
        stream.socket.settimeout(5)
        while stream.socket.recv(65536):
            pass
        stream.socket.close()


def test_what_comes_in_one_turn_of_the_loop_is_all_told(server: Server) -> None:
    """A ping and a generation at once let everybody go."""
    stream = Stream(server)
    stream.until(b"event: now")
    events = events_of(server)

    def both() -> None:
        events._send_all(b":\n\n")
        events.tell(7, {})

    port = next(s for s in server._services if isinstance(s, HttpPort))
    port._app.mailbox.post(both)
    assert ":\n\nid: 7\n" in stream.until(b"id: 7\n")
    stream.socket.close()


def test_a_page_that_does_not_read_is_let_go(server: Server) -> None:
    stream = Stream(server)
    stream.until(b"event: now")
    events = events_of(server)
    port = next(s for s in server._services if isinstance(s, HttpPort))
    text = b":" + b"x" * 4_000_000 + b"\n\n"

    def flood() -> None:
        events._send_all(text)

    def gone() -> bool:
        port._app.mailbox.post(flood)
        return len(events._followers) == 0

    until(gone)
    with Wire(server.ports) as wire:
        assert wire.rows("select 1") == [[1]]
    stream.socket.close()
