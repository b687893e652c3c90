"""One file and the question whether its writer is done with it.

A file is judged when its writer has closed or renamed it and what it holds is sound, or else
when it has stayed the same for a while. Until then the last judgement stands. Rules:
1. What a file was before it broke stays in force (`value`) until it is sound again or gone.
2. A file is the same if device, inode, size, mtime *and ctime* are: a rewrite of equal length
   that puts the old mtime back still moves ctime, which nobody can set.
3. The same content is not parsed twice.

No threads, no events: `heard`, `glance` and `look` are told the time (monotonic seconds).
"""

from __future__ import annotations

import errno
import hashlib
import logging
import math
import os
import stat
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from qasino_cli.csvagent.pace import Pace
from qasino_cli.errors import InputRejected
from qasino_cli.readers.draft import PARTS_REMEDY

T = TypeVar("T")

log = logging.getLogger("qasino.csvagent")

MAX_FILE_BYTES = 64 << 20  # what a server takes in a message unless it was told otherwise
_TOO_LARGE = (
    f"it has over {MAX_FILE_BYTES >> 20} MiB, more than a server takes in one table; {PARTS_REMEDY}"
)
LARGE_BYTES = 4 << 20  # more is read again only when it looks changed, and when others are served
LARGE_S = 0.25

_ABSENT = (errno.ENOENT, errno.ENOTDIR)


class Flaw(InputRejected):
    """What is wrong with a file, and the line if it is known; the file is not named."""

    def __init__(self, sentence: str, line: int | None = None) -> None:
        super().__init__(sentence)
        self.line = line


_RESTLESS = Flaw("it keeps changing and does not end in a line end")


class Judgement(msgspec.Struct, Generic[T], frozen=True):
    """What came of a file's content. A value may have a flaw: part of it is usable."""

    value: T | None = None
    flaw: Flaw | None = None


class Sight(msgspec.Struct, frozen=True):
    """A file as it looks from outside."""

    device: int = 0
    inode: int = 0
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    reason: str = ""
    """Why it cannot be looked at; '' where it can."""


ABSENT = Sight(reason="no such file")


def sight_of(path: str) -> Sight:
    """The file as it looks now; ABSENT where there is none."""
    try:
        return _sight(os.stat(path))
    except (OSError, ValueError) as error:
        return _unseen(error)


def _sight(found: os.stat_result) -> Sight:
    if not stat.S_ISREG(found.st_mode):
        return Sight(inode=found.st_ino, reason="this is not a regular file")
    reason = _TOO_LARGE if found.st_size > MAX_FILE_BYTES else ""
    return Sight(
        found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, reason
    )


def _unseen(error: OSError | ValueError) -> Sight:
    if not isinstance(error, OSError):
        return Sight(reason="no file can have such a name")
    if error.errno in _ABSENT:
        return ABSENT
    return Sight(reason=(error.strerror or str(error)).lower())


def read_whole(path: str) -> tuple[bytes, Sight]:
    """The content and the sight it belongs to, taken before it was read: what is written
    meanwhile makes the file look other than that."""
    try:
        # Without O_NONBLOCK a named pipe would have us wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return _read_open(descriptor)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        return b"", _unseen(error)


def _read_open(descriptor: int) -> tuple[bytes, Sight]:
    before = _sight(os.fstat(descriptor))
    if before.reason:
        return b"", before
    with open(descriptor, "rb", closefd=False) as file:
        return file.read(MAX_FILE_BYTES + 1), before


