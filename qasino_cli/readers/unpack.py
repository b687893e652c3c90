"""The bytes of an input -> its text: unpacked, without a byte order mark, known to be text."""

from __future__ import annotations

import io
import re
import zlib

from qasino_cli.readers.draft import MAX_UNPACKED_BYTES, PARTS_REMEDY, SKIP_REMEDY, BadPlace
from qasino_server.gzip_body import member_parts

_GZIP = b"\x1f\x8b"
_PADDING = re.compile(rb"\0*")
_LOOKED_AT_BYTES = 8192

_BINARY = {
    b"\x7fELF": "an ELF program",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"%PDF-": "a PDF document",
    b"PK\x03\x04": "a ZIP archive, as .xlsx and .ods are",
    b"SQLite format 3\0": "an SQLite database",
    b"PAR1": "a Parquet file",
    _GZIP: "gzip within gzip",
}
_PACKED = {
    b"\xfd7zXZ\0": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\x08\x1b")) + b"\x7f"


def unpacked(body: bytes, max_bytes: int = MAX_UNPACKED_BYTES) -> bytes:
    """The body, gunzipped where it is gzip. Raises BadPlace, also once that is over `max_bytes`."""
    if not body.startswith(_GZIP):
        return body
    out = io.BytesIO()
    at = 0
    try:
        while body.startswith(_GZIP, at):
            at = _unpack_member(body, at, out, max_bytes)
    except EOFError:
        raise BadPlace(1, "the gzip data ends too early") from None
    except zlib.error as error:
        raise BadPlace(1, f"the gzip data is damaged: {error}") from None
    if at < len(body):
        raise BadPlace(1, "after the gzip data there is something else")
    return out.getvalue()


def _unpack_member(body: bytes, begins: int, out: io.BytesIO, max_bytes: int) -> int:
    """Unpack one of the members a gzip file may have; gives where what follows it begins."""
    at = begins
    for part, goes_on in member_parts(memoryview(body), begins):
        at = goes_on
        out.write(part)
        if out.tell() > max_bytes:
            raise BadPlace(1, f"it unpacks to over {max_bytes >> 20} MiB; {PARTS_REMEDY}")
    padding = _PADDING.match(body, at)
    return at if padding is None else padding.end()


def as_text(body: bytes, skip_bad_rows: bool = False) -> str:
    """The text of a body. Raises BadPlace at the first byte that is none.

    Where bad rows are skipped those bytes stay, as lone surrogates, for the readers to find.
    """
    _refuse_binary(body)
    if b"\r" in body and b"\n" not in body:
        body = body.replace(b"\r", b"\n")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if not skip_bad_rows:
            raise _not_utf8(error) from None
        text = body.decode("utf-8-sig", "surrogateescape")
    at = -1 if skip_bad_rows else text.find("\0")
    if at >= 0:
        line, column = place(text, at)
        reason = "a NUL character stands there, text has none"
        raise BadPlace(line, reason, column, line_at(text, at), SKIP_REMEDY)
    return text


def without_first_lines(text: str, count: int) -> str:
    """The text with its first lines emptied, so that every place stays what it is.

    Raises BadPlace where nothing stands below them.
    """
    if not count:
        return text
    at = 0
    for _ in range(count):
        at = text.find("\n", at) + 1 or len(text)
    if not text[at:].strip():
        raise BadPlace(text.count("\n", 0, at) or 1, f"--skip-lines {count} leaves nothing of it")
    return "\n" * count + text[at:]


def first_line(text: str) -> int:
    """Where the first line begins that is not empty."""
    return len(text) - len(text.lstrip("\r\n"))


def _refuse_binary(body: bytes) -> None:
    """Raise BadPlace for what is no text, with a name for it if there is one."""
    for magic, packer in _PACKED.items():
        if body.startswith(magic):
            raise BadPlace(1, f"it is packed: {packer} -dc FILE unpacks it")
    for magic, what in _BINARY.items():
        if body.startswith(magic):
            raise BadPlace(1, f"this is binary, not text: {what}")
    if body.startswith(_UTF_16):
        raise BadPlace(1, "this is UTF-16: iconv -f utf16 -t utf8 FILE converts it")
    start = body[:_LOOKED_AT_BYTES]
    odd = len(start) - len(start.translate(None, _CONTROLS))
    if odd > 1 and odd * 20 > len(start) and b"\0" in start:
        raise BadPlace(1, "this is binary, not text")


def _not_utf8(error: UnicodeDecodeError) -> BadPlace:
    body = error.object  # a byte order mark is none of it
    begins = body.rfind(b"\n", 0, error.start) + 1
    line = body.count(b"\n", 0, error.start) + 1
    raw = body[begins:].split(b"\n", 1)[0].decode(errors="surrogateescape")
    column = len(body[begins : error.start].decode()) + 1
    byte = body[error.start]
    remedy = f"iconv -f latin1 -t utf8 may convert it; {SKIP_REMEDY}"
    return BadPlace(line, f"byte 0x{byte:02x} is not UTF-8", column, raw, remedy)


def place(text: str, offset: int, line: int = 1, begins: int = 0) -> tuple[int, int]:
    """Line and column of a character, counted on from a place before it whose line is known."""
    last = text.rfind("\n", 0, offset) + 1
    return text.count("\n", begins, offset) + line, offset - last + 1


class Places:
    """Lines and columns of offsets that only grow: each character is looked at once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._begins = 0

    def of(self, at: int) -> tuple[int, int]:
        """Line and column of a character."""
        self._line += self._text.count("\n", self._at, at)
        self._begins = self._text.rfind("\n", self._at, at) + 1 or self._begins
        self._at = at
        return self._line, at - self._begins + 1


def line_at(text: str, offset: int) -> str:
    """The line a character stands in."""
    begins = text.rfind("\n", 0, offset) + 1
    ends = text.find("\n", offset)
    return text[begins : len(text) if ends < 0 else ends].rstrip("\r")
