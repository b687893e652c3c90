"""Places with servers that are looked at when a test ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from running import LONG, Running, Site

_LONG_TEST_S = 4 * 3600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long forms take as long as they take."""
    for item in items:
        if LONG and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(_LONG_TEST_S))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A place for servers; they are looked at when the test ends."""
    made = Site(tmp_path)
    yield made
    made.end()


@pytest.fixture
def running(site: Site) -> Running:
    """A server whose generations last a second."""
    return site.start()
