"""`--on-change COMMAND`: the changes on its standard input, never two of it at once."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import IO, Any

import msgspec

from qasino_cli.console import counted
from qasino_cli.process_group import end_group
from qasino_cli.watch.diff import Picture, changes
from qasino_server.errors import StartError
from qasino_server.service import Service
from qasino_server.threads import begin

END_WITHIN_S = 2.0
"""A command that still runs at the end has so long, then it and what it started are ended."""
HANGS_S = 60.0
"""A command that has run so long is told of where changes wait for it, each time that doubles."""
MOST_WAITING = 10_000
"""More changes do not wait, but for those of one result; the oldest are dropped."""
_LAST_BYTES = 4096


class Hook(Service):
    """Runs a shell command for the changes that wait; those of meanwhile wait for the next run."""

    def __init__(
        self,
        command: str,
        failed: Callable[[str], None],
        on_screen: bool = False,
        hangs_s: float = HANGS_S,
        end_within_s: float = END_WITHIN_S,
    ) -> None:
        """`failed` is told, in a thread of ours, what a command that fails ended with, and of one
        that does not end.

        Its stdout is dropped, for frames go to ours. Its stderr is ours; with `on_screen`, where it
        would get between the rows, `failed` is told the last line of it.
        """
        super().__init__("on-change")
        self._on_screen = on_screen
        self._command = command
        self._failed = failed
        self._hangs_s = hangs_s
        self._end_within_s = end_within_s
        self._condition = threading.Condition()
        self._waiting: deque[list[dict[str, Any]]] = deque()
        """Those of each result."""
        self._nr_waiting = 0
        self._nr_dropped = 0
        self._generation_number = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._over = False
        """Whether time is up: no other run begins."""

    def changed(self, picture: Picture, notices: Sequence[dict[str, Any]] = ()) -> None:
        """Have the command told of the changes, and of the notices before them; any thread."""
        found = [*notices, *changes(picture)]
        if found:
            with self._condition:
                self._waiting.append(found)
                self._nr_waiting += len(found)
                self._bound()
                if picture.names:
                    self._generation_number = picture.generation_number
                self._condition.notify()

    def _bound(self) -> None:
        while len(self._waiting) > 1 and self._nr_waiting > MOST_WAITING:
            nr_oldest = len(self._waiting.popleft())
            self._nr_waiting -= nr_oldest
            self._nr_dropped += nr_oldest

    def wake(self) -> None:
        with self._condition:
            self._condition.notify()

    def run(self) -> None:
        """One run after the other until stopped and nothing waits."""
        while (work := self._next()) is not None:
            found, number, nr_dropped = work
            if nr_dropped:
                self._failed(f"--on-change: {counted(nr_dropped, 'change')} dropped while it ran")
            try:
                self._tell(found, number)
            except OSError as error:  # no room for it now: the next one may find some
                self._failed(f"--on-change cannot run: {error.strerror}")

    def finish(self) -> None:
        """Let what waits be told, for a bounded time; then end the command and begin no other."""
        self.stop()
        if self.join(self._end_within_s):
            return
        with self._condition:
            self._over = True
            process = self._process
        if process is not None:
            end_group(process)
        self.join(END_WITHIN_S)

    def _next(self) -> tuple[list[dict[str, Any]], int, int] | None:
        """The changes that wait, the generation of the last, and how many were dropped."""
        with self._condition:
            while not self._waiting:
                if self.stopping.is_set():
                    return None
                self._condition.wait()
            taken = [change for found in self._waiting for change in found]
            nr_dropped, self._nr_waiting, self._nr_dropped = self._nr_dropped, 0, 0
            self._waiting.clear()
            return taken, self._generation_number, nr_dropped

    def _tell(self, found: list[dict[str, Any]], number: int) -> None:
        body = msgspec.json.Encoder().encode_lines(found)
        # A file: who reads a pipe to its end waits for all the command leaves behind.
        with tempfile.TemporaryFile() if self._on_screen else nullcontext() as said:
            begun = self._begun(os.environ | {"QASINO_GENERATION": str(number)}, said)
            if begun is None:
                return
            with begun as process:
                with self._told_of():
                    try:
                        process.communicate(body)
                    except BrokenPipeError:
                        process.wait()
                self._process = None
            if process.returncode:
                reason = "" if said is None else _last_line(said)
                self._failed(f"--on-change ended with {process.returncode}{reason}")

    @contextmanager
    def _told_of(self) -> Iterator[None]:
        """Tell of the command that runs in the block, where it does not end."""
        ended = threading.Event()
        teller = threading.Thread(
            target=self._tell_of_hanging, args=(ended,), name="on-change-hangs", daemon=True
        )
        with suppress(StartError):  # no room for a thread: it runs without
            begin(teller)
        try:
            yield
        finally:
            ended.set()

    def _tell_of_hanging(self, ended: threading.Event) -> None:
        ran_s, wait_s = 0.0, self._hangs_s
        while not ended.wait(wait_s):
            ran_s += wait_s
            wait_s = ran_s
            with self._condition:
                nr_waiting, nr_dropped = self._nr_waiting, self._nr_dropped
            if nr_waiting:
                dropped = f", dropped: {nr_dropped}" if nr_dropped else ""
                self._failed(
                    f"--on-change has run for {ran_s:g} s; changes waiting: {nr_waiting}{dropped}"
                )

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
