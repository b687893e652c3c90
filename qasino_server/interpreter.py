"""What a server asks of Python and of the kernel for its threads: how long one keeps the GIL, when
garbage is sought, who has the processors first."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

SWITCH_INTERVAL_S = 0.0002
"""How long a thread may keep the GIL from one that waits; Python's own is 5 ms. With 45,000
identities a generation and 100,000 missing, others waited 80 to 125 ms at a rotation with
that, 40 with 0.5 ms, 14 to 22 with this. Small queries pay up to a tenth of their rate."""

YOUNG_OBJECTS = 10_000
"""Objects made before the youngest are looked at; 700, as Python has it to 3.12, finds nothing
1,200 times while 60,000 tables of ten rows come in."""

STEP_BACK = 5
"""Steps of niceness; each is a quarter more or less of what two that compete get, five a third."""


def take_turns() -> None:
    """Have threads take the GIL from each other soon."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)


def keep_what_is_here() -> None:
    """Look for garbage only among what is made from now on, and not so often.

    For a process that is a server and nothing else, once it has started: its modules and its
    caches stay until the end. A look at everything held the GIL for 50 to 100 ms with 60,000
    identities, ten times a generation; what the books are made of is not looked at either
    (`gc=False`), since nothing in it can point back.
    """
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)


def step_back() -> None:
    """Leave the processors to the other threads where there are not enough; for this thread, for
    good, since only root may take a priority back.

    Nothing where that cannot be: off Linux it is the process's, and a sandbox may forbid it.
    """
    if sys.platform != "linux":
        return
    with suppress(OSError):
        own = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, min(own + STEP_BACK, 19))


def empty(books: MutableMapping[Any, Any]) -> None:
    """Empty a large dictionary bit by bit: others get the GIL meanwhile.

    One of 60,000 pairs that goes as a whole keeps it for 20 ms.
    """
    while books:
        books.popitem()
