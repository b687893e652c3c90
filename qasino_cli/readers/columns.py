"""What commands print in columns: `df -P`, `ps aux`, `ss`, `kubectl get`, `docker ps`, `free`.

The header says how many columns there are. Where everything is two blanks apart (kubectl,
docker) that is what separates; else blanks do, and the last column takes what is left of a
line, as a command line does in `ps`. Two words that are one header are known by name.
"""

from __future__ import annotations

import re

from qasino_cli.readers.draft import SKIP_REMEDY, BadPlace, Cell, Draft

_PHRASES = (
    "Mounted on", "Local Address:Port", "Peer Address:Port", "Local Address", "Foreign Address",
    "PID/Program name", "CONTAINER ID", "IMAGE ID", "NOMINATED NODE", "READINESS GATES",
    "Use Ref", "Flags Type",
)  # fmt: skip
_WIDE = re.compile(r"\s{2,}")
_JOIN = "\ue000"  # not a blank, and in nobody's header


def read_columns(text: str, skip_bad_rows: bool) -> Draft:
    """Read aligned text. Raises BadPlace at the first row with too few columns."""
    lines = [(n, line.expandtabs().rstrip()) for n, line in enumerate(text.splitlines(), 1)]
    lines = [(n, line) for n, line in lines if line]
    number, header = lines[0]
    wide = _wide(header, [line for _, line in lines[1:]])
    draft = Draft([], [], [], header_line=number, empty_is_null=True)
    if wide:
        draft.headers = _WIDE.split(header.strip())
        draft.rows = [list(_WIDE.split(line.strip())) for _, line in lines[1:]]
        draft.lines = [n for n, _ in lines[1:]]
        return draft
    spans = _header_spans(header, [line for _, line in lines[1:]])
    draft.headers = [name for name, _ in spans]
    for n, line in lines[1:]:
        try:
            draft.rows.append(_row(line, n, spans))
            draft.lines.append(n)
        except BadPlace as error:
            if not skip_bad_rows:
                raise
            draft.rejects.append(error.reject())
    return draft


def looks_like_columns(text: str) -> bool:
    """Whether a text has a header and rows of at least two words each."""
    lines = [line for line in text[:65536].splitlines() if line.strip()]
    if len(lines) < 2 or len(lines[0].split()) < 2:
        return False
    return all(len(line.split()) >= 2 for line in lines[:-1])


def _wide(header: str, rows: list[str]) -> bool:
    """Whether two blanks separate, and always the same number of columns."""
    columns = len(_WIDE.split(header.strip()))
    if columns < 2 or (len(header.split()) == columns and not header.startswith(" ")):
        single = all(len(row.split()) == columns for row in rows)
        if single:
            return False
    return columns > 1 and all(len(_WIDE.split(row.strip())) == columns for row in rows)


def _header_spans(header: str, rows: list[str]) -> list[tuple[str, int]]:
    """Each header with the place it begins; an empty one where rows begin before the first."""
    joined = header
    for phrase in _PHRASES:
        joined = joined.replace(phrase, phrase.replace(" ", _JOIN))
    spans = [(m[0].replace(_JOIN, " "), m.start()) for m in re.finditer(r"\S+", joined)]
    if header.startswith(" ") and any(not row.startswith(" ") for row in rows):
        spans.insert(0, ("", 0))
    return spans


def _row(line: str, number: int, spans: list[tuple[str, int]]) -> list[Cell]:
    cells: list[Cell] = list(line.split(None, len(spans) - 1))
    missing = len(spans) - len(cells)
    if missing and len(line) > spans[-missing][1] and missing < len(spans):
        raise BadPlace(
            number,
            f"the line has {len(cells)} columns, the header {len(spans)}",
            raw=line,
            remedy=f"-d csv reads it as one column; {SKIP_REMEDY}",
        )
    return [*cells, *[None] * missing]
