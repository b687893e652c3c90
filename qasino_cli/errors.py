"""What can go wrong at this end, and the sentence that says so.

QasinoError (the server's tree)
├── UsageFault       the command line contradicts itself or names nothing that exists
├── Unreachable      no server there, none that speaks our language, or none in time
│   ├── Unanswered   it is there and took the request, and the time was up before its answer
│   └── ShortOfFiles  this process may open no more descriptors
├── OutputFailed     stdout takes no more: a full disk, or closed before we began
├── InputRejected    what was to be published is not publishable; says which file and where
├── ServerRefused    the server heard us and said no; its own sentence
│   ├── NotLetIn     it does not know who asks, or does not let them do that
│   └── BrokenOff    it said yes and did not finish: the rows so far are not the answer
└── StartError       (the server's) it cannot start like this
    └── SettingsFault  its options contradict each other

They fly to one seam, `console.finish`, which prints the sentence and picks the exit code.
"""

from __future__ import annotations

from collections.abc import Callable

from qasino_server.errors import BadRequest, QasinoError


class UsageFault(QasinoError):
    """The command as typed cannot be carried out by anybody."""


class Unreachable(QasinoError):
    """No answer that is Qasino's came within the time."""


class Unanswered(Unreachable):
    """The server may still be at work on what was asked."""


class ShortOfFiles(Unreachable):
    """It is this end that has no room for a connection."""


class OutputFailed(QasinoError):
    """What was asked is known, but stdout did not take all of it."""


class InputRejected(QasinoError):
    """A file (or standard input) does not hold what it should; nothing was sent."""


class ServerRefused(QasinoError):
    """The server answered with an error."""

    def __init__(self, sentence: str, offset: int | None = None, hint: str = "") -> None:
        super().__init__(sentence)
        self.offset = offset
        """Characters from the start of the statement to the token at fault, if known."""
        self.hint = hint
        """What the server says could be meant instead; '' where it does not know."""


class NotLetIn(ServerRefused):
    """The server does not know who asks, or does not let them do that; no matter how they ask."""


class BrokenOff(ServerRefused):
    """A streamed answer ended before its end."""


def as_usage(source: str, check: Callable[[object], str], value: str) -> str:
    """A rule of the server's on what an option or a variable says: a breach is a UsageFault."""
    try:
        return check(value)
    except BadRequest as error:
        reason = error.sentence.removeprefix("table.tablename: ")
        raise UsageFault(f"{source}: {reason}") from None
