"""The same again and again: every so many seconds, or in every generation.

A round that fails is told of and the next one tries again. What is told once is not told again
until it changes, so that weeks of it fit a log: of a table that it is published, not how many
rows it has this time. Rounds never overlap and do not drift.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from qasino_cli import terminal
from qasino_cli.client import Client, open_client
from qasino_cli.clock import Clock
from qasino_cli.connection import Connection
from qasino_cli.console import ExitCode, code_for, say
from qasino_cli.errors import ServerRefused, Unreachable, UsageFault
from qasino_cli.publish.inputs import Gather, Prepared, mapping_lines
from qasino_cli.publish.sending import receipt_line, send, too_large
from qasino_server.errors import QasinoError
from qasino_server.table import Receipt


class Terminated(BaseException):
    """SIGTERM has come."""


def repeat(connection: Connection, gather: Gather, clock: Clock, quiet: bool) -> ExitCode:
    """Publish now and at every beat until Ctrl-C or SIGTERM; then the last round's code.

    Raises UsageFault as long as the options have never made sense.
    """
    client = open_client(connection)
    told = _Told(quiet, connection.url)
    try:
        with _ending_on_sigterm():
            clock.begin()
            while True:
                told.of_round(client, gather)
                clock.wait()
    except Terminated:
        return told.code
    finally:
        client.close()
        clock.close()


class _Told:
    """What is the case and was told, so that it is not told again."""

    def __init__(self, quiet: bool, url: str) -> None:
        self.code = ExitCode.OK
        self._quiet = quiet
        self._url = url
        self._away = False
        self._makes_sense = False
        """Whether the options have gone with an input: what faults come later are of the moment."""
        self._failure: str | None = None
        self._known: dict[object, object] = {}
        """What the last round told or could have told: subject -> gist."""

    def of_round(self, client: Client, gather: Gather) -> None:
        """Do a round and tell what is new about it. Raises UsageFault."""
        told: dict[object, object] = {}
        try:
            prepared = gather()
            self._makes_sense = True
            self.code = self._round(client, prepared, told)
            self._failure = None
        except QasinoError as error:
            if isinstance(error, UsageFault) and not self._makes_sense:
                raise
            self.code = code_for(error)
            self._failed(error)
        self._known = told  # what was not reached this time is news the next time

    def _round(
        self, client: Client, prepared: list[Prepared], told: dict[object, object]
    ) -> ExitCode:
        for line in mapping_lines(prepared):
            self._once(told, line, None, line)
        for one in prepared:
            large = too_large(one)
            if large is not None:
                self._once(told, ("size", one.name), None, large)
        skipped = any(one.nr_rejects for one in prepared)
        code = ExitCode.INPUT if skipped else ExitCode.OK
        for one, receipt in send(client, prepared):
            self.code = code  # as far as it has come: SIGTERM may end the round anywhere
            self._reached()
            gist = _gist(one, receipt)
            self._once(told, (gist.tablename, gist.identity), gist, receipt_line(one, receipt))
        return code

    def _once(self, told: dict[object, object], subject: object, gist: object, line: str) -> None:
        known = subject in self._known and self._known[subject] == gist
        skipped = isinstance(gist, _Gist) and gist.skipped
        if not known and (skipped or not self._quiet):
            say(line)
        told[subject] = gist

    def _reached(self) -> None:
        if self._away:
            _say_when(f"{self._url} is back")
        self._away = False

    def _failed(self, error: QasinoError) -> None:
        if isinstance(error, Unreachable):
            if not self._away:
                _say_when(error.sentence)
            self._away = True
            return
        if isinstance(error, ServerRefused):
            self._reached()
        if error.sentence != self._failure:
            say(error.sentence)
        self._failure = error.sentence


def _say_when(sentence: str) -> None:
    """With the time, unless a person reads it now: from when to when it was away is what counts."""
    stamp = "" if terminal.watched(sys.stderr) else time.strftime("%Y-%m-%dT%H:%M:%S ")
    say(f"{stamp}{sentence}")


class _Gist(msgspec.Struct, frozen=True):
    """What a receipt tells, but for numbers that change all the time."""

    tablename: str
    identity: str
    applied: bool
    message: str | None
    empty: bool
    skipped: bool


def _gist(one: Prepared, receipt: Receipt) -> _Gist:
    publication = one.publication
    return _Gist(
        publication.tablename,
        publication.identity,
        receipt.applied,
        receipt.message,
        receipt.nr_rows == 0,
        one.nr_rejects > 0,
    )


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what it interrupts ends in peace
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
