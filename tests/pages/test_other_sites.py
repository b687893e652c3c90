"""What a page of another site can make a reader's browser do: nothing that tells or changes."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser
from wire import Wire

from qasino_server.server import Server


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
    metrics = wire.http("GET", path="/metrics")[2].decode()
    assert re.search(r'^qasino_rejects_total\{.*"Forbidden"\} 1\.0$', metrics, re.MULTILINE), (
        metrics
    )
    assert wire.rows("select * from qasino_server_rejects") == []
    assert "no such table" in wire.query("select * from t")["error_message"]
