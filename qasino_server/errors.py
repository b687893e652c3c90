"""What can go wrong, whose fault it is, and the sentence that says so.

QasinoError                 anything we name; `sentence` is for the person at the other end
├── BadRequest       400    the message itself is malformed or lacks something
│   ├── TooLarge     413    it is larger than this server takes
│   ├── HeadTooLarge 431    what comes before or beside an HTTP body is
│   ├── TooSlow      408    it did not come in time
│   └── UnsupportedCoding
│                    415    it is compressed in a way this server does not know
├── Refused          400    well formed, but against a rule of the store
├── SqlError         400    SQLite refuses the statement; knows the place in it
│   ├── NotReading   400    it would do something else than read
│   └── LacksPrev    400    it reads the snapshot before, which its connection lacks
├── Cancelled        400    somebody asked for the query to be stopped
├── Unauthorized     401    nobody has said, or not truly, who they are
├── Forbidden        403    whoever they are, they may not do that
├── NotFound         404    nothing is served there
├── WrongMethod      405    not with this HTTP method
├── Busy             503    try again: the server has all it can hold
│   └── Full         503    not before the next generation: this one has
├── QueryTimeout     504    the query used up its time
├── ServerFault      500    our fault; the log has the details
└── StartError              the server cannot start like this (no reply, an exit code)
    └── SettingsFault       nor could any: what it was asked contradicts itself

No sentence carries a traceback or a Python type name. Errors fly from where they are noticed
to one of two seams: `dispatch` turns them into replies, the command line into exit codes.
"""

from __future__ import annotations

from typing import Self


class QasinoError(Exception):
    """Anything Qasino refuses or fails at, with a sentence a stranger can act on."""

    status = 500
    """The HTTP status that goes with it; in JSON on every port."""
    hint = ""
    """What could be meant instead, a sentence; '' where nothing is known."""
    identity: str | None = None
    """Whose publication it is about, where that much of it could be read; likewise the next."""
    tablename: str | None = None

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence

    def landed(self) -> Self:
        """Itself, to be handed on as an outcome: it forgets where it was raised, and what before.

        A traceback holds the frames it came through, those their callers, and they the error and
        whatever else they have at hand, a publication of some megabytes: a circle, which stays
        until garbage is sought.
        """
        self.__traceback__ = self.__context__ = None
        return self


class BadRequest(QasinoError):
    """The message is malformed: the sender can mend it."""

    status = 400


class TooLarge(BadRequest):
    """The message is larger than the server takes."""

    status = 413


class HeadTooLarge(BadRequest):
    """What comes before or beside the body of an HTTP request is larger than the server takes."""

    status = 431


class TooSlow(BadRequest):
    """The request did not come in time."""

    status = 408


class UnsupportedCoding(BadRequest):
    """The body is compressed in a way the server does not know."""

    status = 415


class Refused(QasinoError):
    """A well-formed request that a rule of the store forbids now."""

    status = 400


class SqlError(QasinoError):
    """SQLite refuses the statement, or we refuse it on SQLite's word."""

    status = 400

    def __init__(self, sentence: str, offset: int | None = None, hint: str = "") -> None:
        super().__init__(sentence)
        self.offset = offset
        """Characters from the start of the statement to the token at fault, if known."""
        self.hint = hint


class NotReading(SqlError):
    """The statement would do something else than read what is there for all."""


class Cancelled(QasinoError):
    """The query was stopped on request."""

    status = 400


class Unauthorized(QasinoError):
    """Who asks has not shown who they are."""

    status = 401


class Forbidden(QasinoError):
    """Who asks may not do that."""

    status = 403


class NotFound(QasinoError):
    """Nothing is served at that path."""

    status = 404


class WrongMethod(QasinoError):
    """The path exists, the HTTP method does not."""

    status = 405


class Busy(QasinoError):
    """The server holds all it can hold at present; nothing was done."""

    status = 503


class Full(Busy):
    """The generation holds all it may hold; nothing was done."""


class QueryTimeout(QasinoError):
    """The query did not end within its time and was stopped."""

    status = 504


class ServerFault(QasinoError):
    """Our fault. The sentence says that much and the log says the rest."""

    status = 500


class StartError(QasinoError):
    """The server cannot start as it was asked to."""


class SettingsFault(StartError):
    """Nor could any server: what it was asked contradicts itself."""
