"""How many connections peers may hold: one count for all ports, so that files always can be opened.

Where descriptors run out no generation can be opened, and generations would be lost. One
address may hold three quarters of the seats, so that others still get in. Any thread.
"""

from __future__ import annotations

import ipaddress
import logging
import resource
import threading
import time
from collections import Counter
from functools import lru_cache

log = logging.getLogger("qasino.seats")

_COMPLAIN_S = 10.0
_RESERVED_DESCRIPTORS = 512
"""Kept for files, or half of those there are."""
LEAST_RESERVED_DESCRIPTORS = 112
"""Kept for files in any case: some 70 are open at rest, a rotation takes up to 20 more, a query
that goes on in an old snapshot 4."""


class Seat:
    """The seat of one connection; given back once, however often it is left."""

    def __init__(self, seats: Seats, port: str, network: str) -> None:
        self._seats = seats
        self.port = port
        self.network = network
        self.taken = True

    def leave(self) -> None:
        """The connection is over."""
        self._seats.give_back(self)


class Seats:
    """The connections of all ports."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._by_port: Counter[str] = Counter()
        self._by_network: Counter[str] = Counter()
        self._complained = 0.0

    def take(self, port: str, address: str) -> Seat | None:
        """A seat for a connection from that address; None where there is none left for it."""
        network = network_of(address)
        with self._lock:
            theirs = self._by_network.get(network, 0)
            if self._by_port.total() >= self.most or theirs >= max(1, self.most * 3 // 4):
                self._complain(port, address, theirs)
                return None
            self._by_port[port] += 1
            self._by_network[network] += 1
        return Seat(self, port, network)

    def _complain(self, port: str, address: str, theirs: int) -> None:
        """Say so, but not for each of a flood."""
        now = time.monotonic()
        if not self._complained or now > self._complained + _COMPLAIN_S:
            self._complained = now
            log.warning(
                "connections refused port=%s address=%s: %d of %d are open, %d from there",
                *(port, address, self._by_port.total(), self.most, theirs),
            )

    def give_back(self, seat: Seat) -> None:
        """The seat is free again."""
        with self._lock:
            if not seat.taken:
                return
            seat.taken = False
            self._by_port[seat.port] -= 1
            self._by_network[seat.network] -= 1
            if not self._by_network[seat.network]:
                del self._by_network[seat.network]

    def by_port(self) -> dict[str, int]:
        """Connections that are open, by the name of their port."""
        with self._lock:
            return dict(self._by_port)


def seats_of_process() -> Seats:
    """All but the descriptors that are kept for files, as many as this process may open."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        soft = 1 << 20
    few = max(1, min(soft // 2, soft - LEAST_RESERVED_DESCRIPTORS))
    return Seats(max(few, soft - _RESERVED_DESCRIPTORS))


@lru_cache(maxsize=10_000)
def network_of(address: str) -> str:
    """Whom an address counts for: itself, or with IPv6 its /64, which a single host owns."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
