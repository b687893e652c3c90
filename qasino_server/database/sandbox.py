"""What a query may do. SQLite itself is asked, never the text of the statement.

Four walls, each of which would do for most attacks alone: the files are opened read-only;
`query_only` is on; the authorizer allows reading and nothing else; and a statement runs only if
SQLite calls it read-only, with columns, alone (`examine`).
The limits bound what one statement can make SQLite build.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import apsw

from qasino_server.remembered import remembered

READABLE_PRAGMAS = frozenset(
    {
        "collation_list",
        "compile_options",
        "foreign_key_list",
        "function_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "module_list",
        "pragma_list",
        "table_info",
        "table_list",
        "table_xinfo",
    }
)
"""Pragmas that only tell; they are there for their table-valued form, pragma_table_info(..)."""


@remembered(4096)
def is_table_function(name: str) -> bool:
    """Whether an empty database has a table of that name: json_each, pragma_table_info, ..

    A table so named would hide it, from our own statements too. SQLite is asked for each
    name, since it lists such modules only once they have been used. Any name: a query may call
    a part of itself whatever it likes, and no wall stands around the connection that is asked.
    """
    escaped = name.replace('"', '""')
    try:
        apsw.Connection(":memory:").execute(f'SELECT 1 FROM "{escaped}" LIMIT 0')
    except apsw.SQLError as error:
        return "no such table" not in str(error)
    return True


_INTERRUPTS_MOST = 100
_INT_MAX = 2**31 - 1
"""Of C, as which SQLite takes its limits; it has a bound of its own below that."""

_READ = apsw.SQLITE_READ
_SELECTING = frozenset({apsw.SQLITE_SELECT, apsw.SQLITE_RECURSIVE})

HARMLESS_FUNCTIONS = frozenset(
    """
    -> ->> abs acos acosh asin asinh atan atan2 atanh avg ceil ceiling changes char coalesce concat
    concat_ws cos cosh count cume_dist current_date current_time current_timestamp date datetime
    degrees dense_rank exp first_value floor format glob group_concat hex if ifnull iif instr json
    json_array json_array_insert json_array_length json_error_position json_extract json_group_array
    json_group_object json_insert json_object json_patch json_pretty json_quote json_remove
    json_replace json_set json_type json_valid jsonb jsonb_array jsonb_array_insert jsonb_extract
    jsonb_group_array jsonb_group_object jsonb_insert jsonb_object jsonb_patch jsonb_remove
    jsonb_replace jsonb_set julianday lag last_insert_rowid last_value lead length like likelihood
    likely ln log log10 log2 lower ltrim max median min mod nth_value ntile nullif octet_length
    percent_rank percentile percentile_cont percentile_disc pi pow power printf quote radians random
    randomblob rank replace round row_number rtrim sign sin sinh soundex sqlite_compileoption_get
    sqlite_compileoption_used sqlite_source_id sqlite_version sqrt strftime string_agg substr
    substring subtype sum tan tanh time timediff total total_changes trim trunc typeof unhex unicode
    unistr unistr_quote unixepoch unlikely upper zeroblob
    """.split()
)
"""What a query may call; a function SQLite gets tomorrow is refused until somebody has judged it.

