"""Request value -> reply value, and errors -> replies: once, for every port.

A port decodes a request, hands it in with a callable, and gets exactly one reply: in some
other thread, before `handle` returns, or at the end of its turn (`wakeup`). Nothing that goes wrong
in between reaches a port as an exception.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import lru_cache, partial

import msgspec

from qasino_server.errors import (
    Busy,
    Cancelled,
    Forbidden,
    NotReading,
    QasinoError,
    QueryTimeout,
    Refused,
    ServerFault,
)
from qasino_server.health import Health
from qasino_server.message import (
    AskHealth,
    Cancel,
    DropTable,
    ListTables,
    Publish,
    Query,
    Request,
)
from qasino_server.metrics import Metrics
from qasino_server.render import stream_for
from qasino_server.replies import Done, Reply, TablesList
from qasino_server.rights import ANYBODY, Rights
from qasino_server.seats import network_of
from qasino_server.store import Form, QueryRequest, Sink, Store
from qasino_server.table import Publication, Receipt, Result
from qasino_server.wakeup import moment

log = logging.getLogger("qasino.dispatch")

Answer = Callable[[Reply], None]

LOGGED_SQL_CHARS = 1000
_WORTH_A_LINE = (Cancelled, QueryTimeout, Refused, NotReading, Forbidden, Busy, ServerFault)
"""What an operator wants to hear of; a mistake in SQL is its author's business."""


class Caller(msgspec.Struct, frozen=True):
    """Who asks: over which port, from which address, with which rights."""

    port: str
    peer: str
    rights: Rights
    asker: str
    """Whom it counts for where things are shared out: the user, or else the address."""


def caller_of(port: str, peer: str, rights: Rights) -> Caller:
    """The caller at that address and port number."""
    return Caller(port, peer, rights, rights.name or network_of(peer.rpartition(":")[0]))


@lru_cache(maxsize=4096)
def anybody_at(port: str, peer: str) -> Caller:
    """The caller there, where nobody is asked who they are."""
    return caller_of(port, peer, ANYBODY)


