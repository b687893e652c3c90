"""`qasino server --demo`: this machine publishes itself, through the ordinary client.

It goes the way every publisher goes, over a port of the server; nothing is handed to the
server behind its own doors.
"""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Iterator
from typing import Protocol

from qasino_cli.client import Client, open_client
from qasino_cli.connection import DEFAULT_PUBSUB_PORT, Connection
from qasino_cli.errors import UsageFault
from qasino_cli.identity import default_identity
from qasino_cli.outgoing import encode_publication
from qasino_cli.signal_listener import SignalListener
from qasino_cli.this_host import this_hosts_tables
from qasino_server.errors import QasinoError
from qasino_server.server import Settings
from qasino_server.service import Service

log = logging.getLogger("qasino.demo")

STOP_CHECK_S = 0.25  # a listener cannot be woken from another thread, so it looks up this often

_QUERIES = (
    "select name, count(*) n, sum(rss_bytes) >> 20 mib from processes"
    " group by name order by mib desc limit 10",
    "select mountpoint, used_pct, free_bytes >> 30 free_gib from mounts order by used_pct desc",
    "select m.host, p.processes, max(m.used_pct) fullest_pct from mounts m"
    " join (select host, count(*) processes from processes group by host) p using (host)"
    " group by m.host",
)


class Demo(Service):
    """The thread that publishes this machine's tables, at once and after every signal."""

    def __init__(self, settings: Settings, ports: dict[str, int]) -> None:
        super().__init__("demo")
        self._connection = connection_to(settings, ports)
        self._identity = default_identity()
        self._duration_s = settings.generation_duration_s
        self._has_signal = "pubsub" in ports

    def run(self) -> None:
        """Publish until stopped. A failure is logged and the next signal tries again."""
        client = open_client(self._connection)
        try:
            for _ in self._occasions():
                self._publish(client)
        finally:
            client.close()

    def _occasions(self) -> Iterator[None]:
        """Now, then after every signal; without a signal as often as a generation lasts."""
        clock: _Clock = _Rhythm(self._duration_s)
        if self._has_signal:
            clock = SignalListener(self._connection)
        try:
            yield
            while not self.stopping.is_set():
                if clock.heard(STOP_CHECK_S):
                    yield
        finally:
            clock.close()

    def _publish(self, client: Client) -> None:
        try:
            for publication in this_hosts_tables(self._identity):
                client.publish(encode_publication(publication))
        except QasinoError as error:
            if not self.stopping.is_set():
                log.warning("this host's tables were not published: %s", error.sentence)


class _Clock(Protocol):
    def heard(self, timeout_s: float) -> bool:
        """Wait at most so long; whether it is time to publish."""

    def close(self) -> None:
        """No more of it."""


class _Rhythm:
    """A clock of our own, for a server that has no signal port."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._next = time.monotonic() + period_s

    def heard(self, timeout_s: float) -> bool:
        """Wait at most so long; whether a period is over."""
        left_s = self._next - time.monotonic()
        time.sleep(max(0.0, min(left_s, timeout_s)))
        if left_s > timeout_s:
            return False
        self._next += self._period_s
        return True

    def close(self) -> None:
        """Nothing is open."""


def connection_to(settings: Settings, ports: dict[str, int]) -> Connection:
    """The way to this server from its own host: ZeroMQ, else HTTP. Raises UsageFault."""
    for scheme in ("zmq", "http"):
        if scheme in ports:
            return Connection(
                scheme=scheme,
                host=own_address(settings.listen),
                port=ports[scheme],
                pubsub_port=ports.get("pubsub", DEFAULT_PUBSUB_PORT),
            )
    raise UsageFault("--demo publishes over ZeroMQ or HTTP; leave one of the two ports open")


def own_address(listen: str) -> str:
    """Where a server that listens there is reached from its own host."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}.get(listen, listen)


def queries_to_try(settings: Settings, ports: dict[str, int]) -> list[str]:
    """Three commands to copy, and when they begin to have something to show."""
    connection = connection_to(settings, ports)
    usual = connection.url.replace("127.0.0.1", "localhost") == Connection().url
    server = "" if usual else f" -s {connection.url}"
    lines = [f'  {_own_command()} sql{server} -q "{query}"' for query in _QUERIES]
    return [f"in {settings.generation_duration_s} seconds, try:", *lines]


def _own_command() -> str:
    """How this program is called: by its name where the shell finds it, else by its path."""
    return "qasino" if shutil.which("qasino") or "qasino" not in sys.argv[0] else sys.argv[0]
