"""A command on a real pseudo-terminal, and what a person would see on its screen.

The bytes go through a terminal emulator (pyte), so that a test looks at the screen and not at
how it was drawn. Waiting is waiting for output: `until` reads until the screen is as wanted.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import pexpect
import pyte
from command import clean_environment
from wcwidth import wcwidth
from wire import until

from qasino_server.render import width

TIMEOUT_S = 20.0
LEAVES_S = 0.3
"""What is left of a test has so long to end by itself."""


class _Screen(pyte.Screen):
    """A screen that answers when it is asked where the cursor is, as terminals do."""

    answer: Callable[[str], object]

    def write_process_input(self, data: str) -> None:
        self.answer(data)

    @property
    def display(self) -> list[str]:
        """The lines; pyte, which measures each character of each, is asked where one is wide.

        Tests look after each piece of output: that was half of what they took.
        """
        texts = [self._cells(self.buffer[y]) for y in range(self.lines)]
        return texts if all(map(_is_narrow, texts)) else super().display

    def _cells(self, row: Mapping[int, pyte.screens.Char]) -> str:
        blank = self.default_char
        return "".join([row.get(x, blank).data for x in range(self.columns)])


@lru_cache(maxsize=4096)
def _is_narrow(text: str) -> bool:
    """Whether each character has a column of its own; most lines are looked at many times."""
    return text.isascii() or all(wcwidth(character) == 1 for character in text)


class _ClusterScreen(_Screen):
    """A screen that counts columns as modern terminals do: a flag is one picture of two.

    The other one counts each character alone, as older terminals do.
    """

    _cluster = ""
    _end: tuple[int, int] | None = None

    def draw(self, data: str) -> None:
        for character in data:
            joined = self._cluster + character
            if self._end == (self.cursor.x, self.cursor.y) and _is_cluster(joined):
                self.cursor.x -= width(self._cluster)
                self._put(joined)
            else:
                self._put(character)

    def _put(self, cluster: str) -> None:
        columns = max(width(cluster), 1)
        line = self.buffer[self.cursor.y]
        self.cursor.x = min(self.cursor.x, self.columns - columns)
        for n in range(columns):
            data = "" if n else cluster
            line[self.cursor.x + n] = self.cursor.attrs._replace(data=data)
        self.cursor.x += columns
        self._cluster, self._end = cluster, (self.cursor.x, self.cursor.y)

    @property
    def display(self) -> list[str]:
        rows = (self.buffer[y] for y in range(self.lines))
        return ["".join(row[x].data for x in range(self.columns)) for row in rows]


def _is_cluster(text: str) -> bool:
    """Whether characters stand for one thing: a flag, pictures that are joined, marks."""
    first, last = text[0], text[-1]
    if len(text) == 2 and all("\U0001f1e6" <= one <= "\U0001f1ff" for one in text):
        return True
    joins = len(text) > 2 and text[-2] == "\u200d" and last >= "\u2190"
    return not first.isascii() and (joins or unicodedata.category(last) in ("Mn", "Mc", "Cf"))


class Terminal:
    """`qasino ARGS..` in a terminal of so many columns and lines."""

    def __init__(
        self,
        *args: object,
        home: Path,
        columns: int = 100,
        lines: int = 40,
        variables: Mapping[str, str] | None = None,
        command: tuple[str, ...] = (sys.executable, "-m", "qasino_cli.main"),
        clusters: bool = False,
    ) -> None:
        environment = clean_environment(
            TERM="xterm-256color",
            LANG="C.UTF-8",
            XDG_STATE_HOME=str(home / "state"),
            XDG_CONFIG_HOME=str(home / "config"),
        )
        for name in ("COLUMNS", "LINES"):  # which the terminal has; pytest-xdist sets both
            environment.pop(name, None)
        self._screen = (_ClusterScreen if clusters else _Screen)(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._seen: list[str] | None = None  # until there is more to see
        self.written = b""
        """Everything it has written, as it came."""
        self.child = pexpect.spawn(
            command[0],
            [*command[1:], *map(str, args)],
            env=environment | dict(variables or {}),
            dimensions=(lines, columns),
            timeout=TIMEOUT_S,
        )
        self.child.delaybeforesend = None
        self.child.ptyproc.delayafterclose = 0.0  # whether it has ended is looked at here
        self._screen.answer = self.child.send

    def close(self) -> None:
        """End it as who closes the window does, and by force where it stays."""
        if not self.child.closed:
            self.child.ptyproc.fileobj.close()
            with suppress(AssertionError):
                until(self._ended, LEAVES_S)
        self.child.close(force=True)

    def _ended(self) -> bool:
        """Whether it has ended. pexpect would wait for that where it wrote its last."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return self.child.terminated or os.waitid(os.P_PID, self.child.pid, options) is not None

    # --- Looking ----------------------------------------------------------------------------

    @property
    def lines(self) -> list[str]:
        """The screen, without the blanks at the ends of lines."""
        if self._seen is None:
            self._seen = [line.rstrip() for line in self._screen.display]
        return list(self._seen)

    @property
    def text(self) -> str:
        """The screen as one text, all blanks as one."""
        return " ".join(" ".join(self.lines).split())

    def until(self, met: Callable[[], bool], what: str) -> None:
        """Read on until the screen is as wanted."""
        gives_up_at = time.monotonic() + TIMEOUT_S
        while not met():
            if not self._read(gives_up_at - time.monotonic()) and not met():
                raise AssertionError(f"never saw {what}; the screen is:\n" + "\n".join(self.lines))

    def see(self, *texts: str) -> None:
        """Wait until all of these stand on the screen; blanks and line ends are alike."""
        self.until(lambda: all(text in self.text for text in texts), repr(texts))

    def gone(self, text: str) -> None:
        """Wait until that no longer stands on the screen."""
        self.until(lambda: text not in self.text, f"the end of {text!r}")

    def wait(self) -> int:
        """Wait for its end; the exit code, or 128 and the signal it died of."""
        gives_up_at = time.monotonic() + TIMEOUT_S
        while self._read(gives_up_at - time.monotonic()):
            pass
        until(self._ended, TIMEOUT_S)
        self.child.close()
        code = self.child.exitstatus
        return int(code if code is not None else 128 + (self.child.signalstatus or 0))

    def _read(self, timeout_s: float) -> bool:
        """Take in some output; False where no more comes."""
        try:
            chunk = self.child.read_nonblocking(65536, max(timeout_s, 0.01))
        except (pexpect.EOF, pexpect.TIMEOUT):
            return False
        self.written += chunk
        self._stream.feed(chunk)
        self._seen = None
        return True

    # --- Doing ------------------------------------------------------------------------------

    def type(self, text: str) -> None:
        """Press keys."""
        self.child.send(text)

    def press(self, key: str, met: Callable[[], bool], what: str) -> None:
        """Press a key until the screen is as wanted, as a person does.

        One that comes while a prompt is being made may be lost.
        """
        self.repeat(lambda: self.type(key), met, what)

    def repeat(self, act: Callable[[], object], met: Callable[[], bool], what: str) -> None:
        """Do something until the screen is as wanted: it may come while nobody listens."""
        gives_up_at = time.monotonic() + TIMEOUT_S
        while not met() and time.monotonic() < gives_up_at:
            act()
            seen_by = time.monotonic() + 1.0
            while not met() and time.monotonic() < seen_by:
                self._read(0.1)
        self.until(met, what)

    def interrupt(self) -> None:
        """Ctrl-C, as the terminal sends it to what runs in the foreground."""
        self.child.sendintr()

    def resize(self, columns: int, lines: int) -> None:
        """Another size of the window."""
        self._screen.resize(lines, columns)
        self._seen = None
        self.child.setwinsize(lines, columns)
        os.kill(self.child.pid, signal.SIGWINCH)