class FollowedFile(Generic[T]):
    """A file, the last judgement on it, and when to look at it again."""

    def __init__(self, path: str, parse: Callable[[bytes], Judgement[T]], pace: Pace) -> None:
        self.path = path
        self.value: T | None = None
        """What the file held when it was last sound."""
        self.revision = 0
        """Counts the values."""
        self.flaw: Flaw | None = None
        self.mtime: float | None = None
        """Of the file as last judged; None where it is missing."""
        self.value_mtime: float | None = None
        """Of the content that `value` is."""
        self.read_epoch = 0.0
        self.read_time_s = -1.0
        self.look_at = 0.0
        """When `look` has something to do; infinity is when something happens."""
        self._parse = parse
        self._pace = pace
        self._judged: Sight | None = None
        self._digest = b""
        self._reread = True
        self._whole = False
        """Its writer is known to have closed it, or put it there whole."""
        self._steady: tuple[Sight, float] | None = None
        self._changing_since = math.inf

    @property
    def judged(self) -> bool:
        """Whether there is any judgement yet."""
        return self._judged is not None

    @property
    def missing(self) -> bool:
        """Whether there is no such file."""
        return self._judged == ABSENT

    @property
    def large(self) -> bool:
        """Whether others should not wait while it is read; of a packed one that shows only once
        it was."""
        return self.read_time_s > LARGE_S or sight_of(self.path).size > LARGE_BYTES

    def heard(self, now: float) -> None:
        """An event about it: somebody closed, renamed or removed it. It is read even if it looks
        unchanged."""
        self._whole = self._reread = True
        self._changing_since = min(self._changing_since, now)
        latest = self._changing_since + self._pace.patience_s
        self.look_at = min(now + self._pace.quiet_s, max(now, latest))

    def glance(self, now: float) -> None:
        """Have it looked at in a while if from outside it is not what was judged."""
        seen = sight_of(self.path)
        if seen == self._judged:
            return
        self._note(seen, now)
        self.look_at = min(self.look_at, now + self._pace.settle_s)

    def reread(self, now: float) -> None:
        """Have the content compared though the file looks unchanged."""
        if self._judged is not None and self._judged.size <= LARGE_BYTES:
            self._reread = True
            self.look_at = min(self.look_at, now)

    def forget(self) -> None:
        """Judge anew at the next look, whatever was known; the value stays in force."""
        self._reread = True
        self._digest = b""
        self.look_at = 0.0

    def look(self, now: float, hasty: bool = False) -> bool:
        """Judge the file if its writer is done with it; True where a judgement changed anything.

        `hasty` judges it as it is.
        """
        seen = sight_of(self.path)
        if seen == self._judged and not self._reread:
            self._rest()
            return False
        settled = self._settled(seen, now, hasty)
        if not self._whole and not settled:
            return self._later(now)
        began = time.perf_counter()
        body, seen = read_whole(self.path)
        if seen.reason and seen == self._judged:
            self._rest()
            return False
        digest = hashlib.blake2b(body, digest_size=16).digest()
        if digest == self._digest and not seen.reason:
            return self._same_again(seen)
        judgement = self._judgement(body, seen, now, hasty)
        if judgement is None:
            return self._later(now)
        self.read_time_s = time.perf_counter() - began
        self.read_epoch = time.time()
        self._adopt(judgement, seen, digest)
        if judgement.flaw is _RESTLESS:  # that is true of this moment, not of this content
            self.forget()
            self.look_at = now + self._pace.settle_s
        return True

    def _judgement(self, body: bytes, seen: Sight, now: float, hasty: bool) -> Judgement[T] | None:
        """What it holds; None where its writer may not be done with it yet."""
        judgement = self._read(body, seen)
        settled = self._settled(sight_of(self.path), now, hasty)
        if judgement.flaw is None and body.endswith(b"\n"):
            return judgement
        if not settled:
            return None
        return (
            Judgement(flaw=_RESTLESS)
            if judgement.flaw is None and self._restless(now)
            else judgement
        )

    def _read(self, body: bytes, seen: Sight) -> Judgement[T]:
        if seen.reason:
            return Judgement(flaw=Flaw(seen.reason))
        try:
            return self._parse(body)
        except Exception as error:
            # A reader's own mistake over one file must not end the publishing of all others,
            # nor have a service manager start the agent again and again.
            log.exception("%s: the reader failed", self.path)
            return Judgement(flaw=Flaw(f"reading it failed ({type(error).__name__}: {error})"))

    def _note(self, seen: Sight, now: float) -> None:
        self._changing_since = min(self._changing_since, now)
        if self._steady is None or self._steady[0] != seen:
            self._steady = (seen, now)

    def _settled(self, seen: Sight, now: float, hasty: bool) -> bool:
        """Whether it has stayed like this for long enough, or nobody has the time to wait."""
        self._note(seen, now)
        assert self._steady is not None
        return (
            hasty
            or (not self.judged and _old(seen, self._pace.settle_s))
            or now - self._steady[1] >= self._pace.settle_s
            or now - self._changing_since >= self._pace.patience_s
        )

    def _restless(self, now: float) -> bool:
        """Whether it was judged only because patience ran out."""
        assert self._steady is not None
        changing = now - self._changing_since >= self._pace.patience_s
        return changing and now - self._steady[1] < self._pace.settle_s

    def _later(self, now: float) -> bool:
        self.look_at = now + self._pace.settle_s
        return False

    def _rest(self) -> None:
        """Nothing to do until something happens."""
        self.look_at = self._changing_since = math.inf
        self._steady = None
        self._reread = self._whole = False

    def _same_again(self, seen: Sight) -> bool:
        """Other from outside, the same content: somebody touched it."""
        touched = seen.mtime_ns != getattr(self._judged, "mtime_ns", None)
        self._judged = seen
        self.mtime = seen.mtime_ns / 1e9
        if self.flaw is None:
            self.value_mtime = self.mtime
        self._rest()
        return touched

    def _adopt(self, judgement: Judgement[T], seen: Sight, digest: bytes) -> None:
        self._judged, self._digest, self.flaw = seen, digest, judgement.flaw
        self.mtime = seen.mtime_ns / 1e9 if seen.mtime_ns else None
        if seen.reason:
            self._digest = b""
        if seen == ABSENT:
            self.value, self.mtime, self.revision = None, None, self.revision + 1
        elif judgement.value is not None:
            self.value, self.value_mtime = judgement.value, self.mtime
            self.revision += 1
        self._rest()


def _old(seen: Sight, settle_s: float) -> bool:
    """Whether it was last written so long ago that its writer is done; also if it is missing.

    By the clock of the file system, which may be another machine's: asked only at the start.
    """
    return bool(seen.reason) or time.time() - seen.ctime_ns / 1e9 > settle_s
