"""When the command of `--on-change` is told that it may hear of nothing. Pure.

A command that is told of changes alone cannot tell "nothing has changed" from "nobody can see": a
server that is lost would be the quietest alert of all. So it is told once that has lasted for a
generation (a server that is begun anew is lost for a second, which is nobody's alarm), again
where other sources are missing than it was told, and when the rows can be believed again.
"""

from __future__ import annotations

from typing import Any

from qasino_cli.watch.query import Update


class Outage:
    """Follows what is unknown, update by update. Belongs to one thread."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._told = ""
        """What kind of it was told of last; '' while there is nothing to take back."""

    def notices(self, update: Update, now_s: float) -> list[dict[str, Any]]:
        """What is to be told after an update that came at `now_s`, on any clock that only goes
        on: nothing, or one object with the keys that a change has."""
        if update.unknown is None:
            return [] if update.result is None else self._over()
        if self._since_s is None:
            self._since_s = now_s
        kind = _kind(update.unknown)
        if now_s - self._since_s < update.duration_s or kind == self._told:
            return []
        self._told = kind
        return [_notice("unknown", update.unknown)]

    def _over(self) -> list[dict[str, Any]]:
        told, self._told, self._since_s = self._told, "", None
        return [_notice("known", None)] if told else []


def _kind(unknown: str) -> str:
    """What makes it another outage: who is missing, but not what each try to connect met."""
    word = unknown.partition(":")[0]
    return unknown if word == "missing" else word


def _notice(change: str, unknown: str | None) -> dict[str, Any]:
    return {"change": change, "unknown": unknown, "key": {}, "row": {}}
