"""What people want to publish, in whatever form they have it -> publications.

    qasino-csv   five header lines: version and options, table, names, types, descriptions
    csv          a header and rows, between `,` `;` or `|`          tsv     between tabs
    json         an array of objects or of arrays, one object, a Qasino table or message
    ndjson       an object a line
    openmetrics  what exporters print
    columns      what commands print: df -P, ps aux, ss, kubectl get

Which form it is shows in its first lines, unless the caller says. Every error becomes an
InputRejected that begins as compilers' do: `FILE:line:column: reason`, or `FILE: where: reason`.

The readers of forms that most inputs do not have are imported where one has it: 15 of the 250 ms
of a whole `qasino publish`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

import msgspec

from qasino_cli.errors import InputRejected
from qasino_cli.pipes import parts_of
from qasino_cli.readers.delimited import find_delimiter, is_one_tsv_column, read_delimited
from qasino_cli.readers.draft import (
    HEADER_REMEDY,
    SKIP_LINES_REMEDY,
    BadPlace,
    Draft,
    Faults,
    Inferred,
    Reading,
    Reject,
    Renamed,
    Wanted,
)
from qasino_cli.readers.drawn import check_not_drawn
from qasino_cli.readers.infer import typed_columns
from qasino_cli.readers.names import legal_names, table_name
from qasino_cli.readers.openmetrics import looks_like_metrics, read_metrics
from qasino_cli.readers.qasino_csv import is_qasino_csv, read_qasino_csv
from qasino_cli.readers.unpack import (
    as_text,
    first_line,
    line_at,
    place,
    unpacked,
    without_first_lines,
)
from qasino_server.errors import BadRequest
from qasino_server.publication_rules import make_publication
from qasino_server.table import Columns, check_tablename

__all__ = [
    "FORMS",
    "HEADLESS_FORMS",
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
HEADLESS_FORMS = ("csv", "tsv", "columns")
"""Of which an input may lack the header."""

_TABLE = "the table"
_TABLE_REMEDY = "give --table NAME"
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_NO_VALUES = ("null", "true", "false")
"""What `jq .key` prints where there is no such key, or no table in it; alone they head none."""
_UNDERLINED = re.compile(r"\s*\S[^\n]*\n *=")
"""A first line that may be underlined, as `qasino sql --format text` does it."""
_MARKED_UP = re.compile(r"\s*<(!doctype\s+html\b|\?xml\s|html[\s>]|head>|body[\s>])", re.IGNORECASE)


def read_file(path: str) -> bytes:
    """All bytes of a file, of standard input where the path is `-`. Raises InputRejected."""
    try:
        if path == STDIN:
            if sys.stdin is None:
                raise InputRejected("standard input: it is closed")
            return b"".join(parts_of(sys.stdin.fileno()))
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
    if wanted.form is not None and wanted.form not in FORMS:
        raise BadRequest(f"{wanted.form} is not a form; there are {', '.join(FORMS)}")
    body = unpacked(body, wanted.max_unpacked_bytes)
    if not body.removeprefix(b"\xef\xbb\xbf").strip() and not wanted.header:
        raise BadRequest("there is nothing in it")
    faults = Faults(wanted.skip_bad_rows)
    text = without_first_lines(as_text(body, wanted.skip_bad_rows), wanted.skip_lines)
    if wanted.skip_lines and is_qasino_csv(text, first_line(text)):
        raise BadRequest(
            f"a Qasino CSV table begins with its version; tail -n +{wanted.skip_lines + 1} gives"
            " what stands below the lines before it"
        )
    if wanted.header:
        from qasino_cli.readers.headless import read_headless

        if wanted.form is None and is_qasino_csv(text):
            raise BadRequest("--header names columns, and a Qasino CSV table has names of its own")
        form, draft = read_headless(text, wanted.header, wanted.form, faults)
        return _assembled(draft, path, form, wanted, faults)
    form = _form_of(text, wanted.form)
    if form == "qasino-csv":
        return _named(read_qasino_csv(text, wanted.identity, faults), wanted)
    if form == "json":
        from qasino_cli.readers.json_table import is_message, read_json_table

        # One value: nothing in it can be passed over.
        text = without_first_lines(as_text(body), wanted.skip_lines)
        if is_message(text):
            return _named(Reading(read_json_table(text, wanted.identity), "json"), wanted)
    return _assembled(_drafted(text, form, faults), path, form, wanted, faults)


def _form_of(text: str, forced: str | None) -> str:
    """The form that is forced, as far as it leaves no choice, else the one that is found."""
    if forced in (None, "csv") and is_qasino_csv(text):
        return "qasino-csv"
    if forced == "json" and text.lstrip()[:1] == "{":
        return _object_form(text)
    return forced or found_form(text)


def _object_form(text: str) -> str:
    """Of a text that begins with an object."""
    from qasino_cli.readers.json_forms import is_stream

    return "ndjson" if is_stream(text) else "json"


def _named(reading: Reading, wanted: Wanted) -> Reading:
    """A table that names itself, under the name that is wanted."""
    if wanted.tablename is None:
        return reading
    tablename = check_tablename(wanted.tablename, _TABLE)
    publication = msgspec.structs.replace(reading.publication, tablename=tablename)
    return msgspec.structs.replace(reading, publication=publication)


def found_form(text: str) -> str:
    """The form of a text, by its first lines."""
    if _UNDERLINED.match(text):
        from qasino_cli.readers.underlined import underlined

        if underlined(text) is not None:
            return "columns"
    start = text.lstrip()[:1]
    if start == "<" and (marked_up := _MARKED_UP.match(text)) is not None:
        what = (
            "XML" if marked_up[1].startswith("?") else "HTML, a page or the error of a web server"
        )
        line, column = place(text, marked_up.start(1) - 1)
        remedy = "-d csv reads it all the same"
        raise BadPlace(
            line, f"this looks like {what}", column, line_at(text, marked_up.start(1)), remedy
        )
    check_not_drawn(text)
    if start == "[" or text.strip() in _NO_VALUES:
        return "json"
    if looks_like_metrics(text):
        return "openmetrics"
    if start == "{":
        return _object_form(text)
    delimiter = find_delimiter(text)
    if delimiter is not None:
        return "tsv" if delimiter == "\t" else "csv"
    if is_one_tsv_column(text):
        return "tsv"
    from qasino_cli.readers.columns import looks_like_columns

    return "columns" if looks_like_columns(text) else "csv"


def _drafted(text: str, form: str, faults: Faults) -> Draft:
    if form in ("json", "ndjson"):
        from qasino_cli.readers.json_forms import read_json, read_ndjson

        return read_json(text, faults) if form == "json" else read_ndjson(text, faults)
    if form == "openmetrics":
        return read_metrics(text, faults)
    if form == "columns":
        from qasino_cli.readers.columns import read_columns

        return read_columns(text, faults)
    if form == "tsv":
        return read_delimited(text, "\t", faults)
    return read_delimited(text, find_delimiter(text) or ",", faults)


def _assembled(draft: Draft, path: str, form: str, wanted: Wanted, faults: Faults) -> Reading:
    """A draft with legal names and types."""
    if not draft.headers:
        raise BadRequest("there are no columns in it")
    names, renamed = legal_names(draft, wanted.strict_names)
    types = _types_by_name(wanted, draft.headers, names)
    tablename, notes = _tablename(path, wanted)
    if form == "csv" and wanted.form is None and len(renamed) == len(names) == 1:
        notes.append(
            "it has one column: no comma, tab, semicolon or | parts its lines alike;"
            f" {SKIP_LINES_REMEDY}, --header A,B names columns where no line does"
        )
    columns, rows_json, inferred = typed_columns(draft, names, types, faults)
    notes += [f"{one.column} is text: {one.why}" for one in inferred if one.is_doubtful]
    if draft.header_row and renamed:
        notes.append(f"{draft.header_row} is taken for the header; {HEADER_REMEDY}")
    if form in HEADLESS_FORMS and not wanted.header and len(names) > 1:
        notes += _is_it_a_row(draft.headers, columns)
    publication = make_publication(
        identity=wanted.identity,
        tablename=tablename,
        columns=columns,
        rows_json=rows_json,
    )
    return Reading(
        publication,
        form,
        tuple(renamed),
        tuple(inferred),
        faults.rejects(),
        (*draft.notes, *notes),
    )


def _is_it_a_row(headers: Sequence[str], columns: Columns) -> list[str]:
    """A hint where the first line looks like one of the rows: a number above numbers, a path."""
    for header, column in zip(headers, columns, strict=True):
        is_number = column.type != "TEXT" and _NUMBER.fullmatch(header)
        if is_number or header.startswith(("/", "./", "~/")):
            return [f"{header!r} is taken for a header; --header A,B if the first line is a row"]
    return []


def _types_by_name(wanted: Wanted, headers: Sequence[str], names: list[str]) -> dict[str, str]:
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


def _tablename(path: str, wanted: Wanted) -> tuple[str, list[str]]:
    """--table, else a name made of the file's, with a note where it had to be mapped."""
    if wanted.tablename is not None:
        return check_tablename(wanted.tablename, _TABLE), []
    name = None if path == STDIN else table_name(path)
    if name is None:
        raise BadRequest(f"it names no table\n  {_TABLE_REMEDY}")
    try:
        check_tablename(name, _TABLE)
    except BadRequest as error:
        raise BadRequest(f"{error.sentence}\n  {_TABLE_REMEDY}") from None
    stem = path.rpartition("/")[2]
    if stem == name or stem.startswith(f"{name}."):
        return name, []
    if wanted.strict_names:
        raise BadRequest(f"no table can be called as the file is; {name} could be: give --table")
    return name, [f"the table is called {name}, after the file"]
