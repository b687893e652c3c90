"""Names that a publication may not have, and the static tables, which have names of their own.

Runs at the writer's desk only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Set

from qasino_server.database.sandbox import is_table_function
from qasino_server.errors import Refused
from qasino_server.statics import Statics
from qasino_server.store.ledger import Ledger
from qasino_server.store.postponed import Drop
from qasino_server.table import Publication, Receipt


class NamesTaken:
    """By static tables, by views, by SQLite; and by live tables where a static one is wanted."""

    def __init__(self, statics: Statics, in_snapshot: Callable[[], Set[str]]) -> None:
        """`in_snapshot` gives the keys of the tables that queries see now."""
        self._statics = statics
        self._in_snapshot = in_snapshot
        self.by_views: frozenset[str] = frozenset()
        """As they were when the batch was begun."""

    def refuse(self, publication: Publication) -> None:
        """Raise Refused where no live table may have that name."""
        key = publication.table_key
        if key in self._statics.tables:
            raise Refused(
                f"{publication.tablename} is a static table here; publish it with static, or end"
                " it with drop_table first (qasino publish --static, --drop)"
            )
        self._refuse_reserved(publication)

    def _refuse_reserved(self, publication: Publication) -> None:
        if is_table_function(publication.tablename):
            raise Refused(
                f"{publication.tablename} is the name of a table function of SQLite, which a"
                " table of that name would hide"
            )
        if publication.table_key in self.by_views:
            raise Refused(f"{publication.tablename} is the name of a view of this server")

    def replace_static(self, publication: Publication, ledger: Ledger) -> Receipt:
        """Replace the static table of that name; durable when this returns.

        Raises Refused where the name is not free for one, and what `Statics.replace` raises.
        """
        self._refuse_reserved(publication)
        key = publication.table_key
        if self._is_live(key, ledger):
            raise Refused(
                f"{publication.tablename} is a live table in this generation or the last one; it"
                " can become static once nobody has published it for a generation"
            )
        table = self._statics.replace(publication, time.time())
        return Receipt(ledger.number, table.nr_rows, message=publication.note)

    def _is_live(self, key: str, ledger: Ledger) -> bool:
        """Whether it is collected, or was in the last generation, as all that is to be carried; or
        in the one before that, which queries see as long as the last is being finished, and longer
        where it was lost."""
        had = ledger.before(key) is not None
        return key in ledger.tables or had or key in self._in_snapshot()

    def drop_static(self, drop: Drop) -> str | None:
        """End the static table of that name; a sentence, None where there is no such table.

        Raises Refused where the rows of one identity are meant, and what `Statics.drop` raises.
        """
        key = drop.table_key
        if key not in self._statics.tables:
            return None
        if drop.identity is not None:
            raise Refused(f"{drop.tablename} is static and has no rows of one identity alone")
        self._statics.drop(key)
        return f"the static table {drop.tablename} is gone"
