"""Metrics as exporters print them: the Prometheus text format and OpenMetrics -> one long table.

A row for each sample: its metric, its type, all its labels as JSON, a column for each label, its
value, its time if it has one. Labels are columns, since that is what one asks for (`where device
= 'sda'`); one that a sample does not have is NULL. The JSON tells two samples apart whatever
their labels are called, and holds those beyond the first 200. A NaN is NULL, since SQL has none;
infinities stay. Times are seconds: OpenMetrics (it ends with # EOF) has them so, the older format
has milliseconds. Names with other characters are in quotes, a metric's as the first in the braces.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from json.encoder import encode_basestring

import msgspec

from qasino_cli.readers.draft import SKIP_REMEDY, BadPlace, Cell, Draft, Faults, Row

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABELS = r'\{(?P<labels>(?:[^"}]|"(?:[^"\\]|\\.)*")*)\}'
_SAMPLE = re.compile(
    rf"\s*(?:(?P<name>{_NAME})(?:\s*(?=\{{))?|(?=\{{))(?:{_LABELS})?"
    r"\s+(?P<value>\S+)(?:\s+(?P<time>[^\s#]+))?\s*(?:#.*)?"
)
_TEXT = r'"(?:[^"\\]|\\.)*"'
_LABEL = re.compile(rf"\s*(?P<name>[a-zA-Z_]\w*|{_TEXT})\s*=\s*(?P<value>{_TEXT})\s*(?:,|$)")
_QUOTED_NAME = re.compile(rf"\s*(?P<name>{_TEXT})\s*(?:,|$)")
_TYPE = re.compile(rf"#\s*TYPE\s+(?P<name>{_NAME}|{_TEXT})\s+(?P<type>\w+)\s*")
_COMMENT = re.compile(r"#\s*(?:(?:HELP|UNIT|EOF)\b|TYPE\s+\S+\s+\S)")
"""PowerShell's Export-Csv writes a #TYPE of one word above its header."""
_EOF = re.compile(r"^# EOF\s*$", re.MULTILINE)
_SUFFIXES = ("_total", "_bucket", "_count", "_sum", "_created", "_info", "_gsum", "_gcount")
_ESCAPES = {"n": "\n", "\\": "\\", '"': '"'}
_OWN = ("metric", "type", "labels", "value", "timestamp")
MAX_LABEL_COLUMNS = 200


class _Sample(msgspec.Struct, frozen=True):
    line: int
    begins: int
    name: str
    labels: dict[str, str]
    value: float
    time: float | None


def looks_like_metrics(text: str) -> bool:
    """Whether its first line is one that exporters print, or all of the first lines are samples."""
    lines = [line.strip() for line in text[:4096].split("\n")[:20] if line.strip()]
    if len(text) > 4096:
        lines.pop()
    if not lines:
        return False
    if _COMMENT.match(lines[0]):
        return True
    samples = [_SAMPLE.fullmatch(line) for line in lines if not line.startswith("#")]
    return bool(samples) and all(
        found is not None
        and (found["labels"] is not None or "_" in found["name"])
        and _value(found["value"]) is not None
        for found in samples
    )


def read_metrics(text: str, faults: Faults) -> Draft:
    """Read every sample. Raises BadPlace at a line that is none."""
    samples, begins = [], 0
    types: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if line.lstrip().startswith("#"):
            if (found := _TYPE.fullmatch(line.strip())) is not None:
                types[_unquoted(found["name"])] = found["type"]
        elif line.strip() and faults.is_text(number, line):
            try:
                samples.append(_sample(line.rstrip(), number, begins))
            except BadPlace as error:
                faults.bad_row(error)
        begins += len(line) + 1
    return _draft(samples, types, 1.0 if _EOF.search(text) else 1000.0)


