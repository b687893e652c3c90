"""Headers of any kind -> legal column names, and what was changed.

Use%  Use_pct       %CPU  pct_CPU     Mounted on  Mounted_on      Local Address:Port
#  nr               1K-blocks  _1K_blocks         Local_Address_Port
"""

from __future__ import annotations

import re
import unicodedata

from qasino_cli.readers.draft import BadPlace, Draft, Renamed
from qasino_server.errors import BadRequest
from qasino_server.table import MAX_NAME_CHARS, check_name

_WORDS = {"%": "_pct_", "#": "_nr_", "&": "_and_", "°": "_deg_"}
_OTHER = re.compile(r"[^A-Za-z0-9_]+")


def legal_names(draft: Draft, strict: bool) -> tuple[list[str], list[Renamed]]:
    """A name for each header. Raises BadPlace for two that are the same.

    With `strict` a header that is no legal name is an error, too.
    """
    headers = [header.strip() for header in draft.headers]
    _check_distinct(headers, draft)
    taken = {header.lower() for header in headers if _is_legal(header)}
    names: list[str] = []
    renamed: list[Renamed] = []
    for n, header in enumerate(headers):
        name = header
        if not _is_legal(header):
            name = _free(mapped(header, n + 1), taken)
            renamed.append(Renamed(header, name))
            if strict:
                reason = (
                    f"header {n + 1}, {header!r}, is no legal name: letters, digits and _ make one"
                )
                raise _fault(draft, n, reason, f"without --strict-names it becomes {name}")
        names.append(name)
    return names, renamed


def _check_distinct(headers: list[str], draft: Draft) -> None:
    """Raise BadPlace for the same header twice, as SQLite compares names."""
    seen: set[str] = set()
    for n, header in enumerate(headers):
        if header and header.lower() in seen:
            ask = "" if draft.renaming else "; rename one of them"
            raise _fault(draft, n, f"two columns are called {header!r}{ask}", draft.renaming)
        seen.add(header.lower())


def _fault(draft: Draft, n: int, reason: str, remedy: str = "") -> BadPlace:
    column = draft.header_columns[n] if draft.header_columns else None
    return BadPlace(draft.header_line, reason, column, remedy=remedy)


def _free(name: str, taken: set[str]) -> str:
    """The name, numbered where it is taken."""
    free, number = name, 1
    while free.lower() in taken:
        number += 1
        free = f"{name[: MAX_NAME_CHARS - 8]}_{number}"
    taken.add(free.lower())
    return free


def mapped(header: str, place: int) -> str:
    """A legal name as near to the header as can be."""
    plain = unicodedata.normalize("NFKD", header)
    text = "".join(c for c in plain if not unicodedata.combining(c))
    for character, word in _WORDS.items():
        text = text.replace(character, word)
    text = _OTHER.sub("_", text)
    text = re.sub(r"_{2,}", "_", text).strip("_") or f"column_{place}"
    if text[0].isdigit():
        text = f"_{text}"
    return text[:MAX_NAME_CHARS]


def table_name(path: str) -> str | None:
    """A table name made of a file's: `mounts.csv.gz` is mounts; None where it gives none."""
    if path.startswith(("/dev/", "/proc/")):
        return None  # a pipe
    base = path.rpartition("/")[2]
    base = re.sub(
        r"(\.(csv|tsv|tab|psv|txt|json|ndjson|jsonl|prom|om|gz|log|out|dat))+$",
        "",
        base,
        flags=re.I,
    )
    name = mapped(base, 1)
    return None if name == "column_1" != base else name  # nothing of the file's is left in it


def _is_legal(name: str) -> bool:
    try:
        check_name(name, "column")
    except BadRequest:
        return False
    return True
