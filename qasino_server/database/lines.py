"""A result's rows as lines of text, each made by SQLite: for streams of many rows.

Fetching five cells and writing them down in Python takes eight times as long as fetching the
line. `render` writes the same lines, for whatever cannot come this way: rows with cells that
may be BLOBs (columns that are expressions), and results that are not streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from qasino_server.database.answer import Examined
from qasino_server.database.snapshot import SnapshotConnection

QUOTE, BACKSLASH, TAB, LF, CR = '"', "\\", "\t", "\n", "\r"


def lines_of(
    on: SnapshotConnection, query: Examined, form: str, names: Sequence[str]
) -> Iterator[bytes] | None:
    """The lines of a result as csv, tsv or ndjson, without their ends; UTF-8, as it is stored.

    `names` are the keys of an object. None where SQLite cannot make them.
    """
    if query.computed or not query.wrappable:
        return None
    columns = [f"c{n}" for n in range(len(query.names))]
    sql = (
        f'WITH "=q"({", ".join(columns)}) AS ({query.alone}\n)'
        f' SELECT CAST({_LINES[form](columns, names)} AS BLOB) FROM "=q"'
    )
    return _fetched(on, sql, query)


def _fetched(on: SnapshotConnection, sql: str, query: Examined) -> Iterator[bytes]:
    cursor = on.connection.execute(sql, query.bindings)
    try:
        for (line,) in cursor:
            yield line
    finally:
        # A reader that is done must not hold a transaction on the static tables open.
        cursor.close(True)


def _csv(columns: Sequence[str], names: Sequence[str]) -> str:
    return _joined(",", [_cell(c, "", _needs_quotes(c), _quoted(c)) for c in columns])


def _needs_quotes(column: str) -> str:
    return f"{column} = '' OR {_has(column, ',', QUOTE, LF, CR)}"


def _quoted(column: str) -> str:
    return f"""'"' || replace({column}, '"', '""') || '"'"""


def _tsv(columns: Sequence[str], names: Sequence[str]) -> str:
    return _joined(
        "\t", [_cell(c, "\\N", _has(c, BACKSLASH, TAB, LF, CR), _escaped(c)) for c in columns]
    )


def _escaped(column: str) -> str:
    text = column
    for character, escape in ((BACKSLASH, "\\\\"), (TAB, "\\t"), (CR, "\\r"), (LF, "\\n")):
        text = f"replace({text}, {_string(character)}, {_string(escape)})"
    return text


def _cell(column: str, null: str, special: str, written: str) -> str:
    """A text that is special as it is to be written, everything else as it is."""
    return (
        f"CASE WHEN typeof({column}) <> 'text' THEN coalesce({column}, {_string(null)})"
        f" WHEN {special} THEN {written} ELSE {column} END"
    )


def _ndjson(columns: Sequence[str], names: Sequence[str]) -> str:
    pairs = [f"{_string(k)}, {_finite(c)}" for k, c in zip(names, columns, strict=True)]
    return f"json_object({', '.join(pairs)})"


def _finite(column: str) -> str:
    infinite = f"typeof({column}) = 'real' AND abs({column}) = 9e999"
    return f"CASE WHEN {infinite} THEN NULL ELSE {column} END"


_LINES: dict[str, Callable[[Sequence[str], Sequence[str]], str]] = {
    "csv": _csv,
    "tsv": _tsv,
    "ndjson": _ndjson,
}


def _has(column: str, *characters: str) -> str:
    """Whether a text has one of these; instr, since GLOB reads no further than a NUL."""
    return " OR ".join(f"instr({column}, {_string(one)})" for one in characters)


def _joined(separator: str, cells: Sequence[str]) -> str:
    return f"concat_ws({_string(separator)}, {', '.join(cells)})"


def _string(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
