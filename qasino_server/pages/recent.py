"""Pages made within the last second, for everybody else who asks for the same.

At each generation every overview that somebody looks at is asked for anew, by all of them at
nearly the same time. It is made once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

FRESH_S = 1.0
"""How old a page may be: as old as ages on it are exact."""


class Recent:
    """The last page made for each path; used in the loop's thread alone."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[float, asyncio.Task[bytes]]] = {}

    def forget(self) -> None:
        """There is news: whoever asks now gets it."""
        self._made.clear()

    async def page(self, path: str, make: Callable[[], Coroutine[Any, Any, bytes]]) -> bytes:
        """The page of that path, made now or a moment ago. Raises what making it raises."""
        now = asyncio.get_running_loop().time()
        began, making = self._made.get(path, (0.0, None))
        if making is None or now > began + FRESH_S:
            making = asyncio.ensure_future(make())
            self._made[path] = now, making
        try:
            return await asyncio.shield(making)
        except Exception:
            if self._made.get(path) == (now, making):
                del self._made[path]
            raise
