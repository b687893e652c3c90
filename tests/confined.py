"""`python confined.py FAMILIES COMMAND..`: run a command that may open sockets of these families
alone, as systemd has it with RestrictAddressFamilies=; the others end in EAFNOSUPPORT.

By a seccomp filter of Linux, on x86-64 and 64-bit ARM:
https://www.kernel.org/doc/html/latest/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
import sys
from collections.abc import Iterable

SOCKET_CALL = {"x86_64": 41, "aarch64": 198}
"""The number of the system call, by machine."""

_NUMBER_AT, _FAMILY_AT = 0, 16
"""Where a filter finds the call's number and, of a little-endian word, its first argument."""
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _MODE_FILTER = 38, 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def _filter(call: int, families: Iterable[int]) -> bytes:
    """Of steps (code, steps passed over where equal, where not, value)."""
    allowed = list(families)
    steps = [(_LOAD, 0, 0, _NUMBER_AT), (_JUMP_EQUAL, 0, len(allowed) + 2, call)]
    steps += [(_LOAD, 0, 0, _FAMILY_AT)]
    steps += [(_JUMP_EQUAL, len(allowed) - n, 0, family) for n, family in enumerate(allowed)]
    steps += [(_RETURN, 0, 0, _ERROR | errno.EAFNOSUPPORT), (_RETURN, 0, 0, _ALLOW)]
    return b"".join([struct.pack("=HBBI", *step) for step in steps])


def confine(families: Iterable[int]) -> None:
    """From now on, for this process and what it starts. Raises OSError."""
    steps = _filter(SOCKET_CALL[platform.machine()], families)
    program = _Program(len(steps) // 8, steps)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong)
    for option, value, pointer in (
        (_NO_NEW_PRIVILEGES, 1, None),
        (_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(program)),
    ):
        if prctl(option, value, pointer, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    confine([getattr(socket, name) for name in sys.argv[1].split(",")])
    os.execvp(sys.argv[2], sys.argv[2:])
