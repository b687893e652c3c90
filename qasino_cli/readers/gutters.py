"""Where the columns of a text are that a command prints: between the places blank in all lines.

A column has the header that stands above it. Words without a header stand with a column beside
them, by how that one is aligned and how close they are; whose they are is left open where that
does not tell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import msgspec

_PHRASES = (
    "Mounted on", "Local Address:Port", "Peer Address:Port", "Local Address", "Foreign Address",
    "PID/Program name", "CONTAINER ID", "IMAGE ID", "NOMINATED NODE", "READINESS GATES",
    "ACCESS MODES", "RECLAIM POLICY",
    "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "VOLUME NAME",
    "NET IO", "BLOCK IO", "CPU TIME", "AVG CPU %", "DISK READ", "DISK WRITE",
    "Name/IP address", "Last sample", "Name/IP Address", "Freq Skew", "Std Dev",
)  # fmt: skip
"""Headers of several words, where their cells may leave a gutter between these."""
_GLUED = {"Peer Address:PortProcess": ("Peer Address:Port", "Process")}
"""`ss` into a pipe leaves no blank there."""
_KNOWN = re.compile(rf"(?<!\S)(?:{'|'.join(map(re.escape, (*_GLUED, *_PHRASES)))})(?!\S)")
"""Whole words: no `CPU %` is in the `%CPU %MEM` of `ps`."""
JOIN = "\ue000"
"""Joins words of one header: not a blank, and in nobody's header."""
WORD = re.compile(r"\S+")
_PADDED = 2
"""As wide a gap may be within a cell (`Dec  5`)."""


class Line(msgspec.Struct, frozen=True):
    """A line that is not blank; `begins` is its offset in the text."""

    number: int
    begins: int
    text: str
    width: int
    """With the blanks at its end, which the text lacks."""


class Word(msgspec.Struct, frozen=True):
    """A header, and where in its line it stands."""

    text: str
    begins: int
    ends: int


class Run(msgspec.Struct):
    """What stands between two gutters, and the headers above it."""

    begins: int
    ends: int | None
    """None in the last one: it takes the rest of the line."""
    words: list[Word]
    """Empty where it is uncertain whose it is: a row with something there is a bad one."""

    def of(self, line: str) -> str:
        """What a line has there."""
        return line[self.begins : self.ends]


def columns_of(header: str, rows: Sequence[Line]) -> list[Run]:
    """The columns, several in one where no gutter tells them apart."""
    words = header_words(header)
    runs = between_gutters(words, rows)
    runs = _with_their_headers(runs, words, rows)
    return [_named(run, rows) for run in _without_second_words(header, runs, rows)]


def header_words(header: str) -> list[Word]:
    """The headers of a line, those of several words among them."""
    joined = _KNOWN.sub(lambda found: found[0].replace(" ", JOIN), header)
    words: list[Word] = []
    for found in WORD.finditer(joined):
        begins = found.start()
        text = found[0].replace(JOIN, " ")
        for part in _GLUED.get(text, (text,)):
            words.append(Word(part, begins, begins + len(part)))
            begins += len(part)
    return words


def between_gutters(words: Sequence[Word], rows: Sequence[Line]) -> list[Run]:
    """From the last header on all is one column: only there do blanks not count."""
    last = words[-1].begins
    bits = 0
    for line in rows:
        bits |= occupied(line.text, last)
    filled = list(bits.to_bytes(last, "big")) if last else []
    for word in words[:-1]:
        filled[word.begins : word.ends] = [1] * (word.ends - word.begins)
    runs: list[Run] = []
    for at, mark in enumerate([*filled, 1]):
        if mark and (at == 0 or not filled[at - 1]):
            runs.append(Run(at, at, []))
        if mark:
            runs[-1].ends = at + 1
    runs[-1].ends = None
    return runs


_MARKS = bytes(0 if code == 0x20 else 1 for code in range(256))


def occupied(line: str, length: int) -> int:
    """A byte for each place of a line, 1 where it is not blank, as one number."""
    places = line[:length].ljust(length).encode("latin-1", "replace").translate(_MARKS)
    return int.from_bytes(places, "big")


def _with_their_headers(runs: list[Run], words: list[Word], rows: Sequence[Line]) -> list[Run]:
    """Each run with the words above it; those without any go to the runs beside them."""
    kept: list[Run] = []
    bare: list[Run] = []
    for run in runs:
        ends = run.ends if run.ends is not None else words[-1].ends
        run.words = [word for word in words if word.begins < ends and word.ends > run.begins]
        if not run.words:
            bare.append(run)
            continue
        if bare:
            kept += _handed_out(kept[-1] if kept else None, bare, run, rows)
            bare = []
        kept.append(run)
    for before, after in pairwise(kept):
        before.ends = after.begins
    return kept


def _without_second_words(header: str, runs: list[Run], rows: Sequence[Line]) -> list[Run]:
    """Runs, one that is empty in all rows joined to that one blank before it: a second word.

    Not where others stand one blank apart as well (`lsblk`, `findmnt`): such a run is a column that
    has no cell here, and it keeps its name, or one command would make other columns on each host.
    """
    others = [run for left, run in pairwise(runs) if not _may_be_second(left, run, rows)]
    if len(others) == len(runs) - 1:
        return runs
    if not all(_is_two_apart(header, run, rows) for run in others):
        return runs
    kept = [runs[0]]
    for run in runs[1:]:
        before = kept[-1]
        if _may_be_second(before, run, rows) and _may_go_on(before, run, rows):
            word = before.words[-1]
            text = f"{word.text} {run.words[0].text}"
            before.words[-1:] = [Word(text, word.begins, run.words[0].ends), *run.words[1:]]
            before.ends = run.ends
        else:
            kept.append(run)
    return kept


