"""What a statement is, before it runs: SQLite's word on it, or a sentence why it may not.

It must be read-only, with columns, alone, and at most an EXPLAIN QUERY PLAN. A statement that is
new to its connection is prepared once: it is looked at when it is prepared and not begun, and
goes on from there where it may.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import apsw
import msgspec

from qasino_server.database.compounds import has_bare_compound
from qasino_server.database.parameters import with_parameters
from qasino_server.database.sandbox import is_table_function
from qasino_server.database.snapshot import SnapshotConnection
from qasino_server.database.sqltext import with_names_only
from qasino_server.database.words import in_words
from qasino_server.errors import NotReading, SqlError
from qasino_server.remembered import bytes_of, remembered
from qasino_server.splitting import BLANKS

_WRAPPED_COLUMNS_MAX = 300
_NOTHING = " \t\n\f\r;"
"""What may stand around a statement, beside comments."""
_BEFORE = re.compile(rf"(?:{BLANKS}|[;\ufeff])*+", re.DOTALL)
_REMEMBERED = 200
_REMEMBERED_CHARS = 2000
_REMEMBERED_BYTES = 40_000
"""Of the names and types of columns, which may be 300 with short names."""
_END_OF_COMMENT = "\n/**/"
_QUOTED_TEXT = "should this be a string literal in single-quotes?"


class Examined(msgspec.Struct, frozen=True):
    """A statement SQLite has agreed to, and what it will give."""

    sql: str
    """As it came, or with parameters for the values that others of its form have else."""
    bindings: tuple[str | int, ...]
    names: tuple[str, ...]
    types: tuple[str, ...]
    computed: tuple[int, ...]
    """Columns that are expressions, or of a table function: only those can hold a BLOB, since
    tables are made of JSON, which has none."""
    alone: str
    """To stand in another statement: without a `;` before or after it, and with the end of a
    comment that it may have left open."""
    wrappable: bool
    bare: bool = False
    """Whether it may give other numbers as a table to another SELECT (`compounds`)."""
    unfit: frozenset[str] = frozenset()
    """Forms in which SQLite has built something else than this gives."""
    unpacks: bool = False
    """Whether it reads a table function: json_each has SQLite take a text for the JSON it is."""
    repeatable: bool = False
    """Whether the same snapshot, views and static tables give the same answer again."""
    reads_static: bool = False
    """Whether it reads the static tables, whose names and rows may be others at any time."""
    wide: bool = False
    """Whether what is told of its columns is too much to be remembered."""
    plan: bool = False
    """Whether it is an EXPLAIN QUERY PLAN: that stands in no other statement, and is UTF-8."""


class Begun(msgspec.Struct, frozen=True):
    """A statement that runs: it has come as far as its first row."""

    cursor: apsw.Cursor
    since_s: float
    """The thread's processor time (`time.thread_time`) when it began."""


def examine(on: SnapshotConnection, sql: str, bindings: tuple[str, ...]) -> Examined:
    """Ask SQLite what the statement is; refuse all but one reading statement.

    A connection remembers what it was told of short and narrow statements, and of those that
    differ from them in values alone (`parameters`), as long as its schema and its views stay what
    they are. Static tables may be replaced at any time: if it reads them the connection holds them
    from here on, and whoever asks lets go of them. Raises SqlError with SQLite's message and the
    place.
    """
    return _known(on, sql, bindings) or _examine(on, sql, bindings)[0]


def begin(
    on: SnapshotConnection, sql: str, bindings: tuple[str, ...], may_run: Callable[[], None]
) -> tuple[Examined, Begun | None]:
    """As `examine`; a statement that is new to the connection is begun with it.

    So it is prepared once. None for one that is not new: there are better ways to run it.
    `may_run` is called when it has been looked at, and may raise. Raises as `examine` does,
    and what is wrong with its first row.
    """
    known = _known(on, sql, bindings)
    if known is not None:
        may_run()
        return known, None
    return _examine(on, sql, bindings, may_run)


def begin_anew(
    on: SnapshotConnection, sql: str, bindings: tuple[str, ...], may_run: Callable[[], None]
) -> tuple[Examined, Begun]:
    """As `begin`, whether or not the statement is new to the connection."""
    known = _of_known_form(on, sql, bindings)
    if known is None:
        return _examine(on, sql, bindings, may_run)
    on.sandbox.watch()
    may_run()
    since_s = time.thread_time()
    try:
        return known, Begun(on.connection.execute(known.sql, known.bindings), since_s)
    except apsw.Error as error:
        raise in_words(error, on, sql) from None


