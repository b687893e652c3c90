"""A streamed answer on its way: the line of names apart from the rows, NULL as another text. Pure.

Pieces come cut anywhere, and of none more is kept than of the line of names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from qasino_server.render import CsvStream

_HEADS = {"csv": re.compile(rb'(?:[^"\n]|"[^"]*+")*+\n'), "tsv": re.compile(rb"[^\n]*\n")}
_NULL_IN_CSV = re.compile(rb'"[^"]*+"?|(?<=[,\n])(?=[,\n])')
"""A text in quotes, which may go on in the next piece; or nothing, where a field might be."""
_NULL_IN_TSV = re.compile(rb"(?<=[\t\n])\\N(?=[\t\n])")
_MAY_BE_NULL = re.compile(rb"(?<=[\t\n])\\N?\Z")


def split_head(pieces: Iterator[bytes], form: str) -> tuple[bytes, Iterator[bytes]]:
    """The line of names, which ndjson has none of, and the pieces behind it."""
    ends = _HEADS.get(form)
    if ends is None:
        return b"", pieces
    begun = b""
    for piece in pieces:
        begun += piece
        if (head := ends.match(begun)) is not None:
            return head[0], chain([begun[head.end() :]], pieces)
    return begun, pieces


def with_null(rows: Iterator[bytes], form: str, null: str) -> Iterator[bytes]:
    """The rows with this text for NULL: quoted in csv where others would be, as it is in tsv."""
    if form == "csv" and null:
        return _csv_with_null(rows, CsvStream().rows([[null]]).removesuffix("\n").encode())
    return _tsv_with_null(rows, null.encode()) if form == "tsv" else rows


def _csv_with_null(rows: Iterator[bytes], null: bytes) -> Iterator[bytes]:
    """`before` stands for what has come: the end of a line or a field, or quotes that are open."""
    before, is_open = b"\n", False
    for piece in filter(None, rows):
        yield _NULL_IN_CSV.sub(lambda found: found[0] or null, before + piece)[1:]
        is_open ^= piece.count(b'"') % 2 == 1
        before = b'"' if is_open else piece[-1:].replace(b'"', b" ")


def _tsv_with_null(rows: Iterator[bytes], null: bytes) -> Iterator[bytes]:
    """`before` has been written; what `may_be` a NULL is not, before more has come."""
    before, may_be = b"\n", b""
    for piece in rows:
        text = before + may_be + piece
        tail = _MAY_BE_NULL.search(text)
        may_be = b"" if tail is None else tail[0]
        text = text.removesuffix(may_be)
        yield _NULL_IN_TSV.sub(lambda found: null, text)[1:]
        before = text[-1:]
    yield may_be
