"""Several messages on their way to one server at once, each in a thread with a client of its own.

One thread gives them and takes what became of them; the threads of the lanes do nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import msgspec

from qasino_cli.client import Client, open_client
from qasino_cli.connection import Connection
from qasino_server.errors import QasinoError
from qasino_server.service import Service


class Outcome(msgspec.Struct, frozen=True):
    """What became of a message."""

    key: Any
    """What it was given with."""
    message: bytes
    error: Exception | None
    took_s: float


def attempt(client: Client, key: Any, message: bytes) -> Outcome:
    """Send one publication and wait for its answer. Raises nothing."""
    began = time.monotonic()
    error: Exception | None = None
    try:
        client.publish(message)
    except QasinoError as refusal:
        error = refusal.landed()
    except Exception as fault:  # whoever gave it raises it: of a lane that died nobody would hear
        error = fault
    return Outcome(key, message, error, time.monotonic() - began)


class _Lane(Service):
    """One thread, one client, one message at a time."""

    def __init__(
        self,
        connection: Connection,
        arrived: SimpleQueue[tuple[_Lane, Outcome]],
        tell: Callable[[], None],
    ) -> None:
        super().__init__("csvagent-lane")
        self._connection = connection
        self._arrived = arrived
        self._tell = tell
        self._given: SimpleQueue[tuple[Any, bytes] | None] = SimpleQueue()

    def give(self, key: Any, message: bytes) -> None:
        """Have it sent."""
        self._given.put((key, message))

    def wake(self) -> None:
        self._given.put(None)

    def run(self) -> None:
        """Send what is given until stopped; what waits for its answer then is left to its
        timeout."""
        client = open_client(self._connection)
        try:
            while (given := self._given.get()) is not None:
                self._arrived.put((self, attempt(client, *given)))
                self._tell()
        finally:
            client.close()


class Lanes:
    """As many as were ever needed at once."""

    def __init__(self, connection: Connection, tell: Callable[[], None] = lambda: None) -> None:
        """No thread is begun yet. `tell` is called, by any of them, after each outcome."""
        self._connection = connection
        self._tell = tell
        self._arrived: SimpleQueue[tuple[_Lane, Outcome]] = SimpleQueue()
        self._lanes: list[_Lane] = []
        self._free: list[_Lane] = []
        self.bytes_under_way = 0

    @property
    def nr_under_way(self) -> int:
        """How many messages have been begun of which nobody has taken the outcome."""
        return len(self._lanes) - len(self._free)

    def begin(self, key: Any, message: bytes) -> None:
        """Send a message on a free lane, a new one where none is. Raises StartError."""
        if not self._free:
            lane = _Lane(self._connection, self._arrived, self._tell)
            lane.start()
            self._lanes.append(lane)
            self._free.append(lane)
        self._free.pop().give(key, message)
        self.bytes_under_way += len(message)

    def next_outcome(self) -> Outcome:
        """Wait for the next of those that are under way."""
        lane, outcome = self._arrived.get()
        self._free.append(lane)
        self.bytes_under_way -= len(outcome.message)
        return outcome

    @property
    def has_outcome(self) -> bool:
        """Whether there is one that need not be waited for."""
        return not self._arrived.empty()

    def close(self) -> None:
        """Have the threads end; new ones are begun where a message is."""
        for lane in self._lanes:
            lane.stop()
        self._lanes, self._free = [], []
