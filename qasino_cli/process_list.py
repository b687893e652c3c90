"""Passwords out of the process list: what `ps` shows of this process is overwritten in place.

Linux shows the arguments of a process to every user of the host, from that process's own
memory, and Python has copied them by then; curl does the same. Elsewhere, and in the instant
before, a password is there to be seen: a file, ~/.netrc or the prompt is the better way.
"""

from __future__ import annotations

import re
import sys

_ARG_START = 48 - 3  # of proc_pid_stat(5), whose third field is the first one after the name


def strike_out(secret: str) -> None:
    """Overwrite a password in the arguments that the system shows, as far as it can be done."""
    if not secret or not sys.platform.startswith("linux"):
        return
    try:
        with open("/proc/self/cmdline", "rb") as shown:
            arguments = shown.read()
        with open("/proc/self/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return
    start, end = map(int, fields[_ARG_START : _ARG_START + 2])
    if start and end - start == len(arguments):  # else it is not for us to see, or not there
        _overwrite(start, arguments, secret.encode(errors="surrogateescape"))


def _overwrite(start: int, arguments: bytes, secret: bytes) -> None:
    """Where it is an option's value or the password of a URL; as a part of a word it is none.

    With it go the other values of -w, of which the last one counts.
    """
    import ctypes  # 5 ms, for what few commands carry

    one = rb"(?:[\0=:]|\0-[A-Za-z]*w)(" + re.escape(secret) + rb")(?=[\0@])"
    others = rb"\0(?:-w\0?|--password[\0=])([^\0]+)(?=\0)"
    for found in (one, others):
        for place in re.finditer(found, arguments):
            ctypes.memset(start + place.start(1), ord("x"), len(place[1]))