class Dispatch:
    """The way from the ports to the store."""

    def __init__(self, store: Store, metrics: Metrics, health: Health, slow_query_s: float) -> None:
        """A query that takes longer than `slow_query_s` is logged."""
        self._store = store
        self._health = health
        self._metrics = metrics
        self._slow_query_s = slow_query_s

    def handle(
        self,
        request: Request,
        caller: Caller,
        answer: Answer,
        sink: Sink | None = None,
    ) -> str | None:
        """Carry out a request; `answer` gets the reply. A query's id, so it can be cancelled.

        With a `sink`, a query in a streamed format writes its rows there, and `answer` gets
        the Result without them at the end.
        """
        try:
            if isinstance(request, Publish):
                self._publish(request.publication, caller, answer)
            elif isinstance(request, Query):
                return self._query(request, caller, answer, sink)
            else:
                self._handle(request, caller, answer)
        except QasinoError as error:
            answer(error)
        except Exception:
            # One request must not end a port that serves everybody.
            log.exception("request failed port=%s peer=%s", caller.port, caller.peer)
            answer(ServerFault("the server failed at this request; its log says how"))
        return None

    def _handle(self, request: Request, caller: Caller, answer: Answer) -> None:
        match request:
            case ListTables():
                caller.rights.require("read", "list the tables")
                answer(TablesList(self._store.summaries()))
            case AskHealth():
                # No role is needed: who may only publish has to know when it is time.
                answer(self._health.report())
            case Cancel(query_id):
                if not self._store.cancel(query_id, caller.rights):
                    raise Refused(f"no query with the id {query_id} is running")
                answer(Done(message=f"query {query_id} is cancelled"))
            case DropTable(tablename, identity):
                caller.rights.check_drop(identity)
                self._store.drop_table(tablename, identity, lambda o: answer(_said(o)))

    def _publish(self, publication: Publication, caller: Caller, answer: Answer) -> None:
        size_bytes = len(publication.rows_json)
        # A function made here for each would take twice as long.
        done = partial(self._published, caller.port, size_bytes, answer)
        try:
            caller.rights.check_publication(publication)
            self._store.publish(publication, caller.peer, done)
        except Forbidden as error:
            self._rejected(caller, error, publication)
            raise
        except Busy as error:  # counted only: so many would hide what is wrong with others
            self._metrics.rejected(error)
            raise

    def _published(
        self, port: str, size_bytes: int, answer: Answer, outcome: Receipt | QasinoError
    ) -> None:
        if isinstance(outcome, QasinoError):
            self._metrics.rejected(outcome)
        elif outcome.applied:
            self._metrics.stored(port, size_bytes)
        answer(outcome)

    def _query(
        self,
        query: Query,
        caller: Caller,
        answer: Answer,
        sink: Sink | None,
    ) -> str | None:
        began = time.perf_counter()

        def done(outcome: Result | QasinoError) -> None:
            seconds = time.perf_counter() - began
            self._metrics.answered(caller.port, outcome, seconds)
            if seconds >= self._slow_query_s or isinstance(outcome, _WORTH_A_LINE):
                _log_query(query, caller, outcome, seconds)
            answer(outcome)

        try:
            caller.rights.require("read", "query")
            return self._store.query(_asked(query, caller, sink), done)
        except QasinoError as error:
            done(error)
            return None

    def look_around(self, caller: Caller) -> Store:
        """Where the pages find what they show without asking in SQL. Raises Forbidden."""
        caller.rights.require("read", "look around")
        return self._store

    def cancel(self, query_id: str) -> None:
        """The client of that query is gone."""
        self._store.cancel(query_id)

    def unreadable(self, caller: Caller, error: QasinoError) -> None:
        """Note a publication that could not even be read."""
        self._rejected(caller, error)

    def check_publisher(self, caller: Caller) -> None:
        """Raise Forbidden for who may publish nothing, and note it, before anything is read."""
        try:
            caller.rights.require("publish", "publish tables")
        except Forbidden as error:
            self._rejected(caller, error)
            raise

    def _rejected(
        self, caller: Caller, error: QasinoError, publication: Publication | None = None
    ) -> None:
        """Count it and log it; it is listed where its sender is one who may publish: any page
        could push out the others of a list with an end."""
        self._metrics.rejected(error)
        if "publish" in caller.rights.roles:
            self._store.reject(caller.peer, error, publication)
        else:
            user = caller.rights.name or "-"
            log.info("rejected user=%s peer=%s: %s", user, caller.peer, error.sentence)


def _asked(query: Query, caller: Caller, sink: Sink | None) -> QueryRequest:
    """What the store is asked; with a sink, and in a format that is streamed, to write it there."""
    stream = stream_for(query.format) if sink is not None else None
    form: Form = "typed" if query.typed else "strings"
    return QueryRequest(
        sql=query.sql,
        port=caller.port,
        peer=caller.peer,
        asker=caller.asker,
        rights=caller.rights,
        query_id=query.query_id,
        form=form if query.format == "json" else "rows",
        use_write_db=query.use_write_db,
        asked_at=moment(),
        stream=stream,
        sink=sink if stream is not None else None,
    )


def _log_query(query: Query, caller: Caller, outcome: Result | QasinoError, seconds: float) -> None:
    how = outcome.sentence if isinstance(outcome, QasinoError) else "slow"
    log.warning(
        "query seconds=%.3f port=%s peer=%s user=%s: %s: %s",
        seconds,
        caller.port,
        caller.peer,
        caller.rights.name or "-",
        how,
        query.sql[:LOGGED_SQL_CHARS],
    )


def _said(outcome: str | QasinoError) -> Reply:
    return Done(message=outcome) if isinstance(outcome, str) else outcome
