"""The prompt's commands where nobody types: in a file, a pipe or -q."""

from __future__ import annotations

import threading

from qasino_cli.sql.batch import Batch
from qasino_cli.sql.repl.commands import find_command
from qasino_cli.sql.repl.live import Live
from qasino_cli.sql.repl.shell import Shell
from qasino_cli.sql.scripts import entries_of
from qasino_cli.sql.session import HEAR_S
from qasino_cli.sql.statements import Entry


class Script(Shell):
    """A shell whose statements are a batch's, and whose errors end what is being done."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch.session, batch.screen, None, find_command)
        self._batch = batch
        self.stdin_is_script = batch.piped

    @property
    def live(self) -> Live:
        """What is known of the server, found out when it is first asked for."""
        if self._live is None:
            known = threading.Event()
            self._live = Live(self.session.connection, lambda offers: known.set())
            self._live.start()
            while not known.wait(HEAR_S):
                pass  # Ctrl-C is heard now
        return self._live

    def run(self, entry: Entry) -> None:
        """Do one command. Raises what goes wrong, and Leaving."""
        super().run(entry)
        self.execute(self.take_next())

    def execute(self, text: str, name: str = "") -> None:
        """Do everything a text asks for. Raises Failed after the first error in it, and Leaving."""
        self._batch.go_through(entries_of(text, name))

    def run_statement(self, statement: str, vertical: bool = False, target: str = "") -> None:
        """Ask one statement, or obey it where it is for this end."""
        self._batch.answer(statement, vertical, target)

    def close(self) -> None:
        """End the thread that looked at the server."""
        if self._live is not None:
            self._live.stop()
