"""A sealed generation, read-only, and the connections that queries run on.

A connection sees, in this order: the views (TEMP), the snapshot (main), the static tables
(`static`), and the snapshot before (`prev`). A table that only `prev` has must not answer to
its bare name, or a query would mix two generations without a word: such names are covered by
a TEMP view that leads to nothing ("shadow"). Where the snapshot before is away (`generation_file`),
a connection is opened without it, and gets it when a query has asked for it.

What a connection has of its own over the snapshot, views and shadows, is its overlay (SQLite's
TEMP schema); it changes when the views file or the set of static tables does, between two queries.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw
import msgspec

from qasino_server.database.compounds import has_bare_compound
from qasino_server.database.generation_file import GONE, GenerationFile, Stopped
from qasino_server.database.sandbox import Sandbox, harden, set_limits
from qasino_server.database.sqltext import file_uri, quoted
from qasino_server.database.viewsql import fault_of
from qasino_server.errors import Busy
from qasino_server.table import Figures

_LOCKED_MS = 100
VIEWS_TABLE = "qasino_server_views"
BRIEF_VALUE_BYTES = 10_000
"""The largest value on a connection for what is brief; larger ones take time at each step."""
_BRIEF_READS = 300
"""Columns a statement may read there: a name is looked for among all columns of its table."""
_OF_A_SCHEMA = (apsw.SQLITE_LIMIT_LENGTH, apsw.SQLITE_LIMIT_SQL_LENGTH)
"""Bounds on what queries build, which a table of many columns may be beyond."""
_NO_LIMIT = 1 << 30


class View(msgspec.Struct, frozen=True):
    """A view of the views file, read; `body` is what follows CREATE VIEW."""

    viewname: str
    definition: str
    """As it stands in the file."""
    body: str | None
    """None where it cannot be used at all; `error` says why."""
    error: str = ""


class Overlay(msgspec.Struct, frozen=True):
    """What it is to be; `version` grows with every change of the rest."""

    version: int
    views: tuple[View, ...] = ()


class Place(msgspec.Struct, frozen=True):
    """The files a connection reads."""

    snapshot: GenerationFile
    previous: GenerationFile | None
    static: Path


class SnapshotConnection:
    """One read-only connection to a snapshot; used by one thread at a time."""

    def __init__(self, place: Place, overlay: Overlay, max_value_bytes: int) -> None:
        """Raises apsw.CantOpenError where a file is gone."""
        self._snapshot = place.snapshot
        self._previous = place.previous
        self._open: list[GenerationFile] = []
        self._held: apsw.Cursor | None = None
        self.takes_quoted_texts = False
        with _opening(place.snapshot):
            self.connection = apsw.Connection(_uri(place.snapshot), flags=_READ_ONLY)
            self._open.append(place.snapshot)
        try:
            self._set_up(place, overlay, max_value_bytes)
        except BaseException:
            self.close()
            raise

    def _set_up(self, place: Place, overlay: Overlay, max_value_bytes: int) -> None:
        self.sandbox = Sandbox(self.connection, self._note_prev_read)
        self.overlay_version = -1
        self.examined: dict[str, Any] = {}
        """Statements that were examined on this connection, and the outcome; `examine`'s."""
        self.forms: dict[str, Any] = {}
        """The same, with parameters for the values in which statements of one form differ."""
        harden(self.connection)
        self.take_quoted_texts(False)
        self.connection.execute("PRAGMA mmap_size=1099511627776")
        self.static_fault = self._attach_static(place.static)
        """Why the static tables are not there; '' where they are."""
        self._has_prev = False
        self._views_say_prev = False
        if place.previous is not None and not place.previous.away:
            self._attach_prev(place.previous)
        set_limits(self.connection, max_value_bytes)
        self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, 0)
        self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, 0)
        self.shadows: frozenset[str] = frozenset()
        self.apply(overlay)

    def _attach_static(self, path: Path) -> str:
        """Attach the static tables; where they cannot be read, none, and the reason.

        Live tables do not stop because somebody has removed the file of the static ones.
        """
        self.connection.set_busy_timeout(_LOCKED_MS)
        try:
            self.connection.execute("ATTACH ? AS static", (file_uri(path, "mode=ro"),))
            # A page that is mapped and then cut off would end the process (SIGBUS).
            self.connection.execute("PRAGMA static.mmap_size=0")
            if self._names("static"):
                return ""
            fault = "the file is empty"
        except apsw.Error as error:
            fault = str(error)
        with suppress(apsw.Error):
            self.connection.execute("DETACH static")
        self.connection.execute("ATTACH ':memory:' AS static")
        return fault

    def take_quoted_texts(self, taken: bool) -> None:
        """Whether a name in double quotes that nothing has is a text, as in old views."""
        self.connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, int(taken))
        self.takes_quoted_texts = taken

    @property
    def holds_static(self) -> bool:
        """Whether the static tables are held."""
        return self._held is not None

    def hold_static(self) -> None:
        """See the static tables as they are now, whoever replaces them, until they are let go."""
        self._held = self.connection.execute("SELECT 1 FROM static.sqlite_schema")

    def let_go_of_static(self) -> None:
        """Have the next query see them anew, and their file's log be written over."""
        if self._held is not None:
            self._held.close(True)
            self._held = None

    @property
    def lacks_prev(self) -> bool:
        """Whether there is a snapshot before that it does not have yet."""
        return self._previous is not None and not self._has_prev

    def may_ask_for_prev(self, sql: str) -> bool:
        """Whether the statement, or a view that it may read, says its name: a pragma's function
        would ask for it when it is its turn, after some rows."""
        return self.lacks_prev and (self._views_say_prev or _says_prev(sql))

    def fetch_prev(self, stopped: Stopped) -> None:
        """Attach the snapshot before, as soon as its file is there again, or `stopped` says so.

        Raises Busy where it cannot be had, and apsw.Error; it has it whole or not at all.
        """
        assert self._previous is not None
        with self._previous.restored(stopped) as there:
            if not there:
                return
            limits = {limit: self.connection.limit(limit, _NO_LIMIT) for limit in _OF_A_SCHEMA}
            try:
                with self.sandbox.opened():
                    self._attach_prev(self._previous)
            except (apsw.CantOpenError, apsw.IOError):
                raise Busy(GONE) from None
            finally:
                for limit, value in limits.items():
                    self.connection.limit(limit, value)

    def _attach_prev(self, previous: GenerationFile) -> None:
        with _opening(previous):
            self.connection.execute("ATTACH ? AS prev", (_uri(previous),))
            self._open.append(previous)
        self._has_prev = True

    def _note_prev_read(self) -> None:
        if self._previous is not None:
            self._previous.asked = True

    def apply(self, overlay: Overlay) -> None:
        """Have these views, if they are not the ones it has already.

        Raises apsw.InterruptError where it is stopped meanwhile: it has some of them then, and
        is closed or has this done again.
        """
        if overlay.version == self.overlay_version:
            return
        self.examined.clear()
        self.forms.clear()
        with self.sandbox.opened():
            self._drop_overlay()
            statics = self.sandbox.static_tables = frozenset(self._names("static"))
            own = self._names("main")
            # In place of what a look saw, which may have been dropped since.
            self._snapshot.tables = frozenset(own)
            tables = own | statics
            self.sandbox.bare_views = _bare_views(overlay.views)
            self._views_say_prev = any(_says_prev(view.body or "") for view in overlay.views)
            self._create_views(overlay, tables)
            self._create_shadows(tables)
        self.overlay_version = overlay.version

    def warm(self) -> None:
        """Read the schema now, so that no query has to."""
        self.connection.execute("SELECT 1 FROM main.qasino_server_info").fetchall()

    def close(self) -> None:
        """Let go of the files; an unlinked one is gone with its last connection."""
        self.let_go_of_static()
        self.connection.close()
        while self._open:
            self._open.pop().closed()

    def _drop_overlay(self) -> None:
        for kind, name in self.connection.execute(
            "SELECT type, name FROM temp.sqlite_schema WHERE type IN ('view', 'table')"
        ).fetchall():
            self.connection.execute(f"DROP {kind} temp.{quoted(str(name))}")

    def _names(self, schema: str) -> set[str]:
        rows = self.connection.execute(
            f"SELECT lower(name) FROM {schema}.sqlite_schema"
            " WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        )
        return {str(name) for (name,) in rows}

    def _create_views(self, overlay: Overlay, tables: Set[str]) -> None:
        views = overlay.views
        errors = [self._create_view(view, tables) for view in views]
        schema_version = self.connection.execute("PRAGMA main.schema_version").get
        versions = (overlay.version, schema_version)
        known, faults = self._snapshot.view_faults
        if known != versions:
            faults = {
                view.viewname: fault_of(self.connection, view.viewname)
                for view, error in zip(views, errors, strict=True)
                if not error
            }
            self._snapshot.view_faults = versions, faults
        errors = [
            error or faults.get(view.viewname, "")
            for view, error in zip(views, errors, strict=True)
        ]
        self.connection.execute(
            f"CREATE TEMP TABLE {VIEWS_TABLE}"
            ' (viewname TEXT, loaded INTEGER, errormsg TEXT, "view" TEXT)'
        )
        self.connection.executemany(
            f"INSERT INTO temp.{VIEWS_TABLE} VALUES (?, ?, ?, ?)",
            [
                (view.viewname, int(not error), error, view.definition)
                for view, error in zip(views, errors, strict=True)
            ],
        )

    def _create_view(self, view: View, tables: Set[str]) -> str:
        """Create the view; what is wrong with it, or ''."""
        if view.body is None:
            return view.error
        if view.viewname.lower() in tables:
            return f"there is a table named {view.viewname}, which the view would hide"
        try:
            self.connection.execute(f"CREATE TEMP VIEW {view.body}")
        except apsw.InterruptError:
            raise  # of the query it was to be made for, and no fault of the view
        except apsw.Error as error:
            return str(error)
        return ""

    def _create_shadows(self, tables: Set[str]) -> None:
        """Also where the snapshot before is away: it may come at any time, in one step."""
        if self._previous is None:
            return
        ours = {
            name
            for (name,) in self.connection.execute("SELECT lower(name) FROM sqlite_temp_schema")
        }
        gone = self._previous.tables - tables - ours
        for name in gone:
            self.connection.execute(
                f"CREATE TEMP VIEW {quoted(name)} AS SELECT * FROM main.{quoted(name)}"
            )
        self.shadows = frozenset(gone)


def _says_prev(sql: str) -> bool:
    return "prev" in sql.lower()


def _bare_views(views: Sequence[View]) -> frozenset[str]:
    return frozenset(
        view.viewname.lower()
        for view in views
        if view.body is not None and has_bare_compound(view.body, is_view=True)
    )


@contextmanager
def _opening(file: GenerationFile) -> Iterator[None]:
    """Count it as open, unless it cannot be opened."""
    file.opening()
    try:
        yield
    except BaseException:
        file.closed()
        raise


def _uri(file: GenerationFile) -> str:
    return file_uri(file.path, "mode=ro&immutable=1")


_READ_ONLY = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI


def brief_connection(place: Place, overlay: Overlay, max_value_bytes: int) -> SnapshotConnection:
    """A connection that waits for nothing and knows no large values but those of its overlay."""
    made = SnapshotConnection(place, overlay, max_value_bytes)
    made.connection.limit(apsw.SQLITE_LIMIT_LENGTH, BRIEF_VALUE_BYTES)
    made.connection.set_busy_timeout(0)
    made.sandbox.reads_max = _BRIEF_READS
    return made


class Snapshot:
    """A finished generation with a connection for each reader, opened before it is shown."""

    def __init__(
        self,
        number: int,
        connections: Sequence[SnapshotConnection],
        brief: SnapshotConnection,
        place: Place,
        max_value_bytes: int,
        figures: Figures,
    ) -> None:
        self.number = number
        self._since_s = time.monotonic()
        self.place = place
        self.figures = figures
        self._max_value_bytes = max_value_bytes
        self._connections = list(connections)
        self._brief: list[SnapshotConnection] = [brief]

    @property
    def age_s(self) -> float:
        """How long it has been the snapshot, whatever became of the clock meanwhile."""
        return time.monotonic() - self._since_s

    def take_connection(self) -> SnapshotConnection | None:
        """A connection opened beforehand, or None where all are taken."""
        try:
            return self._connections.pop()
        except IndexError:
            return None

    def take_brief_connection(self) -> SnapshotConnection | None:
        """The one for what is brief, or None where it is taken."""
        try:
            return self._brief.pop()
        except IndexError:
            return None

    def new_connection(self, overlay: Overlay) -> SnapshotConnection:
        """One more. Raises apsw.CantOpenError where the snapshot's file is gone."""
        return SnapshotConnection(self.place, overlay, self._max_value_bytes)

    def close_untaken(self) -> None:
        """Close what no reader came for."""
        while (connection := self.take_connection() or self.take_brief_connection()) is not None:
            connection.close()
