"""A script, by the line or whole -> what is to be done, one thing after the other. Pure.

Statements end in `;`. A backslash outside strings, names and comments begins a command, which
takes the rest of its line, up to another backslash; `\\\\` ends it without beginning one. \\g, \\gx
and \\G end the statement before them in place of the `;`; \\watch and \\e take it over; before all
others it stands on, unfinished. After \\G, which is mysql's, the line goes on with SQL.
"""

from __future__ import annotations

import re

from qasino_cli.sql.statements import Entry, Place
from qasino_server.splitting import Scan

_COMMAND = re.compile(r"\\(?:[?!\\]|[^\s\\;|'\"!]*)")
_ARGUMENT = re.compile(r"(?:'[^'\n]*'|\"[^\"\n]*\"|[^\\\n])*+")
_ENDS = ("\\g", "\\gx", "\\G")
_TAKES_OVER = ("\\watch", "\\e", "\\r")
_TO_LINE_END = ("\\!", "\\save")
"""Their argument may hold backslashes, as one that begins with `|` may."""
_AS_IT_STANDS = (*_TO_LINE_END, "\\echo", "\\qecho", "\\warn")
"""Theirs may end in `;`, which for others ends the command as it does a statement."""


class ScriptReader:
    """A file or a pipe as it comes -> what is to be done, each as soon as its end is there.

    Each line is read once, however many a statement has.
    """

    def __init__(self, name: str = "") -> None:
        """`name` is the file's, for the places of what stands in it; '' for no file."""
        self._name = name
        self._line = 1
        """Where what has come since the last end begins."""
        self._scan = Scan(";\\")
        self._pieces: list[str] = []
        """What has come of the statement since `pending`."""
        self.pending = ""
        """What stands before the last command, unfinished."""

    @property
    def rest(self) -> str:
        """What has come since the last command, or the last end of a statement."""
        return "".join(self._pieces)

    @property
    def unfinished(self) -> str:
        """What stands there without its end; '' where that says nothing."""
        scan = self._scan
        tail = scan.seen < len(scan.text) and not scan.closer
        return self.pending + self.rest if scan.says_something or tail else ""

    @property
    def in_comment(self) -> bool:
        """Whether a comment that has its own end has begun, and that has not come."""
        return self._scan.closer == "*/"

    def feed(self, text: str) -> list[Entry]:
        """What is complete with this text, which is whole lines, or the last there is."""
        scan, begins = self._scan, 0
        scan.text, scan.seen = text, 0
        entries: list[Entry] = []
        while scan.read_on():
            said = self.pending + self.rest + text[begins : scan.seen]
            self._pieces = []
            begins = self._end(said, text, scan.seen, entries)
            scan.seen = begins
        self._pieces.append(text[begins:])
        return entries

    def end(self) -> list[Entry]:
        """What the end of the script completes: its last statement needs no `;`."""
        said = self.unfinished
        return [Entry("statement", said.strip(), place=self._place(said))] if said else []

    def _end(self, said: str, text: str, place: int, entries: list[Entry]) -> int:
        """Add what ends or begins at a place; where the text goes on."""
        statement = said.strip() if self._scan.says_something else ""
        if text[place] == ";":
            if statement:
                entries.append(Entry("statement", statement, place=self._place(said)))
            self._let_go(said)
            return place + 1
        name, argument, goes_on = _command_at(text, place)
        if statement and name in _ENDS:
            where = self._place(said)
            entries.append(Entry("statement", statement, name != "\\g", argument, place=where))
        elif name != "\\\\":
            command = f"{name} {argument}".rstrip()
            where = self._place(said, after=True)
            entries.append(Entry("command", command, pending=statement, place=where))
        if not statement or name in _ENDS or name in _TAKES_OVER:
            self._let_go(said)
        else:
            self.pending = said
        return goes_on

    def _let_go(self, said: str) -> None:
        """What has come so far is done with."""
        self._line += said.count("\n")
        self._scan.says_something = False
        self.pending = ""

    def _place(self, said: str, after: bool = False) -> Place | None:
        """Where what has come begins, blanks passed over; with `after` where it ends."""
        if not self._name:
            return None
        passed = said if after else said[: len(said) - len(said.lstrip())]
        return Place(self._name, self._line + passed.count("\n"))


def unquoted(argument: str) -> str:
    """What is meant: quotes around an argument are psql's way to have blanks in it."""
    quotes = argument[:1] in ("'", '"') and argument[:1] == argument[-1:]
    return argument[1:-1] if quotes and len(argument) > 1 else argument


def _command_at(text: str, begins: int) -> tuple[str, str, int]:
    """The command there, its argument, and where the text goes on."""
    found = _COMMAND.match(text, begins)
    assert found is not None
    name, after = found[0], found.end()
    if name == "\\G":
        goes_on = re.compile(r"[ \t]*;?").match(text, after)
        return name, "", goes_on.end() if goes_on is not None else after
    line_end = text.find("\n", after)
    line = text[after : line_end if line_end >= 0 else len(text)]
    if name not in _TO_LINE_END and not line.lstrip().startswith("|"):
        argument = _ARGUMENT.match(line)
        line = argument[0] if argument is not None else line
    after += len(line)
    if text.startswith("\\\\", after):
        after += 2
    argument_text = line.strip()
    if argument_text == ";" or not (argument_text.startswith("|") or name in _AS_IT_STANDS):
        argument_text = argument_text.removesuffix(";").rstrip()
    return name, argument_text, after