def _is_two_apart(header: str, run: Run, rows: Sequence[Line]) -> bool:
    """Whether two blanks, or more, part a run from the one before it in all lines."""
    gutter = slice(run.begins - 2, run.begins)
    return not any(line[gutter].strip() for line in (header, *(row.text for row in rows)))


def _may_be_second(before: Run, run: Run, rows: Sequence[Line]) -> bool:
    """Whether the header of a run stands one blank after another, above nothing."""
    if not before.words or not run.words or run.words[0].begins != before.words[-1].ends + 1:
        return False
    return not any(run.of(line.text).strip() for line in rows)


def _may_go_on(before: Run, run: Run, rows: Sequence[Line]) -> bool:
    """Whether the header of a run may have another word, by its cells: some are there, they are
    not aligned with the word it has, and no line is padded up to the other, as for a cell of it."""
    return (
        any(before.of(line.text).strip() for line in rows)
        and not _is_right_aligned(before, rows)
        and not any(line.width == run.begins for line in rows)
    )


def _named(run: Run, rows: Sequence[Line]) -> Run:
    """Words above cells of at most one word each are one header (`Local Address:Port`)."""
    adjacent = all(b.begins == a.ends + 1 for a, b in pairwise(run.words))
    if len(run.words) < 2 or not adjacent or any(" " in word.text for word in run.words):
        return run  # a phrase is whole already
    if rows and all(len(run.of(line.text).split()) <= 1 for line in rows):
        text = " ".join(word.text for word in run.words)
        run.words = [Word(text, run.words[0].begins, run.words[-1].ends)]
    return run


# --- Runs without a header ---------------------------------------------------------------------


def _handed_out(before: Run | None, bare: list[Run], after: Run, rows: Sequence[Line]) -> list[Run]:
    """Gives the runs without a header to those beside them; what nobody gets, as one run.

    The first column may lack a header (`free`, whose rows begin with Mem: and Swap:).
    """
    whole = Run(bare[0].begins, bare[-1].ends, [])
    rows = [line for line in rows if whole.of(line.text).strip()]
    if before is None:
        if _begins_with(bare, after, rows):
            after.begins = whole.begins
            return []
        whole.words = [Word("", whole.begins, bare[0].ends or whole.begins)]
        return [whole]
    nr_before = _nr_before(before, bare, after, rows)
    if nr_before is None:
        return [whole]
    if nr_before > 0:
        before.ends = bare[nr_before - 1].ends
    if nr_before < len(bare):
        after.begins = bare[nr_before].begins
    return []


def _begins_with(bare: Sequence[Run], after: Run, rows: Sequence[Line]) -> bool:
    """Whether words before the first header are a part of the right-aligned cells below it.

    These need to have several words below it as well, or a name of two words in a column without
    a header (`New York 12`) would be taken for a part of the number beside it.
    """
    return (
        len(bare) > 1
        and _is_right_aligned(after, rows)
        and _has_cells_of_words(after, rows)
        and _widest_within([_gaps(line, bare, after)[-1] for line in rows], bare[0].begins) == 1
    )


def _nr_before(before: Run, bare: Sequence[Run], after: Run, rows: Sequence[Line]) -> int | None:
    """How many of the runs without a header belong to the run before them; None if uncertain.

    A cell has more to its right only if it is left-aligned (`7 (2m ago)`), and to its left only
    if it is right-aligned (`Fri Nov 27 21:18:10 2026`, the STARTED of `ps`). Where both may be,
    the words of a cell stand closer together than cells do.
    """
    if not _is_right_aligned(after, rows):
        return None if _is_right_aligned(before, rows) else len(bare)
    if _is_right_aligned(before, rows):
        return 0
    gaps = [gap for line in rows for gap in _gaps(line, bare, after)]
    widest = [_widest_within(gaps, run.begins) for run in (*bare, after)]
    closest = _closest(widest)
    if closest is None and widest[-1] == 1 and not _has_cells_of_words(after, rows):
        return len(bare)  # `Samsung SSD 860 EVO 465.8G`: hardly a word of a number
    return closest


def _closest(widest: Sequence[int]) -> int | None:
    """Where to divide, by the widest gap that each place leaves within a cell."""
    ends = {0, len(widest) - 1}  # all words to the one column, or to the other
    close = {nr for nr, width in enumerate(widest) if width <= _PADDED}
    if len(close) > 1:  # then only a single blank tells
        both_ends_will_do = ends <= close
        close = {nr for nr in close if widest[nr] == 1}
        if both_ends_will_do or len(close) > 1:
            close &= ends
    return close.pop() if len(close) == 1 else None


def _widest_within(gaps: Sequence[tuple[int, int]], divide: int) -> int:
    return max((ends - begins for begins, ends in gaps if not begins < divide <= ends), default=0)


def _has_cells_of_words(run: Run, rows: Sequence[Line]) -> bool:
    return all(" " in run.of(line.text).strip() for line in rows)


def _is_right_aligned(run: Run, rows: Sequence[Line]) -> bool:
    """Whether each row has a cell that ends where the header does, and not all begin there."""
    cells = [run.of(line.text).rstrip() for line in rows]
    if len(run.words) > 1 or not all(cells):
        return False
    ends = {run.begins + len(cell) for cell in cells}
    begins = {run.begins + len(cell) - len(cell.lstrip()) for cell in cells}
    return ends == {run.words[0].ends} and begins != {run.words[0].begins}


def _gaps(line: Line, bare: Sequence[Run], after: Run) -> list[tuple[int, int]]:
    """The blanks before each word without a header, and before the one after them."""
    words = pairwise(WORD.finditer(line.text))
    return [
        (left.end(), right.start())
        for left, right in words
        if right.start() >= bare[0].begins and left.start() < after.begins
    ]
