"""A real browser for the pages: Chromium without a screen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from qasino_server.server import Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
EXPECTED = (
    "400 (Bad Request)",
    "403 (Forbidden)",
    "404 (Not Found)",
    "503 (Service Unavailable)",  # the server of a test ends before its pages do
    "net::ERR_CONNECTION_REFUSED",
    "net::ERR_INCOMPLETE_CHUNKED_ENCODING",
)
"""What the browser itself notes of answers that a test asks for."""

WAIT_MS = 30_000
"""A browser on a machine that others use, too; nothing waits that long where it is well."""

Look = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for a file: as long as Playwright runs, its loop is in the way of other files' own."""
    if CHROMIUM is None and "CI" not in os.environ:
        pytest.skip("chromium is not installed")
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield made
        made.close()


@pytest.fixture
def look(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Look]:
    """Opens a page of `server`, or of `base`; at the end, none may have complained.

    What breaks the Content-Security-Policy is a complaint in the console, too.
    """
    complaints: list[str] = []
    contexts = []

    def at(path: str, base: str | None = None, **options: object) -> Page:
        if base is None:
            server: Server = request.getfixturevalue("server")
            base = f"http://127.0.0.1:{server.ports['http']}"
        context = browser.new_context(base_url=base, accept_downloads=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("console", lambda said: complaints.append(said.text))
        page.goto(path)
        return page

    yield at
    for context in contexts:
        context.close()
    assert [said for said in complaints if not any(words in said for words in EXPECTED)] == []
