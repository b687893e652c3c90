"""What people want to publish, in whatever form they have it -> publications.

    qasino-csv   five header lines: version and options, table, names, types, descriptions
    csv          a header and rows, between `,` `;` or `|`          tsv     between tabs
    json         an array of objects or of arrays, one object, a Qasino table or message
    ndjson       an object a line
    openmetrics  what exporters print
    columns      what commands print: df -P, ps aux, ss, kubectl get

Which form it is shows in its first lines, unless the caller says. Every error becomes an
InputRejected that begins as compilers' do: `FILE:line:column: reason`, or `FILE: where: reason`.
"""

from __future__ import annotations

import re
import sys

from qasino_cli.errors import InputRejected
from qasino_cli.readers.columns import looks_like_columns, read_columns
from qasino_cli.readers.delimited import find_delimiter, read_delimited
from qasino_cli.readers.draft import (
    BadPlace,
    Draft,
    Inferred,
    Reading,
    Reject,
    Renamed,
    Wanted,
)
from qasino_cli.readers.infer import typed_columns
from qasino_cli.readers.json_forms import read_json, read_ndjson
from qasino_cli.readers.json_table import is_message, read_json_table
from qasino_cli.readers.names import legal_names, table_name
from qasino_cli.readers.openmetrics import looks_like_metrics, read_metrics
from qasino_cli.readers.unpack import as_text, unpacked
from qasino_server.csv_table import encode_rows, read_csv_table
from qasino_server.errors import BadRequest
from qasino_server.message import make_publication
from qasino_server.table import check_tablename

__all__ = [
    "FORMS",
    "STDIN",
    "Inferred",
    "Reading",
    "Reject",
    "Renamed",
    "Wanted",
    "read_file",
    "read_input",
    "shown_path",
]

STDIN = "-"
FORMS = ("qasino-csv", "csv", "tsv", "json", "ndjson", "openmetrics", "columns")

_QASINO_CSV = re.compile(r"1[ \t]*(,[^\r\n]*)?\r?\n[ \t]*\"?[A-Za-z_][A-Za-z0-9_]*\"?[ \t]*\r?\n")


def read_file(path: str) -> bytes:
    """All bytes of a file, of standard input where the path is `-`. Raises InputRejected."""
    try:
        if path == STDIN:
            return sys.stdin.buffer.read()
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise InputRejected(f"{shown_path(path)}: {error.strerror}") from None


def shown_path(path: str) -> str:
    """The file as a sentence names it."""
    return "standard input" if path == STDIN else path


def read_input(path: str, body: bytes, wanted: Wanted | None = None) -> Reading:
    """The publication that an input holds. Raises InputRejected."""
    wanted = wanted or Wanted()
    name = shown_path(path)
    try:
        return _read(path, body, wanted)
    except BadPlace as error:
        raise error.rejected(name) from None
    except BadRequest as error:
        raise InputRejected(f"{name}: {error.sentence}") from None


def _read(path: str, body: bytes, wanted: Wanted) -> Reading:
    body = unpacked(body)
    if not body.strip():
        raise BadRequest("there is nothing in it")
    if wanted.form in (None, "csv", "qasino-csv") and _is_qasino_csv(body, wanted.form):
        return Reading(read_csv_table(body, wanted.identity), "qasino-csv")
    text = as_text(body)
    form = wanted.form or found_form(text)
    if form == "json" and is_message(text):
        return Reading(read_json_table(body, wanted.identity), "json")
    return _assembled(_drafted(text, form, wanted), path, form, wanted)


def _is_qasino_csv(body: bytes, form: str | None) -> bool:
    head = body[:4096].removeprefix(b"\xef\xbb\xbf").decode(errors="replace")
    return form == "qasino-csv" or _QASINO_CSV.match(head) is not None


def found_form(text: str) -> str:
    """The form of a text, by its first lines."""
    start = text.lstrip()[:1]
    if start == "[":
        return "json"
    if start == "{":
        first, _, rest = text.strip().partition("\n")
        return "ndjson" if first.rstrip().endswith("}") and rest.lstrip()[:1] == "{" else "json"
    if looks_like_metrics(text):
        return "openmetrics"
    delimiter = find_delimiter(text)
    if delimiter is not None:
        return "tsv" if delimiter == "\t" else "csv"
    return "columns" if looks_like_columns(text) else "csv"


def _drafted(text: str, form: str, wanted: Wanted) -> Draft:
    skip = wanted.skip_bad_rows
    if form == "json":
        return read_json(text)
    if form == "ndjson":
        return read_ndjson(text, skip)
    if form == "openmetrics":
        return read_metrics(text, skip)
    if form == "columns":
        return read_columns(text, skip)
    if form == "tsv":
        return read_delimited(text, "\t", skip)
    if form == "csv":
        return read_delimited(text, find_delimiter(text) or ",", skip)
    raise BadRequest(f"{form} is not a form; there are {', '.join(FORMS)}")


def _assembled(draft: Draft, path: str, form: str, wanted: Wanted) -> Reading:
    """A draft with legal names and types."""
    if not draft.headers:
        raise BadRequest("there are no columns in it")
    names, renamed = legal_names(draft.headers, wanted.strict_names, draft.header_line)
    types = _types_by_name(wanted, draft.headers, names)
    columns, rows, inferred = typed_columns(draft, names, types, wanted.skip_bad_rows)
    publication = make_publication(
        identity=wanted.identity,
        tablename=_tablename(path, wanted),
        columns=columns,
        rows_json=encode_rows(rows),
        descriptions=(),
        options={},
    )
    return Reading(publication, form, tuple(renamed), tuple(inferred), tuple(draft.rejects))


def _types_by_name(wanted: Wanted, headers: list[str], names: list[str]) -> dict[str, str]:
    """--types by column name; a header may stand for its name. Raises BadRequest."""
    known = {name.lower(): name for name in names}
    known |= {header.lower(): name for header, name in zip(headers, names, strict=True)}
    found: dict[str, str] = {}
    for column, kind in wanted.types.items():
        if column.lower() not in known:
            raise BadRequest(
                f"--types: there is no column {column!r}; there are {', '.join(names)}"
            )
        found[known[column.lower()].lower()] = kind
    return found


def _tablename(path: str, wanted: Wanted) -> str:
    if wanted.tablename is not None:
        return wanted.tablename
    name = None if path == STDIN else table_name(path)
    if name is None:
        raise BadRequest("it names no table; give --table NAME")
    return check_tablename(name)
