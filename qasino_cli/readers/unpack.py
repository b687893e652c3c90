"""The bytes of an input -> its text: unpacked, without a byte order mark, known to be UTF-8."""

from __future__ import annotations

import io
import zlib

from qasino_cli.readers.draft import BadPlace

MAX_UNPACKED_BYTES = 1 << 30
_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20


def unpacked(body: bytes) -> bytes:
    """The body, gunzipped where it is gzip. Raises BadPlace."""
    if not body.startswith(_GZIP):
        return body
    out = io.BytesIO()
    rest = body
    try:
        while rest:
            unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
            out.write(unpack.decompress(rest, MAX_UNPACKED_BYTES - out.tell() + 1))
            if out.tell() > MAX_UNPACKED_BYTES:
                raise BadPlace(1, f"it unpacks to over {MAX_UNPACKED_BYTES >> 30} GiB")
            if not unpack.eof:
                raise BadPlace(1, "the gzip data ends too early")
            rest = unpack.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise BadPlace(1, f"not gzip after all: {error}") from None
    return out.getvalue()


def as_text(body: bytes) -> str:
    """The text of a body. Raises BadPlace at the first byte that is none."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if b"\0" in body[:8192]:
            raise BadPlace(1, "this is binary, not text") from None
        raise _not_utf8(body, error) from None
    at = text.find("\0")
    if at >= 0:
        line, column = place(text, at)
        raise BadPlace(line, "a NUL character stands there, text has none", column)
    return text


def _not_utf8(body: bytes, error: UnicodeDecodeError) -> BadPlace:
    begins = body.rfind(b"\n", 0, error.start) + 1
    line = body.count(b"\n", 0, error.start) + 1
    raw = body[begins:].split(b"\n", 1)[0].decode(errors="replace")
    column = len(body[begins : error.start].decode(errors="replace")) + 1
    byte = body[error.start]
    remedy = "iconv -f latin1 -t utf8 may convert it"
    return BadPlace(line, f"byte 0x{byte:02x} is not UTF-8", column, raw, remedy)


def place(text: str, offset: int) -> tuple[int, int]:
    """Line and column of a character."""
    begins = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, offset) + 1, offset - begins + 1


def line_at(text: str, offset: int) -> str:
    """The line a character stands in."""
    begins = text.rfind("\n", 0, offset) + 1
    return text[begins:].split("\n", 1)[0].rstrip("\r")
