"""One server for each file of fuzzers; how many inputs it has seen is told at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fuzz_target import Target, tried


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server that everybody may use."""
    with Target(tmp_path_factory.mktemp("fuzzed")) as made:
        yield made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many inputs were tried."""
    if tried:
        told = ", ".join(f"{port} {count:,}" for port, count in sorted(tried.items()))
        terminalreporter.write_line(f"inputs tried: {told}")
