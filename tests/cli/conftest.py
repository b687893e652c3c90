"""Servers and input for the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import TABLE_CSV, http_url, zmq_url

from qasino_server.server import Server


@pytest.fixture
def table_csv(tmp_path: Path) -> Path:
    """The seed's example table."""
    path = tmp_path / "myapplication_table1.csv"
    path.write_text(TABLE_CSV)
    return path


@pytest.fixture(params=["zmq", "http"])
def url(request: pytest.FixtureRequest, server: Server) -> str:
    """A server, over each transport in turn."""
    return zmq_url(server) if request.param == "zmq" else http_url(server)
