"""The same again and again: every so many seconds, or in every generation.

A round that fails is told of and the next one tries again; what is said once is not repeated
until it changes, so that weeks of it fit a log. Rounds never overlap and do not drift.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from qasino_cli.client import open_client
from qasino_cli.connection import Connection
from qasino_cli.console import ExitCode, code_for, say
from qasino_cli.errors import Unreachable
from qasino_cli.generation_clock import GenerationClock
from qasino_cli.publish.inputs import Gather
from qasino_cli.publish.sending import send
from qasino_server.errors import QasinoError

Occasions = Iterator[None]


class Terminated(Exception):
    """SIGTERM has come."""


def every(period_s: float) -> Occasions:
    """Now, and then every so many seconds; occasions that were missed are left out."""
    due = time.monotonic()
    while True:
        yield
        due += period_s
        late_s = time.monotonic() - due
        if late_s > 0:
            due += (late_s // period_s + 1) * period_s
        time.sleep(max(0.0, due - time.monotonic()))


def every_generation(connection: Connection) -> Occasions:
    """Now, and then whenever a generation has begun."""
    clock = GenerationClock(connection)
    try:
        while True:
            yield
            clock.wait()
    finally:
        clock.close()


def repeat(connection: Connection, gather: Gather, occasions: Occasions, quiet: bool) -> ExitCode:
    """Publish at every occasion until SIGTERM (then OK) or Ctrl-C."""
    client = open_client(connection)
    told = _Told(quiet, connection.url)
    try:
        with _ending_on_sigterm():
            for _ in occasions:
                told.of_round(lambda: list(send(client, gather())))
    except Terminated:
        pass
    finally:
        client.close()
    return told.code


class _Told:
    """What was said last, so that it is not said again."""

    def __init__(self, quiet: bool, url: str) -> None:
        self.code = ExitCode.OK
        self._quiet = quiet
        self._url = url
        self._last: tuple[str, ...] = ()
        self._away = False

    def of_round(self, work: Callable[[], list[str]]) -> None:
        """Do a round and tell what is new about it."""
        try:
            lines = tuple(work())
            self.code = ExitCode.OK
            if self._away:
                say(f"{self._url} is back")
            self._away = False
            new = () if self._quiet else tuple(line for line in lines if line not in self._last)
        except QasinoError as error:
            lines = (error.sentence,)
            self.code = code_for(error)
            new = () if lines == self._last else lines
            self._away = self._away or isinstance(error, Unreachable)
        for line in new:
            say(line)
        self._last = lines


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    def end(*_: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
