"""What is no request, as far as HTTP goes, gets a sentence all the same, in the form of others."""

from __future__ import annotations

import pytest
from ill_treated import Site, is_error, strict_json

NO_URL = {
    "raw UTF-8": "/request?op=name_value_update&identity=h&name=t.a&value=Zürich",
    "in its path": "/Zürich",
    "no port": "http://localhost:99999999/",
}


@pytest.mark.parametrize("url", NO_URL.values(), ids=NO_URL)
def test_what_no_url_may_hold_is_refused_with_what_to_do(site: Site, url: str) -> None:
    """curl sends what it is given."""
    told = site.wire.http_raw(f"GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head, _, body = told.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    is_error(strict_json(body), "percent-encode", "--data-urlencode")
    site.unhurt()


@pytest.mark.parametrize("sent", [b"what\r\n\r\n", b"\0", b"GET / HTTP/9.9\r\n\r\n"], ids=repr)
def test_what_is_no_http_is_refused_as_json(site: Site, sent: bytes) -> None:
    head, _, body = site.wire.http_raw(sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    is_error(strict_json(body), "no HTTP request, or a broken one")
    site.unhurt()
