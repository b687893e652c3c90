"""`--on-change COMMAND`: the changes on its standard input, never two of it at once."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import IO, Any

import msgspec

from qasino_cli.process_group import end_group
from qasino_cli.watch.diff import Picture, changes
from qasino_server.service import Service

END_WITHIN_S = 2.0
"""A command that still runs at the end has so long, then it and what it started are ended."""
_LAST_BYTES = 4096


class Hook(Service):
    """Runs a shell command for the changes that wait; those of meanwhile wait for the next run."""

    def __init__(
        self, command: str, failed: Callable[[str], None], on_screen: bool = False
    ) -> None:
        """`failed` is told, in this thread, what a command that fails ended with.

        Its stderr is ours; with `on_screen`, where it would get between the rows, `failed` is
        told the last line of it.
        """
        super().__init__("on-change")
        self._on_screen = on_screen
        self._command = command
        self._failed = failed
        self._condition = threading.Condition()
        self._waiting: list[dict[str, Any]] = []
        self._generation_number = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._over = False
        """Whether time is up: no other run begins."""

    def changed(self, picture: Picture) -> None:
        """Have the command told of the changes; any thread."""
        found = list(changes(picture))
        if found:
            with self._condition:
                self._waiting += found
                self._generation_number = picture.generation_number
                self._condition.notify()

    def wake(self) -> None:
        with self._condition:
            self._condition.notify()

    def run(self) -> None:
        """One run after the other until stopped and nothing waits."""
        while (work := self._next()) is not None:
            try:
                self._tell(*work)
            except OSError as error:  # no room for it now: the next one may find some
                self._failed(f"--on-change cannot run: {error.strerror}")

    def finish(self) -> None:
        """Let what waits be told, for a bounded time; then end the command and begin no other."""
        self.stop()
        if self.join(END_WITHIN_S):
            return
        with self._condition:
            self._over = True
            process = self._process
        if process is not None:
            end_group(process)
        self.join(END_WITHIN_S)

    def _next(self) -> tuple[list[dict[str, Any]], int] | None:
        with self._condition:
            while not self._waiting:
                if self.stopping.is_set():
                    return None
                self._condition.wait()
            taken, self._waiting = self._waiting, []
            return taken, self._generation_number

    def _tell(self, found: list[dict[str, Any]], number: int) -> None:
        body = msgspec.json.Encoder().encode_lines(found)
        # A file: who reads a pipe to its end waits for all the command leaves behind.
        with tempfile.TemporaryFile() if self._on_screen else nullcontext() as said:
            begun = self._begun(os.environ | {"QASINO_GENERATION": str(number)}, said)
            if begun is None:
                return
            with begun as process:
                try:
                    process.communicate(body)
                except BrokenPipeError:
                    process.wait()
                self._process = None
            if process.returncode:
                reason = "" if said is None else _last_line(said)
                self._failed(f"--on-change ended with {process.returncode}{reason}")

    def _begun(
        self, environment: dict[str, str], stderr: IO[bytes] | None
    ) -> subprocess.Popen[bytes] | None:
        """One run of the command, None once time is up: whoever ends it must know of it."""
        with self._condition:
            if self._over:
                return None
            self._process = subprocess.Popen(
                self._command,
                shell=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=environment,
                start_new_session=True,
            )
            return self._process


def _last_line(said: IO[bytes]) -> str:
    """`: why`, from what a command has written; '' where it has written nothing."""
    said.seek(max(0, said.seek(0, os.SEEK_END) - _LAST_BYTES))
    lines = said.read().decode(errors="replace").split("\n")
    return next((f": {line}" for line in reversed(lines) if line.strip()), "")
