"""Servers to be ill-treated: shared by the tests of a file, or one test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from ill_treated import (
    LIMIT_BYTES,
    TIMEOUT_S,
    MakeServer,
    Shared,
    Site,
    ask,
    is_error,
)
from wire import Wire

from qasino_server import connections, line_port


@pytest.fixture(scope="module")
def shared(make_module_server: MakeServer) -> Iterator[Callable[..., Shared]]:
    """Makes a site that tests share, of each sort once."""
    made: dict[str, Shared] = {}

    def get(sort: str, **settings: Any) -> Shared:
        if sort not in made:
            made[sort] = Shared(make_module_server, **settings)
        return made[sort]

    yield get
    for each in made.values():
        each.close()


@pytest.fixture
def site(shared: Callable[..., Shared]) -> Iterator[Site]:
    """The server most tests share; its queries have TIMEOUT_S."""
    with shared("site", query_timeout_s=TIMEOUT_S).lend() as lent:
        yield lent


@pytest.fixture
def patient(shared: Callable[..., Shared]) -> Iterator[Site]:
    """A server whose queries end long after any test: only a cancellation ends them."""
    with shared("patient", query_timeout_s=60.0).lend() as lent:
        yield lent


@pytest.fixture
def small(shared: Callable[..., Shared]) -> Iterator[Site]:
    """A server that takes bodies of 2,000 bytes."""
    with shared("small", max_body_bytes=LIMIT_BYTES).lend() as lent:
        yield lent


@pytest.fixture
def own_site(make_server: MakeServer) -> Iterator[Callable[..., Site]]:
    """Makes a server with these settings for one test alone."""
    made: list[Site] = []

    def make(**settings: Any) -> Site:
        server = make_server(**settings)
        made.append(Site(server, Wire(server.ports)))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(params=["http", "zmq"])
def transport(request: pytest.FixtureRequest) -> str:
    """The two ways a JSON request can come."""
    return str(request.param)


@pytest.fixture
def refused(site: Site, transport: str) -> Callable[..., None]:
    """Sends a request that must be refused with a sentence that matches, leaving no trace."""

    def refuse(body: Any, *places: str, status: int = 400) -> None:
        got, answer = ask(site.wire, transport, body)
        is_error(answer, *places)
        assert got in (None, status)
        site.unhurt()

    return refuse


@pytest.fixture
def beside() -> Iterator[Callable[[Callable[[], Any]], Future[Any]]]:
    """Runs something in a thread while the test goes on."""
    with ThreadPoolExecutor(16) as pool:
        yield pool.submit


@pytest.fixture
def soon_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has closed its side is taken for gone sooner: it might still read, and TCP tells nobody
    whether it does."""
    monkeypatch.setattr(connections, "HALF_CLOSED_S", 0.1)
    monkeypatch.setattr(line_port, "FADE_S", 0.1)
