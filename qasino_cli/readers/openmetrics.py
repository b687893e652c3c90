"""Metrics as exporters print them: the Prometheus text format and OpenMetrics -> one long table.

A row for each sample: its metric, its type, a column for each label, its value, its time if it
has one. Labels are columns, since that is what one asks for (`where device = 'sda'`); one that
a sample does not have is NULL. A NaN is NULL, since SQL has none; infinities stay.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import math
import re

from qasino_cli.readers.draft import SKIP_REMEDY, BadPlace, Cell, Draft, Typed

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABELS = r'\{(?P<labels>(?:[^"}]|"(?:[^"\\]|\\.)*")*)\}'
_SAMPLE = re.compile(
    rf"(?P<name>{_NAME})\s*(?:{_LABELS})?\s+(?P<value>\S+)(?:\s+(?P<time>[-+0-9.eE]+))?\s*(?:#.*)?"
)
_LABEL = re.compile(r'\s*(?P<name>[a-zA-Z_]\w*)\s*=\s*"(?P<value>(?:[^"\\]|\\.)*)"\s*(?:,|$)')
_TYPE = re.compile(rf"#\s*TYPE\s+(?P<name>{_NAME})\s+(?P<type>\w+)\s*")
_SUFFIXES = ("_total", "_bucket", "_count", "_sum", "_created", "_info")
_ESCAPES = {"n": "\n", "\\": "\\", '"': '"'}
_OWN = ("metric", "type", "value", "timestamp")


def looks_like_metrics(text: str) -> bool:
    """Whether its first line is one that exporters print."""
    first = text.lstrip().split("\n", 1)[0].strip()
    if re.match(r"#\s*(HELP|TYPE|UNIT|EOF)\b", first):
        return True
    found = _SAMPLE.fullmatch(first)
    return found is not None and found["labels"] is not None


def read_metrics(text: str, skip_bad_rows: bool) -> Draft:
    """Read every sample. Raises BadPlace at a line that is none."""
    types: dict[str, str] = {}
    samples: list[tuple[int, re.Match[str], dict[str, str]]] = []
    draft = Draft([], [], [])
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.strip()
        if line.startswith("#"):
            if (found := _TYPE.fullmatch(line)) is not None:
                types[found["name"]] = found["type"]
            continue
        if not line:
            continue
        try:
            samples.append((number, *_sample(line, number)))
        except BadPlace as error:
            if not skip_bad_rows:
                raise
            draft.rejects.append(error.reject())
    labels = list(dict.fromkeys(label for _, _, found in samples for label in found))
    timed = any(found["time"] for _, found, _ in samples)
    headers = [label if label not in _OWN else f"label_{label}" for label in labels]
    draft.headers = ["metric", "type", *headers, "value", *(["timestamp"] if timed else [])]
    for number, found, has in samples:
        own: list[Cell] = [Typed(found["name"]), _text(_type_of(found["name"], types))]
        row = own + [_text(has.get(label)) for label in labels] + [_number(found["value"])]
        draft.rows.append([*row, *([_number(found["time"])] if timed else [])])
        draft.lines.append(number)
    return draft


def _sample(line: str, number: int) -> tuple[re.Match[str], dict[str, str]]:
    found = _SAMPLE.fullmatch(line)
    if found is None:
        raise BadPlace(number, 'not a metric: name{label=".."} value', None, line, SKIP_REMEDY)
    if not isinstance(_number(found["value"], bad=""), Typed | None):
        column = found.start("value") + 1
        raise BadPlace(number, f"{found['value']!r} is no number", column, line, SKIP_REMEDY)
    return found, _labels(found, line, number)


def _labels(found: re.Match[str], line: str, number: int) -> dict[str, str]:
    text, at = found["labels"] or "", 0
    labels: dict[str, str] = {}
    while text[at:].strip():
        label = _LABEL.match(text, at)
        if label is None:
            column = found.start("labels") + at + 1
            raise BadPlace(number, 'not a label: name="value"', column, line, SKIP_REMEDY)
        value = re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), label["value"])
        labels[label["name"]] = value
        at = label.end()
    return labels


def _type_of(name: str, types: dict[str, str]) -> str | None:
    if name in types:
        return types[name]
    for suffix in _SUFFIXES:
        if name.endswith(suffix) and name.removesuffix(suffix) in types:
            return types[name.removesuffix(suffix)]
    return None


def _text(value: str | None) -> Cell:
    return None if value is None else Typed(value)


def _number(text: str | None, bad: Cell = None) -> Cell:
    """A value as a float; NaN is None, and `bad` what is no number at all."""
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        return bad
    return None if math.isnan(value) or "_" in text else Typed(value)
