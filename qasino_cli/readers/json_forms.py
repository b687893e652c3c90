"""JSON that is no Qasino message: objects, an array of them, arrays of cells, a line each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from qasino_cli.readers.draft import SKIP_REMEDY, BadPlace, Cell, Draft, Typed
from qasino_cli.readers.unpack import line_at, place

_decoder = msgspec.json.Decoder()


def read_json(text: str) -> Draft:
    """An array of objects or of arrays (the first of which is the header), or one object."""
    found = _decoded(text)
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        raise BadPlace(1, "the JSON must be an object or an array of them")
    if found and all(isinstance(item, list) for item in found):
        return _arrays(found)
    for number, item in enumerate(found, start=1):
        if not isinstance(item, dict):
            raise BadPlace(1, f"element {number} is no object", raw=_shown(item))
    return _objects(found, [1] * len(found))


def read_ndjson(text: str, skip_bad_rows: bool) -> Draft:
    """An object a line."""
    objects: list[dict[str, Any]] = []
    lines: list[int] = []
    rejects = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            objects.append(_object(line, number))
            lines.append(number)
        except BadPlace as error:
            if not skip_bad_rows:
                raise
            rejects.append(error.reject())
    draft = _objects(objects, lines)
    draft.rejects = rejects
    return draft


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        found = _decoder.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadPlace(number, f"not JSON: {_reason(error)}", None, line, SKIP_REMEDY) from None
    if not isinstance(found, dict):
        raise BadPlace(number, "the line is no JSON object", None, line, SKIP_REMEDY)
    return found


def _decoded(text: str) -> Any:
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise BadPlace(1, "the JSON is nested too deeply") from None
    except msgspec.DecodeError as error:
        message, _, byte = str(error).partition(" (byte ")
        offset = len(text.rstrip())
        if byte:
            offset = len(text.encode()[: int(byte.rstrip(")"))].decode(errors="replace"))
        line, column = place(text, offset)
        raise BadPlace(
            line, f"not JSON: {_reason(message)}", column, line_at(text, offset)
        ) from None


def _reason(error: object) -> str:
    return str(error).partition(" (byte ")[0].removeprefix("JSON is malformed: ")


def _objects(found: list[dict[str, Any]], lines: list[int]) -> Draft:
    """Columns are all keys, in the order they were first seen; a key an object lacks is NULL."""
    headers = list(dict.fromkeys(key for item in found for key in item))
    rows = [[_cell(item.get(header)) for header in headers] for item in found]
    return Draft(headers, rows, lines)


def _arrays(found: list[list[Any]]) -> Draft:
    headers = [name if isinstance(name, str) else _shown(name) for name in found[0]]
    for number, row in enumerate(found[1:], start=1):
        if len(row) != len(headers):
            raise BadPlace(
                1, f"row {number} has {len(row)} cells, the header {len(headers)}", raw=_shown(row)
            )
    rows = [list(_cells(row)) for row in found[1:]]
    return Draft(headers, rows, [1] * len(rows))


def _cells(row: Iterable[Any]) -> Iterable[Cell]:
    return map(_cell, row)


def _cell(value: Any) -> Cell:
    return None if value is None else Typed(value)


def _shown(value: Any) -> str:
    return msgspec.json.encode(value).decode()
