"""`qasino server --demo`: this machine publishes itself, through the ordinary client.

It goes the way every publisher goes, over a port of the server; nothing is handed to the
server behind its own doors.
"""

from __future__ import annotations

import logging
import shutil
import sys

from qasino_cli.client import Client, open_client
from qasino_cli.connection import Connection
from qasino_cli.errors import UsageFault
from qasino_cli.generation_clock import GenerationClock
from qasino_cli.identity import default_identity
from qasino_cli.outgoing import encode_publication
from qasino_cli.this_host import this_hosts_tables
from qasino_server.errors import QasinoError
from qasino_server.service import Service
from qasino_server.settings import Settings

log = logging.getLogger("qasino.demo")

_QUERIES = (
    "select name, count(*) n, sum(rss_bytes) >> 20 mib from processes"
    " group by name order by mib desc limit 10",
    "select mountpoint, used_pct, free_bytes >> 30 free_gib from mounts order by used_pct desc",
    "select m.host, p.processes, max(m.used_pct) fullest_pct from mounts m"
    " join (select host, count(*) processes from processes group by host) p using (host)"
    " group by m.host",
)


class Demo(Service):
    """The thread that publishes this machine's tables, at once and in every generation."""

    def __init__(self, settings: Settings, ports: dict[str, int]) -> None:
        super().__init__("demo")
        self._connection = connection_to(settings, ports)
        self._identity = default_identity()
        self._clock = GenerationClock(self._connection)

    def run(self) -> None:
        """Publish until stopped. A failure is logged and the next generation tries again."""
        client = open_client(self._connection)
        try:
            self._clock.begin()
            self._publish(client)
            while not self.stopping.is_set():
                if self._clock.wait() is not None:
                    self._publish(client)
        finally:
            client.close()
            self._clock.close()

    def wake(self) -> None:
        """Have the thread see that it is to stop."""
        self._clock.wake()

    def _publish(self, client: Client) -> None:
        try:
            for publication in this_hosts_tables(self._identity):
                client.publish(encode_publication(publication))
        except QasinoError as error:
            if not self.stopping.is_set():
                log.warning("this host's tables were not published: %s", error.sentence)


def connection_to(settings: Settings, ports: dict[str, int]) -> Connection:
    """The way to this server from its own host: ZeroMQ, else HTTP. Raises UsageFault.

    Where it would be asked who it is, the demo has nothing to say.
    """
    schemes = ("http",) if settings.curve_keys else ("zmq", "http")
    for scheme in () if settings.asks_everywhere else schemes:
        if scheme in ports:
            return Connection(
                scheme=scheme,
                host=own_address(settings.listen),
                port=ports[scheme],
                pubsub_port=None if settings.curve_keys else ports.get("pubsub"),
            )
    raise UsageFault(
        "--demo publishes over HTTP, or ZeroMQ without keys, and is nobody's user; leave one of the"
        " two open to everybody, or publish with `qasino publish --this-host --every-generation`"
    )


def own_address(listen: str) -> str:
    """Where a server that listens there is reached from its own host."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}.get(listen, listen)


def queries_to_try(settings: Settings, ports: dict[str, int]) -> list[str]:
    """Commands to copy, when they begin to have something to show, and where a browser does."""
    connection = connection_to(settings, ports)
    usual = connection.url.replace("127.0.0.1", "localhost") == Connection().url
    server = "" if usual else f" -s {connection.url}"
    lines = [f'  {_own_command()} sql{server} -q "{query}"' for query in _QUERIES]
    wait_s = settings.generation_duration_s
    return [
        f"in {wait_s:g} second{'' if wait_s == 1 else 's'}, try:",
        *lines,
        *_in_a_browser(settings, ports),
    ]


def _in_a_browser(settings: Settings, ports: dict[str, int]) -> list[str]:
    if "http" not in ports:
        return []
    here = own_address(settings.listen)
    host = "localhost" if here == "127.0.0.1" else f"[{here}]" if ":" in here else here
    return [f"or, in a browser: http://{host}:{ports['http']}/"]


def _own_command() -> str:
    """How this program is called: by its name where the shell finds it, else by its path."""
    return "qasino" if shutil.which("qasino") or "qasino" not in sys.argv[0] else sys.argv[0]
