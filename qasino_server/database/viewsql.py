"""CREATE VIEW as a person wrote it -> the part that a TEMP view is made of.

Only the head of the statement is found by its words (CREATE VIEW, whatever else stands
there); the rest is made a TEMP view in an empty database, where SQLite says whether it is
one, alone, and of which name. It has to be TEMP there too: only those may speak of `prev`; so a
schema `main` before its name, which the ancestor took, is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import apsw

from qasino_server.database.sqltext import quoted
from qasino_server.errors import BadRequest
from qasino_server.splitting import BLANKS

if TYPE_CHECKING:
    from apsw.ext import QueryDetails

_HEAD = re.compile(
    rf"{BLANKS}*+create{BLANKS}++(?:temp(?:orary)?{BLANKS}++)?view\b{BLANKS}*+"
    rf"(?:if{BLANKS}++not{BLANKS}++exists\b{BLANKS}*+)?(?:main{BLANKS}*+\.{BLANKS}*+)?",
    re.IGNORECASE,
)

_MAY_COME = re.compile(r"no such (table|column)|unknown database", re.IGNORECASE)


def read_view_sql(definition: str, viewname: str) -> str:
    """What follows CREATE VIEW in the definition.

    Raises BadRequest with SQLite's message, or where it is no single view of that name.
    """
    head = _HEAD.match(definition)
    body = definition[head.end() :] if head is not None else ""
    scratch = apsw.Connection(":memory:")
    try:
        if head is None:
            _query_info(scratch, definition)  # a syntax error says more than we could
            raise BadRequest("it must be a CREATE VIEW statement")
        details = _query_info(scratch, f"CREATE TEMP VIEW {body}")
        if details.query_remaining and _has_statement(scratch, details.query_remaining):
            raise BadRequest("it must be one statement")
        scratch.execute(details.first_query)
        name = str(scratch.execute("SELECT name FROM sqlite_temp_schema").get)
    except (apsw.Error, ValueError) as error:
        raise BadRequest(f"SQLError: {error}") from None
    finally:
        scratch.close()
    if name.lower() != viewname.lower():
        raise BadRequest(f"it creates the view {name}, its viewname is {viewname}")
    return details.first_query.removeprefix("CREATE TEMP VIEW ")


def fault_of(connection: apsw.Connection, viewname: str) -> str:
    """Why nothing can be asked of a view that has been made; '' where it may come to give rows.

    Tables and columns come with those who publish them.
    """
    cursor = connection.cursor()
    cursor.exec_trace = lambda cursor, sql, bindings: False  # prepared, and not begun
    try:
        cursor.execute(f"SELECT * FROM temp.{quoted(viewname)}", can_cache=False)
    except apsw.ExecTraceAbort:
        pass
    except apsw.SQLError as error:
        if not _MAY_COME.match(str(error)):
            return str(error)
    return ""


def faults_of_any(bodies: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with views, by their names, whatever tables there are: one reads itself, say.

    `bodies` are as `read_view_sql` gives them. A table that has the name of a view keeps that out,
    and others read the table: of those it is not known here.
    """
    scratch = apsw.Connection(":memory:")
    try:
        for body in bodies.values():
            scratch.execute(f"CREATE TEMP VIEW {body}")
        faults = {name: fault_of(scratch, name) for name in bodies}
    finally:
        scratch.close()
    return {name: fault for name, fault in faults.items() if fault}


def _query_info(scratch: apsw.Connection, sql: str) -> QueryDetails:
    from apsw.ext import query_info  # 12 ms, which a server without views never pays

    return query_info(scratch, sql)


def _has_statement(scratch: apsw.Connection, text: str) -> bool:
    try:
        return bool(_query_info(scratch, text).has_vdbe)
    except apsw.Error:
        return True
