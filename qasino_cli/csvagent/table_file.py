"""One file that is published: its table, what became of it, and the one word for that."""

from __future__ import annotations

import time

from qasino_cli.csvagent.followed import FollowedFile
from qasino_cli.csvagent.pace import Pace
from qasino_cli.csvagent.parcel import Claim, Parcel, Wrapping, pack

OK = "ok"
BROKEN = "broken"
MISSING = "missing"
STALE = "stale"
REFUSED = "refused"
UNANSWERED = "unanswered"


class TableFile:
    """A file, the name an index gives its table, and its publication."""

    def __init__(
        self, path: str, tablename: str | None, wrapping: Wrapping, pace: Pace, nth: int
    ) -> None:
        self.path = path
        self.given_name = tablename
        """None where the file itself names its table."""
        self.nth = nth
        """How many are named before it with the same path and table."""
        self.file = FollowedFile[Parcel](
            path, lambda body: pack(path, body, tablename, wrapping), pace
        )
        self.clash: str | None = None
        """Who publishes a table of that name already."""
        self.held: Claim | None = None
        """What it had for itself when there was last a judgement on every file."""
        self.refusal: str | None = None
        """The server's sentence on the last publication, or ours where it said nothing."""
        self.unanswered = False
        """It said nothing to that, though it answers others."""
        self.published_at: float | None = None
        self.sent_revision: int | None = None
        """Which value was sent last, whatever came of it."""

    @property
    def parcel(self) -> Parcel | None:
        """What is in force; None where there is nothing to send."""
        return self.file.value if self.clash is None else None

    @property
    def tablename(self) -> str | None:
        """The table, as far as it is known."""
        return self.file.value.tablename if self.file.value else self.given_name

    @property
    def holds(self) -> bool:
        """Whether it has its table already, which no other file then takes from it."""
        if self.parcel is None:
            return False
        return (
            self.published_at is not None if self.held is None else self.held == self.parcel.claim
        )

    def sendable(self, max_age_s: float | None) -> bool:
        """Whether there is something in force that may be sent now."""
        return self.parcel is not None and not self.stale(max_age_s)

    def stale(self, max_age_s: float | None) -> bool:
        """Whether what is in force was written too long ago."""
        if max_age_s is None or self.file.value is None or self.file.value_mtime is None:
            return False
        return time.time() - self.file.value_mtime > max_age_s

    def state(self, max_age_s: float | None) -> str:
        """One word for what there is to know; the worst counts."""
        if self.file.missing:
            return MISSING
        if self.file.flaw is not None or self.clash is not None:
            return BROKEN
        if self.stale(max_age_s):
            return STALE
        if self.refusal is None:
            return OK
        return UNANSWERED if self.unanswered else REFUSED

    def error(self, max_age_s: float | None) -> str | None:
        """The sentence to that word; None where all is well."""
        if self.file.flaw is not None:
            return self.file.flaw.sentence
        if self.clash is not None:
            return self.clash
        if self.stale(max_age_s):
            assert self.file.value_mtime is not None
            age_s = time.time() - self.file.value_mtime
            return f"it was written {age_s:.0f} s ago, more than --max-age {max_age_s:g}"
        return self.refusal

    @property
    def error_line(self) -> int | None:
        """Where in the file the error is, if it is in one line."""
        return self.file.flaw.line if self.file.flaw else None