def _known(on: SnapshotConnection, sql: str, bindings: tuple[str, ...]) -> Examined | None:
    known: Examined | None = on.examined.get(sql)
    if known is None or known.bindings != bindings:
        return _of_known_form(on, sql, bindings)
    on.sandbox.running = True
    return known


def _of_known_form(on: SnapshotConnection, sql: str, bindings: tuple[str, ...]) -> Examined | None:
    if bindings or not on.forms or len(sql) > _REMEMBERED_CHARS:
        return None
    asked = with_parameters(sql)
    form: Examined | None = on.forms.get(asked.sql) if asked is not None else None
    if asked is None or form is None:
        return None
    on.sandbox.running = True
    return msgspec.structs.replace(form, bindings=asked.values)


def _remember(on: SnapshotConnection, examined: Examined) -> None:
    """What is told of one statement of a form is true of them all: what was taken out of it says
    nothing but which rows there are."""
    changing = examined.reads_static or on.takes_quoted_texts
    if len(examined.sql) > _REMEMBERED_CHARS or examined.wide or changing:
        return
    _put(on.examined, examined)
    form = None if examined.bindings else with_parameters(examined.sql)
    if form is not None:
        alone = _without_around(form.sql) + _END_OF_COMMENT
        _put(on.forms, msgspec.structs.replace(examined, sql=form.sql, alone=alone))


def _put(known: dict[str, Examined], examined: Examined) -> None:
    if len(known) >= _REMEMBERED:
        known.clear()
    known[examined.sql] = examined


def remember_unfit(on: SnapshotConnection, examined: Examined, unfit: frozenset[str]) -> None:
    """Have the connection remember the forms of JSON that do not serve for that statement."""
    form = with_parameters(examined.sql)
    for known, sql in (
        (on.examined, examined.sql),
        (on.forms, examined.sql if form is None else form.sql),
    ):
        if sql in known:
            known[sql] = msgspec.structs.replace(known[sql], unfit=unfit)


def _examine(
    on: SnapshotConnection,
    sql: str,
    bindings: tuple[str, ...],
    may_run: Callable[[], None] | None = None,
) -> tuple[Examined, Begun]:
    """As `_examine_now`, of static tables that stay what they are told to be."""
    if "\0" in sql:
        raise _no_text()  # SQLite would read as far as there
    if on.takes_quoted_texts:
        on.take_quoted_texts(False)
    told = _examine_now(on, sql, bindings, may_run)
    if told[0].reads_static and not on.holds_static:
        on.hold_static()
        told = _examine_now(on, sql, bindings, may_run)
    return told


def _examine_now(
    on: SnapshotConnection,
    sql: str,
    bindings: tuple[str, ...],
    may_run: Callable[[], None] | None,
) -> tuple[Examined, Begun]:
    """Prepare the statement, look at it, and let it go on where it may run."""
    if on.takes_quoted_texts:
        _refuse_quoted_texts(on, sql, bindings)
    on.sandbox.running = False
    on.sandbox.watch()
    found: list[Examined] = []
    since_s = 0.0

    def look(cursor: apsw.Cursor, first: str, bound: Any) -> bool:
        nonlocal since_s
        if not found:  # what may follow are blanks and comments
            found.append(_told(on, sql, bindings, cursor, first))
            on.sandbox.running = True
            if may_run is not None:
                may_run()
                since_s = time.thread_time()
        return may_run is not None and (not found[0].reads_static or on.holds_static)

    cursor = on.connection.cursor()
    cursor.exec_trace = look
    try:
        # Not one that was kept: of a static table that was replaced it would tell what was.
        cursor.execute(sql, bindings, can_cache=False)
    except apsw.ExecTraceAbort:
        pass
    except apsw.BindingsError:
        raise SqlError(
            "the statement has parameters (?, :name), and no values come with it"
        ) from None
    except apsw.Error as error:
        if not on.takes_quoted_texts and _is_of_a_view(error):
            on.take_quoted_texts(True)
            return _examine_now(on, sql, bindings, may_run)
        raise in_words(error, on, sql) from None
    except ValueError:
        raise _no_text() from None
    if not found:
        raise _nothing_to_run()
    _remember(on, found[0])
    return found[0], Begun(cursor, since_s)


