"""What commands print in columns: `df -P`, `ps aux`, `ss`, `kubectl get`, `docker ps`, `free`.

Columns are told by where they stand, not by counting words: a cell may be empty (PORTS of
`docker ps`) or have blanks in it (RESTARTS of `kubectl get pods`: `1 (3d ago)`), and then every
word after it would land one column off. A gutter is a place that is blank in all lines; what
stands between two gutters is a column, or several where a long cell has pushed its neighbours
over the gutter. Those are told by their words, and a line where that is not certain is a bad row.
Where cells have outgrown their columns and every line has as many words as there are headers, as
`vmstat` prints on a busy machine, words are counted after all. A place is a character or, where
the words of more lines stand as the header's do if counted so, one of a terminal's (`column -t`).

The last column takes what is left of a line, as a command line does in `ps`.

What `qasino sql --format text` prints says itself where its columns are: see `underlined`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest

from qasino_cli.readers.draft import BadPlace, Cell, Draft, Faults, Row
from qasino_cli.readers.footers import nr_at_end
from qasino_cli.readers.gutters import (
    JOIN,
    WORD,
    Line,
    Run,
    Word,
    between_gutters,
    columns_of,
    header_words,
    occupied,
)
from qasino_cli.readers.padding import TerminalPlaces, may_be_wide
from qasino_cli.readers.underlined import read_underlined, underlined

_TITLE = re.compile(r"Active (?:Internet|UNIX) |Kernel (?:IP|Interface)|-*(?:procs|disk)-* -")
"""What `netstat`, `route` and `vmstat` print above their header; see `_is_title` for others."""
_NUMBER = re.compile(r"[-+]?[0-9]*[.,]?[0-9]+%?")
_RULE = re.compile(r"[-=─]+(?:\++[-=─]+)*")
"""A word of the line that some draw below the header."""
_ALONE = "Local Address:Port Peer Address:Port"
"""In what `ss` prints where there is no socket: a header alone, whose blanks align nothing."""
_PARTED_COLUMNS = 3
_TITLED_LINES = 4
_TITLED_COLUMNS = 4
"""So much a title must have below it, to be known for one by its shape."""
_SAMPLE_CHARS = 65536
_PLACED_LINES = 1000


_Divide = Callable[[Line, Sequence[Run], int], list[Cell]]


def looks_like_columns(text: str) -> bool:
    """Whether a text has a header of words, blanks that align something, and rows like it."""
    lines = [line.strip() for line in text[:_SAMPLE_CHARS].splitlines() if line.strip()]
    if len(lines) == 1 and _ALONE in lines[0]:
        return True
    if not lines or len(lines[0].split()) < 2:
        return False
    if not any("  " in line for line in lines) and "\t\t" not in lines[0]:
        return False
    if any(re.fullmatch(r"[-+.\d]+", word) for word in lines[0].split()):
        return False  # no header at all
    ruled = "  " in lines[0] and len(lines) > 1 and all(map(_RULE.fullmatch, lines[1].split()))
    if all(len(line.split()) >= 2 for line in lines[ruled + 1 : -1]):
        return True
    header, *rows = _placed(list(_lines(text[:_SAMPLE_CHARS])))[0]
    return _stand_below(header.text, _without_footers(rows[ruled:], header.text)[0])


def _stand_below(header: str, rows: Sequence[Line]) -> bool:
    """Whether lines with a first cell alone (`lsblk -f`) are rows all the same: gutters part all
    headers, and the cells of the others, but for the last column, begin or end as these do."""
    runs = columns_of(header, rows)
    parted = len(runs) == len(header_words(header)) and all(len(run.words) == 1 for run in runs)
    if not parted or len(runs) < _PARTED_COLUMNS:
        return False
    beside = [
        _stands_below(run, cell)
        for run in runs[1:-1]
        for line in rows
        if (cell := run.of(line.text)).strip()
    ]
    return len(beside) > 0 and all(beside)


def _stands_below(run: Run, cell: str) -> bool:
    """Whether a cell, with the blanks around it, begins or ends as the header of its run does."""
    (header,) = run.words
    begins = run.begins + len(cell) - len(cell.lstrip())
    return begins == header.begins or run.begins + len(cell.rstrip()) == header.ends


def read_columns(text: str, faults: Faults) -> Draft:
    """Read aligned text. Raises BadPlace at the first row that cannot be divided."""
    found = underlined(text)
    if found is not None:
        return read_underlined(found, faults)
    told_apart = [line for line in _lines(text) if faults.is_text(line.number, line.text)]
    lines, places = _placed(told_apart)
    titles = [lines.pop(0).text] if _is_title(lines) else []
    if not lines:
        raise BadPlace(1, "there is no header in it")
    header, rows = lines[0], lines[1:]
    rules = [rows.pop(0).text] if rows and _is_ruled(header.text, rows[0].text) else []
    rows, nr_repeats = _without_repeats(rows, titles, header.text, rules)
    headline = _joined_above(rules[0], header.text) if rules else header.text
    rows, footers = _without_footers(rows, headline)
    runs = columns_of(headline, rows)
    names = [word for run in runs for word in run.words]
    alone = _alone(rows, runs)
    divide: _Divide = _divide
    nameless = [word for word in names if not word.text]
    words = nameless + header_words(headline)  # not as the places have joined them
    if _have_outgrown(rows, runs, len(words)):
        names, divide = words, _by_words

    def divided() -> Iterator[Row]:
        for line in rows:
            try:
                if line.number in alone:
                    cells: list[Cell] = [line.text.strip(), *[None] * (len(names) - 1)]
                else:
                    cells = divide(line, runs, len(names))
            except BadPlace as error:
                faults.bad_row(_as_it_stood(error, places))
            else:
                yield line.number, line.begins, [cell and places.back(cell) for cell in cells]

    by_offset = {line.begins: line.text for line in rows}
    above = rows[0].number - 1 if rows else header.number
    return Draft(
        headers=[places.back(word.text) for word in names],
        rows=divided,
        header_line=header.number,
        header_columns=[len(places.back(header.text[: word.begins])) + 1 for word in names],
        raw=lambda at: places.back(by_offset[at]),
        notes=[
            *(f"passed over before the header: {places.back(title)}" for title in titles),
            *(f"passed over below the header: {places.back(rule.strip())}" for rule in rules),
            *([f"repeated headers passed over: {nr_repeats}"] if nr_repeats else []),
            *(f"passed over at its end: {places.back(line.text.strip())}" for line in footers),
        ],
        renaming=f"--skip-lines {above} --header A,B names them, if blanks are in last cells alone",
    )


def _as_it_stood(fault: BadPlace, places: TerminalPlaces) -> BadPlace:
    column = len(places.back(fault.raw[: (fault.column or 1) - 1])) + 1
    return BadPlace(fault.line, places.back(fault.reason), column, places.back(fault.raw))


def _is_title(lines: Sequence[Line]) -> bool:
    """Whether the first line is none of a table's, and its header is the second one.

    A title that nobody knows has to give itself away in every respect, so that no header is ever
    taken for one: it is prose, blanks one by one, and one of its words stands across a gutter of
    all the other lines; the line below has more words, four at least, all of them words, each a
    column of its own, and one of these is of numbers alone.
    """
    if len(lines) > 1 and _TITLE.match(lines[0].text):
        return True
    if len(lines) < _TITLED_LINES or "  " in lines[0].text.strip():
        return False
    title, header, *rest = lines
    words, (rows, _) = header_words(header.text), _without_repeats(rest, [title.text], header.text)
    return (
        len(words) >= max(_TITLED_COLUMNS, len(title.text.split()) + 1)
        and all(re.search("[A-Za-z]", word.text) for word in words)
        and _crosses_a_gutter(header_words(title.text), [header, *rows])
        and len(runs := between_gutters(words, rows)) == len(words)
        and any(_all_numbers(run, rows) for run in runs)
    )


def _without_repeats(
    rows: list[Line], titles: Sequence[str], header: str, rules: Sequence[str] = ()
) -> tuple[list[Line], int]:
    """The rows, and how many times the header stood among them, printed again (`vmstat -m`,
    `free -s 1`): left out, as are the title right above it then and the rule right below.

    A header of one word may be a row as well, of a list of words.
    """
    texts = [row.text.strip() for row in rows]
    repeats = [at for at, text in enumerate(texts) if text == header.strip()]
    if not repeats or len(header_words(header)) < 2:
        return rows, 0
    head = [line.strip() for line in (*titles, header, *rules)]
    placed = dict(enumerate(texts))
    passed_over = {
        at
        for repeat in repeats
        for at, line in enumerate(head, start=repeat - len(titles))
        if placed.get(at) == line
    }
    return [row for at, row in enumerate(rows) if at not in passed_over], len(repeats)


def _without_footers(rows: list[Line], headline: str) -> tuple[list[Line], list[Line]]:
    """The rows, and the lines below them that are none. A line that has a cell for each column,
    where it stands, is a row whatever it says."""
    ends = len(rows) - nr_at_end([row.text for row in rows])
    if ends == len(rows):
        return rows, []
    runs = columns_of(headline, rows[:ends])
    while ends < len(rows) and _fits(rows[ends], runs):
        ends += 1
    return rows[:ends], rows[ends:]


def _fits(line: Line, runs: Sequence[Run]) -> bool:
    """Whether a line has all cells, and no word across the place where a column begins."""
    try:
        cells = _divide(line, runs, sum(len(run.words) for run in runs))
    except BadPlace:
        return False
    across = (line.text[run.begins - 1 : run.begins + 1] for run in runs[1:])
    return all(cells) and not any(len(marks.strip()) > 1 for marks in across)


def _is_ruled(header: str, line: str) -> bool:
    """Whether a line below the header underlines each word of it; `-` may be a cell of a row."""
    rules = list(WORD.finditer(line))
    return all(_RULE.fullmatch(rule[0]) for rule in rules) and all(
        any(rule.start() <= word.start() and rule.end() >= word.end() for rule in rules)
        for word in WORD.finditer(header)
    )


def _joined_above(line: str, header: str) -> str:
    """The header, words above one rule of several joined (`Editable project location` of pip)."""
    if len(line.split()) < 2:
        return header
    blanks = (found.start() for found in re.finditer(r"(?<=\S) (?=\S)", header))
    under_rule = [at for at in blanks if line[at : at + 1].strip()]
    return "".join(JOIN if at in under_rule else mark for at, mark in enumerate(header))


def _crosses_a_gutter(words: Sequence[Word], lines: Sequence[Line]) -> bool:
    """Whether a word begins before a place that is blank in all lines, and ends behind it."""
    bits = 0
    for line in lines:
        bits |= occupied(line.text, words[-1].ends)
    filled = bits.to_bytes(words[-1].ends, "big")
    return any(0 in filled[word.begins + 1 : word.ends - 1] for word in words)


def _all_numbers(run: Run, rows: Sequence[Line]) -> bool:
    return all(_NUMBER.fullmatch(run.of(line.text).strip()) for line in rows)


def _lines(text: str) -> Iterator[Line]:
    """The lines that are not blank, as they stand there."""
    begins = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield Line(number, begins, line, len(line))
        begins += len(line) + 1


# --- Places ------------------------------------------------------------------------------------


def _placed(lines: Sequence[Line]) -> tuple[list[Line], TerminalPlaces]:
    """The lines, so that a place in one is the same place in all, and the way back to the text."""
    plain = [_expanded(line, line.text) for line in lines]
    if may_be_wide(line.text for line in lines):
        places = TerminalPlaces()
        spread = [_expanded(line, places.spread(line.text)) for line in lines]
        if _nr_in_place(spread) > _nr_in_place(plain):
            return spread, places
    return plain, TerminalPlaces()


def _expanded(line: Line, text: str) -> Line:
    expanded = text.expandtabs()
    return Line(line.number, line.begins, expanded.rstrip(), len(expanded))


def _nr_in_place(lines: Sequence[Line]) -> int:
    """How many words of the first lines begin or end where a word of the first one does."""
    header, *rows = [list(WORD.finditer(line.text)) for line in lines[:_PLACED_LINES]]
    begins, ends = {word.start() for word in header}, {word.end() for word in header}
    return sum(word.start() in begins or word.end() in ends for words in rows for word in words)


# --- Rows --------------------------------------------------------------------------------------


def _alone(rows: Sequence[Line], runs: Sequence[Run]) -> set[int]:
    """The lines that have a first cell alone, of one word, as `lsblk -f` has for a disk.

    Not where the next line lacks this cell: it may be of that one, and too long to stand beside
    the others (`df`). The last line may be cut off, unless blanks stand for its other cells.
    """
    first, *others = runs
    if not others or len(first.words) > 1:
        return set()
    alone = [
        row
        for row, below in zip_longest(rows, rows[1:])
        if row.text.strip() in first.of(row.text).split()
        and (below is None or first.of(below.text).strip())
    ]
    if len(alone) == len(rows):
        return set()
    numbers = {row.number for row in alone}
    return numbers if rows[-1].width > others[0].begins else numbers - {rows[-1].number}


def _have_outgrown(rows: Sequence[Line], runs: Sequence[Run], columns: int) -> bool:
    """Whether each line has a word for each header, and where they stand does not tell them apart.

    Else two words of a cell beside an empty one (`Up 3m`, and no ports) would be two cells.
    """
    return all(len(line.text.split()) == columns for line in rows) and any(
        _is_doubtful(line, runs, columns) for line in rows
    )


def _is_doubtful(line: Line, runs: Sequence[Run], columns: int) -> bool:
    try:
        return any("  " in cell for cell in _divide(line, runs, columns) if cell)
    except BadPlace:
        return True


def _by_words(line: Line, runs: Sequence[Run], columns: int) -> list[Cell]:
    return [*line.text.split()]


def _divide(line: Line, runs: Sequence[Run], columns: int) -> list[Cell]:
    cells: list[Cell] = []
    for run in runs:
        part = run.of(line.text)
        if len(run.words) == 1:
            cells.append(part.strip() or None)
        elif not run.words:
            _check_empty(line, run)
        else:
            cells += _shared(line, run, part, first=run is runs[0])
    if columns > 1 and not any(cells[1:]):
        raise BadPlace(
            line.number,
            f"the line has 1 column, the header {columns}",
            len(line.text) + 1,
            line.text,
        )
    return cells


def _check_empty(line: Line, run: Run) -> None:
    found = WORD.search(run.of(line.text))
    if found is not None:
        begins = run.begins + found.start()
        raise _unclear(line, Word(found[0], begins, begins + len(found[0])))


def _shared(line: Line, run: Run, part: str, first: bool) -> list[Cell]:
    """The cells of a run that several headers share; `first` is whether no run is before it."""
    tokens = _tokens(part, run)
    missing = len(run.words) - len(tokens)
    without_last = (
        run.ends is None
        and missing == 1
        and len(tokens) > 0
        and tokens[-1].begins < run.words[-1].begins
    )
    if missing and not without_last:
        return _under_headers(line, run, part)
    for n, (token, word) in enumerate(zip(tokens, run.words, strict=False)):
        # A long cell pushes others to the right, never to the left: a word that ends before
        # its header begins is a second word of the cell before, if there is one.
        ends = token.begins + len(token.text.split(None, 1)[0])  # the last one may be the rest
        if (n or not first) and ends <= word.begins:
            raise _unclear(line, token)
    return [token.text for token in tokens] + [None] * missing


def _tokens(part: str, run: Run) -> list[Word]:
    """The words of a line that may be cells; in the last run the last cell is all that is left."""
    found = list(WORD.finditer(part))
    tokens = [Word(f[0], run.begins + f.start(), run.begins + f.end()) for f in found]
    last = len(run.words) - 1
    if run.ends is None and len(tokens) > len(run.words):
        rest = part[found[last].start() :]
        tokens[last:] = [Word(rest, tokens[last].begins, tokens[last].begins + len(rest))]
    return tokens


def _under_headers(line: Line, run: Run, part: str) -> list[Cell]:
    """Cells by the header each word stands under: some are empty, or of several words."""
    spans: list[tuple[int, int] | None] = [None] * len(run.words)
    for found in WORD.finditer(part):
        token = Word(found[0], run.begins + found.start(), run.begins + found.end())
        under = [
            n
            for n, word in enumerate(run.words)
            if token.begins < word.ends and token.ends > word.begins
        ]
        if len(under) != 1:
            raise _unclear(line, token)
        begins, _ = spans[under[0]] or (found.start(), 0)
        spans[under[0]] = (begins, found.end())
    return [None if span is None else part[slice(*span)] for span in spans]


def _unclear(line: Line, token: Word) -> BadPlace:
    return BadPlace(
        line.number,
        f"it cannot be told which column {token.text!r} belongs to",
        token.begins + 1,
        line.text,
    )
