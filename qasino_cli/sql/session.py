"""One statement after the other: ask, present, say what went wrong, cancel on Ctrl-C."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator

import msgspec

from qasino_cli.client import Client, open_client
from qasino_cli.connection import Connection
from qasino_cli.console import ExitCode, code_for, on_terminal, say, write
from qasino_cli.errors import BrokenOff, ServerRefused
from qasino_cli.sql.present import STREAMS, present, wants_strings
from qasino_cli.sql.statements import Leave, SetWriteDb, own_command
from qasino_server.errors import QasinoError, SqlError
from qasino_server.message import Query
from qasino_server.render import visible, width
from qasino_server.table import Result

CANCEL_TIMEOUT_S = 2.0
"""Who pressed Ctrl-C does not wait longer than that for the server to hear of it."""


class Session:
    """A client, a format, and what SET has set. Use it as a context manager."""

    def __init__(self, connection: Connection, form: str) -> None:
        self._connection = connection
        self._client: Client = open_client(connection)
        self._form = form
        self._use_write_db = False

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.close()

    def run_all(self, statements: Iterable[str], keep_going: bool = False) -> ExitCode:
        """Run statements to the end, to a `quit`, or to the first error; the code of the first.

        With `keep_going` errors of statements end nothing. Unreachable always does.
        """
        code = ExitCode.OK
        for statement in statements:
            try:
                if not self.run(statement):
                    break
            except (ServerRefused, SqlError) as error:
                say(error_text(statement, error))
                code = code or code_for(error)
                if not keep_going:
                    break
        return code

    def run(self, statement: str) -> bool:
        """Run one statement; False where it says to leave.

        Raises what the client raises, and KeyboardInterrupt once a running query is cancelled.
        """
        command = own_command(statement)
        if isinstance(command, Leave):
            return False
        if isinstance(command, SetWriteDb):
            self._use_write_db = command.on
            say(f"asking the {'generation being collected' if command.on else 'snapshot'}")
            return True
        self._ask(self._query(statement))
        return True

    def _query(self, statement: str) -> Query:
        return Query(
            sql=statement,
            typed=not wants_strings(self._form),
            query_id=uuid.uuid4().hex,
            use_write_db=self._use_write_db,
            format=self._form,
        )

    def _ask(self, query: Query) -> None:
        try:
            chunks = self._client.stream(query) if self._form in STREAMS else None
            if chunks is not None:
                _pour(chunks)
                return
            result = self._client.query(query)
        except KeyboardInterrupt:
            self._cancel(query)
            raise
        self._show(result)

    def _show(self, result: Result) -> None:
        if self._form == "table":
            from qasino_cli.sql import table_view  # rich takes 30 ms to import

            table_view.draw(result)
            if on_terminal():
                say(table_view.note(result))
        else:
            for piece in present(result, self._form):
                write(piece)
        if result.truncated:
            say(f"cut after {result.nr_rows} rows: the server returns no more at once (--max-rows)")

    def _cancel(self, query: Query) -> None:
        """Tell the server, on a connection of its own: the other one waits for the answer."""
        hasty = msgspec.structs.replace(self._connection, timeout_s=CANCEL_TIMEOUT_S)
        client = open_client(hasty)
        try:
            client.cancel(query.query_id or "")
            say("cancelled")
        except QasinoError as error:
            say(f"interrupted; the query could not be cancelled: {error.sentence}")
        finally:
            client.close()


def _pour(chunks: Iterator[bytes]) -> None:
    for chunk in chunks:
        write(chunk)


def error_text(statement: str, error: ServerRefused | SqlError) -> str:
    """The server's sentence, and a caret under the place in the statement where it knows one."""
    if isinstance(error, BrokenOff):
        return error.sentence
    text = f"SQL error: {error.sentence}"
    if error.offset is None or not 0 <= error.offset <= len(statement):
        return text
    begins = statement.rfind("\n", 0, error.offset) + 1
    line = statement[begins:].split("\n", 1)[0]
    column = width(visible(statement[begins : error.offset]))
    return f"{text}\n  {visible(line)}\n  {' ' * column}^"
