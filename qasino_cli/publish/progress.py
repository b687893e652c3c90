"""What takes long is shown on stderr while it lasts, where somebody sees it.

rich takes 50 ms to import, so it is not before half a second has passed. The cursor is left
visible: then no end of the process, however sudden, leaves a terminal without one.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from qasino_cli import terminal
from qasino_cli.console import typed_in
from qasino_cli.errors import InputRejected
from qasino_cli.pipes import parts_of
from qasino_cli.readers import STDIN, read_file, shown_path

PATIENCE_S = 0.5


class Bar:
    """One line that says what is being done; use it as a context manager.

    It is drawn by a thread of its own, so it moves while this one reads or waits.
    """

    def __init__(self, wanted: bool = True) -> None:
        self._seen = wanted and terminal.watched(sys.stderr) and not terminal.dumb()
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._shown: Any = None
        self._doing = ""
        self._done_bytes = 0
        self._size_bytes: int | None = None
        self._since = 0.0

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exception: object) -> None:
        self.hide()

    def step(self, doing: str, size_bytes: int | None = None) -> None:
        """Something begins; `size_bytes` where its end is known."""
        if not self._seen:
            return
        self._doing, self._size_bytes = doing, size_bytes
        self._done_bytes, self._since = 0, time.monotonic()
        if self._timer is None:
            self._timer = threading.Timer(PATIENCE_S, self._show)
            self._timer.daemon = True
            with suppress(RuntimeError):  # no room for a thread: nothing moves, that is all
                self._timer.start()
        self._refresh()

    def read(self, path: str) -> bytes:
        """All bytes of an input. Raises InputRejected."""
        if path == STDIN and typed_in():
            self.hide()  # it would be drawn over what is typed
            return read_file(path)
        if not self._seen:
            return read_file(path)
        name = shown_path(path)
        try:
            with open(0 if path == STDIN else path, "rb", 0, closefd=path != STDIN) as file:
                self.step(f"reading {name}", os.fstat(file.fileno()).st_size or None)
                body = self._read(parts_of(file.fileno()))
        except OSError as error:
            raise InputRejected(f"{name}: {error.strerror}") from None
        self.step(f"checking {name}")
        return body

    def _read(self, read: Iterable[bytes]) -> bytes:
        parts = []
        for part in read:
            parts.append(part)
            self._done_bytes += len(part)
            self._refresh()
        return b"".join(parts)

    def hide(self) -> None:
        """Leave the line as if nothing had been there, until the next step."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        with self._lock:
            if self._shown is not None:
                self._shown.stop()
                self._shown = None

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        class WithCursor(Console):
            def show_cursor(self, show: bool = True) -> bool:
                return False

        with self._lock:
            if self._timer is not threading.current_thread():
                return  # hidden meanwhile
            console = WithCursor(file=sys.stderr, no_color=not terminal.coloured(sys.stderr))
            columns = (TextColumn("{task.description}", markup=False), BarColumn(24))
            self._shown = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
            self._shown.add_task(self._said(), total=self._size_bytes)
            self._shown.start()
        self._refresh()

    def _refresh(self) -> None:
        with self._lock:
            if self._shown is not None:
                self._shown.update(
                    self._shown.task_ids[0],
                    description=self._said(),
                    total=self._size_bytes,
                    completed=self._done_bytes,
                )

    def _said(self) -> str:
        from qasino_server.render import visible

        said = visible(self._doing)
        if self._done_bytes:
            done_mb = self._done_bytes / 1e6
            rate = done_mb / max(0.001, time.monotonic() - self._since)
            of = "" if self._size_bytes is None else f" of {self._size_bytes / 1e6:.1f}"
            said += f"  {done_mb:.1f}{of} MB, {rate:.1f} MB/s"
        return said
