"""The end of commands that we began, with all they started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress

GRACE_S = 0.5
"""From SIGTERM to SIGKILL, and for the end after that."""
_LOOK_S = 0.01
"""Between two looks at whether anybody of a group is left: nobody tells of its last."""


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a command that leads its own process group, and all it started; takes 1 s at most.

    The command itself may be gone at once: the shell of a pipeline does not wait for what is in it.
    What has become another user's, as under sudo, is not ours to end and may live on. Another
    thread may wait for the command meanwhile.
    """
    with suppress(ProcessLookupError, PermissionError):  # nobody of the group is left, or ours
        os.killpg(process.pid, signal.SIGTERM)
        ends = time.monotonic() + GRACE_S
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
        while time.monotonic() < ends:
            os.killpg(process.pid, 0)  # fails once nobody is left
            time.sleep(_LOOK_S)
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_S)