def _is_of_a_view(error: apsw.Error) -> bool:
    """Whether it is about a text in double quotes that a view has, which may be an old one's.

    In the statement it is more often than not a name that was misspelt; that has a place there.
    """
    return str(error).endswith(_QUOTED_TEXT) and getattr(error, "error_offset", 0) < 0


def _refuse_quoted_texts(on: SnapshotConnection, sql: str, bindings: tuple[str, ...]) -> None:
    """Raise SqlError where the statement itself has a name in double quotes that nothing has."""
    cursor = on.connection.cursor()
    cursor.exec_trace = lambda cursor, first, bound: False  # prepared, and not begun
    try:
        cursor.execute(with_names_only(sql), bindings, can_cache=False)
    except (apsw.ExecTraceAbort, apsw.BindingsError):
        pass
    except apsw.Error as error:
        refusal = in_words(error, on, sql)
        if isinstance(refusal, SqlError) and refusal.offset is not None:
            name = refusal.sentence.removeprefix("no such column: ")
            if sql.startswith(f'"{name}"', refusal.offset):
                refusal = SqlError(f'no such column: "{name}" - {_QUOTED_TEXT}', refusal.offset)
        raise refusal from None


def _told(
    on: SnapshotConnection, sql: str, bindings: tuple[str, ...], cursor: apsw.Cursor, first: str
) -> Examined:
    """What SQLite says of a statement it has prepared and not begun. Raises QasinoError."""
    if not cursor.has_vdbe:
        raise _nothing_to_run()
    columns = cursor.description_full
    is_explain = cursor.is_explain
    if is_explain == 1 or not cursor.is_readonly or not columns:
        raise NotReading(
            "Unrecognized statement: only reading is possible here, by SELECT, WITH, VALUES,"
            " EXPLAIN QUERY PLAN, SHOW and DESC"
        )
    sandbox = on.sandbox
    repeatable, nested = not sandbox.changing, sandbox.nr_selects > 1
    unpacks, reads_static = sandbox.unpacks, sandbox.reads_static
    bare = sandbox.reads_bare_view or (nested and has_bare_compound(first))
    if len(first) < len(sql):
        _refuse_more(on, sql[len(first) :])
    names, types, computed, wide = _columns(columns, nested)
    return Examined(
        sql=sql,
        bindings=bindings,
        names=names,
        types=types,
        computed=computed,
        alone=_without_around(first) + _END_OF_COMMENT,
        wrappable=not is_explain and not bare and len(columns) <= _WRAPPED_COLUMNS_MAX,
        bare=bare,
        unpacks=unpacks,
        repeatable=repeatable,
        reads_static=reads_static,
        wide=wide,
        plan=bool(is_explain),
    )


def _without_around(statement: str) -> str:
    """Without what may stand before it, and without a `;` behind it."""
    alone = statement.strip(_NOTHING)
    # The expression takes ten times as long, so it is for those that need it.
    return alone if alone[:1].isalpha() else _BEFORE.sub("", alone, count=1)


def _no_text() -> SqlError:
    return SqlError("the statement has a NUL character or half a surrogate pair")


def _nothing_to_run() -> SqlError:
    return SqlError("there is no statement to run")


@remembered(256)
def _columns(
    columns: tuple[tuple[str | None, ...], ...], nested: bool
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...], bool]:
    """Their names, declared types, which of them may hold BLOBs, and whether that is much to keep.

    Of selects within selects, UNION and views SQLite tells the origin of one part alone.
    """
    names = tuple(str(column[0]) for column in columns)
    types = tuple(column[1] or "" for column in columns)
    computed = tuple(n for n, column in enumerate(columns) if nested or not _of_table(column[3]))
    return names, types, computed, bytes_of((names, types, computed)) > _REMEMBERED_BYTES


def _of_table(origin: str | None) -> bool:
    return origin is not None and not is_table_function(origin)


def _refuse_more(on: SnapshotConnection, remaining: str) -> None:
    """Nothing but blanks, comments and ; may follow the statement."""
    more: list[bool] = []

    def look(cursor: apsw.Cursor, first: str, bound: Any) -> bool:
        more.append(cursor.has_vdbe)
        return not cursor.has_vdbe

    if not remaining.strip(_NOTHING):
        return
    cursor = on.connection.cursor()
    cursor.exec_trace = look
    try:
        cursor.execute(remaining, can_cache=False)
    except (apsw.Error, ValueError):
        more.append(True)
    if any(more):
        raise SqlError("there are two statements; send one at a time")
