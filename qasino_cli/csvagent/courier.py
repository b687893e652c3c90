"""Messages to the server, and its absence: who is not there is asked again later, not waited for.

They go one after the other where that is soon enough. Over a link of 100 ms a thousand tables
took longer so than a generation lasts, and every other one was without them: there several are
on their way at once, no more than it takes, and together no more than one large one, which goes
alone: they take each other's share of the link, and with it the time that each of them has.

A message that gets no answer is not yet a server that is away: another, a small one, shows that.
Where it is answered it was the message's own fault, which may then be sent aside: alone, while
the others go on.

One thread gives the messages and hears of them. What is sent, and when, the agent decides.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from qasino_cli.client import open_client
from qasino_cli.connection import Connection
from qasino_cli.csvagent.lanes import Lanes, Outcome, attempt
from qasino_cli.csvagent.pace import Pace
from qasino_cli.errors import ServerRefused, ShortOfFiles, Unanswered, Unreachable
from qasino_server.errors import StartError

log = logging.getLogger("qasino.csvagent")

K = TypeVar("K")

AT_ONCE_MOST = 8
LARGE_BYTES = 65_536
_WEIGHT = 0.125
"""Of the latest message, in what is known of how long one takes."""
_LEAST_LEFT_S = 0.001

_CRAMPED = (StartError, ShortOfFiles)
"""This process has no room for what it takes to send something."""
_LOST = (Unreachable, StartError)


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
        self._cramped = False
        """This process has no room for lanes: threads or descriptors are short."""
        self._told: set[str] = set()
        """What was said of an absence that goes on."""
        self.small: Callable[[], bytes] | None = None
        """Makes a small publication that may be sent at any time; None where there is none, and
        who does not answer is away."""
        self.tell: Callable[[], None] = lambda: None
        """Is called, by any thread, when something has become of what was sent aside."""
        self._aside = Lanes(connection, lambda: self.tell())

    def send(self, message: bytes) -> None:
        """Send one publication. Raises Unreachable and ServerRefused.

        Where that is Unanswered and the server is not away, it was the message's own fault.
        """
        for _, refusal in self.deliver([(None, message)], 1, math.inf):
            if refusal is not None:
                raise refusal

    def deliver(
        self, parcels: Iterable[tuple[K, bytes]], nr: int, within_s: float
    ) -> Iterator[tuple[K, ServerRefused | Unanswered | None]]:
        """Send `nr` publications or fewer, each with a key to tell it by, in `within_s` seconds if
        several at once can do that; as it says it, what the server said of each: None, or no, or
        nothing although it answered another since.

        Raises Unreachable, once nothing is under way any more. No more are begun after it is known.
        """
        ends, left = time.monotonic() + within_s, iter(parcels)
        while True:
            lost: list[Outcome] = []
            for outcome in self._outcomes(left, nr, ends):
                nr -= 1
                if isinstance(outcome.error, _LOST):
                    lost.append(outcome)
                else:
                    self._note_answer(outcome)
                    yield outcome.key, _said(outcome.error)
            if not lost:
                return
            yield from self._only_unanswered(lost)

    def _only_unanswered(self, lost: list[Outcome]) -> list[tuple[Any, Unanswered]]:
        """Those that were lost, where it was their own fault. Raises Unreachable."""
        silent = [(o.key, o.error) for o in lost if isinstance(o.error, Unanswered)]
        if len(silent) == len(lost) and self._answers_another():
            return silent
        error = next((o.error for o in lost if not isinstance(o.error, Unanswered)), lost[0].error)
        assert isinstance(error, _LOST)
        self._note_absence(error)
        raise error if isinstance(error, Unreachable) else Unreachable(error.sentence)

    def _note_answer(self, outcome: Outcome) -> None:
        self._note_presence()  # whatever it says, it is there
        if len(outcome.message) <= LARGE_BYTES:
            self._trip_s += (outcome.took_s - self._trip_s) * (_WEIGHT if self._trip_s else 1.0)

    def _answers_another(self) -> bool:
        """Whether the server, which left something unanswered, answers a small publication."""
        if self.small is None:
            return False
        outcome = attempt(self._client, None, self.small())
        if isinstance(outcome.error, _LOST):
            return False
        self._note_answer(outcome)
        _said(outcome.error)
        return True

    def _outcomes(
        self, parcels: Iterable[tuple[Any, bytes]], nr: int, ends: float
    ) -> Iterator[Outcome]:
        """What becomes of each, in the order it is known; nothing is begun once one is lost."""
        lost = False
        for key, message in parcels:
            nr_at_once = self._nr_at_once(message, nr, ends)
            nr -= 1
            for outcome in self._until_there_is_room(message, nr_at_once):
                lost = lost or isinstance(outcome.error, _LOST)
                yield outcome
            if not lost and not (nr_at_once > 1 and self._begun(key, message)):
                outcome = attempt(self._client, key, message)
                lost = isinstance(outcome.error, _LOST)
                yield outcome
            if lost:
                break
        yield from self._all_that_is_under_way()

    def _nr_at_once(self, message: bytes, nr: int, ends: float) -> int:
        """How many are to be under way, of `nr` that are left. Whether the server is back, one
        finds out."""
        if self.away or self._cramped or len(message) > LARGE_BYTES:
            return 1
        left_s = max(_LEAST_LEFT_S, ends - time.monotonic())
        return max(1, min(AT_ONCE_MOST, math.ceil(nr * self._trip_s / left_s)))

    def _until_there_is_room(self, message: bytes, nr_at_once: int) -> Iterator[Outcome]:
        """What has been heard until another may be begun; it goes alone where it is large."""
        lanes = self._lanes
        while lanes.nr_under_way and (
            lanes.nr_under_way >= nr_at_once or lanes.bytes_under_way + len(message) > LARGE_BYTES
        ):
            yield self._heard()

    def _all_that_is_under_way(self) -> Iterator[Outcome]:
        while self._lanes.nr_under_way:
            yield self._heard()
        if self._cramped:
            self._lanes.close()

    def _begun(self, key: Any, message: bytes) -> bool:
        """Whether it is under way; if not there is no room for one more."""
        if not self._cramped:
            try:
                self._lanes.begin(key, message)
            except StartError:
                self._cramped = True
        return not self._cramped

    def _heard(self) -> Outcome:
        """The next outcome. What a lane had no room for goes as it would without lanes, of which
        there are no more then."""
        outcome = self._lanes.next_outcome()
        if not isinstance(outcome.error, _CRAMPED):
            return outcome
        self._cramped = True
        return attempt(self._client, outcome.key, outcome.message)

    # --- Aside ------------------------------------------------------------------------------

    @property
    def may_begin_aside(self) -> bool:
        """Whether the server is there, and nothing is on its way aside."""
        return not (self.away or self._cramped or self._aside.nr_under_way)

    def begin_aside(self, key: Any, message: bytes) -> None:
        """Send one publication while others go on; without room for it, not at all."""
        with suppress(StartError):
            self._aside.begin(key, message)

    def heard_aside(self) -> Outcome | None:
        """What has become of what was sent aside; None where that is not known.

        Its error is Unanswered only where the server has answered another since.
        """
        if not self._aside.has_outcome:
            return None
        outcome = self._aside.next_outcome()
        if isinstance(outcome.error, Unanswered) and not self._answers_another():
            return msgspec.structs.replace(outcome, error=Unreachable(outcome.error.sentence))
        return outcome

    def close(self) -> None:
        """Hang up."""
        self._aside.close()
        self._lanes.close()
        self._client.close()

    def _note_absence(self, error: Unreachable | StartError) -> None:
        """Try again soon; later and later, and not all agents of a fleet at once."""
        self._cramped = isinstance(error, _CRAMPED)
        self._lanes.close()
        if error.sentence not in self._told:
            self._told.add(error.sentence)
            log.warning("%s; the tables stay ready until it is back", error.sentence)
        self.away = True
        least, most = self._pace.retry_s, self._pace.retry_most_s
        self._pause_s = min(most, max(least, self._pause_s * 2))
        self.retry_at = time.monotonic() + self._pause_s * self._chance.uniform(0.75, 1.25)

    def _note_presence(self) -> None:
        if self.away:
            log.info("%s is back", self._url)
            self._told.clear()
        self.away, self._pause_s, self.retry_at = False, 0.0, -math.inf


def _said(error: Exception | None) -> ServerRefused | None:
    """What the server said of a message that it answered; raises what is no answer."""
    if error is not None and not isinstance(error, ServerRefused):
        raise error
    return error
