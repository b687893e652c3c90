"""Messages to the server, and its absence: who is not there is asked again later, not waited for.

They go one after the other where that is soon enough. Over a link of 100 ms a thousand tables
took longer so than a generation lasts, and every other one was without them: there several are
on their way at once, no more than it takes. Large ones go alone: several would take each other's
share of the link, and with it the time that each of them has.

One thread gives the messages and hears of them. What is sent, and when, the agent decides.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from qasino_cli.client import open_client
from qasino_cli.connection import Connection
from qasino_cli.csvagent.lanes import Lanes, Outcome, attempt
from qasino_cli.csvagent.pace import Pace
from qasino_cli.errors import ServerRefused, Unreachable
from qasino_server.errors import StartError

log = logging.getLogger("qasino.csvagent")

K = TypeVar("K")

AT_ONCE_MOST = 8
LARGE_BYTES = 65_536
_WEIGHT = 0.125
"""Of the latest message, in what is known of how long one takes."""
_LEAST_LEFT_S = 0.001


class Courier:
    """The way to one server, that may come and go."""

    def __init__(self, connection: Connection, pace: Pace, chance: random.Random) -> None:
        self._client = open_client(connection)
        self._lanes = Lanes(connection)
        self._url = connection.url
        self._pace = pace
        self._chance = chance
        self._pause_s = 0.0
        self._trip_s = 0.0
        """How long a message takes that is not large, until it is answered."""
        self.retry_at = -math.inf
        """Until when there is no use in trying."""
        self.away = False

    def send(self, message: bytes) -> None:
        """Send one publication. Raises Unreachable and ServerRefused."""
        for _, refusal in self.deliver([(None, message)], 1, math.inf):
            if refusal is not None:
                raise refusal

    def deliver(
        self, parcels: Iterable[tuple[K, bytes]], nr: int, within_s: float
    ) -> Iterator[tuple[K, ServerRefused | None]]:
        """Send `nr` publications or fewer, each with a key to tell it by, in `within_s` seconds if
        several at once can do that; as it says it, what the server said of each: None, or no.

        Raises Unreachable, once nothing is under way any more. No more are begun after it is known.
        """
        lost: Unreachable | None = None
        for outcome in self._outcomes(parcels, nr, time.monotonic() + within_s):
            error = outcome.error
            if isinstance(error, Unreachable):
                lost = error
                continue
            self._note_presence()  # whatever it says, it is there
            self._trip_s += (outcome.took_s - self._trip_s) * (_WEIGHT if self._trip_s else 1.0)
            if error is not None and not isinstance(error, ServerRefused):
                raise error
            yield outcome.key, error
        if lost is not None:
            self._note_absence(lost)
            raise lost

    def _outcomes(
        self, parcels: Iterable[tuple[Any, bytes]], nr: int, ends: float
    ) -> Iterator[Outcome]:
        for key, message in parcels:
            lost = False
            for outcome in self._sent(key, message, self._nr_at_once(message, nr, ends)):
                yield outcome
                lost = lost or isinstance(outcome.error, Unreachable)
            if lost:
                break
            nr -= 1
        while self._lanes.nr_under_way:
            yield self._lanes.next_outcome()

    def _nr_at_once(self, message: bytes, nr: int, ends: float) -> int:
        """How many are to be under way, of `nr` that are left. Whether the server is back, one
        finds out."""
        if self.away or len(message) > LARGE_BYTES:
            return 1
        left_s = max(_LEAST_LEFT_S, ends - time.monotonic())
        return max(1, min(AT_ONCE_MOST, math.ceil(nr * self._trip_s / left_s)))

    def _sent(self, key: Any, message: bytes, nr_at_once: int) -> Iterator[Outcome]:
        """Send it; what has been heard of this and others until there is room for the next."""
        if nr_at_once > 1:
            try:
                self._lanes.begin(key, message)
            except StartError:
                nr_at_once = 1  # without a thread more it goes as it would alone
        if nr_at_once == 1:
            yield attempt(self._client, key, message)
            return
        while self._lanes.nr_under_way >= nr_at_once:
            yield self._lanes.next_outcome()

    def close(self) -> None:
        """Hang up."""
        self._lanes.close()
        self._client.close()

    def _note_absence(self, error: Unreachable) -> None:
        """Try again soon; later and later, and not all agents of a fleet at once."""
        if not self.away:
            log.warning("%s; the tables stay ready until it is back", error.sentence)
        self.away = True
        least, most = self._pace.retry_s, self._pace.retry_most_s
        self._pause_s = min(most, max(least, self._pause_s * 2))
        self.retry_at = time.monotonic() + self._pause_s * self._chance.uniform(0.75, 1.25)

    def _note_presence(self) -> None:
        if self.away:
            log.info("%s is back", self._url)
        self.away, self._pause_s, self.retry_at = False, 0.0, -math.inf
