"""A server that may do what a systemd unit lets it, and no more."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import confined
import pytest
from command import COMMAND, clean_environment
from server_process import FREE_PORTS, ports_of
from wire import Wire

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in confined.SOCKET_CALL,
    reason="the filter is written for Linux on two machines",
)

ROOT = Path(__file__).parents[2]


@contextmanager
def server_in(place: Path, families: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A server that may open sockets of these families, and its file of ports."""
    ports_file = place / "ports.json"
    kept = ("--db-dir", place / "db", "--static-db", place / "static.db")
    words = [*COMMAND, "server", *FREE_PORTS, *kept, "--ports-file", ports_file]
    process = subprocess.Popen(
        [sys.executable, confined.__file__, families, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    )
    try:
        yield process, ports_file
    finally:
        process.kill()
        process.communicate()


def test_the_families_of_the_units_sandbox_are_all_that_a_server_needs(tmp_path: Path) -> None:
    unit = (ROOT / "README.md").read_text()
    (families,) = re.findall(r"^RestrictAddressFamilies=(.*)$", unit, re.M)
    with server_in(tmp_path, families.replace(" ", ",")) as (process, ports_file):
        ports = ports_of(process, ports_file)
        assert ports, process.communicate()[1].decode()
        wire = Wire(ports)
        wire.publish("a", "t", ["n"], ["int"], [[1]])
        assert b"tables_list" in wire.zmq_request({"op": "get_table_list"})[0]
        assert "qasino_server_info" in wire.line("show tables;")
        wire.close()


def test_a_server_that_may_not_see_the_interfaces_says_what_to_do(tmp_path: Path) -> None:
    with server_in(tmp_path, "AF_INET,AF_INET6,AF_UNIX") as (process, _):
        _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "RestrictAddressFamilies= has to name AF_NETLINK" in told.decode()
    assert "Traceback" not in told.decode()
