"""A query on its way: what was asked, how far it is, and the one answer it gets.

Who has it now, a queue or a reader, and why it is to stop are changed under the lock of the
readers only; the rest belongs to whoever runs it. It is answered once: `Readers.conclude` sees
who comes first, the reader that has the result or the warden that gives the reader up.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from typing import Literal, Protocol

import apsw
import msgspec

from qasino_server.database.answer import BrokenText, Limits, answer, collect, rows_of
from qasino_server.database.examine import Begun, Examined, begin, examine
from qasino_server.database.lines import NotLines, lines_of
from qasino_server.database.snapshot import Snapshot, SnapshotConnection
from qasino_server.database.words import LacksPrev, in_words
from qasino_server.errors import QasinoError, QueryTimeout, ServerFault, SqlError
from qasino_server.render import Stream
from qasino_server.rights import ANYBODY, Rights
from qasino_server.statement import Select
from qasino_server.table import Result

log = logging.getLogger("qasino.store")

_BUFFERED_BYTES = 65_536

Form = Literal["strings", "typed", "rows"]
"""Of an answer: JSON built for the wire, all strings or typed, or rows as Python tuples."""


class Sink(Protocol):
    """Where a streamed answer goes; `write` may block until there is room."""

    def begin(self, media_type: str) -> None:
        """The query has begun to answer: what follows are its bytes."""

    def write(self, chunk: bytes, deadline: float) -> None:
        """Pass a chunk on. Raises Cancelled or QueryTimeout where nobody takes it."""

    def stop(self) -> None:
        """The query is to end: whoever writes, or waits to, is not to go on; any thread."""


class QueryRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A query as a port hands it in."""

    sql: str
    port: str
    peer: str
    asker: str = ""
    """Whom it counts for."""
    rights: Rights = ANYBODY
    query_id: str | None = None
    form: Form = "strings"
    use_write_db: bool = False
    asked_at: float | None = None
    """When it was taken from the wire, on the monotonic clock: views as they were then, or later,
    will do. None asks for those of this moment."""
    stream: Stream | None = None
    """With a `sink`, the rows go there in that format."""
    sink: Sink | None = None


