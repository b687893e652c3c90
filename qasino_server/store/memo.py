"""Answers that were given already, to whoever asks the same of the same snapshot again.

At each generation the pages, the prompts and the alerts of a whole team ask what they asked
before, all at once. A snapshot does not change, so one of them has to be worked out. Kept are
answers that depend on nothing else (`Examined.repeatable`), up to 256 KiB each, for as long as
the snapshot, the views and the static tables stay what they are, or until newer ones need the
room: who asks something else each time does not keep others from being remembered.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from sys import getsizeof

from qasino_server.database.snapshot import Snapshot
from qasino_server.store.job import Form, Job
from qasino_server.table import Result

Question = tuple[str, Form]
"""A statement as it came, and the form of its answer."""

ANSWER_BYTES = 1 << 18
TOTAL_BYTES = 16 << 20
_ENTRY_BYTES = 500
_COLUMN_BYTES = 80
"""What is told of a column beside its name, where no other answer shares it."""


class _Page:
    """The answers of one snapshot in one overlay."""

    def __init__(self, snapshot: Snapshot | None, overlay_version: int) -> None:
        self.snapshot = snapshot
        self.overlay_version = overlay_version
        self.answers: OrderedDict[Question, Result] = OrderedDict()
        """The oldest first; a dict looks for its first one through all that have gone."""
        self.size_bytes = 0


class Memo:
    """What has been answered of the current snapshot; any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._page = _Page(None, 0)

    def knows(self, question: Question) -> bool:
        """Whether `recall` may have something to say; quicker than asking what it takes."""
        return question in self._page.answers

    def recall(self, question: Question, snapshot: Snapshot, overlay_version: int) -> Result | None:
        """The answer, if it still holds for these."""
        page = self._page
        if page.snapshot is not snapshot or page.overlay_version != overlay_version:
            return None
        return page.answers.get(question)

    def sign_and_keep(
        self, job: Job, result: Result, snapshot: Snapshot, overlay_version: int, began_s: float
    ) -> Result:
        """The result of a job that began then (`time.perf_counter`), as one of the snapshot;
        remembered if whoever asks the same gets the same, and it is not large."""
        signed = result.signed(snapshot.number, snapshot.age_s, began_s)
        if job.repeatable:
            self._keep((job.sql, job.request.form), signed, snapshot, overlay_version)
        return signed

    def _keep(
        self, question: Question, answer: Result, snapshot: Snapshot, overlay_version: int
    ) -> None:
        size_bytes = _size_of(question, answer)
        if size_bytes > ANSWER_BYTES:
            return
        with self._lock:
            page = self._page
            if page.snapshot is not snapshot or page.overlay_version != overlay_version:
                if page.snapshot is not None and page.snapshot.number > snapshot.number:
                    return
                page = self._page = _Page(snapshot, overlay_version)
            if question in page.answers:
                return
            while page.answers and page.size_bytes + size_bytes > TOTAL_BYTES:
                page.size_bytes -= _size_of(*page.answers.popitem(last=False))
            page.answers[question] = answer
            page.size_bytes += size_bytes


def _size_of(question: Question, answer: Result) -> int:
    names = answer.column_names
    told_bytes = sum(map(getsizeof, names)) + _COLUMN_BYTES * len(names)
    told_bytes += len(answer.infinities_json)
    return len(answer.rows_json or "") + getsizeof(question[0]) + told_bytes + _ENTRY_BYTES
