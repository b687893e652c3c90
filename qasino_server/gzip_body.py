"""A request's body as it was before it was compressed, never larger than it may be."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

from qasino_server.errors import BadRequest, Cancelled, TooLarge, UnsupportedCoding
from qasino_server.table import shown

MEMBERS_MAX = 10_000
"""Each costs some microseconds, however little it holds."""
_STEP_BYTES = 1 << 20
_PIECE_BYTES = 16_384
"""zlib copies what is left of a piece behind the end of a member."""
_GZIP = 31  # zlib's word for a gzip header and trailer


def check_coding(coding: str | None) -> bool:
    """Whether the body is gzip; raises UnsupportedCoding for what is neither that nor plain."""
    name = (coding or "identity").strip().lower()
    if name in ("gzip", "x-gzip"):
        return True
    if name in ("identity", ""):
        return False
    raise UnsupportedCoding(f"Content-Encoding {shown(name)} is not known here; send gzip or plain")


def unpacked(body: bytes, max_bytes: int, given_up: Callable[[], bool] = lambda: False) -> bytes:
    """The body unpacked; several gzip members in a row are one.

    Raises TooLarge once it would be larger than `max_bytes`, BadRequest where it is no gzip,
    breaks off or is in over MEMBERS_MAX members, Cancelled soon after it is given up.
    """
    parts: list[bytes] = []
    size_bytes = 0
    for part in _parts(memoryview(body)):
        if given_up():
            raise Cancelled("nobody waits for the body any more")
        size_bytes += len(part)
        if size_bytes > max_bytes:
            raise TooLarge(
                f"the body is larger than {max_bytes} bytes unpacked, the most this server"
                " takes (--max-body)"
            )
        parts.append(part)
    return b"".join(parts)


def _parts(packed: memoryview) -> Iterator[bytes]:
    at, nr_members = 0, 0
    while at < len(packed):
        nr_members += 1
        if nr_members > MEMBERS_MAX:
            raise BadRequest(f"the gzip body is in more than {MEMBERS_MAX} members")
        try:
            for part, goes_on in member_parts(packed, at):
                at = goes_on
                yield part
        except EOFError:
            raise BadRequest("the gzip body breaks off before its end") from None
        except zlib.error as error:
            raise BadRequest(
                f"the body is not gzip, as its Content-Encoding says: {error}"
            ) from None


def member_parts(packed: memoryview, begins: int) -> Iterator[tuple[bytes, int]]:
    """What the gzip member that begins there holds, in parts, each with where reading goes on.

    Raises zlib.error where it is no gzip, EOFError where it breaks off.
    """
    member = zlib.decompressobj(_GZIP)
    at = begins
    while not member.eof:
        piece = packed[at : at + _PIECE_BYTES]
        part = member.decompress(piece, _STEP_BYTES)
        if not part and not piece and not member.eof:
            raise EOFError
        at += len(piece) - len(member.unconsumed_tail) - len(member.unused_data)
        yield part, at
