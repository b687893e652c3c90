"""The thread that asks at every generation and hands on what it got."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import msgspec

from qasino_cli.client import Client, open_client
from qasino_cli.connection import Connection
from qasino_cli.errors import NotLetIn, ServerRefused, Unreachable
from qasino_cli.generation_clock import PATIENCE, GenerationClock
from qasino_cli.sql.cancelling import UnderWay, begin_cancelling, give_up
from qasino_cli.watch.anew import Anew
from qasino_cli.watch.inquiry import Inquiry
from qasino_cli.watch.query import LOST, Update, Watched
from qasino_server.errors import SqlError, StartError
from qasino_server.service import Service

RETRY_S = 1.0
"""A server that is lost is looked for so often."""
LATE = "late: the next generation has not come"

Heard = Callable[[Update], None]


class Feed(Service):
    """Asks now, at every generation (or every `interval_s` seconds), and when told to."""

    def __init__(
        self, connection: Connection, watched: Watched, heard: Heard, interval_s: float | None
    ) -> None:
        """`heard` is called with each update, in this thread."""
        super().__init__("watch", self._died)
        self._connection = connection
        self._watched = watched
        self._heard = heard
        self._interval_s = interval_s
        self._clock = GenerationClock(connection)
        self._lock = threading.Lock()
        self._lost = False
        self._anew = Anew()
        self._answered: Watched | None = None
        self._inquiry: Inquiry | None = None
        self.asked_at: float | None = None
        """Since when an answer is waited for, on the monotonic clock; None where none is."""

    def ask(self, watched: Watched) -> None:
        """Ask this from now on, beginning at once; any thread. What was answered last is asked
        on where the server refuses it."""
        with self._lock:
            self._watched = watched
        left = self._left_behind()
        if left is not None:
            begin_cancelling(self._connection, *left)
        self.wake()

    def stop(self) -> None:
        """Ask the thread to end; a query that runs is cancelled, for which it may take 1 s."""
        super().stop()
        left = self._left_behind()
        if left is not None:
            give_up(self._connection, *left)

    def wake(self) -> None:
        """Ask again at once; any thread."""
        self._clock.wake()

    def run(self) -> None:
        """Ask until stopped."""
        client = open_client(self._connection)
        try:
            self._clock.wait(0)  # finds out how long a generation lasts
            while not self.stopping.is_set():
                asked_at = self.asked_at = time.monotonic()
                inquiry = self._begun(client)
                update = self._look(inquiry)
                self.asked_at = None
                if self.stopping.is_set():
                    return
                if not inquiry.abandoned:
                    judged = self._anew.judged(update)
                    self._heard(msgspec.structs.replace(judged, duration_s=self._clock.duration_s))
                self._rest(asked_at)
        finally:
            self.asked_at = None
            client.close()
            self._clock.close()

    def _begun(self, client: Client) -> Inquiry:
        with self._lock:
            inquiry = self._inquiry = Inquiry(self._connection, client, self._watched)
            if self.stopping.is_set():
                inquiry.abandon()
            return inquiry

    def _left_behind(self) -> tuple[str, UnderWay] | None:
        """The query that nobody waits for from now on, None where none runs."""
        with self._lock:
            inquiry = self._inquiry
            left = None if inquiry is None else inquiry.abandon()
        if inquiry is None or left is None:
            return None
        return left, partial(inquiry.is_under_way, left)

    def _fall_back(self, refused: Watched) -> None:
        """To what was answered last: its rows stand there and would grow old."""
        with self._lock:
            if self._watched == refused and self._answered is not None:
                self._watched = self._answered

    def _rest(self, asked_at: float) -> None:
        """Until it is time to ask again, or somebody wants it at once."""
        if self._lost or self._interval_s is None:
            self._clock.wait(RETRY_S if self._lost else None)
            return
        ends = asked_at + self._interval_s
        while self._clock.wait(max(0.0, ends - time.monotonic())) is not None:
            pass  # a generation has begun, which is not what is waited for

    def _died(self, name: str, error: BaseException) -> None:
        """Nobody is to wait for ever for a thread that is no more."""
        self._heard(Update(error=f"no more is asked: {error}"))

    def _look(self, inquiry: Inquiry) -> Update:
        watched = inquiry.watched
        try:
            update = inquiry.look()
        except (Unreachable, StartError) as error:  # there may be room for a thread again
            self._lost = True
            return Update(unknown=f"{LOST}{error.sentence}")
        except (ServerRefused, SqlError) as error:
            self._lost = False
            if inquiry.abandoned:
                return Update()
            if watched == self._answered and not isinstance(error, NotLetIn):
                # The statement is right: a table of it has gone with the last who reported it
                return self._refused(inquiry, f"refused: {error.sentence}")
            coming = "" if self._answered or not watched.condition else inquiry.coming(error)
            if coming:  # who publishes a new table and waits for it is no earlier than that
                return self._refused(inquiry, f"coming: {coming} is in the next generation")
            self._fall_back(watched)
            return Update(error=inquiry.explained(error))
        self._lost = False
        self._answered = watched
        assert update.result is not None
        if self._is_late(update.result.generation_age_s - update.took_s):
            return msgspec.structs.replace(update, unknown=LATE, holds=None)
        return update

    def _refused(self, inquiry: Inquiry, unknown: str) -> Update:
        """What is right all the same is refused: by a server that has begun anew, perhaps."""
        number = None
        with suppress(ServerRefused, Unreachable):
            number = inquiry.snapshot_number()
        return Update(unknown=unknown, refused_by=number)

    def _is_late(self, age_s: float) -> bool:
        """Whether the next generation should have come before one of that age was asked for; a
        server that began anew has others."""
        if age_s <= PATIENCE * self._clock.duration_s:
            return False
        self._clock.ask_duration()
        return age_s > PATIENCE * self._clock.duration_s
