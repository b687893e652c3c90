"""JSON that is no Qasino message: objects, an array of them, arrays of cells, one after another.

Values are not decoded: their JSON is cut out and sent on, so that no digit of a number and no
blank of a nested object is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from qasino_cli.readers.draft import (
    HEADER_REMEDY,
    NOT_TEXT,
    SKIP_REMEDY,
    BadPlace,
    Cell,
    Draft,
    Faults,
    Row,
    cut,
)
from qasino_cli.readers.unpack import Places, line_at, place

_Object = dict[str, msgspec.Raw]
_Numbered = tuple[int, int, _Object]

T = TypeVar("T")

_OBJECTS = re.compile(rb"\[\s*\{")

_OF_HALVES = (
    "invalid utf-16 surrogate pair",
    "unexpected end of hex escape",
    "Input data was truncated",
)
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)

_item = msgspec.json.Decoder(msgspec.Raw)
_items = msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(_Object)
_one = json.JSONDecoder(parse_int=str)  # Python makes no int of over 4,300 digits
_keys = json.JSONDecoder(parse_int=str, object_pairs_hook=lambda pairs: [k for k, _ in pairs])


def read_json(text: str, faults: Faults) -> Draft:
    """An array of objects or of arrays (the first of which is the header), or one object."""
    start = text.lstrip()[:1]
    if start == "{":
        found = _whole(_object.decode, text)
        at = len(text) - len(text.lstrip())
        line, column = place(text, at)
        _check_keys(text.strip(), found, line, column)
        draft = _objects(lambda first: iter([(line, at, found)]), text, _value_at)
        return msgspec.structs.replace(draft, notes=_rows_within(found))
    if start != "[":
        _whole(_item.decode, text)
        raise BadPlace(1, "the JSON must be an object or an array of them", None, line_at(text, 0))
    items = _whole(_items.decode, text)
    if not items:
        line, column = place(text, text.index("["))
        reason = "the array is empty: there are no columns in it"
        raise BadPlace(line, reason, column, "[]", "--header A,B names them", column)
    if _are_arrays(items):
        return _arrays(text, items, faults)
    return _objects(lambda first: _read_items(text, items, faults, first), text, _value_at)


def read_arrays(text: str, names: Sequence[str], faults: Faults) -> Draft | None:
    """An array of arrays each of which is a row; None for objects, which name their columns."""
    items = _whole(_items.decode, text)
    return _arrays(text, items, faults, names) if _are_arrays(items) else None


def _are_arrays(items: Sequence[msgspec.Raw]) -> bool:
    return all(str(item, "utf-8").startswith("[") for item in items)


def _rows_within(found: _Object) -> list[str]:
    """A hint where an object is no row but holds them: `lsblk -J`, `kubectl get -o json`."""
    holders = [key for key, value in found.items() if _OBJECTS.match(bytes(value))]
    if len(holders) != 1 or not holders[0].isidentifier():
        return []
    return [f"it is one row; `jq .{holders[0]}` makes one of each object in {holders[0]}"]


def read_ndjson(text: str, faults: Faults) -> Draft:
    """An object a line, or objects one after another as `jq` prints them."""
    if _spans_lines(NOT_TEXT.sub("?", text)):
        return _objects(lambda first: _read_stream(text, faults, first), text, _value_at)
    return _objects(lambda first: _read_lines(text, faults, first), text, line_at)


def is_stream(text: str) -> bool:
    """Whether another object follows the first."""
    text = NOT_TEXT.sub("?", text)
    try:
        _object.decode(text)
    except msgspec.ValidationError:
        return False
    except (msgspec.DecodeError, RecursionError):
        return _first_lines_hold_objects(text) or _spans_lines(text)
    return False


def _first_lines_hold_objects(text: str) -> bool:
    """Whether one of the first two lines that are not blank is an object by itself, of several."""
    lines = (line for line in text[:65536].split("\n") if line.strip())
    first, second = next(lines, ""), next(lines, "")
    return bool(second) and (_is_object(first) or _is_object(second))


def _is_object(line: str) -> bool:
    try:
        _object.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _spans_lines(text: str) -> bool:
    """Whether the first object has several lines and something after it."""
    start = text.lstrip()
    if _is_object(start.split("\n", 1)[0]):
        return False
    try:
        _, end = _one.raw_decode(start)
    except (ValueError, RecursionError):
        return False
    return "\n" in start[:end] and start[end:].lstrip()[:1] == "{"


# --- Rows --------------------------------------------------------------------------------------


def _objects(
    read: Callable[[bool], Iterator[_Numbered]], text: str, raw: Callable[[str, int], str]
) -> Draft:
    """Columns are all keys, in the order they were first seen; a key an object lacks is NULL.

    `read` is told whether it reads for the first time: then every object is checked. `raw` is
    what stands in the text at an object's offset.
    """
    seen: dict[str, None] = {}
    for _, _, found in read(True):
        seen.update(found)  # type: ignore[arg-type]  # only the keys count
    headers = list(seen)

    def rows() -> Iterator[Row]:
        for line, begins, found in read(False):
            yield line, begins, _cells(map(found.get, headers))

    return Draft(headers=headers, rows=rows, typed=True, raw=lambda at: raw(text, at))


def _value_at(text: str, at: int) -> str:
    """The whole JSON value that begins there: one line may have all rows, or a row several."""
    try:
        return text[at : _one.raw_decode(text, at)[1]]
    except (ValueError, RecursionError):  # the other decoder takes more of it
        return line_at(text, at)


def _read_lines(text: str, faults: Faults, first: bool) -> Iterator[_Numbered]:
    begins = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip() and not faults.has(number) and faults.is_text(number, line):
            try:
                yield number, begins, _read_object(line, number, first)
            except BadPlace as error:
                faults.bad_row(error)
        begins += len(line) + 1


def _read_stream(text: str, faults: Faults, first: bool) -> Iterator[_Numbered]:
    """Objects of several lines; what follows one that is broken cannot be told apart."""
    places = Places(text)
    at = len(text) - len(text.lstrip())
    while at < len(text):
        line, column = places.of(at)
        try:
            _, end = _one.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            if isinstance(error, json.JSONDecodeError):
                at = error.pos
                line, column = place(text, at)
            fault = BadPlace(line, "not JSON from here on", column, line_at(text, at))
            raise fault from None
        try:
            if not faults.has(line, at) and faults.is_text(line, text[at:end]):
                yield line, at, _read_object(text[at:end], line, first, column)
        except BadPlace as error:
            faults.bad_row(error, at)
        rest = text[end : end + 65536]
        while rest and not rest.strip():
            end += len(rest)
            rest = text[end : end + 65536]
        at = end + len(rest) - len(rest.lstrip())


def _read_items(
    text: str, items: Sequence[msgspec.Raw], faults: Faults, first: bool
) -> Iterator[_Numbered]:
    """The objects of an array."""
    places = Places(text)
    for number, (at, item) in enumerate(_placed(text, items), start=1):
        line, column = places.of(at)
        if faults.has(line, at):
            continue
        try:
            if not item.startswith("{"):
                reason = f"element {number} is no object"
                raise BadPlace(line, reason, column, item, raw_begins=column)
            yield line, at, _read_object(item, line, first, column)
        except BadPlace as error:
            faults.bad_row(error, at)


def _placed(text: str, items: Sequence[msgspec.Raw]) -> Iterator[tuple[int, str]]:
    """Each element of an array with where it begins."""
    at = text.index("[") + 1
    for item in items:
        raw = str(item, "utf-8")
        at = text.index(raw, at)
        yield at, raw
        at += len(raw)


def _arrays(
    text: str, items: Sequence[msgspec.Raw], faults: Faults, given: Sequence[str] = ()
) -> Draft:
    """Rows of cells, the first of which is the header unless names are given."""
    headers = given or _headers(text, items)
    what = "--header" if given else "the header"

    def rows() -> Iterator[Row]:
        placed, places = _placed(text, items), Places(text)
        if not given:
            next(placed)
        for number, (at, item) in enumerate(placed, start=1):
            row = _cells(_items.decode(item))
            line, column = places.of(at)
            if len(row) == len(headers):
                yield line, at, row
                continue
            reason = f"row {number} has {len(row)} cells, {what} {len(headers)}"
            faults.bad_row(BadPlace(line, reason, column, item, raw_begins=column), at)

    return Draft(
        headers=headers,
        rows=rows,
        typed=True,
        raw=lambda at: _value_at(text, at),
        header_row="" if given else "the first array",
    )


def _headers(text: str, items: Sequence[msgspec.Raw]) -> list[str]:
    """What the first array names. Raises BadPlace where it has anything but text: it is a row."""
    cells: list[msgspec.Raw] = _items.decode(items[0])
    for cell in (str(cell, "utf-8") for cell in cells):
        if not cell.startswith('"'):
            at, first = next(_placed(text, items))
            line, column = place(text, at)
            reason = f"the first array is taken for the header, and {cut(cell, 1)} is no name"
            raise BadPlace(line, reason, column, first, HEADER_REMEDY, column)
    return [msgspec.json.decode(cell, type=str) for cell in cells]


def _cells(values: Iterable[msgspec.Raw | None]) -> list[Cell]:
    return [
        None if value is None or (text := str(value, "utf-8")) == "null" else text
        for value in values
    ]


# --- Decoding ----------------------------------------------------------------------------------


def _read_object(item: str, line: int, first: bool, begins: int = 1) -> _Object:
    """One object of several, which begins in that column. Raises BadPlace."""
    try:
        found = _object.decode(item)
    except msgspec.ValidationError:
        raise BadPlace(line, "the line is no JSON object", 1, item, SKIP_REMEDY) from None
    except msgspec.DecodeError as error:
        offset, reason = _fault(item, error)
        column = None if "\n" in item else begins + offset
        raise BadPlace(line, reason, column, item, SKIP_REMEDY, begins) from None
    except RecursionError:
        raise _too_deep(item, line, begins) from None
    if first:
        _check_keys(item, found, line, begins)
    return found


def _check_keys(item: str, found: _Object, line: int, begins: int) -> None:
    """Raise BadPlace where an object has a key twice: one of its values would be lost.

    Each key takes two quotation marks, and the others stand in values: that is counted, which
    takes 1 microsecond. Only where it does not come out even are the keys looked at.
    """
    marks = sum([str(value, "utf-8").count('"') for value in found.values()])
    if item.count('"') == marks + 2 * len(found):
        return
    try:
        keys: list[str] = _keys.decode(item)
    except RecursionError:  # of this decoder, which takes less of it
        raise _too_deep(item, line, begins) from None
    twice = next((key for n, key in enumerate(keys) if key in keys[:n]), None)
    if twice is not None:
        at = item.rfind(json.dumps(twice, ensure_ascii=False))
        column = None if "\n" in item or at < 0 else begins + at
        reason = f"the object has the key {json.dumps(twice)} twice"
        raise BadPlace(line, reason, column, item, raw_begins=begins)


def _too_deep(item: str, line: int, begins: int) -> BadPlace:
    return BadPlace(line, "the JSON is nested too deeply", begins, item, raw_begins=begins)


def _whole(decode: Callable[[str], T], text: str) -> T:
    try:
        return decode(text)
    except RecursionError:
        raise BadPlace(1, "the JSON is nested too deeply") from None
    except msgspec.DecodeError as error:
        offset, reason = _fault(text, error)
        line, column = place(text, offset)
        raise BadPlace(line, reason, column, line_at(text, offset)) from None


def _fault(text: str, error: msgspec.DecodeError) -> tuple[int, str]:
    """Where it is, and what.

    Of half a surrogate pair msgspec says that the text ends too early, or in the hex digits.
    """
    reason = str(error).partition(" (byte ")[0].removeprefix("JSON is malformed: ")
    if reason in _OF_HALVES:
        half = next((found for found in _ESCAPE.finditer(text) if found["half"]), None)
        if half is not None:
            what = "is half of a surrogate pair, as some write text that is no UTF-8"
            return half.start(), f"{half['half']} {what}"
    return _offset(text, error), f"not JSON: {reason}"


def _offset(text: str, error: msgspec.DecodeError) -> int:
    """Where in the text msgspec stopped: its end, if it does not say."""
    _, _, byte = str(error).partition(" (byte ")
    if not byte:
        return len(text.rstrip())
    return len(text.encode()[: int(byte.rstrip(")"))].decode(errors="replace"))
