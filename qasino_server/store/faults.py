"""What a publication is told that could not be written; nothing of it was."""

from __future__ import annotations

import logging

import apsw

from qasino_server.database.generation import Generation
from qasino_server.database.room import free_bytes
from qasino_server.errors import Busy, Full, QasinoError, ServerFault
from qasino_server.quota import NOT_NOW

log = logging.getLogger("qasino.store")

_DISK_FULL_BYTES = 1 << 20
"""With less than this left it is the disk that is full."""


def disk_fault(error: apsw.Error, generation: Generation) -> QasinoError:
    """For an error of SQLite's."""
    if isinstance(error, apsw.FullError) and _is_at_bound(generation):
        return Full(
            f"the generation's file would be larger than {generation.max_bytes:,} bytes, the most"
            f" (--max-generation-bytes); {NOT_NOW}"
        )
    if isinstance(error, apsw.NoMemError):
        return Busy("the server has no memory to store this now (--max-memory); nothing was stored")
    if isinstance(error, apsw.FullError | apsw.IOError | apsw.CantOpenError):
        return no_room(str(error))
    log.error("publication failed: %s: %s", type(error).__name__, error)
    return ServerFault("the server could not store this; its log says why; nothing was stored")


def no_room(reason: str) -> Busy:
    """For a disk that is full."""
    return Busy(f"the server has no room to store this now ({reason}); nothing was stored")


def _is_at_bound(generation: Generation) -> bool:
    """Whether it was the bound, and not the disk, that said it is full."""
    try:
        return free_bytes(generation.path.parent) > _DISK_FULL_BYTES
    except OSError:
        return False