def _draft(samples: list[_Sample], types: dict[str, str], ticks_per_s: float) -> Draft:
    labels = list(dict.fromkeys(label for sample in samples for label in sample.labels))
    notes = []
    if len(labels) > MAX_LABEL_COLUMNS:
        more = len(labels) - MAX_LABEL_COLUMNS
        have = "1 label has" if more == 1 else f"{more} labels have"
        notes = [f"{have} no column, see the column labels"]
        labels = labels[:MAX_LABEL_COLUMNS]
    timed = any(sample.time is not None for sample in samples)
    headers = _headers(labels)

    def rows() -> Iterator[Row]:
        for sample in samples:
            own = [_text(sample.name), _text(_type_of(sample.name, types)), _all(sample.labels)]
            row = [*own, *(_text(sample.labels.get(label)) for label in labels)]
            row.append(_number(sample.value))
            if timed:
                row.append(_number(sample.time and sample.time / ticks_per_s))
            yield sample.line, sample.begins, row

    return Draft(
        headers=["metric", "type", "labels", *headers, "value", *(["timestamp"] * timed)],
        rows=rows,
        typed=True,
        types=[
            *[("TEXT", "names and labels are text")] * (3 + len(labels)),
            *[("REAL", "samples are numbers")] * (1 + timed),
        ],
        notes=notes,
    )


def _headers(labels: list[str]) -> list[str]:
    """What the columns of labels are called: as they are, but for those that another has, as SQL
    compares names."""
    taken, headers = set(_OWN), []
    for label in labels:
        headers.append(label if label.lower() not in taken else f"label {label}")
        taken.add(headers[-1].lower())
    return headers


def _sample(line: str, number: int, begins: int) -> _Sample:
    found = _SAMPLE.fullmatch(line)
    if found is None:
        raise BadPlace(number, 'not a metric: name{label=".."} value', 1, line, SKIP_REMEDY)
    numbers = {}
    for part in ("value", "time"):
        numbers[part] = None if found[part] is None else _value(found[part])
        if found[part] is not None and numbers[part] is None:
            column = found.start(part) + 1
            raise BadPlace(number, f"{found[part]!r} is no number", column, line, SKIP_REMEDY)
    value = numbers["value"]
    assert value is not None
    text, at, name = found["labels"] or "", 0, found["name"]
    if name is None:
        quoted = _QUOTED_NAME.match(text)
        if quoted is None:
            column = found.start("labels") + 1
            raise BadPlace(number, 'no metric: {"its name", ..}', column, line, SKIP_REMEDY)
        at, name = quoted.end(), _unquoted(quoted["name"])
    labels = _labels(found, at, line, number)
    return _Sample(number, begins, name, labels, value, numbers["time"])


def _labels(found: re.Match[str], at: int, line: str, number: int) -> dict[str, str]:
    """What stands in the braces from there on."""
    text = found["labels"] or ""
    labels: dict[str, str] = {}
    while text[at:].strip():
        label = _LABEL.match(text, at)
        column = found.start("labels") + at + 1
        if label is None:
            raise BadPlace(number, 'not a label: name="value"', column, line, SKIP_REMEDY)
        name = _unquoted(label["name"])
        if name in labels:
            reason = f"the label {name} stands there twice"
            raise BadPlace(number, reason, column, line, SKIP_REMEDY)
        labels[name] = _unquoted(label["value"])
        at = label.end()
    return labels


def _unquoted(text: str) -> str:
    """A name as it is, or what is in its quotes."""
    if not text.startswith('"'):
        return text
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), text[1:-1])


def _type_of(name: str, types: dict[str, str]) -> str | None:
    if name in types:
        return types[name]
    for suffix in _SUFFIXES:
        if name.endswith(suffix) and name.removesuffix(suffix) in types:
            return types[name.removesuffix(suffix)]
    return None


def _value(text: str) -> float | None:
    """A number as exporters write it; None for what is none."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _text(value: str | None) -> Cell:
    return None if value is None else encode_basestring(value)


def _all(labels: dict[str, str]) -> Cell:
    """All labels of a sample as one JSON text."""
    return _text(msgspec.json.encode(labels).decode()) if labels else None


def _number(value: float | None) -> Cell:
    """The JSON of a value, always with a point: a gauge of whole numbers is REAL as well."""
    if value is None or math.isnan(value):
        return None
    if math.isinf(value):
        return "9e999" if value > 0 else "-9e999"
    return repr(value)
