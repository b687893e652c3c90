"""Carries out what is typed: statements go to the server, commands are done here.

Nothing in this room knows how the text was typed; the plain loop and the prompt both hand it
in. Errors are said and end nothing but what was typed with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qasino_cli.console import say
from qasino_cli.ending import Ended, begin_anew
from qasino_cli.errors import Unreachable
from qasino_cli.places import queries_file
from qasino_cli.sql.entries import read_entries, undecoded
from qasino_cli.sql.repl.live import Live
from qasino_cli.sql.repl.saved import SavedQueries
from qasino_cli.sql.screen import Screen
from qasino_cli.sql.scripts import entries_of
from qasino_cli.sql.session import Cancelled, Session
from qasino_cli.sql.statements import Entry, Failed, Leaving
from qasino_server.errors import QasinoError

Command = Callable[["Shell", str], None]


FORGETS = "\\r"
"""The command whose statement is not to be done."""
PROMPT = "qasino> "
CONTINUED = "     -> "


class Shell:
    """The state of one conversation."""

    def __init__(
        self,
        session: Session,
        screen: Screen,
        live: Live | None,
        find_command: Callable[[str], Command],
    ) -> None:
        """`find_command` gives what carries out `\\name`; raises UsageFault for no command."""
        self.session = session
        self.screen = screen
        self._live = live
        self.saved = SavedQueries(queries_file())
        self.find_command = find_command
        self.next_text = ""
        """What the prompt is to begin with next, as \\e leaves it."""
        self.toggle_keys: Callable[[], str] | None = None
        """Switches between emacs and vi keys and names the new ones; where there is a choice."""
        self.stdin_is_script = False
        """Whether what is to be done comes from standard input, and not by a keyboard."""
        self._away = False
        self.included: list[str] = []
        """The files and saved queries that are being run, each by the one before it."""

    @property
    def live(self) -> Live:
        """What is known of the server."""
        assert self._live is not None
        return self._live

    def take_next(self) -> str:
        """What the prompt is to begin with, once."""
        text, self.next_text = self.next_text, ""
        return text

    def type(self, text: str) -> bool:
        """Do everything that was typed; what is unfinished stands at the prompt again.

        What is no UTF-8 is refused as a whole.
        """
        if (fault := undecoded(text)) is not None:
            say(fault[1])
            return True
        entries, rest = read_entries(text)
        begin_anew()
        goes_on = self._do(entries)
        self.next_text = self.next_text or (rest.strip() and rest.strip() + " ")
        return goes_on

    def execute(self, text: str, name: str = "") -> None:
        """Do everything a script asks for, up to the first error or Ctrl-C, which end as well what
        it is a part of; `name` is what a sentence calls it. Raises what `_do_one` raises.
        """
        for entry in entries_of(text, name):
            self._do_one(entry)

    def _do(self, entries: Sequence[Entry]) -> bool:
        """Do what was typed, up to the first error or Ctrl-C; False once it says to leave.

        What stands behind an error is counted: nobody sees where a paste was left. Raises Ended
        where SIGTERM or SIGHUP comes; what was asked is cancelled then.
        """
        left = len(entries)
        try:
            for entry in entries:
                left -= 1
                self._do_one(entry)
        except Leaving:
            return False
        except Failed:
            if left:
                say(f"the other {'one was' if left == 1 else f'{left} were'} not run")
        except Ended:
            raise
        except Cancelled:
            pass
        except KeyboardInterrupt:
            say("")  # the terminal has written ^C, and the prompt begins a line
        return True

    def _do_one(self, entry: Entry) -> None:
        """Do one thing and say what goes wrong. Raises Failed then, and Leaving."""
        try:
            self.run(entry)
        except QasinoError as error:
            if isinstance(error, Unreachable):
                self._away = True
                self.live.refresh()
            say(self.session.asides.tell(entry, self.session.asked, error))
            raise Failed from None

    def run(self, entry: Entry) -> None:
        """Do one thing. Raises what goes wrong, and Leaving."""
        if entry.kind == "command":
            self.session.asked = ""  # what it asks by itself is not what an error is shown in
            name, _, argument = entry.text.partition(" ")
            if name != FORGETS:
                self.session.last_statement = entry.pending or self.session.last_statement
            self.find_command(name)(self, argument.strip())
        else:
            self.run_statement(entry.text, entry.vertical, entry.target)

    def run_statement(self, statement: str, vertical: bool = False, target: str = "") -> None:
        """Ask one statement, or obey it where it is for this end."""
        self.session.last_statement = self.session.asked = statement
        if self.session.obeys(statement):
            return
        result = self.session.query(statement, self.screen.form)
        if self._away:
            self._away = False
            say(f"{self.session.connection.url} is back")
            self.live.refresh()
        elif self.live.status.turned_away:
            self.live.refresh()
        with self.screen.outlet.sent_to(target):
            self.screen.show(result, vertical)

    def look_up(self, statement: str) -> None:
        """Show what a statement of our own gives, which is none that \\g would run again."""
        self.session.asked = statement
        result = self.session.query(statement, self.screen.form)
        self.screen.show(result)
