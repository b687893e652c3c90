"""Messages to the server, and its absence: who is not there is asked again later, not waited for.

One thread. What is sent, and when, the agent decides.
"""

from __future__ import annotations

import logging
import math
import random
import time

from qasino_cli.client import open_client
from qasino_cli.connection import Connection
from qasino_cli.csvagent.pace import Pace
from qasino_cli.errors import Unreachable

log = logging.getLogger("qasino.csvagent")


class Courier:
    """The way to one server, that may come and go."""

    def __init__(self, connection: Connection, pace: Pace, chance: random.Random) -> None:
        self._client = open_client(connection)
        self._url = connection.url
        self._pace = pace
        self._chance = chance
        self._pause_s = 0.0
        self.retry_at = -math.inf
        """Until when there is no use in trying."""
        self.away = False

    def send(self, message: bytes) -> None:
        """Send one publication. Raises Unreachable and ServerRefused."""
        try:
            self._client.publish(message)
        except Unreachable as error:
            self._note_absence(error)
            raise
        except Exception:  # whatever it says, it is there
            self._note_presence()
            raise
        self._note_presence()

    def close(self) -> None:
        """Hang up."""
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
