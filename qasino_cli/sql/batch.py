"""Statements that nobody types: from -q, a file or a pipe. stdout gets the answers alone."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from qasino_cli.console import ExitCode, code_for, on_terminal, say, write
from qasino_cli.errors import ServerRefused
from qasino_cli.sql.present import present
from qasino_cli.sql.session import Session
from qasino_cli.sql.statements import Leave, SetWriteDb, own_command
from qasino_cli.sql.table_view import cut_note, draw, look_for, note
from qasino_server.errors import SqlError
from qasino_server.table import Result


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """How statements are run and shown."""

    form: str
    keep_going: bool = False
    """Errors of statements end nothing; a server out of reach always does."""
    header: bool = True
    null: str | None = None
    """What NULL is written as in csv and tsv; None is the format's own way."""
    colours: str = "auto"
    theme: str = "auto"
    """Of tables, as config.yaml has them."""
    fail_empty: bool = False
    """A query without rows counts as not met."""

    def run(self, session: Session, statements: Iterable[str]) -> ExitCode:
        """Run statements to the end, to a `quit`, or to the first error; the first bad code."""
        code = ExitCode.OK
        for statement in statements:
            try:
                command = own_command(statement)
                if isinstance(command, Leave):
                    break
                met = self._obey(session, command) if command else self._ask(session, statement)
                code = code or met
            except (ServerRefused, SqlError) as error:
                from qasino_cli.sql.diagnosis import explain  # with SQLite, 20 ms

                say(explain(statement, error, session.aside, session.aside_open))
                code = code or code_for(error)
                if not self.keep_going:
                    break
        return code

    def _obey(self, session: Session, command: SetWriteDb) -> ExitCode:
        session.use_write_db = command.on
        say(command.sentence)
        return ExitCode.OK

    def _ask(self, session: Session, statement: str) -> ExitCode:
        plain = self.header and self.null is None and not self.fail_empty
        chunks = session.stream(statement, self.form) if plain else None
        if chunks is not None:
            for chunk in chunks:
                write(chunk)
            return ExitCode.OK
        result = session.query(statement, self.form)
        self._show(result)
        return ExitCode.NOT_MET if self.fail_empty and not result.nr_rows else ExitCode.OK

    def _show(self, result: Result) -> None:
        if self.form == "table":
            draw(result, look_for(self.colours, self.theme))
            if on_terminal():
                say(note(result))
        else:
            for piece in present(result, self.form, self.header, self.null):
                write(piece)
        if (cut := cut_note(result)) is not None:
            say(cut)
