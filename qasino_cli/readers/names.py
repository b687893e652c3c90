"""Headers of any kind -> legal column names, and what was changed.

Use%  Use_pct       %CPU  pct_CPU     Mounted on  Mounted_on      Local Address:Port
#  nr               1K-blocks  _1K_blocks         Local_Address_Port
"""

from __future__ import annotations

import re

from qasino_cli.readers.draft import BadPlace, Renamed
from qasino_server.errors import BadRequest
from qasino_server.table import check_name

_WORDS = {"%": "_pct_", "#": "_nr_", "&": "_and_", "°": "_deg_"}
_OTHER = re.compile(r"[^A-Za-z0-9_]+")
MAX_CHARS = 128


def legal_names(headers: list[str], strict: bool, line: int) -> tuple[list[str], list[Renamed]]:
    """A name for each header. Raises BadPlace for two that are the same.

    With `strict` a header that is no legal name is an error, too.
    """
    taken = _as_given(headers, line)
    names: list[str] = []
    renamed: list[Renamed] = []
    for place, header in enumerate(headers, start=1):
        name = header
        if not _is_legal(header):
            name = _free(mapped(header, place), taken)
            renamed.append(Renamed(header, name))
            if strict:
                raise BadPlace(
                    line,
                    f"header {place}, {header!r}, is no legal name: letters, digits and _ make one",
                    remedy=f"without --strict-names it becomes {name}",
                )
        names.append(name)
    return names, renamed


def _as_given(headers: list[str], line: int) -> set[str]:
    """The headers that are names as they stand, as SQLite compares them. Raises BadPlace."""
    taken: set[str] = set()
    for header in filter(_is_legal, headers):
        if header.lower() in taken:
            raise BadPlace(line, f"two columns are called {header!r}; rename one of them")
        taken.add(header.lower())
    return taken


def _free(name: str, taken: set[str]) -> str:
    """The name, numbered where it is taken."""
    free, number = name, 1
    while free.lower() in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free.lower())
    return free


def mapped(header: str, place: int) -> str:
    """A legal name as near to the header as can be."""
    text = header
    for character, word in _WORDS.items():
        text = text.replace(character, word)
    text = _OTHER.sub("_", text)
    text = re.sub(r"_{2,}", "_", text).strip("_") or f"column_{place}"
    if text[0].isdigit():
        text = f"_{text}"
    text = text[:MAX_CHARS]
    return text if _is_legal(text) else f"{text[: MAX_CHARS - 1]}_"


def table_name(path: str) -> str | None:
    """A table name made of a file's: `mounts.csv.gz` is mounts; None where it gives none."""
    base = path.rpartition("/")[2]
    base = re.sub(r"(\.(csv|tsv|txt|json|ndjson|jsonl|prom|om|gz))+$", "", base, flags=re.I)
    name = mapped(base, 1)
    return name if base and _is_legal(name) and name != "column_1" else None


def _is_legal(name: str) -> bool:
    try:
        check_name(name, "column")
    except BadRequest:
        return False
    return True
