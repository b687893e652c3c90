"""One look at what is watched, and what to say where the server refuses it."""

from __future__ import annotations

import threading
import uuid

from qasino_cli.client import Client
from qasino_cli.connection import Connection
from qasino_cli.errors import ServerRefused, Unanswered
from qasino_cli.sql.asides import TITLE, Asides
from qasino_cli.sql.cancelling import give_up
from qasino_cli.watch.condition import unfinished
from qasino_cli.watch.query import BEFORE_CONDITION, Update, Watched, look
from qasino_server.errors import SqlError
from qasino_server.message import Query
from qasino_server.table import Result

NO_SELECT = "a condition in SQL looks at a SELECT; SHOW, DESC and EXPLAIN take rows or empty"
CONDITION_TITLE = "SQL error in the condition"


class Inquiry:
    """Asks with a client, and remembers which statement it was that failed."""

    def __init__(self, connection: Connection, client: Client, watched: Watched) -> None:
        self._connection = connection
        self._client = client
        self.watched = watched
        self.abandoned = False
        """Whether nobody waits for it any more."""
        self._asked = watched.sql
        self._lock = threading.Lock()
        self._running: str | None = None

    def look(self) -> Update:
        """Ask everything of one snapshot. Raises what the client raises, and SqlError where the
        condition cannot look at that statement."""
        if self.watched.condition_sql and not self.watched.takes_conditions:
            raise SqlError(NO_SELECT)
        return look(self.watched, self._ask)

    def snapshot_number(self) -> int:
        """That of the snapshot, which a refusal does not tell. Raises what the client raises."""
        return self._ask("select 1").generation_number

    def abandon(self) -> str | None:
        """Ask no more of it, any thread; the id of the query that runs, which is to be cancelled.

        What `look` returns or raises then means nothing.
        """
        with self._lock:
            self.abandoned = True
            return self._running

    def is_under_way(self, query_id: str) -> bool:
        """Whether the query of that id is not answered yet."""
        return self._running == query_id

    def coming(self, error: ServerRefused | SqlError) -> str:
        """The table that was missing and is being collected; '' where it is another error."""
        return Asides(self._connection).coming(error)

    def explained(self, error: ServerRefused | SqlError) -> str:
        """The error of the last statement as `qasino sql` tells it; may have several lines."""
        asides, condition = Asides(self._connection), self.watched.condition or ""
        if self._asked != self.watched.condition_sql:
            return asides.explain(self._asked, error, TITLE)
        ends = len(BEFORE_CONDITION) + len(condition)
        if error.offset is not None and error.offset >= ends:  # in what was put around it
            return asides.explain(condition, unfinished(condition), CONDITION_TITLE)
        return asides.explain(self._asked, error, CONDITION_TITLE)

    def _ask(self, sql: str) -> Result:
        self._asked = sql
        query_id = self._begun()
        try:
            return self._client.query(Query(sql=sql, typed=True, query_id=query_id))
        except Unanswered:
            # Asked again each time, those that were given up would fill the server's readers.
            give_up(self._connection, query_id)
            raise
        finally:
            self._running = None

    def _begun(self) -> str:
        with self._lock:
            if self.abandoned:
                raise ServerRefused("it is not asked any more")
            self._running = uuid.uuid4().hex
            return self._running
