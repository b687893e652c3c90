"""Publishers and readers at work, each with one request on its way, and how long each waited.

One thread serves them all, so that none of them waits for another's turn of the GIL.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from itertools import count, cycle

import msgspec
import zmq

from tests.bench.bodies import Bodies, publications, queries, table
from tests.bench.load import PATIENCE_S, Lane, is_ok, must_be_ok
from tests.bench.processes import Host

PROBE_SQL = "select * from qasino_server_info"
PROBE_TABLE = "probes"
_FIRST = 90_000_000
NAMES = ("publication, http", "publication, zmq", "query, http", "query, zmq")


class Wait(msgspec.Struct, frozen=True):
    """One request: who sent it, when, and how long its answer took."""

    name: str
    began: float
    """On the clock of time.perf_counter."""
    seconds: float


class _Probe:
    """One client; its socket is a Lane or a DEALER."""

    def __init__(self, name: str, requests: Bodies) -> None:
        self.name = name
        self.requests = requests
        self.began = 0.0


class Probes:
    """A publisher and a reader on each transport, or some of them, while the context lasts."""

    def __init__(self, host: Host, names: Sequence[str] = NAMES, identities: int = 0) -> None:
        """Publishers report for so many `identities` in turn, the newest rows counting; 0 is for a
        new one each time."""
        self._host = host
        self._names = names
        self._identities = identities
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probes")
        self._error: BaseException | None = None
        self.waits: list[Wait] = []

    def __enter__(self) -> Probes:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopping.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def longest_s(self, begin: float, end: float) -> dict[str, float]:
        """By client the longest wait among those that ended in this time."""
        found = {name: 0.0 for name in NAMES}
        for wait in list(self.waits):
            if begin < wait.began + wait.seconds <= end:
                found[wait.name] = max(found[wait.name], wait.seconds)
        return found

    def _run(self) -> None:
        try:
            self._probe()
        except BaseException as error:  # told where the probes are left
            self._error = error

    def _probe(self) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        poller = zmq.Poller()
        clients = _clients(self._host.ports, context, self._names, self._identities)
        for key, (probe, wire) in clients.items():
            poller.register(key, zmq.POLLIN)
            _send(probe, wire)
        waiting = len(clients)
        while waiting:  # the last answers too: who waits longest is among them
            ready = poller.poll(PATIENCE_S * 1000)
            if not ready:
                raise TimeoutError(f"no answer within {PATIENCE_S:g} s")
            for key, _ in ready:
                probe, wire = clients[key]
                if not _received(wire):
                    continue
                seconds = time.perf_counter() - probe.began
                self.waits.append(Wait(probe.name, probe.began, seconds))
                if self._stopping.is_set():
                    waiting -= 1
                else:
                    _send(probe, wire)
        for _, wire in clients.values():
            wire.close()
        context.destroy(linger=0)


_Wire = Lane | zmq.Socket[bytes]


def _clients(
    ports: dict[str, int],
    context: zmq.Context[zmq.Socket[bytes]],
    names: Sequence[str],
    identities: int,
) -> dict[object, tuple[_Probe, _Wire]]:
    """Each client and its connection, by what a poller calls it."""
    made: dict[object, tuple[_Probe, _Wire]] = {}
    numbers: Iterator[int] = count(_FIRST)
    if identities:
        numbers = cycle(range(_FIRST, _FIRST + identities))
    template = table(10, 5, PROBE_TABLE, replace=bool(identities))
    for name in names:
        what, kind = name.split(", ")
        publishes = what == "publication"
        requests = publications(template, kind, numbers) if publishes else queries(PROBE_SQL, kind)
        if kind == "http":
            lane = Lane(ports["http"])
            made[lane.fileno()] = (_Probe(name, requests), lane)
        else:
            dealer = context.socket(zmq.DEALER)
            dealer.linger = 0
            dealer.connect(f"tcp://127.0.0.1:{ports['zmq']}")
            made[dealer] = (_Probe(name, requests), dealer)
    return made


def _send(probe: _Probe, wire: _Wire) -> None:
    request = next(probe.requests)
    probe.began = time.perf_counter()
    if isinstance(wire, Lane):
        wire.send(request)
    else:
        wire.send_multipart((b"", request))


def _received(wire: _Wire) -> bool:
    """Whether the answer has come. Raises RuntimeError for an error."""
    if isinstance(wire, Lane):
        answer = wire.receive()
        if answer is None:
            return False
        must_be_ok(is_ok(answer), answer)
        return True
    reply = wire.recv_multipart()[1]
    must_be_ok(b'"error"' not in reply[:40], reply)
    return True
