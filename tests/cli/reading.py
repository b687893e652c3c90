"""An input as it is read, for tests of the readers."""

from __future__ import annotations

import json
from typing import Any

from qasino_cli.readers import Reading, Wanted, read_input


def read(text: str | bytes, path: str = "t.csv", **wanted: Any) -> Reading:
    body = text.encode() if isinstance(text, str) else text
    return read_input(path, body, Wanted(identity="me", **wanted))


def rows(reading: Reading) -> list[list[Any]]:
    found: list[list[Any]] = json.loads(reading.publication.rows_json)
    return found


def names(reading: Reading) -> list[str]:
    return [column.name for column in reading.publication.columns]
