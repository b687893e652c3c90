"""CREATE VIEW as a person wrote it -> the part that a TEMP view is made of.

The statement is run in an empty database, where it can do nothing else than be a view, and
read back from the schema, in which SQLite keeps it in one form: CREATE VIEW, then the rest as
it was written. So no text of ours has to understand SQL.
"""

from __future__ import annotations

import apsw
import apsw.ext

from qasino_server.errors import BadRequest

_CREATE = "CREATE VIEW "
_ALLOWED = frozenset({"SQLITE_CREATE_VIEW", "SQLITE_CREATE_TEMP_VIEW"})


def read_view_sql(definition: str, viewname: str) -> str:
    """What follows CREATE VIEW in the definition.

    Raises BadRequest with SQLite's message, or where it is no single view of that name.
    """
    scratch = apsw.Connection(":memory:")
    try:
        details = apsw.ext.query_info(scratch, definition, actions=True)
        actions = {action.action_name for action in details.actions or ()}
        if not actions & _ALLOWED:
            raise BadRequest("it must be a CREATE VIEW statement")
        if details.query_remaining and _has_statement(scratch, details.query_remaining):
            raise BadRequest("it must be one statement")
        scratch.execute(details.first_query)
        name, body = _made(scratch)
    except (apsw.Error, ValueError) as error:
        raise BadRequest(f"SQLError: {error}") from None
    finally:
        scratch.close()
    if name.lower() != viewname.lower():
        raise BadRequest(f"it creates the view {name}, its viewname is {viewname}")
    return body


def _made(scratch: apsw.Connection) -> tuple[str, str]:
    rows = scratch.execute(
        "SELECT name, sql FROM sqlite_schema UNION ALL SELECT name, sql FROM sqlite_temp_schema"
    )
    name, sql = rows.fetchall()[0]
    return str(name), str(sql).removeprefix(_CREATE)


def _has_statement(scratch: apsw.Connection, text: str) -> bool:
    return bool(apsw.ext.query_info(scratch, text).has_vdbe)
