"""The log on stderr: one line an event, whatever it holds.

Who logs never waits for who reads: a log that stands still (Ctrl-S on its terminal, a pipe that
nobody empties) would stop the server at its next event. So one thread writes, what waits for it
is bounded, and what is past the bound is counted and told once the log goes on.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from qasino_cli import terminal
from qasino_server.render import visible
from qasino_server.service import Service

LEVELS = ("debug", "info", "warning", "error")

MOST_WAITING_BYTES = 4 << 20
LAST_LINES_S = 1.0
"""How long the end waits for what is still to be written."""

_ALARM = "WARNING: "


_DATED = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")
"""`2026-11-24T00:11:22 INFO qasino.store message`"""


class Log(Service):
    """The lines of a process, and the thread that writes them in their order.

    It writes to the descriptor: a thread that stands still in the middle of `sys.stderr` would
    keep its lock, and the interpreter could not end.
    """

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__("log")
        self._descriptor = None if stream is None else stream.fileno()
        self._encoding = "utf-8" if stream is None else stream.encoding
        self._on_terminal = terminal.watched(stream)
        self._changed = threading.Condition()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._dropped = 0
        """Since the last of those that wait."""

    def put(self, line: str) -> None:
        """Have a line written after those before it; line ends in it become \\n. Never waits.

        A log that is read by line must not be one that a publisher's table name can forge.
        """
        data = f"{visible(line)}\n".encode(self._encoding, "backslashreplace")
        with self._changed:
            if self._waiting_bytes >= MOST_WAITING_BYTES:
                self._dropped += 1
                return
            if not self._waiting:
                self._changed.notify()
            self._waiting.append(data)
            self._waiting_bytes += len(data)

    def tell(self, line: str) -> None:
        """Have a line written whatever the level, with its time unless a person reads it now."""
        if self._on_terminal:
            self.put(line)
            return
        level = logging.WARNING if line.startswith(_ALARM) else logging.INFO
        self.put(_dated(level, "qasino.server", line.removeprefix(_ALARM)))

    def wake(self) -> None:
        """Have the thread see that it is to stop."""
        with self._changed:
            self._changed.notify()

    def run(self) -> None:
        """Write until there is nothing left and nothing more is to come."""
        lost = 0
        while True:
            lines, dropped = self._taken()
            if not lines:
                return
            text = b"".join([*self._told(lost), *lines, *self._told(dropped)])
            lost = 0 if self._wrote(text) else lost + len(lines) + dropped

    def _taken(self) -> tuple[list[bytes], int]:
        """What waits, and how many came after it for which there was no room; [] at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self.stopping.is_set())
            taken = self._waiting, self._dropped
            self._waiting, self._waiting_bytes, self._dropped = [], 0, 0
        return taken

    def _told(self, lost: int) -> list[bytes]:
        if not lost:
            return []
        were = "1 line is" if lost == 1 else f"{lost} lines are"
        line = _dated(logging.WARNING, "qasino.log", f"{were} missing here: nobody took them")
        return [f"{line}\n".encode()]

    def _wrote(self, data: bytes) -> bool:
        """Whether all of it could be written, however long that took."""
        if self._descriptor is None:
            return True
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # who shares it with us has made it one that does not wait
                select.select([], [self._descriptor], [])
            except OSError:
                return False
        return True


def _dated(level: int, name: str, message: str) -> str:
    return _DATED.format(logging.LogRecord(name, level, "", 0, "%s", (message,), None))


class _ToLog(logging.Handler):
    """The records of `logging`, as lines of a log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self.setFormatter(_DATED)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._log.put(self.format(record))
        except Exception:  # as every handler's: a line that cannot be made harms nobody who logs
            self.handleError(record)


@contextmanager
def log_to_stderr(level: str) -> Iterator[Log]:
    """Send everything of that level and above to stderr; at the end all of it is written, if
    somebody takes it within a second. Once in a process, at the start. Raises StartError.
    """
    log = Log(sys.stderr)
    logging.basicConfig(level=level.upper(), handlers=[_ToLog(log)], force=True)
    logging.raiseExceptions = False  # a stderr nobody reads is no reason to print about it
    _start_deaf(log)
    try:
        yield log
    finally:
        log.stop()
        log.join(LAST_LINES_S)


def _start_deaf(log: Log) -> None:
    """Start it so that no signal comes to its thread, which would be lost there (`signals`)."""
    kept = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        log.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, kept)
