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
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import psutil

from qasino_cli.errors import InputRejected
from qasino_server.publication_rules import encode_rows
from qasino_server.table import Columns, Publication, check_columns

_Row = list[Any]
_Rows = Iterator[_Row]


class _Table(NamedTuple):
    """A table's columns, and what each of them means."""

    columns: Columns
    descriptions: tuple[str, ...]


def _table(text: str) -> _Table:
    """A table from lines "name type meaning"; it begins with the host."""
    lines = ["host text the identity that reports", *text.strip().splitlines()]
    names, types, meanings = zip(*(line.split(None, 2) for line in lines), strict=True)
    return _Table(check_columns(names, types), meanings)


_PROCESSES = _table("""
    pid integer its number
    ppid integer the number of its parent
    user text its owner
    name text the program's name, as the kernel has it
    status text running, sleeping, disk-sleep, stopped, zombie ..
    cpu_s real processor time used since its start, user and system
    rss_bytes integer resident memory
    threads integer how many threads it has
    start_epoch real when it began, in seconds since 1970
    command text the program as it was called, without arguments
    args text the arguments, with --with-args only
""")
_MOUNTS = _table("""
    mountpoint text where it is mounted
    device text what is mounted
    fstype text the kind of file system
    total_bytes integer its size
    used_bytes integer what is used of it
    free_bytes integer what users other than root may still fill
    used_pct real used of what users may fill, as df has it
""")
_INTERFACES = _table("""
    interface text its name
    address text an IPv4 or IPv6 address of it
    up integer 1 if it is up
    mtu integer the largest packet, in bytes
    rx_bytes integer received since it exists
    tx_bytes integer sent since it exists
    rx_errors integer packets received with an error
    tx_errors integer packets not sent for an error
""")
_SOCKETS = _table("""
    protocol text tcp, tcp6, udp or udp6
    local_address text this end
    local_port integer its port
    remote_address text the other end, where there is one
    remote_port integer its port
    state text ESTABLISHED, LISTEN .. of tcp
    pid integer whose it is, where we may see that
""")
_LOAD = _table("""
    load_1m real processes that run or want to, mean of a minute
    load_5m real the same of five minutes
    load_15m real the same of fifteen minutes
    processors integer logical processors
    memory_bytes integer physical memory
    memory_available_bytes integer what programs can have without swapping
    memory_used_pct real the share that is not available
    swap_bytes integer swap space
    swap_used_bytes integer what is used of it
    boot_epoch real when it was started, in seconds since 1970
    uptime_s real how long it has been up
""")
_USERS = _table("""
    user text who is logged in
    terminal text on which terminal
    from_host text from where
    since_epoch real since when, in seconds since 1970
""")

DEMO_TABLES = ("processes", "mounts", "interfaces")


def this_hosts_tables(
    identity: str, names: Sequence[str] = DEMO_TABLES, with_args: bool = False
) -> list[Publication]:
    """Tables of this machine as it is now, reported as `identity`. Raises InputRejected."""
    return [_publication(identity, name, with_args) for name in names]


def _publication(identity: str, tablename: str, with_args: bool) -> Publication:
    table, read = TABLES[tablename]
    try:
        rows = [[_readable(cell) for cell in row] for row in read(identity, with_args)]
    except (OSError, psutil.Error) as error:
        raise InputRejected(f"this host's {tablename} cannot be read: {error}") from None
    return Publication(
        identity=identity,
        tablename=tablename,
        columns=table.columns,
        descriptions=table.descriptions,
        rows_json=encode_rows(rows),
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
    """What `read` gives, None where we may not see it, or a zombie has it no more."""
    try:
        return read()
    except (psutil.AccessDenied, psutil.ZombieProcess):
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
    memory, boot_epoch = psutil.virtual_memory(), psutil.boot_time()
    with warnings.catch_warnings():  # of a container that hides how much was swapped
        warnings.simplefilter("ignore", RuntimeWarning)
        swap = psutil.swap_memory()
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


TABLES: dict[str, tuple[_Table, Callable[[str, bool], _Rows]]] = {
    "processes": (_PROCESSES, processes),
    "mounts": (_MOUNTS, mounts),
    "interfaces": (_INTERFACES, interfaces),
    "sockets": (_SOCKETS, sockets),
    "load": (_LOAD, load),
    "users": (_USERS, users),
}
