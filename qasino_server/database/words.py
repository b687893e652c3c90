"""SQLite's errors in our words, with the place in the statement and what may have been meant."""

from __future__ import annotations

import re

import apsw

from qasino_server.database.snapshot import SnapshotConnection
from qasino_server.database.sqltext import plain
from qasino_server.errors import Cancelled, NotReading, QasinoError, SqlError
from qasino_server.splitting import BLANKS

_PREV_IS_NOT_THERE = re.compile(r"no such table: prev\.|unknown database '?prev\b", re.IGNORECASE)
"""What SQLite says of a schema that is not attached."""
_NO_SUCH_TABLE = re.compile(r"no such table: (?:main\.)?(?P<name>.+)", re.DOTALL)


_SET = re.compile(rf"(?:{BLANKS}|[;\ufeff])*+set\b", re.DOTALL | re.IGNORECASE)
_SET_IS_OF_THE_PROMPT = (
    "SET is for the prompt of qasino sql; elsewhere use_write_db=true goes with the request"
)


class LacksPrev(SqlError):
    """The statement reads the snapshot before, which its connection does not have yet."""

    def __init__(self) -> None:
        super().__init__("the query was stopped before the snapshot before was there; ask again")


def in_words(error: apsw.Error, on: SnapshotConnection, sql: str) -> QasinoError:
    """SQLite's error as one of ours, with the place in the statement."""
    message = str(error)
    if isinstance(error, apsw.InterruptError):
        return Cancelled("the query was stopped")
    if isinstance(error, apsw.AuthError):
        return NotReading(f"not authorized: {on.sandbox.refused or message}; queries only read")
    if isinstance(error, apsw.TooBigError):
        return SqlError("a value of the result is larger than this server builds (--max-result)")
    if isinstance(error, apsw.NoMemError):
        return SqlError("the statement needs more memory than there is")
    if isinstance(error, apsw.CantOpenError | apsw.FullError | apsw.IOError):
        return SqlError(f"no room for the query's temporary files: {message}")
    if message == "incomplete input":
        message = "Incomplete sql statement"
    if on.lacks_prev and says_prev_is_not_there(message):
        return LacksPrev()
    missing = _NO_SUCH_TABLE.fullmatch(message)
    hint = _hint_of_prev(on, missing["name"]) if missing is not None else _hint_of_set(sql)
    if missing is not None and hint:
        message = f"no such table: {missing['name']}"
    if missing is not None and on.static_fault:
        message += f" (the static tables cannot be read: {on.static_fault})"
    return SqlError(message, _offset_chars(sql, getattr(error, "error_offset", -1)), hint)


def says_prev_is_not_there(message: str) -> bool:
    """Whether it is SQLite's word that its connection has no schema `prev`."""
    return _PREV_IS_NOT_THERE.match(message) is not None


def _hint_of_prev(on: SnapshotConnection, name: str) -> str:
    """That the snapshot before has a table of that name; '' where it has none.

    Told by what is known of its tables: to ask SQLite would have it restored.
    """
    has_it = name.isascii() and name.lower() in on.shadows
    return f"the snapshot before has it: prev.{plain(name)}" if has_it else ""


def _hint_of_set(sql: str) -> str:
    """Where SET has an effect; '' for what is none, which SQLite has no statement of either."""
    return _SET_IS_OF_THE_PROMPT if _SET.match(sql) is not None else ""


def _offset_chars(sql: str, offset_bytes: int) -> int | None:
    if offset_bytes < 0:
        return None
    return len(sql.encode()[:offset_bytes].decode(errors="ignore"))
