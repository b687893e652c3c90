"""What a browser tells about the page that makes it ask: requests nobody meant are told apart.

A page from anywhere can make a reader's browser send requests to servers only the reader can
reach, such as one on their own machine. Two things give it away. `Host` is the name the page
was loaded from where that name was pointed at a loopback address afterwards (DNS rebinding);
and `Origin` and `Sec-Fetch-Site` say whether the request comes from a page of our own. Programs
that are no browsers send neither, and a browser cannot be made to leave them out, except where
it sends neither itself: with a GET over plain HTTP to an address that is not loopback. There it
is known for a browser by what it always sends, `User-Agent: Mozilla/..` and `Accept-Language`.
https://www.w3.org/TR/fetch-metadata/ , https://fetch.spec.whatwg.org/#origin-header
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from qasino_server.errors import Forbidden
from qasino_server.table import shown

Headers = Iterable[tuple[bytes, bytes]]

TELLING = frozenset({b"origin", b"sec-fetch-site", b"accept-language"})
"""A request without any of these headers was not made by a page."""


def check_host(headers: Headers, own_address: str | None, allowed: Collection[str]) -> None:
    """Refuse a name that is none of ours for a request that came in on a loopback address.

    `allowed` are further names, lower case, such as that of a proxy on this host. Raises
    Forbidden. On other addresses any name will do: there are names we cannot know.
    """
    if own_address is None or not _loopback(own_address):
        return
    host = header(headers, b"host")
    if host is None:
        return
    name = _host_name(host)
    if name not in allowed and not _local_name(name):
        raise Forbidden(
            f"Host {shown(name)} is not a name of this server's loopback address; ask localhost,"
            " or start the server with --allow-host"
        )


def foreign_page(headers: Headers) -> str | None:
    """The page of another site that asks, as a sentence names it; None where none is seen."""
    origin = site = host = agent = language = None
    for name, value in headers:
        if name == b"origin":
            origin = value.decode("latin-1")
        elif name == b"sec-fetch-site":
            site = value.decode("latin-1")
        elif name == b"host":
            host = value.decode("latin-1")
        elif name == b"user-agent":
            agent = value
        elif name == b"accept-language":
            language = value
    if origin is not None and not (host and _place(origin) == host.lower()):
        return f"a page of {shown(origin)} sent this"
    if site in ("cross-site", "same-site"):
        return "a page of another site sent this"
    if origin is None and site is None and language is not None and agent is not None:
        if agent.startswith(b"Mozilla/"):
            return "a browser sent this without a word on the page that made it"
    return None


def _place(origin: str) -> str:
    """Host and port of an origin; '' where it is `null` or nothing a browser sends."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def header(headers: Headers, wanted: bytes) -> str | None:
    """The first header of that lower-case name."""
    for name, value in headers:
        if name == wanted:
            return value.decode("latin-1")
    return None


def _host_name(host: str) -> str:
    """The name in a Host header, without port, brackets and a dot at its end."""
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].removesuffix(".")


def _local_name(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost") or _loopback(name)


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
