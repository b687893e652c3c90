"""A request's body as it was before it was compressed, never larger than it may be."""

from __future__ import annotations

import zlib

from qasino_server.errors import BadRequest, TooLarge, UnsupportedCoding
from qasino_server.table import shown

_STEP_BYTES = 1 << 20
_GZIP = 31  # zlib's word for a gzip header and trailer


def check_coding(coding: str | None) -> bool:
    """Whether the body is gzip; raises UnsupportedCoding for what is neither that nor plain."""
    name = (coding or "identity").strip().lower()
    if name in ("gzip", "x-gzip"):
        return True
    if name in ("identity", ""):
        return False
    raise UnsupportedCoding(f"Content-Encoding {shown(name)} is not known here; send gzip or plain")


def unpacked(body: bytes, max_bytes: int) -> bytes:
    """The body unpacked; several gzip members in a row are one.

    Raises TooLarge once it would be larger than `max_bytes`, BadRequest where it is no gzip
    or breaks off.
    """
    parts: list[bytes] = []
    size_bytes = 0
    while body:
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            part = _next_part(member, body)
            size_bytes += len(part)
            if size_bytes > max_bytes:
                raise TooLarge(
                    f"the body is larger than {max_bytes} bytes unpacked, the most this server"
                    " takes (--max-body)"
                )
            parts.append(part)
            body = member.unconsumed_tail
        body = member.unused_data
    return b"".join(parts)


def _next_part(member: zlib._Decompress, body: bytes) -> bytes:
    try:
        part = member.decompress(body, _STEP_BYTES)
    except zlib.error as error:
        raise BadRequest(f"the body is not gzip, as its Content-Encoding says: {error}") from None
    if not part and not member.eof and not member.unconsumed_tail:
        raise BadRequest("the gzip body breaks off before its end")
    return part