class Job:
    """One query."""

    def __init__(
        self,
        request: QueryRequest,
        select: Select,
        timeout_s: float,
        done: Callable[[Result | QasinoError], None],
    ) -> None:
        """`select` is what its statement means. Without a `query_id` it gets one when it is
        handed in."""
        self.request = request
        self.query_id = request.query_id or ""
        self.sql = request.sql
        self.asker = request.asker
        self.select = select
        self.began = time.monotonic()
        self.asked_at = self.began if request.asked_at is None else request.asked_at
        """Views as they were then, or later, will do."""
        self.timeout_s = timeout_s
        self.deadline = self.began + timeout_s
        self.running_since: float | None = None
        self.used_s = 0.0
        """Processor time of its reader's thread, once it has run."""
        self.slow = request.stream is not None
        """It needs a reader for long: a stream, or one that was too slow for the express."""
        self.large = False
        """Statements of its form gave much: fetching some rows first would be in vain."""
        self.known_slow = False
        """It has kept a reader for some time when it was asked before."""
        self.stop_reason: QasinoError | None = None
        """Why it was interrupted, once it was."""
        self.demoted = False
        """It was interrupted to be run again by a reader that has time."""
        self.finished = False
        self.attempt: object | None = None
        """What is SQLite's of its thread's work, new each time it begins; None while it is not."""
        self.pinned: tuple[SnapshotConnection, Snapshot] | None = None
        """What it began on, if it has to begin anew: it ends on the snapshot it began on."""
        self.repeatable = False
        """Whether who asks the same of the same snapshot gets the same answer."""
        self.generation_number: int | None = None
        """The snapshot it runs on, once it does."""
        self.done = done
        """Takes the answer, once; not under the readers' lock."""
        self._writing = False
        """Whether rows have gone into the sink."""

    def stop(self, reason: QasinoError) -> None:
        """Have it end, for that reason unless it has one; whoever runs it has to be interrupted."""
        self.stop_reason = self.stop_reason or reason
        if self.request.sink is not None:
            self.request.sink.stop()

    def failed(self) -> ServerFault:
        """What it is told where running it raised what nobody foresaw; while that is handled."""
        log.exception("query failed: %s", self.sql[:1000])
        return ServerFault("the server failed at this query; its log says how")

    def timed_out(self) -> QueryTimeout:
        """What it is told when its time is up."""
        return QueryTimeout(
            f"the query did not end within {self.timeout_s:g} s (--query-timeout) and was stopped"
        )

    def run(self, on: SnapshotConnection, limits: Limits) -> Result | QasinoError:
        """Run it on that connection, where the snapshot before is fetched if it is read; in a
        reader's thread."""
        outcome = self._tried(on, limits)
        if isinstance(outcome, LacksPrev) and not self._writing:
            outcome = self._tried(on, limits, fetch_prev=True)
        return outcome

    def _tried(
        self, on: SnapshotConnection, limits: Limits, fetch_prev: bool = False
    ) -> Result | QasinoError:
        try:
            if fetch_prev:
                on.fetch_prev(lambda: self.demoted or self.stop_reason is not None)
            self.attempt = object()
            result = self._run(on, limits)
            self._check_there(result.nr_rows)
            return result
        except QasinoError as error:
            return (self.stop_reason or error).landed()
        except apsw.Error as error:
            words = in_words(error, on, self.select.sql)
            return self.stop_reason or words
        except MemoryError:
            return ServerFault("the result needs more memory than the server has")
        finally:
            on.let_go_of_static()
            self.attempt = None

    def _run(self, on: SnapshotConnection, limits: Limits) -> Result:
        self._go_on()
        sql, bindings = self.select.sql, self.select.bindings
        stream, sink = self.request.stream, self.request.sink
        if stream is not None and sink is not None:
            examined = examine(on, sql, bindings)
            if not examined.repeatable and on.may_ask_for_prev(sql):
                raise LacksPrev
            self._go_on()
            return self._write(on, examined, stream, sink)
        examined, begun = self._begin(on)
        return self.result_of(on, examined, limits, begun)

    def result_of(
        self, on: SnapshotConnection, examined: Examined, limits: Limits, begun: Begun | None
    ) -> Result:
        """What its statement gives, within the limits, in the form that was asked for."""
        if self.request.form == "rows":
            return collect(on, examined, limits, begun)
        self.repeatable = examined.repeatable
        return answer(on, examined, self.request.form == "typed", limits, begun)

    def _begin(self, on: SnapshotConnection) -> tuple[Examined, Begun | None]:
        """Examined, and begun too unless SQLite is to build the answer from the first row on."""
        sql, bindings = self.select.sql, self.select.bindings
        if not self.large or self.request.form == "rows":
            return begin(on, sql, bindings, self._go_on)
        examined = examine(on, sql, bindings)
        self._go_on()
        return examined, None

    def _check_there(self, nr_rows: int) -> None:
        """Raise SqlError where what is described is not there."""
        if self.select.missing is not None and not nr_rows:
            raise SqlError(self.select.missing)

    def _go_on(self) -> None:
        """An interrupt that comes before the statement runs is heard by nobody else."""
        if self.stop_reason is not None:
            raise self.stop_reason

    def _write(self, on: SnapshotConnection, query: Examined, stream: Stream, sink: Sink) -> Result:
        """Write the rows into the sink as they come."""
        out = _Buffered(sink, stream.media_type, stream.head(query.names), self.deadline)
        try:
            with closing(lines_of(on, query, stream.form, stream.keys)) as lines:
                for text, nr_rows in lines:
                    out.add(text, nr_rows)
        except (NotLines, apsw.TooBigError):
            # The next line is longer than a value may be, or what is in it has to be seen.
            if out.nr_rows and not query.repeatable:
                raise SqlError(_NOT_TWICE) from None
            _write_each(on, query, stream, out)
        finally:
            self._writing = out.begun
        self._check_there(out.nr_rows)  # before the names go out
        out.flush()
        return Result(column_names=query.names, column_types=(), nr_rows=out.nr_rows)


def _write_each(on: SnapshotConnection, query: Examined, stream: Stream, out: _Buffered) -> None:
    """Write row by row, after those that were written."""
    anew = not query.repeatable and not query.bare
    try:
        with closing(rows_of(on, query, anew=anew)) as rows:
            for row in islice(rows, out.nr_rows, None):
                out.add(stream.rows((row,)).encode(), 1)
    except BrokenText:
        raise SqlError(_NOT_TWICE) from None


_NOT_TWICE = (
    "the result has to be begun anew in the middle, for a cell that is no text or too large, and"
    " this statement may give other rows then; ask for it as JSON"
)


class _Buffered:
    """Rows on their way into a sink, as many at a time as go into some kilobytes."""

    def __init__(self, sink: Sink, media_type: str, head: str, deadline: float) -> None:
        self._sink = sink
        self._media_type = media_type
        self._deadline = deadline
        self._parts = [head.encode()]
        self._size_bytes = 0
        self.begun = False
        self.nr_rows = 0

    def add(self, text: bytes, nr_rows: int) -> None:
        """Some more rows."""
        self._parts.append(text)
        self.nr_rows += nr_rows
        self._size_bytes += len(text)
        if self._size_bytes > _BUFFERED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Pass on what there is."""
        if not self.begun:
            self._sink.begin(self._media_type)
            self.begun = True
        chunk = b"".join(self._parts)
        self._parts, self._size_bytes = [], 0
        self._sink.write(chunk, self._deadline)
