"""The bytes of a JSON request -> its keys, and what is wrong where they cannot be read.

What is nothing but refused has to be cheap: a body of 64 MiB that is `[[],[],..` becomes
gigabytes of Python's values in ten seconds that belong to nobody else, since msgspec holds the
GIL. So a key takes scalars, and reading ends at the first array or object where none may be; then
the body is read once more, with those parts passed over, for the sentence.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from qasino_server.errors import BadRequest
from qasino_server.table import MAX_COLUMNS

Scalar = str | int | float | bool | None

NOTHING = msgspec.Raw(b"")
"""In the place of a part that was not sent."""


class TableBody(msgspec.Struct):
    """The keys of a table; its arrays are the JSON that was sent."""

    tablename: Scalar = None
    column_names: msgspec.Raw = NOTHING
    column_types: msgspec.Raw = NOTHING
    column_descriptions: msgspec.Raw = NOTHING
    rows: msgspec.Raw = NOTHING


class Body(msgspec.Struct):
    """Every key a request may have; which ones it must have depends on its op."""

    op: Scalar = None
    identity: Scalar = None
    table: TableBody | None = None
    persist: Scalar = False
    static: Scalar = False
    update: Scalar = False
    keycols: Scalar = None
    replace: Scalar = False
    ttl_s: Scalar = None
    sql: Scalar | msgspec.UnsetType = msgspec.UNSET
    typed: Scalar = False
    query_id: Scalar = None
    use_write_db: Scalar = False
    tablename: Scalar = None


def _unread(keys: type[msgspec.Struct], **others: Any) -> type[msgspec.Struct]:
    """The same keys, whose values are all left as JSON but for those given."""
    fields = [
        (name, others.get(name, msgspec.Raw), None if name in others else NOTHING)
        for name in keys.__struct_fields__
    ]
    return msgspec.defstruct(f"_Unread{keys.__name__}", fields)


_ARRAYS = ("column_names", "column_types", "column_descriptions")
_Strings = list[str] | None
_WholeTable = _unread(TableBody, **dict.fromkeys(_ARRAYS, _Strings))

_decoder = msgspec.json.Decoder(Body)
_unread_decoder = msgspec.json.Decoder(_unread(Body, table=_unread(TableBody) | None))
_whole_decoder = msgspec.json.Decoder(_unread(Body, table=_WholeTable | None))
_strings_decoder = msgspec.json.Decoder(_Strings)

_LONG_BYTES = 1 << 20
"""A longer array is not read before its entries were counted."""
_SHORT_BYTES = 256
"""A longer value is not read only to be repeated in a sentence."""
_OF_HALVES = re.compile("invalid utf-16 surrogate pair|unexpected end of hex escape")
_PLACE = re.compile(r"\(byte (\d+)\)$")
_NO_NUMBERS = (b"NaN", b"Infinity")
"""What some programs write for numbers that JSON has not; Python's json does unless it is told."""

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading a body or a part of it raises; `unreadable` puts it in words."""


def read_body(body: bytes) -> Body:
    """The keys of a request. Raises one of UNREADABLE."""
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        return _read_past_arrays(body, error)


def _read_past_arrays(body: bytes, error: msgspec.ValidationError) -> Body:
    """The keys of a request that has arrays or objects where none may be.

    Whether that is wrong its op says: another's keys are taken no notice of.
    """
    values = msgspec.structs.asdict(_unread_decoder.decode(body))
    table = values.pop("table")
    try:
        if table is None:
            return Body(**_glances(values))
        arrays = msgspec.structs.asdict(table)
        name = _glances({"tablename": arrays.pop("tablename")})
        return Body(**_glances(values), table=TableBody(**name, **arrays))
    except UNREADABLE:
        raise error from None


def _glances(values: dict[str, msgspec.Raw]) -> dict[str, Any]:
    """What was sent; an array or an object that is not short only as something in one."""
    return {
        name: msgspec.json.decode(raw) if len(raw) <= _SHORT_BYTES or not _nests(raw) else ["..."]
        for name, raw in values.items()
        if raw is not NOTHING
    }


def _nests(raw: msgspec.Raw) -> bool:
    return bytes(memoryview(raw)[:1]) in (b"[", b"{")


def read_strings(raw: msgspec.Raw | bytes, what: str) -> tuple[str, ...] | None:
    """An array of strings, one for each column; None where there is none.

    Raises BadRequest, or one of UNREADABLE where it is not JSON after all.
    """
    if len(raw) > _LONG_BYTES and _least_entries(bytes(raw)) > MAX_COLUMNS:
        raise BadRequest(f"{what} has more than {MAX_COLUMNS} entries, the most columns there are")
    try:
        found = _strings_decoder.decode(raw) if len(raw) else None
    except msgspec.ValidationError as error:
        entry = re.search(r"at `\$\[(\d+)\]`", str(error))
        if entry is None:
            raise BadRequest(f"{what} must be a JSON array") from None
        raise BadRequest(f"{what}: entry {int(entry[1]) + 1} must be a string") from None
    return None if found is None else tuple(found)


def _least_entries(array: bytes) -> int:
    """How many strings an array has at least, without reading one.

    Each stands in two quotes; a quote inside has a backslash before it.
    """
    return (array.count(b'"') - array.count(b'\\"')) // 2


def fault_in(body: bytes) -> Exception | None:
    """What is found where the arrays of a header are read with the body: its place is in that."""
    table = msgspec.structs.asdict(_unread_decoder.decode(body))["table"]
    if any(len(getattr(table, name)) > _LONG_BYTES for name in _ARRAYS):
        return None
    try:
        _whole_decoder.decode(body)
    except UNREADABLE as error:
        return error
    return None


def unreadable(body: bytes, error: Exception) -> BadRequest:
    """What is wrong with a body of which some part could not be read."""
    if not body.strip():
        return BadRequest("the request is empty; it must be a JSON object")
    if isinstance(error, RecursionError):
        return BadRequest("the JSON is nested too deeply")
    if isinstance(error, msgspec.ValidationError):
        return BadRequest(_validation_sentence(str(error)))
    if isinstance(error, UnicodeDecodeError):
        decode_utf8(body, "the request")
        return BadRequest("the request is not UTF-8")
    return BadRequest(_decode_sentence(str(error), body))


def decode_utf8(part: bytes | msgspec.Raw, what: str) -> str:
    """The text of a part of a message. Raises BadRequest with the byte at fault."""
    try:
        return str(part, "utf-8")
    except UnicodeDecodeError as error:
        found = bytes(part)[error.start]
        raise BadRequest(
            f"{what} is not UTF-8: byte 0x{found:02x} at byte {error.start} of it"
        ) from None


def _validation_sentence(message: str) -> str:
    """msgspec's "Expected `object`, got `array` - at `$.table`", in our words."""
    found = re.fullmatch(r"Expected `(.*)`, got `(\w+)`(?: - at `\$\.?(.*)`)?", message)
    if found is None:
        return f"the request cannot be used: {message.replace('$.', '')}"
    wanted = found[1].replace(" | null", "")
    if " | " in wanted:
        return f"{found[3]} must not be a JSON {found[2]}"
    return f"{found[3] or 'the request'} must be a JSON {wanted}, not {found[2]}"


def _decode_sentence(message: str, body: bytes) -> str:
    """msgspec's "JSON is malformed: .. (byte 7)", likewise."""
    if message == "Input data was truncated":
        return "the request is not JSON: it ends too early, or holds half a surrogate pair"
    problem = _OF_HALVES.sub("half a surrogate pair", message.removeprefix("JSON is malformed: "))
    place = _PLACE.search(problem)
    if place is not None and body.startswith(_NO_NUMBERS, int(place[1])):
        problem += "; JSON has no NaN and no Infinity: send null, or a text"
    return f"the request is not JSON: {problem}"
