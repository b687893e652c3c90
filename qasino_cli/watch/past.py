"""The pictures that were seen, to look back at: some of them, the newest last. Pure.

No server keeps a history; what is kept here is what this screen has shown or would have shown, of
one statement, for as long as it is open.
"""

from __future__ import annotations

import msgspec

from qasino_cli.watch.diff import Picture

MAX_SEEN = 120
"""So many pictures are kept: an hour of generations of 30 s, as the server's overview has."""
MAX_CELLS = 1_000_000
"""So many cells at most in all of them, some 60 MB; the newest picture is kept however large it
is."""


class Seen(msgspec.Struct, frozen=True):
    """A picture, of which statement, and what was said of it."""

    sql: str
    picture: Picture
    heard_at: float | None
    """When its snapshot began, on the monotonic clock."""
    trouble: str = ""
    """Why it was not to be believed."""


def added(past: tuple[Seen, ...], newest: Seen) -> tuple[Seen, ...]:
    """The past with one more. The same picture again takes its own place, and another statement
    begins anew."""
    if past and past[-1].sql != newest.sql:
        past = ()
    elif past and past[-1].picture is newest.picture:
        past = past[:-1]
    return _bounded((*past, newest))


def _bounded(past: tuple[Seen, ...]) -> tuple[Seen, ...]:
    """As many of the newest as the bounds allow."""
    cells = 0
    for nr_kept, one in enumerate(reversed(past)):
        cells += len(one.picture.rows) * len(one.picture.names)
        if nr_kept and (nr_kept == MAX_SEEN or cells > MAX_CELLS):
            return past[-nr_kept:]
    return past
