"""This machine's own tables: what they hold, and what is not to be seen."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from qasino_cli.errors import InputRejected
from qasino_cli.outgoing import encode_publication
from qasino_cli.this_host import DEMO_TABLES, TABLES, this_hosts_tables
from qasino_server.message import Publish, decode_request


def rows(name: str, **options: Any) -> list[dict[str, Any]]:
    """A table of this machine as it is now."""
    (table,) = this_hosts_tables("me", [name], **options)
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in json.loads(table.rows_json)]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_one_the_server_takes_and_says_what_its_columns_mean(name: str) -> None:
    (table,) = this_hosts_tables("me", [name])
    assert decode_request(encode_publication(table)) == Publish(table)
    assert (table.tablename, table.columns[0].name, table.replace) == (name, "host", True)
    assert len(table.descriptions) == len(table.columns)
    assert all(table.descriptions)
    assert all(row["host"] == "me" for row in rows(name))


def test_the_demo_has_three_of_them() -> None:
    assert [table.tablename for table in this_hosts_tables("me")] == list(DEMO_TABLES)


def test_arguments_are_null_unless_asked_for_and_the_columns_are_the_same() -> None:
    (without,) = this_hosts_tables("me", ["processes"])
    (with_args,) = this_hosts_tables("me", ["processes"], with_args=True)
    assert without.columns == with_args.columns
    assert {row["args"] for row in rows("processes")} == {None}
    (own,) = [r for r in rows("processes", with_args=True) if r["pid"] == os.getpid()]
    assert own["args"] == " ".join(sys.orig_argv[1:])


def test_a_listening_socket_has_its_port_and_its_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        (own,) = [r for r in rows("sockets") if r["local_port"] == port]
    assert own == {
        "host": "me",
        "protocol": "tcp",
        "local_address": "127.0.0.1",
        "local_port": port,
        "remote_address": None,
        "remote_port": None,
        "state": "LISTEN",
        "pid": os.getpid(),
    }


def test_what_an_interface_has_received_and_sent_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = SimpleNamespace(bytes_recv=1, bytes_sent=2, errin=3, errout=4, dropin=5, dropout=6)
    monkeypatch.setattr(psutil, "net_io_counters", lambda pernic: {"of-the-test": counted})
    (own,) = [r for r in rows("interfaces") if r["interface"] == "of-the-test"]
    assert (own["rx_bytes"], own["tx_bytes"]) == (1, 2)
    assert (own["rx_errors"], own["tx_errors"]) == (3, 4)


def test_what_is_free_is_what_others_than_root_may_fill(monkeypatch: pytest.MonkeyPatch) -> None:
    place = SimpleNamespace(mountpoint="/", device="d", fstype="ext4")
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [place])
    room = SimpleNamespace(f_frsize=1000, f_bsize=1, f_blocks=100, f_bfree=40, f_bavail=20)
    monkeypatch.setattr(os, "statvfs", lambda path: room)
    (own,) = rows("mounts")
    assert (own["total_bytes"], own["used_bytes"], own["free_bytes"]) == (100_000, 60_000, 20_000)
    assert own["used_pct"] == 75.0


def test_the_arguments_in_a_title_of_its_own_are_none_of_the_command() -> None:
    with subprocess.Popen(["/opt/srv --password=secret", "60"], executable="sleep") as process:
        try:
            (own,) = [r for r in rows("processes") if r["pid"] == process.pid]
        finally:
            process.kill()
    assert (own["command"], own["args"]) == ("/opt/srv", None)
    assert "secret" not in str(own)


def test_the_load_adds_up() -> None:
    (load,) = rows("load")
    assert load["processors"] == os.cpu_count()
    assert 0 < load["memory_available_bytes"] <= load["memory_bytes"]
    assert load["swap_used_bytes"] <= load["swap_bytes"]
    assert load["boot_epoch"] + load["uptime_s"] == pytest.approx(time.time(), abs=5)


def test_what_may_not_be_seen_is_null(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(process: psutil.Process) -> Any:
        raise psutil.AccessDenied(process.pid)

    for method in ("username", "cmdline", "num_threads"):
        monkeypatch.setattr(psutil.Process, method, denied)
    (own,) = [r for r in rows("processes", with_args=True) if r["pid"] == os.getpid()]
    assert (own["user"], own["command"], own["args"], own["threads"]) == (None,) * 4
    assert own["rss_bytes"] > 0


def test_a_process_that_ends_meanwhile_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    here = psutil.Process.num_threads

    def num_threads(process: psutil.Process) -> int:
        if process.pid == os.getpid():
            raise psutil.NoSuchProcess(process.pid)
        return int(here(process))

    monkeypatch.setattr(psutil.Process, "num_threads", num_threads)
    assert os.getpid() not in [row["pid"] for row in rows("processes")]


def test_a_process_that_is_dead_and_not_yet_buried_is_a_zombie() -> None:
    """All is told of it but its command line, which it has no more."""
    died = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, died, os.WEXITED | os.WNOWAIT)
    try:
        (own,) = [r for r in rows("processes", with_args=True) if r["pid"] == died]
    finally:
        os.waitpid(died, 0)
    assert (own["status"], own["ppid"], own["name"]) == ("zombie", os.getpid(), "true")
    assert (own["command"], own["args"]) == (None, None)


def test_a_table_that_cannot_be_read_at_all_is_an_error_with_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def denied(kind: str) -> Any:
        raise psutil.AccessDenied(None, None)

    monkeypatch.setattr(psutil, "net_connections", denied)
    with pytest.raises(InputRejected, match="this host's sockets cannot be read"):
        rows("sockets")


def test_text_that_is_not_utf_8_is_made_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil.Process, "name", lambda process: "a\udcffb")
    assert {row["name"] for row in rows("processes")} == {"a\ufffdb"}
