"""The command of `--on-change`, what it has been told, and that it is told what is news to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from qasino_cli.watch.hook import Hook
from qasino_cli.watch.news import News
from qasino_cli.watch.outage import Outage
from qasino_cli.watch.query import Update


class Herald:
    """Tells the command, where there is one."""

    def __init__(
        self,
        command: str | None,
        key: Sequence[str],
        failed: Callable[[str], None],
        on_screen: bool = False,
    ) -> None:
        """`failed` and `on_screen` are the hook's."""
        self._hook = None if command is None else Hook(command, failed, on_screen)
        self._news = News(key)
        self._outage = Outage()

    @property
    def has_somebody(self) -> bool:
        """Whether there is a command."""
        return self._hook is not None

    def start(self) -> None:
        """Be ready to run it."""
        if self._hook is not None:
            self._hook.start()

    def hear(self, update: Update) -> None:
        """Pass on what is news in an update; one thread."""
        if self._hook is not None:
            notices = self._outage.notices(update, time.monotonic())
            self._hook.changed(self._news.of(update), notices)

    def finish(self) -> None:
        """Let what waits be told, for a bounded time, and end the command."""
        if self._hook is not None:
            self._hook.finish()
