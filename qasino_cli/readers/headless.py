"""Lines without a header, whose columns the caller names: `du`, `md5sum`, `ip -br addr`, fstab.

A delimiter parts them where it makes as many fields of each line as there are names. Else blanks
do, and the last column takes what is left of a line, as the shell's `read` has it; it may be the
one that a line lacks. One name alone takes lines as they are. A JSON array of arrays is
rows as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from qasino_cli.console import counted
from qasino_cli.readers.delimited import (
    DELIMITERS,
    are_as_wide,
    find_delimiter,
    parts_all,
    read_delimited,
    sample_of,
)
from qasino_cli.readers.draft import NOT_TEXT, BadPlace, Cell, Draft, Faults, Row
from qasino_cli.readers.footers import nr_at_end
from qasino_cli.readers.json_forms import is_stream, read_arrays
from qasino_cli.readers.unpack import first_line, line_at, place
from qasino_server.errors import BadRequest

_COLON = ":"
"""As /etc/passwd has it; it also stands in times and addresses, so blanks come before it."""
_COLON_COLUMNS = 3
_PLURALS = {",": "commas", ";": "semicolons", "|": "bars"}
"""Where blanks might have parted as well; a tab hardly ever stands by chance."""
_BLANKS = " \t\r"
_GAP = re.compile(r"[ \t]+")
_WORD = re.compile(r"[^ \t\r]+")
_COMMENT = re.compile(r"#[^\n]*(?:[\r\n]+|\Z)")


def read_headless(
    text: str, names: Sequence[str], forced: str | None, faults: Faults
) -> tuple[str, Draft]:
    """The form, which is csv, tsv, columns or json, and the rows. Raises BadPlace, BadRequest."""
    if forced is None and _is_json(text):
        return "json", _arrays(text, names, faults)
    if forced == "columns" or (forced is None and len(names) == 1):
        return "columns", _words(text, names, faults)
    if forced is not None:
        delimiter = "\t" if forced == "tsv" else find_delimiter(text) or ","
        return forced, read_delimited(text, delimiter, faults, names)
    found = _delimiter(text, len(names))
    if found is None:
        return "columns", _words(text, names, faults)
    draft = read_delimited(text, found, faults, names)
    if found in _PLURALS and _blanks_part(text, len(names)):
        note = f"parted at {_PLURALS[found]}; -d columns parts it at blanks"
        draft = msgspec.structs.replace(draft, notes=[*draft.notes, note])
    return "tsv" if found == "\t" else "csv", draft


def _arrays(text: str, names: Sequence[str], faults: Faults) -> Draft:
    """The rows of a JSON array of arrays. Raises BadRequest for JSON that has names."""
    draft = None
    if text.lstrip()[:1] == "[":
        not_text = NOT_TEXT.search(text)
        if not_text is not None:  # of one value nothing can be passed over
            line, _ = place(text, not_text.start())
            Faults(skip=False).is_text(line, line_at(text, not_text.start()))
        draft = read_arrays(text, names, faults)
    if draft is None:
        raise BadRequest(
            "--header names the columns of lines, and JSON has names of its own; -d columns takes"
            " its lines as they are"
        )
    return draft


def _is_json(text: str) -> bool:
    start = text.lstrip()[:1]
    if start == "{" and is_stream(text):
        return True
    try:
        msgspec.json.decode(NOT_TEXT.sub("?", text))
    except (msgspec.DecodeError, RecursionError):
        return False
    return start in ("{", "[")


def _delimiter(text: str, width: int) -> str | None:
    """What parts all of the first lines into so many fields; None for blanks.

    Where these part no line into so many, what parts all lines into several all the same: it is
    the names that are wrong, and reading it says so. Blanks would make one cell of a whole line.
    """
    for delimiter in DELIMITERS:
        if are_as_wide(text, delimiter, width):
            return delimiter
    may_be_colons = width >= _COLON_COLUMNS and not _blanks_part(text, width)
    if may_be_colons and are_as_wide(text, _COLON, width):
        return _COLON
    if not _blanks_part_any(text, width):
        return next((mark for mark in _PLURALS if parts_all(text, mark)), None)
    return None


def _blanks_part(text: str, width: int) -> bool:
    """Whether blanks part all of the first lines into so many words, or more."""
    lines = (line for line in sample_of(text).split("\n") if line.strip(_BLANKS))
    return all(len(_WORD.findall(line)) >= width for line in lines)


def _blanks_part_any(text: str, width: int) -> bool:
    """Whether they do so with at least one of them, that may lack its last column."""
    sample = sample_of(text)
    starts, _ = _skip_comments(sample)
    fewest = max(2, width - 1)
    return any(len(_WORD.findall(line)) >= fewest for line in sample[starts:].split("\n"))


def _words(text: str, names: Sequence[str], faults: Faults) -> Draft:
    """What blanks part."""
    starts, comments = _skip_comments(text) if len(names) > 1 else (0, [])
    footers = _footers(text) if len(names) > 1 else []

    def rows() -> Iterator[Row]:
        begins, above = starts, text.count("\n", 0, starts)
        lines = text[starts:].split("\n")
        for number, line in enumerate(lines[: len(lines) - len(footers)], start=above + 1):
            if line.strip(_BLANKS) and faults.is_text(number, line):
                try:
                    yield number, begins, _cells(line, number, len(names))
                except BadPlace as error:
                    faults.bad_row(error)
            begins += len(line) + 1

    return Draft(
        headers=names,
        rows=rows,
        raw=lambda at: line_at(text, at),
        notes=[
            *(f"passed over before the first row: {comment}" for comment in comments),
            *(f"passed over at its end: {line.strip()}" for line in footers if line.strip()),
        ],
    )


def _skip_comments(text: str) -> tuple[int, list[str]]:
    """Where the first row begins, and the lines with # before it."""
    at, comments = first_line(text), []
    while (found := _COMMENT.match(text, at)) is not None:
        comments.append(found[0].rstrip())
        at = found.end()
    return at, comments


def _footers(text: str) -> list[str]:
    """The lines below the rows that are none, with blank ones. Any line may be a row here: they
    are known by their words and stand below a blank one."""
    lines = text.split("\n")
    filled = [n for n, line in enumerate(lines) if line.strip(_BLANKS)]
    likely = filled[len(filled) - nr_at_end([lines[n] for n in filled]) :]
    begins = next((n for n in likely if n and not lines[n - 1].strip(_BLANKS)), len(lines))
    return lines[begins:]


def _cells(line: str, number: int, columns: int) -> list[Cell]:
    if columns == 1:
        return [line.rstrip("\r")]
    cells: list[Cell] = [*_GAP.split(line.strip(_BLANKS), columns - 1)]
    if len(cells) < columns - 1:
        reason = f"the line has {counted(len(cells), 'word')}, --header names {columns} columns"
        raise BadPlace(number, reason, len(line.rstrip(_BLANKS)) + 1, line)
    return cells if len(cells) == columns else [*cells, None]
