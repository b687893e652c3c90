"""The end of commands that we began, with all they started."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress

GRACE_S = 0.5
"""From SIGTERM to SIGKILL."""


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a command that leads its own process group, and all it started; takes 0.5 s at most.

    Another thread may wait for it meanwhile.
    """
    with suppress(ProcessLookupError):  # nobody of the group is left
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
