"""Which statements are for this end of the line; whether the others are any good is for the
server to say."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from qasino_server.errors import BadRequest, SqlError
from qasino_server.publication_rules import flag
from qasino_server.splitting import BLANKS
from qasino_server.table import shown

_SET = re.compile(rf"{BLANKS}*+set\b(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_ASSIGNMENT = re.compile(rf"{BLANKS}*+(?P<name>\w+)\s*=\s*(?P<value>\S+?){BLANKS}*+")
_LEAVE = re.compile(rf"{BLANKS}*+(quit|exit){BLANKS}*+", re.IGNORECASE)


class Place(msgspec.Struct, frozen=True):
    """Where something stands in a file."""

    file: str
    """As a sentence names it."""
    line: int

    def below(self, lines: int = 0) -> str:
        """What an error begins with that is so many lines below: `FILE:LINE:`."""
        return f"{self.file}:{self.line + lines}:"


class Entry(msgspec.Struct, frozen=True):
    """One thing to do that stands in a text."""

    kind: Literal["statement", "command"]
    text: str
    """A statement without its end, or a command with its argument."""
    vertical: bool = False
    """Its rows are wanted as records."""
    target: str = ""
    """Where its rows go, a file or `| command`; '' is where all go."""
    pending: str = ""
    """The statement that stands before a command and has not been run; '' for none."""
    place: Place | None = None
    """Where it begins; None where it was typed or given in an option."""


class Leaving(Exception):
    """\\q, quit or exit has come: what it stands in is done, a script or the session."""


class Failed(Exception):
    """An error has been said; nothing that is to be done with it is done any more."""


def read_set(statement: str) -> bool | None:
    """Whether the generation being collected is to be asked from now on, as SET use_write_db says;
    None where a statement is for the server.

    Raises Leaving for one that leaves, SqlError for a SET of anything else.
    """
    if _LEAVE.fullmatch(statement):
        raise Leaving
    setting = _SET.fullmatch(statement)
    return None if setting is None else _read_assignment(setting["rest"])


def _read_assignment(rest: str) -> bool:
    assignment = _ASSIGNMENT.fullmatch(rest)
    if assignment is None or assignment["name"].lower() != "use_write_db":
        raise SqlError(f"cannot SET {shown(rest.strip())}; there is SET use_write_db = true|false")
    try:
        return flag(assignment["value"].strip("'\""), "use_write_db")
    except BadRequest as error:
        raise SqlError(error.sentence) from None
