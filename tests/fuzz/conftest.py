"""One server for each file of fuzzers; how many inputs it has seen is told at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz_target import LONG, Target, tried


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server that everybody may use."""
    with Target(tmp_path_factory.mktemp("fuzzed")) as made:
        yield made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A long run takes as long as it takes; one input has its bound."""
    for item in items:
        if LONG and item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many inputs were tried."""
    if tried:
        told = ", ".join(f"{port} {count:,}" for port, count in sorted(tried.items()))
        terminalreporter.write_line(f"inputs tried: {told}")
