"""Request value -> reply value, and errors -> replies: once, for every port.

A port decodes a request, hands it in with a callable, and gets exactly one reply, in some
other thread or before `handle` returns. Nothing that goes wrong in between reaches a port as
an exception.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from qasino_server.errors import Forbidden, QasinoError, Refused, ServerFault
from qasino_server.message import (
    Cancel,
    Done,
    DropTable,
    ListTables,
    Publish,
    Query,
    Reply,
    Request,
    TablesList,
)
from qasino_server.render import stream_for
from qasino_server.rights import ANYBODY, Rights
from qasino_server.store import Store
from qasino_server.store.job import Sink
from qasino_server.store.store import QueryRequest
from qasino_server.table import Publication, Receipt

log = logging.getLogger("qasino.dispatch")

Answer = Callable[[Reply], None]


class Caller(msgspec.Struct, frozen=True):
    """Who asks: over which port, from which address, with which rights."""

    port: str
    peer: str
    rights: Rights = ANYBODY


class Dispatch:
    """The way from the ports to the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def handle(
        self, request: Request, caller: Caller, answer: Answer, sink: Sink | None = None
    ) -> str | None:
        """Carry out a request; `answer` gets the reply. A query's id, so it can be cancelled.

        With a `sink`, a query in a streamed format writes its rows there, and `answer` gets
        the Result without them at the end.
        """
        try:
            return self._handle(request, caller, answer, sink)
        except QasinoError as error:
            answer(error)
        except Exception:
            # One request must not end a port that serves everybody.
            log.exception("request failed port=%s peer=%s", caller.port, caller.peer)
            answer(ServerFault("the server failed at this request; its log says how"))
        return None

    def _handle(
        self, request: Request, caller: Caller, answer: Answer, sink: Sink | None
    ) -> str | None:
        match request:
            case Query():
                return self._query(request, caller, answer, sink)
            case Publish(publication):
                self._publish(publication, caller, answer)
            case ListTables():
                caller.rights.require("read", "list the tables")
                answer(TablesList(self._store.tables()))
            case Cancel(query_id):
                if not self._store.cancel(query_id, caller.rights):
                    raise Refused(f"no query with the id {query_id} is running")
                answer(Done(message=f"query {query_id} is cancelled"))
            case DropTable(tablename, identity):
                caller.rights.require("admin", "drop tables")
                self._store.drop_table(tablename, identity, lambda o: answer(_said(o)))
        return None

    def _publish(self, publication: Publication, caller: Caller, answer: Answer) -> None:
        try:
            caller.rights.check_publication(publication)
        except Forbidden as error:
            self._store.reject(caller.peer, error.sentence, publication)
            raise
        self._store.publish(publication, caller.peer, lambda o: answer(_done(o)))

    def _query(self, query: Query, caller: Caller, answer: Answer, sink: Sink | None) -> str:
        caller.rights.require("read", "query")
        stream = stream_for(query.format) if sink is not None else None
        form = "typed" if query.typed else "strings"
        return self._store.query(
            QueryRequest(
                sql=query.sql,
                port=caller.port,
                peer=caller.peer,
                rights=caller.rights,
                query_id=query.query_id,
                form=form if query.format == "json" else "rows",
                use_write_db=query.use_write_db,
                stream=stream,
                sink=sink if stream is not None else None,
            ),
            answer,
        )

    def cancel(self, query_id: str) -> None:
        """The client of that query is gone."""
        self._store.cancel(query_id)

    def unreadable(self, caller: Caller, error: QasinoError) -> None:
        """Note a publication that could not even be read."""
        self._store.reject(caller.peer, error.sentence)


def _done(outcome: Receipt | QasinoError) -> Reply:
    return Done(outcome) if isinstance(outcome, Receipt) else outcome


def _said(outcome: str | QasinoError) -> Reply:
    return Done(message=outcome) if isinstance(outcome, str) else outcome
