"""How much room the open generation has left, and what is refused where there is none.

Each bound is stated twice, in one order: by refusing one publication, with the sentence that says
which bound it is, and by asking for a group that is stored together, of whose publications each is
tried alone where not all of them fit. What holds for one has to hold for the other.

Runs at the writer's desk only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qasino_server.quota import Quota, refusal
from qasino_server.store.ledger import Ledger, Pair
from qasino_server.table import Publication


class RoomLeft:
    """Of one generation."""

    def __init__(self, quota: Quota, ledger: Ledger, file_bytes: Callable[[], int]) -> None:
        """`file_bytes` asks SQLite how large the file is."""
        self._quota = quota
        self._ledger = ledger
        self._file_bytes = file_bytes
        self._size_bytes = 0
        """Of the file, measured a few transactions ago, and what came since, near enough."""

    def measure(self) -> None:
        """See how large the file is; between two of these what comes is added up."""
        self._size_bytes = self._file_bytes() + self._ledger.described_bytes

    def has_rows(self, new_rows: int) -> bool:
        """Whether so many rows more fit."""
        return self._ledger.nr_rows + new_rows <= self._quota.rows

    def take(self, publication: Publication, pair: Pair, new_rows: int) -> None:
        """Take the room of a publication, or raise Full where it would go beyond a bound.

        `new_rows` are those that it adds to the rows there are.
        """
        ledger, quota = self._ledger, self._quota
        if ledger.nr_tables >= quota.tables and ledger.table(pair[0]) is None:
            raise refusal(ledger.nr_tables, "tables", quota.tables, "--max-tables")
        if ledger.nr_sources >= quota.sources and ledger.source(pair) is None:
            of = "tables of identities"
            raise refusal(ledger.nr_sources, of, quota.sources, "--max-sources")
        if ledger.nr_identities >= quota.identities and not ledger.knows(pair[1]):
            most = quota.identities
            raise refusal(ledger.nr_identities, "identities", most, "--max-identities")
        if new_rows > 0 and ledger.nr_rows + new_rows > quota.rows:
            option = "--max-generation-rows"
            raise refusal(ledger.nr_rows, "rows", quota.rows, option, new_rows)
        more_bytes, most = _json_bytes(publication), quota.size_bytes
        if self._size_bytes + more_bytes > most:
            self.measure()  # what was replaced since is not in the file any more
            more = self._surely_more_bytes(publication, pair)
            if more and self._size_bytes + more > most:
                option = "--max-generation-bytes"
                raise refusal(self._size_bytes, "bytes", most, option, more)
        self._size_bytes += more_bytes

    def take_alike(self, publications: Sequence[Publication], new_rows: int) -> bool:
        """Take the room of them all, of pairs that are new; False, having taken none, where they
        may not fit."""
        ledger, quota, count = self._ledger, self._quota, len(publications)
        size_bytes = sum(map(_json_bytes, publications))
        fits = (
            ledger.nr_tables < quota.tables
            and ledger.nr_sources + count <= quota.sources
            and ledger.nr_identities + count <= quota.identities
            and ledger.nr_rows + new_rows <= quota.rows
            and self._size_bytes + size_bytes <= quota.size_bytes
        )
        if fits:
            self._size_bytes += size_bytes
        return fits

    def _surely_more_bytes(self, publication: Publication, pair: Pair) -> int:
        """What a publication adds to the file, near enough.

        Of rows that take the place of others that is not known before those are gone: they meet
        SQLite's own bound.
        """
        present, table = self._ledger.source(pair), self._ledger.table(pair[0])
        if table is None or present is None or not present.ranges:
            return _json_bytes(publication)
        words = table.descriptions
        return words.give(publication).size_bytes - words.size_bytes


def _json_bytes(publication: Publication) -> int:
    """What a publication adds to the file, near enough."""
    size_bytes = len(publication.rows_json)
    if publication.descriptions:
        size_bytes += sum(map(len, publication.descriptions))
    return size_bytes
