"""Statements that nobody types: from -q, a file or a pipe. stdout gets the answers alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import chain
from typing import Protocol

from qasino_cli.console import ExitCode, code_for, say
from qasino_cli.errors import InputRejected, ServerRefused, Unanswered, UsageFault
from qasino_cli.sql.screen import Screen
from qasino_cli.sql.session import Session
from qasino_cli.sql.statements import Entry, Failed, Leaving
from qasino_server.errors import SqlError


class Commander(Protocol):
    """Carries out the commands that begin with a backslash."""

    def run(self, entry: Entry) -> None: ...

    def close(self) -> None: ...


class Batch:
    """Runs what is in options, files and pipes, one after the other."""

    def __init__(
        self,
        session: Session,
        screen: Screen,
        commander: Callable[[Batch], Commander],
        keep_going: bool = False,
        fail_empty: bool = False,
        piped: bool = False,
    ) -> None:
        """With `keep_going` errors of statements end nothing, nor do those that take too long; a
        server out of reach always does.
        With `fail_empty` a query without rows counts as not met. `piped` is whether what is to be
        done comes from standard input. `commander` makes who carries out commands, at the first
        of them.
        """
        self.session = session
        self.screen = screen
        self.piped = piped
        self._make_commander = commander
        self._commander: Commander | None = None
        self._keep_going = keep_going
        self._fail_empty = fail_empty
        self._code = ExitCode.OK

    def run(self, scripts: Iterable[Iterable[Entry]]) -> ExitCode:
        """Do each script to its end or to a `quit`, and none after the first error; the first bad
        code."""
        try:
            for script in scripts:
                with suppress(Leaving):
                    self.go_through(script)
        except Failed:
            pass
        finally:
            if self._commander is not None:
                self._commander.close()
            if (trouble := self.screen.outlet.close()) is not None:
                say(f"\\o: {trouble}")
                self._count(ExitCode.USAGE)
        return self._code

    def go_through(self, entries: Iterable[Entry]) -> None:
        """Do one script, or a part of one. Raises Leaving where it is done before its end, Failed
        where nothing is to be done any more."""
        for entry in entries:
            try:
                self._do(entry)
            except (ServerRefused, SqlError, Unanswered, UsageFault, InputRejected) as error:
                say(self.session.asides.tell(entry, self.session.asked, error))
                self._count(code_for(error))
                if not self._keep_going:
                    raise Failed from None

    def answer(self, statement: str, vertical: bool = False, target: str = "") -> None:
        """Run one statement and show what it gives. Raises what goes wrong, and Leaving."""
        self.session.last_statement = self.session.asked = statement
        if self.session.obeys(statement):
            return
        self._ask(statement, vertical, target)

    def _count(self, code: ExitCode) -> None:
        """The first bad code is how it ends, but that a query had no rows hides no error."""
        if self._code in (ExitCode.OK, ExitCode.NOT_MET):
            self._code = code

    def _do(self, entry: Entry) -> None:
        if entry.kind == "statement":
            self.answer(entry.text, entry.vertical, entry.target)
            return
        if self._commander is None:
            self._commander = self._make_commander(self)
        self._commander.run(entry)

    def _ask(self, statement: str, vertical: bool, target: str) -> None:
        """The target is opened with the answer: a file stays as it is where there is none."""
        screen = self.screen
        plain = screen.plain and not vertical
        chunks = self.session.stream(statement, screen.form) if plain else None
        if chunks is not None:
            first, some = next(chunks, b""), True
            with screen.outlet.sent_to(target):  # a command may have seen enough before the end
                some = screen.stream(chain([first], chunks))
            self._meet(some)
            return
        result = self.session.query(statement, screen.form)
        with screen.outlet.sent_to(target):
            screen.show(result, vertical)
            seen = screen.outlet.seen
        self._meet(result.nr_rows > 0)
        if result.truncated and not seen:
            self._count(ExitCode.REFUSED)  # who reads it takes it for all there is

    def _meet(self, some: bool) -> None:
        """Hold a query to its having `some` rows, where that is asked for."""
        if self._fail_empty and not some:
            self._count(ExitCode.NOT_MET)
