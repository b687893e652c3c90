"""Where results go: to the terminal, or where \\o and \\g send them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO

from qasino_cli.console import on_terminal, write
from qasino_cli.errors import UsageFault
from qasino_cli.places import expanded, without_nul
from qasino_cli.sql import pager
from qasino_cli.sql.script_reader import unquoted
from qasino_server.table import shown


class Outlet:
    """Takes what is shown; stdout where nothing else has been opened."""

    def __init__(self) -> None:
        self.file: IO[bytes] | None = None
        """What has been opened; None for stdout."""
        self._process: subprocess.Popen[bytes] | None = None
        """The command that reads it, where it is no file."""
        self._brief = False
        """Whether what is open is for one result alone."""

    @property
    def seen(self) -> bool:
        """Whether results go to a terminal, where somebody reads what is said of them."""
        return self.file is None and on_terminal()

    def redirect(self, target: str) -> None:
        """Send results to a file, which may be in quotes, or to `| command` from now on; '' is the
        terminal again.

        Raises UsageFault where the file cannot be opened, or what is ended by it failed, and
        KeyboardInterrupt where Ctrl-C has ended that.
        """
        trouble = self.close()
        target = unquoted(target)
        try:
            if target.startswith("|"):
                command = without_nul(target[1:].strip())
                self._process = subprocess.Popen(command, shell=True, stdin=subprocess.PIPE)
                self.file = self._process.stdin
            elif target:
                self.file = expanded(target).open("wb")
        except OSError as error:
            raise UsageFault(f"{shown(target)}: {error.strerror}") from None
        if trouble is not None:
            raise UsageFault(trouble)

    @contextmanager
    def sent_to(self, target: str) -> Iterator[None]:
        """Within the block results go there, and then where they went before; '' changes nothing.

        Raises UsageFault where the file cannot be opened, or the command fails, and
        KeyboardInterrupt where Ctrl-C ends it.
        """
        if not target:
            yield
            return
        before = self.file, self._process
        self.file = self._process = None
        self._brief = True
        try:
            self._open_for_one(target)
            yield
        except BrokenPipeError:
            if self._process is None:  # it is stdout's
                raise
        finally:
            try:
                trouble = self.close()
            finally:
                self._brief = False
                self.file, self._process = before
        if trouble is not None:
            raise UsageFault(f"\\g: {trouble}")

    def _open_for_one(self, target: str) -> None:
        try:
            self.redirect(target)
        except UsageFault as error:
            raise UsageFault(f"\\g: {error.sentence}") from None

    def close(self) -> str | None:
        """End what \\o has begun; what went wrong with it, None for nothing.

        Raises KeyboardInterrupt where Ctrl-C has ended the command.
        """
        trouble = None
        file, process = self.file, self._process
        self.file = self._process = None
        if file is not None:
            try:
                file.close()
            except BrokenPipeError:
                pass  # who reads it has seen enough
            except OSError as error:
                trouble = error.strerror
        if process is not None:
            with pager.alone_on_terminal():
                code = process.wait()
            if pager.interrupted(code):
                raise KeyboardInterrupt
            trouble = trouble or (f"it ended with {code}" if code else None)
        return trouble

    def write(self, pieces: Iterable[str | bytes]) -> None:
        """Write pieces of a result where results go. Raises what `write` raises, and UsageFault."""
        for piece in pieces:
            if self.file is None:
                write(piece)
            elif not self._to_file(piece):
                return

    def _to_file(self, piece: str | bytes) -> bool:
        """Write a piece where \\o or \\g sends results; whether its command still reads."""
        assert self.file is not None
        try:
            self.file.write(piece.encode() if isinstance(piece, str) else piece)
            self.file.flush()
            return True
        except BrokenPipeError:
            if self._brief:
                raise  # `head` has seen enough
            if self._process is not None:
                return False  # so it has here, until \\o sends results elsewhere
            self.close()
            raise UsageFault("\\o ended: nobody reads it any more") from None
        except OSError as error:
            self.close()
            name = "\\g" if self._brief else "\\o"
            raise UsageFault(f"{name} ended: {error.strerror}") from None