Not here are load_extension, sqlite_log (writes into our log), fts3_tokenizer (takes addresses),
and what belongs to tables nobody can make: FTS, R-Trees, geopoly, MATCH.
"""

CHANGING_FUNCTIONS = frozenset(
    """
    changes current_date current_time current_timestamp date datetime julianday last_insert_rowid
    random randomblob strftime time timediff total_changes unixepoch
    """.split()
)
"""Those of them that may say something else the next time they are asked."""

BRIEF_FUNCTIONS = frozenset(
    """
    abs avg coalesce count current_date current_time current_timestamp date datetime ifnull iif
    julianday length lower max min nullif round sign sum time total typeof unixepoch upper
    """.split()
)
"""Those of them that take no longer than it takes to read what they are given."""

FORBIDDEN_TABLES = frozenset({"carray", "dbstat", "fts3tokenize", "fts4aux", "sqlite_dbpage"})
"""Tables SQLite has without anybody making them, and which show memory or the file itself."""


class Sandbox:
    """The authorizer of one connection, and the memory of what it refused last."""

    def __init__(self, connection: apsw.Connection, prev_read: Callable[[], None]) -> None:
        """`prev_read` is called when a statement is prepared that reads the snapshot before."""
        self._connection = connection
        self._prev_read = prev_read
        self.static_tables: frozenset[str] = frozenset()
        """Their keys: of a table none of whose columns are read SQLite may not say where it is,
        and names the schema as the statement does."""
        self.bare_views: frozenset[str] = frozenset()
        """Keys of the views that have a compound which is no table to a SELECT."""
        self.reads_max = sys.maxsize
        """The columns that a statement may read."""
        self.refused = ""
        """What the last refused statement tried, in words."""
        self.running = False
        """Pragmas may run inside a statement that was examined, never as a statement."""
        self.watch()
        self._plain_table = ""
        """The last table that was read: not forbidden, no table function, no bare view."""

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Within the block the connection does whatever it is asked to: for our own statements
        only, such as make views.

        Whoever waits for it may be stopped in any moment. Whatever the interrupt hits, the walls
        stand again afterwards: one that came while they were taken down, or put up again, left
        the connection without its authorizer to whoever asked next.
        """
        try:
            self._connection.authorizer = None
            self._connection.pragma("query_only", 0)
            yield
        finally:
            self.close_in()

    def close_in(self) -> None:
        """From now on the connection reads and does nothing else."""
        self._plain_table = ""
        self._connection.authorizer = None
        try:
            self._switch_query_only_on()
        finally:
            self._connection.authorizer = self._authorize

    def _switch_query_only_on(self) -> None:
        """Also where it is interrupted meanwhile; raises apsw.InterruptError where that has no
        end."""
        for _ in range(_INTERRUPTS_MOST):
            with suppress(apsw.InterruptError):
                self._connection.pragma("query_only", 1)
                return
        self._connection.pragma("query_only", 1)

    def watch(self) -> None:
        """Begin to look at what is prepared."""
        self.changing = False
        """Whether it may say something else the next time: it calls such a function, or reads
        a table function."""
        self.brief = True
        """Whether its steps are all brief: it calls such functions only, and reads neither a
        table function nor the static tables, whose file may be locked or on a slow disk."""
        self.unpacks = False
        """Whether it reads a table function."""
        self.reads_static = False
        """Whether it reads the static tables."""
        self.reads_bare_view = False
        """Whether it reads one of the `bare_views`."""
        self.nr_selects = 0
        """How many SELECTs it has, those within others and those of views counted."""
        self._nr_reads = 0

    def _authorize(
        self, action: int, first: str | None, second: str | None, db: str | None, via: str | None
    ) -> int:
        if action == _READ:
            if db == "static" or (not second and (first or "").lower() in self.static_tables):
                self.brief, self.reads_static = False, True
            elif db == "prev" or (not second and (db or "").lower() == "prev"):
                self._prev_read()
            self._nr_reads += 1
            if self._nr_reads > self.reads_max:
                return apsw.SQLITE_DENY
            if first == self._plain_table:  # it is asked for each column
                return apsw.SQLITE_OK
            if (first or "").lower() not in FORBIDDEN_TABLES:
                self._note_table(first or "")
                return apsw.SQLITE_OK
        elif action in _SELECTING:
            self.nr_selects += action == apsw.SQLITE_SELECT
            return apsw.SQLITE_OK
        elif (
            action == apsw.SQLITE_FUNCTION
            and (name := (second or "").lower()) in HARMLESS_FUNCTIONS
        ):
            self.changing = self.changing or name in CHANGING_FUNCTIONS
            self.brief = self.brief and name in BRIEF_FUNCTIONS
            return apsw.SQLITE_OK
        if action == apsw.SQLITE_PRAGMA and self.running and first in READABLE_PRAGMAS:
            return apsw.SQLITE_OK
        self.refused = _in_words(action, first, second)
        return apsw.SQLITE_DENY

    def _note_table(self, name: str) -> None:
        if is_table_function(name):
            self.changing = self.unpacks = True
            self.brief = False
        elif name.lower() in self.bare_views:
            self.reads_bare_view = True
        else:
            self._plain_table = name


def _in_words(action: int, first: str | None, second: str | None) -> str:
    name = apsw.mapping_authorizer_function[action]
    words = str(name).removeprefix("SQLITE_").replace("_", " ")
    detail = second if action == apsw.SQLITE_FUNCTION else first
    return f"{words} {detail}" if detail else words


def set_limits(connection: apsw.Connection, max_value_bytes: int) -> None:
    """Bound what one statement can build; `max_value_bytes` is for a single cell.

    The statement's own length is checked when it arrives (1 MiB); ours wraps it, so SQLite's
    bound is wider. https://sqlite.org/limits.html and https://sqlite.org/security.html
    """
    for limit, value in (
        (apsw.SQLITE_LIMIT_LENGTH, min(_INT_MAX, max_value_bytes)),
        (apsw.SQLITE_LIMIT_SQL_LENGTH, min(8 << 20, max_value_bytes)),
        (apsw.SQLITE_LIMIT_VDBE_OP, 5_000_000),
        (apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000),
        (apsw.SQLITE_LIMIT_TRIGGER_DEPTH, 10),
        (apsw.SQLITE_LIMIT_WORKER_THREADS, 0),
    ):
        connection.limit(limit, value)


def harden(connection: apsw.Connection) -> None:
    """Switch off what no query needs. https://sqlite.org/security.html"""
    for switch, value in (
        (apsw.SQLITE_DBCONFIG_DEFENSIVE, 1),
        (apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
        (apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0),
        (apsw.SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0),
        (apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0),
    ):
        connection.config(switch, value)
