"""What the prompt knows of the server while a person types: schema, generation, reachability.

A thread of its own follows the generations and fetches, on a client of its own; the prompt
reads what is there and never waits. Attributes are replaced whole, never changed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from qasino_cli.catalog import EMPTY, Catalog, fetch_catalog, fetch_values
from qasino_cli.client import Client, open_client
from qasino_cli.connection import Connection
from qasino_cli.errors import NotLetIn, ServerRefused, Unanswered, Unreachable
from qasino_cli.generation_clock import PATIENCE, GenerationClock
from qasino_cli.sql.asides import Asides
from qasino_cli.sql.session import HEAR_S
from qasino_server.errors import QasinoError
from qasino_server.message import Query
from qasino_server.service import Service
from qasino_server.table import Result

RETRY_S = 1.0
"""A server that is away is looked for so often."""
FETCH_TIMEOUT_S = 10.0


class Status(msgspec.Struct, frozen=True):
    """How the server is, as far as the prompt knows."""

    generation_number: int | None = None
    """None until the first answer."""
    since: float = 0.0
    """When that became the snapshot, on the monotonic clock."""
    trouble: QasinoError | None = None
    """Why the server cannot be asked."""

    @property
    def turned_away(self) -> bool:
        """Whether the server does not let us in, which asking again does not change."""
        return isinstance(self.trouble, NotLetIn)

    def age_s(self, now: float) -> float:
        """How old the snapshot is."""
        return max(0.0, now - self.since)


class Live(Service):
    """Follows one server."""

    def __init__(self, connection: Connection, changed: Callable[[bool], None]) -> None:
        """`changed` is called, in this thread, when something is known: whether completion has
        something else to offer by it."""
        super().__init__("live")
        self.catalog: Catalog = EMPTY
        self.status = Status()
        self._changed = changed
        self._connection = msgspec.structs.replace(
            connection, timeout_s=min(connection.timeout_s, FETCH_TIMEOUT_S)
        )
        self._asides = Asides(self._connection)
        self._clock = GenerationClock(connection)
        self._values: dict[tuple[str, str], tuple[str, ...]] = {}
        self._wanted: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._stale = True
        self._listens = False
        self._news = threading.Condition()
        self.nr_generations = 0
        """How many have come since the start; `wait_for_generation` waits for the next."""
        self._nr_failures = 0
        """How often the server could not be reached, or has turned us away."""
        self._wish = threading.Event()
        """Set once somebody wants it to be asked again, or the thread to end."""

    # --- Any thread -------------------------------------------------------------------------

    def values_of(self, table: str, column: str) -> Sequence[str] | None:
        """The commonest values, where they are known; where not they will be fetched."""
        key = (table.lower(), column.lower())
        with self._lock:
            known = self._values.get(key)
            if known is None and key not in self._wanted:
                self._wanted.add(key)
                self._clock.wake()
        return known

    def is_late(self, now: float) -> bool:
        """Whether the next generation should have come by now."""
        return self.status.age_s(now) > self._clock.duration_s * PATIENCE

    def refresh(self) -> None:
        """Fetch the schema anew, soon."""
        self._stale = True
        self.wake()

    def wait_for_generation(self, seen: int) -> None:
        """Sleep until another generation than the one counted as `seen` has come.

        Raises Unreachable where the server is lost meanwhile, which shows when the generation is
        late, and NotLetIn where it turns us away.
        """
        failed = self._nr_failures
        if self.status.turned_away:
            # The thread knocks no more by itself: nothing would ever come to be waited for.
            self.refresh()
        with self._news:
            while self.nr_generations == seen:
                if self._nr_failures != failed:
                    raise self.status.trouble or Unreachable(f"{self._connection.url} is lost")
                self._news.wait(HEAR_S)  # Ctrl-C is heard now

    def wake(self) -> None:
        self._wish.set()
        self._clock.wake()

    # --- The thread -------------------------------------------------------------------------

    def run(self) -> None:
        """Fetch, wait for a generation or a wish, and so on."""
        client = open_client(self._connection)
        try:
            while not self.stopping.is_set():
                self._wish.clear()
                self._look(client)
                self._begin_to_listen(client)
                if self.status.turned_away:
                    # A server may count wrong passwords, and shut out who sends too many.
                    self._wish.wait()
                    continue
                lost = self.status.trouble is not None
                if self._clock.wait(RETRY_S if lost else None) is not None:
                    self._stale = True
        finally:
            client.close()
            self._clock.close()

    def _begin_to_listen(self, client: Client) -> None:
        """The first time; after the first look, for which a person waits.

        A door that closed between the two leaves us with generations of the usual length, and the
        next look would come when one of those is over.
        """
        if self._listens or self.status.trouble is not None:
            return
        self._listens = True
        self._clock.begin()
        if self._clock.refused:
            self._stale = True
            self._look(client)

    def _look(self, client: Client) -> None:
        """Bring everything up to date that is wanted."""
        try:
            if self._stale or self.status.trouble is not None:
                self._fetch(client)
            self._fetch_values()
        except QasinoError as error:
            known = self.status
            self.status = msgspec.structs.replace(known, trouble=error)
            if isinstance(error, Unreachable | NotLetIn):  # one that is busy is there
                with self._news:
                    self._nr_failures += 1
                    self._news.notify_all()
            self._changed(False)

    def _fetch(self, client: Client) -> None:
        asked: list[Result] = []

        def ask(sql: str) -> Result:
            asked.append(client.query(Query(sql=sql, typed=True)))
            return asked[-1]

        self._stale = False
        try:
            catalog = fetch_catalog(ask).make_ready()  # here, not at a keystroke
        except ServerRefused:  # a server of another kind: its generation at least
            catalog = EMPTY
            if not asked:
                raise
        fresh = asked[0].generation_number != self.status.generation_number
        others = not catalog.offers_as(self.catalog)
        self.catalog = catalog
        with self._lock:
            if fresh:
                self._values.clear()
        self.status = Status(
            generation_number=asked[0].generation_number,
            since=time.monotonic() - asked[0].generation_age_s,
        )
        if fresh:
            with self._news:
                self.nr_generations += 1
                self._news.notify_all()
        self._changed(others)

    def _fetch_values(self) -> None:
        """A column that is gone, or of which they take too long, has none for a generation."""
        with self._lock:
            wanted, self._wanted = self._wanted, set()
        for table, column in wanted:
            values: tuple[str, ...] = ()
            try:
                values = fetch_values(self._asides.ask, table, column)
            except (ServerRefused, Unanswered):
                pass
            with self._lock:
                self._values[table, column] = values
        if wanted:
            self._changed(True)
