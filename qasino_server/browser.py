"""What a browser tells about the page that makes it ask: requests nobody meant are told apart.

A page from anywhere can make a reader's browser send requests to servers only the reader can
reach, such as one on their own machine. Two things give it away. `Host` is the name the page
was loaded from where that name was pointed at a loopback address afterwards (DNS rebinding);
and `Origin` and `Sec-Fetch-Site` say whether the request comes from a page of our own. Programs
that are no browsers send neither. A browser cannot be made to leave them out, but it does so by
itself for an image, or any other GET, from a server that is reached by plain HTTP and is not on
this host: there only its `User-Agent` is left.
https://www.w3.org/TR/fetch-metadata/ , https://fetch.spec.whatwg.org/#origin-header
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from qasino_server.errors import Forbidden
from qasino_server.table import shown

Headers = Iterable[tuple[bytes, bytes]]

TELLING = frozenset({b"origin", b"sec-fetch-site"})
"""A POST without any of these headers was not made by a page."""


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
    if name not in allowed and not is_local(name):
        raise Forbidden(
            f"Host {shown(name)} is not a name of this server's loopback address; ask localhost,"
            " or start the server with --allow-host"
        )


def names_of(hostname: str) -> frozenset[str]:
    """The names by which a host calls itself, lower case: with its domain and without.

    Its loopback address often has them in /etc/hosts. A page can be loaded from a name that its
    author points elsewhere afterwards, but not from this one, which is not theirs to point.
    """
    name = hostname.lower().removesuffix(".")
    return frozenset({name, name.partition(".")[0]} - {""})


def foreign_page(headers: Headers, method: str = "POST") -> str | None:
    """The page of another site that asks, as a sentence names it; None where none is seen."""
    origin = site = host = agent = None
    for name, value in headers:
        if name == b"origin":
            origin = value.decode("latin-1")
        elif name == b"sec-fetch-site":
            site = value.decode("latin-1")
        elif name == b"host":
            host = value.decode("latin-1")
        elif name == b"user-agent":
            agent = value.decode("latin-1")
    if origin is not None and not _same_place(origin, host):
        return f"a page of {shown(origin)} sent this"
    if site in ("cross-site", "same-site"):
        return "a page of another site sent this"
    if origin is None and site is None and method in ("GET", "HEAD") and _is_browser(agent):
        return "a browser sent this by GET and does not say for which page"
    return None


def _same_place(origin: str, host: str | None) -> bool:
    try:
        place = urlsplit(origin).netloc
    except ValueError:  # brackets that hold no address
        return False
    return bool(place) and place.lower() == (host or "").lower()


def _is_browser(agent: str | None) -> bool:
    """All of them say so, and no page can have them say something else; a shell says it too."""
    return agent is not None and agent.startswith("Mozilla/") and "PowerShell/" not in agent


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


def is_local(name: str) -> bool:
    """Whether a name or an address is this host's own, which no other host can reach."""
    return name == "localhost" or name.endswith(".localhost") or _loopback(name)


def _loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    # A socket for both kinds of addresses has 127.0.0.1 as ::ffff:127.0.0.1.
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback
