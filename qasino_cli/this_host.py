"""This machine's own tables, as psutil knows them. Values only, nothing is sent.

    processes   one a process: owner, state, time and memory used, the program
    mounts      one a mounted device: sizes and how full it is
    interfaces  one an address of an interface: state, bytes, errors
    sockets     one an internet socket: both ends, state, process where we may see it
    load        one for the host: load averages, processors, memory, swap, uptime
    users       one a login

Every table begins with the column `host`. Command lines go without their arguments unless they
are asked for: those hold passwords more often than one would like.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import psutil

from qasino_server.csv_table import encode_rows
from qasino_server.table import Columns, Publication, check_columns

_Row = list[Any]
_Rows = Iterator[_Row]


def _columns(text: str) -> Columns:
    """Columns from "name type, name type"."""
    pairs = [pair.split() for pair in text.split(",")]
    return check_columns(tuple(name for name, _ in pairs), tuple(kind for _, kind in pairs))


_PROCESSES = _columns(
    "host text, pid integer, ppid integer, user text, name text, status text, cpu_s real,"
    " rss_bytes integer, threads integer, start_epoch real, command text, args text"
)
_MOUNTS = _columns(
    "host text, mountpoint text, device text, fstype text, total_bytes integer,"
    " used_bytes integer, free_bytes integer, used_pct real"
)
_INTERFACES = _columns(
    "host text, interface text, address text, up integer, mtu integer, rx_bytes integer,"
    " tx_bytes integer, rx_errors integer, tx_errors integer"
)


_SOCKETS = _columns(
    "host text, protocol text, local_address text, local_port integer, remote_address text,"
    " remote_port integer, state text, pid integer"
)
_LOAD = _columns(
    "host text, load_1m real, load_5m real, load_15m real, processors integer,"
    " memory_bytes integer, memory_available_bytes integer, memory_used_pct real,"
    " swap_bytes integer, swap_used_bytes integer, boot_epoch real, uptime_s real"
)
_USERS = _columns("host text, user text, terminal text, from_host text, since_epoch real")

DEMO_TABLES = ("processes", "mounts", "interfaces")


def this_hosts_tables(
    identity: str, names: Sequence[str] = DEMO_TABLES, with_args: bool = False
) -> list[Publication]:
    """Tables of this machine as it is now, reported as `identity`."""
    found = []
    for name in names:
        columns, rows = TABLES[name]
        found.append(_publication(identity, name, columns, partial(rows, with_args=with_args)))
    return found


def _publication(
    identity: str, tablename: str, columns: Columns, rows: Callable[..., _Rows]
) -> Publication:
    return Publication(
        identity=identity,
        tablename=tablename,
        columns=columns,
        rows_json=encode_rows([[_readable(cell) for cell in row] for row in rows(identity)]),
        replace=True,
    )


def _readable(cell: Any) -> Any:
    """A cell as UTF-8 can hold it: a file name may be any bytes."""
    if isinstance(cell, str):
        return cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return cell


def processes(host: str, with_args: bool) -> _Rows:
    """A row for each process; one that ends while it is read is passed over.

    What only its owner may see is NULL.
    """
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            yield _process(host, process, with_args)


def _process(host: str, process: psutil.Process, with_args: bool) -> _Row:
    with process.oneshot():
        times = _allowed(process.cpu_times)
        memory = _allowed(process.memory_info)
        return [
            host,
            process.pid,
            _allowed(process.ppid),
            _allowed(process.username),
            _allowed(process.name),
            _allowed(process.status),
            None if times is None else round(times.user + times.system, 2),
            None if memory is None else memory.rss,
            _allowed(process.num_threads),
            _allowed(process.create_time),
            _command(process),
            _args(process) if with_args else None,
        ]


def _allowed(read: Callable[[], Any]) -> Any:
    """What `read` gives, None where we may not see it."""
    try:
        return read()
    except psutil.AccessDenied:
        return None


def _command(process: psutil.Process) -> str | None:
    """The program as it was called, without arguments.

    A process that has rewritten its own title has everything in one word.
    """
    words = _allowed(process.cmdline)
    return words[0].split(" ", 1)[0] if words else None


def _args(process: psutil.Process) -> str | None:
    words = _allowed(process.cmdline)
    return " ".join(words[1:]) if words else None


def mounts(host: str, with_args: bool) -> _Rows:
    """A row for each mounted device; one that cannot be asked has no sizes."""
    for partition in psutil.disk_partitions(all=False):
        if os.path.isdir(partition.mountpoint):
            where = [host, partition.mountpoint, partition.device, partition.fstype]
            yield [*where, *_usage(partition.mountpoint)]


def _usage(mountpoint: str) -> _Row:
    try:
        usage = psutil.disk_usage(mountpoint)
    except OSError:
        return [None, None, None, None]
    return [usage.total, usage.used, usage.free, float(usage.percent)]


def interfaces(host: str, with_args: bool) -> _Rows:
    """A row for each address of each interface; one without an address has one row."""
    counters = psutil.net_io_counters(pernic=True)
    states = psutil.net_if_stats()
    addresses = psutil.net_if_addrs()
    for name in sorted(states.keys() | counters.keys()):
        for address in _ip_addresses(addresses.get(name, [])) or [None]:
            yield [host, name, address, *_state(states.get(name)), *_traffic(counters.get(name))]


def _ip_addresses(found: list[Any]) -> list[str | None]:
    families = (socket.AF_INET, socket.AF_INET6)
    return [entry.address for entry in found if entry.family in families]


def _state(state: Any) -> _Row:
    return [None, None] if state is None else [int(state.isup), state.mtu]


def _traffic(counter: Any) -> _Row:
    if counter is None:
        return [None, None, None, None]
    return [counter.bytes_recv, counter.bytes_sent, counter.errin, counter.errout]


def sockets(host: str, with_args: bool) -> _Rows:
    """A row for each internet socket; those of others have no process unless root asks."""
    kinds = {socket.SOCK_STREAM: "tcp", socket.SOCK_DGRAM: "udp"}
    for found in psutil.net_connections("inet"):
        version = "6" if found.family == socket.AF_INET6 else ""
        protocol = kinds.get(found.type, str(found.type)) + version
        state = None if found.status == psutil.CONN_NONE else found.status
        yield [host, protocol, *_end(found.laddr), *_end(found.raddr), state, found.pid]


def _end(address: Any) -> _Row:
    return [address.ip, address.port] if address else [None, None]


def load(host: str, with_args: bool) -> _Rows:
    """One row: how busy the host is."""
    memory, swap, boot_epoch = psutil.virtual_memory(), psutil.swap_memory(), psutil.boot_time()
    yield [
        host,
        *(round(average, 2) for average in psutil.getloadavg()),
        psutil.cpu_count(),
        memory.total,
        memory.available,
        float(memory.percent),
        swap.total,
        swap.used,
        boot_epoch,
        round(time.time() - boot_epoch, 1),
    ]


def users(host: str, with_args: bool) -> _Rows:
    """A row for each login."""
    for found in psutil.users():
        yield [host, found.name, found.terminal, found.host or None, found.started]


TABLES: dict[str, tuple[Columns, Callable[..., _Rows]]] = {
    "processes": (_PROCESSES, processes),
    "mounts": (_MOUNTS, mounts),
    "interfaces": (_INTERFACES, interfaces),
    "sockets": (_SOCKETS, sockets),
    "load": (_LOAD, load),
    "users": (_USERS, users),
}
