"""How long things are waited for. One value, so that tests can be in more of a hurry."""

from __future__ import annotations

import msgspec


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """Durations, each with its reason."""

    quiet_s: float = 0.05
    """After the last event of a file: `: > f; cat x >> f` closes it twice."""
    settle_s: float = 0.5
    """How long a file stays the same before it counts as written, where nobody told us that its
    writer has closed it, or where what it holds looks unfinished."""
    patience_s: float = 5.0
    """A file that never stays the same is taken as it is after so long."""
    rescan_s: float = 15.0
    """Every file is looked at from outside that often even if no event came: events get lost
    (queue overflows, network file systems). 1,000 files take 10 ms."""
    poll_s: float = 1.0
    """The same where there are no events at all."""
    scan_gap_s: float = 0.5
    """Events about names that are no file of ours cause no more than a scan in so long."""
    deep_turns: int = 20
    """In each rescan one file in so many is read though it looks unchanged, for writes that
    leave no trace outside (a mapping kept open, file systems with coarse clocks)."""
    retry_s: float = 1.0
    """First pause after the server was not reached; it doubles up to `retry_most_s`."""
    retry_most_s: float = 10.0
