"""The ports file, in a directory where others can write too."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from qasino_server.errors import StartError
from qasino_server.server import Server


def test_the_ports_file_follows_no_link(make_server: Callable[..., Server], tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    path = tmp_path / "ports.json"
    for guess in (path, tmp_path / f"ports.json.{os.getpid()}"):
        guess.symlink_to(precious)
    server = make_server(ports_file=path)
    assert precious.read_text() == "mine"
    assert json.loads(path.read_text()) == server.ports
    assert path.stat().st_mode & 0o777 == 0o644
    server.stop()
    assert not path.exists()


def test_a_ports_file_that_cannot_be_written_leaves_nothing(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    path = tmp_path / "ports.json"
    path.mkdir()
    with pytest.raises(StartError, match="cannot write the ports file"):
        make_server(ports_file=path)
    assert [found.name for found in tmp_path.glob("ports.json*")] == ["ports.json"]


def test_a_ports_file_that_cannot_be_removed_stays_and_the_server_stops(
    make_server: Callable[..., Server], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "ports.json"
    server = make_server(ports_file=path)
    path.unlink()
    path.mkdir()
    server.stop()
    assert f"the ports file {path} stays: Is a directory" in caplog.text
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(server._stop_writer)
