"""A transaction: all of it is written, or nothing."""

from __future__ import annotations

import apsw


class Transaction:
    """A block of which all is written or nothing; a failing COMMIT leaves nothing either.

    Used again and again: as a generator, made for each, it took a tenth of a small batch. (apsw's
    own `with connection` fails at undoing what SQLite has undone by itself, as it does when the
    disk is full.)

    Where there is no memory, undoing may fail as well (SQLite has to prepare it); what is left
    open then is undone before the next one begins.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._execute = connection.cursor().execute

    def __enter__(self) -> None:
        if self._connection.in_transaction:
            self._execute("ROLLBACK")
        self._execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *of_error: object) -> None:
        try:
            if kind is None:
                self._execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._execute("ROLLBACK")
