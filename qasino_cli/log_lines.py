"""The log on stderr: one line an event, whatever it holds."""

from __future__ import annotations

import logging
import sys

from qasino_server.render import visible

LEVELS = ("debug", "info", "warning", "error")


class OneLine(logging.Formatter):
    """`2026-11-24T00:11:22 INFO qasino.store message`; line ends in it become \\n.

    A log that is read by line must not be one that a publisher's table name can forge.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def log_to_stderr(level: str) -> None:
    """Send everything of that level and above to stderr. Called once, at the start."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.raiseExceptions = False  # a stderr nobody reads is no reason to print about it
