"""A whole result as JSON that SQLite builds: the statement for it, and what comes of it. Pure.

    WITH q(c0, c1, ..) AS (<the statement>)
    SELECT group_concat(<a row as JSON>) FROM (SELECT .. FROM q LIMIT ..)

Three forms. `typed` are JSON's own values. As strings the rows are first joined with what stands
between two cells in JSON, `plain`: it takes half as long as writing JSON does, and is JSON if no
cell has a character that is escaped there, which is looked at afterwards. `escaped` is for
those that have one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from qasino_server.database.widths import Widths, is_plain, widths_of
from qasino_server.remembered import remembered

TYPED, PLAIN, ESCAPED = "typed", "plain", "escaped"

INFINITY = b"9.0e+999"
"""How SQLite writes one in JSON, which no parser reads back."""
_NUL = b"\\u0000"


class NotBuilt(Exception):
    """SQLite cannot build it, in no form: it is too large, or an error."""


class Built(msgspec.Struct, frozen=True):
    """Rows as JSON, UTF-8 whatever the cells were."""

    rows_json: bytes
    nr_rows: int
    widths: Widths
    """The characters of the widest cell of each column; () where the rows are typed."""
    truncated: bool


def forms_of(typed: bool) -> tuple[str, ...]:
    """The forms that will do, the quicker one first."""
    return (TYPED,) if typed else (PLAIN, ESCAPED)


@remembered(256)
def wrapped(sql: str, nr_columns: int, computed: tuple[int, ...], form: str, most_rows: int) -> str:
    """The statement that builds it; `computed` are the columns that may hold BLOBs."""
    columns = [f"c{n}" for n in range(nr_columns)]
    # The limit is no parameter: when one in a LIMIT changes SQLite prepares a statement anew (5 us
    # became 56).
    return (
        f'WITH "=q"({", ".join(columns)}) AS ({sql}) SELECT '
        + _SELECTS[form](columns, [columns[n] for n in computed])
        + f' FROM "=q" LIMIT {most_rows})'
    )


# The joined rows AS BLOB, since a text that is not UTF-8 could not be fetched at all. What one
# select hands to the next is copied: one text a row, where that can be, instead of every cell.


def _typed(columns: Sequence[str], computed: Sequence[str]) -> str:
    row = f"json_array({', '.join(columns)})"
    if not computed:
        return f"CAST(group_concat(r) AS BLOB), count(*), 0 FROM (SELECT {row} AS r"
    blobs = " OR ".join(f"typeof({c}) = 'blob'" for c in computed)
    return f"CAST(group_concat({row}) AS BLOB), count(*), max({blobs}) FROM (SELECT *"


def _plain(columns: Sequence[str], computed: Sequence[str]) -> str:
    cells = ", ".join(f"coalesce({c}, '')" for c in columns)
    row = f"""concat_ws('","', {cells})"""
    return f"""CAST(group_concat(r, '"],["') AS BLOB), count(*) FROM (SELECT {row} AS r"""


def _escaped(columns: Sequence[str], computed: Sequence[str]) -> str:
    texts = ", ".join(f"coalesce(CAST({c} AS TEXT), '') AS {c}" for c in columns)
    widths = ", ".join(f"max(length({c}))" for c in columns)
    row = f"json_array({', '.join(columns)})"
    return f"CAST(group_concat({row}) AS BLOB), count(*), {widths} FROM (SELECT {texts}"


_SELECTS: dict[str, Callable[[Sequence[str], Sequence[str]], str]] = {
    TYPED: _typed,
    PLAIN: _plain,
    ESCAPED: _escaped,
}


def read_built(
    form: str, found: Sequence[Any], nr_columns: int, max_rows: int, max_bytes: int
) -> Built | None:
    """What `wrapped` gave, its one row; None where that is not what we promise.

    Raises NotBuilt where another form would not help.
    """
    joined, nr_rows, *more = found
    if not nr_rows:
        return Built(b"[]", 0, () if form == TYPED else (0,) * nr_columns, False)
    opening, closing = (b'[["', b'"]]') if form == PLAIN else (b"[", b"]")
    if len(opening) + len(joined) + len(closing) - 1 > max_bytes:  # counted as `answer` counts
        raise NotBuilt
    rows_json = b"%b%b%b" % (opening, joined, closing)
    if not _is_sound(form, rows_json, nr_rows, nr_columns, more):
        return None
    truncated = nr_rows > max_rows
    if truncated:
        kept = msgspec.json.decode(rows_json, type=list[msgspec.Raw])[:max_rows]
        rows_json, nr_rows = msgspec.json.encode(kept), max_rows
    try:
        text = rows_json.decode()
    except UnicodeDecodeError:
        if form != TYPED:
            return None  # the text of a BLOB is its bytes in hex
        text = rows_json.decode(errors="replace")
        rows_json = text.encode()
    widths: Widths | None = ()
    if form == PLAIN:
        widths = widths_of(text, nr_rows, nr_columns)
    elif form == ESCAPED:
        widths = _widest(rows_json, nr_columns) if truncated else tuple(more)
    return None if widths is None else Built(rows_json, nr_rows, widths, truncated)


def _widest(rows_json: bytes, nr_columns: int) -> Widths:
    """Of what was cut: SQLite has measured the row that is not there any more too."""
    widths: Widths = (0,) * nr_columns
    for row in msgspec.json.decode(rows_json, type=list[msgspec.Raw]):
        widths = tuple(map(max, widths, map(len, msgspec.json.decode(row))))
    return widths


def _is_sound(
    form: str, rows_json: bytes, nr_rows: int, nr_columns: int, more: Sequence[Any]
) -> bool:
    if form == TYPED:
        return not more[0] and INFINITY not in rows_json
    if form == PLAIN:
        return is_plain(rows_json, nr_rows, nr_columns)
    return _NUL not in rows_json  # SQLite's length() ends there
