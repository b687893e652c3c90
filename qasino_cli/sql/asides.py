"""Small questions of our own, beside those somebody asks: quickly or not at all."""

from __future__ import annotations

import uuid

import msgspec

from qasino_cli.client import open_client
from qasino_cli.connection import Connection
from qasino_cli.errors import ServerRefused, Unanswered
from qasino_cli.sql.cancelling import CANCEL_PATIENCE_S, give_up
from qasino_cli.sql.statements import Entry
from qasino_server.errors import QasinoError, SqlError
from qasino_server.message import Query
from qasino_server.table import Result

TITLE = "SQL error"
"""What an error begins with."""
TIMEOUT_S = 2.0
"""The most one of them may take."""


class Asides:
    """Each is asked on a connection of its own; any thread."""

    def __init__(self, connection: Connection) -> None:
        self._hasty = msgspec.structs.replace(
            connection, timeout_s=min(TIMEOUT_S, connection.timeout_s)
        )

    def ask(self, sql: str, use_write_db: bool = False) -> Result:
        """What the snapshot answers. Raises what the client raises; what takes too long, or is
        interrupted, is called off."""
        query = Query(sql=sql, typed=True, query_id=uuid.uuid4().hex, use_write_db=use_write_db)
        client = open_client(self._hasty)
        try:
            return client.query(query)
        except Unanswered:
            give_up(self._hasty, query.query_id or "")
            raise
        except KeyboardInterrupt:
            give_up(self._hasty, query.query_id or "", patience_s=CANCEL_PATIENCE_S)
            raise
        finally:
            client.close()

    def ask_open(self, sql: str) -> Result:
        """What the generation being collected answers. Raises what the client raises."""
        return self.ask(sql, use_write_db=True)

    def explain(self, statement: str, error: ServerRefused | SqlError, title: str = TITLE) -> str:
        """A statement's error in words, with its place and what the server knows about it."""
        from qasino_cli.sql.diagnosis import explain  # with SQLite, 20 ms

        return explain(statement, error, self.ask, self.ask_open, title)

    def coming(self, error: ServerRefused | SqlError) -> str:
        """The table that an error misses and the next generation will have; '' for any other."""
        from qasino_cli.sql.diagnosis import coming

        return coming(error, self.ask, self.ask_open)

    def tell(self, entry: Entry, statement: str, error: QasinoError) -> str:
        """The error that an entry ended in; behind its file and line, where it stands in one.

        `statement` is the one that was asked. Of a statement of several lines the line is that
        of the fault, as far as it is known.
        """
        told, lines = error.sentence, 0
        if isinstance(error, ServerRefused | SqlError):
            told = self.explain(statement, error)
            if entry.kind == "statement":
                from qasino_cli.sql.diagnosis import line_of_fault

                lines = line_of_fault(statement, error)
        return told if entry.place is None else f"{entry.place.below(lines)} {told}"
