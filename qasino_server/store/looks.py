"""What waits to look into the open generation (`use_write_db`), in turns by who asked.

Used under the writer's lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from qasino_server.errors import Busy
from qasino_server.turns import Turns

LOOKS = 100
"""How many may wait; half of them of one asker."""
LOOKS_LEAVE = 4
"""Whoever may only read must not keep publishers waiting by looks without end."""


class Look(msgspec.Struct, frozen=True, eq=False):
    """Somebody waits for the open generation's file."""

    asker: str
    call: Callable[[Path], None]


class Looks:
    """Those that wait, and when the next one may look."""

    def __init__(self) -> None:
        self._turns = Turns[Look]()
        self._last_asker = ""
        self._next_at = 0.0

    def __len__(self) -> int:
        return len(self._turns)

    def put(self, look: Look) -> None:
        """Wait behind the others of the same asker. Raises Busy."""
        theirs = self._turns.waiting_for(look.asker)
        if len(self._turns) >= LOOKS or theirs >= LOOKS // 2:
            raise Busy("busy: too many queries wait to look into the open generation")
        self._turns.put(look)

    def take(self) -> Look | None:
        """The next one; whoever looked last comes after all others, also those who came since."""
        another = self._turns.take(lambda asker: asker != self._last_asker)
        look = another or self._turns.take()
        if look is not None:
            self._last_asker = look.asker
        return look

    def ended(self, took_s: float, kept_waiting: bool) -> None:
        """After a look that kept those waiting who write they come first, four times as long."""
        if kept_waiting:
            self._next_at = time.monotonic() + LOOKS_LEAVE * took_s

    def due_in_s(self) -> float | None:
        """When the next one may look, 0 for now; None where nobody waits."""
        return max(0.0, self._next_at - time.monotonic()) if self._turns else None
