"""A server to ask: one statement at a time, cancelled on Ctrl-C and when its time is up."""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress

from qasino_cli.client import Client, open_client
from qasino_cli.connection import Connection
from qasino_cli.console import say
from qasino_cli.ending import Ended
from qasino_cli.errors import ServerRefused, Unanswered
from qasino_cli.sql.asides import Asides
from qasino_cli.sql.cancelling import (
    CANCEL_PATIENCE_S,
    GIVING_UP_S,
    begin_cancelling,
    give_up,
)
from qasino_cli.sql.present import wants_strings
from qasino_cli.sql.statements import read_set
from qasino_server.errors import QasinoError
from qasino_server.message import Query
from qasino_server.render import STREAMS
from qasino_server.table import Result
from qasino_server.threads import begin

HEAR_S = 0.1
"""Who waits in the main thread hears Ctrl-C at the latest after that: a signal that comes just
before a system call does not interrupt it."""


class Cancelled(KeyboardInterrupt):
    """Ctrl-C has ended a query, and a line tells what became of it."""


class Session:
    """A client and what SET has set. Use it as a context manager; belongs to one thread."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.asides = Asides(connection)
        self.use_write_db = False
        self.last_statement: str | None = None
        """What \\g runs again."""
        self.asked = ""
        """What was asked last, for the sentence of an error in it."""
        self._client: Client = open_client(connection)
        self._asked_at = 0.0
        """When the query was begun."""
        self._unconfirmed: queue.SimpleQueue[QasinoError | None] | None = None
        """What comes of a cancellation that nobody waits for any more."""

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        """Whoever ends at once would end the thread that tells the server, too."""
        self._client.close()
        if self._unconfirmed is not None:
            with suppress(queue.Empty):
                self._unconfirmed.get(timeout=GIVING_UP_S)

    def obeys(self, statement: str) -> bool:
        """Do what a statement tells this end; whether it is none for the server.

        Raises Leaving, or SqlError for a SET there is not.
        """
        on = read_set(statement)
        if on is not None:
            self.use_write_db = on
            say(f"asking the {'generation being collected' if on else 'snapshot'}")
        return on is not None

    def query(self, statement: str, form: str = "table") -> Result:
        """The whole answer, as a format needs it.

        Raises what the client raises, and Cancelled or Ended, once the query is being cancelled.
        """
        query = self._query(statement, form)
        asking = _Asking(self._client, query)
        try:
            return asking.answer()
        except KeyboardInterrupt as interrupt:
            asking.abandon()
            self._client = open_client(self.connection)
            self._cancel(query, asking)
            raise interrupt if isinstance(interrupt, Ended) else Cancelled from None
        except Unanswered:
            self._give_up(query)
            raise

    def stream(self, statement: str, form: str) -> Iterator[bytes] | None:
        """The answer in a streamed format as it comes; None where it only comes whole."""
        if form not in STREAMS:
            return None
        query = self._query(statement, form)
        chunks = self._client.stream(query)
        return None if chunks is None else self._cancellable(chunks, query)

    def _query(self, statement: str, form: str) -> Query:
        self._asked_at = time.monotonic()
        return Query(
            sql=statement,
            typed=not wants_strings(form),
            query_id=uuid.uuid4().hex,
            use_write_db=self.use_write_db,
            format=form,
        )

    def _cancellable(self, chunks: Iterator[bytes], query: Query) -> Iterator[bytes]:
        try:
            yield from chunks
        except KeyboardInterrupt:  # which has closed its connection
            self._cancel(query)
            raise
        except Unanswered:
            self._give_up(query)
            raise

    def _cancel(self, query: Query, asking: _Asking | None = None) -> None:
        """Tell the server, and the person what it says to that.

        Of a query that is hung up on, as nobody is `asking`, it may know nothing any more: then
        that has ended it.
        """
        ran_s = time.monotonic() - self._asked_at
        is_under_way = None if asking is None else asking.is_under_way
        self._unconfirmed = begin_cancelling(self.connection, query.query_id or "", is_under_way)
        try:
            error = self._unconfirmed.get(timeout=CANCEL_PATIENCE_S)
        except queue.Empty:
            say("interrupted; the server has not confirmed the cancellation")
            return
        self._unconfirmed = None
        if error is None or (asking is None and isinstance(error, ServerRefused)):
            say(f"cancelled after {ran_s:.1f} s")
        else:
            say(f"interrupted; the query could not be cancelled: {error.sentence}")

    def _give_up(self, query: Query) -> None:
        give_up(self.connection, query.query_id or "")


class _Asking:
    """A query in a thread of its own, so that the one that gets Ctrl-C never sleeps for long.

    A signal that comes just before a thread goes to sleep in a system call does not wake it:
    waiting for the answer there, one Ctrl-C in some hundreds was only heard with the answer.
    """

    def __init__(self, client: Client, query: Query) -> None:
        self._client = client
        self._query = query
        self._outcome: queue.SimpleQueue[Result | BaseException] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._abandoned = False
        self._ended = True
        """Whether no thread is at it."""

    def answer(self) -> Result:
        """Ask; the result, when it is there. Raises what the client raises, and KeyboardInterrupt,
        from the moment on in which the server may have been asked."""
        self._ended = False
        begin(threading.Thread(target=self._run, name="query", daemon=True))
        while True:
            try:
                outcome = self._outcome.get(timeout=HEAR_S)
            except queue.Empty:
                continue
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

    def abandon(self) -> None:
        """Nobody waits any more: the client is closed as soon as it is free."""
        with self._lock:
            self._abandoned = True
            if self._ended:
                self._client.close()

    def is_under_way(self) -> bool:
        """Whether its answer has not come."""
        return not self._ended

    def _run(self) -> None:
        try:
            self._outcome.put(self._client.query(self._query))
        except BaseException as error:  # told to the thread that waits, whatever it is
            self._outcome.put(error)
        with self._lock:
            self._ended = True
            if self._abandoned:
                self._client.close()
