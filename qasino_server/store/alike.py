"""Which publications of a batch are alike, so that their rows can be stored together.

A fleet sends one table from many identities, ten rows at a time: what a statement costs beside
its rows is most of the work then. Alike are publications of one table with the same columns,
each from an identity that has sent nothing for it yet; for those no rule but the merging of
their one header has anything to say.
"""

from __future__ import annotations

from collections.abc import Sequence

from qasino_server.store.ledger import Ledger, Pair
from qasino_server.table import Publication

ALIKE_MIN = 3
"""Two cost as much together as one by one."""
ALIKE_BYTES = 16_384
"""Larger ones cost as much together as one by one, too: it is their rows that cost."""


def alike(publications: Sequence[Publication], ledger: Ledger) -> list[list[int]]:
    """The groups that are alike, as places among the publications; the others are in none.

    Of a pair that is sent twice only the first is in a group, if nothing else came before it.
    """
    groups: dict[object, list[int]] = {}
    seen: set[Pair] = set()
    for place, publication in enumerate(publications):
        pair = publication.pair
        if pair in seen:
            continue
        seen.add(pair)
        if publication.update or len(publication.rows_json) > ALIKE_BYTES:
            continue
        if ledger.source(pair) is None and ledger.owed(pair) is None:
            groups.setdefault((publication.tablename, publication.columns), []).append(place)
    return [group for group in groups.values() if len(group) >= ALIKE_MIN]
